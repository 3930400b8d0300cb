//! SQL over HTTP: formats, statuses, rights.
#![expect(clippy::unwrap_used, clippy::cast_possible_truncation, reason = "tests stop at what they do not expect")]

#[path = "../../../query/tests/sql/harness.rs"]
#[expect(dead_code, reason = "the tests of the engine need more of it")]
mod harness;
#[path = "../../../query/tests/sql/rights/shared.rs"]
#[expect(dead_code, reason = "the tests of the engine need more of it")]
mod rights;

use std::future::IntoFuture;
use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::AsArray;
use arrow::datatypes::{DataType, Int64Type};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use bytes::Bytes;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tower::ServiceExt;
use zonelake_http::{admin_routes, for_administrator, sql_routes};
use zonelake_net::Authenticator;
use zonelake_query::{QueryEngine, QueryErrorCode, QueryOptions};
use zonelake_registry::{RoleKind, RoleLimits};

use crate::harness::{Harness, NEW_YEAR_US, ProbeRow, probe_batch};
use crate::rights::declared::{TABLES, Wanted, cells};
use crate::rights::world::{ROLES, World};

struct Answer {
    status: StatusCode,
    media_type: String,
    body: Bytes,
}

impl Answer {
    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    fn code(&self) -> String {
        let json: serde_json::Value = serde_json::from_slice(&self.body).unwrap();
        assert!(!json["message"].as_str().unwrap().is_empty());
        json["code"].as_str().unwrap().to_owned()
    }
}

fn harness() -> Arc<Harness> {
    let (harness, keys) = Harness::probe(2);
    let mut rows: Vec<_> =
        (0..2).map(|n| ProbeRow::numbered(n + 2, keys[n as usize], NEW_YEAR_US + n * 1_500)).collect();
    rows[0].note = Some("a \"b\", ệ".into());
    rows[1].note = None;
    harness.add_live("probe", vec![probe_batch(harness.schemas("probe"), &rows)]);
    harness
}

fn routes_of(engine: Arc<QueryEngine>) -> Router {
    let authenticator = Arc::new(Authenticator::new(Arc::clone(engine.source().registry())));
    sql_routes(engine, authenticator)
}

fn request(harness: &Harness) -> axum::http::request::Builder {
    Request::builder().uri("/api/v1/sql").method("POST").header("authorization", basic("admin", &harness.password))
}

/// Base64 of the standard alphabet, padded.
fn basic(user: &str, password: &str) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::from("Basic ");
    for group in format!("{user}:{password}").as_bytes().chunks(3) {
        let bits = (0..3).fold(0u32, |bits, at| bits << 8 | u32::from(*group.get(at).unwrap_or(&0)));
        for at in 0..4 {
            let digit = char::from(DIGITS[(bits >> (18 - 6 * at)) as usize & 63]);
            text.push(if at <= group.len() { digit } else { '=' });
        }
    }
    text
}

async fn send(routes: &Router, request: Request<Body>) -> Answer {
    let response = routes.clone().oneshot(request).await.unwrap();
    let media_type = response.headers().get("content-type").unwrap().to_str().unwrap().to_owned();
    let status = response.status();
    let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    Answer { status, media_type, body }
}

const SQL: &str = "select time, device, temperature, pulses, is_open, note from probe order by time";

