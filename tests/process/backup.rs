//! Back-ups of a server that takes rows, killed and gone on with, and data folders from them: each row is there as it was, once.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{scope, sleep};
use std::time::Duration;

use crate::installation::{Installation, Server, files_below, lines, text};

const START: u64 = 1_700_000_000;
const BATCH_ROWS: u64 = 50;

/// Every column of every row, in an order of its own.
const ROWS: &str = "select * from environment order by device, time";

fn backup(place: &Installation, folder: &Path, more: &[&str]) -> Output {
    let mut program = place.program();
    program.arg("backup").arg(folder).args(more).output().expect("the program can be started")
}

/// Name of the back-up that was made.
fn name_of(made: &Output) -> String {
    assert!(made.status.success(), "{}", text(&made.stderr));
    text(&made.stdout).trim().to_owned()
}

fn restore(folder: &Path, data: &Path, more: &[&str]) -> Command {
    let mut program = Command::new(env!("CARGO_BIN_EXE_zonelake"));
    program.env_clear().stdin(Stdio::null()).arg("restore").arg(folder).arg("--data").arg(data).args(more);
    program
}

/// A place whose data folder is that of a back-up.
fn restored(folder: &Path, point: &str) -> Installation {
    let place = Installation::new();
    let output = restore(folder, place.data(), &["--point", point]).output().expect("the program can be started");
    assert!(output.status.success(), "{}", text(&output.stderr));
    let checked = place.run(&["check"]);
    assert!(checked.status.success(), "{}{}", text(&checked.stdout), text(&checked.stderr));
    place
}

/// A writer that goes on until it is told to end, and the rows that were acknowledged.
#[derive(Default)]
struct Writer {
    ending: AtomicBool,
    acknowledged: AtomicU64,
}

impl Writer {
    fn write(&self, server: &Server<'_>, token: &str) {
        while !self.ending.load(Ordering::Acquire) {
            let begun = self.acknowledged.load(Ordering::Acquire);
            server.write_rows(token, &format!("d{}", begun % 7), START + begun, BATCH_ROWS);
            self.acknowledged.store(begun + BATCH_ROWS, Ordering::Release);
            sleep(Duration::from_millis(3));
        }
    }

    fn wait_for(&self, rows: u64) {
        while self.acknowledged.load(Ordering::Acquire) < rows {
            sleep(Duration::from_millis(5));
        }
    }
}

/// Flushes and merges all the time, in segments that go as soon as they may.
fn busy() -> Installation {
    Installation::new()
        .with("ZONELAKE_FLUSH_AGE_SECONDS", 1)
        .with("ZONELAKE_WAL_SEGMENT_BYTES", 1 << 20)
        .with("ZONELAKE_WAL_BYTES_MAX", 2 << 20)
        .with("ZONELAKE_COMPACTION_FILES_MAX", 2)
        .with("ZONELAKE_COMPACTION_KEEP_SECONDS", 0)
}

#[test]
fn a_back_up_that_is_taken_under_load_has_what_was_acknowledged_before_and_a_later_one_shares_its_files() {
    // Without merges, so that files stay what they are.
    let place = busy().with("ZONELAKE_COMPACTION_FILES_MAX", 1_000);
    let archives = tempfile::tempdir().expect("a temporary folder can be made");
    let folder = archives.path().join("backups");
    let server = place.first_start();
    let (password, token) = (server.password().to_owned(), place.add_gateway("g"));
    let writer = Writer::default();
    let (mut first, mut before) = (String::new(), 0);
    scope(|threads| {
        threads.spawn(|| writer.write(&server, &token));
        writer.wait_for(2_000);
        before = writer.acknowledged.load(Ordering::Acquire);
        first = name_of(&backup(&place, &folder, &[]));
        writer.wait_for(before + 1_000);
        writer.ending.store(true, Ordering::Release);
    });
    let source = server.sql(ROWS);
    let place_of_first = restored(&folder, &first);
    let of_first = place_of_first.restart(&password);
    let rows = of_first.sql(ROWS);
    assert!(before as usize <= rows.len() && rows.len() < source.len(), "{before}, {}", rows.len());
    let every: BTreeSet<String> = source.iter().map(ToString::to_string).collect();
    let found: BTreeSet<String> = rows.iter().map(ToString::to_string).collect();
    assert_eq!(found.len(), rows.len(), "each row once");
    assert!(found.is_subset(&every), "and as it was");
    // It goes on where the copied server stood.
    of_first.write_rows(&token, "later", START, 20);
    of_first.kill();
    let again = place_of_first.restart(&password);
    assert_eq!(again.sql(ROWS).len(), rows.len() + 20);
    drop(again);

    let second = name_of(&backup(&place, &folder, &[]));
    let of_second = restored(&folder, &second);
    assert_eq!(of_second.restart(&password).sql(ROWS), source, "row by row, in every column");
    let inodes = |name: &str| -> BTreeSet<u64> {
        let files = files_below(&folder.join(name).join("tables"), ".parquet");
        files.iter().map(|path| std::fs::metadata(path).expect("it is there").ino()).collect()
    };
    let third = name_of(&backup(&place, &folder, &["--keep", "2"]));
    assert!(!inodes(&second).is_empty() && inodes(&second).is_subset(&inodes(&third)), "no file was copied twice");
    let listed = text(&backup(&place, &folder, &["--list"]).stdout);
    let names: Vec<&str> = listed.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(names, [second.as_str(), third.as_str()], "the oldest is gone, and the others are whole");
    assert_eq!(restored(&folder, &third).restart(&password).sql(ROWS), source);
}

