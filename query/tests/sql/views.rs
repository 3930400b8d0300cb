//! Views against the vectors of the regulations and the edges at which their rules differ.

use zonelake_schemas::Quality;
use zonelake_schemas::views::VIEWS;

use crate::harness::HOUR_US;
use crate::view_rows::{Place, Reading, reading};

const STATION: &str = "ha-tinh,vung-ang,st,ambient,Asia/Ho_Chi_Minh,3600,,,,,,,,,,2000-01-01,,\n";

/// Hourly rows from a first stamp of UTC on.
fn hourly(first: &str, field: &'static str, values: &[f64]) -> Vec<Reading> {
    (0..).zip(values).map(|(hour, value)| reading(first, "st", &[(field, *value)]).later(hour * HOUR_US)).collect()
}

#[tokio::test]
async fn every_view_answers_over_empty_tables_and_is_listed_with_a_description_of_each_column() {
    let place = Place::new();
    for view in VIEWS {
        // What stands for every zone, province and target has its row all the same.
        let rows = match view.name {
            "zone_overview" => 36,
            "province_overview" => 2,
            "rollout_progress" => 12,
            _ => 0,
        };
        assert_eq!(place.answer(&format!("select * from {}", view.name)).await.len(), rows, "{}", view.name);
        let columns = format!("select column_name from information_schema.columns where table_name = '{}'", view.name);
        let columns = place.answer(&columns).await;
        assert!(columns.len() > 5, "{}: {columns:?}", view.name);
        let keys = ["province", "zone", "site", "device"];
        for column in columns.iter().filter(|column| !keys.contains(&column.as_str())) {
            assert!(view.column(column).is_some(), "{} does not say what {column} is", view.name);
        }
    }
    let listed = place.answer("select count(*) from information_schema.views").await;
    assert_eq!(listed, [VIEWS.len().to_string()]);
}

#[tokio::test]
async fn the_nowcast_of_the_decision_is_that_of_its_example() {
    let values = [26.9, 24.7, 20.5, 23.5, 19.5, 16.5, 19.0, 16.5, 20.3, 22.4, 19.6, 20.6];
    let place =
        Place::new().know("stations", STATION).with("environment", &hourly("2025-03-01 00:00", "pm2_5", &values));
    let sql =
        "select round(pm2_5_nowcast * 10) / 10, pm2_5_nowcast = pm2_5_nowcast_norm, aqi, parameter, band_vi, band_en
        from air_quality_hourly where hour = '2025-03-01 11:00+00'";
    assert_eq!(place.answer(sql).await, ["20.3 | true | 41 | PM2.5 | Tốt | Good"]);
}

#[tokio::test]
async fn the_vectors_of_the_daily_index_give_44_65_35_8125_65_4_and_110() {
    // The day begins with the stamp 01:00 of Hà Tĩnh, 18:00 UTC of the day before.
    let o3 = |hour: i64| match hour {
        10 => 114.6,
        11..=16 => 85.7,
        17 => 85.6,
        _ => 0.0,
    };
    let row = |hour: i64| {
        let values = [("pm2_5", 55.7), ("o3", o3(hour)), ("no2", if hour == 5 { 130.8 } else { 10.0 })];
        reading("2025-02-28 18:00", "st", &values).later(hour * HOUR_US)
    };
    let rows: Vec<Reading> = (0..24).map(row).collect();
    let place = Place::new().know("stations", STATION).with("environment", &rows);
    let sql =
        "select day, aqi, parameter, aqi_pm2_5, aqi_o3, aqi_no2, o3_max_1h, o3_max_8h, o3_windows, aqi_any, band_vi
        from air_quality_daily";
    let expected = "2025-03-01 | 110 | PM2.5 | 109.5 | 44.65 | 65.4 | 114.6 | 89.3 | 19 | 110 | Kém";
    assert_eq!(place.answer(sql).await, [expected]);
    let one_hour = place.answer("select aqi_o3 from air_quality_hourly where hour = '2025-03-01 04:00+00'").await;
    assert_eq!(one_hour, ["35.8125"]);
}

