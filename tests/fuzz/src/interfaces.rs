//! What clients send over HTTP, Flight and PostgreSQL's protocol, through the routes and sessions that a server has. Nothing is stored:
//! a sink checks what would be.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arrow_flight::{Action, FlightData, FlightDescriptor, Ticket};
use async_trait::async_trait;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::Request;
use bytes::Bytes;
use futures::stream;
use prost::Message;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt, split};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Semaphore;
use tower::ServiceExt;
use zonelake_flight::flight_route;
use zonelake_http::write_routes;
use zonelake_ingest::{
    DecodeLimits, DecodePool, DecodedBatch, GatewayQuota, IngestMetrics, WriteError, WriteSink, WriteState, Written,
};
use zonelake_net::Authenticator;
use zonelake_postgres::serve_session;
use zonelake_query::QueryEngine;
use zonelake_registry::{Gateway, RegisteredTable, Registry};
use zonelake_schemas::TableDef;
use zonelake_schemas::reject::{REJECTED, rejected_table};
use zonelake_storage::RequestKey;

use crate::payloads::{StoppedClock, TABLE};
use crate::sql::engine_over;

/// Sends a request to write lines: which one (one byte), and its body as it crosses the network.
pub fn http_write(input: &[u8]) {
    let Some((which, body)) = input.split_first() else { return };
    let server = Server::get();
    let path = match which >> 2 & 3 {
        0 => "/api/v2/write",
        1 => "/api/v2/write?precision=s",
        2 => "/write?db=x&precision=m",
        _ => "/write",
    };
    let mut request = Request::post(path).header("authorization", format!("Token {}", server.token));
    if which & 1 == 1 {
        request = request.header("content-encoding", "gzip");
    }
    if which & 2 == 2 {
        request = request.header("idempotency-key", format!("k{}", body.len()));
    }
    // In two pieces, as a network cuts it.
    let middle = body.len() / 2;
    let pieces = [&body[..middle], &body[middle..]].map(|piece| Ok::<_, Infallible>(Bytes::copy_from_slice(piece)));
    let request = request.body(Body::from_stream(stream::iter(pieces))).expect("a request");
    server.answer(&server.write, request);
}

