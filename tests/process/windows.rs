//! Windows up to now, through kills, late rows and deletions: they are what sums over the rows say, from memory and before memory has them.

use std::time::UNIX_EPOCH;

use serde_json::Value;

use crate::installation::{Installation, Server, text, wait_for};

fn now() -> u64 {
    UNIX_EPOCH.elapsed().expect("it is later than 1970").as_secs()
}

/// Sums over the rows of a window, and the window.
fn statements(field: &str, decimals: Option<u32>, window: &str) -> [String; 2] {
    let (sum, known) = match decimals {
        Some(decimals) => (format!("sum(cast({field} as numeric(20, {decimals})))"), format!("{field}_sum")),
        // The sum of whole numbers is exact as a double, too.
        None => (format!("sum({field})"), format!("{field}_sum")),
    };
    let within = format!(
        "time >= date_trunc('second', now()) - interval '{window}' and time < date_trunc('second', now()) + interval '61 seconds'"
    );
    [
        format!(
            "select zone, count({field}) n, cast({sum} as text) s, min({field}) a, max({field}) z, first({field}, time) f, min(time) ft, \
             last({field}, time) l, max(time) lt from environment where {within} group by zone order by zone"
        ),
        format!(
            "select zone, {field}_count n, cast({known} as text) s, {field}_min a, {field}_max z, {field}_first f, {field}_first_time ft, \
             {field}_last l, {field}_last_time lt from live_windows(environment, interval '{window}') order by zone"
        ),
    ]
}

fn compare(server: &Server<'_>, what: &str) {
    for window in ["5 minutes", "1 hour"] {
        for (field, decimals) in [("temperature", None), ("wind_speed", Some(2))] {
            let [raw, known] = statements(field, decimals, window);
            let (known, raw): (Vec<Value>, Vec<Value>) = (server.sql(&known), server.sql(&raw));
            assert!(!raw.is_empty(), "{what}");
            assert_eq!(known, raw, "{field} of {window} {what}");
        }
    }
}

/// Waits until windows come from memory.
fn await_memory(server: &Server<'_>) {
    let plan = "explain select zone, good_rows from live_windows(environment, interval '1 hour')";
    let known = wait_for(|| {
        let plan: String = server.sql(plan).iter().map(Value::to_string).collect();
        (!plan.contains("RawWindows")).then_some(())
    });
    assert!(known.is_some(), "windows are never known");
}

#[test]
fn windows_are_what_sums_over_the_rows_say_through_kills_late_rows_and_deletions() {
    let place = Installation::new()
        .with("ZONELAKE_FLUSH_AGE_SECONDS", 1)
        .with("ZONELAKE_COMPACTION_FILES_MAX", 2)
        .with("ZONELAKE_COMPACTION_KEEP_SECONDS", 0);
    let mut server = place.first_start();
    let password = server.password().to_owned();
    let token = place.add_gateway("g");
    let begun = now();
    for round in 0..3 {
        // Far from where windows begin, so that the time of the test does not matter; the newest of them first.
        server.write_rows(&token, "pump", begun - 60 - round * 20, 20);
        server.write_rows(&token, "fan", begun - 150 - round * 7, 30);
        server.write_rows(&token, "fan", begun - 3_000 - round * 40, 40);
        server.write_rows(&token, "pump", begun - 6_000 - round * 10, 10);
        compare(&server, &format!("in round {round}"));
        server.kill();
        server = place.restart(&password);
        server.write_rows(&token, "late", begun - 200 - round * 10, 10);
        compare(&server, &format!("right behind a kill in round {round}"));
        await_memory(&server);
        compare(&server, &format!("from memory in round {round}"));
    }
    let deleted = place.run(&["delete", "environment", "--device", "fan", "--why", "a test"]);
    assert!(deleted.status.success(), "{}", text(&deleted.stderr));
    compare(&server, "right behind a deletion");
    await_memory(&server);
    compare(&server, "from memory behind a deletion");
    let rows = server.sql_value("select sum(good_rows) from live_windows(environment, interval '1 hour')");
    assert_eq!(rows.as_f64().or(rows.as_str().and_then(|rows| rows.parse().ok())), Some(90.0), "fan is gone");
    assert!(server.terminate().success());
}
