//! Values corrected from a file or over HTTP, with kills in between: seen on every interface at once, once and for all, with the old ones in
//! the table of audit.

use std::process::{Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, UNIX_EPOCH};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use crate::installation::{Installation, Server, ZONE, agent, text, wait_for};

const START: u64 = 1_700_000_000;

fn succeeded(output: &Output) -> String {
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout).trim().to_owned()
}

fn time_text(seconds: u64) -> String {
    let at = i64::try_from(seconds).ok().and_then(|at| chrono::DateTime::from_timestamp(at, 0));
    at.expect("an instant").to_rfc3339()
}

/// A line of a file.
fn line(table: &str, device: &str, second: u64, field: &str, value: &str) -> String {
    format!("{table},{ZONE},{device},{},{field},{value}\n", time_text(second))
}

/// Corrects by a file with these lines.
fn correct(place: &Installation, lines: &str, more: &[&str]) -> Output {
    let path = place.root().join("corrections.csv");
    std::fs::write(&path, format!("table,zone,device,time,field,value\n{lines}")).expect("it can be written");
    let path = path.display().to_string();
    place.run(&[&["correct", &path, "--reason", "a wrong sensor"], more].concat())
}

fn temperatures(server: &Server<'_>, device: &str) -> Vec<Value> {
    let rows = server.sql(&format!("select temperature t from environment where device = '{device}' order by time"));
    rows.into_iter().map(|row| row["t"].clone()).collect()
}

fn check(place: &Installation) {
    let checked = place.run(&["check"]);
    assert!(checked.status.success(), "{}{}", text(&checked.stdout), text(&checked.stderr));
}

/// What the entries of audit say of changed values.
fn noted(server: &Server<'_>) -> Vec<Value> {
    let entries = server.sql("select principal, outcome, object, reason, detail from audit where action = 'correct_values' order by sequence");
    let told = entries.into_iter().flat_map(|entry| {
        let detail: Value = serde_json::from_str(entry["detail"].as_str().expect("a text")).expect("it is JSON");
        let values = detail["values"].as_array().expect("a list").clone();
        values.into_iter().map(move |value| {
            json!({"by": entry["principal"], "outcome": entry["outcome"], "table": entry["object"], "why": entry["reason"],
                   "device": value["device"], "field": value["field"], "old": value["old"], "new": value["new"]})
        })
    });
    told.collect()
}

#[test]
fn corrected_values_are_seen_at_once_from_files_and_memory_and_the_old_ones_are_in_the_table_of_audit() {
    let place = Installation::new();
    let server = place.first_start();
    let password = server.password().to_owned();
    let token = place.add_gateway("g");
    server.write_rows(&token, "cold", START, 3);
    assert!(server.terminate().success(), "its rows are in files then");
    let server = place.restart(&password);
    server.write_rows(&token, "hot", START, 3);
    let lines = [
        line("environment", "cold", START, "temperature", "21.5"),
        line("environment", "hot", START + 2, "temperature", ""),
        line("environment", "hot", START + 1, "temperature", "1"),
    ]
    .concat();
    assert_eq!(succeeded(&correct(&place, &lines, &["--dry-run"])), "2");
    assert_eq!(temperatures(&server, "cold"), [0.0, 1.0, 2.0], "a dry run changes nothing");
    let wrong = lines.clone() + &line("environment", "cold", START + 9, "temperature", "1");
    let refused = correct(&place, &wrong, &[]);
    assert_eq!(refused.status.code(), Some(2));
    let said = text(&refused.stderr);
    assert!(said.contains("corrections.csv: line 5: there is no such row"), "{said}");
    assert_eq!(temperatures(&server, "cold"), [0.0, 1.0, 2.0], "one line that is wrong holds up all");

    assert_eq!(succeeded(&correct(&place, &lines, &[])), "2");
    assert_eq!(temperatures(&server, "cold"), [21.5, 1.0, 2.0]);
    assert_eq!(temperatures(&server, "hot"), [json!(0.0), json!(1.0), Value::Null]);
    let least = "select count(*) n, count(temperature) t, max(temperature) m from environment";
    assert_eq!(server.sql(least), [json!({"n": 6, "t": 5, "m": 21.5})], "also where statistics answer");
    assert_eq!(server.sql_value("select count(*) from environment where temperature > 20"), 1);
    let again = correct(&place, &lines, &[]);
    assert_eq!(succeeded(&again), "0");
    assert!(text(&again.stderr).contains("all 3 values are as the file says"), "{}", text(&again.stderr));
    let change = |device: &str, old: &str, new: Value| {
        json!({"by": "@local", "outcome": "allowed", "table": "environment", "why": "a wrong sensor",
               "device": device, "field": "temperature", "old": old, "new": new})
    };
    let mut told = noted(&server);
    told.sort_by_key(|entry| entry["device"].to_string());
    assert_eq!(told, [change("cold", "0.0", json!("21.5")), change("hot", "2.0", Value::Null)]);
    let orders =
        server.sql("select outcome, count(*) n from audit where action = 'correct' group by outcome order by outcome");
    assert_eq!(orders, [json!({"outcome": "allowed", "n": 2}), json!({"outcome": "refused", "n": 1})]);

    assert!(server.terminate().success());
    check(&place);
    let server = place.restart(&password);
    assert_eq!(temperatures(&server, "cold"), [21.5, 1.0, 2.0]);
    assert_eq!(temperatures(&server, "hot"), [json!(0.0), json!(1.0), Value::Null]);
}

