//! The table of audit: what is recorded, who reads it, that it survives, and that a change of it is found.

use std::path::Path;
use std::process::Output;
use std::thread::sleep;
use std::time::Duration;

use serde_json::{Value, json};

use crate::installation::{Installation, Server, ZONE, agent, files_below, text, wait_for};

const START: u64 = 1_767_225_600;

fn succeeded(output: &Output) -> String {
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout).trim().to_owned()
}

/// Asks as a role.
fn ask(place: &Installation, user: &str, password: &str, sql: &str) -> Output {
    let mut program = place.program();
    program.env("ZONELAKE_USER", user).env("ZONELAKE_PASSWORD", password);
    program.args(["sql", "--format", "ndjson", "-c", sql]).output().expect("the program can be started")
}

fn rows(output: &Output) -> Vec<Value> {
    succeeded(output).lines().map(|line| serde_json::from_str(line).expect("a row is JSON")).collect()
}

/// True once there is an entry with all of these.
fn has_entry(entries: &[Value], wanted: &Value) -> bool {
    let wanted = wanted.as_object().expect("an object");
    entries.iter().any(|entry| wanted.iter().all(|(name, value)| entry[name] == *value))
}

const ALL: &str = "select sequence, principal, principal_kind, interface, peer, action, object, outcome, reason, detail, previous_hash, hash \
                   from audit order by sequence";

/// The entries, once all of these are among them: sign-ins are written a moment later.
fn entries_with(server: &Server<'_>, place: &Installation, wanted: &[Value]) -> Vec<Value> {
    let mut last = Vec::new();
    let found = wait_for(|| {
        last = server.sql(ALL);
        wanted.iter().all(|wanted| has_entry(&last, wanted)).then_some(())
    });
    if found.is_none() {
        let missing: Vec<_> = wanted.iter().filter(|wanted| !has_entry(&last, wanted)).collect();
        panic!("{missing:#?} are missing among {last:#?}\n{}", place.log());
    }
    last
}

fn check(place: &Installation) -> (Option<i32>, String) {
    let output = place.run(&["check"]);
    (output.status.code(), text(&output.stdout))
}

/// Entries are numbered without a gap, and each has the hash of the one before it.
fn assert_chained(entries: &[Value]) {
    let mut hash = "0".repeat(64);
    for (number, entry) in (1..).zip(entries) {
        assert_eq!(entry["sequence"], json!(number), "{entry}");
        assert_eq!(entry["previous_hash"].as_str(), Some(hash.as_str()), "{entry}");
        hash = entry["hash"].as_str().expect("each has a hash").to_owned();
    }
}

/// An order that was given on the machine.
fn local(action: &str, object: Option<&str>, outcome: &str) -> Value {
    let mut entry = json!({"principal": "@local", "principal_kind": "local", "interface": "control",
                           "action": action, "outcome": outcome});
    if let Some(object) = object {
        entry["object"] = json!(object);
    }
    entry
}

fn sign_in(kind: &str, name: Option<&str>, outcome: &str, reason: Option<&str>) -> Value {
    json!({"interface": "http", "principal_kind": kind, "principal": name, "peer": "127.0.0.1",
           "action": "sign_in", "outcome": outcome, "reason": reason})
}