#[tokio::test]
async fn a_stamp_at_midnight_closes_the_day_before_and_may_be_a_day_of_one_hour() {
    let rows = hourly("2025-02-28 17:00", "pm2_5", &[25.0; 20]);
    let place = Place::new().know("stations", STATION).with("environment", &rows);
    let sql = "select day, pm2_5_hours, aqi, reason, aqi_any, reason_any from air_quality_daily order by day";
    let expected = ["2025-02-28 | 1 | NULL | too_few_hours | 50 | NULL", "2025-03-01 | 19 | 50 | NULL | 50 | NULL"];
    assert_eq!(place.answer(sql).await, expected);
}

#[tokio::test]
async fn the_zone_of_the_day_is_that_of_the_station() {
    let abroad = "ha-tinh,vung-ang,st,ambient,Europe/Berlin,3600,,,,,,,,,,2000-01-01,,\n";
    // The night in which clocks are put back: the day has 25 hours and ends at 23:00 UTC.
    let rows = hourly("2025-10-25 22:00", "pm2_5", &[25.0; 27]);
    let place = Place::new().know("stations", abroad).with("environment", &rows);
    let days = place.answer("select day, pm2_5_hours from air_quality_daily order by day").await;
    assert_eq!(days, ["2025-10-25 | 1", "2025-10-26 | 25", "2025-10-27 | 1"]);
}

#[tokio::test]
async fn an_hour_of_calibration_has_no_value_and_counts_as_received() {
    let rows: Vec<Reading> = hourly("2025-03-01 00:00", "pm2_5", &[25.0; 3])
        .into_iter()
        .map(|row| row.of_quality(Quality::Uncertain))
        .collect();
    let place = Place::new().know("stations", STATION).with("environment", &rows);
    let hours = place.answer("select pm2_5, pm2_5_good, pm2_5_received, expected from air_hours").await;
    assert_eq!(hours, ["NULL | 0 | 1 | 1"; 3]);
    let index = place.answer("select aqi, reason from air_quality_hourly").await;
    assert_eq!(index, ["NULL | no_data"; 3]);
    let sql = "select day, parameter, expected, received, good, uncertain, bad, received_percent, good_percent from data_completeness";
    assert_eq!(place.answer(sql).await, ["2025-03-01 | PM2.5 | 24 | 3 | 0 | 3 | 0 | 12.5 | 0.0"]);
}

#[tokio::test]
async fn an_hour_of_five_minute_values_has_a_mean_from_nine_of_twelve_on() {
    let station = STATION.replace("3600", "300");
    for (good, expected) in [(9, "20.5"), (8, "NULL")] {
        let row = |n: i64| {
            let row = reading("2025-03-01 00:05", "st", &[("pm2_5", 20.5)]).later(n * HOUR_US / 12);
            row.of_quality(if n < good { Quality::Good } else { Quality::BadSensorFailure })
        };
        let rows: Vec<Reading> = (0..12).map(row).collect();
        let place = Place::new().know("stations", &station).with("environment", &rows);
        let sql = "select cast(pm2_5 as double precision), pm2_5_good, pm2_5_received, hour from air_hours";
        let found = place.answer(sql).await;
        assert_eq!(found, [format!("{expected} | {good} | 12 | 2025-03-01T01:00:00Z")]);
    }
}

#[tokio::test]
async fn two_of_the_newest_three_hours_are_enough_for_an_index_and_one_is_not() {
    let rows = vec![
        reading("2025-03-01 00:00", "st", &[("pm2_5", 50.0)]),
        reading("2025-03-01 01:00", "st", &[("pm2_5", 50.0)]),
        reading("2025-03-01 02:00", "st", &[("no2", 10.0)]),
        reading("2025-03-01 03:00", "st", &[("no2", 10.0)]),
    ];
    let place = Place::new().know("stations", STATION).with("environment", &rows);
    let found = place.answer("select aqi, reason, pm2_5_nowcast, aqi_no2 from air_quality_hourly order by hour").await;
    let expected = [
        "NULL | no_pm_nowcast | NULL | NULL",
        "100 | NULL | 50.0 | NULL",
        "100 | NULL | 50.0 | 5.0",
        "NULL | no_pm_nowcast | NULL | 5.0",
    ];
    assert_eq!(found, expected);
}

