//! What `zonelake check` finds, and that a server does not start over a damaged log.

use std::path::{Path, PathBuf};
use std::process::Output;

use crate::installation::{Installation, files_below, text};

const START: u64 = 1_700_000_000;

/// A data folder with rows in files and rows in the log only, of a server that was killed.
fn filled() -> Installation {
    let place = Installation::new().with("ZONELAKE_INGEST_SHARDS", 1);
    let server = place.first_start();
    let (password, token) = (server.password().to_owned(), place.add_gateway("g"));
    server.write_rows(&token, "d1", START, 2_000);
    assert!(server.terminate().success(), "{}", place.log());
    let server = place.restart(&password);
    for batch in 0..10 {
        server.write_rows(&token, "d2", START + batch * 100, 100);
    }
    server.kill();
    place
}

fn check(place: &Installation) -> Output {
    place.run(&["check"])
}

fn flip_byte(path: &Path, at: usize) {
    let mut bytes = std::fs::read(path).expect("it can be read");
    bytes[at] ^= 0x40;
    std::fs::write(path, bytes).expect("it can be written");
}

fn name(path: &Path) -> String {
    path.file_name().expect("a file").to_string_lossy().into_owned()
}

fn parquet_file(place: &Installation) -> PathBuf {
    files_below(&place.data().join("tables/environment"), ".parquet").pop().expect("there is a file")
}

/// The segment that holds the newest blocks: the one whose bytes behind the header are not all zero, written last.
fn segment(place: &Installation) -> PathBuf {
    let written = |path: &PathBuf| {
        let bytes = std::fs::read(path).expect("it can be read");
        bytes.iter().skip(SEGMENT_HEADER_BYTES).take(64).any(|byte| *byte != 0)
    };
    files_below(&place.data().join("wal"), "").into_iter().rfind(written).expect("a segment has blocks")
}

const SEGMENT_HEADER_BYTES: usize = 4_096;

#[test]
fn a_sound_folder_is_said_to_be_sound_with_its_counts() {
    let place = filled();
    let output = check(&place);
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    assert!(text(&output.stdout).contains("sound"), "{}", text(&output.stdout));

    let output = place.run(&["check", "--json"]);
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(report["sound"], true, "{report}");
    assert_eq!(report["tables"]["environment"]["rows"], 2_000, "{report}");
    assert!(report["wal"]["records"].as_u64().is_some_and(|records| records >= 10), "{report}");
    assert!(report["registry"]["devices"].as_u64().is_some_and(|devices| devices >= 2), "{report}");
}

/// Every file below the folder with its bytes. SQLite builds its index (`-shm`) anew whenever it opens a file with a journal.
fn content(place: &Installation) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files = files_below(place.data(), "");
    // A server that was killed leaves its control socket, which is no file that can be read.
    files.retain(|path| path.is_file() && !path.to_string_lossy().ends_with("-shm"));
    files.sort();
    files.into_iter().map(|path| (path.clone(), std::fs::read(path).expect("it can be read"))).collect()
}

#[test]
fn a_check_changes_nothing_in_the_folder_it_reads() {
    let place = filled();
    let killed = content(&place);
    assert!(check(&place).status.success());
    assert!(content(&place) == killed, "after a kill");

    let server = place.restart("-");
    assert!(server.terminate().success(), "{}", place.log());
    let stopped = content(&place);
    assert!(check(&place).status.success());
    assert!(content(&place) == stopped, "after a clean stop");
}

