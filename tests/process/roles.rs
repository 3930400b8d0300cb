//! Roles that read, changed beside a running server.

use std::process::Output;
use std::thread::sleep;
use std::time::Duration;

use crate::installation::{Installation, agent, text};

fn ask(place: &Installation, user: &str, password: &str) -> Output {
    let mut program = place.program();
    program.env("ZONELAKE_USER", user).env("ZONELAKE_PASSWORD", password);
    program.args(["sql", "--format", "csv", "-c", "select count(*) as zones from zones"]).output().expect("started")
}

#[test]
fn a_role_is_added_given_another_password_and_removed_while_the_server_runs() {
    let place = Installation::new();
    let _server = place.first_start();
    let added = place.run(&["role", "add", "grafana", "--statement-seconds-max", "10", "--running-max", "4"]);
    assert!(added.status.success(), "{}", text(&added.stderr));
    let printed = text(&added.stdout);
    let password = printed.trim();
    assert!(!password.is_empty() && !text(&added.stderr).contains(password), "the password is shown once");
    assert!(!ask(&place, "grafana", password).status.success(), "nothing is granted to it yet");
    let granted = place.run(&["role", "grant", "grafana", "--all-tables", "--zone", "vung-ang"]);
    assert!(granted.status.success(), "{}", text(&granted.stderr));
    assert!(text(&granted.stdout).contains("zone:vung-ang"), "{}", text(&granted.stdout));
    let answered = ask(&place, "grafana", password);
    assert_eq!(text(&answered.stdout).split_whitespace().last(), Some("1"), "one zone exists for it");
    assert!(answered.status.success(), "{}", text(&answered.stderr));
    assert!(text(&answered.stdout).starts_with("zones"));

    assert!(place.run(&["role", "set", "grafana", "--running-max", "none"]).status.success());
    let listed = text(&place.run(&["role", "list"]).stdout);
    let role = listed.lines().find(|line| line.starts_with("grafana")).expect("it is listed");
    assert_eq!(role.split_whitespace().collect::<Vec<_>>(), ["grafana", "10", "none", "none", "own"]);

    let printed = text(&place.run(&["role", "password", "grafana"]).stdout);
    let next = printed.trim();
    let is_taken = |password: &str| ask(&place, "grafana", password).status.success();
    let soon = |done: &dyn Fn() -> bool| {
        (0..100).any(|_| {
            sleep(Duration::from_millis(100));
            done()
        })
    };
    assert!(soon(&|| is_taken(next)), "the new password opens");
    assert!(!is_taken(password), "the old one does not");

    assert!(place.run(&["role", "remove", "grafana"]).status.success());
    assert!(soon(&|| !is_taken(next)), "a role that was removed is answered no more");
}

