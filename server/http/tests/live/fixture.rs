//! A real store whose shards the test writes to, an engine over it, and the HTTP server.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use arrow::array::{
    ArrayRef, BooleanArray, Decimal32Array, Float64Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray, UInt8Array, UInt32Array,
};
use arrow::util::display::array_value_to_string;
use axum::Router;
use futures::StreamExt;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use zonelake_http::{ClientTimes, HttpArgs, HttpServer, LiveArgs, live_routes, sql_routes, with_cors};
use zonelake_net::{Authenticator, ConnectionLimits, Listener};
use zonelake_query::{Caller, LiveTables, QueryEngine, QueryError, QueryOptions};
use zonelake_schemas::clock::Clock;
use zonelake_schemas::{GatewayId, Lane, Principal, TableDef};
use zonelake_storage::{Entry, Outcome, Rows, Shard, Store, StoreArgs, StoreOptions, Table};
use zonelake_wal::RealDisk;

pub(crate) const TABLE: &str = r#"
name = "air"
rights_by = ["note"]
[[field]]
name = "pm"
type = "double"
min = 0.0
max = 1000.0
decimals = 2
[[field]]
name = "raw"
type = "double"
[[field]]
name = "count"
type = "bigint"
[[field]]
name = "is_open"
type = "boolean"
[[field]]
name = "note"
type = "text"
[[field]]
name = "seen"
type = "timestamp"
[[field]]
name = "plate"
type = "text"
personal = "plate"
"#;

/// 2026-01-01T00:00:00Z.
pub(crate) const NEW_YEAR_US: i64 = 1_767_225_600_000_000;

#[derive(Debug, Default)]
pub(crate) struct TestClock {
    wall_us: AtomicI64,
}

impl TestClock {
    pub(crate) fn advance(&self, by: Duration) {
        self.wall_us.fetch_add(by.as_micros() as i64, Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn wall_us(&self) -> i64 {
        self.wall_us.load(Ordering::SeqCst)
    }

    fn monotonic(&self) -> Duration {
        Duration::from_micros(self.wall_us().unsigned_abs())
    }
}

/// A row: second, device key, and values of `pm` (hundredths) and `note`; the other fields follow from `pm`, and `plate` is a note that begins
/// with that word.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Row {
    pub second: i64,
    pub device: u32,
    pub quality: u8,
    pub pm: Option<i32>,
    pub note: Option<String>,
}

impl Row {
    pub(crate) fn new(second: i64, device: u32, pm: i32) -> Self {
        Self { second, device, quality: 0, pm: Some(pm), note: None }
    }

    pub(crate) fn note(second: i64, device: u32, note: &str) -> Self {
        Self { second, device, quality: 0, pm: None, note: Some(note.into()) }
    }
}

pub(crate) struct Folder {
    pub folder: TempDir,
    pub clock: Arc<TestClock>,
    pub cors_origins: Vec<String>,
    pub waiting_max: usize,
}

impl Folder {
    pub(crate) fn new() -> Self {
        let clock = Arc::new(TestClock::default());
        clock.wall_us.store(NEW_YEAR_US, Ordering::SeqCst);
        Self { folder: TempDir::new().unwrap(), clock, cors_origins: Vec::new(), waiting_max: 16 }
    }

    pub(crate) async fn open(&self) -> Running {
        let folder = self.folder.path().join("data");
        let options = StoreOptions {
            folder: folder.clone(),
            node: "node-1".into(),
            shards: 2,
            segment_bytes: 4 << 20,
            flush_bytes_max: 64 << 20,
            flush_age_max: Duration::from_secs(3_600),
            live_bytes_max: 256 << 20,
            log_bytes_max: 256 << 20,
            free_bytes_min: 0,
            parquet: Default::default(),
        };
        let clock: Arc<dyn Clock> = Arc::clone(&self.clock) as _;
        let declared = vec![TableDef::from_toml(TABLE).unwrap()];
        let args = StoreArgs { options, declared, clock, disk: Arc::new(RealDisk) };
        let (store, shards, _) = Store::open(args).await.unwrap();
        let password = store.registry().ensure_admin().unwrap();
        if store.registry().gateways().unwrap().is_empty() {
            store.registry().add_gateway("gw", "vung-ang").unwrap();
        }
        let options = QueryOptions { threads: 2, ..QueryOptions::new(folder.join("spill")) };
        let engine = Arc::new(QueryEngine::new(Arc::clone(&store), options).unwrap());
        let live = LiveTables::new(&engine);
        Running { store, shards, engine, live, password: password.unwrap_or_default(), server: None }
    }

    /// Opens it with its HTTP server.
    pub(crate) async fn serve(&self) -> Running {
        let mut running = self.open().await;
        let authenticator = Arc::new(Authenticator::new(Arc::clone(running.store.registry())));
        let args = LiveArgs {
            tables: Arc::clone(&running.live),
            authenticator: Arc::clone(&authenticator),
            waiting_max: self.waiting_max,
        };
        let routes = sql_routes(Arc::clone(&running.engine), authenticator).merge(live_routes(args));
        let routes = with_cors(routes, &self.cors_origins);
        let limits = ConnectionLimits::new(64, 64);
        let listener = Listener::bind("the test", "127.0.0.1:0".parse().unwrap(), limits).await.unwrap();
        let operations = Router::new();
        let times = ClientTimes::default();
        running.server = Some(HttpServer::start(HttpArgs { listener, tls: None, routes, operations, times }));
        running
    }
}

pub(crate) struct Running {
    pub store: Arc<Store>,
    pub shards: Vec<Shard>,
    pub engine: Arc<QueryEngine>,
    pub live: Arc<LiveTables>,
    pub password: String,
    server: Option<HttpServer>,
}

impl Running {
    pub(crate) fn table(&self) -> &Arc<Table> {
        &self.store.tables()["air"]
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.server.as_ref().unwrap().address()
    }

