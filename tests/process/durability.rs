//! What is acknowledged is there: after a kill, after a restart, in memory and in files, once.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{scope, sleep};
use std::time::Duration;

use crate::installation::{Installation, Server, files_below, lines, text};

const START: u64 = 1_700_000_000;

fn count(server: &Server<'_>) -> u64 {
    server.sql_value("select count(*) from environment").as_u64().expect("a count")
}

#[test]
fn acknowledged_rows_survive_a_kill_and_are_there_once() {
    let place = Installation::new();
    let server = place.first_start();
    let (password, token) = (server.password().to_owned(), place.add_gateway("g"));
    for batch in 0..20 {
        server.write_rows(&token, &format!("d{}", batch % 3), START + batch * 100, 100);
    }
    assert_eq!(count(&server), 2_000, "visible to the next query, before any flush");
    let before = server.sql(SUMMARY);
    server.kill();

    let server = place.restart(&password);
    assert_eq!(server.sql(SUMMARY), before);
    server.kill();
    let server = place.restart(&password);
    assert_eq!(server.sql(SUMMARY), before, "a second replay gives the same");
}

const SUMMARY: &str = "select device, count(*) n, sum(temperature) s, min(time) a, max(time) z, count(distinct time) d, \
                       min(ingested_at) i, max(ingested_at) j from environment group by device order by device";

#[test]
fn a_kill_in_the_middle_of_writing_loses_nothing_that_was_acknowledged() {
    let place = Installation::new();
    let server = place.first_start();
    let (password, token) = (server.password().to_owned(), place.add_gateway("g"));
    let acknowledged = AtomicU64::new(0);
    scope(|threads| {
        threads.spawn(|| {
            let url = place.url("/api/v2/write?precision=s");
            for batch in 0.. {
                let request = crate::installation::agent().post(&url).header("Authorization", format!("Token {token}"));
                let Ok(answer) = request.send(lines("d", START + batch * 50, 50)) else { return };
                if answer.status() != 204 {
                    return;
                }
                acknowledged.store((batch + 1) * 50, Ordering::Release);
            }
        });
        while acknowledged.load(Ordering::Acquire) < 1_000 {
            sleep(Duration::from_millis(1));
        }
        server.kill();
    });
    let acknowledged = acknowledged.into_inner();

    let server = place.restart(&password);
    let found = count(&server);
    assert!((acknowledged..=acknowledged + 50).contains(&found), "{acknowledged} acknowledged, {found} found");
    assert_eq!(server.sql_value("select count(distinct time) from environment"), found, "none is there twice");
    let newest = server.sql_value("select max(time) from environment where time < now()");
    assert!(!newest.is_null());
}

#[test]
fn a_clean_shutdown_flushes_and_a_restart_finds_the_rows_in_files() {
    let place = Installation::new();
    let server = place.first_start();
    let (password, token) = (server.password().to_owned(), place.add_gateway("g"));
    server.write_rows(&token, "d1", START, 500);
    assert!(files_below(&place.data().join("tables/environment"), ".parquet").is_empty());
    let before = server.sql(SUMMARY);
    assert!(server.terminate().success(), "{}", place.log());

    assert!(!files_below(&place.data().join("tables/environment"), ".parquet").is_empty(), "{}", place.log());
    let report = place.run(&["check", "--json"]);
    assert!(report.status.success(), "{}", text(&report.stderr));
    let report: serde_json::Value = serde_json::from_slice(&report.stdout).expect("JSON");
    assert_eq!(report["tables"]["environment"]["rows"], 500, "{report}");

    let server = place.restart(&password);
    assert_eq!(server.sql(SUMMARY), before);
    server.write_rows(&token, "d2", START, 10);
    assert_eq!(count(&server), 510, "files and memory as one table");
}

#[test]
fn rows_are_flushed_by_age_and_a_kill_around_it_repeats_none() {
    let place = Installation::new().with("ZONELAKE_FLUSH_AGE_SECONDS", 1);
    let server = place.first_start();
    let (password, token) = (server.password().to_owned(), place.add_gateway("g"));
    let mut written = 0;
    for batch in 0..40 {
        server.write_rows(&token, "d", START + batch * 50, 50);
        written += 50;
        sleep(Duration::from_millis(60));
        assert_eq!(count(&server), written, "neither a gap nor a double while flushes go on");
    }
    assert!(!files_below(&place.data().join("tables/environment"), ".parquet").is_empty(), "{}", place.log());
    server.kill();
    let server = place.restart(&password);
    assert_eq!(count(&server), written);
    assert_eq!(server.sql_value("select count(distinct time) from environment"), written);
}

#[test]
fn a_data_folder_has_one_server_at_a_time() {
    let place = Installation::new();
    let server = place.first_start();
    let token = place.add_gateway("g");
    let second = Installation::new().with_data(place.data().to_owned());
    let (code, said) = second.refused_start();
    assert!(code.is_some_and(|code| code != 0), "{said}");
    assert!(said.contains("in use"), "{said}");
    server.write_rows(&token, "d", START, 1);
}

#[test]
fn the_number_of_shards_may_change_between_starts() {
    let mut place = Installation::new();
    let server = place.first_start();
    let (password, token) = (server.password().to_owned(), place.add_gateway("g"));
    server.write_rows(&token, "d", START, 100);
    server.kill();
    for (shards, rows) in [(1, 200), (4, 300)] {
        place.set("ZONELAKE_INGEST_SHARDS", shards);
        let server = place.restart(&password);
        server.write_rows(&token, "d", START + rows, 100);
        assert_eq!(count(&server), rows);
        server.kill();
    }
    let server = place.restart(&password);
    assert_eq!(count(&server), 300);
}