#[test]
fn back_ups_and_restores_that_are_killed_are_gone_on_with_and_end_equal() {
    let (place, archives) = (busy(), tempfile::tempdir().expect("a temporary folder can be made"));
    let folder = archives.path().join("backups");
    let server = place.first_start();
    let (password, token) = (server.password().to_owned(), place.add_gateway("g"));
    let writer = Writer::default();
    let kill_after = |mut program: Command, milliseconds: u64| {
        let mut child = program.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it can be started");
        sleep(Duration::from_millis(milliseconds));
        drop(child.kill());
        child.wait().expect("it ends");
    };
    scope(|threads| {
        threads.spawn(|| writer.write(&server, &token));
        writer.wait_for(1_000);
        for kill in 0..12 {
            let mut program = place.program();
            program.arg("backup").arg(&folder);
            kill_after(program, 15 + kill * 23);
        }
        writer.ending.store(true, Ordering::Release);
    });
    let name = name_of(&backup(&place, &folder, &[]));
    let source = server.sql(ROWS);
    let target = Installation::new();
    for kill in 0..10 {
        kill_after(restore(&folder, target.data(), &["--point", &name]), 5 + kill * 7);
        if target.data().exists() {
            break;
        }
    }
    if !target.data().exists() {
        let output = restore(&folder, target.data(), &["--point", &name]).output().expect("it can be started");
        assert!(output.status.success(), "{}", text(&output.stderr));
    }
    assert_eq!(target.restart(&password).sql(ROWS), source);
    // Every one that has its name is whole, whatever was killed after it.
    for point in text(&backup(&place, &folder, &["--list"]).stdout).lines() {
        let point = point.split_whitespace().next().expect("a name");
        restored(&folder, point);
    }
}

#[test]
fn a_stopped_server_is_backed_up_and_damage_of_a_back_up_is_named_and_never_restored() {
    let (place, archives) = (Installation::new(), tempfile::tempdir().expect("a temporary folder can be made"));
    let folder = archives.path().join("backups");
    let server = place.first_start();
    let (password, token) = (server.password().to_owned(), place.add_gateway("g"));
    server.write_rows(&token, "a", START, 300);
    let source = server.sql(ROWS);
    // Rows are in the log alone.
    server.kill();
    let in_log = name_of(&backup(&place, &folder, &[]));
    assert_eq!(restored(&folder, &in_log).restart(&password).sql(ROWS), source);
    assert!(place.restart(&password).terminate().success());
    let in_files = name_of(&backup(&place, &folder, &[]));
    assert_eq!(restored(&folder, &in_files).restart(&password).sql(ROWS), source);

    let file = files_below(&folder.join(&in_files).join("tables"), ".parquet").pop().expect("a file");
    let mut bytes = std::fs::read(&file).expect("it can be read");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&file, bytes).expect("it can be written");
    let target = archives.path().join("target");
    let refused = restore(&folder, &target, &[]).output().expect("it can be started");
    let said = text(&refused.stderr);
    assert_eq!(refused.status.code(), Some(3), "{said}");
    assert!(said.contains(&file.display().to_string()) && said.contains("damaged"), "{said}");
    assert!(!target.exists(), "nothing has the name of the data folder");
}

