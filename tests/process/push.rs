//! `zonelake push`: files over QUIC, once, whatever breaks; and what cannot be pushed is said by name.

use std::fmt::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use crate::installation::{Installation, Server, text};

/// A CSV file whose columns have the names of the fields: one row a second of one device.
fn csv_file(place: &Installation, name: &str, rows: u64) -> PathBuf {
    let mut csv = String::from("time,device,temperature,wind_speed\n");
    for row in 0..rows {
        let (hour, minute, second) = (row / 3_600 % 24, row / 60 % 60, row % 60);
        let day = 1 + row / 86_400;
        let temperature = row % 40;
        writeln!(csv, "2026-01-{day:02}T{hour:02}:{minute:02}:{second:02}Z,d1,{temperature},{}.5", row % 9)
            .expect("a String grows as needed");
    }
    let path = place.root().join(name);
    std::fs::write(&path, csv).expect("it can be written");
    path
}

fn push(place: &Installation, token: &str, arguments: &[&str]) -> Command {
    let mut program = place.program();
    program.env("ZONELAKE_TOKEN", token).env("ZONELAKE_SERVER", place.quic_address()).arg("push").args(arguments);
    program
}

fn path(path: &std::path::Path) -> &str {
    path.to_str().expect("a plain path")
}

fn count(server: &Server<'_>) -> u64 {
    server.sql_value("select count(*) from environment").as_u64().expect("a count")
}

#[test]
fn a_file_is_pushed_once_however_often_it_is_pushed() {
    let place = Installation::new();
    let server = place.first_start();
    let token = place.add_gateway("g");
    let file = csv_file(&place, "a.csv", 10_000);
    for (stored, before) in [(10_000, 0), (0, 10_000)] {
        let output =
            push(&place, &token, &["--table", "environment", path(&file)]).output().expect("it can be started");
        assert!(output.status.success(), "{}", text(&output.stderr));
        let said = text(&output.stdout);
        assert!(said.contains(&format!("{stored} rows")) && said.contains(&format!("{before} rows were")), "{said}");
        assert_eq!(count(&server), 10_000);
    }
    let times =
        "select cast(min(time) as varchar) a, cast(max(time) as varchar) z, count(distinct time) n from environment";
    let row = &server.sql(times)[0];
    assert!(row["a"].as_str().is_some_and(|first| first.starts_with("2026-01-01 00:00:00")), "{row}");
    assert!(row["z"].as_str().is_some_and(|last| last.starts_with("2026-01-01 02:46:39")), "{row}");
    assert_eq!(row["n"], 10_000);
}

#[test]
fn a_push_goes_on_by_itself_over_a_kill_of_the_server() {
    const ROWS: u64 = 200_000;
    let place = Installation::new();
    let server = place.first_start();
    let (password, token) = (server.password().to_owned(), place.add_gateway("g"));
    let file = csv_file(&place, "a.csv", ROWS);
    let mut pushing = push(&place, &token, &["--table", "environment", "--batch-rows", "100", path(&file)])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it can be started");
    let mut arrived = 0;
    while arrived == 0 {
        sleep(Duration::from_millis(5));
        arrived = count(&server);
    }
    server.kill();
    assert!(arrived < ROWS, "the kill came too late to be one in the middle");
    assert!(pushing.try_wait().expect("its state can be asked").is_none(), "it does not give up");

    let server = place.restart(&password);
    let output = pushing.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{}\n{}", text(&output.stderr), place.log());
    assert_eq!(count(&server), ROWS);
    assert_eq!(server.sql_value("select count(distinct time) from environment"), ROWS);
}

