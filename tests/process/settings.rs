//! The settings file as an operator meets it.

use std::net::{TcpListener, TcpStream};

use crate::installation::{Installation, text, wait_for};

#[test]
fn the_printed_settings_file_is_accepted_as_it_is_and_with_every_key_set() {
    let place = Installation::new();
    let printed = text(&place.run(&["config"]).stdout);
    for section in ["log", "quic", "http", "ingest", "storage", "wal", "flush", "query"] {
        assert!(printed.contains(&format!("\n[{section}]\n")), "no section {section}");
    }
    let keys: Vec<&str> =
        printed.lines().filter_map(|line| line.strip_prefix('#')).filter(|line| is_key(line)).collect();
    assert!(keys.len() > 30, "{keys:?}");

    let path = place.root().join("zonelake.toml");
    let check = || {
        let output = place.run(&["config", "--check", "--config", path.to_str().expect("a plain path")]);
        assert!(output.status.success(), "{}", text(&output.stderr));
    };
    std::fs::write(&path, &printed).expect("it can be written");
    check();
    let all_set: Vec<&str> =
        printed.lines().map(|line| line.strip_prefix('#').filter(|rest| is_key(rest)).unwrap_or(line)).collect();
    std::fs::write(&path, all_set.join("\n")).expect("it can be written");
    check();
}

/// Whether a line of the printed file, without its mark, sets a key.
fn is_key(line: &str) -> bool {
    line.split_once(" = ").is_some_and(|(key, _)| key.chars().all(|c| c.is_ascii_lowercase() || c == '_'))
}

#[test]
fn a_server_with_bad_settings_does_not_start_and_names_the_key() {
    for (variable, value, key) in [
        ("ZONELAKE_WAL_SEGMENT_BYTES", "17", "wal.segment_bytes"),
        ("ZONELAKE_FLUSH_AGE_SECONDS", "soon", "ZONELAKE_FLUSH_AGE_SECONDS"),
        ("ZONELAKE_NODE", "a node", "node"),
    ] {
        let place = Installation::new().with(variable, value);
        let (code, said) = place.refused_start();
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains(key), "{said}");
        assert!(!place.data().exists(), "nothing is made before the settings are good");
    }
}

#[test]
fn a_settings_file_with_an_unknown_key_is_refused_by_name() {
    let place = Installation::new();
    let path = place.root().join("zonelake.toml");
    std::fs::write(&path, "[flush]\nage_second = 5\n").expect("it can be written");
    let output = place.run(&["serve", "--config", path.to_str().expect("a plain path")]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("unknown field `age_second`"), "{}", text(&output.stderr));
}

#[test]
fn a_table_that_would_misread_stored_data_is_refused_by_name() {
    let mut place = Installation::new();
    let tables = place.root().join("tables");
    std::fs::create_dir(&tables).expect("it can be made");
    place.set("ZONELAKE_TABLES", tables.display());
    let declare = |fields: &str| {
        let declared = format!("name = \"wells\"\n{fields}");
        std::fs::write(tables.join("wells.toml"), declared).expect("it can be written");
    };

    declare("[[field]]\nname = \"level\"\ntype = \"double\"\nunit = \"m\"\ndecimals = 2\n");
    let server = place.first_start();
    let (password, token) = (server.password().to_owned(), place.add_gateway("wells-1"));
    let (status, body) = server.write(&token, "wells,device=w1 level=3.25 1700000000\n");
    assert_eq!(status, 204, "{body}");
    assert!(server.terminate().success());

    declare(
        "[[field]]\nname = \"level\"\ntype = \"double\"\nunit = \"m\"\ndecimals = 2\n[[field]]\nname = \"ph\"\ntype = \"double\"\n",
    );
    let server = place.restart(&password);
    let (status, body) = server.write(&token, "wells,device=w1 ph=7.5 1700000001\n");
    assert_eq!(status, 204, "{body}");
    let rows = server.sql("select level, ph from wells order by time");
    assert_eq!(rows.len(), 2, "{rows:?}");
    assert_eq!(rows[0]["level"], 3.25);
    assert!(rows[0]["ph"].is_null(), "an old row reads as null in the new field: {rows:?}");
    assert_eq!(rows[1]["ph"], 7.5);
    assert!(server.terminate().success());

    declare(
        "[[field]]\nname = \"level\"\ntype = \"double\"\nunit = \"cm\"\ndecimals = 2\n[[field]]\nname = \"ph\"\ntype = \"double\"\n",
    );
    let (code, said) = place.refused_start();
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("table wells, field level"), "{said}");
}

