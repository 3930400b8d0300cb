//! A table in which rows of one device and time are one row, by a running server: sent again, corrected, killed, merged, restarted.

use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use serde_json::{Value, json};

use crate::installation::{Installation, Server, files_below, text, wait_for};

const START: u64 = 1_700_000_000;
const ROWS: u64 = 50;

/// A place whose settings folder declares a table of pumps.
fn place(on_repeat: &str) -> Installation {
    let place = Installation::new()
        .with("ZONELAKE_FLUSH_AGE_SECONDS", 1)
        .with("ZONELAKE_COMPACTION_REPEATS_SECONDS", 1)
        .with("ZONELAKE_COMPACTION_KEEP_SECONDS", 0)
        .with("ZONELAKE_QUERY_TIME_SECONDS_MAX", 1);
    let tables = place.root().join("tables");
    let place = place.with("ZONELAKE_TABLES", tables.display());
    std::fs::create_dir_all(&tables).expect("it can be made");
    declare(&tables, on_repeat);
    place
}

fn declare(tables: &Path, on_repeat: &str) {
    let declared = format!(
        "name = \"pumps\"\non_repeat = \"{on_repeat}\"\n[[field]]\nname = \"flow\"\ntype = \"double\"\n\
         [[field]]\nname = \"pressure\"\ntype = \"double\"\n"
    );
    std::fs::write(tables.join("pumps.toml"), declared).expect("it can be written");
}

fn send(server: &Server<'_>, token: &str, device: &str, rows: u64, fields: impl Fn(u64) -> String) {
    let line = |row: u64| format!("pumps,device={device} {} {}\n", fields(row), START + row);
    let (status, body) = server.write(token, &(0..rows).map(line).collect::<String>());
    assert_eq!(status, 204, "{body}");
}

fn files(place: &Installation) -> usize {
    files_below(&place.data().join("tables/pumps"), ".parquet").len()
}

#[test]
fn a_file_that_is_sent_three_times_with_corrections_is_there_once_through_kills_and_merges() {
    let place = place("last_wins");
    let server = place.first_start();
    let password = server.password().to_owned();
    let token = place.add_gateway("g");
    send(&server, &token, "p1", ROWS, |row| format!("flow={row},pressure=1"));
    send(&server, &token, "p2", ROWS, |row| format!("flow={row}"));
    let once = |server: &Server<'_>, state: &str| {
        assert_eq!(server.sql_value("select count(*) from pumps"), json!(2 * ROWS), "{state}");
        let distinct = "select count(*) from (select distinct device, time from pumps) d";
        assert_eq!(server.sql_value(distinct), json!(2 * ROWS), "{state}");
    };
    once(&server, "in memory");
    // Sent again by another request, and with a correction that takes the place of a row as a whole.
    send(&server, &token, "p1", ROWS, |row| format!("flow={row},pressure=2"));
    once(&server, "in memory, twice");
    assert!(wait_for(|| (files(&place) > 0).then_some(())).is_some(), "it is flushed: {}", place.log());
    send(&server, &token, "p1", 5, |row| format!("flow={}", row + 1_000));
    once(&server, "half in memory");
    let corrected = "select count(*) n, sum(flow) flow, count(pressure) p from pumps where device = 'p1'";
    let sum: u64 = (0..ROWS).sum::<u64>() + 5_000;
    let wanted = [json!({"n": ROWS, "flow": sum as f64, "p": ROWS - 5})];
    assert_eq!(server.sql(corrected), wanted);
    // No filter brings back what was corrected.
    let before = "select count(*) from pumps where device = 'p1' and flow < 5";
    assert_eq!(server.sql_value(before), json!(0));
    let first = "select count(*) from pumps where pressure = 1";
    assert_eq!(server.sql_value(first), json!(0));
    let latest = server.sql("select device, flow from latest(pumps) order by device");
    assert_eq!(latest.iter().map(|row| row["flow"].clone()).collect::<Vec<_>>(), [json!(49.0), json!(49.0)]);
    let plan = server.sql("explain select sum(flow) from pumps").iter().map(Value::to_string).collect::<String>();
    assert!(plan.contains("RepeatsExec: on_repeat=last_wins"), "{plan}");

    server.kill();
    let server = place.restart(&password);
    once(&server, "after a kill");
    assert_eq!(server.sql(corrected), wanted);
    let merged = wait_for(|| {
        let files = server.sql_value("select files + live_rows from system.tables where table_name = 'pumps'");
        (files == json!(1)).then_some(())
    });
    assert!(merged.is_some(), "files with rows in common are merged: {}", place.log());
    once(&server, "merged");
    let stored = "select rows from system.tables where table_name = 'pumps'";
    assert_eq!(server.sql_value(stored), json!(2 * ROWS), "no other reader sees a row twice");
    let plan = server.sql("explain select sum(flow) from pumps").iter().map(Value::to_string).collect::<String>();
    assert!(!plan.contains("RepeatsExec"), "a file alone is scanned as ever: {plan}");
    assert_eq!(server.sql(corrected), wanted);
    assert!(server.terminate().success(), "{}", place.log());
    let checked = place.run(&["check"]);
    assert!(checked.status.success(), "{}{}", text(&checked.stdout), text(&checked.stderr));

    declare(&place.root().join("tables"), "merge");
    let (code, said) = place.refused_start();
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("table pumps: on_repeat was last_wins and is now merge"), "{said}");
    declare(&place.root().join("tables"), "last_wins");
    once(&place.restart(&password), "declared as before");
}

#[test]
fn of_merge_each_field_has_its_newest_value_and_live_values_are_refused_by_name() {
    let place = place("merge");
    let server = place.first_start();
    let token = place.add_gateway("g");
    send(&server, &token, "p1", 3, |row| format!("flow={row}"));
    sleep(Duration::from_millis(1_500));
    send(&server, &token, "p1", 3, |row| format!("pressure={}", row + 10));
    send(&server, &token, "p1", 1, |_| "flow=99".to_owned());
    let rows = "select flow, pressure from pumps order by time";
    let row = |flow: f64, pressure: f64| json!({"flow": flow, "pressure": pressure});
    let wanted = [row(99.0, 10.0), row(1.0, 11.0), row(2.0, 12.0)];
    assert_eq!(server.sql(rows), wanted);
    assert_eq!(server.sql_value("select count(*) from pumps where flow > 50 and pressure = 10"), json!(1));
    let refused = server.sql_output("select * from last_values(pumps)", "json");
    assert!(text(&refused.stderr).contains("declares on_repeat"), "{}", text(&refused.stderr));
    assert!(server.terminate().success(), "{}", place.log());
    assert!(place.run(&["check"]).status.success());
}