/// What the first test leaves behind.
fn wanted_of_the_day() -> Vec<Value> {
    vec![
        json!({"interface": "server", "action": "role_add", "object": "admin", "outcome": "allowed"}),
        local("gateway_add", Some("north"), "allowed"),
        local("gateway_token_add", Some("north"), "allowed"),
        local("gateway_grant", Some("north"), "allowed"),
        local("role_add", Some("minh"), "allowed"),
        local("role_add", Some("lan"), "allowed"),
        local("role_grant", Some("minh"), "allowed"),
        sign_in("gateway", Some("north"), "allowed", None),
        sign_in("unknown", None, "refused", Some("unknown_token")),
        sign_in("role", Some("minh"), "refused", Some("wrong_password")),
        sign_in("unknown", None, "refused", Some("wrong_password")),
        sign_in("role", Some("minh"), "allowed", None),
        json!({"interface": "http", "principal": "minh", "action": "statement", "object": "security",
               "outcome": "allowed", "peer": "127.0.0.1"}),
        local("reference_import", Some("stations"), "allowed"),
        local("retention_set", Some("security"), "allowed"),
        local("legal_hold_add", Some("case"), "allowed"),
        local("delete", Some("environment"), "refused"),
        local("legal_hold_remove", Some("case"), "allowed"),
        local("delete", Some("environment"), "allowed"),
        local("rejected_drop", None, "allowed"),
        local("backup_begin", None, "allowed"),
        local("backup_end", None, "allowed"),
        local("gateway_revoke", Some("north"), "allowed"),
    ]
}

#[test]
fn sign_ins_refusals_orders_and_statements_over_personal_data_are_recorded_and_nothing_secret() {
    let place = Installation::new();
    let server = place.first_start();
    let token = place.add_gateway("north");
    let again = succeeded(&place.run(&["gateway", "token", "add", "north"]));
    succeeded(&place.run(&["gateway", "grant", "north", "--zone", ZONE, "--table", "energy"]));
    let analyst = succeeded(&place.run(&["role", "add", "minh", "--kind", "zone-operator", "--zone", ZONE]));
    let auditor = succeeded(&place.run(&["role", "add", "lan", "--kind", "auditor"]));
    succeeded(&place.run(&["role", "grant", "minh", "--table", "security", "--zone", ZONE, "--plate", "shown"]));
    server.write_rows(&token, "meter", START, 5);
    assert_eq!(server.write("zl_of-nobody", "environment,device=a temperature=1 1767225600\n").0, 401);
    assert!(!ask(&place, "minh", "a wrong password", "select 1").status.success());
    assert!(!ask(&place, "my password is this", "another secret", "select 1").status.success());
    succeeded(&ask(&place, "minh", &analyst, "select plate_hash from security where plate_hash = '38A-123.45'"));
    succeeded(&ask(&place, "minh", &analyst, "select count(*) from security"));
    let url = place.url("/api/v1/roles");
    let refused = agent().post(&url).header("Authorization", format!("Bearer {again}")).send("{}");
    assert_eq!(refused.expect("the server answers").status().as_u16(), 401);
    let stations = place.root().join("stations.csv");
    let csv = succeeded(&place.run(&["reference", "export", "stations", "--format", "csv"]));
    std::fs::write(&stations, csv + "\n").expect("it can be written");
    succeeded(&place.run(&["reference", "import", "stations", &stations.display().to_string()]));
    succeeded(&place.run(&["retention", "set", "security", "--days", "400"]));
    succeeded(&place.run(&["retention", "hold", "case", "--device", "meter", "--why", "an inquiry"]));
    assert_eq!(place.run(&["delete", "environment", "--device", "meter", "--why", "asked for"]).status.code(), Some(2));
    succeeded(&place.run(&["retention", "release", "case"]));
    succeeded(&place.run(&["delete", "environment", "--device", "meter", "--why", "asked for"]));
    succeeded(&place.run(&["rejected", "drop", "--reason", "past_time"]));
    succeeded(&place.run(&["backup", &place.root().join("copies").display().to_string()]));
    succeeded(&place.run(&["gateway", "revoke", "north"]));

    let wanted = wanted_of_the_day();
    let entries = entries_with(&server, &place, &wanted);
    assert_chained(&entries);
    let of_minh = |entry: &&Value| entry["action"] == "statement" && entry["principal"] == "minh";
    let statements: Vec<&Value> = entries.iter().filter(of_minh).collect();
    assert_eq!(statements.len(), 1, "a count reads no personal data: {statements:#?}");
    let detail: Value = serde_json::from_str(statements[0]["detail"].as_str().expect("it has a detail")).expect("JSON");
    assert_eq!(detail["columns"], "security.plate_hash");
    assert_eq!(detail["sql"], "select plate_hash from security where plate_hash = '38A-123.45'");
    let all = serde_json::to_string(&entries).expect("it is JSON");
    let secrets = [&token, &again, &analyst, &auditor].map(String::as_str);
    for secret in secrets.into_iter().chain(["a wrong password", "another secret", "my password is this"]) {
        assert!(!all.contains(secret), "{secret} is in the table");
        assert!(!place.log().contains(secret), "{secret} is in the server log");
    }
    assert!(!all.contains(server.password()), "the first password is in the table");
    assert!(server.terminate().success());
    let (code, said) = check(&place);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("entries, chained up to number"), "{said}");
}