#[test]
fn half_of_a_certificate_stops_the_start_and_the_check_and_is_not_replaced() {
    let place = Installation::new();
    let server = place.first_start();
    let password = server.password().to_owned();
    assert!(server.terminate().success());
    let (certificate, key) = (place.data().join("tls/cert.pem"), place.data().join("tls/key.pem"));
    let (kept, old_key) =
        (std::fs::read(&certificate).expect("it was made"), std::fs::read(&key).expect("it was made"));
    assert!(place.run(&["config", "--check"]).status.success());
    std::fs::remove_file(&certificate).expect("it can be removed");
    let (code, said) = place.refused_start();
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("tls/cert.pem") && said.contains("key.pem is there"), "{said}");
    let check = place.run(&["config", "--check"]);
    assert_eq!(check.status.code(), Some(2));
    assert!(text(&check.stderr).contains("tls/cert.pem"), "{}", text(&check.stderr));
    assert_eq!(std::fs::read(&key).expect("it is there"), old_key);
    std::fs::write(&certificate, &kept).expect("it can be brought back");
    place.restart(&password);
    assert_eq!(std::fs::read(&key).expect("it is there"), old_key);
}

#[test]
fn the_check_of_the_settings_looks_at_the_certificates_that_they_name() {
    for (certificate, key) in [
        ("ZONELAKE_HTTP_CERTIFICATE", "ZONELAKE_HTTP_KEY"),
        ("ZONELAKE_POSTGRES_CERTIFICATE", "ZONELAKE_POSTGRES_KEY"),
        ("ZONELAKE_QUIC_CERTIFICATE", "ZONELAKE_QUIC_KEY"),
    ] {
        let place = Installation::new().with(certificate, "/nonexistent/c.pem").with(key, "/nonexistent/k.pem");
        let check = place.run(&["config", "--check"]);
        assert_eq!(check.status.code(), Some(2), "{certificate}");
        assert!(text(&check.stderr).contains("/nonexistent/c.pem"), "{}", text(&check.stderr));
    }
}

#[test]
fn the_first_password_is_shown_by_the_start_that_succeeds_behind_one_that_found_a_port_taken() {
    let place = Installation::new();
    let address = place.url("").trim_start_matches("http://").to_owned();
    let taken = TcpListener::bind(&address).expect("the port is free");
    let (code, said) = place.refused_start();
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("cannot listen"), "{said}");
    drop(taken);
    assert!(wait_for(|| TcpStream::connect(&address).is_err().then_some(())).is_some());
    let server = place.first_start();
    assert_eq!(server.sql_value("select 1"), 1);
}

#[test]
fn the_server_log_of_a_first_start_has_our_own_lines_and_of_libraries_no_more_than_warnings() {
    let place = Installation::new();
    drop(place.first_start());
    let log = place.log();
    // Time, level, module, words.
    let targets = log.lines().filter_map(|line| {
        let mut words = line.split_whitespace().skip(1);
        (words.next()? == "INFO").then(|| words.next())?
    });
    let (own, foreign): (Vec<_>, Vec<_>) = targets.partition(|target| target.starts_with("zonelake"));
    assert!(!own.is_empty() && foreign.is_empty(), "{log}");
}