#[test]
fn what_cannot_be_done_with_a_role_is_said_by_name() {
    let place = Installation::new();
    drop(place.first_start());
    for (arguments, said) in [
        (&["role", "add", "Grafana"][..], "Grafana"),
        (&["role", "add", "admin"], "admin"),
        (&["role", "add", "a", "--memory-bytes-max", "1000"], "1048576"),
        (&["role", "add", "a", "--running-max", "many"], "many"),
        (&["role", "grant", "nobody", "--all-tables", "--everywhere"], "nobody"),
        (&["role", "grant", "admin", "--all-tables", "--everywhere"], "administrator"),
        (&["role", "add", "a", "--kind", "king"], "king"),
        (&["role", "add", "a", "--kind", "zone-operator"], "--zone"),
        (&["role", "revoke", "admin", "--table", "energy", "--everywhere"], "admin"),
        (&["role", "show", "nobody"], "nobody"),
        (&["role", "set", "nobody", "--running-max", "1"], "nobody"),
        (&["role", "remove", "admin"], "admin"),
        (&["role", "password", "nobody"], "nobody"),
    ] {
        let output = place.run(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(text(&output.stderr).contains(said), "{arguments:?}: {}", text(&output.stderr));
        assert!(output.stdout.is_empty(), "{arguments:?}");
    }
}

#[test]
fn every_kind_of_role_sees_its_own_on_the_command_line_and_administers_nothing() {
    let place = Installation::new();
    let server = place.first_start();
    let token = place.add_gateway("own");
    let other = place.run(&["gateway", "add", "other", "--zone", "phu-vinh"]);
    let other = text(&other.stdout).trim().to_owned();
    let network = |operator: &str, rows: u64| -> String {
        (0..rows)
            .map(|n| format!("network,device=n operator=\"{operator}\",pci={n}i {}\n", 1_767_225_600 + n))
            .collect()
    };
    server.write_rows(&token, "a", 1_767_225_600, 10);
    server.write_rows(&other, "secret", 1_767_225_600, 7);
    for (token, operator, rows) in [(&token, "Viettel", 3), (&other, "VNPT", 5)] {
        let (status, body) = server.write(token, &network(operator, rows));
        assert_eq!(status, 204, "{body}");
    }
    let environment = "select count(*) as n from environment";
    let networks = "select count(*) as n from network";
    let devices = "select count(*) as n from devices where device = 'secret'";
    for (arguments, [rows, of_network, secret]) in [
        (&["--kind", "zone-operator", "--zone", "vung-ang"][..], [Some("10"), Some("3"), Some("0")]),
        (&["--kind", "province-analyst", "--province", "ha-tinh"], [Some("17"), Some("8"), Some("1")]),
        (&["--kind", "province-analyst", "--province", "dak-lak"], [Some("0"), Some("0"), Some("0")]),
        (&["--kind", "network-operator", "--operator", "VNPT"], [None, Some("5"), None]),
        (&["--kind", "auditor"], [None, None, Some("1")]),
        (&["--kind", "own"], [None, None, None]),
        (&["--kind", "administrator"], [Some("17"), Some("8"), Some("1")]),
    ] {
        let added = place.run(&[&["role", "add", "one"], arguments].concat());
        assert!(added.status.success(), "{arguments:?}: {}", text(&added.stderr));
        let password = text(&added.stdout).trim().to_owned();
        for (sql, wanted) in [(environment, rows), (networks, of_network), (devices, secret)] {
            let mut program = place.program();
            program.env("ZONELAKE_USER", "one").env("ZONELAKE_PASSWORD", &password);
            let output = program.args(["sql", "--format", "csv", "-c", sql]).output().expect("started");
            let told = text(&output.stdout);
            let told = output.status.success().then(|| told.split_whitespace().last().unwrap_or_default());
            assert_eq!(told, wanted, "{arguments:?}: {sql}: {}", text(&output.stderr));
        }
        let mut program = place.program();
        program.env_remove("ZONELAKE_DATA").env("ZONELAKE_USER", "one").env("ZONELAKE_PASSWORD", &password);
        let listed = program.args(["role", "list", "--server", &place.url("")]).output().expect("started");
        assert_eq!(listed.status.success(), arguments[1] == "administrator", "{arguments:?}");
        assert!(place.run(&["role", "remove", "one"]).status.success());
    }
}

/// Routes of administration over the network, as their own table declares them: one that is missing there is missing here.
fn routes_of_administration() -> Vec<(String, String)> {
    let source = include_str!("../../server/http/src/admin/routes.rs");
    let rows = source.lines().filter(|line| line.starts_with("//! | `") && !line.contains("control socket only"));
    let route = |row: &str| {
        let (method, path) = row["//! | `".len()..].split_once('`')?.0.split_once(' ')?;
        Some((method.to_owned(), path.replace("{name}", "nobody").replace("{token}", "none")))
    };
    rows.filter_map(route).collect()
}

#[test]
fn every_route_of_administration_and_of_writing_is_closed_to_every_other_kind_of_credential() {
    let place = Installation::new();
    let server = place.first_start();
    let run = |arguments: &[&str]| {
        let output = place.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
        text(&output.stdout).trim().to_owned()
    };
    let gateway = place.add_gateway("g");
    // Name, an `Authorization`, and whether it administers.
    let mut credentials = vec![
        ("nobody".to_owned(), String::new(), false),
        ("the gateway".to_owned(), format!("Bearer {gateway}"), false),
        ("a made-up token".to_owned(), format!("Bearer zr_{}", &gateway[3..]), false),
    ];
    for (kind, scope) in [
        ("administrator", &[] as &[&str]),
        ("province-analyst", &["--province", "ha-tinh"]),
        ("zone-operator", &["--zone", "vung-ang"]),
        ("network-operator", &["--operator", "VNPT"]),
        ("auditor", &[]),
        ("own", &[]),
    ] {
        run(&[&["role", "add", kind, "--kind", kind], scope].concat());
        let token = run(&["role", "token", "add", kind]);
        credentials.push((kind.to_owned(), format!("Bearer {token}"), kind == "administrator"));
    }
    let routes = routes_of_administration();
    assert!(routes.len() >= 30, "the table of routes is not read: {routes:?}");
    let status = |method: &str, path: &str, authorization: &str| {
        let mut request = axum::http::Request::builder().method(method).uri(place.url(path));
        if !authorization.is_empty() {
            request = request.header("Authorization", authorization);
        }
        let answer = match method {
            "GET" | "DELETE" => agent().run(request.body(()).expect("a request")),
            _ => agent().run(request.body("{}").expect("a request")),
        };
        answer.expect("the server answers").status().as_u16()
    };
    for (who, authorization, may) in &credentials {
        for (method, path) in &routes {
            let status = status(method, path, authorization);
            let is_open = status != 401;
            assert!(is_open == *may && status != 404, "{who}: {method} {path}: {status}");
        }
        for path in ["/api/v2/write", "/write"] {
            assert_eq!(status("POST", path, authorization) != 401, who == "the gateway", "{who}: {path}");
        }
    }
    assert_eq!(server.sql_value("select count(*) from rejected"), 0);
}

#[test]
fn the_administrators_password_is_had_on_the_machine_behind_a_first_start_that_failed_and_while_the_server_runs() {
    let place = Installation::new();
    let address = place.url("");
    let taken = std::net::TcpListener::bind(address.trim_start_matches("http://")).expect("the port is free");
    let (code, log) = place.refused_start();
    assert_ne!(code, Some(0), "{log}");
    drop(taken);
    let reset = || {
        let output = place.run(&["role", "password", "admin"]);
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stdout).trim().to_owned()
    };
    let first = reset();
    let _server = place.restart(&first);
    assert!(ask(&place, "admin", &first).status.success());
    let second = reset();
    assert!(!ask(&place, "admin", &first).status.success());
    assert!(ask(&place, "admin", &second).status.success());
}
