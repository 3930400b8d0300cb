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
