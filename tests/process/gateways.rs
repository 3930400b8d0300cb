//! Credentials of gateways, changed beside a running server.

use std::thread::sleep;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use crate::installation::{Installation, agent, files_below, lines, text};

#[test]
fn a_gateway_is_added_listed_and_revoked_while_the_server_runs() {
    let place = Installation::new();
    let server = place.first_start();

    let added = place.run(&["gateway", "add", "formosa-1", "--zone", "vung-ang"]);
    assert!(added.status.success(), "{}", text(&added.stderr));
    let printed = text(&added.stdout);
    let token = printed.trim();
    assert!(token.starts_with("zl_") && !token.contains(char::is_whitespace), "the token stands alone: {printed:?}");
    assert!(!text(&added.stderr).contains(token), "the token is shown once");

    let mut answer = server.write(token, &lines("d1", 1_700_000_000, 1));
    for _ in 0..100 {
        if answer.0 != 401 {
            break;
        }
        sleep(Duration::from_millis(100));
        answer = server.write(token, &lines("d1", 1_700_000_000, 1));
    }
    assert_eq!(answer.0, 204, "{}", answer.1);

    let listed = text(&place.run(&["gateway", "list"]).stdout);
    assert!(listed.contains("formosa-1") && listed.contains("vung-ang"), "{listed}");
    assert!(!listed.contains(token));

    assert!(place.run(&["gateway", "revoke", "formosa-1"]).status.success());
    let refused = (0..100).any(|_| {
        sleep(Duration::from_millis(100));
        server.write(token, &lines("d1", 1_700_000_001, 1)).0 == 401
    });
    assert!(refused, "a revoked token is let in no more");
}

