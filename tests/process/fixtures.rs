//! Data folders of earlier formats, as `tests/fixtures/make.sh` made them: each opens, answers, takes more, is merged with what has
//! come, is backed up, and is sound.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::installation::{Installation, ZONE, files_below, text};

/// Folders in the repository, oldest format first.
const FOLDERS: [&str; 4] = ["data-1.tar.gz", "data-2.tar.gz", "data-3.tar.gz", "data-4.tar.gz"];

fn unpacked(folder: &str, root: &Path) -> PathBuf {
    let archive = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(folder);
    let done = Command::new("tar").arg("--extract").arg("--file").arg(archive).arg("--directory").arg(root).status();
    assert!(done.expect("tar can be started").success());
    root.join("data")
}

fn word(path: PathBuf) -> String {
    std::fs::read_to_string(path).expect("the fixture has it").trim().to_owned()
}

/// Backs a folder up beside its running server; the command checks the copy.
fn copy_is_sound(installation: &Installation, copies: &Path) -> bool {
    let output = installation.program().arg("backup").arg(copies).output().expect("the program can be started");
    print!("{}{}", text(&output.stdout), text(&output.stderr));
    output.status.success()
}

/// True once files of a table were merged.
fn is_merged(data: &Path, table: &str) -> bool {
    let entries = files_below(&data.join("tables").join(table).join("_delta_log"), ".json");
    entries.iter().any(|entry| std::fs::read_to_string(entry).is_ok_and(|text| text.contains("OPTIMIZE")))
}

/// The version that `wal/format` says.
fn folder_version(data: &Path) -> Value {
    let text = std::fs::read_to_string(data.join("wal/format")).expect("it can be read");
    serde_json::from_str::<Value>(&text).expect("it is JSON")["version"].clone()
}

/// The version of each segment of the WAL that has been in use, by shard.
fn segment_versions(data: &Path) -> BTreeMap<PathBuf, Vec<u32>> {
    let mut versions = BTreeMap::<PathBuf, Vec<u32>>::new();
    for path in files_below(&data.join("wal"), ".wal") {
        let bytes = std::fs::read(&path).expect("it can be read");
        let version = u32::from_le_bytes(bytes[8..12].try_into().expect("four bytes"));
        let shard = path.parent().expect("a folder").to_owned();
        versions.entry(shard).or_default().push(version);
    }
    versions
}

