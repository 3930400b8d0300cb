//! The client against a small server over real QUIC on the loopback interface. The server keeps what it is sent, and
//! breaks the link where a test says so.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use prost::Message;
use quinn::crypto::rustls::QuicServerConfig;
use quinn::{Endpoint, RecvStream, SendStream, VarInt};
use zonelake_gateway::BackoffPolicy;
use zonelake_push::{Mapping, NoProgress, PushInput, PushOptions, push};
use zonelake_gateway::{
    Acked, ArrowEncoder, BatchStream, Compression, ConnectError, Connection, ConnectionOptions, StreamError,
    StreamObserver, StreamOptions, Trust, line_block,
};
use zonelake_schemas::error::ErrorKind;
use zonelake_schemas::wire::ALPN;
use zonelake_schemas::wire::control::{Ack, Encoding, Open, Opened, Refused, RefusedCode};
use zonelake_schemas::wire::frame::{FrameHeader, FrameKind, HEADER_BYTES, control_frame, split_batch};
use zonelake_schemas::{BatchNumber, TableDef, TableSchemas};

const TOKEN: &str = "zl_test";
const TABLE: &str = "name = \"energy\"\n[[field]]\nname = \"active_energy\"\ntype = \"double\"\ndecimals = 3";

/// What the server has of one producer.
#[derive(Debug, Default, Clone)]
struct Stored {
    payloads: Vec<Bytes>,
    /// What was in force for each payload.
    preludes: Vec<Vec<Bytes>>,
}

#[derive(Debug, Default)]
struct Book {
    stored: Mutex<HashMap<String, Stored>>,
    /// After so many batches in all, the connection is closed without acknowledging; 0: never.
    cut_after: AtomicU64,
    batches: AtomicU64,
    opened: AtomicU64,
    /// Refusals that are given to the next opened streams, right after their first batch.
    refusals: Mutex<Vec<RefusedCode>>,
}

struct TestServer {
    endpoint: Endpoint,
    book: Arc<Book>,
    address: SocketAddr,
    folder: tempfile::TempDir,
    certified: Arc<rcgen::CertifiedKey<rcgen::KeyPair>>,
}

impl TestServer {
    fn start() -> Self {
        let certified = Arc::new(rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap());
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("server.pem"), certified.cert.pem()).unwrap();
        let endpoint = bind(&certified, SocketAddr::from(([127, 0, 0, 1], 0)), ALPN);
        let address = endpoint.local_addr().unwrap();
        let book = Arc::new(Book::default());
        tokio::spawn(serve(endpoint.clone(), book.clone()));
        Self { endpoint, book, address, folder, certified }
    }

    /// Stops without a word, as a crash does, and starts again with what was stored.
    async fn restart(&mut self) {
        self.endpoint.close(VarInt::from_u32(2), b"stops");
        self.endpoint.wait_idle().await;
        let replaced = Endpoint::client(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        drop(std::mem::replace(&mut self.endpoint, replaced));
        self.endpoint = loop {
            let socket = std::net::UdpSocket::bind(self.address);
            if let Ok(socket) = socket {
                drop(socket);
                break bind(&self.certified, self.address, ALPN);
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        };
        tokio::spawn(serve(self.endpoint.clone(), self.book.clone()));
    }

    fn certificate(&self) -> PathBuf {
        self.folder.path().join("server.pem")
    }

    fn connection(&self) -> Arc<Connection> {
        let trust = Trust::CertificateFile(self.certificate());
        Connection::new(ConnectionOptions::new(self.address.to_string(), trust)).unwrap()
    }

    fn stored(&self, producer: &str) -> Stored {
        self.book.stored.lock().unwrap().get(producer).cloned().unwrap_or_default()
    }
}

fn bind(certified: &rcgen::CertifiedKey<rcgen::KeyPair>, address: SocketAddr, alpn: &[u8]) -> Endpoint {
    let key = rustls::pki_types::PrivateKeyDer::try_from(certified.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut tls = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.der().clone()], key)
        .unwrap();
    tls.alpn_protocols = vec![alpn.to_vec()];
    let crypto = QuicServerConfig::try_from(tls).unwrap();
    Endpoint::server(quinn::ServerConfig::with_crypto(Arc::new(crypto)), address).unwrap()
}

