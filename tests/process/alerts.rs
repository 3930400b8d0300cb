//! Alert rules: what they find is in the table `alerts`, once, whatever breaks in between.

use std::path::PathBuf;
use std::time::{Duration, UNIX_EPOCH};

use serde_json::Value;

use crate::installation::{Installation, Server, agent, files_below, text, wait_for};

fn now() -> u64 {
    UNIX_EPOCH.elapsed().expect("it is later than 1970").as_secs()
}

/// A place that takes rows of a day ahead, so that a test need not wait for the durations of its rules.
fn place() -> Installation {
    Installation::new().with("ZONELAKE_INGEST_FUTURE_SECONDS_MAX", 86_400)
}

/// A rule over the temperature of one device.
fn rule(name: &str, device: &str, rest: &str) -> String {
    format!(
        "name = \"{name}\"\ntable = \"environment\"\nhorizon = \"1h\"\n{rest}\n[text]\nen = \"It is hot\"\nvi = \"Nóng\"\n\
         [scope]\nzones = [\"vung-ang\"]\ndevices = [\"{device}\"]\n\
         [[condition]]\nfield = \"temperature\"\nabove = 50.0\nclear = 45.0\n"
    )
}

fn file(place: &Installation, name: &str, content: &str) -> String {
    let path = place.root().join(format!("{name}.toml"));
    std::fs::write(&path, content).expect("it can be written");
    path.to_str().expect("a path of ASCII").to_owned()
}

fn add(place: &Installation, name: &str, content: &str) {
    let added = place.run(&["rule", "add", &file(place, name, content)]);
    assert!(added.status.success(), "{}", text(&added.stderr));
}

fn send(server: &Server<'_>, token: &str, device: &str, at: u64, temperature: f64) {
    let line = format!("environment,device={device} temperature={temperature} {at}\n");
    let (status, body) = server.write(token, &line);
    assert_eq!(status, 204, "{body}");
}

/// Transitions of a rule, in their order.
fn states(server: &Server<'_>, rule: &str) -> Vec<String> {
    let sql = format!("select state from alerts where rule = '{rule}' order by time, number");
    server.sql(&sql).iter().map(|row| row["state"].as_str().expect("a state").to_owned()).collect()
}

/// Waits until a rule has had these states.
fn await_states(place: &Installation, server: &Server<'_>, rule: &str, wanted: &[&str]) {
    let seen = wait_for(|| (states(server, rule) == wanted).then_some(()));
    assert!(seen.is_some(), "{rule}: {:?} and not {wanted:?}\n{}", states(server, rule), place.log());
}

#[test]
fn a_rule_finds_what_crosses_its_limit_and_the_table_says_when_and_how_much() {
    let place = place();
    let server = place.first_start();
    let token = place.add_gateway("g");
    add(&place, "hot", &rule("hot", "kiln", "for = \"60s\"\nseverity = \"critical\""));
    let begun = now() + 10;
    send(&server, &token, "kiln", begun, 60.0);
    send(&server, &token, "other", begun, 60.0);
    send(&server, &token, "kiln", begun + 59, 47.0);
    send(&server, &token, "kiln", begun + 61, 52.5);
    await_states(&place, &server, "hot", &["pending", "firing"]);
    send(&server, &token, "kiln", begun + 70, 45.0);
    await_states(&place, &server, "hot", &["pending", "firing", "normal"]);
    let fired = "select extract(epoch from time) - extract(epoch from since) as lasted, value, from_state, severity, zone, device, \
                 author, table_name, field, message, message_vi, rule_version, number from alerts where state = 'firing'";
    let fired = &server.sql(fired)[0];
    let number = |name: &str| fired[name].as_f64().or(fired[name].as_str().and_then(|text| text.parse().ok()));
    assert_eq!([number("lasted"), number("value"), number("number")], [Some(61.0), Some(52.5), Some(2.0)], "{fired}");
    let words = ["from_state", "severity", "zone", "device", "author", "table_name", "field", "message", "message_vi"];
    let words = words.map(|name| fired[name].as_str().unwrap_or_default());
    let wanted =
        ["pending", "critical", "vung-ang", "kiln", "@local", "environment", "temperature", "It is hot", "Nóng"];
    assert_eq!(words, wanted);
    assert_eq!(server.sql_value("select count(*) from alerts where device <> 'kiln'"), 0);

    // Nobody but the server writes there.
    let (status, body) = server.write(&token, "alerts,device=kiln state=\"normal\" 1767225600\n");
    assert!(status >= 400 && body.contains("alerts"), "{status} {body}");

    // What is sent again, is late, or is of long ago, changes nothing.
    send(&server, &token, "kiln", begun + 61, 99.0);
    send(&server, &token, "kiln", now() - 86_400, 99.0);
    let removed = place.run(&["rule", "remove", "hot"]);
    assert!(removed.status.success(), "{}", text(&removed.stderr));
    await_states(&place, &server, "hot", &["pending", "firing", "normal", "stopped"]);
    assert!(server.terminate().success());
}

