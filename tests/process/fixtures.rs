//! Data folders of earlier formats, as `tests/fixtures/make.sh` made them: each opens, answers, takes more, and is sound.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::installation::{Installation, text};

/// Folders in the repository, oldest format first.
const FOLDERS: [&str; 1] = ["data-1.tar.gz"];

fn unpacked(folder: &str, root: &Path) -> PathBuf {
    let archive = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(folder);
    let done = Command::new("tar").arg("--extract").arg("--file").arg(archive).arg("--directory").arg(root).status();
    assert!(done.expect("tar can be started").success());
    root.join("data")
}

fn word(path: PathBuf) -> String {
    std::fs::read_to_string(path).expect("the fixture has it").trim().to_owned()
}

#[test]
fn a_folder_of_an_earlier_format_opens_answers_takes_more_rows_and_stays_sound() {
    for folder in FOLDERS {
        let root = tempfile::tempdir().expect("a temporary folder can be made");
        let data = unpacked(folder, root.path());
        let installation = Installation::new()
            .with_data(data.clone())
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

        // The gateway, the role and the request key are those of before.
        let token = word(data.join("north-token"));
        server.write_rows(&token, "a", 1_767_240_000, 10);
        assert!(text(&installation.run(&["role", "list"]).stdout).contains("grafana"), "{folder}");
        assert_eq!(
            server.sql_value("select count(*) from environment where device = 'a'"),
            Value::from(1_311),
            "{folder}"
        );

        assert!(server.terminate().success(), "{folder}");
        let checked = installation.run(&["check"]);
        assert!(checked.status.success(), "{folder}: {}{}", text(&checked.stdout), text(&checked.stderr));
    }
}
