//! Retention, legal holds and deletions by the command line, with kills in between: what is to go is seen by nobody and leaves the disk,
//! and all other rows stay, once.

use std::process::Output;
use std::thread::sleep;
use std::time::Duration;

use serde_json::Value;

use crate::installation::{Installation, Server, files_below, text, wait_for};

const START: u64 = 1_700_000_000;
const ROWS: u64 = 60;

fn place() -> Installation {
    Installation::new()
        .with("ZONELAKE_FLUSH_AGE_SECONDS", 1)
        .with("ZONELAKE_COMPACTION_FILES_MAX", 2)
        .with("ZONELAKE_COMPACTION_KEEP_SECONDS", 0)
        .with("ZONELAKE_QUERY_TIME_SECONDS_MAX", 1)
}

fn succeeded(output: &Output) -> String {
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout).trim().to_owned()
}

fn counts(server: &Server<'_>) -> Vec<Value> {
    server.sql("select device, count(*) n, count(distinct time) d from environment group by device order by device")
}

fn row(device: &str, rows: u64) -> Value {
    serde_json::json!({"device": device, "n": rows, "d": rows})
}

fn delete(place: &Installation, device: &str, more: &[&str]) -> Output {
    let arguments = [&["delete", "environment", "--device", device, "--why", "a test"], more].concat();
    place.run(&arguments)
}

#[test]
fn deleted_rows_go_from_every_interface_at_once_and_from_disk_soon_and_the_others_stay() {
    let place = place();
    let server = place.first_start();
    let token = place.add_gateway("g");
    for device in ["keep", "gone"] {
        server.write_rows(&token, device, START, ROWS);
    }
    let would = delete(&place, "gone", &["--dry-run"]);
    assert_eq!(succeeded(&would), ROWS.to_string());
    assert_eq!(counts(&server), [row("gone", ROWS), row("keep", ROWS)], "a dry run deletes nothing");
    assert_eq!(delete(&place, "nobody", &[]).status.code(), Some(2));
    let hold = ["retention", "hold", "case", "--device", "gone", "--why", "a test"];
    succeeded(&place.run(&hold));
    let held = delete(&place, "gone", &[]);
    assert_eq!(held.status.code(), Some(2));
    assert!(text(&held.stderr).contains("legal hold case"), "{}", text(&held.stderr));
    succeeded(&place.run(&["retention", "release", "case"]));

    assert_eq!(succeeded(&delete(&place, "gone", &[])), ROWS.to_string());
    assert_eq!(counts(&server), [row("keep", ROWS)]);
    let total = "select count(*) n, min(device) a, max(device) z, sum(case when device = 'gone' then 1 else 0 end) g from environment";
    assert_eq!(server.sql(total), [serde_json::json!({"n": ROWS, "a": "keep", "z": "keep", "g": 0})]);
    assert_eq!(server.sql_value("select count(*) from environment"), ROWS, "also where statistics answer");
    assert_eq!(server.sql("select device from environment limit 100").len() as u64, ROWS);
    // What is sent later is stored.
    server.write_rows(&token, "gone", START + 1_000, 5);
    assert_eq!(counts(&server), [row("gone", 5), row("keep", ROWS)]);
    let erased = wait_for(|| {
        let list = succeeded(&place.run(&["delete", "--list"]));
        list.contains("gone from disk").then_some(list)
    });
    let list = erased.unwrap_or_else(|| panic!("{}", place.log()));
    assert!(list.contains("device gone") && list.contains("a test") && list.contains("60 rows"), "{list}");
    assert_eq!(counts(&server), [row("gone", 5), row("keep", ROWS)]);
    assert!(server.terminate().success());
    let checked = place.run(&["check"]);
    assert!(checked.status.success(), "{}{}", text(&checked.stdout), text(&checked.stderr));
}