async fn serve(endpoint: Endpoint, book: Arc<Book>) {
    while let Some(incoming) = endpoint.accept().await {
        let book = book.clone();
        tokio::spawn(async move {
            let Ok(connection) = incoming.await else { return };
            while let Ok((send, recv)) = connection.accept_bi().await {
                let (book, connection) = (book.clone(), connection.clone());
                tokio::spawn(async move { serve_stream(send, recv, &book, &connection).await });
            }
        });
    }
}

async fn serve_stream(mut send: SendStream, mut recv: RecvStream, book: &Book, connection: &quinn::Connection) {
    let Some((FrameKind::Open, body)) = read_frame(&mut recv).await else { return };
    let open = Open::decode(body).unwrap();
    if open.token != TOKEN {
        return refuse(&mut send, RefusedCode::Token, 0).await;
    }
    book.opened.fetch_add(1, Ordering::SeqCst);
    let last_number = book.stored.lock().unwrap().entry(open.producer.clone()).or_default().payloads.len() as u64;
    let wire = TableSchemas::new(&TableDef::from_toml(TABLE).unwrap()).wire;
    let schema = ArrowEncoder::new(&wire, Compression::None).unwrap();
    let opened = Opened {
        last_number,
        frame_bytes_max: 1 << 20,
        batch_rows_max: 10_000,
        unacked_bytes_max: 4 << 10,
        schema: schema_message(schema),
        ..Opened::default()
    };
    if send.write_all(&control_frame(FrameKind::Opened, &opened)).await.is_err() {
        return;
    }
    let mut in_force = BTreeMap::new();
    while let Some((kind, body)) = read_frame(&mut recv).await {
        if kind != FrameKind::Batch {
            in_force.insert(kind as u8, body);
            continue;
        }
        let refusal = book.refusals.lock().unwrap().pop();
        if let Some(code) = refusal {
            return refuse(&mut send, code, 20).await;
        }
        let number = {
            let mut stored = book.stored.lock().unwrap();
            let stored = stored.get_mut(&open.producer).unwrap();
            let (number, payload) = split_batch(&body).unwrap();
            assert_eq!(number.0, stored.payloads.len() as u64 + 1, "batches come in their order, each once");
            stored.payloads.push(body.slice(body.len() - payload.len()..));
            stored.preludes.push(in_force.values().cloned().collect());
            number
        };
        if book.batches.fetch_add(1, Ordering::SeqCst) + 1 == book.cut_after.load(Ordering::SeqCst) {
            return connection.close(VarInt::from_u32(0), b"cut by the test");
        }
        let ack = Ack { number: number.0, rows: 1, readings: 1, ..Ack::default() };
        if send.write_all(&control_frame(FrameKind::Ack, &ack)).await.is_err() {
            return;
        }
    }
    send.finish().ok();
    send.stopped().await.ok();
}

fn schema_message(mut encoder: ArrowEncoder) -> Bytes {
    let empty = arrow::array::RecordBatch::new_empty(encoder.schema().clone());
    encoder.encode(&empty).unwrap().prelude.schema().unwrap().clone()
}

async fn refuse(send: &mut SendStream, code: RefusedCode, retry_after_ms: u32) {
    let refused =
        Refused { code: code as i32, message: format!("{code:?} by the test"), retry_after_ms, ..Refused::default() };
    send.write_all(&control_frame(FrameKind::Refused, &refused)).await.ok();
    send.finish().ok();
    send.stopped().await.ok();
}

async fn read_frame(recv: &mut RecvStream) -> Option<(FrameKind, Bytes)> {
    let mut header = [0; HEADER_BYTES];
    recv.read_exact(&mut header).await.ok()?;
    let header = FrameHeader::decode(header, 1 << 20).unwrap();
    let mut body = vec![0; header.body_bytes];
    recv.read_exact(&mut body).await.ok()?;
    Some((header.kind, body.into()))
}

fn options(producer: &str) -> StreamOptions {
    StreamOptions {
        encoding: Encoding::Line,
        backoff: BackoffPolicy {
            first: Duration::from_millis(10),
            longest: Duration::from_millis(100),
            give_up_after: Some(Duration::from_secs(20)),
        },
        ..StreamOptions::new(TOKEN, producer, "energy")
    }
}

fn texts(stored: &Stored) -> Vec<String> {
    stored.payloads.iter().map(|payload| String::from_utf8(payload.to_vec()).unwrap()).collect()
}

#[derive(Debug, Default)]
struct Latencies(Mutex<Vec<(BatchNumber, Duration)>>);

