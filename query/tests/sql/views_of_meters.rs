//! Views of meters and of the network.

use crate::harness::HOUR_US;
use crate::view_rows::{Place, Reading, reading};

const QUARTER_US: i64 = HOUR_US / 4;
pub(crate) const METER: &str = "ha-tinh,vung-ang,m,works,production,22-110kV,old,Asia/Ho_Chi_Minh,900,2000-01-01,,\n";

/// Quarter-hours that end from a first stamp of UTC on.
fn quarters(first: &str, kwh: &[f64]) -> Vec<Reading> {
    (0..).zip(kwh).map(|(n, kwh)| reading(first, "m", &[("active_energy", *kwh)]).later(n * QUARTER_US)).collect()
}

#[tokio::test]
async fn a_week_is_cut_into_the_windows_of_both_schedules_and_billed_by_one() {
    // Monday 5 January 2026, 00:00 local, is 17:00 UTC of the day before; the first interval ends at 17:15.
    let place = Place::new().know("meters", METER).with("energy", &quarters("2026-01-04 17:15", &[1.0; 7 * 96]));
    let sql = "select schedule, is_billed, tariff, sum(active_kwh) from energy_use group by 1, 2, 3 order by 1, 3";
    // Six days with 5 hours of peak in both; off-peak is 6 hours each night, on Sundays too.
    let expected = [
        "new | false | normal | 384.0",
        "new | false | offpeak | 168.0",
        "new | false | peak | 120.0",
        "old | true | normal | 384.0",
        "old | true | offpeak | 168.0",
        "old | true | peak | 120.0",
    ];
    assert_eq!(place.answer(sql).await, expected);
    let sunday = "select distinct tariff from energy_use where day = '2026-01-11' and schedule = 'old' order by 1";
    assert_eq!(place.answer(sunday).await, ["normal", "offpeak"]);
    let cost = "select cost, price, price_valid_from from energy_use where day = '2026-01-05' and schedule = 'old' and tariff = 'peak'";
    assert_eq!(place.answer(cost).await, ["67960.0 | 3398.0 | 2025-05-10"]);
}

#[tokio::test]
async fn a_stamp_is_the_end_of_its_interval_and_midnight_closes_the_day_before() {
    let place = Place::new().know("meters", METER).with("energy", &quarters("2026-01-05 16:45", &[1.0, 2.0, 4.0]));
    let days =
        place.answer("select day, sum(active_kwh) from energy_use where schedule = 'old' group by 1 order by 1").await;
    assert_eq!(days, ["2026-01-05 | 3.0", "2026-01-06 | 4.0"]);
}

#[tokio::test]
async fn a_meter_without_a_customer_has_no_price_and_says_so() {
    let place = Place::new().with("energy", &quarters("2026-01-05 02:45", &[1.0]));
    let sql = "select schedule, is_billed, tariff, active_kwh, price, cost, reason from energy_use order by schedule";
    let expected = [
        "new | NULL | normal | 1.0 | NULL | NULL | meter_unknown",
        "old | NULL | peak | 1.0 | NULL | NULL | meter_unknown",
    ];
    assert_eq!(place.answer(sql).await, expected);
}

#[tokio::test]
async fn a_register_that_is_reset_twice_within_a_minute_or_exchanged_loses_nothing_that_it_shows() {
    let rows: Vec<Reading> = [
        ("2026-01-05 02:00:00", 900_000.5),
        ("2026-01-05 02:00:20", 900_001.0),
        ("2026-01-05 02:00:30", 0.25),
        ("2026-01-05 02:00:40", 0.125),
        ("2026-01-05 02:15:00", 3.125),
        ("2026-01-05 02:30:00", 3.125),
    ]
    .map(|(time, total)| reading(time, "m", &[("active_energy_total", total)]))
    .to_vec();
    let place = Place::new().know("meters", METER).with("energy", &rows);
    let found = place.answer("select active_kwh, seconds from energy_intervals order by time").await;
    assert_eq!(found, ["0.500 | 20", "0.250 | 10", "0.125 | 10", "3.000 | 860", "0.000 | 900"]);
}

