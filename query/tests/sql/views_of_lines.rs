//! Views of production: states, counters, effectiveness, and what energy a piece takes.

use crate::harness::HOUR_US;
use crate::view_rows::{Place, Reading, reading};

const MINUTE_US: i64 = HOUR_US / 60;
const SECOND_US: i64 = MINUTE_US / 60;

/// A machine whose states hold for so many seconds without a row.
fn machine(device: &str, position: usize, gap_seconds: usize, full_scale: &str) -> String {
    format!(
        "ha-tinh,vung-ang,{device},line-1,{position},shifts,,Asia/Ho_Chi_Minh,{gap_seconds},1,{full_scale},2000-01-01,,\n"
    )
}

fn in_state(second: i64, device: &'static str, state: &'static str) -> Reading {
    reading("2026-01-05 00:00", device, &[]).with_texts(&[("state", state)]).later(second * SECOND_US)
}

fn counted(second: i64, total: f64, good: f64) -> Reading {
    reading("2026-01-05 00:00", "m", &[("count_total", total), ("count_good", good)]).later(second * SECOND_US)
}

/// An hour from 07:00 local: half of it running with 20 pieces a minute, 10 minutes each planned, broken down and idle.
fn an_hour() -> Vec<Reading> {
    let state = |minute: i64| match minute {
        0..30 => "running",
        30..40 => "planned_stop",
        40..50 => "breakdown",
        _ => "idle",
    };
    (0..=60)
        .map(|minute| {
            let total = 20.0 * minute.min(30) as f64;
            reading("2026-01-05 00:00", "m", &[("count_total", total), ("count_good", total * 0.9)])
                .with_texts(&[("state", state(minute))])
                .later(minute * MINUTE_US)
        })
        .collect()
}

#[tokio::test]
async fn the_factors_of_an_hour_are_sums_that_are_divided_and_planned_stops_alone_leave_busy_time() {
    let place = Place::new()
        .know("production_lines", &machine("m", 1, 60, ""))
        .know("ideal_cycle_times", "ha-tinh,vung-ang,m,,2,2000-01-01,,\n")
        .with("production", &an_hour());
    let sql = "select started_at, availability, round(effectiveness * 1000000), quality, round(oee * 1000000), planned_seconds, running_seconds,
        ideal_seconds, pieces, good, breakdown_seconds, reason from oee where period = 'hour' order by started_at";
    let expected = [
        "2026-01-05T07:00:00 | 0.6 | 666667.0 | 0.9 | 360000.0 | 3000.0 | 1800.0 | 1200.0 | 600 | 540 | 600.0 | NULL",
        // The last row is a sample of a second, and its count is of the hour before.
        "2026-01-05T08:00:00 | 0.0 | NULL | NULL | NULL | 1.0 | 0.0 | NULL | NULL | NULL | 0.0 | not_running",
    ];
    assert_eq!(place.answer(sql).await, expected);
}

#[tokio::test]
async fn a_factor_whose_divisor_is_0_is_none_with_its_reason_and_an_effectiveness_above_1_is_not_capped() {
    let all = |state: &'static str| vec![in_state(0, "m", state), in_state(60, "m", state)];
    let with = |state: &'static str, counts: &[(i64, f64, f64)]| {
        let counts = counts.iter().map(|&(second, total, good)| counted(second, total, good));
        all(state).into_iter().chain(counts).collect::<Vec<_>>()
    };
    let sql = "select effectiveness, oee, reason from oee where period = 'day'";
    for (ideal, rows, expected) in [
        ("2", with("planned_stop", &[]), "NULL | NULL | nothing_planned"),
        ("2", with("idle", &[]), "NULL | NULL | not_running"),
        ("2", with("running", &[]), "NULL | NULL | no_counts"),
        ("2", with("running", &[(0, 7.0, 7.0), (60, 7.0, 7.0)]), "0.0 | NULL | nothing_made"),
        ("6.1", with("running", &[(0, 0.0, 0.0), (60, 20.0, 20.0)]), "2.0 | 2.0 | NULL"),
        ("", with("running", &[(0, 0.0, 0.0), (60, 20.0, 20.0)]), "NULL | NULL | no_ideal_cycle_time"),
        ("2", all("99"), "NULL | NULL | state_unknown"),
    ] {
        let known = match ideal {
            "" => String::new(),
            seconds => format!("ha-tinh,vung-ang,m,,{seconds},2000-01-01,,\n"),
        };
        let place = Place::new()
            .know("production_lines", &machine("m", 1, 60, ""))
            .know("ideal_cycle_times", &known)
            .with("production", &rows);
        assert_eq!(place.answer(sql).await, [expected], "{ideal}");
    }
}