#[test]
fn a_torn_tail_is_dropped_at_the_start_and_what_was_in_it_comes_in_when_it_is_sent_again() {
    let place = Installation::new().with("ZONELAKE_INGEST_SHARDS", 1);
    let server = place.first_start();
    let (password, token) = (server.password().to_owned(), place.add_gateway("g"));
    let mut csv = String::from("time,device,temperature\n");
    for row in 0..1_000 {
        csv += &format!("2026-01-01T00:{:02}:{:02}Z,d1,{}\n", row / 60, row % 60, row % 40);
    }
    let file = place.root().join("a.csv");
    std::fs::write(&file, csv).expect("it can be written");
    let push = |wanted: &str| {
        let mut program = place.program();
        program.env("ZONELAKE_TOKEN", &token).env("ZONELAKE_SERVER", place.quic_address());
        let output = program.args(["push", "--table", "environment", "--batch-rows", "100"]).arg(&file).output();
        let output = output.expect("it can be started");
        assert!(output.status.success(), "{}", text(&output.stderr));
        assert!(text(&output.stdout).contains(wanted), "{}", text(&output.stdout));
    };
    push("1000 rows");
    server.write_rows(&token, "last", START, 7);
    server.kill();

    // The last block, as if the power had gone while it was being written.
    let segment = segment(&place);
    let mut bytes = std::fs::read(&segment).expect("it can be read");
    let end = bytes.iter().rposition(|byte| *byte != 0).expect("it has blocks");
    bytes[end - 20..].fill(0);
    std::fs::write(&segment, bytes).expect("it can be written");
    let output = place.run(&["check", "--json"]);
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!((&report["sound"], &report["wal"]["torn_tails"]), (&true.into(), &1.into()), "{report}");

    let server = place.restart(&password);
    let count = |device: &str| server.sql_value(&format!("select count(*) from environment where device = '{device}'"));
    assert_eq!((count("last"), count("d1")), (0.into(), 1_000.into()));
    server.write_rows(&token, "last", START, 7);
    // The numbers of the blocks before it are known.
    push("0 rows");
    assert_eq!((count("last"), count("d1")), (7.into(), 1_000.into()));
    server.kill();
    let server = place.restart(&password);
    assert_eq!(server.sql_value("select count(*) from environment"), 1_007);
}

#[test]
fn a_byte_changed_in_the_middle_of_the_log_is_found_and_stops_the_start() {
    let place = filled();
    let segment = segment(&place);
    flip_byte(&segment, SEGMENT_HEADER_BYTES + 100);

    let output = check(&place);
    assert_eq!(output.status.code(), Some(3), "{}{}", text(&output.stdout), text(&output.stderr));
    let said = text(&output.stdout) + &text(&output.stderr);
    assert!(said.contains(&name(&segment)) && said.contains("at byte"), "{said}");

    let (code, said) = place.refused_start();
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains(&name(&segment)), "{said}");
}

#[test]
fn a_byte_changed_in_a_page_of_a_parquet_file_is_found() {
    let place = filled();
    let file = parquet_file(&place);
    flip_byte(&file, 200);
    let output = check(&place);
    assert_eq!(output.status.code(), Some(3), "{}{}", text(&output.stdout), text(&output.stderr));
    assert!((text(&output.stdout) + &text(&output.stderr)).contains(&name(&file)));
}

#[test]
fn a_damaged_parquet_file_is_set_apart_and_the_rest_stays_readable() {
    let place = Installation::new();
    let server = place.first_start();
    let (password, token) = (server.password().to_owned(), place.add_gateway("g"));
    // Two dates, hence two files.
    server.write_rows(&token, "d1", START, 2_000);
    server.write_rows(&token, "d1", START + 86_400, 300);
    let refused = place.run(&["check", "--set-apart"]);
    assert_eq!(refused.status.code(), Some(2), "{}", text(&refused.stderr));
    assert!(text(&refused.stderr).contains("stop the server"), "{}", text(&refused.stderr));
    assert!(server.terminate().success(), "{}", place.log());
    let file = files_below(&place.data().join("tables/environment"), ".parquet").remove(0);
    let mut bytes = std::fs::read(&file).expect("it can be read");
    let pages = 4..bytes.len() / 2;
    bytes[pages].fill(0xa5);
    std::fs::write(&file, bytes).expect("it can be written");

    let server = place.restart(&password);
    let whole = server.sql_output("select sum(temperature), sum(wind_speed), count(device) from environment", "ndjson");
    let said = text(&whole.stderr);
    assert!(!whole.status.success() && said.contains("zonelake check"), "{said}{}", text(&whole.stdout));
    let rest = server.sql_value("select count(temperature) from environment where date = '2023-11-15'");
    assert_eq!(rest, 300, "files of other dates are read as ever");
    server.write_rows(&token, "d2", START, 10);
    assert!(server.terminate().success(), "{}", place.log());

    let output = place.run(&["check", "--set-apart"]);
    let said = text(&output.stdout);
    assert!(output.status.success(), "{said}{}", text(&output.stderr));
    assert!(said.contains("SET APART") && said.contains(&name(&file)) && said.contains("2000 rows"), "{said}");
    assert!(!file.exists());
    assert_eq!(files_below(&place.data().join("set-apart"), ".parquet").len(), 1);
    assert!(check(&place).status.success(), "the rest is sound");
    let server = place.restart(&password);
    assert_eq!(server.sql_value("select count(temperature) from environment"), 310);
}