#[tokio::test]
async fn an_answer_comes_in_the_format_that_is_asked_for() {
    let harness = harness();
    let routes = routes_of(harness.engine());
    let ask = |accept: &str| request(&harness).header("accept", accept).body(Body::from(SQL)).unwrap();

    let json = send(&routes, ask("*/*")).await;
    assert_eq!((json.status, json.media_type.as_str()), (StatusCode::OK, "application/json"));
    let value: serde_json::Value = serde_json::from_slice(&json.body).unwrap();
    assert_eq!(value["columns"][0], serde_json::json!({"name": "time", "type": "timestamp with time zone"}));
    assert_eq!(value["columns"][2], serde_json::json!({"name": "temperature", "type": "double precision"}));
    assert_eq!(
        value["rows"],
        serde_json::json!([
            ["2026-01-01T00:00:00.000000Z", "d0", -9999999.99, -46, true, "a \"b\", ệ"],
            ["2026-01-01T00:00:00.001500Z", "d1", -98.89, -41, false, null],
        ])
    );

    let lines = send(&routes, ask("application/x-ndjson")).await;
    let first: serde_json::Value = serde_json::from_str(lines.text().lines().next().unwrap()).unwrap();
    assert_eq!((first["device"].as_str(), lines.text().lines().count()), (Some("d0"), 2));

    let csv = send(&routes, ask("text/csv")).await;
    assert_eq!(csv.media_type, "text/csv");
    assert_eq!(
        csv.text(),
        "time,device,temperature,pulses,is_open,note\n\
         2026-01-01T00:00:00.000000Z,d0,-9999999.99,-46,true,\"a \"\"b\"\", ệ\"\n\
         2026-01-01T00:00:00.001500Z,d1,-98.89,-41,false,\n"
    );

    let stream = send(&routes, ask("application/vnd.apache.arrow.stream")).await;
    let batches: Vec<_> = arrow::ipc::reader::StreamReader::try_new(stream.body.as_ref(), None).unwrap().collect();
    let batch = batches[0].as_ref().unwrap();
    assert_eq!(batch.schema().field(1).data_type(), &DataType::Utf8);
    assert_eq!(batch.column(1).as_string::<i32>().value(1), "d1");

    let file = send(&routes, ask("application/vnd.apache.parquet")).await;
    let mut reader = ParquetRecordBatchReaderBuilder::try_new(file.body.clone()).unwrap().build().unwrap();
    let batch = reader.next().unwrap().unwrap();
    assert_eq!(batch.column(3).as_primitive::<Int64Type>().values(), &[-46, -41]);

    let none = send(&routes, ask("text/html")).await;
    assert_eq!((none.status, none.code().as_str()), (StatusCode::NOT_ACCEPTABLE, "not_acceptable"));
}

#[tokio::test]
async fn an_answer_without_rows_and_numbers_that_json_lacks_are_well_formed() {
    let harness = harness();
    let routes = routes_of(harness.engine());
    let ask =
        |sql: &str, accept: &str| request(&harness).header("accept", accept).body(Body::from(sql.to_owned())).unwrap();
    let empty = "select time, device from probe where device = 'x'";
    let json: serde_json::Value = serde_json::from_slice(&send(&routes, ask(empty, "*/*")).await.body).unwrap();
    assert_eq!((json["columns"].as_array().unwrap().len(), json["rows"].as_array().unwrap().len()), (2, 0));
    assert_eq!(send(&routes, ask(empty, "text/csv")).await.text(), "time,device\n");
    let stream = send(&routes, ask(empty, "application/vnd.apache.arrow.stream")).await;
    let reader = arrow::ipc::reader::StreamReader::try_new(stream.body.as_ref(), None).unwrap();
    assert_eq!((reader.schema().fields().len(), reader.count()), (2, 0));
    let file = send(&routes, ask(empty, "application/vnd.apache.parquet")).await;
    assert_eq!(ParquetRecordBatchReaderBuilder::try_new(file.body.clone()).unwrap().build().unwrap().count(), 0);

    let odd = "select 'NaN'::double as a, 'inf'::double as b, 9223372036854775807 as c, \
               to_timestamp('2026-01-01T00:00:00Z') at time zone 'Asia/Ho_Chi_Minh' as d, [1, 2] as e";
    let json: serde_json::Value = serde_json::from_slice(&send(&routes, ask(odd, "*/*")).await.body).unwrap();
    let row = &json["rows"][0];
    assert_eq!((&row[0], &row[1], &row[2]), (&serde_json::Value::Null, &serde_json::Value::Null, &i64::MAX.into()));
    assert_eq!(row[4], serde_json::json!([1, 2]));
    let csv = send(&routes, ask(odd, "text/csv")).await;
    assert_eq!((csv.status, csv.code().as_str()), (StatusCode::BAD_REQUEST, "execution"));
}