#[tokio::test]
async fn pieces_of_several_articles_have_their_own_ideal_times() {
    let of = |second: i64, total: f64, product: &'static str| {
        reading("2026-01-05 00:00", "m", &[("count_total", total), ("count_reject", 0.0)])
            .with_texts(&[("product", product), ("state", "running")])
            .later(second * SECOND_US)
    };
    let place = Place::new()
        .know("production_lines", &machine("m", 1, 60, ""))
        .know("ideal_cycle_times", "ha-tinh,vung-ang,m,a,1,2000-01-01,,\nha-tinh,vung-ang,m,,3,2000-01-01,,\n")
        .with("production", &[of(0, 0.0, "a"), of(60, 10.0, "a"), of(120, 20.0, "b")]);
    let sql = "select ideal_seconds, pieces, good from oee where period = 'day'";
    assert_eq!(place.answer(sql).await, ["40.0 | 20 | 20"]);
}

#[tokio::test]
async fn a_gap_up_to_the_limit_holds_the_state_and_a_longer_one_is_offline_behind_a_sample() {
    let rows = [in_state(0, "m", "running"), in_state(5, "m", "running"), in_state(25, "m", "running")];
    let place = Place::new().know("production_lines", &machine("m", 1, 5, "")).with("production", &rows);
    let sql = "select started_at, seconds, state, is_continued, reason from state_timeline order by started_at";
    let expected = [
        "2026-01-05T00:00:00Z | 6.0 | running | false | NULL",
        "2026-01-05T00:00:06Z | 19.0 | offline | false | NULL",
        "2026-01-05T00:00:25Z | 1.0 | running | false | NULL",
    ];
    assert_eq!(place.answer(sql).await, expected);
    // Offline is lost availability, and stands apart.
    let sql = "select planned_seconds, running_seconds, offline_seconds from oee where period = 'day'";
    assert_eq!(place.answer(sql).await, ["26.0 | 7.0 | 19.0"]);
    let unknown = Place::new().with("production", &rows);
    let sql = "select count(*), count(seconds), min(reason) from state_intervals";
    assert_eq!(unknown.answer(sql).await, ["3 | 0 | line_unknown"]);
}

#[tokio::test]
async fn codes_of_a_controller_are_states_by_its_map() {
    let known = machine("m", 1, 60, "").replace("shifts,,", "shifts,plc,");
    let place = Place::new()
        .know("production_lines", &known)
        .know("line_states", "plc,3,running,2000-01-01,,\nplc,4,blocked,2000-01-01,,\n")
        .with("production", &[in_state(0, "m", "3"), in_state(30, "m", "4"), in_state(60, "m", "5")]);
    let sql = "select seconds, state, code, reason from state_intervals order by started_at";
    let expected = ["30.0 | running | 3 | NULL", "30.0 | blocked | 4 | NULL", "1.0 | NULL | 5 | state_unknown"];
    assert_eq!(place.answer(sql).await, expected);
}