#[test]
fn a_folder_that_this_release_has_opened_is_one_that_an_earlier_release_refuses() {
    let root = tempfile::tempdir().expect("a temporary folder can be made");
    let data = unpacked(FOLDERS[0], root.path());
    let installation = Installation::new()
        .with_data(data.clone())
        .with("ZONELAKE_WAL_SEGMENT_BYTES", 1_048_576)
        .with("ZONELAKE_WAL_BYTES_MAX", 16_777_216);
    assert!(segment_versions(&data).values().flatten().all(|version| *version == 1));
    let server = installation.restart(&word(data.join("admin-password")));
    server.kill();
    // An earlier release reads `layout`, which is as it was, and then says of a segment of version 2 that it reads versions
    // up to 1.
    let layout = std::fs::read_to_string(data.join("wal/layout")).expect("it can be read");
    assert_eq!(layout, r#"{"generation":1,"shards":2}"#);
    let versions = segment_versions(&data);
    assert_eq!(versions.len(), 2);
    assert!(versions.values().all(|of_shard| of_shard.contains(&2)), "{versions:?}");
}

#[test]
fn a_folder_of_a_later_version_is_refused_with_both_versions() {
    let installation = Installation::new();
    assert!(installation.first_start().terminate().success(), "{}", installation.log());
    std::fs::write(installation.data().join("wal/format"), r#"{"version":6}"#).expect("it can be written");
    let (_, said) = installation.refused_start();
    assert!(said.contains("format version 6, and this release reads versions up to 5"), "{said}");
    let checked = installation.run(&["check"]);
    assert_eq!(checked.status.code(), Some(3));
    assert!(text(&checked.stdout).contains("format version 6"), "{}", text(&checked.stdout));
}

/// A role of before there were rights reads everything, and the start says so. One that was made since reads what it was granted:
/// nothing.
fn check_role(installation: &Installation, data: &Path, folder: &str) {
    let mut program = installation.program();
    program.env("ZONELAKE_USER", "grafana").env("ZONELAKE_PASSWORD", word(data.join("grafana-password")));
    let counted = program.args(["sql", "--format", "csv", "-c", "select count(*) as n from energy"]).output();
    let counted = counted.expect("started");
    let is_older = FOLDERS[..2].contains(&folder);
    let expected = if is_older { "n\n200\n" } else { "" };
    assert_eq!(text(&counted.stdout), expected, "{folder}: {}", text(&counted.stderr));
    assert_eq!(counted.status.success(), is_older, "{folder}: {}", text(&counted.stderr));
    let log = installation.log();
    let is_told = log.lines().any(|line| line.contains("as before there were rights") && line.contains("grafana"));
    assert_eq!(is_told, is_older, "{folder}: {log}");
}

#[test]
fn a_folder_of_an_earlier_format_opens_answers_takes_more_rows_and_stays_sound() {
    for folder in FOLDERS {
        let root = tempfile::tempdir().expect("a temporary folder can be made");
        let data = unpacked(folder, root.path());
        let installation = Installation::new()
            .with_data(data.clone())
            .with("ZONELAKE_FLUSH_AGE_SECONDS", 1)
            .with("ZONELAKE_COMPACTION_FILES_MAX", 2)
            .with("ZONELAKE_WAL_SEGMENT_BYTES", 1_048_576)
            .with("ZONELAKE_WAL_BYTES_MAX", 16_777_216);
        let server = installation.restart(&word(data.join("admin-password")));

        // Rows of files, one of them without its reading, which was out of range; and rows that were in the WAL alone when the server was killed.
        let rows =
            "select device, count(*) as rows, sum(temperature) as sum from environment group by device order by device";
        let row = |device: &str, rows: u64, sum: f64| serde_json::json!({"device": device, "rows": rows, "sum": sum});
        let expected = [row("a", 1_301, 31_850.0), row("b", 500, 12_250.0), row("keyed", 10, 45.0)];
        assert_eq!(server.sql(rows), expected, "{folder}");
        assert_eq!(server.sql_value("select count(*) from energy"), Value::from(200), "{folder}");
        assert_eq!(server.sql_value("select sum(pressure) from production"), Value::from(2_450.0), "{folder}");
        let reasons = "select reason, count(*) as rows from rejected group by reason order by reason";
        assert_eq!(server.sql(reasons).len(), 2, "{folder}: {:?}", server.sql(reasons));

        assert_eq!(folder_version(&data), 5, "{folder}: an earlier release says that it reads versions up to its own");

        // The gateway and the role are those of before.
        let token = word(data.join("north-token"));
        server.write_rows(&token, "a", 1_767_240_000, 10);
        assert!(text(&installation.run(&["role", "list"]).stdout).contains("grafana"), "{folder}");
        check_role(&installation, &data, folder);
        assert_eq!(
            server.sql_value("select count(*) from environment where device = 'a'"),
            Value::from(1_311),
            "{folder}"
        );

        // Devices of before have registered themselves, and what is said of one changes nothing of its rows, as is seen below.
        assert_eq!(
            server.sql_value("select count(*) from devices where state <> 'announced'"),
            Value::from(0),
            "{folder}"
        );
        let said = installation.run(&["device", "set", "b", "--zone", ZONE, "--serial", "A-1", "--state", "approved"]);
        assert!(said.status.success(), "{folder}: {}", text(&said.stderr));
        let serial = "select serial from system.devices where device = 'b' and state = 'approved'";
        assert_eq!(server.sql_value(serial), Value::from("A-1"), "{folder}");

        // Files of before, and those of now, become one file with the same rows. SQL shows the columns that it showed.
        let merged = (1..30).find(|round| {
            server.write_rows(&token, "late", 1_767_241_000 + round, 1);
            std::thread::sleep(Duration::from_secs(1));
            is_merged(&data, "environment")
        });
        let late = merged.unwrap_or_else(|| panic!("{folder}: nothing is merged: {}", installation.log()));
        let others = "select device, count(*) as rows, sum(temperature) as sum from environment where device in ('b', 'keyed') \
                      group by device order by device";
        assert_eq!(server.sql(others), expected[1..], "{folder}");
        let counts = "select count(*) from environment where device in ('a', 'late')";
        assert_eq!(server.sql_value(counts), Value::from(1_311 + late), "{folder}");
        let shown = "select count(*) from information_schema.columns where column_name in ('_shard', '_lsn', '_row', '_sequence')";
        assert_eq!(server.sql_value(shown), Value::from(0), "{folder}");
        let first = &server.sql("select * from environment limit 1")[0];
        assert!(
            first.as_object().is_some_and(|row| row.keys().all(|name| !name.starts_with('_'))),
            "{folder}: {first}"
        );

        assert!(copy_is_sound(&installation, &root.path().join("copies")), "{folder}");
        assert!(server.terminate().success(), "{folder}");
        let checked = installation.run(&["check"]);
        assert!(checked.status.success(), "{folder}: {}{}", text(&checked.stdout), text(&checked.stderr));
    }
}