#[tokio::test]
async fn a_statement_comes_as_a_parameter_as_text_or_in_json() {
    let harness = harness();
    let routes = routes_of(harness.engine());
    let get =
        |uri: &str| request(&harness).method("GET").uri(uri).header("accept", "text/csv").body(Body::empty()).unwrap();
    assert_eq!(send(&routes, get("/api/v1/sql?q=select%201%20%2B%201%20as%20n")).await.text(), "n\n2\n");
    assert_eq!(send(&routes, get("/api/v1/sql")).await.code(), "bad_request");
    let json = |body: &str| {
        request(&harness)
            .header("content-type", "application/json")
            .header("accept", "text/csv")
            .body(Body::from(body.to_owned()))
            .unwrap()
    };
    assert_eq!(send(&routes, json("{\"query\": \"select 3 as n\"}")).await.text(), "n\n3\n");
    assert_eq!(send(&routes, json("{\"sql\": 1}")).await.code(), "bad_request");
}

#[tokio::test]
async fn roles_may_query_and_gateways_may_not() {
    let harness = harness();
    let routes = routes_of(harness.engine());
    let token = harness.registry_arc().add_gateway("g", "vung-ang").unwrap().token;
    let reader = harness.registry_arc().add_role("reader", RoleLimits::default()).unwrap();
    let with = |header: Option<String>| {
        let mut builder = Request::builder().uri("/api/v1/sql").method("POST");
        if let Some(header) = header {
            builder = builder.header("authorization", header);
        }
        builder.body(Body::from("select 1")).unwrap()
    };
    for (header, status) in [
        (None, StatusCode::UNAUTHORIZED),
        (Some(basic("admin", "wrong")), StatusCode::UNAUTHORIZED),
        (Some(basic("root", &harness.password)), StatusCode::UNAUTHORIZED),
        (Some("Bearer zl_unknown".into()), StatusCode::UNAUTHORIZED),
        (Some(format!("Bearer {token}")), StatusCode::FORBIDDEN),
        (Some(format!("Token {token}")), StatusCode::FORBIDDEN),
        (Some(basic("g", &token)), StatusCode::FORBIDDEN),
        (Some(basic("admin", &harness.password)), StatusCode::OK),
        (Some(basic("reader", &reader)), StatusCode::OK),
        (Some(basic("admin", &reader)), StatusCode::UNAUTHORIZED),
    ] {
        let answer = send(&routes, with(header.clone())).await;
        assert_eq!(answer.status, status, "{header:?}");
        assert!(!answer.text().contains(&token));
    }
}

#[tokio::test]
async fn every_role_sees_over_http_what_is_declared() {
    let world = World::new().await;
    let routes = routes_of(world.full.engine());
    for role in ROLES {
        let header = basic(role, &world.passwords[role]);
        for cell in TABLES.iter().flat_map(|table| cells(role, table)) {
            let request = Request::builder().uri("/api/v1/sql").method("POST");
            let request = request.header("authorization", &header).header("accept", "text/csv");
            let answer = send(&routes, request.body(Body::from(cell.sql.clone())).unwrap()).await;
            match &cell.wanted {
                Wanted::Refused => assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{role}: {cell:?}"),
                Wanted::Answered => assert_eq!(answer.status, StatusCode::OK, "{role}: {cell:?}"),
                Wanted::Count(count) => {
                    let told = answer.text().lines().nth(1);
                    assert_eq!(told, Some(count.to_string().as_str()), "{role}: {cell:?}: {}", answer.text());
                }
            }
        }
    }
}