#[test]
fn a_parquet_file_that_is_gone_is_found_and_one_that_nobody_lists_is_counted() {
    let place = filled();
    let file = parquet_file(&place);
    std::fs::copy(&file, file.with_file_name("part-left-behind.parquet")).expect("it can be copied");
    let output = place.run(&["check", "--json"]);
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(report["sound"], true, "a file left behind by a crash harms nothing: {report}");
    assert_eq!(report["tables"]["environment"]["files_not_listed"], 1, "{report}");

    std::fs::remove_file(&file).expect("it can be removed");
    let output = check(&place);
    assert_eq!(output.status.code(), Some(3), "{}{}", text(&output.stdout), text(&output.stderr));
    assert!((text(&output.stdout) + &text(&output.stderr)).contains(&name(&file)));
}

#[test]
fn damage_of_the_table_log_and_of_the_registry_is_found() {
    let place = filled();
    let commits = files_below(&place.data().join("tables/environment/_delta_log"), ".json");
    std::fs::write(commits.last().expect("there is a commit"), b"{\"add\":{\"path\":").expect("it can be written");
    let output = check(&place);
    assert_eq!(output.status.code(), Some(3), "{}{}", text(&output.stdout), text(&output.stderr));
    assert!((text(&output.stdout) + &text(&output.stderr)).contains("environment"));

    // A clean end, so that the file holds everything: pages that SQLite's own log has again would hide the damage.
    let place = Installation::new();
    assert!(place.first_start().terminate().success(), "{}", place.log());
    let registry = place.data().join("registry.sqlite");
    let mut bytes = std::fs::read(&registry).expect("it can be read");
    let page = usize::from(u16::from_be_bytes([bytes[16], bytes[17]]));
    bytes[page..2 * page].fill(0xa5);
    std::fs::write(&registry, bytes).expect("it can be written");
    let output = check(&place);
    assert_eq!(output.status.code(), Some(3), "{}{}", text(&output.stdout), text(&output.stderr));
    assert!((text(&output.stdout) + &text(&output.stderr)).contains("registry"));
}

#[test]
fn an_older_registry_beside_a_newer_log_is_found_and_no_server_starts_over_it() {
    let place = Installation::new().with("ZONELAKE_INGEST_SHARDS", 1);
    let server = place.first_start();
    let (password, token) = (server.password().to_owned(), place.add_gateway("g"));
    server.write_rows(&token, "d1", START, 10);
    assert!(server.terminate().success(), "{}", place.log());
    let registry = place.data().join("registry.sqlite");
    let older = std::fs::read(&registry).expect("it can be read");
    let server = place.restart(&password);
    server.write_rows(&token, "d2", START, 10);
    server.kill();
    for name in ["registry.sqlite-wal", "registry.sqlite-shm"] {
        std::fs::remove_file(place.data().join(name)).ok();
    }
    std::fs::write(&registry, older).expect("it can be written");
    let output = check(&place);
    assert_eq!(output.status.code(), Some(3), "{}{}", text(&output.stdout), text(&output.stderr));
    let said = text(&output.stdout);
    assert!(said.contains("device key") && said.contains("LSN") && said.contains("segment-"), "{said}");
    let (_, said) = place.refused_start();
    assert!(said.contains("device key") && said.contains("restore registry.sqlite"), "{said}");
}

#[test]
fn a_check_beside_a_running_server_says_so() {
    let place = Installation::new();
    let server = place.first_start();
    let token = place.add_gateway("g");
    server.write_rows(&token, "d", START, 10);
    let output = check(&place);
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    assert!(text(&output.stderr).contains("running"), "{}", text(&output.stderr));
}

#[test]
fn a_folder_that_is_none_is_refused() {
    let place = Installation::new();
    let output = check(&place);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("data"), "{}", text(&output.stderr));
}