/// Makes a call of Flight: which one (one byte), and its messages: length (u16, little-endian), form (one byte), bytes.
pub fn flight(input: &[u8]) {
    let Some((which, mut rest)) = input.split_first() else { return };
    let server = Server::get();
    let (call, is_put) = CALLS[usize::from(*which) % CALLS.len()];
    let credential = if is_put { &server.token } else { &server.reader };
    let mut body = Vec::new();
    while let [low, high, form, behind @ ..] = rest {
        let length = usize::from(u16::from_le_bytes([*low, *high])).min(behind.len());
        let (bytes, next) = behind.split_at(length);
        let message = flight_message(call, *form, bytes);
        // The prefix of gRPC: not compressed, and the length.
        body.push(0);
        body.extend(u32::try_from(message.len()).expect("short").to_be_bytes());
        body.extend(message);
        rest = next;
    }
    // What is left stands for a message that is cut off, or for no message at all.
    body.extend(rest);
    let request = Request::post(format!("/arrow.flight.protocol.FlightService/{call}"))
        .header("authorization", format!("Bearer {credential}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(Body::from(body))
        .expect("a request");
    server.answer(&server.flight, request);
}

/// Speaks to the session of a client that is authenticated, until all is said.
pub fn postgres(input: &[u8]) {
    let server = Server::get();
    let (near, far) = tokio::io::duplex(64 << 10);
    let session = serve_session(Arc::clone(&server.engine), "admin", far, MESSAGE_BYTES_MAX);
    let (mut answers, mut messages) = split(near);
    let client = async {
        let say = async {
            // The server may end the session first.
            messages.write_all(input).await.ok();
            messages.shutdown().await.ok();
        };
        let mut heard = Vec::new();
        let (read, ()) = tokio::join!(answers.read_to_end(&mut heard), say);
        read.expect("a pipe in memory");
        heard
    };
    let both = async { tokio::join!(session, client) };
    let ((), heard) = server.runtime.block_on(both);
    check_answers(&heard);
}

/// Each answer is a whole message: a letter, a length, and as many bytes.
fn check_answers(mut heard: &[u8]) {
    while let [kind, a, b, c, d, rest @ ..] = heard {
        assert!(kind.is_ascii_alphanumeric(), "a message of kind {kind}");
        let length = u32::from_be_bytes([*a, *b, *c, *d]) as usize;
        assert!(
            (4..=rest.len() + 4).contains(&length),
            "a message of length {length}, and {} bytes follow",
            rest.len()
        );
        heard = &rest[length - 4..];
    }
    assert!(heard.is_empty(), "{} bytes are no message", heard.len());
}

/// Calls of Flight, each with whether it is a gateway's.
const CALLS: [(&str, bool); 9] = [
    ("DoPut", true),
    ("GetFlightInfo", false),
    ("DoGet", false),
    ("DoAction", false),
    ("GetSchema", false),
    ("DoPut", false),
    ("DoExchange", false),
    ("ListFlights", false),
    ("Handshake", false),
];

/// Types of commands, by which the bytes of an `Any` are understood.
const COMMANDS: [&str; 12] = [
    "CommandStatementQuery",
    "CommandStatementIngest",
    "CommandPreparedStatementQuery",
    "ActionCreatePreparedStatementRequest",
    "ActionClosePreparedStatementRequest",
    "TicketStatementQuery",
    "CommandGetTables",
    "CommandGetDbSchemas",
    "CommandGetSqlInfo",
    "CommandGetXdbcTypeInfo",
    "CommandStatementUpdate",
    "CommandGetCatalogs",
];

/// The protobuf `Any`, whose type arrow-flight has under another name.
#[derive(Clone, PartialEq, Message)]
struct Any {
    #[prost(string, tag = "1")]
    type_url: String,
    #[prost(bytes = "bytes", tag = "2")]
    value: Bytes,
}

/// A message of a call. With form 0 the bytes are the message; else they are a command, or a piece of Arrow.
fn flight_message(call: &str, form: u8, bytes: &[u8]) -> Vec<u8> {
    let command = || {
        let name = COMMANDS[usize::from(form - 1) % COMMANDS.len()];
        let type_url = format!("type.googleapis.com/arrow.flight.protocol.sql.{name}");
        Any { type_url, value: Bytes::copy_from_slice(bytes) }.encode_to_vec()
    };
    match (call, form) {
        (_, 0) => bytes.to_vec(),
        ("DoPut" | "DoExchange", 100..) => {
            // Header and body of an Arrow message: the form says where one ends.
            let (header, body) = bytes.split_at(bytes.len() * usize::from(form - 100) / 156);
            FlightData {
                data_header: Bytes::copy_from_slice(header),
                data_body: Bytes::copy_from_slice(body),
                ..FlightData::default()
            }
            .encode_to_vec()
        }
        ("DoPut" | "DoExchange", _) => {
            let flight_descriptor = Some(FlightDescriptor::new_cmd(command()));
            FlightData { flight_descriptor, ..FlightData::default() }.encode_to_vec()
        }
        ("DoGet", _) => Ticket::new(command()).encode_to_vec(),
        ("DoAction", _) => {
            let kind = if form.is_multiple_of(2) { "CreatePreparedStatement" } else { "ClosePreparedStatement" };
            Action::new(kind, command()).encode_to_vec()
        }
        _ => FlightDescriptor::new_cmd(command()).encode_to_vec(),
    }
}

/// What a server has in front of its store.
struct Server {
    runtime: Runtime,
    engine: Arc<QueryEngine>,
    write: Router,
    flight: Router,
    token: String,
    /// Token of a role's calls.
    reader: String,
    _folder: TempDir,
}

impl Server {
    fn get() -> &'static Self {
        static SERVER: OnceLock<Server> = OnceLock::new();
        SERVER.get_or_init(Self::new)
    }

    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let registry = Registry::open(&folder.path().join("registry.sqlite"), Arc::new(StoppedClock));
        let registry = Arc::new(registry.expect("a registry can be made"));
        let password = registry.ensure_admin().expect("there can be an administrator").expect("it is new");
        let token = registry.add_gateway("g", "vung-ang").expect("a gateway can be added").token;
        let declared = [TableDef::from_toml(TABLE).expect("the declaration is good"), rejected_table()];
        let tables = registry.register_tables(&declared).expect("tables can be made");
        let engine = Arc::new(engine_over(&registry, &tables, folder.path(), STATEMENT_TIME_MAX));
        let write = Arc::new(write_state(&registry, &tables));
        let authenticator = Arc::new(Authenticator::new(Arc::clone(&registry)));
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime can be made");
        let flight = flight_route(Arc::clone(&engine), Arc::clone(&write), Arc::clone(&authenticator));
        let write = write_routes(write, authenticator);
        let reader = runtime.block_on(handshake(flight.clone(), &password));
        Self { runtime, engine, write, flight, token, reader, _folder: folder }
    }

    /// Asks a router, reads the whole answer, and checks that it is no fault of the server.
    fn answer(&self, router: &Router, request: Request<Body>) {
        let status = self.runtime.block_on(async {
            let answer = router.clone().oneshot(request).await.unwrap_or_else(|never| match never {});
            let status = answer.status().as_u16();
            // A stream that breaks off is an error that the client sees.
            to_bytes(answer.into_body(), usize::MAX).await.ok();
            status
        });
        assert!(status < 500 || status == 503, "status {status}");
    }
}