#[test]
fn no_kill_loses_a_duration_or_a_transition_or_makes_one_twice() {
    let place = place().with("ZONELAKE_FLUSH_AGE_SECONDS", 1);
    let mut server = place.first_start();
    let password = server.password().to_owned();
    let token = place.add_gateway("g");
    add(&place, "hot", &rule("hot", "kiln", "for = \"60s\"\nrecover_for = \"30s\""));
    let begun = now() + 10;
    let mut wanted: Vec<&str> = Vec::new();
    for round in 0..2 {
        let at = begun + round * 1_000;
        // Each row is acknowledged, and the server is killed at once: it has looked at the row or not.
        let rows = [(0, 60.0), (30, 60.0), (60, 60.0), (70, 40.0), (80, 40.0), (100, 40.0)];
        for (after, temperature) in rows {
            send(&server, &token, "kiln", at + after, temperature);
            if (after + round) % 4 != 1 {
                std::thread::sleep(Duration::from_millis(after * 3));
            }
            server.kill();
            server = place.restart(&password);
        }
        wanted.extend(["pending", "firing", "recovering", "normal"]);
        await_states(&place, &server, "hot", &wanted);
    }
    let told = "select extract(epoch from time) at, number from alerts order by number";
    let told: Vec<(f64, f64)> = server.sql(told).iter().map(|row| (figure(row, "at"), figure(row, "number"))).collect();
    let times = (0..2).flat_map(|round| [0, 60, 70, 100].map(|after| (begun + round * 1_000 + after) as f64));
    assert_eq!(told, times.zip((1..).map(f64::from)).collect::<Vec<_>>());
    assert!(server.terminate().success());
    let server = place.restart(&password);
    await_states(&place, &server, "hot", &wanted);
    assert!(server.terminate().success());
}

fn figure(row: &Value, name: &str) -> f64 {
    let number = row[name].as_f64().or(row[name].as_str().and_then(|text| text.parse().ok()));
    number.unwrap_or_else(|| panic!("{name}: {row}"))
}

#[test]
fn data_that_ends_is_no_data_also_where_it_ends_while_the_server_is_down() {
    let place = place();
    let mut server = place.first_start();
    let password = server.password().to_owned();
    let token = place.add_gateway("g");
    add(&place, "quiet", &rule("quiet", "kiln", "no_data = \"2s\""));
    let at = now() + 1;
    send(&server, &token, "kiln", at, 60.0);
    await_states(&place, &server, "quiet", &["firing", "no_data"]);
    let (silence, last) = ("select extract(epoch from time) from alerts where state = 'no_data'", (at + 2) as f64);
    let told = server.sql_value(silence);
    assert_eq!(told.as_f64().or(told.as_str().and_then(|text| text.parse().ok())), Some(last), "since when it was so");
    let back = now() + 1;
    send(&server, &token, "kiln", back, 40.0);
    server.kill();
    std::thread::sleep(Duration::from_secs(4));
    server = place.restart(&password);
    await_states(&place, &server, "quiet", &["firing", "no_data", "normal", "no_data"]);
    assert!(server.terminate().success());
}