#[tokio::test]
async fn a_shift_over_midnight_is_of_the_day_on_which_it_began_and_a_state_is_cut_there() {
    // Monday 21:00 to Tuesday 07:00, local.
    let rows: Vec<Reading> = (0..=10)
        .map(|hour| {
            let counts = [("count_total", 100.0 * hour as f64), ("count_good", 100.0 * hour as f64)];
            reading("2026-01-05 14:00", "m", &counts).with_texts(&[("state", "running")]).later(hour * HOUR_US)
        })
        .collect();
    let shifts = "ha-tinh,vung-ang,shifts,night,1,22:00,06:00,2000-01-01,,\nha-tinh,vung-ang,shifts,early,2,06:00,14:00,2000-01-01,,\n";
    let place = Place::new()
        .know("production_lines", &machine("m", 1, 3600, ""))
        .know("ideal_cycle_times", "ha-tinh,vung-ang,m,,36,2000-01-01,,\n")
        .know("shift_calendars", shifts)
        .with("production", &rows);
    let sql = "select day, period, started_at, shift, planned_seconds, pieces, oee from oee where period <> 'hour' order by period, started_at";
    let expected = [
        "2026-01-05 | day | 2026-01-05T00:00:00 | NULL | 10800.0 | 300 | 1.0",
        "2026-01-06 | day | 2026-01-06T00:00:00 | NULL | 25201.0 | 700 | 0.9999603190349589",
        "2026-01-05 | shift | 2026-01-05T22:00:00 | night | 28800.0 | 800 | 1.0",
        "2026-01-06 | shift | 2026-01-06T06:00:00 | early | 3601.0 | 100 | 0.9997222993612885",
    ];
    let found = place.answer(sql).await;
    let cut = |rows: &[String]| rows.iter().map(|row| row.rsplit_once(" | ").unwrap().0.to_owned()).collect::<Vec<_>>();
    assert_eq!(cut(&found), cut(&expected.map(str::to_owned)));
    let hours = place.answer("select count(*), sum(planned_seconds), sum(pieces) from oee where period = 'hour'").await;
    assert_eq!(hours, ["11 | 36001.0 | 1000"]);
    let sql = "select day, seconds, is_continued from state_timeline order by day";
    assert_eq!(place.answer(sql).await, ["2026-01-05 | 10800.0 | false", "2026-01-06 | 25201.0 | true"]);
}

#[tokio::test]
async fn a_counter_that_is_reset_twice_in_a_minute_loses_nothing_and_noise_is_no_reset() {
    let rows = |totals: &[f64]| -> Vec<Reading> {
        let row = |(n, total): (i64, &f64)| {
            reading("2026-01-05 00:00", "m", &[("count_total", *total)]).later(n * 20 * SECOND_US)
        };
        (0..).zip(totals).map(row).collect()
    };
    let sql = "select total, resets from counters order by time";
    let place = Place::new().with("production", &rows(&[100.0, 110.0, 3.0, 1.0, 5.0, 5.0]));
    assert_eq!(place.answer(sql).await, ["10 | 0", "3 | 1", "1 | 1", "4 | 0", "0 | 0"]);
    // 5 % of 1,000 is 50: a fall of 50 is noise, and what is regained does not count twice; one of 51 is a reset.
    let place = Place::new()
        .know("production_lines", &machine("m", 1, 60, "1000"))
        .with("production", &rows(&[100.0, 50.0, 90.0, 112.0, 61.0, 63.0]));
    assert_eq!(place.answer(sql).await, ["0 | 0", "0 | 0", "12 | 0", "61 | 1", "2 | 0"]);
}

#[tokio::test]
async fn stops_are_listed_by_time_lost_with_their_alarms_and_the_times_between_and_of_failures() {
    let alarmed = |second: i64, state: &'static str, alarm: &'static str| {
        let texts: Vec<(&str, &str)> =
            [("state", state), ("alarm", alarm)].into_iter().filter(|(_, text)| !text.is_empty()).collect();
        reading("2026-01-05 00:00", "m", &[]).with_texts(&texts).later(second * SECOND_US)
    };
    let rows = [
        alarmed(0, "running", ""),
        alarmed(600, "breakdown", "E1"),
        alarmed(1000, "breakdown", ""),
        alarmed(1200, "running", ""),
        alarmed(2400, "breakdown", "E2"),
        alarmed(2600, "planned_stop", ""),
        alarmed(3000, "setup", ""),
        alarmed(3200, "running", ""),
    ];
    let place = Place::new().know("production_lines", &machine("m", 1, 3600, "")).with("production", &rows);
    let sql = "select month, state, alarm, stops, seconds, share_percent, rank, cumulative_percent, running_seconds, breakdowns,
        mtbf_seconds, mttr_seconds from downtime order by rank, state";
    let figures = "1801.0 | 2 | 900.5 | 400.0";
    let expected = [
        format!("2026-01-01 | breakdown | E1 | 1 | 600.0 | 60.0 | 1 | 60.0 | {figures}"),
        format!("2026-01-01 | breakdown | E2 | 1 | 200.0 | 20.0 | 2 | 80.0 | {figures}"),
        format!("2026-01-01 | setup | NULL | 1 | 200.0 | 20.0 | 3 | 100.0 | {figures}"),
        format!("2026-01-01 | planned_stop | NULL | 1 | 400.0 | NULL | NULL | NULL | {figures}"),
    ];
    assert_eq!(place.answer(sql).await, expected);
}