    /// Registers devices of a zone and returns their keys.
    pub(crate) fn devices(&self, zone: &str, names: &[&str]) -> Vec<u32> {
        let zone = self.store.registry().zone_by_code(zone).unwrap().id;
        self.store.registry().register_devices(zone, names).unwrap().iter().map(|key| key.0).collect()
    }

    /// Makes rows durable as one batch of a shard.
    pub(crate) fn append(&mut self, shard: usize, rows: &[Row]) {
        let table = self.table();
        let entry = Entry {
            sequenced: None,
            principal: Principal::Gateway(GatewayId(1)),
            lane: Lane::Live,
            table: Arc::clone(table),
            stored: Some(Rows::new(log_rows(table, rows)).unwrap()),
            rejected: None,
        };
        assert_eq!(self.shards[shard].append(&[entry]).unwrap(), [Outcome::Stored]);
    }

    /// Rows of a statement as text, each a line of its columns.
    pub(crate) async fn ask(&self, sql: &str) -> Result<Vec<String>, QueryError> {
        let caller = Caller { name: "admin".into() };
        let mut result = self.engine.execute(sql, &caller).await?;
        let mut lines = Vec::new();
        while let Some(batch) = result.stream.next().await {
            let batch = batch?;
            for row in 0..batch.num_rows() {
                let values = batch.columns().iter().map(|column| match column.is_null(row) {
                    true => "-".to_owned(),
                    false => array_value_to_string(column, row).unwrap(),
                });
                lines.push(values.collect::<Vec<_>>().join(" | "));
            }
        }
        Ok(lines)
    }

    pub(crate) async fn stop(self) {
        self.live.stop();
        if let Some(server) = self.server {
            server.stop(Duration::from_secs(5)).await;
        }
    }
}

fn log_rows(table: &Table, rows: &[Row]) -> RecordBatch {
    let schema = Arc::clone(&table.registered.schemas.log);
    let times = |of: &dyn Fn(&Row) -> Option<i64>| -> ArrayRef {
        Arc::new(rows.iter().map(of).collect::<TimestampMicrosecondArray>().with_timezone("UTC"))
    };
    let pm = || rows.iter().map(|row| row.pm);
    let notes = || rows.iter().map(|row| row.note.as_deref());
    let columns: Vec<ArrayRef> = vec![
        times(&|row| Some(NEW_YEAR_US + row.second * 1_000_000)),
        Arc::new(UInt32Array::from_iter_values(rows.iter().map(|row| row.device))),
        Arc::new(UInt8Array::from_iter_values(rows.iter().map(|row| row.quality))),
        Arc::new(BooleanArray::from(vec![false; rows.len()])),
        Arc::new(pm().collect::<Decimal32Array>().with_data_type(schema.field(4).data_type().clone())),
        Arc::new(pm().map(|pm| pm.map(|pm| f64::from(pm) / 7.0)).collect::<Float64Array>()),
        Arc::new(pm().map(|pm| pm.filter(|pm| pm % 2 == 0).map(i64::from)).collect::<Int64Array>()),
        Arc::new(pm().map(|pm| pm.filter(|pm| pm % 3 == 0).map(|pm| pm % 2 == 0)).collect::<BooleanArray>()),
        Arc::new(notes().collect::<StringArray>()),
        times(&|row| row.pm.filter(|pm| pm % 5 == 0).map(i64::from)),
        Arc::new(notes().map(|note| note.filter(|note| note.starts_with("plate"))).collect::<StringArray>()),
    ];
    RecordBatch::try_new(schema, columns).unwrap()
}

/// An answer of the server.
#[derive(Debug)]
pub(crate) struct Answer {
    pub status: u16,
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

impl Answer {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// Base64 of the standard alphabet, padded.
pub(crate) fn basic(user: &str, password: &str) -> String {
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

/// Sends a request on a connection of its own.
pub(crate) async fn send(to: SocketAddr, method: &str, path: &str, headers: &[(&str, &str)]) -> TcpStream {
    let mut stream = TcpStream::connect(to).await.unwrap();
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let request = format!("{method} {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

/// Status and headers; the body follows on the stream.
pub(crate) async fn read_head(stream: &mut TcpStream) -> (u16, BTreeMap<String, String>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap();
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let header = |line: &str| line.split_once(": ").map(|(name, value)| (name.to_owned(), value.to_owned()));
    (status, lines.filter_map(header).collect())
}

/// Sends a request and reads the whole answer.
pub(crate) async fn get(to: SocketAddr, path: &str, headers: &[(&str, &str)]) -> Answer {
    let mut stream = send(to, "GET", path, headers).await;
    let (status, headers) = read_head(&mut stream).await;
    let mut body = Vec::new();
    stream.read_to_end(&mut body).await.unwrap();
    Answer { status, headers, body }
}
