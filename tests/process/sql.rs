//! `zonelake sql`: where its questions come from and where its answers go.

use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::sleep;
use std::time::Duration;

use crate::installation::{Installation, Server, text, wait_for};

const START: u64 = 1_700_000_000;

fn filled(place: &Installation) -> Server<'_> {
    let server = place.first_start();
    let token = place.add_gateway("g");
    server.write_rows(&token, "d1", START, 3);
    server
}

fn sql(place: &Installation, server: &Server<'_>, arguments: &[&str]) -> Command {
    let mut program = place.program();
    program.env("ZONELAKE_PASSWORD", server.password()).arg("sql").args(arguments);
    program
}

/// Runs it with this on standard input; what it said.
fn with_input(mut program: Command, input: &str) -> (bool, String, String) {
    let piped = program.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut running = piped.spawn().expect("it can be started");
    let mut to = running.stdin.take().expect("it has a standard input");
    to.write_all(input.as_bytes()).expect("it reads");
    drop(to);
    let output = running.wait_with_output().expect("it ends");
    (output.status.success(), text(&output.stdout), text(&output.stderr))
}

/// Types each line when the answer to the one before has come to an end, as somebody at a terminal does.
fn typed_one_by_one(mut program: Command, lines: &str) -> (bool, String) {
    let mut running = program.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it can be started");
    let said = Arc::new(Mutex::new(String::new()));
    let mut from = running.stdout.take().expect("it has a standard output");
    let gathered = Arc::clone(&said);
    let reader = std::thread::spawn(move || {
        let mut bytes = [0; 4_096];
        while let Ok(read @ 1..) = from.read(&mut bytes) {
            gathered.lock().expect("nothing panics here").push_str(&text(&bytes[..read]));
        }
    });
    let mut to = running.stdin.take().expect("it has a standard input");
    for line in lines.lines() {
        let mut length = 0;
        let quiet = wait_for(|| {
            sleep(Duration::from_millis(400));
            let before = std::mem::replace(&mut length, said.lock().expect("nothing panics here").len());
            (length > 0 && length == before).then_some(())
        });
        assert!(quiet.is_some(), "it asks for nothing");
        to.write_all(format!("{line}\n").as_bytes()).expect("it reads");
    }
    let status = running.wait().expect("it ends");
    drop(to);
    reader.join().expect("it reads to the end");
    let said = said.lock().expect("nothing panics here").clone();
    (status.success(), said)
}

const QUERIES: &str = "-- two questions; one after the other\nselect count(*) as n from environment;\n\
    select ';' as mark, max(temperature) as t from environment;\n";

#[test]
fn the_queries_of_a_file_are_answered_in_order_into_a_file() {
    let place = Installation::new();
    let server = filled(&place);
    let (file, answers) = (place.root().join("questions.sql"), place.root().join("answers.csv"));
    std::fs::write(&file, QUERIES).expect("it can be written");
    let (file, answers) = (file.to_str().expect("plain"), answers.to_str().expect("plain"));
    let output = sql(&place, &server, &["-f", file, "--format", "csv", "-o", answers]).output().expect("started");
    assert!(output.status.success() && output.stdout.is_empty(), "{}", text(&output.stderr));
    let written = std::fs::read_to_string(answers).expect("it was written");
    let lines: Vec<&str> = written.lines().collect();
    assert_eq!(lines, ["n", "3", "mark,t", ";,2.0"], "{written}");

    let output = sql(&place, &server, &["-f", file, "--format", "parquet", "-o", answers]).output().expect("started");
    assert_eq!(output.status.code(), Some(2), "two answers do not go into one Parquet file");
    let output = sql(&place, &server, &["-f", "/nonexistent.sql"]).output().expect("started");
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("/nonexistent.sql"), "{}", text(&output.stderr));
}

#[test]
fn queries_come_from_standard_input_with_and_without_its_name() {
    let place = Installation::new();
    let server = filled(&place);
    for arguments in [&["--format", "csv"][..], &["--format", "csv", "-f", "-"][..]] {
        let (succeeded, said, errors) = with_input(sql(&place, &server, arguments), QUERIES);
        assert!(succeeded, "{errors}");
        assert_eq!(said.lines().collect::<Vec<_>>(), ["n", "3", "mark,t", ";,2.0"], "{said}");
    }
    let (succeeded, said, errors) = with_input(sql(&place, &server, &[]), "select nothing_of_it from environment;");
    assert!(!succeeded && said.is_empty() && errors.contains("nothing_of_it"), "{said}{errors}");
    let (succeeded, _, errors) = with_input(sql(&place, &server, &[]), " ;\n");
    assert!(!succeeded && errors.contains("no query"), "{errors}");
}