#[tokio::test]
async fn an_index_ends_at_500_and_equal_parameters_stand_in_their_order() {
    let rows: Vec<Reading> = (0..3)
        .map(|hour| {
            reading("2025-03-01 00:00", "st", &[("pm2_5", 900.0), ("pm10", 900.0), ("co", 400_000.0)])
                .later(hour * HOUR_US)
        })
        .collect();
    let place = Place::new().know("stations", STATION).with("environment", &rows);
    let sql = "select aqi, parameter, band_en, aqi_co, pm10_nowcast from air_quality_hourly where aqi is not null";
    assert_eq!(place.answer(sql).await, ["500 | PM2.5 | Hazardous | 500.0 | 900.0"; 2]);
}

#[tokio::test]
async fn the_limit_of_pm2_5_changes_with_the_label_of_the_day() {
    // 47 µg/m³ from the stamp 01:00 of 31 December to that of 00:00 of 2 January, local time.
    let rows = hourly("2025-12-30 18:00", "pm2_5", &[47.0; 48]);
    let place = Place::new().know("stations", STATION).with("environment", &rows);
    let sql = "select day, limit_value, exceeded, duration, worst, verdict from air_checks where in_force order by day";
    let checked = place.answer(sql).await;
    let expected = ["2025-12-31 | 50.0 | 0 | 0 | 47.0 | met", "2026-01-01 | 45.0 | 1 | 24 | 47.0 | exceeded"];
    assert_eq!(checked, expected);
    let exceeded = place.answer("select day, limit_value, exceeded, worst from exceedances").await;
    assert_eq!(exceeded, ["2026-01-01 | 45.0 | 1 | 47.0"]);
}

#[tokio::test]
async fn a_mean_at_the_limit_is_no_exceedance_and_old_data_are_judged_as_of_a_date_alone() {
    let mut values = [45.0; 24];
    values[3] = 44.99;
    values[4] = 45.01;
    let place =
        Place::new().know("stations", STATION).with("environment", &hourly("2016-12-30 18:00", "pm2_5", &values));
    let sql = "select limit_value, in_force, exceeded, worst, verdict from air_checks order by limit_value";
    let expected = ["45.0 | false | 0 | 45.0 | met", "50.0 | false | 0 | 45.0 | met"];
    assert_eq!(place.answer(sql).await, expected);
    assert_eq!(place.answer("select count(*) from exceedances").await, ["0"]);
}

#[tokio::test]
async fn eight_hour_windows_need_six_hours_and_are_counted_apart_from_days() {
    let values: Vec<f64> = (0..24).map(|hour| if (4..12).contains(&hour) { 130.0 } else { 100.0 }).collect();
    let place = Place::new().know("stations", STATION).with("environment", &hourly("2025-02-28 18:00", "o3", &values));
    let sql = "select averages, expected, exceeded, duration, worst, worst_at from air_checks where averaging = '8h'";
    // Windows with six hours of 130 and two of 100 have 122.5, with five 118.75.
    let found = place.answer(sql).await;
    assert_eq!(found, ["19 | 24 | 5 | 5 | 130.0 | 2025-03-01T05:00:00Z"]);
}