impl StreamObserver for Latencies {
    fn handle_acked(&self, acked: &Acked) {
        self.0.lock().unwrap().extend(acked.batches.iter().map(|batch| (batch.number, batch.latency)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_batch_is_acknowledged_with_its_latency() {
    let server = TestServer::start();
    let latencies = Arc::new(Latencies::default());
    let options = StreamOptions { observer: Some(latencies.clone()), ..options("p") };
    let connection = server.connection();
    let stream = BatchStream::open(&connection, options).await.unwrap();
    assert_eq!(stream.first_number(), BatchNumber(1));
    for n in 1..=50 {
        assert_eq!(stream.send(line_block(format!("line {n}"), 1)).await, Ok(BatchNumber(n)));
    }
    let totals = stream.finish().await.unwrap();
    connection.close().await;
    assert_eq!((totals.batches, totals.rows, totals.readings, totals.links), (50, 50, 50, 1));
    let heard = latencies.0.lock().unwrap();
    assert!(heard.iter().map(|(number, _)| number.0).eq(1..=50));
    assert!(heard.iter().all(|(_, latency)| !latency.is_zero() && *latency < Duration::from_secs(5)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_link_is_opened_again_and_nothing_is_lost_or_doubled() {
    let server = TestServer::start();
    server.book.cut_after.store(37, Ordering::SeqCst);
    let connection = server.connection();
    let stream = BatchStream::open(&connection, options("p")).await.unwrap();
    for n in 1..=100 {
        stream.send(line_block(format!("line {n}"), 1)).await.unwrap();
        if n == 70 {
            stream.drained().await.unwrap();
            connection.cut().await;
        }
    }
    let totals = stream.finish().await.unwrap();
    let expected: Vec<String> = (1..=100).map(|n| format!("line {n}")).collect();
    assert_eq!(texts(&server.stored("p")), expected);
    assert_eq!((totals.batches, totals.rows_sent), (100, 100));
    assert!(totals.links >= 3, "{} links", totals.links);
    assert!(totals.uncounted_batches >= 1, "the acknowledgement of batch 37 was lost");
    assert_eq!(totals.rows + totals.uncounted_batches, 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_of_the_server_is_ridden_out() {
    let mut server = TestServer::start();
    let connection = server.connection();
    let stream = Arc::new(BatchStream::open(&connection, options("p")).await.unwrap());
    let sender = stream.sender();
    let sending = tokio::spawn(async move {
        for n in 1..=40 {
            sender.send(line_block(format!("line {n}"), 1)).await.unwrap();
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    });
    tokio::time::sleep(Duration::from_millis(20)).await;
    server.restart().await;
    sending.await.unwrap();
    stream.drained().await.unwrap();
    assert_eq!(stream.durable(), BatchNumber(40));
    assert_eq!(server.stored("p").payloads.len(), 40);
    assert!(stream.totals().links >= 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_sent_again_are_the_same_bytes_under_the_same_schema_and_dictionaries() {
    let server = TestServer::start();
    server.book.cut_after.store(3, Ordering::SeqCst);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.csv");
    let rows: String = (0..40).map(|n| format!("2025-01-01T00:00:{n:02}Z,meter-{},{n}\n", n / 10)).collect();
    std::fs::write(&path, format!("time,device,active_energy\n{rows}")).unwrap();
    let mapping = Mapping { batch_rows: Some(4), ..Mapping::by_name("energy") };
    let inputs = vec![PushInput::File { path, format: None }];
    let push_options = PushOptions {
        backoff: options("p").backoff,
        ..PushOptions::new(server.connection(), TOKEN, mapping.clone(), inputs.clone())
    };
    let report = push(push_options.clone(), &NoProgress).await.unwrap();
    let file = &report.files[0];
    assert_eq!((file.rows, file.rows_before, file.totals.batches, file.totals.rows_sent), (40, 0, 10, 40));
    assert!(file.totals.links >= 2);

    let undisturbed = TestServer::start();
    let calm = PushOptions { connection: undisturbed.connection(), ..push_options.clone() };
    push(calm, &NoProgress).await.unwrap();
    let (cut, whole) = (server.stored(&file.producer), undisturbed.stored(&file.producer));
    assert_eq!(cut.payloads, whole.payloads);
    assert_eq!(cut.preludes, whole.preludes);
    assert!(whole.preludes.windows(2).any(|pair| pair[0] != pair[1]), "the dictionary changes on the way");

    let again = push(push_options, &NoProgress).await.unwrap();
    let file = &again.files[0];
    assert_eq!((file.rows, file.rows_before, file.batches_before, file.totals.batches), (40, 40, 10, 0));
    assert_eq!(server.stored(&file.producer).payloads.len(), 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_row_stops_a_push_behind_what_is_durable_and_the_mended_push_goes_on() {
    let server = TestServer::start();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.csv");
    let rows: String = (0..12).map(|n| format!("2025-01-01T00:00:{n:02}Z,m,{n}\n")).collect();
    std::fs::write(&path, format!("time,device,active_energy\n{}", rows.replace("m,9\n", "m,nine\n"))).unwrap();
    let mapping = Mapping { batch_rows: Some(4), ..Mapping::by_name("energy") };
    let inputs = vec![PushInput::File { path, format: None }];
    let strict = PushOptions::new(server.connection(), TOKEN, mapping, inputs);
    let error = push(strict.clone(), &NoProgress).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Input);
    assert!(error.to_string().contains("line 11") && error.to_string().contains("nine"), "{error}");

    let report = push(PushOptions { skip_bad_rows: true, ..strict }, &NoProgress).await.unwrap();
    let file = &report.files[0];
    assert_eq!((file.rows, file.rows_before, file.bad_rows, file.totals.rows_sent), (11, 8, 1, 3));
    assert_eq!(server.stored(&file.producer).payloads.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_that_passes_is_tried_again_and_one_that_does_not_ends_the_stream() {
    let server = TestServer::start();
    server.book.refusals.lock().unwrap().push(RefusedCode::Unavailable);
    let connection = server.connection();
    let stream = BatchStream::open(&connection, options("p")).await.unwrap();
    stream.send(line_block("a", 1)).await.unwrap();
    stream.drained().await.unwrap();
    assert_eq!(stream.totals().links, 2);

    let wrong = StreamOptions { token: "zl_other".into(), ..options("p") };
    let error = BatchStream::open(&connection, wrong).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Permission);
    assert!(error.to_string().contains("Token by the test"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_trusted_server_is_believed() {
    let (server, other) = (TestServer::start(), TestServer::start());
    let open = async |trust| {
        let connection = Connection::new(ConnectionOptions::new(server.address.to_string(), trust)).unwrap();
        BatchStream::open(&connection, options("p")).await.map(drop)
    };
    let error = open(Trust::CertificateFile(other.certificate())).await.unwrap_err();
    assert!(matches!(error, StreamError::Connect(ConnectError::NotTrusted { .. })), "{error:?}");
    let error = open(Trust::Fingerprint([7; 32])).await.unwrap_err();
    assert!(matches!(error, StreamError::Connect(ConnectError::NotTrusted { .. })), "{error:?}");
    let der = server.certified.cert.der().to_vec();
    let fingerprint = <sha2::Sha256 as sha2::Digest>::digest(&der).into();
    assert_eq!(open(Trust::Fingerprint(fingerprint)).await, Ok(()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_with_an_address_at_which_nobody_listens_is_reached_all_the_same() {
    let server = TestServer::start();
    let by_name = ConnectionOptions::new(
        format!("localhost:{}", server.address.port()),
        Trust::CertificateFile(server.certificate()),
    );
    let connection = Connection::new(by_name).unwrap();
    let opened = tokio::time::timeout(Duration::from_secs(2), BatchStream::open(&connection, options("p"))).await;
    assert!(opened.expect("sooner than a dial to nobody ends").is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_of_another_version_is_told_apart_from_one_that_is_away() {
    let server = TestServer::start();
    let other_version = bind(&server.certified, SocketAddr::from(([127, 0, 0, 1], 0)), b"zonelake/9");
    tokio::spawn(serve(other_version.clone(), server.book.clone()));
    let dial = async |address: SocketAddr| {
        let options = ConnectionOptions {
            idle_timeout: Duration::from_millis(300),
            ..ConnectionOptions::new(address.to_string(), Trust::CertificateFile(server.certificate()))
        };
        let give_up = BackoffPolicy { give_up_after: Some(Duration::ZERO), ..BackoffPolicy::default() };
        let connection = Connection::new(options).unwrap();
        BatchStream::open(&connection, StreamOptions { backoff: give_up, ..self::options("p") }).await.unwrap_err()
    };
    let error = dial(other_version.local_addr().unwrap()).await;
    assert!(matches!(error, StreamError::Connect(ConnectError::Version { .. })), "{error:?}");
    let nobody = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let error = dial(nobody.local_addr().unwrap()).await;
    assert!(matches!(error, StreamError::GaveUp { .. }), "{error:?}");
    assert_eq!(error.kind(), ErrorKind::Retry);
}
