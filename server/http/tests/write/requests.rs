//! The write endpoints over real connections on the loopback.

use std::collections::{BTreeMap, HashMap};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use tokio::sync::Semaphore;
use zonelake_http::write_routes;
use zonelake_ingest::{
    DecodeLimits, DecodePool, DecodedBatch, GatewayQuota, IngestMetrics, WriteError, WriteSink, WriteState, Written,
};
use zonelake_net::Authenticator;
use zonelake_registry::{Gateway, RegisteredTable};
use zonelake_storage::RequestKey;

use crate::fixture::{Fixture, StoppedClock, column_text};

/// Keeps what is written, or fails as it is told.
#[derive(Debug, Default, Clone)]
pub(crate) struct Kept {
    written: Arc<Mutex<Vec<(String, DecodedBatch)>>>,
    error: Arc<Mutex<Option<WriteError>>>,
    /// What is under a key is too large for one step.
    pub(crate) is_step_small: Arc<std::sync::atomic::AtomicBool>,
    keys: Arc<Mutex<HashMap<u128, u64>>>,
}

#[async_trait::async_trait]
impl WriteSink for Kept {
    async fn write(
        &self,
        _: &Arc<Gateway>,
        table: &Arc<RegisteredTable>,
        decoded: DecodedBatch,
    ) -> Result<(), WriteError> {
        if let Some(error) = self.error.lock().unwrap().clone() {
            return Err(error);
        }
        self.keep(table, decoded);
        Ok(())
    }

    fn check_free_space(&self) -> Result<(), WriteError> {
        self.error.lock().unwrap().clone().map_or(Ok(()), Err)
    }

    async fn write_once(
        &self,
        request: RequestKey,
        lines: Vec<(Arc<RegisteredTable>, DecodedBatch)>,
    ) -> Result<Written, WriteError> {
        if let Some(error) = self.error.lock().unwrap().clone() {
            return Err(error);
        }
        if self.is_step_small.load(std::sync::atomic::Ordering::Relaxed) {
            return Err(WriteError::TooLarge("too large for one step".into()));
        }
        if let Some(known) = self.keys.lock().unwrap().insert(request.key, request.digest) {
            return if known == request.digest { Ok(Written::Before) } else { Err(WriteError::OtherContent) };
        }
        lines.into_iter().for_each(|(table, decoded)| self.keep(&table, decoded));
        Ok(Written::Now)
    }
}

impl Kept {
    /// Batches under a key are kept as any others; the shard's part of it is tested where the shards are.
    fn keep(&self, table: &Arc<RegisteredTable>, decoded: DecodedBatch) {
        self.written.lock().unwrap().push((table.def.name.clone(), decoded));
    }

    pub(crate) fn take(&self) -> Vec<(String, DecodedBatch)> {
        std::mem::take(&mut *self.written.lock().unwrap())
    }
}

pub(crate) struct Server {
    pub(crate) fixture: Fixture,
    pub(crate) kept: Kept,
    pub(crate) address: SocketAddr,
    /// Bounds that all requests share.
    pub(crate) state: Arc<WriteState>,
    _runtime: tokio::runtime::Runtime,
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: String,
    pub(crate) body: String,
}

impl Server {
    pub(crate) fn new(limits: DecodeLimits) -> Self {
        Self::bounded(limits, 64 << 20)
    }

    /// A server whose requests may hold so many bytes, all of them together and those of one gateway alike.
    pub(crate) fn bounded(limits: DecodeLimits, bytes: usize) -> Self {
        let fixture = Fixture::new();
        let kept = Kept::default();
        let metrics = IngestMetrics::new(&mut prometheus_client::registry::Registry::default());
        let tables = [&fixture.table, &fixture.other, &fixture.rejected];
        let state = WriteState {
            registry: Arc::clone(&fixture.registry),
            tables: Arc::new(
                tables.map(|table| (table.def.name.clone(), Arc::clone(table))).into_iter().collect::<BTreeMap<_, _>>(),
            ),
            rejected: Arc::clone(&fixture.rejected),
            sink: Arc::new(kept.clone()),
            clock: Arc::new(StoppedClock),
            limits,
            body_budget: Arc::new(Semaphore::new(bytes >> 10)),
            gateway_quota: GatewayQuota::new(2 * bytes as u64, 1 << 20),
            decoders: Arc::new(DecodePool::start(Arc::new(StoppedClock), Arc::new(metrics)).unwrap()),
        };
        let state = Arc::new(state);
        let routes = {
            let authenticator = Arc::new(Authenticator::new(Arc::clone(&fixture.registry)));
            write_routes(Arc::clone(&state), authenticator)
        };
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        runtime.spawn(async move { axum::serve(listener, routes).await });
        Self { fixture, kept, address, state, _runtime: runtime }
    }