#[tokio::test]
async fn administration_is_for_administrators_and_for_no_other_role() {
    let world = World::new().await;
    let registry = Arc::clone(world.full.registry_arc());
    let second = registry
        .add_role_with("second", RoleKind::Administrator, RoleLimits::default(), &[])
        .expect("another administrator");
    let authenticator = Arc::new(Authenticator::new(Arc::clone(&registry)));
    let routes = for_administrator(admin_routes(Arc::clone(&registry)), authenticator);
    let grant = r#"{"place": "everywhere", "plate": "shown"}"#;
    let calls = [
        ("GET", "/api/v1/roles", ""),
        ("GET", "/api/v1/roles/zone", ""),
        ("POST", "/api/v1/roles", r#"{"name": "made"}"#),
        ("PATCH", "/api/v1/roles/nobody", r#"{"running_max": 2}"#),
        ("POST", "/api/v1/roles/nobody/grants", grant),
        ("POST", "/api/v1/roles/nobody/revoke", r#"{"place": "everywhere"}"#),
        ("POST", "/api/v1/roles/nobody/password", ""),
        ("DELETE", "/api/v1/roles/nobody", ""),
        ("GET", "/api/v1/gateways", ""),
        ("POST", "/api/v1/gateways", r#"{"name": "made", "zone": "vung-ang"}"#),
        ("DELETE", "/api/v1/gateways/gw-vung-ang", ""),
    ];
    let call = async |(method, path, body): (&str, &str, &str), user: &str, password: &str| {
        let request = Request::builder().uri(path).method(method).header("authorization", basic(user, password));
        let response = routes.clone().oneshot(request.body(Body::from(body.to_owned())).unwrap()).await.unwrap();
        let status = response.status();
        (status, to_bytes(response.into_body(), usize::MAX).await.unwrap())
    };
    for role in ROLES {
        for wanted in calls {
            let (status, body) = call(wanted, role, &world.passwords[role]).await;
            // A name that is no administrator's is refused without a check of its password, as one that there is not.
            assert_eq!(status, StatusCode::UNAUTHORIZED, "{role}: {wanted:?}");
            assert!(!String::from_utf8_lossy(&body).contains("zone_operator"), "{role}: {wanted:?}");
        }
    }
    assert_eq!(registry.role("nobody").unwrap().grants.len(), 0, "nothing was changed");
    for wanted in calls {
        let (status, body) = call(wanted, "second", &second).await;
        assert!(status.is_success(), "{wanted:?}: {status} {}", String::from_utf8_lossy(&body));
    }
    assert!(registry.role("nobody").is_none(), "the last of the calls removed it");
}

#[tokio::test]
async fn an_error_has_its_status_and_one_amid_the_rows_breaks_the_body_off() {
    let harness = harness();
    let options = QueryOptions { time_limit: Duration::from_millis(300), sql_bytes_max: 1_000, ..harness.options() };
    let routes = routes_of(harness.engine_with(options));
    let ask = |sql: &str| request(&harness).body(Body::from(sql.to_owned())).unwrap();
    for (sql, status, code) in [
        ("select nothing from probe", StatusCode::BAD_REQUEST, QueryErrorCode::Sql),
        ("drop table probe", StatusCode::BAD_REQUEST, QueryErrorCode::NotAllowed),
        ("select cast(note as bigint) from probe", StatusCode::BAD_REQUEST, QueryErrorCode::Execution),
        (
            "select sum(a.value) from generate_series(1, 100000) a, generate_series(1, 10000000000) b",
            StatusCode::GATEWAY_TIMEOUT,
            QueryErrorCode::TimeLimit,
        ),
    ] {
        let answer = send(&routes, ask(sql)).await;
        assert_eq!((answer.status, answer.code().as_str()), (status, code.name()), "{sql}");
    }
    let long = format!("select '{}'", "x".repeat(2_000));
    assert_eq!(send(&routes, ask(&long)).await.status, StatusCode::BAD_REQUEST);

    // The division by zero comes long after the first rows.
    let late = "select 1 / (value - 400000) from generate_series(1, 500000)";
    let response = routes.clone().oneshot(ask(late)).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert!(to_bytes(response.into_body(), usize::MAX).await.is_err(), "the body does not end as if it were whole");
}

#[tokio::test]
async fn parameters_are_values_of_the_types_that_the_statement_asks_for() {
    let harness = harness();
    let routes = routes_of(harness.engine());
    let ask = |body: serde_json::Value| {
        request(&harness).header("content-type", "application/json").body(Body::from(body.to_string())).unwrap()
    };
    let sql = "select pulses from probe where device = $1 and time >= $2 and temperature < $3 and is_open = $4";
    let of = |values: serde_json::Value| ask(serde_json::json!({ "query": sql, "parameters": values }));
    let rows = async |values| {
        let answer = send(&routes, of(values)).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
        serde_json::from_slice::<serde_json::Value>(&answer.body).unwrap()["rows"].clone()
    };
    let found = rows(serde_json::json!(["d1", "2026-01-01T00:00:00.0015Z", -98, false])).await;
    assert_eq!(found, serde_json::json!([[-41]]));
    assert_eq!(rows(serde_json::json!(["d1", "2026-01-01T00:00:00.0016Z", -98, false])).await, serde_json::json!([]));
    assert_eq!(rows(serde_json::json!(["d1' or '1'='1", "2026-01-01", 1e9, false])).await, serde_json::json!([]));
    assert_eq!(rows(serde_json::json!([null, "2026-01-01", 1e9, false])).await, serde_json::json!([]));

    let listed =
        serde_json::json!({ "query": "select device from probe where pulses = any($1)", "parameters": [[-46, 7]] });
    let answer = send(&routes, ask(listed)).await;
    assert!(answer.text().contains("[[\"d0\"]]"), "{}", answer.text());

    for (values, said) in [
        (serde_json::json!(["d1", "2026-01-01", 1]), "4 parameters, and 3 values"),
        (serde_json::json!(["d1", "yesterday", 1, true]), "$2"),
        (serde_json::json!(["d1", "2026-01-01", "warm", true]), "$3"),
        (serde_json::json!(["d1", "2026-01-01", 1, 1]), "$4"),
        (serde_json::json!([{}, "2026-01-01", 1, true]), "$1"),
    ] {
        let refused = send(&routes, of(values)).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST);
        assert!(refused.text().contains(said), "{}", refused.text());
    }

    let in_url = request(&harness)
        .method("GET")
        .uri("/api/v1/sql?q=select%20count(*)%20from%20probe%20where%20pulses%20%3D%20%241&parameters=%5B-41%5D")
        .body(Body::empty());
    assert!(send(&routes, in_url.unwrap()).await.text().contains("[[1]]"));
    let no_list = request(&harness).method("GET").uri("/api/v1/sql?q=select%20%241&parameters=5").body(Body::empty());
    assert_eq!(send(&routes, no_list.unwrap()).await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn an_answer_longer_than_max_rows_is_an_error_and_not_a_part() {
    let harness = harness();
    let routes = routes_of(harness.engine());
    let ask = |rows_max: u64| {
        let builder = request(&harness).uri(format!("/api/v1/sql?max_rows={rows_max}"));
        builder.body(Body::from(SQL)).unwrap()
    };
    let whole = send(&routes, ask(2)).await;
    assert_eq!(whole.status, StatusCode::OK);
    let refused = send(&routes, ask(1)).await;
    assert_eq!((refused.status, refused.code().as_str()), (StatusCode::PAYLOAD_TOO_LARGE, "too_large"));
}

#[tokio::test]
async fn answers_are_compressed_as_the_client_likes_it() {
    let harness = harness();
    let routes = routes_of(harness.engine());
    let sql = "select value, 'the same text again and again' as text from generate_series(1, 30000)";
    let ask = async |accepted: &str| {
        let builder = request(&harness).header("accept", "text/csv").header("accept-encoding", accepted);
        let response = routes.clone().oneshot(builder.body(Body::from(sql)).unwrap()).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        let encoding = response.headers().get("content-encoding").map(|name| name.to_str().unwrap().to_owned());
        (encoding, to_bytes(response.into_body(), usize::MAX).await.unwrap())
    };
    let (encoding, plain) = ask("identity").await;
    assert_eq!((encoding, plain.iter().filter(|byte| **byte == b'\n').count()), (None, 30_001));
    for accepted in ["gzip", "br, x-gzip;q=0.5", "zstd;q=0, gzip;q=0.1", "gzip, zstd;q=0.5"] {
        let (encoding, body) = ask(accepted).await;
        assert_eq!(encoding.as_deref(), Some("gzip"), "{accepted}");
        let mut whole = Vec::new();
        flate2::read::GzDecoder::new(body.as_ref()).read_to_end(&mut whole).unwrap();
        assert!(whole == plain && body.len() * 5 < plain.len());
    }
    for accepted in ["gzip, deflate, br, zstd", "ZSTD"] {
        let (encoding, body) = ask(accepted).await;
        assert_eq!(encoding.as_deref(), Some("zstd"), "{accepted}");
        assert!(zstd::decode_all(body.as_ref()).unwrap() == plain && body.len() * 5 < plain.len());
    }
}

#[tokio::test]
async fn a_compressed_answer_that_breaks_off_has_no_end() {
    let harness = harness();
    let routes = routes_of(harness.engine());
    let sql = "select value from generate_series(1, 100000)";
    for accepted in ["gzip", "zstd"] {
        let builder = request(&harness).uri("/api/v1/sql?max_rows=50000").header("accept-encoding", accepted);
        let response = routes.clone().oneshot(builder.body(Body::from(sql)).unwrap()).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert!(to_bytes(response.into_body(), usize::MAX).await.is_err());
    }
}

#[tokio::test]
async fn a_statement_ends_when_its_caller_goes() {
    let harness = harness();
    let engine = harness.engine();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = tokio::spawn(axum::serve(listener, routes_of(Arc::clone(&engine))).into_future());
    // One computes without a row, the other has sent rows and computes on.
    for sql in [
        "select sum(a.value) from generate_series(1, 100000) a, generate_series(1, 10000000000) b",
        "select value from generate_series(1, 20000) union all \
         select sum(a.value) from generate_series(1, 100000) a, generate_series(1, 10000000000) b",
    ] {
        let mut caller = TcpStream::connect(address).await.unwrap();
        let head = format!(
            "POST /api/v1/sql HTTP/1.1\r\nhost: zonelake\r\nauthorization: {}\r\ncontent-length: {}\r\n\r\n",
            basic("admin", &harness.password),
            sql.len()
        );
        caller.write_all(format!("{head}{sql}").as_bytes()).await.unwrap();
        until("it runs", || engine.admission().running() == 1).await;
        tokio::time::sleep(Duration::from_millis(200)).await;
        drop(caller);
        until("it has ended", || engine.admission().running() == 0).await;
    }
    serving.abort();
}

/// Waits for something, far less long than a statement may take.
async fn until(what: &str, is_so: impl Fn() -> bool) {
    for _ in 0..1_000 {
        if is_so() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("after ten seconds it is not so that {what}");
}

#[tokio::test]
async fn the_zone_the_path_and_the_time_of_a_session_are_set_by_header_parameter_or_member() {
    let harness = harness();
    let routes = routes_of(harness.engine());
    let sql = "select min(time), min(time)::date, timestamptz '2026-07-01 12:00' from probe";
    let shown = "2026-01-01T07:00:00.000000+07:00,2026-01-01,2026-07-01T12:00:00.000000+07:00";
    let csv = |builder: axum::http::request::Builder| builder.header("accept", "text/csv");
    let by_header = csv(request(&harness)).header("zonelake-time-zone", "Asia/Ho_Chi_Minh");
    let by_url = csv(request(&harness)).uri("/api/v1/sql?time_zone=Asia%2FHo_Chi_Minh");
    for builder in [by_header, by_url] {
        let answer = send(&routes, builder.body(Body::from(sql)).unwrap()).await;
        assert_eq!(answer.text().lines().nth(1), Some(shown));
    }
    let member = |more: &str| {
        let body = format!("{{\"query\": {}, {more}}}", serde_json::json!(sql));
        let builder = csv(request(&harness)).header("content-type", "application/json");
        // The member goes before the header.
        builder.header("zonelake-time-zone", "UTC").body(Body::from(body)).unwrap()
    };
    assert_eq!(send(&routes, member("\"time_zone\": \"7\"")).await.text().lines().nth(1), Some(shown));
    let in_utc = send(&routes, csv(request(&harness)).body(Body::from(sql)).unwrap()).await;
    assert!(in_utc.text().contains("2026-01-01T00:00:00.000000Z"), "{}", in_utc.text());
    for zone in ["Mars/Olympus", "+07:00"] {
        let refused = csv(request(&harness)).header("zonelake-time-zone", zone).body(Body::from("select 1")).unwrap();
        let refused = send(&routes, refused).await;
        assert_eq!((refused.status, refused.code().as_str()), (StatusCode::BAD_REQUEST, "sql"), "{zone}");
    }
    // Arrow says the zone in the type of the column.
    let arrow = request(&harness).header("accept", "application/vnd.apache.arrow.stream");
    let arrow = arrow.header("zonelake-time-zone", "CET").body(Body::from("select time from probe")).unwrap();
    let stream = send(&routes, arrow).await;
    let schema = arrow::ipc::reader::StreamReader::try_new(stream.body.as_ref(), None).unwrap().schema();
    assert!(matches!(schema.field(0).data_type(), DataType::Timestamp(_, Some(zone)) if &**zone == "CET"), "{schema}");

    let path = csv(request(&harness)).header("zonelake-search-path", "system, public");
    let path =
        send(&routes, path.body(Body::from("select current_schema(), count(*) > 0 as found from queries")).unwrap())
            .await;
    assert_eq!(path.text(), "current_schema,found\nsystem,true\n");
    let late = request(&harness).header("zonelake-statement-timeout", "50");
    let endless =
        "select count(*) from generate_series(1, 1000000) a, generate_series(1, 1000000) b where a.value + b.value < 0";
    let late = send(&routes, late.body(Body::from(endless)).unwrap()).await;
    assert_eq!((late.status, late.code().as_str()), (StatusCode::GATEWAY_TIMEOUT, "time_limit"));
}

#[tokio::test]
async fn statements_mean_over_http_what_they_mean_to_postgresql() {
    let harness = harness();
    let routes = routes_of(harness.engine());
    let ask = |sql: &str| request(&harness).header("accept", "text/csv").body(Body::from(sql.to_owned())).unwrap();
    // Each with the answer of PostgreSQL 15, its names of columns too.
    for (sql, answer) in [
        ("select count(*) from probe where device = ANY('{d0,d1}'::text[])", "count\n2\n"),
        ("select count(*) from probe where device <> ALL('{d0,d1}'::text[])", "count\n0\n"),
        ("select encode('\\x00ff'::bytea, 'hex')", "encode\n00ff\n"),
        ("select unnest('{m1,m2}'::text[])", "unnest\nm1\nm2\n"),
        (
            "select to_timestamp('2026-01-02', 'YYYY-MM-DD'), 'a%' like 'a^%' escape '^', 1 + 2 || 'a', 5 # 3",
            "to_timestamp,?column?,?column?,?column?\n2026-01-02T00:00:00.000000Z,true,3a,6\n",
        ),
        ("select 1 as a, 2 as a, current_user", "a,a,current_user\n1,2,admin\n"),
        ("select max(pulses), min(pulses) from probe", "max,min\n-41,-46\n"),
    ] {
        assert_eq!(send(&routes, ask(sql)).await.text(), answer, "{sql}");
    }
    // Formats that cannot have a name twice number it.
    let lines =
        request(&harness).header("accept", "application/x-ndjson").body(Body::from("select 1 as a, 2 as a")).unwrap();
    assert_eq!(send(&routes, lines).await.text(), "{\"a\":1,\"a_2\":2}\n");
}

#[tokio::test]
async fn an_error_says_its_code_its_place_and_what_to_do() {
    let harness = harness();
    let routes = routes_of(harness.engine());
    let ask = |sql: &str| request(&harness).body(Body::from(sql.to_owned())).unwrap();
    let answer = send(&routes, ask("select pulse from probe")).await;
    let error: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert_eq!(error["message"], "column \"pulse\" does not exist");
    assert_eq!((&error["sqlstate"], &error["position"]), (&"42703".into(), &8.into()));
    assert_eq!(error["hint"], "Perhaps you meant to reference the column \"probe.pulses\".");
    let answer = send(&routes, ask("select 1 / (pulses - pulses) from probe")).await;
    let error: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!((&error["code"], &error["sqlstate"]), (&"execution".into(), &"22012".into()));
}