#[test]
fn no_kill_brings_a_deleted_row_back_or_takes_another_one() {
    let place = place();
    let mut server = Some(place.first_start());
    let password = server.as_ref().expect("it runs").password().to_owned();
    let token = place.add_gateway("g");
    let mut expected = Vec::new();
    let mut unknown = Vec::new();
    for round in 0..8u64 {
        let running = server.take().expect("it runs");
        let (kept, deleted) = (format!("keep{round}"), format!("gone{round}"));
        for device in [&kept, &deleted] {
            running.write_rows(&token, device, START + round * ROWS, ROWS);
        }
        expected.push(row(&kept, ROWS));
        // The kill comes before the command, in the midst of it, while files are rewritten, or long after.
        let mut command = place.program();
        command.args(["delete", "environment", "--device", &deleted, "--why", "a test"]);
        let mut child = command.stderr(std::process::Stdio::null()).spawn().expect("it can be started");
        sleep(Duration::from_millis(round * round * 29));
        let ended_before = child.try_wait().expect("its state can be asked");
        running.kill();
        let ended = child.wait().expect("it ends");
        if !(ended_before.is_some() && ended.success()) {
            unknown.push(deleted.clone());
        }
        let again = place.restart(&password);
        for known in counts(&again) {
            let device = known["device"].as_str().expect("a name");
            let may_be =
                expected.contains(&known) || unknown.iter().any(|name| name == device) && known == row(device, ROWS);
            assert!(may_be, "{known} after round {round}");
        }
        server = Some(again);
    }
    let server = server.expect("it runs");
    for device in &unknown {
        // Already deleted is no row, which is said.
        assert!([Some(0), Some(2)].contains(&delete(&place, device, &[]).status.code()));
    }
    assert_eq!(counts(&server), expected);
    let done = wait_for(|| {
        let list = succeeded(&place.run(&["delete", "--list"]));
        list.lines().all(|line| line.contains("gone from disk")).then_some(())
    });
    assert!(done.is_some(), "{}", place.log());
    assert_eq!(counts(&server), expected);
    assert!(server.terminate().success());
    let checked = place.run(&["check"]);
    assert!(checked.status.success(), "{}{}", text(&checked.stdout), text(&checked.stderr));
    assert!(!place.log().contains("panicked"), "{}", place.log());
}

#[test]
fn a_back_up_from_before_a_deletion_is_not_restored_unless_that_is_said() {
    let (place, archives) = (place(), tempfile::tempdir().expect("a temporary folder can be made"));
    let folder = archives.path().join("backups").display().to_string();
    let server = place.first_start();
    let password = server.password().to_owned();
    let token = place.add_gateway("g");
    for device in ["gone", "keep"] {
        server.write_rows(&token, device, START, ROWS);
    }
    let before = succeeded(&place.run(&["backup", &folder]));
    succeeded(&delete(&place, "gone", &[]));
    let after = succeeded(&place.run(&["backup", &folder]));
    let restore = |point: &str, more: &[&str]| {
        let target = Installation::new();
        let output = target.run(&[&["restore", &folder, "--point", point], more].concat());
        (target, output)
    };
    let (_, refused) = restore(&before, &[]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(text(&refused.stderr).contains(&after), "{}", text(&refused.stderr));
    let (target, restored) = restore(&after, &[]);
    assert!(restored.status.success(), "{}", text(&restored.stderr));
    assert_eq!(counts(&target.restart(&password)), [row("keep", ROWS)]);
    let (target, all_the_same) = restore(&before, &["--with-deleted-rows"]);
    assert!(all_the_same.status.success(), "{}", text(&all_the_same.stderr));
    assert_eq!(counts(&target.restart(&password)), [row("gone", ROWS), row("keep", ROWS)]);
}

#[test]
fn rows_beyond_their_term_are_gone_and_later_ones_of_that_time_are_rejected() {
    const DAY: u64 = 86_400;

    let place = place();
    let server = place.first_start();
    let token = place.add_gateway("g");
    let newest = START / DAY * DAY + 10 * DAY;
    server.write_rows(&token, "a", newest - 9 * DAY, ROWS);
    server.write_rows(&token, "b", newest, ROWS);
    let files = || files_below(&place.data().join("tables/environment"), ".parquet");
    // Rows that are in no file yet would not be seen to go.
    let flushed = wait_for(|| (files().len() == 2).then_some(()));
    assert!(flushed.is_some(), "{}", place.log());
    let set = ["retention", "set", "environment", "--days", "5"];
    let would = place.run(&[&set[..], &["--dry-run"]].concat());
    assert_eq!(succeeded(&would), ROWS.to_string());
    assert_eq!(counts(&server), [row("a", ROWS), row("b", ROWS)]);
    succeeded(&place.run(&set));
    assert_eq!(counts(&server), [row("b", ROWS)]);
    let (status, body) = server.write(&token, &crate::installation::lines("late", newest - 8 * DAY, 1));
    assert!(status == 204 || status == 400, "{status}: {body}");
    let reasons = wait_for(|| {
        let reasons = server.sql("select reason, count(*) n from rejected group by reason");
        (!reasons.is_empty()).then_some(reasons)
    });
    assert_eq!(reasons, Some(vec![serde_json::json!({"reason": "past_time", "n": 1})]));
    let gone = wait_for(|| (files().len() == 1).then_some(()));
    assert!(gone.is_some(), "one file is left on disk\n{}", place.log());
    let listed = succeeded(&place.run(&["retention", "list"]));
    assert!(listed.contains("environment is kept for 5 days"), "{listed}");
    let short = place.run(&["retention", "set", "security", "--days", "30"]);
    assert_eq!(short.status.code(), Some(2), "{}", text(&short.stderr));
    succeeded(&place.run(&["retention", "remove", "environment"]));
    // Other times: the same lines once more are the request that was answered already.
    server.write_rows(&token, "a", newest - 9 * DAY + ROWS, ROWS);
    assert_eq!(counts(&server), [row("a", ROWS), row("b", ROWS)]);
}