#[test]
fn over_http_administrators_correct_values_and_last_values_and_windows_follow() {
    let place = Installation::new();
    let server = place.first_start();
    let token = place.add_gateway("g");
    let at = UNIX_EPOCH.elapsed().expect("it is later than 1970").as_secs() - 100;
    server.write_rows(&token, "pump", at, 20);
    let post = |user: &str, password: &str, body: &Value| {
        let credentials = BASE64_STANDARD.encode(format!("{user}:{password}"));
        let request =
            agent().post(place.url("/api/v1/corrections")).header("Authorization", format!("Basic {credentials}"));
        let mut answer = request.content_type("application/json").send(&body.to_string()).expect("the server answers");
        let body = answer.body_mut().read_to_string().unwrap_or_default();
        (answer.status().as_u16(), body)
    };
    let body = |value: Value| {
        let item = json!({"table": "environment", "zone": ZONE, "device": "pump", "time": time_text(at + 19),
                          "field": "temperature", "value": value});
        json!({"values": [item], "who": "an inspector", "why": "a wrong sensor"})
    };
    assert_eq!(post("admin", "guessed", &body(json!(40))).0, 401);
    let (status, said) = post("admin", server.password(), &body(json!("hot")));
    assert!(status == 400 && said.contains("line 1: field temperature of table environment"), "{status} {said}");
    let (status, said) = post("admin", server.password(), &json!({"values": [], "who": "w", "why": " "}));
    assert!(status == 400 && said.contains("why is empty"), "{status} {said}");
    let last = "select temperature from last_values(environment) where device = 'pump'";
    let greatest = "select temperature_max from live_windows(environment, interval '5 minutes')";
    assert_eq!(server.sql_value(greatest), 19.0);
    let (status, said) = post("admin", server.password(), &body(json!(40)));
    assert_eq!(status, 200, "{said}");
    let said: Value = serde_json::from_str(&said).expect("it is JSON");
    assert_eq!(said, json!({"values": 1, "changed": 1, "rows": 1, "files": 1, "dry_run": false}));
    for state in ["at once", "once they are known again"] {
        assert_eq!(server.sql_value("select temperature from latest(environment)"), 40.0, "{state}");
        assert_eq!(server.sql_value(last), 40.0, "{state}");
        assert_eq!(server.sql_value(greatest), 40.0, "{state}");
        let plan = "explain select zone, temperature_max from live_windows(environment, interval '5 minutes')";
        let known = wait_for(|| {
            let plan: String = server.sql(plan).iter().map(Value::to_string).collect();
            (!plan.contains("RawWindows")).then_some(())
        });
        assert!(known.is_some(), "windows are never known: {}", place.log());
    }
    let told = noted(&server);
    assert!(told.len() == 1 && told[0]["by"] == "admin" && told[0]["outcome"] == "allowed", "{told:#?}");
}