#[test]
fn auditors_and_administrators_read_the_table_and_for_all_others_it_does_not_exist() {
    let place = Installation::new();
    let server = place.first_start();
    let reader = succeeded(&place.run(&["role", "add", "reader"]));
    succeeded(&place.run(&["role", "grant", "reader", "--all-tables", "--everywhere", "--person", "shown"]));
    let auditor = succeeded(&place.run(&["role", "add", "lan", "--kind", "auditor"]));
    let refused = ask(&place, "reader", &reader, "select * from audit");
    let unknown = ask(&place, "reader", &reader, "select * from nothing");
    assert!(!refused.status.success());
    assert_eq!(text(&refused.stderr).replace("audit", "nothing"), text(&unknown.stderr));
    let listed = "select count(*) n from information_schema.tables where table_name = 'audit'";
    assert_eq!(rows(&ask(&place, "reader", &reader, listed)), [json!({"n": 0})]);
    assert_eq!(rows(&ask(&place, "lan", &auditor, listed)), [json!({"n": 1})]);
    let counted = "select count(*) n from audit where action = 'role_add' and principal = '@local'";
    assert_eq!(rows(&ask(&place, "lan", &auditor, counted)), [json!({"n": 2})]);
    let wanted = json!({"principal": "reader", "action": "statement", "object": "audit", "outcome": "refused"});
    entries_with(&server, &place, &[wanted]);

    // Nobody grants it, writes to it or deletes from it, and it is kept for a year.
    let token = place.add_gateway("g");
    let (status, said) = server.write(&token, "audit,device=a action=\"x\" 1767225600\n");
    assert_eq!(status, 400, "{said}");
    for (arguments, words) in [
        (&["role", "grant", "reader", "--table", "audit", "--everywhere"][..], "audit"),
        (&["gateway", "grant", "g", "--table", "audit", "--zone", ZONE], "audit"),
        (&["retention", "set", "audit", "--days", "365"], "366"),
        (&["retention", "set", "audit", "--days", "400", "--zone", ZONE], "no zone"),
        (&["delete", "audit", "--zone", ZONE, "--why", "x"], "not deleted"),
    ] {
        let output = place.run(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", text(&output.stderr));
        assert!(text(&output.stderr).contains(words), "{arguments:?}: {}", text(&output.stderr));
    }
    succeeded(&place.run(&["retention", "set", "audit", "--days", "366"]));
}

#[test]
fn a_flood_of_wrong_guesses_takes_one_entry_a_minute_and_all_of_them_are_counted() {
    let place = Installation::new();
    let server = place.first_start();
    let guess = || {
        let request = agent().get(place.url("/api/v1/sql?q=select%201")).header("Authorization", "Bearer zr_guessed");
        request.call().expect("the server answers").status().as_u16()
    };
    assert!((0..300).all(|_| guess() == 401));
    let of_guesses = |server: &Server<'_>| {
        let entries = server.sql(ALL);
        let guesses = entries.into_iter().filter(|entry| entry["reason"] == "unknown_token");
        guesses.map(|entry| entry["detail"].as_str().map_or(1, count_of)).collect::<Vec<u64>>()
    };
    // A stop writes the counts of windows that are open.
    let password = server.password().to_owned();
    assert!(server.terminate().success());
    let server = place.restart(&password);
    let counts = of_guesses(&server);
    assert_eq!(counts.iter().sum::<u64>(), 300, "{counts:?}");
    // Two entries for each minute that it took, on a machine however slow.
    assert!(counts.len() < 100, "{counts:?}");
}