#[tokio::test]
async fn oxygen_of_20_9_and_above_corrects_nothing_and_the_permit_names_the_regulation() {
    let stack = |device: &str, regulation: &str, reference: &str| {
        format!(
            "ha-tinh,vung-ang,{device},stack,Asia/Ho_Chi_Minh,1800,{regulation},B,existing,,,1,0.8,{reference},,2000-01-01,,\n"
        )
    };
    let rows: Vec<Reading> = ["a", "b", "c"]
        .into_iter()
        .flat_map(|device| {
            let of = |time, dust, o2| {
                reading(time, device, &[("stack_dust", dust), ("stack_o2", o2), ("stack_flow", 1000.0)])
            };
            let oxygen = if device == "b" { [20.9, 21.0] } else { [10.9, 15.9] };
            [of("2025-03-01 00:30", 100.0, oxygen[0]), of("2025-03-01 01:00", 60.0, oxygen[1])]
        })
        .collect();
    let known = [
        stack("a", "QCVN 19:2009/BTNMT", "10.9"),
        stack("b", "QCVN 19:2009/BTNMT", "10.9"),
        stack("c", "QCVN 51:2017/BTNMT", ""),
    ];
    let place = Place::new().know("stations", &known.concat()).with("environment", &rows);
    let sql = "select device, measured, corrected, corrected_reason, corrected_readings, mass_flow, permitted, verdict, reason
        from emissions order by device";
    let expected = [
        "a | 80.0 | 110.0 | NULL | 2 | 0.08 | 160.0 | met | NULL",
        "b | 80.0 | NULL | o2_missing_or_too_high | 0 | 0.08 | 160.0 | NULL | too_few_readings",
        "c | 80.0 | NULL | no_o2_reference | 0 | 0.08 | NULL | NULL | limit_not_at_hand",
    ];
    assert_eq!(place.answer(sql).await, expected);
}

#[tokio::test]
async fn effluents_are_compared_exactly_with_the_limit_times_its_factors() {
    let known =
        "ha-tinh,vung-ang,st,water,Asia/Ho_Chi_Minh,3600,QCVN 40:2011/BTNMT,A,existing,0.9,1.1,,,,,2000-01-01,,\n";
    let rows = [
        reading("2025-03-01 01:00", "st", &[("cod", 74.25), ("ph", 5.9)]),
        reading("2025-03-01 02:00", "st", &[("cod", 74.251), ("ph", 9.0)]),
    ];
    let place = Place::new().know("stations", known).with("environment", &rows);
    let sql = "select hour, parameter, mean, permitted, verdict from effluents order by hour, parameter";
    let expected = [
        "2025-03-01T01:00:00Z | COD | 74.25 | 74.25 | met",
        "2025-03-01T01:00:00Z | pH | 5.9 | 9.0 | exceeded",
        "2025-03-01T02:00:00Z | COD | 74.251 | 74.25 | exceeded",
        "2025-03-01T02:00:00Z | pH | 9.0 | 9.0 | met",
    ];
    assert_eq!(place.answer(sql).await, expected);
}

#[tokio::test]
async fn noise_is_averaged_by_its_energy_over_the_day_from_6_and_the_night_from_21() {
    let known = "ha-tinh,vung-ang,st,noise,Asia/Ho_Chi_Minh,3600,,,,,,,,,ordinary,2000-01-01,,\n";
    // Stamps from 07:00 of Hà Tĩnh on end intervals that begin at 06:00: 15 hours of day and 9 of night, of which 6 are measured.
    let values: Vec<f64> = (0..21).map(|hour| if hour % 2 == 0 { 60.0 } else { 70.0 }).collect();
    let place = Place::new().know("stations", known).with("environment", &hourly("2025-03-01 00:00", "noise", &values));
    let sql = "select day, period, round(leq * 100) / 100, round(measured_percent), limit_value, verdict, reason from noise_levels order by 2";
    // 8 · 10^6 + 7 · 10^7 over 15, and the night has 67 %.
    let expected = [
        "2025-03-01 | day | 67.16 | 100.0 | 70.0 | met | NULL",
        "2025-03-01 | night | NULL | 67.0 | 55.0 | NULL | too_little_measured",
    ];
    assert_eq!(place.answer(sql).await, expected);
}
