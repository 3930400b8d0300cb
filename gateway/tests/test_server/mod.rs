//! A small server over real QUIC on the loopback interface. It keeps what it is sent, and breaks the link where a test says so.

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
use zonelake_gateway::{ArrowEncoder, BackoffPolicy, Compression, Connection, ConnectionOptions, StreamOptions, Trust};
use zonelake_schemas::wire::ALPN;
use zonelake_schemas::wire::control::{Ack, Encoding, Open, Opened, Refused, RefusedCode};
use zonelake_schemas::wire::frame::{FrameHeader, FrameKind, HEADER_BYTES, control_frame, split_batch};
use zonelake_schemas::{TableDef, TableSchemas};

pub(crate) const TOKEN: &str = "zl_test";
const TABLE: &str = "name = \"energy\"\n[[field]]\nname = \"active_energy\"\ntype = \"double\"\ndecimals = 3";

/// What the server has of one producer.
#[derive(Debug, Default, Clone)]
pub(crate) struct Stored {
    pub(crate) payloads: Vec<Bytes>,
    /// What was in force for each payload.
    pub(crate) preludes: Vec<Vec<Bytes>>,
}

#[derive(Debug, Default)]
pub(crate) struct Book {
    pub(crate) stored: Mutex<HashMap<String, Stored>>,
    /// After so many batches in all, the connection is closed without acknowledging; 0: never.
    pub(crate) cut_after: AtomicU64,
    pub(crate) batches: AtomicU64,
    pub(crate) opened: AtomicU64,
    /// Refusals that are given to the next opened streams, right after their first batch.
    pub(crate) refusals: Mutex<Vec<RefusedCode>>,
}

pub(crate) struct TestServer {
    pub(crate) endpoint: Endpoint,
    pub(crate) book: Arc<Book>,
    pub(crate) address: SocketAddr,
    pub(crate) folder: tempfile::TempDir,
    pub(crate) certified: Arc<rcgen::CertifiedKey<rcgen::KeyPair>>,
}

impl TestServer {
    pub(crate) fn start() -> Self {
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
    pub(crate) async fn restart(&mut self) {
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

    pub(crate) fn certificate(&self) -> PathBuf {
        self.folder.path().join("server.pem")
    }

    pub(crate) fn connection(&self) -> Arc<Connection> {
        let trust = Trust::CertificateFile(self.certificate());
        Connection::new(ConnectionOptions::new(self.address.to_string(), trust)).unwrap()
    }

    pub(crate) fn stored(&self, producer: &str) -> Stored {
        self.book.stored.lock().unwrap().get(producer).cloned().unwrap_or_default()
    }
}

pub(crate) fn bind(certified: &rcgen::CertifiedKey<rcgen::KeyPair>, address: SocketAddr, alpn: &[u8]) -> Endpoint {
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

pub(crate) async fn serve(endpoint: Endpoint, book: Arc<Book>) {
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
    let body = match read_frame(&mut recv).await {
        Some((FrameKind::Open, body)) => body,
        // This server has no ledger, as those before it.
        Some((FrameKind::Pushes, _)) => return refuse(&mut send, RefusedCode::Protocol, 0).await,
        _ => return,
    };
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

pub(crate) fn options(producer: &str) -> StreamOptions {
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
