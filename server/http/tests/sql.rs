//! SQL over HTTP: formats, statuses, rights.
#![expect(clippy::unwrap_used, clippy::cast_possible_truncation, reason = "tests stop at what they do not expect")]

#[path = "../../../query/tests/sql/harness.rs"]
#[expect(dead_code, reason = "the tests of the engine need more of it")]
mod harness;

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
use zonelake_http::sql_routes;
use zonelake_net::Authenticator;
use zonelake_query::{QueryEngine, QueryErrorCode, QueryOptions};
use zonelake_registry::RoleLimits;

use crate::harness::{Harness, NEW_YEAR_US, ProbeRow, probe_batch};

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
