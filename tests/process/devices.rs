//! Devices: those that wait for approval with their rows, those that are retired and come back, and files of devices.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use crate::installation::{Installation, Server, ZONE, agent, text, wait_for};

const START: u64 = 1_767_225_600;

/// Standard output and error of a command that has succeeded.
fn run(place: &Installation, arguments: &[&str]) -> (String, String) {
    let output = place.run(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
    (text(&output.stdout), text(&output.stderr))
}

/// What a command says that is refused as wrong input.
fn refused(place: &Installation, arguments: &[&str]) -> String {
    let output = place.run(arguments);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", text(&output.stderr));
    text(&output.stderr)
}

/// Rows of each device in `environment`.
fn stored(server: &Server<'_>) -> Value {
    let rows = server.sql("select device, count(*) as n from environment group by device order by device");
    rows.into_iter().map(|row| (row["device"].as_str().unwrap_or_default().to_owned(), row["n"].clone())).collect()
}

#[test]
fn rows_of_a_device_that_waits_are_kept_and_stored_once_when_it_is_approved() {
    let place = Installation::new();
    let server = place.first_start();
    let (password, token) = (server.password().to_owned(), place.add_gateway("g"));
    server.write_rows(&token, "old", START, 2);
    run(&place, &["device", "policy", ZONE, "wait"]);
    let zones = format!("select auto_register from zones where code = '{ZONE}'");
    assert_eq!(server.sql_value(&zones), json!(false));
    // The policy is about new devices; "it's" has to be quoted on its way to the rows that were kept.
    server.write_rows(&token, "old", START + 10, 3);
    server.write_rows(&token, "it's\"1\"", START, 10);
    server.write_rows(&token, "it's\"1\"", START + 10, 10);
    server.write_rows(&token, "made-up", START, 5);
    assert_eq!(stored(&server), json!({"old": 5}));
    let (listed, _) = run(&place, &["device", "list", "--zone", ZONE, "--state", "announced"]);
    assert!(listed.contains("it's\"1\"") && listed.contains("made-up"), "{listed}");
    let (rejected, _) = run(&place, &["rejected", "list"]);
    assert!(rejected.contains("waits for approval"), "{rejected}");
    assert_eq!(server.sql_value("select count(*) from devices"), json!(1), "it has no series yet");

    // Kept over a kill, as the name is.
    server.kill();
    let server = place.restart(&password);
    let (_, said) = run(&place, &["device", "approve", "it's\"1\"", "--zone", ZONE]);
    assert!(said.contains("is approved") && said.contains("20 rows that were kept are stored now"), "{said}");
    assert_eq!(stored(&server), json!({"it's\"1\"": 20, "old": 5}), "the other one waits");
    let (_, said) = run(&place, &["device", "approve", "it's\"1\"", "--zone", ZONE]);
    assert!(!said.contains("rows that were kept"), "once: {said}");
    let (_, said) = run(&place, &["rejected", "replay"]);
    assert!(said.contains("0 rows are stored") && said.contains("5 rows stay rejected (unknown_device)"), "{said}");
    server.write_rows(&token, "it's\"1\"", START + 20, 1);
    server.kill();
    let server = place.restart(&password);
    assert_eq!(stored(&server), json!({"it's\"1\"": 21, "old": 5}));

    // One that is not wanted, and a policy that lets them register again.
    run(&place, &["device", "retire", "made-up", "--zone", ZONE]);
    run(&place, &["device", "policy", ZONE, "register"]);
    server.write_rows(&token, "made-up", START + 50, 1);
    server.write_rows(&token, "new", START + 50, 1);
    assert_eq!(stored(&server), json!({"it's\"1\"": 21, "new": 1, "old": 5}));
    let wanted = json!([{"principal": "@local", "action": "device_policy_set", "object": ZONE, "outcome": "allowed"},
                        {"principal": "@local", "action": "device_set", "object": format!("{ZONE}/made-up"), "outcome": "allowed"}]);
    let audit = "select distinct principal, action, object, outcome from audit where object in ('vung-ang', 'vung-ang/made-up') order by action";
    assert_eq!(Value::from(server.sql(audit)), wanted);
}

#[test]
fn a_device_is_retired_and_comes_back_without_a_server_and_its_rows_of_between_are_stored_afterwards() {
    let place = Installation::new();
    let server = place.first_start();
    let (password, token) = (server.password().to_owned(), place.add_gateway("g"));
    server.write_rows(&token, "pump", START, 4);
    run(&place, &["device", "approve", "pump", "--zone", ZONE]);
    run(&place, &["device", "retire", "pump", "--zone", ZONE]);
    server.write_rows(&token, "pump", START + 10, 3);
    assert_eq!(stored(&server), json!({"pump": 4}));
    let early = refused(&place, &["device", "set", "pump", "--zone", ZONE, "--state", "maintenance"]);
    assert!(early.contains("it is retired, and may be approved"), "{early}");
    assert!(server.terminate().success());

    let (_, said) = run(&place, &["device", "approve", "pump", "--zone", ZONE]);
    assert!(said.contains("No server runs") && said.contains("zonelake rejected replay"), "{said}");
    let server = place.restart(&password);
    let (_, said) =
        run(&place, &["rejected", "replay", "--reason", "unknown_device", "--device", "pump", "--zone", ZONE]);
    assert!(said.contains("3 rows are stored"), "{said}");
    assert_eq!(stored(&server), json!({"pump": 7}));

    // What is said of it, who has said it, and what SQL shows.
    run(
        &place,
        &[
            "device",
            "set",
            "pump",
            "--zone",
            ZONE,
            "--kind",
            "pump",
            "--serial",
            "A-1",
            "--tag",
            "wet",
            "--tag",
            "hall 2",
            "--interval",
            "60",
            "--position=18.09,106.38",
        ],
    );
    run(&place, &["device", "set", "pump", "--zone", ZONE, "--serial", "A-2", "--kind", "", "--state", "maintenance"]);
    let (shown, _) = run(&place, &["device", "show", "pump", "--zone", ZONE]);
    for words in [
        "serial: A-1 -> A-2, by @local",
        "state: retired -> approved, by @local",
        "kind: pump -> -",
        "18.09,106.38",
        "hall 2, wet",
    ] {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    let said = "select device, state, kind, serial, latitude, longitude, tags, interval_seconds from devices";
    let row = json!({"device": "pump", "state": "maintenance", "kind": null, "serial": "A-2", "latitude": 18.09,
                     "longitude": 106.38, "tags": "hall 2;wet", "interval_seconds": 60});
    assert_eq!(server.sql(said), [row]);
    server.write_rows(&token, "pump", START + 20, 1);
    assert_eq!(stored(&server), json!({"pump": 8}), "at work, and its series goes on");

    // It is carried to a site while its gateway sends on: rows of before stay where they were measured.
    run(&place, &["device", "set", "pump", "--zone", ZONE, "--site", "formosa-ha-tinh"]);
    server.write_rows(&token, "pump", START + 30, 2);
    let by_site = "select site, count(*) as n from environment where device = 'pump' group by site order by n";
    let rows = [json!({"site": "formosa-ha-tinh", "n": 2}), json!({"site": null, "n": 8})];
    assert_eq!(server.sql(by_site), rows);
}

#[test]
fn a_file_of_devices_goes_out_and_in_by_every_way_and_says_what_is_wrong_in_it() {
    let place = Installation::new();
    let server = place.first_start();
    let token = place.add_gateway("g");
    server.write_rows(&token, "b", START, 1);
    let file = place.root().join("devices.csv");
    let path = file.to_str().expect("it is text");
    let write = |content: &str| std::fs::write(&file, content).expect("it can be written");

    write(
        "zone,device,site,interval_seconds\nvung-ang,a,formosa-ha-tinh,60\natlantis,b,,60\nvung-ang,c,nowhere,60\nvung-ang,d,,never\n",
    );
    let told = refused(&place, &["device", "import", path]);
    assert!(told.contains("devices.csv") && told.contains("line 5: interval_seconds is \"never\""), "{told}");
    write("zone,device,site,interval_seconds\nvung-ang,a,formosa-ha-tinh,60\natlantis,b,,60\nvung-ang,c,nowhere,60\n");
    let told = refused(&place, &["device", "import", path]);
    assert!(told.contains("line 3: unknown zone \"atlantis\"") && told.contains("line 4: unknown site"), "{told}");
    assert_eq!(server.sql_value("select count(*) from devices"), json!(1), "nothing of it is taken");

    write("zone,device,site,interval_seconds,owner\nvung-ang,a,formosa-ha-tinh,60,EVN\nvung-ang,b,,5,\n");
    let (_, said) = run(&place, &["device", "import", path, "--dry-run"]);
    assert!(said.contains("1 devices would be added, 1 changed") && said.contains("Nothing is changed"), "{said}");
    assert_eq!(server.sql_value("select count(*) from devices"), json!(1));
    let (_, said) = run(&place, &["device", "import", path]);
    assert!(said.contains("1 devices are added, 1 are changed"), "{said}");
    let states = "select device, state, site, interval_seconds as i from devices order by device";
    let rows = [
        json!({"device": "a", "state": "approved", "site": "formosa-ha-tinh", "i": 60}),
        json!({"device": "b", "state": "announced", "site": null, "i": 5}),
    ];
    assert_eq!(server.sql(states), rows);

    // Over the network: with the administrator's password alone, and what was exported changes nothing.
    let (csv, _) = run(&place, &["device", "export", "--zone", ZONE]);
    let (in_json, _) = run(&place, &["device", "export", "--format", "json"]);
    assert!(csv.contains("EVN") && in_json.contains("EVN"), "{csv}{in_json}");
    for (content, name) in [(csv, "again.csv"), (in_json, "again.json")] {
        let file = place.root().join(name);
        std::fs::write(&file, content).expect("it can be written");
        let import = |password: &str| {
            let mut program = place.program();
            program.env_remove("ZONELAKE_DATA").env("ZONELAKE_PASSWORD", password);
            program.args(["device", "import"]).arg(&file).args(["--server", &place.url("")]).output().expect("started")
        };
        let said = import(server.password());
        assert!(
            text(&said.stderr).contains("0 devices are added, 0 are changed, and 2 stay"),
            "{}",
            text(&said.stderr)
        );
        for wrong in ["wrong", &token] {
            assert_eq!(import(wrong).status.code(), Some(4), "{}", text(&import(wrong).stderr));
        }
    }
    let details =
        server.sql("select detail from audit where action = 'device_import' and outcome = 'allowed' order by sequence");
    let said = |row: &Value| -> Value {
        let text = row["detail"].as_str().expect("each has a detail");
        let detail: Value = serde_json::from_str(text).expect("it is JSON");
        json!([detail["added"], detail["changed"]])
    };
    let wanted = json!([[1, 1], [0, 0], [0, 0]]);
    assert_eq!(details.iter().map(said).collect::<Value>(), wanted, "and none of what was only tried");
}

#[test]
fn a_device_that_is_silent_beyond_its_interval_is_named_and_counted_until_it_is_heard_of() {
    let place = Installation::new();
    let server = place.first_start();
    let token = place.add_gateway("g");
    server.write_rows(&token, "quick", START, 1);
    server.write_rows(&token, "slow", START, 1);
    server.write_rows(&token, "undeclared", START, 1);
    let set = |name: &str, seconds: &str| run(&place, &["device", "set", name, "--zone", ZONE, "--interval", seconds]);
    set("quick", "1");
    // Longer than any test.
    set("slow", "100000");
    let silent = || server.sql("select device, silent from system.devices order by device");
    let wanted = json!([{"device": "quick", "silent": true}, {"device": "slow", "silent": false}, {"device": "undeclared", "silent": null}]);
    let named = wait_for(|| (Value::from(silent()) == wanted).then_some(()));
    assert!(named.is_some(), "{:?}", silent());
    let seen = "select first_seen <= last_seen as seen, last_time < last_seen as old from system.devices where device in ('quick', 'slow')";
    assert_eq!(server.sql(seen), [json!({"seen": true, "old": true}), json!({"seen": true, "old": true})]);

    let counted = |wanted: &str| {
        wait_for(|| {
            let credentials = BASE64_STANDARD.encode(format!("admin:{}", server.password()));
            let request = agent().get(place.url("/metrics")).header("Authorization", format!("Basic {credentials}"));
            let metrics = request.call().expect("it answers").body_mut().read_to_string().expect("it is text");
            metrics.lines().any(|line| line == wanted).then_some(())
        })
    };
    assert!(counted("zonelake_devices_silent 1").is_some());
    set("quick", "100000");
    assert!(counted("zonelake_devices_silent 0").is_some());
    assert_eq!(server.sql_value("select count(*) from system.devices where silent"), json!(0));

    // One that is at work, or out of operation, is not waited for.
    set("quick", "1");
    assert!(counted("zonelake_devices_silent 1").is_some());
    run(&place, &["device", "approve", "quick", "--zone", ZONE]);
    run(&place, &["device", "set", "quick", "--zone", ZONE, "--state", "maintenance"]);
    assert!(counted("zonelake_devices_silent 0").is_some());
    run(&place, &["device", "policy", ZONE, "wait"]);
    server.write_rows(&token, "unknown", START, 1);
    assert!(counted("zonelake_devices_waiting 1").is_some());
    let waiting = server.sql("select state, first_seen, silent from system.devices where device = 'unknown'");
    assert_eq!(waiting, [json!({"state": "announced", "first_seen": null, "silent": null})]);
}