/// The token that a role gets for its password.
async fn handshake(flight: Router, password: &str) -> String {
    let encoded = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, format!("admin:{password}"));
    let request = Request::post("/arrow.flight.protocol.FlightService/Handshake")
        .header("authorization", format!("Basic {encoded}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(Body::empty())
        .expect("a request");
    let answer = flight.oneshot(request).await.unwrap_or_else(|never| match never {});
    let token = answer.headers().get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
    token.strip_prefix("Bearer ").expect("the password is right").to_owned()
}

fn write_state(registry: &Arc<Registry>, tables: &[Arc<RegisteredTable>]) -> WriteState {
    let by_name: BTreeMap<_, _> = tables.iter().map(|table| (table.def.name.clone(), Arc::clone(table))).collect();
    let rejected = Arc::clone(&by_name[REJECTED]);
    let metrics = Arc::new(IngestMetrics::new(&mut prometheus_client::registry::Registry::default()));
    let limits = DecodeLimits {
        frame_bytes_max: 1 << 20,
        decompressed_bytes_max: 1 << 20,
        batch_rows_max: 4_096,
        // Inputs must not fill the registry.
        new_devices_per_hour_max: 16,
        dictionary_bytes_max: 1 << 20,
        rejected_bytes_max: 1 << 20,
        body_timeout: Duration::from_secs(2),
        ..DecodeLimits::default()
    };
    WriteState {
        registry: Arc::clone(registry),
        tables: Arc::new(by_name),
        rejected,
        sink: Arc::new(CheckingSink),
        clock: Arc::new(StoppedClock),
        limits,
        body_budget: Arc::new(Semaphore::new(64 << 10)),
        gateway_quota: GatewayQuota::new(64 << 20, 1 << 20),
        decoders: Arc::new(DecodePool::start(Arc::new(StoppedClock), metrics).expect("threads can be started")),
    }
}

/// Stores nothing, and checks that it could.
#[derive(Debug)]
struct CheckingSink;

#[async_trait]
impl WriteSink for CheckingSink {
    fn check_free_space(&self) -> Result<(), WriteError> {
        Ok(())
    }

    async fn write(
        &self,
        _gateway: &Arc<Gateway>,
        table: &Arc<RegisteredTable>,
        decoded: DecodedBatch,
    ) -> Result<(), WriteError> {
        check(table, &decoded);
        Ok(())
    }

    async fn write_once(
        &self,
        _request: RequestKey,
        lines: Vec<(Arc<RegisteredTable>, DecodedBatch)>,
    ) -> Result<Written, WriteError> {
        lines.iter().for_each(|(table, decoded)| check(table, decoded));
        Ok(Written::Now)
    }
}

/// Rows are in the schema of their table, as many as their count says.
fn check(table: &RegisteredTable, decoded: &DecodedBatch) {
    let rows = decoded.stored.as_ref().map_or(0, |stored| stored.num_rows());
    assert_eq!(rows as u64, decoded.rows);
    if let Some(stored) = &decoded.stored {
        assert_eq!(stored.schema(), table.schemas.log);
    }
}

/// Longest message of the PostgreSQL protocol here.
const MESSAGE_BYTES_MAX: usize = 1 << 20;
/// Time that a statement may take here, under the fuzzer's instruments.
const STATEMENT_TIME_MAX: Duration = Duration::from_millis(500);