fn count_of(detail: &str) -> u64 {
    let detail: Value = serde_json::from_str(detail).expect("a detail is JSON");
    detail["count"].as_u64().expect("it is a count")
}

#[test]
fn no_kill_loses_an_order_that_was_answered_or_breaks_the_chain() {
    let place = Installation::new().with("ZONELAKE_FLUSH_AGE_SECONDS", 1);
    let mut server = Some(place.first_start());
    let password = server.as_ref().expect("it runs").password().to_owned();
    let mut answered = Vec::new();
    for round in 0..8u64 {
        let running = server.take().expect("it runs");
        let names: Vec<String> = (0..3).map(|number| format!("g{round}-{number}")).collect();
        let mut children: Vec<_> = names
            .iter()
            .map(|name| {
                let mut command = place.program();
                command.args(["gateway", "add", name, "--zone", ZONE]);
                let command = command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
                command.spawn().expect("it can be started")
            })
            .collect();
        // The kill comes before the orders, in the midst of them, or after.
        sleep(Duration::from_millis(round * round * 17));
        let done: Vec<bool> = children
            .iter_mut()
            .map(|child| child.try_wait().expect("its state can be asked").is_some_and(|status| status.success()))
            .collect();
        running.kill();
        let ended: Vec<bool> = children.iter_mut().map(|child| child.wait().expect("it ends").success()).collect();
        answered.extend(names.into_iter().zip(done.into_iter().zip(ended)).filter(|(_, (_, ended))| *ended));
        server = Some(place.restart(&password));
    }
    let server = server.expect("it runs");
    let wanted: Vec<Value> = answered
        .iter()
        .map(|(name, _)| json!({"action": "gateway_add", "object": name, "outcome": "allowed"}))
        .collect();
    let entries = entries_with(&server, &place, &wanted);
    assert_chained(&entries);
    // Each gateway that is there has an entry, also where the kill came before the answer.
    let listed = text(&place.run(&["gateway", "list"]).stdout);
    let added = |line: &str| {
        line.split_whitespace().next().filter(|name| name.starts_with('g') && name.contains('-')).map(str::to_owned)
    };
    for name in listed.lines().filter_map(added) {
        let entry = entries.iter().find(|entry| entry["action"] == "gateway_add" && entry["object"] == name.as_str());
        assert!(entry.is_some(), "{name} was added, and nothing says so: {entries:#?}");
    }
    assert!(server.terminate().success());
    assert!(files_below(&place.data().join("audit"), ".json").is_empty(), "every order is in the table");
    let (code, said) = check(&place);
    assert_eq!(code, Some(0), "{said}");
    assert!(!place.log().contains("panicked"), "{}", place.log());
}

#[test]
fn orders_on_the_folder_of_a_stopped_server_are_recorded_by_the_next_start() {
    let place = Installation::new();
    let server = place.first_start();
    let password = server.password().to_owned();
    assert!(server.terminate().success());
    succeeded(&place.run(&["role", "add", "grafana"]));
    assert_eq!(place.run(&["role", "add", "grafana"]).status.code(), Some(2));
    // An order that was cut off: it was begun, and nobody knows what has become of it.
    let begun = json!({"at_us": 1_767_225_600_000_000_i64, "is_ended": false, "entry": {
        "principal": "@local", "principal_kind": "local", "interface": "folder", "peer": null, "action": "role_remove",
        "object": "cut-off", "outcome": "unknown", "reason": null, "detail": null}});
    let pending = place.data().join("audit/pending");
    std::fs::write(pending.join("1767225600000000.json"), begun.to_string()).expect("it can be written");
    assert_eq!(files_below(&pending, ".json").len(), 3);
    let server = place.restart(&password);
    let of_folder = |action: &str, object: &str, outcome: &str| json!({"principal": "@local", "interface": "folder", "action": action, "object": object, "outcome": outcome});
    let wanted = [
        of_folder("role_add", "grafana", "allowed"),
        of_folder("role_add", "grafana", "refused"),
        of_folder("role_remove", "cut-off", "unknown"),
    ];
    assert_chained(&entries_with(&server, &place, &wanted));
    assert!(wait_for(|| files_below(&pending, ".json").is_empty().then_some(())).is_some());
    assert!(server.terminate().success());
    let (code, said) = check(&place);
    assert_eq!(code, Some(0), "{said}");
}

