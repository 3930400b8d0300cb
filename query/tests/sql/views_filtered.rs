//! How filters reach the scans of all views, and that they change no row on their way.

use zonelake_schemas::clock::{Clock, SystemClock};
use zonelake_schemas::views::VIEWS;

use crate::harness::HOUR_US;
use crate::view_rows::{Place, Reading, reading, us};
use crate::views_of_meters::METER;

const DEVICES: [&str; 3] = ["a", "b", "c"];
const HOURS: i64 = 240;

/// A text that lives as long as the tests.
fn kept(text: String) -> &'static str {
    Box::leak(text.into_boxed_str())
}

/// A row of each device and hour of ten days, and one of an hour ago.
fn of_hours(row: impl Fn(&'static str, i64) -> Vec<Reading>) -> Vec<Reading> {
    let now = SystemClock::default().wall_us() - us("2025-03-01 01:00") - HOUR_US;
    let days = DEVICES.into_iter().flat_map(|device| (0..HOURS).map(move |hour| (device, hour, hour * HOUR_US)));
    // Of an hour of its own, since an id names one incident.
    days.chain([("a", HOURS + 80, now)])
        .flat_map(|(device, hour, offset_us)| row(device, hour).into_iter().map(move |row| row.later(offset_us)))
        .collect()
}

fn first(device: &'static str, numbers: &[(&'static str, f64)]) -> Reading {
    reading("2025-03-01 01:00", device, numbers)
}

/// States that change every few hours, with gaps, and counters that begin anew now and then.
fn production() -> Vec<Reading> {
    of_hours(|device, hour| {
        if hour % 37 > 33 {
            return Vec::new();
        }
        let state = ["running", "running", "breakdown", "idle", "planned_stop", "starved"][(hour / 5 % 6) as usize];
        let total = (hour % 50 * 10) as f64;
        let alarm = if hour % 2 == 0 { "E1" } else { "E2" };
        vec![
            first(device, &[("count_total", total), ("count_good", total)])
                .with_texts(&[("state", state), ("alarm", alarm)]),
        ]
    })
}

/// Incidents of which a step is taken every eight hours, and heartbeats.
fn security() -> Vec<Reading> {
    of_hours(|device, hour| {
        let step = ["detected", "handling", "confirmed", "closed"][(hour / 8 % 4) as usize];
        let id = kept(format!("{device}-{}-{}", hour / 32, hour % 8));
        let texts = [("event_id", id), ("event", "intrusion"), ("severity", "high"), ("state", step)];
        vec![
            first(device, &[]).with_texts(&texts),
            first(device, &[]).with_texts(&[("event", "heartbeat")]).later(HOUR_US / 2),
        ]
    })
}

/// Assets that go in and out of the area, and through the gates.
fn assets() -> Vec<Reading> {
    of_hours(|device, hour| {
        let latitude = 18.095 + (hour % 11) as f64 / 1000.0;
        let event = if hour % 3 == 0 { "gate_in" } else { "gate_out" };
        let status = ["in_use", "idle", "maintenance"][(hour / 4 % 3) as usize];
        vec![
            first(device, &[("longitude", 106.405), ("latitude", latitude)])
                .with_texts(&[("event", event), ("status", status)]),
        ]
    })
}

/// What is known of devices, a row for each.
fn known(row: &str) -> String {
    DEVICES.map(|device| row.replace("DEVICE", device)).concat()
}

/// Readings of ten days of three devices in every table that a view reads, in files.
async fn ten_days() -> Place {
    let environment: &[(&str, f64)] =
        &[("pm2_5", 47.0), ("o3", 130.0), ("stack_dust", 5.0), ("stack_o2", 6.0), ("cod", 9.0), ("noise", 60.0)];
    let radio: &[(&str, &str)] = &[("operator", "Viettel"), ("network_mode", "5G"), ("state", "D")];
    let quality: &[(&str, f64)] = &[
        ("dl_bitrate", 50_000.0),
        ("rsrp", -85.0),
        ("ping_avg", 20.0),
        ("access_attempts", 10.0),
        ("access_failures", 1.0),
        ("availability", 99.0),
    ];
    let station = |kind: &str| {
        known(&format!("ha-tinh,vung-ang,DEVICE,{kind},Asia/Ho_Chi_Minh,3600,,,,,,,,,ordinary,2000-01-01,,\n"))
    };
    let interval = |kind: &str| known(&format!("ha-tinh,vung-ang,DEVICE,{kind},3600,7200,2000-01-01,,\n"));
    let shifts = (1..=7).flat_map(|weekday| {
        [("early", "06:00", "18:00"), ("late", "18:00", "06:00")]
            .map(|(shift, from, to)| format!("ha-tinh,vung-ang,shifts,{shift},{weekday},{from},{to},2000-01-01,,\n"))
    });
    let place = Place::new()
        .know("stations", &["ambient", "stack", "water", "noise"].map(station).concat())
        .know("meters", &METER.replace(",m,", ",a,"))
        .know("line_meters", "ha-tinh,vung-ang,a,a,2000-01-01,,\n")
        .know(
            "production_lines",
            &known("ha-tinh,vung-ang,DEVICE,line,1,shifts,,Asia/Ho_Chi_Minh,3600,1,,2000-01-01,,\n"),
        )
        .know("ideal_cycle_times", &known("ha-tinh,vung-ang,DEVICE,,60,2000-01-01,,\n"))
        .know("shift_calendars", &shifts.collect::<String>())
        .know("reporting_intervals", &["cell", "fire_panel", "tracker"].map(interval).concat())
        .know("geofences", crate::views_of_places::HARBOUR)
        .with("environment", &of_hours(|device, _| vec![first(device, environment)]))
        .with(
            "energy",
            &of_hours(|device, _| vec![first(device, &[("active_energy", 1.0), ("reactive_energy_lagging", 0.5)])]),
        )
        .with("network", &of_hours(|device, _| vec![first(device, quality).with_texts(radio)]))
        .with("production", &production())
        .with("security", &security())
        .with("assets", &assets());
    let mut place = place;
    for table in ["environment", "energy", "network", "production", "security", "assets"] {
        place = place.flushed(table).await;
    }
    place
}