#[tokio::test]
async fn the_machine_that_waits_least_is_the_bottleneck_and_a_machine_alone_is_none() {
    let rows = [
        in_state(0, "m", "running"),
        in_state(500, "m", "blocked"),
        in_state(1000, "m", "planned_stop"),
        in_state(0, "n", "running"),
        in_state(900, "n", "starved"),
        in_state(1000, "n", "planned_stop"),
    ];
    let lines = [machine("m", 1, 3600, ""), machine("n", 2, 3600, "")].concat();
    let place = Place::new().know("production_lines", &lines).with("production", &rows);
    let sql = "select device, planned_seconds, running_percent, starved_percent, blocked_percent, is_bottleneck, reason from line_bottleneck order by device";
    let expected = ["m | 1000.0 | 50.0 | 0.0 | 50.0 | false | NULL", "n | 1000.0 | 90.0 | 10.0 | 0.0 | true | NULL"];
    assert_eq!(place.answer(sql).await, expected);
    let place = Place::new().know("production_lines", &lines).with("production", &rows[..3]);
    let sql = "select is_bottleneck, reason from line_bottleneck";
    assert_eq!(place.answer(sql).await, ["NULL | one_machine"]);
}

#[tokio::test]
async fn the_energy_of_a_piece_needs_all_meters_of_the_line_and_pieces() {
    let meter = |device: &'static str| reading("2026-01-05 02:00", device, &[("active_energy", 30.0)]);
    let counts = [counted(0, 0.0, 0.0), counted(60, 20.0, 15.0)];
    let known = "ha-tinh,vung-ang,m,a,2000-01-01,,\nha-tinh,vung-ang,m,b,2000-01-01,,\n";
    let sql = "select day, meters, meters_expected, active_kwh, pieces, kwh_per_piece, kwh_per_good_piece, reason from specific_energy";
    for (energy, counts, expected) in [
        (vec![meter("a"), meter("b")], &counts[..], "2026-01-05 | 2 | 2 | 60.0 | 20 | 3.0 | 4.0 | NULL"),
        (vec![meter("a")], &counts[..], "2026-01-05 | 1 | 2 | 30.0 | 20 | NULL | NULL | meter_silent"),
        (vec![meter("a"), meter("b")], &counts[..1], "2026-01-05 | 2 | 2 | 60.0 | NULL | NULL | NULL | no_counts"),
    ] {
        let place = Place::new().know("line_meters", known).with("energy", &energy).with("production", counts);
        assert_eq!(place.answer(sql).await, [expected]);
    }
}

#[tokio::test]
async fn carbon_dioxide_needs_the_factor_of_an_agency_and_never_a_built_in_one() {
    let rows = [reading("2026-01-05 02:00", "a", &[("active_energy", 30.0), ("co2", 0.02)])];
    let sql = "select day, active_kwh, kg_per_kwh, co2_t, co2_meter_t, reason from energy_emissions";
    let place = Place::new().with("energy", &rows);
    assert_eq!(place.answer(sql).await, ["2026-01-05 | 30.0 | NULL | NULL | 0.02 | factor_not_at_hand"]);
    let place = Place::new().know("carbon_factors", "electricity,0.5,2026-01-01,,an agency\n").with("energy", &rows);
    assert_eq!(place.answer(sql).await, ["2026-01-05 | 30.0 | 0.5 | 0.015 | 0.02 | NULL"]);
}
