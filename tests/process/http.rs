//! Who is let in over HTTP, and what a bad write or query is told.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;

use crate::installation::{Installation, agent, lines, text, wait_for};

#[test]
fn no_interface_but_health_is_open_without_credentials() {
    let place = Installation::new();
    let server = place.first_start();
    let status = |request: ureq::RequestBuilder<ureq::typestate::WithoutBody>| {
        request.call().expect("the server answers").status().as_u16()
    };
    assert_eq!(status(agent().get(place.url("/health"))), 200);
    assert_eq!(status(agent().get(place.url("/metrics"))), 401);
    for path in ["/api/v1/sql", "/api/v2/write", "/write"] {
        let answer = agent().post(place.url(path)).send("select 1").expect("the server answers");
        assert_eq!(answer.status().as_u16(), 401, "{path}");
    }
    assert_eq!(server.write("zl_wrong", &lines("d", 1_700_000_000, 1)).0, 401);

    let wrong = place.run(&["sql", "--password", "wrong", "-c", "select 1"]);
    assert_eq!(wrong.status.code(), Some(4), "{}", text(&wrong.stderr));
    let none = place.run(&["sql", "-c", "select 1"]);
    assert_eq!(none.status.code(), Some(4), "{}", text(&none.stderr));
    let token = place.add_gateway("g");
    let not_for_gateways = place.run(&["sql", "--password", &token, "-c", "select 1"]);
    assert_eq!(not_for_gateways.status.code(), Some(4), "{}", text(&not_for_gateways.stderr));
}

/// Status of a request with this `Authorization`.
fn status_of(place: &Installation, method: &str, path: &str, authorization: Option<&str>) -> u16 {
    let mut request = ureq::http::Request::builder().method(method.to_uppercase().as_str()).uri(place.url(path));
    if let Some(authorization) = authorization {
        request = request.header("Authorization", authorization);
    }
    let answered = match method {
        "get" | "delete" => agent().run(request.body(()).expect("a request")),
        _ => agent().run(request.body("{}").expect("a request")),
    };
    answered.unwrap_or_else(|error| panic!("{method} {path}: {error}")).status().as_u16()
}

#[test]
fn each_operation_that_the_server_describes_is_for_whom_it_says() {
    let place = Installation::new();
    let server = place.first_start();
    let gateway = format!("Bearer {}", place.add_gateway("g"));
    let role = place.run(&["role", "add", "own"]);
    let basic = |user: &str, password: &str| format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{password}")));
    let (role, admin) = (basic("own", text(&role.stdout).trim()), basic("admin", server.password()));
    let document = agent().get(place.url("/api/v1/openapi.json")).header("Authorization", &admin).call();
    let document = document.expect("the server answers").body_mut().read_to_string().expect("it is text");
    let document: Value = serde_json::from_str(&document).expect("it is JSON");
    assert_eq!(document["openapi"], "3.1.0");
    // What can be asked without a word more is answered as it says; before wrong guesses are limited.
    let plain = |path: &&String| !path.contains('{') && *path != "/api/v1/sql";
    let paths = document["paths"].as_object().expect("an object");
    for path in paths.keys().filter(plain).filter(|path| paths[*path]["get"].is_object()) {
        let answer = agent().get(place.url(path)).header("Authorization", &admin).call().expect("the server answers");
        let described = &paths[path]["get"]["responses"][answer.status().as_str()];
        assert!(described.is_object(), "{path}: {}", answer.status());
        let kind = answer.headers().get("content-type").and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default();
        assert!(kind.is_empty() || described["content"][kind].is_object(), "{path}: {kind}");
    }
    let mut tried = 0;
    for (path, methods) in document["paths"].as_object().expect("an object") {
        // Names that nothing has: what is let in by mistake finds nothing to change.
        let named = path.replace('{', "no-such-").replace('}', "");
        for (method, operation) in methods.as_object().expect("an object") {
            let status = |authorization: Option<&str>| status_of(&place, method, &named, authorization);
            let schemes = operation["security"].as_array().expect("a list");
            let for_machine = operation["description"].is_string();
            if schemes.is_empty() {
                let wanted = if for_machine { [404].as_slice() } else { &[200, 204] };
                assert!(wanted.contains(&status(None)), "{method} {path}");
                continue;
            }
            assert_eq!(status(None), 401, "{method} {path}");
            // Guesses are limited as well: what comes after too many of them is refused for that.
            let refused = |authorization: &str| [401, 403, 429].contains(&status(Some(authorization)));
            assert!(refused("Bearer zr_wrong"), "{method} {path}");
            let for_gateways = schemes[0].get("gateway").is_some();
            if !for_gateways {
                assert!(refused(&gateway), "{method} {path}");
            }
            let is_of_roles = ["/api/v1/sql", "/api/v1/live/{table}"].contains(&path.as_str())
                || ["/api/v1/alert-rules", "/api/v1/report-"].iter().any(|of| path.starts_with(of));
            if !is_of_roles {
                assert!(refused(&role), "{method} {path}");
            }
            tried += 1;
        }
    }
    assert!(tried > 45, "{tried}");
    let listed = text(&place.run(&["gateway", "list"]).stdout);
    assert!(listed.lines().count() == 2 && listed.contains("vung-ang"), "nothing was done: {listed}");
}