    pub(crate) fn request(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let mut request =
            format!("{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n", body.len());
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        request.push_str("\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        // A server that refuses by the headers may close before it has read the body.
        let sent = stream.write_all(body);
        let mut answer = Vec::new();
        let read = stream.read_to_end(&mut answer);
        assert!(!answer.is_empty(), "no answer: {sent:?} {read:?}");
        let answer = String::from_utf8(answer).unwrap();
        let (headers, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = headers.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, headers: headers.to_lowercase(), body: body.to_owned() }
    }

    pub(crate) fn write(&self, path: &str, body: &str) -> Answer {
        let authorization = format!("Token {}", self.fixture.token);
        self.request("POST", path, &[("Authorization", &authorization)], body.as_bytes())
    }
}

fn json(answer: &Answer) -> serde_json::Value {
    serde_json::from_str(&answer.body).unwrap()
}

#[test]
fn lines_of_many_tables_are_stored_each_in_its_own() {
    let server = Server::new(DecodeLimits::default());
    let answer = server.write(
        "/api/v2/write?org=o&bucket=b&precision=s",
        "t,device=a pm=1.5 1735689600\nother,device=a v=1 1735689599\nt,device=b pm=2 \n",
    );
    assert_eq!((answer.status, answer.body.as_str()), (204, ""));
    assert!(!answer.headers.contains("x-zonelake-rejected"), "{}", answer.headers);
    let written = server.kept.take();
    assert_eq!(
        written.iter().map(|(table, decoded)| (table.as_str(), decoded.rows)).collect::<Vec<_>>(),
        [("other", 1), ("t", 2)]
    );
    assert_eq!(server.fixture.stored(&written[1].1, "pm"), ["1.50", "2.00"]);
    assert_eq!(
        column_text(written[1].1.stored.as_ref().unwrap(), "time"),
        ["2025-01-01T00:00:00Z", "2025-01-01T00:00:00Z"]
    );
}

#[test]
fn tokens_are_taken_in_every_usual_form_and_nothing_goes_without_one() {
    let server = Server::new(DecodeLimits::default());
    let token = server.fixture.token.clone();
    let line = b"t,device=a pm=1\n";
    for header in [format!("Token {token}"), format!("Bearer {token}"), format!("token user:{token}")] {
        assert_eq!(
            server.request("POST", "/api/v2/write", &[("Authorization", &header)], line).status,
            204,
            "{header}"
        );
    }
    assert_eq!(server.request("POST", &format!("/write?db=x&u=me&p={token}"), &[], line).status, 204);
    assert_eq!(server.kept.take().len(), 4);
    for headers in [vec![], vec![("Authorization", "Token zl_wrong")], vec![("Authorization", "Basic !!")]] {
        let answer = server.request("POST", "/api/v2/write", &headers, line);
        assert_eq!(answer.status, 401);
        assert_eq!(json(&answer)["code"], "unauthorized");
    }
    let answer = server.request("POST", "/write?u=me&p=wrong", &[], line);
    assert_eq!(answer.status, 401);
    assert!(json(&answer)["error"].is_string());
    assert!(server.kept.take().is_empty());
}

#[test]
fn a_partial_write_stores_the_good_lines_and_names_the_others() {
    let server = Server::new(DecodeLimits { line_errors_max: 2, ..DecodeLimits::default() });
    let lines = "t,device=a pm=1\nt,device=a nothing=1\n# comment\nunknown,device=a v=1\nt,device=a pm=oops\nrejected,device=a message=\"m\"\nt,device=a pm=2\n";
    let answer = server.write("/api/v2/write?bucket=b", lines);
    assert_eq!(answer.status, 400);
    let (code, message) = (json(&answer)["code"].clone(), json(&answer)["message"].as_str().unwrap().to_owned());
    assert_eq!(code, "invalid");
    assert!(message.starts_with("partial write: line 2: table t has no column \"nothing\""), "{message}");
    assert!(
        message.contains("line 4: there is no table \"unknown\"") && message.ends_with("and 2 more lines"),
        "{message}"
    );
    assert_eq!(server.fixture.stored(&server.kept.take()[0].1, "pm"), ["1.00", "2.00"]);

    let answer = server.write("/write?db=b", lines);
    assert_eq!(answer.status, 400);
    let error = json(&answer)["error"].as_str().unwrap().to_owned();
    assert!(error.starts_with("partial write: line 2:") && error.ends_with("dropped=4"), "{error}");
    server.kept.take();

    let answer = server.write("/api/v2/write", "nonsense\n");
    assert_eq!(answer.status, 400);
    assert!(
        json(&answer)["message"].as_str().unwrap().starts_with("nothing written: line 1: no field"),
        "{}",
        answer.body
    );
    assert!(server.kept.take().is_empty());
}

#[test]
fn rejected_rows_and_readings_are_no_faulty_lines_but_are_counted() {
    let server = Server::new(DecodeLimits::default());
    let answer = server.write("/api/v2/write", "t,device=a pm=NaN,ratio=7\nt pm=1\nt,device=a pm=1\n");
    assert_eq!(answer.status, 204);
    assert!(answer.headers.contains("x-zonelake-rejected: 3"), "{}", answer.headers);
    let written = server.kept.take();
    let rejected = written[0].1.rejected.as_ref().unwrap();
    assert_eq!(column_text(rejected, "reason"), ["bad_device", "not_finite", "out_of_range"]);
    assert_eq!(column_text(rejected, "batch"), ["-", "-", "-"]);
    assert_eq!(column_text(rejected, "producer"), ["http", "http", "http"]);
}

#[test]
fn precisions_of_both_versions_are_understood() {
    let server = Server::new(DecodeLimits::default());
    // Each request is of another device: lines that were sent before are not stored again.
    for (device, (path, timestamp)) in [
        ("/api/v2/write", "1735689600000000000"),
        ("/api/v2/write?precision=us", "1735689600000000"),
        ("/api/v2/write?precision=ms", "1735689600000"),
        ("/write?precision=n", "1735689600000000000"),
        ("/write?precision=u", "1735689600000000"),
        ("/write?precision=s", "1735689600"),
        ("/write?precision=m", "28928160"),
        ("/write?precision=h", "482136"),
    ]
    .into_iter()
    .enumerate()
    {
        assert_eq!(server.write(path, &format!("t,device=d{device} pm=1 {timestamp}\n")).status, 204, "{path}");
        let written = server.kept.take();
        assert_eq!(column_text(written[0].1.stored.as_ref().unwrap(), "time"), ["2025-01-01T00:00:00Z"], "{path}");
    }
    assert_eq!(server.write("/api/v2/write?precision=h", "t,device=a pm=1\n").status, 400);
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn gzip_is_read_within_its_limit() {
    let server = Server::new(DecodeLimits { decompressed_bytes_max: 3 << 20, ..DecodeLimits::default() });
    let authorization = format!("Token {}", server.fixture.token);
    let write = |encoding: &str, body: &[u8]| {
        server.request(
            "POST",
            "/api/v2/write",
            &[("Authorization", &authorization), ("Content-Encoding", encoding)],
            body,
        )
    };
    assert_eq!(write("gzip", &gzip(b"t,device=a pm=1\n")).status, 204);
    assert_eq!(server.kept.take()[0].1.rows, 1);
    // Over one step of decompression, below the limit.
    let comment = format!("#{}\nt,device=a pm=1\n", "x".repeat(2 << 20));
    assert_eq!(write("gzip", &gzip(comment.as_bytes())).status, 204);
    assert_eq!(server.kept.take()[0].1.rows, 1);
    assert_eq!(write("gzip", &gzip(&vec![b'\n'; 8 << 20])).status, 413);
    assert_eq!(write("gzip", b"not gzip").status, 400);
    assert_eq!(write("br", b"x").status, 415);
}

#[test]
fn bodies_over_the_limit_are_refused_before_they_are_read() {
    let server = Server::new(DecodeLimits { frame_bytes_max: 1_000, ..DecodeLimits::default() });
    assert_eq!(server.write("/api/v2/write", &"#".repeat(1_001)).status, 413);
    assert_eq!(server.write("/api/v2/write", &"#".repeat(1_000)).status, 204);
}

#[test]
fn a_request_of_more_rows_than_a_batch_is_cut_into_batches() {
    let server = Server::new(DecodeLimits { batch_rows_max: 2, ..DecodeLimits::default() });
    assert_eq!(server.write("/api/v2/write", &"t,device=a pm=1\n".repeat(5)).status, 204);
    let rows: Vec<_> = server.kept.take().iter().map(|(_, decoded)| decoded.rows).collect();
    assert_eq!(rows, [2, 2, 1]);
}

#[test]
fn a_store_that_cannot_write_is_answered_with_when_to_try_again() {
    let server = Server::new(DecodeLimits::default());
    let error = WriteError::Unavailable { message: "the disk is full".into(), retry_after: Duration::from_secs(7) };
    *server.kept.error.lock().unwrap() = Some(error);
    let answer = server.write("/api/v2/write", "t,device=a pm=1\n");
    assert_eq!(answer.status, 503);
    assert!(answer.headers.contains("retry-after: 7"), "{}", answer.headers);
    assert!(json(&answer)["message"].as_str().unwrap().contains("the disk is full"));
}

#[test]
fn a_key_makes_a_repeated_request_an_answer_and_another_content_under_it_another_request() {
    let server = Server::new(DecodeLimits::default());
    let authorization = format!("Token {}", server.fixture.token);
    let write = |key: &str, path: &str, encoding: &str, body: &[u8]| {
        let headers = [("Authorization", &*authorization), ("Idempotency-Key", key), ("Content-Encoding", encoding)];
        server.request("POST", path, &headers, body)
    };
    let (path, lines) = ("/api/v2/write?precision=s", b"t,device=a pm=1 1735689600\nother,device=a v=1 1735689600\n");
    let first = write("\"k1\"", path, "identity", lines);
    assert_eq!(first.status, 204, "{}", first.body);
    assert!(!first.headers.contains("idempotency-replayed"), "{}", first.headers);
    assert_eq!(server.kept.take().len(), 2);
    for (encoding, body) in [("identity", lines.to_vec()), ("gzip", gzip(lines))] {
        let again = write("k1", path, encoding, &body);
        assert_eq!(again.status, 204, "{}", again.body);
        assert!(again.headers.contains("idempotency-replayed: true"), "{}", again.headers);
    }
    assert_eq!(write("not a key", path, "identity", lines).status, 400);
    assert!(server.kept.take().is_empty());
    // A header that never changes is all that some clients can set.
    let other = write("k1", path, "identity", b"t,device=a pm=2 1735689600\n");
    assert_eq!((other.status, server.kept.take().len()), (204, 1), "{}", other.body);
    assert_eq!(write("k1", "/api/v2/write?precision=ms", "identity", lines).status, 204);
    assert_eq!(server.kept.take().len(), 2);

    // A request that is stored in part gives the same answer again, and is not stored again.
    let partial = b"t,device=a pm=1\nt,device=a pm=oops\n";
    assert_eq!(write("k2", path, "identity", partial).status, 400);
    assert_eq!(server.kept.take().len(), 1);
    let again = write("k2", path, "identity", partial);
    assert_eq!(again.status, 400);
    assert!(again.body.contains("partial write: line 2"), "{}", again.body);
    assert!(server.kept.take().is_empty());
}

#[test]
fn a_body_that_is_slow_is_refused_in_time() {
    let server = Server::new(DecodeLimits { body_timeout: Duration::from_millis(200), ..DecodeLimits::default() });
    let mut stream = TcpStream::connect(server.address).unwrap();
    let head = format!(
        "POST /api/v2/write HTTP/1.1\r\nHost: x\r\nAuthorization: Token {}\r\nContent-Length: 100\r\n\r\nt,dev",
        server.fixture.token
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 408");
    assert!(server.kept.take().is_empty());
}

#[test]
fn clients_that_ping_are_content() {
    let server = Server::new(DecodeLimits::default());
    for path in ["/ping", "/api/v2/ping"] {
        for method in ["GET", "HEAD"] {
            let answer = server.request(method, path, &[], b"");
            assert_eq!(answer.status, 204, "{method} {path}");
            assert!(answer.headers.contains("x-influxdb-version"), "{}", answer.headers);
        }
    }
}