#[test]
fn a_file_that_somebody_has_taken_out_of_the_table_is_found_by_the_check() {
    let mut place = Installation::new();
    let server = place.first_start();
    let password = server.password().to_owned();
    succeeded(&place.run(&["role", "add", "first"]));
    assert!(server.terminate().success());
    // Another number of shards begins new logs, so that the entries of before are in files alone.
    place.set("ZONELAKE_INGEST_SHARDS", 3);
    let server = place.restart(&password);
    succeeded(&place.run(&["role", "add", "second"]));
    assert!(server.terminate().success());
    let (code, said) = check(&place);
    assert_eq!(code, Some(0), "{said}");

    let log = place.data().join("tables/audit/_delta_log");
    let first = first_file_of(&log);
    let last = files_below(&log, ".json").len();
    let remove = json!({"remove": {"path": first, "deletionTimestamp": 1_767_225_600_000_u64, "dataChange": true}});
    std::fs::write(log.join(format!("{last:020}.json")), format!("{remove}\n")).expect("it can be written");
    let (code, said) = check(&place);
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("table audit: entry 1 does not fit: it is missing"), "{said}");
    // Where it is put back, all is well again.
    std::fs::remove_file(log.join(format!("{last:020}.json"))).expect("it can be removed");
    assert_eq!(check(&place).0, Some(0));
}

/// Path of the first file that a Delta log has added.
fn first_file_of(log: &Path) -> String {
    let entries = files_below(log, ".json");
    let texts = entries.iter().map(|entry| std::fs::read_to_string(entry).expect("it can be read"));
    let actions: Vec<Value> = texts
        .flat_map(|text| {
            text.lines().map(|line| serde_json::from_str(line).expect("an action")).collect::<Vec<Value>>()
        })
        .collect();
    let added = actions.iter().find_map(|action| action["add"]["path"].as_str());
    added.expect("a file was added").to_owned()
}

#[test]
fn a_full_disk_stops_no_revocation_and_its_entry_comes_when_there_is_room() {
    let mut place = Installation::new();
    let server = place.first_start();
    let password = server.password().to_owned();
    place.add_gateway("north");
    assert!(server.terminate().success());
    place.set("ZONELAKE_STORAGE_FREE_BYTES_MIN", u64::MAX / 2);
    let server = place.restart(&password);
    succeeded(&place.run(&["gateway", "revoke", "north"]));
    let pending = || files_below(&place.data().join("audit"), ".json").len();
    assert_eq!(pending(), 1, "{}", place.log());
    // Nobody reads personal data unrecorded; all else goes on.
    let refused = server.sql_output("select plate_hash from security", "ndjson");
    assert!(
        !refused.status.success() && text(&refused.stderr).contains("cannot be recorded"),
        "{}",
        text(&refused.stderr)
    );
    assert_eq!(server.sql_value("select count(*) from security"), 0);
    assert!(server.terminate().success());

    place.set("ZONELAKE_STORAGE_FREE_BYTES_MIN", 0);
    let server = place.restart(&password);
    let wanted = json!({"principal": "@local", "interface": "control", "action": "gateway_revoke", "object": "north", "outcome": "allowed"});
    assert_chained(&entries_with(&server, &place, &[wanted]));
    assert!(files_below(&place.data().join("audit"), ".json").is_empty());
}