#[test]
fn a_push_that_is_killed_and_run_again_stores_what_was_missing_and_nothing_twice() {
    const ROWS: u64 = 200_000;
    let place = Installation::new();
    let server = place.first_start();
    let token = place.add_gateway("g");
    let file = csv_file(&place, "a.csv", ROWS);
    let arguments = ["--table", "environment", "--batch-rows", "100", path(&file)];
    let mut pushing =
        push(&place, &token, &arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("started");
    while count(&server) == 0 {
        sleep(Duration::from_millis(5));
    }
    pushing.kill().expect("it can be killed");
    pushing.wait().expect("it ends");
    let before = count(&server);
    assert!(before < ROWS, "the kill came too late to be one in the middle");

    let output = push(&place, &token, &arguments).output().expect("it can be started");
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(count(&server), ROWS);
    assert_eq!(server.sql_value("select count(distinct time) from environment"), ROWS);
}

#[test]
fn standard_input_is_known_by_its_rows_and_not_by_its_name() {
    let place = Installation::new();
    let server = place.first_start();
    let token = place.add_gateway("g");
    let content = std::fs::read(csv_file(&place, "a.csv", 3_000)).expect("it can be read");
    let push_input = |name: &str, content: &[u8]| {
        let arguments = ["--table", "environment", "--format", "csv", "--name", name, "-"];
        let mut pushing = push(&place, &token, &arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it can be started");
        let mut input = pushing.stdin.take().expect("it has a standard input");
        std::io::Write::write_all(&mut input, content).expect("it reads");
        drop(input);
        let output = pushing.wait_with_output().expect("it ends");
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stdout)
    };
    assert!(push_input("morning", &content).contains("3000 rows"));
    assert_eq!(count(&server), 3_000);
    for name in ["morning", "evening"] {
        let said = push_input(name, &content);
        assert!(said.contains("0 rows") && said.contains("3000 rows were"), "{said}");
        assert_eq!(count(&server), 3_000);
    }
    let other = text(&content).replace(",d1,", ",d2,");
    assert!(
        push_input("morning", other.as_bytes()).contains("3000 rows"),
        "other content under the same name is stored"
    );
    assert_eq!(count(&server), 6_000);
}

#[test]
fn what_sql_writes_can_be_pushed_in_every_format() {
    let place = Installation::new();
    let server = place.first_start();
    let token = place.add_gateway("g");
    let file = csv_file(&place, "a.csv", 1_000);
    assert!(push(&place, &token, &["--table", "environment", path(&file)]).status().expect("started").success());
    for (format, name) in [("parquet", "b.parquet"), ("arrow", "b.arrow"), ("csv", "b.csv")] {
        let query = "select time, temperature, wind_speed from environment where device = 'd1' order by time";
        let output = server.sql_output(query, format);
        assert!(output.status.success(), "{}", text(&output.stderr));
        let copy = place.root().join(name);
        std::fs::write(&copy, &output.stdout).expect("it can be written");
        let output = push(&place, &token, &["--table", "environment", "--device", format, path(&copy)]).output();
        let output = output.expect("it can be started");
        assert!(output.status.success(), "{format}: {}", text(&output.stderr));
    }
    let line = place.root().join("b.lp");
    std::fs::write(&line, "environment,device=line temperature=1,wind_speed=2 1767225600000\n").expect("written");
    let output = push(&place, &token, &["--precision", "ms", path(&line)]).output().expect("it can be started");
    assert!(output.status.success(), "{}", text(&output.stderr));

    let rows = server.sql("select device, count(*) n, sum(temperature) t, sum(wind_speed) w from environment group by device order by device");
    let sums: Vec<_> = rows.iter().map(|row| (row["device"].as_str(), row["n"].as_u64())).collect();
    let wanted = [("arrow", 1_000), ("csv", 1_000), ("d1", 1_000), ("line", 1), ("parquet", 1_000)];
    assert_eq!(sums, wanted.map(|(device, rows)| (Some(device), Some(rows))));
    assert!([0, 1, 4].iter().all(|&at| rows[at]["t"] == rows[2]["t"] && rows[at]["w"] == rows[2]["w"]), "{rows:?}");
}

#[test]
fn what_cannot_be_pushed_is_said_by_name_with_an_exit_code_that_tells_what_to_do() {
    let place = Installation::new();
    let server = place.first_start();
    let token = place.add_gateway("g");
    let good = csv_file(&place, "good.csv", 10);
    let unknown_column = place.root().join("column.csv");
    std::fs::write(&unknown_column, "time,device,tempurature\n2026-01-01T00:00:00Z,d,1\n").expect("it can be written");
    let bad_cell = place.root().join("cell.csv");
    std::fs::write(&bad_cell, "time,device,temperature\n2026-01-01T00:00:00Z,d,1\n2026-01-01T00:00:01Z,d,warm\n")
        .expect("it can be written");
    let (good, unknown_column, bad_cell) = (path(&good), path(&unknown_column), path(&bad_cell));
    let zeros = "00".repeat(32);
    for (token, arguments, code, words) in [
        ("zl_wrong", vec!["--table", "environment", good], 4, "token"),
        (&token, vec!["--table", "atlantis", good], 2, "atlantis"),
        (&token, vec!["--table", "environment", unknown_column], 2, "tempurature"),
        (&token, vec!["--table", "environment", bad_cell], 2, "line 3"),
        (&token, vec!["--table", "environment", "--fingerprint", &zeros, good], 4, "certificate"),
        (&token, vec!["--table", "environment", "--server", "127.0.0.1:1", "--give-up", "1", good], 5, "gave up"),
        (&token, vec!["--table", "environment", "-"], 2, "--name"),
        (&token, vec!["--table", "environment", "/nonexistent.csv"], 2, "/nonexistent.csv"),
    ] {
        let output = push(&place, token, &arguments).output().expect("it can be started");
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
        assert!(said.contains(words), "{arguments:?}: {said}");
    }
    assert_eq!(count(&server), 0, "nothing of them is stored");
    let output = push(&place, &token, &["--table", "environment", "--skip-bad-rows", bad_cell]).output();
    let output = output.expect("it can be started");
    assert!(output.status.success() && text(&output.stderr).contains("1 cells could not be read"), "{output:?}");
    assert_eq!(count(&server), 2, "the rest of the row is stored");
    let rejected = &server.sql("select reason, field, content from rejected")[0];
    assert_eq!((rejected["reason"].as_str(), rejected["field"].as_str()), (Some("unreadable"), Some("temperature")));
    assert!(rejected["content"].as_str().is_some_and(|content| content.contains("warm")), "{rejected}");
}

#[test]
fn rows_and_readings_that_are_not_acceptable_are_kept_apart_with_their_reasons() {
    let place = Installation::new();
    let server = place.first_start();
    let token = place.add_gateway("g");
    let file = place.root().join("mixed.csv");
    std::fs::write(
        &file,
        "time,device,temperature,humidity,zone\n\
         2026-01-01T00:00:00Z,good,20,50,vung-ang\n\
         2026-01-01T00:00:01Z,not-a-number,NaN,50,\n\
         2026-01-01T00:00:02Z,out-of-range,20,101,\n\
         2999-01-01T00:00:03Z,future,20,50,\n\
         1950-01-01T00:00:03Z,past,20,50,\n\
         2026-01-01T00:00:04Z,elsewhere,20,50,hoa-lac\n\
         2026-01-01T00:00:05Z,good,21,51,\n",
    )
    .expect("it can be written");
    let output = push(&place, &token, &["--table", "environment", path(&file)]).output().expect("it can be started");
    let said = text(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("rejected 3 rows and 2 single readings"), "{said}");
    for (reason, line) in
        [("not_finite", 3), ("out_of_range", 4), ("future_time", 5), ("bad_time", 6), ("wrong_place", 7)]
    {
        assert!(said.contains(&format!("{reason}: 1 times, first: line {line}: ")), "{reason}: {said}");
    }

    let stored = server.sql("select device, temperature, humidity from environment order by time");
    let devices: Vec<_> = stored.iter().map(|row| row["device"].as_str().unwrap_or_default()).collect();
    assert_eq!(devices, ["good", "not-a-number", "out-of-range", "good"]);
    assert!(stored[1]["temperature"].is_null() && stored[1]["humidity"] == 50.0, "{stored:?}");
    assert!(stored[2]["humidity"].is_null() && stored[2]["temperature"] == 20.0, "{stored:?}");
    let rejected = server.sql("select reason, field, gateway, content from rejected order by reason");
    let reasons: Vec<_> = rejected.iter().map(|row| row["reason"].as_str().unwrap_or_default()).collect();
    assert_eq!(reasons, ["bad_time", "future_time", "not_finite", "out_of_range", "wrong_place"], "{rejected:?}");
    assert!(rejected.iter().all(|row| row["gateway"] == "g"), "{rejected:?}");
    assert_eq!(rejected[3]["field"], "humidity");
}

#[test]
fn codes_of_a_quality_are_read_on_the_scale_that_the_mapping_names() {
    let place = Installation::new();
    let server = place.first_start();
    let token = place.add_gateway("g");
    let file = place.root().join("quality.csv");
    let rows = "time,device,q,temperature\n2026-01-01T00:00:00Z,a,0,20\n2026-01-01T00:00:00Z,b,216,20\n2026-01-01T00:00:00Z,c,Good,20\n";
    std::fs::write(&file, rows).expect("it can be written");
    let mapping = place.root().join("mapping.toml");
    let text_of = |scale: &str| {
        format!(
            "table = \"environment\"\nby_name = true\nquality = \"q\"\nquality_scale = \"{scale}\"\n[device]\ncolumn = \"device\"\n"
        )
    };
    std::fs::write(&mapping, text_of("opc")).expect("it can be written");
    let arguments = ["--mapping", path(&mapping), path(&file)];
    let refused = push(&place, &token, &arguments).output().expect("it can be started");
    assert_eq!(refused.status.code(), Some(2));
    assert!(text(&refused.stderr).contains("opc_da"), "{}", text(&refused.stderr));

    std::fs::write(&mapping, text_of("opc_da")).expect("it can be written");
    let pushed = push(&place, &token, &arguments).output().expect("it can be started");
    assert!(pushed.status.success(), "{}", text(&pushed.stderr));
    let qualities = server.sql("select device, quality from environment order by device");
    let row = |device: &str, quality: &str| serde_json::json!({"device": device, "quality": quality});
    assert_eq!(qualities, [row("a", "bad_device_failure"), row("b", "good"), row("c", "good")]);
}

/// Pushes and gives what is said on standard output, or the words of the refusal.
fn pushed(place: &Installation, token: &str, arguments: &[&str]) -> Result<String, String> {
    let output = push(place, token, arguments).output().expect("it can be started");
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

#[test]
fn a_file_that_has_grown_or_comes_in_another_form_adds_what_is_new_alone() {
    let place = Installation::new();
    let server = place.first_start();
    let (password, token) = (server.password().to_owned(), place.add_gateway("g"));
    let whole = std::fs::read_to_string(csv_file(&place, "whole.csv", 9_000)).expect("it can be read");
    let lines: Vec<&str> = whole.lines().collect();
    let file = place.root().join("daily.csv");
    for (rows, new) in [(3_000, 3_000), (3_010, 10), (3_010, 0), (9_000, 5_990)] {
        std::fs::write(&file, lines[..=rows].join("\n") + "\n").expect("it can be written");
        let said = pushed(&place, &token, &["--table", "environment", path(&file)]).unwrap();
        assert!(
            said.contains(&format!(": {new} rows")) && said.contains(&format!("{} rows were", rows - new)),
            "{said}"
        );
        assert_eq!(count(&server), rows as u64);
    }
    server.kill();
    let server = place.restart(&password);

    let write = |name: &str, content: &[u8]| {
        let file = place.root().join(name);
        std::fs::write(&file, content).expect("it can be written");
        file
    };
    let mapping = |name: &str, keys: &str| {
        let text = format!("table = \"environment\"\nby_name = true\n{keys}\n[device]\ncolumn = \"device\"\n");
        write(name, text.as_bytes())
    };
    let utf16: Vec<u8> = format!("\u{FEFF}{whole}").encode_utf16().flat_map(u16::to_le_bytes).collect();
    let comma = whole.replace(".5", "#5").replace(',', ";").replace('#', ",");
    let reversed: String =
        whole.lines().map(|line| line.split(',').rev().collect::<Vec<_>>().join(",") + "\n").collect();
    let plain = mapping("plain.toml", "");
    let german = mapping("german.toml", "delimiter = \";\"\ndecimal_comma = true");
    for (file, mapping) in [
        (write("crlf.csv", whole.replace('\n', "\r\n").as_bytes()), &plain),
        (write("utf16.csv", &utf16), &plain),
        (write("comma.csv", comma.as_bytes()), &german),
        (write("columns.csv", reversed.as_bytes()), &plain),
        (write("renamed.txt", whole.as_bytes()), &plain),
    ] {
        let said = pushed(&place, &token, &["--mapping", path(mapping), "--batch-rows", "777", path(&file)]).unwrap();
        assert!(said.contains(": 0 rows") && said.contains("9000 rows were"), "{said}");
    }
    assert_eq!(count(&server), 9_000);

    // What cannot be told from what is there is asked about, and stored where that is said.
    let mut shuffled = lines[1..].to_vec();
    shuffled.reverse();
    let shuffled = write("shuffled.csv", format!("{}\n{}\n", lines[0], shuffled.join("\n")).as_bytes());
    let changed = write("changed.csv", whole.replacen(",d1,39,", ",d1,38,", 1).as_bytes());
    let scaled = mapping("scaled.toml", "[columns]\nwind_speed = { field = \"wind_speed\", scale = 0.1 }");
    let renamed = place.root().join("renamed.txt");
    for (file, mapping, words) in [
        (&shuffled, &plain, "another order"),
        (&changed, &plain, "its first row is that of"),
        (&renamed, &scaled, "another mapping"),
    ] {
        let arguments = ["--mapping", path(mapping), path(file)];
        let said = pushed(&place, &token, &arguments).unwrap_err();
        assert!(said.contains(words) && said.contains("--again") && said.contains("nothing of it was sent"), "{said}");
        assert_eq!(count(&server), 9_000);
    }
    let again = ["--mapping", path(&plain), "--again", path(&changed)];
    assert!(pushed(&place, &token, &again).unwrap().contains(": 9000 rows"));
    assert_eq!(count(&server), 18_000);

    let told = pushed(&place, &token, &["--history"]).unwrap();
    let [first, .., last] = told.lines().collect::<Vec<_>>()[..] else { panic!("{told}") };
    assert!(first.contains("changed.csv: 9000 rows, 9000 of them new, stored"), "{told}");
    assert!(last.contains("daily.csv: 3000 rows, 3000 of them new, stored"), "{told}");
    assert!(told.contains("daily.csv: 3010 rows, 10 of them new"), "{told}");
}

#[test]
fn rows_that_are_mended_later_are_added_alone() {
    let place = Installation::new();
    let server = place.first_start();
    let token = place.add_gateway("g");
    let whole = std::fs::read_to_string(csv_file(&place, "whole.csv", 2_000)).expect("it can be read");
    let file = place.root().join("a.csv");
    let broken = whole.replacen("2026-01-01T00:16:40Z", "yesterday", 1).replacen("T00:00:00Z", "T00:00:00", 1);
    std::fs::write(&file, &broken).expect("it can be written");
    let said = pushed(&place, &token, &["--table", "environment", path(&file)]).unwrap_err();
    assert!(said.contains("line 2") && said.contains("one more"), "{said}");
    assert_eq!(count(&server), 0);
    let skipping = ["--table", "environment", "--skip-bad-rows", path(&file)];
    assert!(pushed(&place, &token, &skipping).unwrap().contains(": 1998 rows"));
    std::fs::write(&file, whole.replacen("T00:00:00Z", "T00:00:00", 1)).expect("it can be written");
    let said = pushed(&place, &token, &skipping).unwrap();
    assert!(said.contains(": 1 rows") && said.contains("1998 rows were"), "{said}");
    assert_eq!(count(&server), 1_999);
    assert_eq!(server.sql_value("select count(distinct time) from environment"), 1_999);
}

#[test]
fn a_push_looks_drafts_and_says_where_nothing_was_acceptable() {
    let place = Installation::new();
    let server = place.first_start();
    let token = place.add_gateway("g");
    let file = place.root().join("station.csv");
    let rows = "Station;Zeit;PM10 (µg/m³);Bemerkung\nA;31.01.2026 10:00;12,5;x\nA;31.01.2026 24:00;<1;y\n";
    std::fs::write(&file, rows).expect("it can be written");
    let draft = pushed(&place, "none", &["--suggest", "--table", "environment", path(&file)]).unwrap();
    let mapping = place.root().join("draft.toml");
    std::fs::write(&mapping, &draft).expect("it can be written");
    let told = pushed(&place, "none", &["--dry-run", "--mapping", path(&mapping), path(&file)]).unwrap();
    assert!(
        told.contains("2 rows, 2 readings would be stored") && told.contains("2026-01-31T17:00:00"),
        "{told}\n{draft}"
    );
    assert_eq!(count(&server), 0);
    assert!(pushed(&place, &token, &["--mapping", path(&mapping), path(&file)]).unwrap().contains(": 2 rows"));

    let early = place.root().join("early.csv");
    std::fs::write(&early, "time,device,temperature\n1970-01-20T00:00:00Z,d,1\n").expect("it can be written");
    let output = push(&place, &token, &["--table", "environment", path(&early)]).output().expect("it can be started");
    assert_eq!(output.status.code(), Some(6), "{}", text(&output.stderr));
    // A file that cannot be pushed holds up no other one.
    let good = csv_file(&place, "good.csv", 5);
    let files = ["--table", "environment", "/nonexistent.csv", path(&good)];
    let output = push(&place, &token, &files).output().expect("it can be started");
    assert_eq!((output.status.code(), text(&output.stdout).contains("good.csv: 5 rows")), (Some(2), true));
}

#[test]
fn files_pushed_one_after_the_other_borrow_one_producer_and_are_known_afterwards() {
    const FILES: u64 = 12;
    let place = Installation::new();
    let server = place.first_start();
    let (password, token) = (server.password().to_owned(), place.add_gateway("g"));
    let whole = std::fs::read_to_string(csv_file(&place, "whole.csv", 250)).expect("it can be read");
    let files: Vec<PathBuf> = (0..FILES)
        .map(|number| {
            let path = place.root().join(format!("f{number}.csv"));
            std::fs::write(&path, whole.replace(",d1,", &format!(",d{number},"))).expect("it can be written");
            path
        })
        .collect();
    let mut all = vec!["--table", "environment", "--batch-rows", "100"];
    all.extend(files.iter().map(|file| path(file)));
    assert_eq!(pushed(&place, &token, &all).unwrap().matches(": 250 rows").count() as u64, FILES);
    server.kill();
    let server = place.restart(&password);
    // The producer of all but the last one is another's by now, and the server says so.
    let said = pushed(&place, &token, &all).unwrap();
    assert_eq!(said.matches(": 0 rows, 0 readings stored; 250 rows were").count() as u64, FILES, "{said}");
    assert_eq!(count(&server), FILES * 250);
    let grown = whole.replace(",d1,", ",d3,") + "2026-01-01T01:00:00Z,d3,1,1\n";
    std::fs::write(&files[3], grown).expect("it can be written");
    assert!(pushed(&place, &token, &all).unwrap().contains(": 1 rows"));
    assert_eq!(count(&server), FILES * 250 + 1);
    assert!(server.terminate().success(), "{}", place.log());
    let report: serde_json::Value = serde_json::from_slice(&place.run(&["check", "--json"]).stdout).expect("JSON");
    assert_eq!((&report["sound"], &report["registry"]["producers"]), (&true.into(), &1.into()), "{report}");
}