#[test]
fn where_rows_of_a_key_are_one_row_a_correction_counts_whichever_of_them_does_until_a_later_one() {
    for on_repeat in ["last_wins", "first_wins", "merge"] {
        let place = Installation::new();
        let tables = place.root().join("tables");
        let place = place.with("ZONELAKE_TABLES", tables.display());
        std::fs::create_dir_all(&tables).expect("it can be made");
        let declared = format!(
            "name = \"pumps\"\non_repeat = \"{on_repeat}\"\n[[field]]\nname = \"flow\"\ntype = \"double\"\n\
             [[field]]\nname = \"pressure\"\ntype = \"double\"\n"
        );
        std::fs::write(tables.join("pumps.toml"), declared).expect("it can be written");
        let server = place.first_start();
        let password = server.password().to_owned();
        let token = place.add_gateway("g");
        let send = |server: &Server<'_>, fields: &str| {
            let (status, body) = server.write(&token, &format!("pumps,device=p {fields} {START}\n"));
            assert_eq!(status, 204, "{body}");
        };
        send(&server, "flow=1,pressure=1");
        assert!(server.terminate().success());
        let server = place.restart(&password);
        send(&server, "flow=2,pressure=2");
        let lines = line("pumps", "p", START, "flow", "50") + &line("pumps", "p", START, "pressure", "");
        assert_eq!(succeeded(&correct(&place, &lines, &[])), "2", "{on_repeat}");
        let row = |server: &Server<'_>| server.sql("select flow, pressure from pumps");
        assert_eq!(row(&server), [json!({"flow": 50.0, "pressure": null})], "{on_repeat}");
        assert_eq!(server.sql_value("select count(*) from pumps where pressure is not null"), 0, "{on_repeat}");
        assert_eq!(succeeded(&correct(&place, &lines, &[])), "0", "{on_repeat}");
        send(&server, "flow=3,pressure=3");
        let flow = if on_repeat == "first_wins" { 50.0 } else { 3.0 };
        assert_eq!(row(&server)[0]["flow"], flow, "{on_repeat}: what is sent later is newer");
        server.kill();
        assert_eq!(row(&place.restart(&password))[0]["flow"], flow, "{on_repeat}");
    }
}

#[test]
fn no_kill_leaves_half_of_a_correction_or_one_without_an_entry() {
    const ROWS: u64 = 40;
    const DAY: u64 = 86_400;

    let place = Installation::new()
        .with("ZONELAKE_FLUSH_AGE_SECONDS", 1)
        .with("ZONELAKE_COMPACTION_FILES_MAX", 2)
        .with("ZONELAKE_COMPACTION_KEEP_SECONDS", 0)
        .with("ZONELAKE_QUERY_TIME_SECONDS_MAX", 1);
    let mut server = Some(place.first_start());
    let password = server.as_ref().expect("it runs").password().to_owned();
    let token = place.add_gateway("g");
    // Rows of several days, whose files are exchanged together.
    let time = |row: u64| START + row % 4 * DAY + row;
    let rows: String = (0..ROWS).map(|row| format!("environment,device=d temperature=0 {}\n", time(row))).collect();
    assert_eq!(server.as_ref().expect("it runs").write(&token, &rows).0, 204);
    let values = |server: &Server<'_>| {
        server.sql("select temperature t, count(*) n from environment where device = 'd' group by 1")
    };
    let all = |value: u64| vec![json!({"t": value as f64, "n": ROWS})];
    let file = |value: u64| -> String {
        (0..ROWS).map(|row| line("environment", "d", time(row), "temperature", &value.to_string())).collect()
    };
    let mut now = 0;
    let mut answered = 0;
    for round in 1..=8u64 {
        let running = server.take().expect("it runs");
        // Others go on writing to the same days.
        running.write_rows(&token, &format!("other{round}"), START + round, 10);
        let path = place.root().join("kill.csv");
        std::fs::write(&path, format!("table,zone,device,time,field,value\n{}", file(round)))
            .expect("it can be written");
        // The kill comes before the command, in the midst of it, or after it.
        let mut command = place.program();
        command.args(["correct", &path.display().to_string(), "--reason", "a test"]);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it can be started");
        sleep(Duration::from_millis(round * round * 23));
        let ended_before = child.try_wait().expect("its state can be asked");
        running.kill();
        let ended = child.wait().expect("it ends");
        let is_answered = ended_before.is_some() && ended.success();
        let again = place.restart(&password);
        let found = values(&again);
        match is_answered {
            true => assert_eq!(found, all(round), "round {round}"),
            false => assert!(found == all(round) || found == all(now), "round {round}: {found:?}"),
        }
        answered += u64::from(is_answered);
        if found == all(round) {
            now = round;
            let of_round = || {
                let told = noted(&again);
                told.iter().filter(|entry| entry["new"] == format!("{round}.0")).count() as u64
            };
            let is_told = wait_for(|| (of_round() >= ROWS).then_some(()));
            assert!(is_told.is_some(), "round {round}: {} of {ROWS} old values are in the table", of_round());
        }
        let others = again.sql_value("select count(*) from environment where device <> 'd'");
        assert_eq!(others, round * 10);
        server = Some(again);
    }
    let server = server.expect("it runs");
    assert_eq!(succeeded(&correct(&place, &file(99), &[])), ROWS.to_string(), "{answered} were answered before a kill");
    assert_eq!(values(&server), all(99));
    assert!(server.terminate().success());
    check(&place);
    assert!(!place.log().contains("panicked"), "{}", place.log());
}