/// Names are times, and a clock that was ahead has given a later one.
#[test]
fn the_back_up_that_was_just_made_is_none_of_those_that_are_too_many() {
    let (place, archives) = (Installation::new(), tempfile::tempdir().expect("a temporary folder can be made"));
    let folder = archives.path().join("backups");
    assert!(place.first_start().terminate().success());
    let first = name_of(&backup(&place, &folder, &[]));
    std::fs::rename(folder.join(first), folder.join("2099-01-01T00-00-00Z")).expect("it can be renamed");
    let made = name_of(&backup(&place, &folder, &["--keep", "1"]));
    let listed = text(&backup(&place, &folder, &["--list"]).stdout);
    assert!(listed.lines().count() == 1 && listed.starts_with(&made), "{made}: {listed}");
}

/// A clock that was ahead has given a name that is later than that of the next back-up.
#[test]
fn what_is_restored_is_what_was_made_last_and_not_what_has_the_latest_name() {
    let (place, archives) = (Installation::new(), tempfile::tempdir().expect("a temporary folder can be made"));
    let folder = archives.path().join("backups");
    let server = place.first_start();
    let token = place.add_gateway("g");
    let first = name_of(&backup(&place, &folder, &[]));
    let ahead = "2099-01-01T00-00-00Z";
    std::fs::rename(folder.join(&first), folder.join(ahead)).expect("it can be renamed");
    if let Ok(order) = std::fs::read_to_string(folder.join("order")) {
        std::fs::write(folder.join("order"), order.replace(&first, ahead)).expect("it can be written");
    }
    server.write_rows(&token, "pump", START, 7);
    let second = name_of(&backup(&place, &folder, &[]));
    assert!(server.terminate().success());
    let listed = text(&backup(&place, &folder, &["--list"]).stdout);
    let names: Vec<&str> = listed.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(names, [ahead, &second], "oldest first");
    let target = archives.path().join("target");
    let restored = restore(&folder, &target, &[]).output().expect("it can be started");
    let said = text(&restored.stderr);
    assert!(restored.status.success() && said.contains(&format!("as the back-up {second} has it")), "{said}");
}

#[test]
fn a_destination_that_is_something_else_and_a_target_with_files_are_refused() {
    let (place, root) = (Installation::new(), tempfile::tempdir().expect("a temporary folder can be made"));
    assert!(place.first_start().terminate().success());
    let other = root.path().join("other");
    std::fs::create_dir(&other).expect("it can be made");
    std::fs::write(other.join("letter.txt"), "keep me").expect("it can be written");
    let refused = |output: Output, words: &str| {
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(words), "{said}");
    };
    refused(backup(&place, &other, &[]), "no folder of back-ups");
    refused(backup(&place, &place.data().join("backups"), &[]), "within each other");
    let folder: PathBuf = root.path().join("backups");
    let run = |program: &mut Command| program.output().expect("it can be started");
    refused(run(&mut restore(&other, &root.path().join("new"), &[])), "no folder of back-ups");
    name_of(&backup(&place, &folder, &[]));
    refused(run(&mut restore(&folder, &other, &[])), "has files in it");
    refused(run(&mut restore(&folder, &root.path().join("new"), &["--point", "yesterday"])), "there is no back-up");
    assert_eq!(std::fs::read_to_string(other.join("letter.txt")).expect("it is there"), "keep me");
}

#[test]
fn a_back_up_takes_no_longer_hold_than_its_own_and_the_log_is_let_go_of_behind_it() {
    let (place, archives) = (busy(), tempfile::tempdir().expect("a temporary folder can be made"));
    let server = place.first_start();
    let token = place.add_gateway("g");
    let (status, _) = server.write(&token, &lines("a", START, 10));
    assert_eq!(status, 204);
    name_of(&backup(&place, &archives.path().join("backups"), &[]));
    // Segments of 1 MiB: four of them and more were written, and the WAL has two at most beside those that are held.
    for batch in 0..60u64 {
        let body: String = (0..2_000).map(|row| long_line(batch, row)).collect();
        assert_eq!(server.write(&token, &body).0, 204);
    }
    let within = crate::installation::wait_for(|| {
        let bytes: u64 = files_below(&place.data().join("wal"), ".wal")
            .iter()
            .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("segment-")))
            .map(|path| std::fs::metadata(path).map_or(0, |found| found.len()))
            .sum();
        (bytes <= 8 << 20).then_some(())
    });
    assert!(within.is_some(), "segments are released again");
}

fn long_line(batch: u64, row: u64) -> String {
    format!(
        "environment,device=long{} temperature={},wind_speed={} {}\n",
        row % 9,
        row % 40,
        row % 30,
        START + batch * 2_000 + row
    )
}
