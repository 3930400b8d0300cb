//! Views of networks, security and assets, and the overviews.

use zonelake_schemas::Quality;
use zonelake_schemas::clock::{Clock, SystemClock};

use crate::harness::HOUR_US;
use crate::view_rows::{Place, Reading, reading, us};

const MINUTE_US: i64 = HOUR_US / 60;

fn measured(minute: i64, numbers: &[(&'static str, f64)]) -> Reading {
    let texts = [("operator", "Viettel"), ("network_mode", "5G")];
    reading("2026-01-05 02:00", "phone", numbers).with_texts(&texts).later(minute * MINUTE_US)
}

#[tokio::test]
async fn a_class_has_its_lower_bound_and_what_no_modem_can_measure_is_no_measurement() {
    let levels = [-31.0, -80.0, -80.5, -90.0, -110.0, -110.5, -156.0, -200.0, -30.0];
    let mut rows: Vec<Reading> = (0..).zip(levels).map(|(n, rsrp)| measured(n, &[("rsrp", rsrp)])).collect();
    rows.push(measured(20, &[("ping_avg", 10.0)]));
    let place = Place::new().with("network", &rows);
    let sql =
        "select class, name_en, samples, measured, round(share_percent), not_measured from coverage order by class";
    let expected = [
        "1 | Excellent | 2 | 7 | 29.0 | 3",
        "2 | Good | 2 | 7 | 29.0 | 3",
        "4 | Weak | 1 | 7 | 14.0 | 3",
        "5 | Very weak | 2 | 7 | 29.0 | 3",
    ];
    assert_eq!(place.answer(sql).await, expected);
    let place = Place::new().with("network", &rows[7..]);
    assert_eq!(place.answer(sql).await, ["NULL | NULL | 0 | 0 | NULL | 3"]);
}

#[tokio::test]
async fn round_trips_have_percentiles_and_each_figure_the_rows_that_it_is_of() {
    let mut rows: Vec<Reading> = (1..=20).map(|n| measured(n, &[("ping_avg", n as f64)])).collect();
    rows.push(measured(21, &[("jitter", 3.0), ("ping_loss", 1.5)]));
    rows.push(measured(22, &[("ping_avg", 999.0)]).of_quality(Quality::BadNoCommunication));
    let place = Place::new().with("network", &rows);
    let sql = "select day, pings, mean_ms, p50_ms, round(p95_ms * 100), min_ms, max_ms, round(stdev_ms * 1000), jitter_ms, jitter_rows, loss_percent from latency";
    let expected = "2026-01-05 | 20 | 10.5 | 10.5 | 1905.0 | 1.0 | 20.0 | 5916.0 | 3.0 | 1 | 1.5";
    assert_eq!(place.answer(sql).await, [expected]);
}

#[tokio::test]
async fn failed_access_and_availability_have_no_figure_where_nothing_stands_behind_it() {
    let access = |attempts: f64, failures: f64| {
        let rows = [measured(0, &[("access_attempts", attempts), ("access_failures", failures)])];
        Place::new().with("network", &rows)
    };
    let sql = "select attempts, failures, failed_percent, reason from failed_access";
    for (attempts, failures, expected) in [
        (200.0, 9.0, "200 | 9 | 4.5 | NULL"),
        (0.0, 0.0, "0 | 0 | NULL | no_attempts"),
        (3.0, 5.0, "3 | 5 | NULL | more_failures_than_attempts"),
    ] {
        assert_eq!(access(attempts, failures).answer(sql).await, [expected]);
    }
    let sql =
        "select rows, expected, availability_percent, least_percent, reason, verdict_reason from cell_availability";
    for (known, rows, expected) in [
        ("", 24, "24 | NULL | NULL | 99.0 | interval_unknown | limit_not_at_hand"),
        (
            "ha-tinh,vung-ang,phone,cell,3600,7200,2000-01-01,,\n",
            17,
            "17 | 24 | NULL | 99.0 | too_few_rows | limit_not_at_hand",
        ),
        (
            "ha-tinh,vung-ang,phone,cell,3600,7200,2000-01-01,,\n",
            18,
            "18 | 24 | 99.0 | 99.0 | NULL | limit_not_at_hand",
        ),
    ] {
        let hours: Vec<Reading> = (0..rows)
            .map(|hour| reading("2026-01-04 17:00", "phone", &[("availability", 99.0)]).later(hour * HOUR_US))
            .collect();
        let place = Place::new().know("reporting_intervals", known).with("network", &hours);
        assert_eq!(place.answer(sql).await, [expected]);
    }
}

#[tokio::test]
async fn the_roll_out_counts_a_station_once_and_converted_ones_apart_and_adds_only_what_the_plan_adds() {
    let sql = "select operator, scope, asked_at, target, baseline, added_target, added, converted, on_air, missing, reason from rollout_progress
        where province = 'dak-lak' and operator in ('all', 'MobiFone') order by operator, scope";
    let empty = Place::new();
    let expected = [
        "MobiFone | province | 2025-12-31 | NULL | NULL | 7 | NULL | NULL | NULL | NULL | no_stations_reported",
        "all | province | 2025-12-31 | 1004 | 262 | 742 | NULL | NULL | NULL | NULL | no_stations_reported",
    ];
    assert_eq!(empty.answer(sql).await, expected);
    let stations = "dak-lak,hoa-phu,MobiFone,S1,new,2025-11-01,2025-01-01,,\n\
        dak-lak,,MobiFone,S2,new,2025-12-31,2025-01-01,,\n\
        dak-lak,,MobiFone,S3,new,2026-01-01,2025-01-01,,\n\
        dak-lak,,MobiFone,S4,converted,2025-11-01,2025-01-01,,\n\
        dak-lak,,MobiFone,S5,new,,2025-01-01,,\n\
        dak-lak,,Viettel,S1,new,2025-11-01,2025-01-01,,\n\
        ha-tinh,vung-ang,Viettel,S9,new,2025-10-10,2025-01-01,,\n";
    let place = Place::new().know("network_stations", stations);
    let expected = [
        "MobiFone | province | 2025-12-31 | NULL | NULL | 7 | 2 | 1 | NULL | 5 | NULL",
        "all | province | 2025-12-31 | 1004 | 262 | 742 | 3 | 1 | 265 | 739 | NULL",
    ];
    assert_eq!(place.answer(sql).await, expected);
    let sql = "select scope, asked_at, added, on_air from rollout_progress where province = 'ha-tinh' and asked_at <= '2025-12-20' order by 1, 2";
    let expected = [
        "province | 2025-10-15 | 1 | 51",
        "province | 2025-12-20 | 1 | 51",
        "zones | 2025-10-15 | 1 | 27",
        "zones | 2025-12-20 | 1 | 27",
    ];
    assert_eq!(place.answer(sql).await, expected);
    let later = "ha-tinh,all,province,50,330,380,2999-12-31,3600\n";
    let place = Place::new()
        .know("network_targets", later)
        .know("rollout_deadlines", "ha-tinh,2999-12-31,end,\n")
        .know("network_stations", stations);
    let sql = "select added, reason from rollout_progress";
    assert_eq!(place.answer(sql).await, ["NULL | in_the_future"]);
}

fn step(time: &str, device: &'static str, texts: &[(&'static str, &'static str)]) -> Reading {
    reading(time, device, &[]).with_texts(texts)
}

/// A fire of 09:00 local that is closed, one that nobody handles, and one of which the detection is not there.
fn fires() -> Vec<Reading> {
    let of = |id, state| [("event_id", id), ("event", "fire_alarm"), ("severity", "critical"), ("state", state)];
    let by = |id, state| [("event_id", id), ("event", "fire_alarm"), ("state", state), ("actor", "guard")];
    vec![
        step("2026-01-05 02:00", "panel", &of("f1", "detected")),
        step("2026-01-05 02:02", "desk", &by("f1", "handling")),
        step("2026-01-05 02:03", "desk", &by("f1", "handling")),
        step("2026-01-05 02:10", "desk", &by("f1", "confirmed")),
        step("2026-01-05 03:00", "desk", &by("f1", "closed")),
        step("2026-01-05 04:00", "panel", &of("f2", "detected")),
        step("2026-01-05 05:00", "desk", &by("f3", "handling")),
        step("2026-01-05 06:00", "gate", &[("event", "plate_read"), ("severity", "info")]),
    ]
}

#[tokio::test]
async fn an_incident_has_the_first_time_of_each_step_and_no_duration_without_its_detection() {
    let place = Place::new().with("security", &fires());
    let sql = "select event_id, device, severity, state, is_open, handling_seconds, confirmed_seconds, closed_seconds, signal_seconds, reason
        from incidents order by event_id";
    let expected = [
        "f1 | panel | critical | closed | false | 120.0 | 600.0 | 3600.0 | 0.0 | NULL",
        "f2 | panel | critical | detected | true | NULL | NULL | NULL | 0.0 | NULL",
        "f3 | desk | NULL | handling | true | NULL | NULL | NULL | NULL | not_detected",
    ];
    assert_eq!(place.answer(sql).await, expected);
    let sql = "select day, event, incidents, open, unhandled, confirmed from incident_counts";
    assert_eq!(place.answer(sql).await, ["2026-01-05 | fire_alarm | 2 | 1 | 1 | 1"]);
    let sql = "select incidents, handled, closed, handling_p50_seconds, handling_max_seconds, closed_max_seconds from response_times";
    assert_eq!(place.answer(sql).await, ["2 | 1 | 1 | 120.0 | 120.0 | 3600.0"]);
    let sql = "select step, taken_by, actor from incident_steps where event_id = 'f1' order by time limit 2";
    assert_eq!(place.answer(sql).await, ["detected | device | NULL", "handling | operator | guard"]);
}

#[tokio::test]
async fn a_fire_panel_was_silent_where_its_longest_silence_is_above_what_it_may_be() {
    let beats: Vec<Reading> = [0, 60, 120, 300, 360]
        .into_iter()
        .map(|second| {
            reading("2026-01-05 02:00", "panel", &[]).with_texts(&[("event", "heartbeat")]).later(second * 1_000_000)
        })
        .collect();
    let sql = "select received, expected, longest_silence_seconds, was_silent, reason from heartbeats";
    let place = Place::new()
        .know("reporting_intervals", "ha-tinh,vung-ang,panel,fire_panel,60,150,2000-01-01,,\n")
        .with("security", &beats);
    assert_eq!(place.answer(sql).await, ["5 | 1440 | 180.0 | true | NULL"]);
    let place = Place::new().with("security", &beats);
    assert_eq!(place.answer(sql).await, ["5 | NULL | 180.0 | NULL | interval_unknown"]);
}

/// Positions of a truck, one each minute.
fn positions(of: &[(f64, f64)]) -> Vec<Reading> {
    (0..)
        .zip(of)
        .map(|(minute, (longitude, latitude))| {
            reading("2026-01-05 02:00", "truck", &[("longitude", *longitude), ("latitude", *latitude)])
                .later(minute * MINUTE_US)
        })
        .collect()
}

/// An area of about a kilometre; a thousandth of a degree of latitude is 111 m.
pub(crate) const HARBOUR: &str = "ha-tinh,vung-ang,harbour,Cảng,Harbour,\
    \"{\"\"type\"\":\"\"Polygon\"\",\"\"coordinates\"\":[[[106.40,18.10],[106.41,18.10],[106.41,18.11],[106.40,18.11],[106.40,18.10]]]}\",\
    50,150,2000-01-01,,\n";

#[tokio::test]
async fn an_area_is_entered_once_left_beyond_its_hysteresis_and_a_point_on_its_edge_is_within() {
    let path = [
        (106.405, 18.099),
        // On the edge.
        (106.405, 18.1),
        // Jitter of 11 m to the outside, and back.
        (106.405, 18.0999),
        (106.405, 18.1001),
        (106.405, 18.105),
        // Across a corner in one step, and 111 m outside.
        (106.411, 18.111),
        (106.411, 18.112),
    ];
    let place = Place::new().know("geofences", HARBOUR).with("assets", &positions(&path));
    let sql = "select time, geofence, name_en, event, seconds, round(distance_m) from geofence_events order by time";
    let expected = [
        "2026-01-05T02:01:00Z | harbour | Harbour | enter | 0.0 | 0.0",
        "2026-01-05T02:04:00Z | harbour | Harbour | dwell | 180.0 | -527.0",
        "2026-01-05T02:05:00Z | harbour | Harbour | exit | 240.0 | 153.0",
    ];
    let found = place.answer(sql).await;
    let cut = |rows: &[String]| rows.iter().map(|row| row.rsplit_once(" | ").unwrap().0.to_owned()).collect::<Vec<_>>();
    assert_eq!(cut(&found), cut(&expected.map(str::to_owned)));
    assert!(found[2].ends_with(" | 153.0"), "{found:?}");
    let sql = "select time, latitude, longitude, positions from asset_positions";
    assert_eq!(place.answer(sql).await, ["2026-01-05T02:06:00Z | 18.112 | 106.411 | 7"]);
}

#[tokio::test]
async fn a_stay_ends_at_the_next_gate_out_and_not_at_that_of_another_stay() {
    let pass = |time, event, plate| {
        let place = if event == "gate_in" { "north" } else { "south" };
        step(time, "gate", &[("event", event), ("plate_hash", plate), ("gate", place), ("asset_class", "truck")])
    };
    let rows = [
        pass("2026-01-05 02:00", "gate_in", "a"),
        pass("2026-01-05 02:10", "gate_in", "b"),
        pass("2026-01-05 02:30", "gate_out", "a"),
        pass("2026-01-05 04:00", "gate_in", "a"),
        pass("2026-01-05 05:00", "gate_in", "a"),
        pass("2026-01-20 05:00", "gate_out", "b"),
    ];
    let place = Place::new().with("assets", &rows);
    let sql = "select entered_at, seconds, gate_in, gate_out, reason from gate_turnaround order by entered_at";
    let expected = [
        "2026-01-05T02:00:00Z | 1800.0 | north | south | NULL",
        "2026-01-05T02:10:00Z | NULL | north | NULL | no_exit",
        "2026-01-05T04:00:00Z | NULL | north | NULL | no_exit",
        "2026-01-05T05:00:00Z | NULL | north | NULL | no_exit",
    ];
    assert_eq!(place.answer(sql).await, expected);
}

#[tokio::test]
async fn a_status_holds_no_longer_than_a_tracker_may_be_silent_and_is_cut_at_midnight() {
    let at = |time, status| step(time, "crane", &[("status", status)]);
    let rows = [
        at("2026-01-05 16:30", "in_use"),
        // 30 minutes to midnight, and 30 behind it.
        at("2026-01-05 17:30", "idle"),
        at("2026-01-05 23:00", "maintenance"),
    ];
    let sql = "select day, in_use_seconds, idle_seconds, maintenance_seconds, utilisation_percent, reason from asset_utilisation order by day";
    let place = Place::new()
        .know("reporting_intervals", "ha-tinh,vung-ang,crane,tracker,1800,3600,2000-01-01,,\n")
        .with("assets", &rows);
    let expected =
        ["2026-01-05 | 1800.0 | 0.0 | 0.0 | 100.0 | NULL", "2026-01-06 | 1800.0 | 3600.0 | 3600.0 | 20.0 | NULL"];
    assert_eq!(place.answer(sql).await, expected);
    let place = Place::new().with("assets", &rows[..1]);
    assert_eq!(place.answer(sql).await, ["2026-01-05 | NULL | NULL | NULL | NULL | interval_unknown"]);
}

#[tokio::test]
async fn a_tracker_is_silent_beyond_its_time_or_when_it_was_not_seen_at_all() {
    let now_us = SystemClock::default().wall_us();
    let since = |minutes: i64, device| {
        let row = reading("2026-01-01 00:00", device, &[("battery", 50.0)]);
        row.later(now_us - us("2026-01-01 00:00") - minutes * MINUTE_US)
    };
    let tracker = |device: &str| format!("ha-tinh,vung-ang,{device},tracker,60,600,2000-01-01,,\n");
    let place = Place::new()
        .know("reporting_intervals", &["a", "b", "c"].map(tracker).concat())
        .with("assets", &[since(1, "a"), since(20, "b"), since(60 * 24 * 8, "c")]);
    let sql = "select device, is_silent, reason from silent_trackers order by device";
    assert_eq!(place.answer(sql).await, ["a | false | NULL", "b | true | NULL", "c | true | not_seen_for_seven_days"]);
}

#[tokio::test]
async fn the_overviews_have_a_row_for_every_zone_and_province_and_count_what_is_there_now() {
    let now_us = SystemClock::default().wall_us();
    let since = |minutes: i64, device, numbers: &[(&'static str, f64)]| {
        let row = reading("2026-01-01 00:00", device, numbers);
        row.later(now_us - us("2026-01-01 00:00") - minutes * MINUTE_US)
    };
    let fire = [("event_id", "f"), ("event", "fire_alarm"), ("severity", "critical"), ("state", "detected")];
    let place = Place::new()
        .with("environment", &[since(5, "st", &[("pm2_5", 20.0)]), since(200, "old", &[("pm2_5", 20.0)])])
        .with("energy", &[since(1, "meter", &[("active_energy", 12.5)])])
        .with("security", &[since(10, "panel", &[]).with_texts(&fire)]);
    let sql = "select province, devices, devices_online, devices_silent, incidents_open, critical_open, aqi, aqi_reason, oee_today, network_verdict
        from zone_overview where zone = 'vung-ang'";
    assert_eq!(place.answer(sql).await, ["ha-tinh | 4 | 3 | 1 | 1 | 1 | NULL | no_index | NULL | NULL"]);
    let counts = "select count(*), sum(devices), count(newest_at) from zone_overview";
    assert_eq!(place.answer(counts).await, ["36 | 4 | 1"]);
    let sql = "select province, zones_with_devices, devices, devices_online, incidents_open, rollout_target, rollout_on_air, rollout_reason
        from province_overview order by province";
    let expected = [
        "dak-lak | 0 | 0 | 0 | 0 | 1004 | NULL | no_stations_reported",
        "ha-tinh | 1 | 4 | 3 | 1 | 380 | NULL | no_stations_reported",
    ];
    assert_eq!(place.answer(sql).await, expected);
}
