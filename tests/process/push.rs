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
fn standard_input_is_pushed_once_under_its_name() {
    let place = Installation::new();
    let server = place.first_start();
    let token = place.add_gateway("g");
    let content = std::fs::read(csv_file(&place, "a.csv", 3_000)).expect("it can be read");
    let push_input = |name: &str| {
        let arguments = ["--table", "environment", "--format", "csv", "--name", name, "-"];
        let mut pushing = push(&place, &token, &arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it can be started");
        let mut input = pushing.stdin.take().expect("it has a standard input");
        std::io::Write::write_all(&mut input, &content).expect("it reads");
        drop(input);
        let output = pushing.wait_with_output().expect("it ends");
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stdout)
    };
    assert!(push_input("morning").contains("3000 rows"));
    assert_eq!(count(&server), 3_000);
    let said = push_input("morning");
    assert!(said.contains("0 rows") && said.contains("3000 rows were"), "{said}");
    assert_eq!(count(&server), 3_000);
    assert!(push_input("evening").contains("3000 rows"), "another name is another content");
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
    assert!(output.status.success() && text(&output.stderr).contains("1 rows could not be read"), "{output:?}");
    assert_eq!(count(&server), 1);
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