#[tokio::test]
async fn a_half_hour_is_that_of_the_clock_and_the_sliding_one_stands_beside_it() {
    // 00:15 to 01:15 of local time.
    let place = Place::new()
        .know("meters", METER)
        .with("energy", &quarters("2026-01-04 17:15", &[10.0, 30.0, 30.0, 10.0, 40.0]));
    let sql = "select month, active_kwh, peak_15_kw, peak_15_at, peak_30_kw, peak_30_at, peak_30_sliding_kw, mean_kw, load_factor from demand";
    let expected =
        "2026-01-01 | 120.0 | 160.0 | 2026-01-04T18:15:00Z | 80.0 | 2026-01-05T00:00:00 | 120.0 | 96.0 | 0.6";
    assert_eq!(place.answer(sql).await, [expected]);
}

#[tokio::test]
async fn a_power_factor_of_0_899_is_rounded_to_0_90_and_its_variants_stand_beside_it() {
    let row = reading(
        "2026-01-05 02:00",
        "m",
        &[("active_energy", 899.0), ("reactive_energy_lagging", 437.946), ("reactive_energy_leading", 100.0)],
    );
    let place = Place::new().know("meters", METER).with("energy", &[row]);
    let sql =
        "select round(cos_phi * 100000) / 100000, cos_phi_rounded, surcharge_percent, surcharge_percent_truncated,
        round(surcharge_percent_formula * 1000) / 1000, cos_phi_net > 0.9, surcharge from power_factor";
    assert_eq!(place.answer(sql).await, ["0.899 | 0.9 | 0.0 | 1.12 | 0.111 | true | 0.0"]);
}

fn sample(n: i64, mbit: f64) -> Reading {
    let texts = [("operator", "Viettel"), ("network_mode", "5G"), ("state", "D")];
    let row = reading("2026-01-05 02:00", "phone", &[("dl_bitrate", mbit * 1000.0), ("ping_avg", 20.0)]);
    // Two rows share each second.
    row.with_texts(&texts).later(n / 2 * 1_000_000)
}

#[tokio::test]
async fn a_run_of_1_499_samples_has_no_verdict_and_one_of_1_500_has() {
    let sql =
        "select month, samples, mean_download, share_download_30, latency_samples, download_verdict, share_verdict,
        upload_verdict, access_verdict, latency_verdict, verdict from network_quality";
    for (samples, slow, expected) in [
        (1_499, 1_499, "29.0 | 0.0 | 1499 | fail | fail | not measured | not measured | pass | not enough samples"),
        (1_500, 1_500, "29.0 | 0.0 | 1500 | fail | fail | not measured | not measured | pass | fail"),
        (1_500, 0, "120.0 | 100.0 | 1500 | pass | pass | not measured | not measured | pass | not fully measured"),
        (1_500, 75, "115.45 | 95.0 | 1500 | pass | pass | not measured | not measured | pass | not fully measured"),
    ] {
        let rows: Vec<Reading> = (0..samples).map(|n| sample(n, if n < slow { 29.0 } else { 120.0 })).collect();
        let place = Place::new().with("network", &rows);
        assert_eq!(place.answer(sql).await, [format!("2026-01-01 | {samples} | {expected}")]);
    }
}

#[tokio::test]
async fn tests_before_the_regulation_are_judged_as_of_its_first_day_alone() {
    let texts = [("operator", "B"), ("network_mode", "5G"), ("state", "D")];
    let row = reading("2019-12-14 10:16", "phone", &[("dl_bitrate", 7.0)]).with_texts(&texts);
    let other = reading("2019-12-14 10:17", "phone", &[("dl_bitrate", 7.0)]).with_texts(&[
        ("operator", "B"),
        ("network_mode", "LTE"),
        ("state", "D"),
    ]);
    let place = Place::new().with("network", &[row, other]);
    let sql = "select rows_5g, samples, latency_samples, latency_verdict, verdict_as_of, limits_valid_from, verdict from network_quality";
    assert_eq!(place.answer(sql).await, ["1 | 1 | 0 | not measured | not enough samples | 2022-07-01 | NULL"]);
}
