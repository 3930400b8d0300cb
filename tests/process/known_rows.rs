//! What a push does with rows that a server has already, by files of lines, by other files, or by other ways than a push.

use std::path::{Path, PathBuf};
use std::process::Output;

use crate::installation::{Installation, Server, lines, text};

fn push(place: &Installation, token: &str, arguments: &[&str]) -> Output {
    let mut program = place.program();
    program.env("ZONELAKE_TOKEN", token).env("ZONELAKE_SERVER", place.quic_address()).arg("push").args(arguments);
    program.output().expect("it can be started")
}

fn pushed(place: &Installation, token: &str, arguments: &[&str]) -> String {
    let output = push(place, token, arguments);
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout)
}

fn refused(place: &Installation, token: &str, arguments: &[&str]) -> String {
    let output = push(place, token, arguments);
    assert_eq!(output.status.code(), Some(2), "{}", text(&output.stdout));
    text(&output.stderr)
}

fn write(place: &Installation, name: &str, content: &str) -> PathBuf {
    let path = place.root().join(name);
    std::fs::write(&path, content).expect("it can be written");
    path
}

fn path(path: &Path) -> &str {
    path.to_str().expect("a plain path")
}

/// Rows of the table.
fn count(server: &Server<'_>) -> u64 {
    server.sql_value("select count(*) from environment").as_u64().expect("a count")
}

/// Seconds from 2026-01-01 on as CSV with one field.
fn csv(field: &str, seconds: std::ops::Range<u64>) -> String {
    let row = |second: u64| format!("2026-01-01T00:{:02}:{:02}Z,d1,{}\n", second / 60, second % 60, second % 30);
    format!("time,device,{field}\n{}", seconds.map(row).collect::<String>())
}

#[test]
fn rows_whose_times_a_table_has_by_another_way_are_counted_and_asked_about() {
    const START: u64 = 1_767_225_600;
    let place = Installation::new();
    let server = place.first_start();
    let (password, token) = (server.password().to_owned(), place.add_gateway("g"));
    // Ten rows over HTTP, and a file over QUIC.
    assert_eq!(server.write(&token, &lines("d1", START, 10)).0, 204);
    let whole = write(&place, "whole.csv", &csv("temperature", 20..120));
    let stored = |more: &[&str], file: &Path| {
        pushed(&place, &token, &[&["--table", "environment", path(file)][..], more].concat())
    };
    let asked = |more: &[&str], file: &Path| {
        refused(&place, &token, &[&["--table", "environment", path(file)][..], more].concat())
    };
    assert!(stored(&[], &whole).contains(": 100 rows"));
    let before = count(&server);

    let overlapping = write(&place, "overlapping.csv", &csv("temperature", 5..15));
    let part = write(&place, "part.csv", &csv("temperature", 50..60));
    let no: &[&str] = &[];
    for (more, file, words) in [
        (no, &overlapping, "Of 10 of its times of devices the table has rows of 5"),
        (no, &part, "Of 10 of its times of devices the table has rows of 10"),
        (&["--lane", "live"][..], &whole, "Of 100 of its times of devices the table has rows of 100"),
    ] {
        let said = asked(more, file);
        assert!(said.contains(words) && said.contains("--again") && said.contains("same_times"), "{said}");
        assert_eq!(count(&server), before);
    }
    // In files it is the same, and what is known by its rows says how many of them are there too.
    server.terminate();
    let server = place.restart(&password);
    assert!(asked(&[], &part).contains("rows of 10"));
    let mut shuffled: Vec<_> = csv("temperature", 20..120).lines().map(str::to_owned).collect();
    shuffled[1..].reverse();
    let said = asked(&[], &write(&place, "shuffled.csv", &(shuffled.join("\n") + "\n")));
    assert!(said.contains("in another order") && said.contains("the table has rows of 100"), "{said}");
    assert_eq!(count(&server), before);

    // Another instrument of the same device has other fields, and a mapping may say that times mean nothing.
    let other = write(&place, "other.csv", &csv("wind_speed", 50..60));
    assert!(stored(&[], &other).contains(": 10 rows"));
    let mapping = "table = \"environment\"\nby_name = true\nsame_times = \"store\"\n[device]\ncolumn = \"device\"\n";
    let mapping = write(&place, "store.toml", mapping);
    let arguments = ["--mapping", path(&mapping), path(&part)];
    assert!(pushed(&place, &token, &arguments).contains(": 10 rows"));
    assert!(pushed(&place, &token, &arguments).contains(": 0 rows"), "it is known by now");
    assert!(stored(&["--again"], &overlapping).contains(": 10 rows"));
    assert_eq!(count(&server), before + 30);
}