#[test]
fn a_rule_sees_what_its_author_may_and_stops_where_the_author_loses_the_right() {
    let place = place();
    let server = place.first_start();
    let token = place.add_gateway("g");
    let added = place.run(&["role", "add", "operator", "--kind", "zone-operator", "--zone", "vung-ang"]);
    assert!(added.status.success(), "{}", text(&added.stderr));
    let password = text(&added.stdout).trim().to_owned();
    let over_http = |declaration: &str| {
        let body = serde_json::json!({"declaration": declaration}).to_string();
        let request = agent().post(place.url("/api/v1/alert-rules"));
        let request = request.header("Authorization", basic("operator", &password)).content_type("application/json");
        let mut answer = request.send(&body).expect("the server answers");
        (answer.status().as_u16(), answer.body_mut().read_to_string().unwrap_or_default())
    };
    let (status, body) = over_http(&rule("mine", "kiln", ""));
    assert_eq!(status, 200, "{body}");
    let everywhere = rule("all", "*", "").replace("zones = [\"vung-ang\"]\n", "");
    let (status, body) = over_http(&everywhere);
    assert_eq!(status, 200, "{body}");
    let (status, body) = over_http(&rule("wrong", "kiln", "").replace("temperature", "nothing"));
    assert!(status == 400 && body.contains("no field nothing"), "{status} {body}");
    let other = text(&place.run(&["gateway", "add", "other", "--zone", "phu-vinh"]).stdout).trim().to_owned();
    let at = now() + 10;
    send(&server, &other, "kiln", at, 60.0);
    send(&server, &token, "kiln", at, 60.0);
    await_states(&place, &server, "mine", &["firing"]);
    await_states(&place, &server, "all", &["firing"]);
    assert_eq!(server.sql_value("select count(distinct zone) from alerts"), 1, "the other zone is not the author's");
    let listed = text(&place.run(&["rule", "list"]).stdout);
    assert!(listed.contains("mine") && listed.contains("operator"), "{listed}");

    let revoked = place.run(&["role", "revoke", "operator", "--all-tables", "--zone", "vung-ang"]);
    assert!(revoked.status.success(), "{}", text(&revoked.stderr));
    await_states(&place, &server, "mine", &["firing", "stopped"]);
    assert_eq!(server.sql_value("select cause from alerts where rule = 'mine' and state = 'stopped'"), "right_lost");
    assert!(place.log().contains("the alert rule is not looked at"), "{}", place.log());
    let (status, body) = over_http(&rule("mine", "kiln", ""));
    assert!(status == 400 && body.contains("no table environment"), "{status} {body}");
    assert!(server.terminate().success());
}

/// Where its author might look is not known any more, so that no place may be told: the words of a rule are for nobody else's eyes.
#[test]
fn a_rule_that_was_lost_before_it_found_anything_is_told_to_no_other_zone() {
    let place = place();
    let server = place.first_start();
    let password = |name: &str, zone: &str| {
        let added = place.run(&["role", "add", name, "--kind", "zone-operator", "--zone", zone]);
        assert!(added.status.success(), "{}", text(&added.stderr));
        text(&added.stdout).trim().to_owned()
    };
    let author = password("author", "phu-vinh");
    let neighbour = password("neighbour", "vung-ang");
    for (name, zones) in [("anywhere", ""), ("elsewhere", "zones = [\"vung-ang\"]\n")] {
        let declaration = rule(name, "kiln", "").replace("zones = [\"vung-ang\"]\n", zones);
        let body = serde_json::json!({ "declaration": declaration }).to_string();
        let request = agent().post(place.url("/api/v1/alert-rules")).content_type("application/json");
        let answer = request.header("Authorization", basic("author", &author)).send(&body);
        assert_eq!(answer.expect("the server answers").status().as_u16(), 200, "{name}");
    }
    let revoked = place.run(&["role", "revoke", "author", "--all-tables", "--zone", "phu-vinh"]);
    assert!(revoked.status.success(), "{}", text(&revoked.stderr));
    await_states(&place, &server, "anywhere", &["stopped"]);
    await_states(&place, &server, "elsewhere", &["stopped"]);
    let seen = place
        .program()
        .args(["sql", "--url", &place.url(""), "--format", "csv", "-c", "SELECT count(*) AS seen FROM alerts"])
        .env("ZONELAKE_USER", "neighbour")
        .env("ZONELAKE_PASSWORD", &neighbour)
        .output()
        .expect("it runs");
    assert_eq!(text(&seen.stdout).lines().last(), Some("0"), "{}{}", text(&seen.stdout), text(&seen.stderr));
    assert!(server.terminate().success());
}

/// A file of one table that cannot be read must not silence the rules of all others.
#[test]
fn rules_of_other_tables_go_on_where_the_rows_of_one_cannot_be_read() {
    let place = place().with("ZONELAKE_FLUSH_AGE_SECONDS", 1);
    let mut server = place.first_start();
    let password = server.password().to_owned();
    let token = place.add_gateway("g");
    let of_energy = "name = \"load\"\ntable = \"energy\"\n[text]\nen = \"Load\"\nvi = \"Tải\"\n\
                     [[condition]]\nfield = \"active_energy\"\nabove = 50.0\n";
    add(&place, "load", of_energy);
    add(&place, "hot", &rule("hot", "kiln", ""));
    send(&server, &token, "kiln", now(), 40.0);
    // A file that no version names would be written anew from the log.
    let table = place.data().join("tables/environment");
    let versions = || files_below(&table.join("_delta_log"), ".json");
    let is_named = |path: &PathBuf| {
        let name = path.file_name().expect("a file has a name").to_string_lossy().into_owned();
        versions().iter().any(|version| std::fs::read_to_string(version).is_ok_and(|entries| entries.contains(&name)))
    };
    let file = wait_for(|| files_below(&table, ".parquet").into_iter().find(is_named));
    let file = file.unwrap_or_else(|| panic!("it is never flushed\n{}", place.log()));
    server.kill();
    std::fs::write(&file, "no file of rows").expect("it can be written");
    server = place.restart(&password);
    let told = wait_for(|| place.log().contains("the states of its alert rules cannot be read").then_some(()));
    assert!(told.is_some(), "{}", place.log());
    let (status, body) = server.write(&token, &format!("energy,device=m active_energy=60 {}\n", now()));
    assert_eq!(status, 204, "{body}");
    await_states(&place, &server, "load", &["firing"]);
    server.kill();
}