#[tokio::test]
async fn filters_on_zone_and_time_reach_the_scan_through_every_view() {
    let place = ten_days().await;
    for view in VIEWS {
        // Sums of a province are of all its zones.
        if matches!(view.name, "rollout_progress" | "province_overview") {
            continue;
        }
        // A view of the moment has its times in itself, some of them without an end.
        let time = match view.reach() {
            Some(reach) => format!("{} >= '2025-03-05' and {0} <= '2025-03-06'", reach.column),
            None => "true".to_owned(),
        };
        let sql = format!("explain select * from {} where zone = 'vung-ang' and {time}", view.name);
        let plan = place.answer(&sql).await.join("\n");
        let scans: Vec<&str> = plan.lines().filter(|line| line.contains("DataSourceExec: file_groups")).collect();
        assert!(!scans.is_empty(), "{}: {plan}", view.name);
        for scan in scans {
            let predicate = scan.split_once("predicate=").unwrap_or_else(|| panic!("{}: {plan}", view.name)).1;
            let has_end = predicate.contains("<=") || view.name == "zone_overview";
            assert!(predicate.contains("time@") && predicate.contains(">=") && has_end, "{}: {scan}", view.name);
            assert!(predicate.contains("zone") && predicate.contains("vung-ang"), "{}: {scan}", view.name);
        }
    }
}

/// Times reach the scans also where some columns are asked for, or their sums, and through the views of the moment, which ask others so.
#[tokio::test]
async fn filters_on_time_reach_the_scan_whatever_is_asked_of_a_view() {
    let place = ten_days().await;
    let mut statements = vec!["select * from zone_overview".to_owned(), "select * from province_overview".to_owned()];
    for view in VIEWS {
        let Some(reach) = view.reach() else { continue };
        let time = format!("where {} >= '2025-03-05'", reach.column);
        statements.push(format!("select count(*) from {} {time}", view.name));
        statements.push(format!("select province, max({}) from {} {time} group by province", reach.column, view.name));
        statements.push(format!("select zone from (select * from {}) as v {time}", view.name));
    }
    for statement in statements {
        let plan = place.answer(&format!("explain {statement}")).await.join("\n");
        let scans: Vec<&str> = plan.lines().filter(|line| line.contains("DataSourceExec: file_groups")).collect();
        assert!(!scans.is_empty(), "{statement}: {plan}");
        for scan in scans {
            let predicate = scan.split_once("predicate=").unwrap_or_else(|| panic!("{statement}: {plan}")).1;
            let bound = predicate.find("time@").map(|at| &predicate[at..]);
            assert!(bound.is_some_and(|bound| bound.contains(">=")), "{statement}: {scan}");
        }
    }
}

#[tokio::test]
async fn a_filter_that_reaches_the_scan_leaves_every_row_as_it_was() {
    let place = ten_days().await;
    for view in VIEWS {
        let Some(reach) = view.reach() else { continue };
        for time in [
            "= '2025-03-05'",
            "between '2025-03-04' and '2025-03-06'",
            ">= '2025-03-09'",
            "< '2025-03-03'",
            "= '2025-03-01'",
        ] {
            let filter = format!("{} {time}", reach.column);
            // A window over all rows is a barrier for filters.
            let apart =
                format!("select * from (select *, count(*) over () as n from {}) as v where {filter}", view.name);
            let mut expected = place.answer(&apart).await;
            let mut found = place.answer(&format!("select *, 0 as n from {} where {filter}", view.name)).await;
            let cut = |rows: &mut Vec<String>| {
                for row in rows.iter_mut() {
                    row.truncate(row.rfind(" | ").unwrap());
                }
                rows.sort();
            };
            cut(&mut expected);
            cut(&mut found);
            assert_eq!(found, expected, "{} where {filter}", view.name);
        }
    }
}