#[test]
fn health_is_not_well_while_flushes_keep_failing() {
    let place = Installation::new().with("ZONELAKE_FLUSH_AGE_SECONDS", 1);
    let server = place.first_start();
    let token = place.add_gateway("g");
    let (table, away) = (place.data().join("tables/environment"), place.data().join("away"));
    // A file stands where the table's folder should be, so that nothing can be written below it.
    std::fs::rename(&table, &away).expect("a folder can be renamed");
    std::fs::write(&table, "").expect("a file can be written");
    server.write_rows(&token, "d1", 1_700_000_000, 3);
    let health = || {
        let mut answer = agent().get(place.url("/health")).call().expect("the server answers");
        (answer.status().as_u16(), answer.body_mut().read_to_string().expect("text"))
    };
    let failed = wait_for(|| Some(health()).filter(|(status, _)| *status != 200));
    let (status, body) = failed.unwrap_or_else(|| panic!("it stays well:\n{}", place.log()));
    assert!(status == 503 && body.contains("environment") && body.contains("\"fail\""), "{status} {body}");
    assert!(!body.contains(&*place.data().to_string_lossy()), "everybody may ask: {body}");

    std::fs::remove_file(&table).expect("the file can be removed");
    std::fs::rename(&away, &table).expect("the folder can be renamed back");
    let well = wait_for(|| Some(health()).filter(|(status, _)| *status == 200));
    assert!(well.is_some(), "it does not get well:\n{}", place.log());
    assert_eq!(server.sql_value("select count(*) from environment"), 3);
}

#[test]
fn sql_answers_in_every_format_and_tells_what_is_wrong() {
    let place = Installation::new();
    let server = place.first_start();
    let token = place.add_gateway("g");
    server.write_rows(&token, "d1", 1_700_000_000, 3);

    let query = "select device, temperature, rain from environment order by time";
    let table = text(&server.sql_output(query, "table").stdout);
    assert!(table.contains("| d1 ") && table.contains("NULL") && table.contains("(3 rows)"), "{table}");
    let csv = text(&server.sql_output(query, "csv").stdout);
    assert_eq!(csv.lines().next(), Some("device,temperature,rain"), "{csv}");
    assert_eq!(csv.lines().count(), 4, "{csv}");
    let stream = server.sql_output(query, "arrow").stdout;
    let reader = arrow::ipc::reader::StreamReader::try_new(stream.as_slice(), None).expect("an Arrow stream");
    assert_eq!(reader.map(|rows| rows.expect("whole").num_rows()).sum::<usize>(), 3);
    let file = server.sql_output(query, "parquet").stdout;
    assert!(file.starts_with(b"PAR1") && file.ends_with(b"PAR1"));

    for (query, words) in [("select nothing from environment", "nothing"), ("select * from nowhere", "nowhere")] {
        let refused = server.sql_output(query, "table");
        assert_eq!(refused.status.code(), Some(2), "{}", text(&refused.stderr));
        assert!(text(&refused.stderr).contains(words), "{}", text(&refused.stderr));
    }
    for query in [
        "create table t (a int)",
        "insert into environment select * from environment",
        "copy environment to '/tmp/x.parquet'",
        "create external table t stored as csv location '/etc/passwd'",
        "set datafusion.execution.batch_size = 1",
        "delete from environment",
    ] {
        let refused = server.sql_output(query, "table");
        assert!(!refused.status.success(), "SQL is read-only, yet this passed: {query}");
    }
}

#[test]
fn a_partly_bad_write_names_the_line_and_stores_the_rest() {
    let place = Installation::new();
    let server = place.first_start();
    let token = place.add_gateway("g");
    let (status, body) = server.write(
        &token,
        "environment,device=d1 temperature=20 1700000000\nenvironment,device=d1 temperature 1700000001\nenvironment,device=d1 temperature=22 1700000002\n",
    );
    assert_eq!(status, 400, "{body}");
    assert!(body.contains("line 2"), "{body}");
    assert_eq!(server.sql_value("select count(*) from environment"), 2);
}