#[test]
fn a_test_over_history_prints_when_a_rule_would_have_fired_and_stores_nothing() {
    let place = place();
    let server = place.first_start();
    let token = place.add_gateway("g");
    // A month ago: a rule that looks now does not care.
    add(&place, "hot", &rule("hot", "kiln", ""));
    let begun = 1_767_225_600;
    for (after, temperature) in [(0, 40.0), (60, 60.0), (120, 60.0), (180, 60.0), (240, 40.0), (300, 60.0), (360, 40.0)]
    {
        send(&server, &token, "kiln", begun + after, temperature);
    }
    let tested = file(&place, "tested", &rule("hot", "kiln", "for = \"2m\""));
    let test = place.run(&["rule", "test", &tested, "--from", "2026-01-01", "--to", "2026-01-02"]);
    assert!(test.status.success(), "{}", text(&test.stderr));
    let wanted = "2026-01-01T00:01:00Z vung-ang/kiln normal -> pending (60)\n\
                  2026-01-01T00:03:00Z vung-ang/kiln pending -> firing (60)\n\
                  2026-01-01T00:04:00Z vung-ang/kiln firing -> normal (40)\n\
                  2026-01-01T00:05:00Z vung-ang/kiln normal -> pending (60)\n\
                  2026-01-01T00:06:00Z vung-ang/kiln pending -> normal (40)\n";
    assert_eq!(text(&test.stdout), wanted);
    assert!(text(&test.stderr).contains("would have fired 1 times"), "{}", text(&test.stderr));
    let part = place.run(&["rule", "test", &tested, "--from", "2026-01-01T00:02:30Z", "--to", "2026-01-01T00:03:30Z"]);
    assert_eq!(text(&part.stdout), "2026-01-01T00:03:00Z vung-ang/kiln normal -> pending (60)\n", "from then on alone");
    assert_eq!(server.sql_value("select count(*) from alerts"), 0, "rows of long ago page nobody");
    for (arguments, words) in [
        (&["rule", "show", "nothing"][..], "no alert rule"),
        (&["rule", "remove", "nothing"], "nothing"),
        (&["rule", "test", &tested, "--from", "2026-01-02", "--to", "2026-01-01"], "before it begins"),
        (&["rule", "add", "no-such-file.toml"], "no-such-file.toml"),
    ] {
        let output = place.run(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", text(&output.stderr));
        assert!(text(&output.stderr).contains(words), "{arguments:?}: {}", text(&output.stderr));
    }
    assert!(server.terminate().success());
}

#[test]
fn a_table_of_an_operator_that_is_named_alerts_stays_as_it_is_and_there_are_no_rules_then() {
    let place = place();
    let tables = place.root().join("tables");
    std::fs::create_dir(&tables).expect("it can be made");
    let own = "name = \"alerts\"\n[[field]]\nname = \"code\"\ntype = \"bigint\"\n";
    std::fs::write(tables.join("alerts.toml"), own).expect("it can be written");
    let place = place.with("ZONELAKE_TABLES", tables.display());
    let server = place.first_start();
    let password = server.password().to_owned();
    let token = place.add_gateway("g");
    let (status, body) = server.write(&token, "alerts,device=a code=7i 1767225600\n");
    assert_eq!(status, 204, "{body}");
    let added = place.run(&["rule", "add", &file(&place, "hot", &rule("hot", "kiln", ""))]);
    assert_eq!(added.status.code(), Some(2));
    assert!(text(&added.stderr).contains("table alerts of your own"), "{}", text(&added.stderr));
    server.kill();
    let server = place.restart(&password);
    assert_eq!(server.sql_value("select code from alerts"), 7);
    assert!(server.terminate().success());
}

fn basic(user: &str, password: &str) -> String {
    use base64::Engine;
    format!("Basic {}", base64::prelude::BASE64_STANDARD.encode(format!("{user}:{password}")))
}
