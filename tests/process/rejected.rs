//! Rows that were rejected whole and have become acceptable: stored once, whatever breaks in between.

use zonelake_schemas::clock::{Clock, SystemClock};

use crate::installation::{Installation, Server, text};

fn now() -> u64 {
    SystemClock::default().wall_us().unsigned_abs() / 1_000_000
}

fn count(server: &Server<'_>, what: &str) -> u64 {
    server.sql_value(&format!("select count(*) from {what}")).as_u64().expect("a count")
}

#[test]
fn rows_from_the_future_are_stored_once_as_back_fill_when_the_server_takes_them() {
    let mut place = Installation::new();
    let server = place.first_start();
    let (password, token) = (server.password().to_owned(), place.add_gateway("g"));
    let tomorrow = now() + 86_400;
    server.write_rows(&token, "a", tomorrow, 100);
    server.write_rows(&token, "b", now() - 60, 5);
    let (status, body) = server.write(
        &token,
        &format!("security,device=cam\\ 1 event=\"a \\\"b\\\", c\\\\\nd\",detected_at={tomorrow}i {tomorrow}\n"),
    );
    assert_eq!(status, 204, "{body}");
    assert_eq!(count(&server, "environment"), 5);

    let listed = text(&place.run(&["rejected", "list"]).stdout);
    for words in ["future_time", "environment", "security", "100", "ahead of the server's clock"] {
        assert!(listed.contains(words), "{words}: {listed}");
    }
    let early = place.run(&["rejected", "replay"]);
    assert!(early.status.success(), "{}", text(&early.stderr));
    let said = text(&early.stderr);
    assert!(said.contains("0 rows are stored") && said.contains("101 rows stay rejected (future_time)"), "{said}");
    assert_eq!((count(&server, "environment"), count(&server, "rejected")), (5, 101));
    assert!(server.terminate().success());

    place.set("ZONELAKE_INGEST_FUTURE_SECONDS_MAX", 604_800);
    let server = place.restart(&password);
    let replay = || text(&place.run(&["rejected", "replay", "--reason", "future_time"]).stderr);
    let said = replay();
    assert!(said.contains("101 rows are stored") && !said.contains("stay rejected"), "{said}");
    let summary = "select device, backfill, count(*) as n, sum(temperature) as s, count(distinct time) as t from environment group by device, backfill order by device";
    let expected = [
        serde_json::json!({"device": "a", "backfill": true, "n": 100, "s": 2_450.0, "t": 100}),
        serde_json::json!({"device": "b", "backfill": false, "n": 5, "s": 10.0, "t": 5}),
    ];
    assert_eq!(server.sql(summary), expected);
    let event = "select device, event, extract(epoch from detected_at)::bigint = extract(epoch from time)::bigint as same from security";
    assert_eq!(server.sql(event), [serde_json::json!({"device": "cam 1", "event": "a \"b\", c\\\nd", "same": true})]);
    assert!(replay().contains("0 rows are stored"), "what is stored is not stored again");

    // Rows and the word of what became of them are one record: neither is there without the other.
    server.kill();
    let server = place.restart(&password);
    assert!(replay().contains("0 rows are stored"));
    assert_eq!(server.sql(summary), expected);
    assert!(server.terminate().success());
    let server = place.restart(&password);
    assert!(replay().contains("0 rows are stored"), "nor from files");
    assert_eq!(server.sql(summary), expected);
    let listed = text(&place.run(&["rejected", "list"]).stdout);
    assert_eq!(listed.lines().count(), 1, "only the head of the list: {listed}");
    assert_eq!(count(&server, "rejected where reason = 'replayed'"), 101);
}

#[test]
fn rows_of_the_past_are_dropped_by_name_and_never_come_back() {
    let mut place = Installation::new().with("ZONELAKE_INGEST_OLDEST_DATE", "2020-01-01");
    let server = place.first_start();
    let (password, token) = (server.password().to_owned(), place.add_gateway("g"));
    let other = place.add_gateway("h");
    server.write_rows(&token, "a", 1_500_000_000, 10);
    server.write_rows(&other, "b", 1_500_000_000, 3);
    assert_eq!(count(&server, "environment"), 0);
    assert_eq!(count(&server, "rejected where reason = 'past_time'"), 13);

    let unnamed = place.run(&["rejected", "drop"]);
    assert_eq!(unnamed.status.code(), Some(2));
    assert!(text(&unnamed.stderr).contains("--all-reasons"), "{}", text(&unnamed.stderr));
    let unknown = place.run(&["rejected", "drop", "--reason", "too_late"]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(text(&unknown.stderr).contains("past_time"), "{}", text(&unknown.stderr));
    let unknown = place.run(&["rejected", "replay", "--gateway", "nobody"]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(text(&unknown.stderr).contains("nobody"), "{}", text(&unknown.stderr));

    let dropped = place.run(&["rejected", "drop", "--reason", "past_time", "--gateway", "g"]);
    assert!(text(&dropped.stderr).contains("10 rows are dropped"), "{}", text(&dropped.stderr));
    assert!(server.terminate().success());

    place.set("ZONELAKE_INGEST_OLDEST_DATE", "1970-01-01");
    let server = place.restart(&password);
    let replayed = text(&place.run(&["rejected", "replay"]).stderr);
    assert!(replayed.contains("3 rows are stored"), "{replayed}");
    assert_eq!(server.sql_value("select min(device) || count(*) from environment"), "b3");
}

#[test]
fn a_command_over_rejected_rows_needs_a_server_that_runs() {
    let place = Installation::new();
    drop(place.first_start());
    let alone = place.run(&["rejected", "list"]);
    assert_eq!(alone.status.code(), Some(5));
    assert!(text(&alone.stderr).contains("no server runs"), "{}", text(&alone.stderr));
}