#[test]
fn the_prompt_answers_on_a_terminal_and_keeps_its_history() {
    let place = Installation::new();
    let server = filled(&place);
    let history = place.root().join("history");
    // `script` gives the program a terminal.
    let prompt = |typed: &str| {
        let inner = sql(&place, &server, &[]);
        let mut script = Command::new("script");
        script.env_clear().envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?))));
        script.env("PATH", "/usr/bin:/bin").env("TERM", "xterm").env("SHELL", "/bin/sh");
        script.env("ZONELAKE_HISTORY", &history).current_dir(place.root());
        script.args(["-qec", &format!("'{}' sql", env!("CARGO_BIN_EXE_zonelake")), "/dev/null"]);
        typed_one_by_one(script, typed)
    };
    let (succeeded, said) = prompt("select count(*) as n\nfrom environment;\nselect nothing_of_it;\n\\q\n");
    assert!(succeeded, "{said}");
    assert!(
        said.contains("(1 row)") && said.contains("nothing_of_it"),
        "an answer, and a failure that ends nothing: {said}"
    );
    let kept = std::fs::read_to_string(&history).expect("the history is kept");
    assert!(kept.contains("from environment") && kept.contains("select nothing_of_it;"), "{kept}");

    let (succeeded, said) = prompt("\\dt\n\\q\n");
    assert!(succeeded && said.contains("environment"), "{said}");
    let kept = std::fs::read_to_string(&history).expect("the history is kept");
    assert!(kept.contains("from environment") && kept.contains("\\dt"), "the earlier one goes on: {kept}");
}

#[test]
fn no_statement_is_told_a_path_of_the_machine() {
    let place = Installation::new();
    let server = filled(&place);
    let wanted = place.root().to_str().expect("plain").trim_start_matches('/').to_owned();
    // A stop flushes, so that the rows are in files.
    let password = server.password().to_owned();
    assert!(server.terminate().success(), "{}", place.log());
    let server = place.restart(&password);
    for query in [
        "explain select * from environment",
        "explain analyze select device, avg(temperature) from environment group by device",
        "select input_file_name() from environment",
    ] {
        let output = sql(&place, &server, &["-c", query]).output().expect("started");
        let said = format!("{}{}", text(&output.stdout), text(&output.stderr));
        assert!(!said.contains(&wanted), "{query}: {said}");
        let names_files = said.contains(".parquet") && said.contains("environment/");
        assert!(names_files || !query.starts_with("explain"), "the file is named: {query}: {said}");
    }
}

#[test]
fn options_set_the_session_of_every_query() {
    let place = Installation::new();
    let server = filled(&place);
    let asked = |options: &[&str], query: &str| {
        let arguments = [options, &["--format", "csv", "-c", query]].concat();
        let output = sql(&place, &server, &arguments).output().expect("started");
        (output.status.success(), text(&output.stdout), text(&output.stderr))
    };
    let (_, said, _) = asked(
        &["--time-zone", "Asia/Ho_Chi_Minh"],
        "select timestamptz '2026-07-01 12:00' as noon, count(*) from environment",
    );
    assert_eq!(said, "noon,count\n2026-07-01T12:00:00.000000+07:00,3\n");
    let (_, said, _) = asked(&["--time-zone", "-3.5"], "select timestamptz '2026-07-01 12:00' as noon");
    assert_eq!(said, "noon\n2026-07-01T12:00:00.000000-03:30\n");
    let (_, said, _) = asked(&["--search-path", "system"], "select current_schema");
    assert_eq!(said, "current_schema\nsystem\n");
    let (succeeded, _, errors) = asked(&["--time-zone", "+07:00"], "select 1");
    assert!(!succeeded && errors.contains("hours to the east"), "{errors}");
    let (succeeded, _, errors) = asked(&[], "select temperatur from environment");
    assert!(!succeeded && errors.contains("Hint: Perhaps you meant"), "{errors}");
}