#[test]
fn files_of_lines_borrow_one_producer_and_add_what_is_new_alone() {
    const FILES: u64 = 8;
    let place = Installation::new();
    let server = place.first_start();
    let (password, token) = (server.password().to_owned(), place.add_gateway("g"));
    let line = |table: &str, device: u64, second: u64| {
        let field = if table == "energy" { "active_power" } else { "temperature" };
        format!("{table},device=d{device} {field}={} {}", second % 40, 1_767_225_600 + second)
    };
    let content = |device: u64, seconds: std::ops::Range<u64>| -> Vec<String> {
        seconds.flat_map(|second| [line("environment", device, second), line("energy", device, second)]).collect()
    };
    let files: Vec<PathBuf> = (0..FILES)
        .map(|device| write(&place, &format!("f{device}.lp"), &(content(device, 0..50).join("\n") + "\n")))
        .collect();
    let mut all = vec!["--precision", "s"];
    all.extend(files.iter().map(|file| path(file)));
    let counts = |server: &Server<'_>| {
        ["environment", "energy"].map(|table| {
            let row = &server
                .sql(&format!("select count(*) n, count(distinct (device || cast(time as varchar))) d from {table}"))
                [0];
            (row["n"].as_u64().expect("a count"), row["d"].as_u64().expect("a count"))
        })
    };
    assert_eq!(pushed(&place, &token, &all).matches(": 100 rows").count() as u64, FILES);
    assert_eq!(counts(&server), [(FILES * 50, FILES * 50); 2]);
    server.kill();
    let server = place.restart(&password);
    assert_eq!(pushed(&place, &token, &all).matches(": 0 rows").count() as u64, FILES);

    // The same lines in other bytes, and more behind them.
    let micros: String = content(3, 0..50).iter().map(|line| format!("{line}000000\r\n")).collect();
    let micros = write(&place, "micros.lp", &format!("# of a logger\r\n\r\n{micros}"));
    assert!(pushed(&place, &token, &["--precision", "us", path(&micros)]).contains(": 0 rows"));
    write(&place, "f5.lp", &(content(5, 0..53).join("\n") + "\n"));
    let said = pushed(&place, &token, &all);
    assert!(said.contains(": 6 rows") && said.matches(": 0 rows").count() as u64 == FILES - 1, "{said}");
    let mut turned = content(6, 0..50);
    turned.reverse();
    let turned = write(&place, "turned.lp", &(turned.join("\n") + "\n"));
    let said = refused(&place, &token, &["--precision", "s", path(&turned)]);
    assert!(said.contains("lines of table") && said.contains("another order") && said.contains("--again"), "{said}");
    assert_eq!(counts(&server), [(FILES * 50 + 3, FILES * 50 + 3); 2]);

    // Nothing of a file is sent where one of its tables is not there.
    let unknown = write(&place, "unknown.lp", "environment,device=x temperature=1 1\natlantis,device=x depth=1 1\n");
    assert!(refused(&place, &token, &["--precision", "s", path(&unknown)]).contains("atlantis"));
    assert_eq!(counts(&server)[0].0, FILES * 50 + 3);
    assert!(server.terminate().success(), "{}", place.log());
    let report: serde_json::Value = serde_json::from_slice(&place.run(&["check", "--json"]).stdout).expect("JSON");
    assert_eq!((&report["sound"], &report["registry"]["producers"]), (&true.into(), &1.into()), "{report}");
}