#[test]
fn what_cannot_be_done_with_a_gateway_is_said_by_name() {
    let place = Installation::new();
    let nowhere = place.run(&["gateway", "list"]);
    assert_eq!(nowhere.status.code(), Some(2));
    assert!(text(&nowhere.stderr).contains("registry.sqlite"), "{}", text(&nowhere.stderr));
    assert!(!place.data().exists(), "a mistyped folder is not made");

    drop(place.first_start());
    let unknown_zone = place.run(&["gateway", "add", "g", "--zone", "atlantis"]);
    assert_eq!(unknown_zone.status.code(), Some(2));
    assert!(text(&unknown_zone.stderr).contains("atlantis"), "{}", text(&unknown_zone.stderr));

    place.add_gateway("g");
    let twice = place.run(&["gateway", "add", "g", "--zone", "vung-ang"]);
    assert_eq!(twice.status.code(), Some(2));
    assert!(twice.stdout.is_empty() && text(&twice.stderr).contains('g'), "{}", text(&twice.stderr));

    let unknown = place.run(&["gateway", "revoke", "nobody"]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(text(&unknown.stderr).contains("nobody"), "{}", text(&unknown.stderr));
}

#[test]
fn a_token_is_replaced_without_an_outage_and_no_secret_is_told_anywhere() {
    let place = Installation::new();
    let server = place.first_start();
    let first = place.add_gateway("formosa-1");
    let run = |arguments: &[&str]| {
        let output = place.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
        (text(&output.stdout), text(&output.stderr))
    };
    let (second, said) = run(&["gateway", "token", "add", "formosa-1", "--name", "2027", "--expires-days", "365"]);
    let second = second.trim();
    assert!(second.starts_with("zl_") && !said.contains(second) && said.contains("2027"), "{said}");
    server.write_rows(&first, "d1", 1_700_000_000, 1);
    server.write_rows(second, "d1", 1_700_000_100, 1);
    run(&["gateway", "token", "revoke", "formosa-1", "token-1"]);
    assert_eq!(server.write(&first, &lines("d1", 1_700_000_200, 1)).0, 401);
    server.write_rows(second, "d1", 1_700_000_200, 1);
    let (listed, _) = run(&["gateway", "token", "list", "formosa-1"]);
    let states: Vec<_> =
        listed.lines().skip(1).map(|line| line.split_whitespace().take(2).collect::<Vec<_>>()).collect();
    assert_eq!(states, [["2027", "valid"], ["token-1", "revoked"]]);

    // A program of a role, and an administrator on another machine.
    run(&["role", "add", "grafana"]);
    run(&["role", "grant", "grafana", "--table", "environment", "--everywhere"]);
    let (of_role, _) = run(&["role", "token", "add", "grafana"]);
    let (of_admin, _) = run(&["role", "token", "add", "admin", "--name", "console"]);
    let (of_role, of_admin) = (of_role.trim(), of_admin.trim());
    let mut program = place.program();
    program.env("ZONELAKE_USER", "grafana").env("ZONELAKE_PASSWORD", of_role);
    let asked = program.args(["sql", "--format", "csv", "-c", "select count(*) as n from environment"]).output();
    assert_eq!(text(&asked.expect("started").stdout), "n\n3\n");
    for (token, may) in [(of_admin, true), (of_role, false), (second, false)] {
        let mut program = place.program();
        program.env_remove("ZONELAKE_DATA").env("ZONELAKE_PASSWORD", token);
        let listed = program.args(["gateway", "list", "--server", &place.url("")]).output().expect("started");
        assert_eq!(listed.status.success(), may, "{}", text(&listed.stderr));
    }
    let metrics = agent().get(place.url("/metrics")).header("Authorization", format!("Bearer {of_admin}")).call();
    let mut metrics = metrics.expect("the server answers");
    assert_eq!(metrics.status().as_u16(), 200, "Prometheus may come with a token");
    let metrics = metrics.body_mut().read_to_string().expect("it is text");

    // What a statement, a wrong lookup and the lists say of them: nothing.
    let (status, refused) = server.write(&format!("{second}x"), &lines("d1", 1_700_000_300, 1));
    assert_eq!(status, 401);
    let tables = ["system.queries", "system.tables", "gateways", "devices", "rejected"];
    let told: Vec<String> =
        tables.iter().map(|table| format!("{:?}", server.sql(&format!("select * from {table}")))).collect();
    server.terminate();
    let mut everything = vec![place.log(), metrics, refused, listed, told.join("\n")];
    for path in files_below(place.data(), "") {
        everything.push(text(&std::fs::read(&path).expect("it can be read")));
    }
    for secret in [&*first, second, of_role, of_admin] {
        let digits = &secret[3..];
        assert!(everything.iter().all(|told| !told.contains(digits)), "a secret is told");
    }
}

#[test]
fn a_gateway_writes_for_several_zones_where_they_are_granted_and_what_was_refused_is_stored_afterwards() {
    let place = Installation::new();
    let server = place.first_start();
    let token = place.add_gateway("formosa-1");
    let run = |arguments: &[&str]| {
        let output = place.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
        text(&output.stdout)
    };
    let line = |zone: &str, device: &str, second: u64| {
        format!("environment,device={device},zone={zone} temperature=20 {}\n", 1_767_225_600 + second)
    };
    let rows = |zone: &str| server.sql_value(&format!("select count(*) from environment where zone = '{zone}'"));
    assert_eq!(server.write(&token, &line("hoa-phu", "crane-1", 0)).0, 204);
    assert_eq!(rows("hoa-phu"), 0);
    assert_eq!(server.sql_value("select reason from rejected"), "no_right");
    let shown = run(&["gateway", "grant", "formosa-1", "--zone", "hoa-phu", "--devices", "crane-*"]);
    assert!(shown.contains("hoa-phu") && shown.contains("crane-*"), "{shown}");
    assert_eq!(server.write(&token, &(line("hoa-phu", "crane-1", 1) + &line("hoa-phu", "meter", 2))).0, 204);
    assert_eq!((rows("hoa-phu"), rows("vung-ang")), (1.into(), 0.into()));
    let replayed = place.run(&["rejected", "replay", "--reason", "no_right"]);
    assert!(replayed.status.success(), "{}", text(&replayed.stderr));
    assert_eq!(rows("hoa-phu"), 2, "the crane's row is stored after all, and the meter's is not");
    run(&["gateway", "revoke", "formosa-1", "--zone", "hoa-phu", "--devices", "crane-*"]);
    assert_eq!(server.write(&token, &line("hoa-phu", "crane-1", 3)).0, 204);
    assert_eq!((rows("hoa-phu"), server.write(&token, &lines("own", 1_767_225_600, 1)).0), (2.into(), 204));
    assert!(!run(&["gateway", "show", "formosa-1"]).contains("crane-*"));
}

#[test]
fn a_site_is_added_to_a_running_server_and_to_a_folder_and_rows_of_it_are_stored_at_once() {
    let place = Installation::new();
    let server = place.first_start();
    let (password, token) = (server.password().to_owned(), place.add_gateway("g"));
    let added = place.run(&["site", "add", "north", "--zone", "vung-ang", "--name", "North gate"]);
    assert!(added.status.success(), "{}", text(&added.stderr));
    let line = |site: &str, second: u64| {
        format!("environment,device=station,site={site} temperature=20 {}\n", 1_767_225_600 + second)
    };
    assert_eq!(server.write(&token, &line("south", 0)).0, 204);
    assert_eq!(server.sql_value("select reason from rejected"), "wrong_place", "a site that is not registered");
    let url = place.url("/api/v1/sites");
    let body = "{\"zone\": \"vung-ang\", \"code\": \"south\", \"name\": \"South gate\"}";
    assert_eq!(agent().post(&url).send(body).expect("the server answers").status().as_u16(), 401);
    let credentials = format!("Basic {}", BASE64_STANDARD.encode(format!("admin:{password}")));
    let answer = agent().post(&url).header("Authorization", &credentials).send(body).expect("the server answers");
    assert_eq!(answer.status().as_u16(), 201);
    assert_eq!(server.write(&token, &(line("south", 1) + &line("north", 2))).0, 204);
    assert_eq!(server.sql_value("select count(*) from environment"), 2, "at once");
    for (arguments, words) in [
        (["site", "add", "north", "--zone", "vung-ang"], "north"),
        (["site", "add", "gate", "--zone", "atlantis"], "atlantis"),
    ] {
        let again = place.run(&arguments);
        assert_eq!(again.status.code(), Some(2));
        assert!(text(&again.stderr).contains(words), "{}", text(&again.stderr));
    }
    server.terminate();

    assert!(place.run(&["site", "add", "harbour", "--zone", "hoa-phu"]).status.success());
    let listed = text(&place.run(&["site", "list"]).stdout);
    for (code, zone) in [("harbour", "hoa-phu"), ("north", "vung-ang"), ("south", "vung-ang")] {
        let is_listed = |line: &str| line.starts_with(&format!("{code} ")) && line.contains(&format!("/{zone} "));
        assert!(listed.lines().any(is_listed), "{code}: {listed}");
    }
    assert!(listed.contains("North gate") && listed.contains("South gate"), "{listed}");
}
