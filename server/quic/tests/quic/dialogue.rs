//! A server on a temporary folder, and a client that sends whatever frames a test wants.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{
    ArrayRef, DictionaryArray, Float64Array, Int32Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use arrow::datatypes::{Field, Int32Type, Schema};
use prost::Message;
use quinn::crypto::rustls::QuicClientConfig;
use quinn::{ClientConfig, Connection, Endpoint, RecvStream, SendStream, TransportConfig};
use rustls::RootCertStore;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tempfile::TempDir;
use zonelake_gateway::{ArrowEncoder, Compression, EncodedBatch};
use zonelake_ingest::{DecodeLimits, IngestMetrics, Pipeline, PipelineOptions};
use zonelake_net::Authenticator;
use zonelake_parquet::ParquetOptions;
use zonelake_quic::{AdmissionLimits, QuicOptions, QuicServer, SessionOptions};
use zonelake_schemas::clock::{Clock, SystemClock};
use zonelake_schemas::tables::builtin_tables;
use zonelake_schemas::wire::ALPN;
use zonelake_schemas::wire::control::{Ack, Encoding, Open, Opened, Refused};
use zonelake_schemas::wire::frame::{FrameHeader, FrameKind, HEADER_BYTES, batch_prefix, control_frame};
use zonelake_schemas::{BatchNumber, TableDef};
use zonelake_storage::{Store, StoreArgs, StoreOptions, Table};
use zonelake_wal::{Disk, RealDisk};

/// Maximum frame that the test server takes.
pub(crate) const FRAME_BYTES_MAX: usize = 1 << 20;

pub(crate) struct Setting {
    pub folder: TempDir,
    pub free_bytes_min: u64,
    pub connections_max: usize,
    pub connections_per_address_max: usize,
    pub handshakes_max: usize,
    pub handshakes_per_second_max: u32,
    pub idle_timeout: Duration,
    /// Time for the next part of a frame that has begun.
    pub frame_timeout: Duration,
    /// Bytes of large receive windows, of all connections together.
    pub receive_windows_bytes_max: u64,
    pub live_bytes_max: usize,
    pub decode: DecodeLimits,
    pub pipeline: PipelineOptions,
    /// Disk below the logs.
    pub disk: Arc<dyn Disk>,
    pub clock: Arc<dyn Clock>,
    pub declared: Vec<TableDef>,
}

impl Setting {
    pub(crate) fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            free_bytes_min: 0,
            connections_max: 128,
            connections_per_address_max: 64,
            handshakes_max: 256,
            handshakes_per_second_max: 256,
            idle_timeout: Duration::from_secs(10),
            frame_timeout: Duration::from_secs(1),
            receive_windows_bytes_max: 16 << 20,
            live_bytes_max: 256 << 20,
            decode: DecodeLimits { frame_bytes_max: FRAME_BYTES_MAX, ..DecodeLimits::default() },
            pipeline: PipelineOptions { buffered_bytes_max: 64 << 20, group_bytes_max: 4 << 20 },
            disk: Arc::new(RealDisk),
            clock: Arc::new(SystemClock::default()),
            declared: builtin_tables(),
        }
    }

    pub(crate) async fn start(&self) -> Running {
        let options = StoreOptions {
            folder: self.folder.path().join("data"),
            node: "node-1".into(),
            shards: 2,
            segment_bytes: 8 << 20,
            flush_bytes_max: 64 << 20,
            flush_age_max: Duration::from_secs(3_600),
            live_bytes_max: self.live_bytes_max,
            log_bytes_max: 256 << 20,
            free_bytes_min: self.free_bytes_min,
            parquet: ParquetOptions::default(),
        };
        let clock = Arc::clone(&self.clock);
        let args = StoreArgs { options, declared: self.declared.clone(), clock, disk: Arc::clone(&self.disk) };
        let (store, shards, _) = Store::open(args).await.unwrap();
        let mut shown = prometheus_client::registry::Registry::default();
        let metrics = Arc::new(IngestMetrics::new(&mut shown));
        let pipeline = Arc::new(Pipeline::start(Arc::clone(&store), shards, &self.pipeline, metrics).unwrap());
        pipeline.watch_clock(self.decode.future_us_max);
        let made = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
        let certificate = CertificateDer::from(made.cert.der().to_vec());
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = rustls::ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.clone()], key)
            .unwrap();
        let authenticator = Arc::new(Authenticator::new(Arc::clone(store.registry())));
        let of_server = Arc::clone(&authenticator);
        let server = QuicServer::start(self.quic_options(), tls, Arc::clone(&pipeline), of_server, None).unwrap();
        let address = server.address().unwrap();
        Running { store, pipeline, authenticator, server, address, shown, certificate }
    }

    fn quic_options(&self) -> QuicOptions {
        QuicOptions {
            listen: "127.0.0.1:0".parse().unwrap(),
            admission: AdmissionLimits {
                connections_max: self.connections_max,
                connections_per_address_max: self.connections_per_address_max,
                handshakes_max: self.handshakes_max,
                handshakes_per_second_max: self.handshakes_per_second_max,
            },
            streams_per_connection_max: 16,
            receive_window_bytes: 1 << 20,
            receive_windows_bytes_max: self.receive_windows_bytes_max,
            idle_timeout: self.idle_timeout,
            session: SessionOptions {
                decode: self.decode.clone(),
                frame_bytes_max: FRAME_BYTES_MAX,
                unacked_bytes_max: 4 << 20,
                frame_timeout: self.frame_timeout,
            },
        }
    }
}

pub(crate) struct Running {
    pub store: Arc<Store>,
    pub pipeline: Arc<Pipeline>,
    pub authenticator: Arc<Authenticator>,
    pub server: QuicServer,
    pub address: SocketAddr,
    shown: prometheus_client::registry::Registry,
    certificate: CertificateDer<'static>,
}

impl Running {
    pub(crate) fn token(&self, gateway: &str, zone: &str) -> String {
        self.store.registry().add_gateway(gateway, zone).unwrap().token
    }

    /// Fingerprint that a gateway pins.
    pub(crate) fn fingerprint(&self) -> [u8; 32] {
        <sha2::Sha256 as sha2::Digest>::digest(self.certificate.as_ref()).into()
    }

    pub(crate) fn table(&self, name: &str) -> &Arc<Table> {
        &self.store.tables()[name]
    }

    /// A value of `/metrics`.
    pub(crate) fn metric(&self, name: &str) -> f64 {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.shown).unwrap();
        let line = text.lines().find(|line| line.split([' ', '{']).next() == Some(name));
        line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or_else(|| panic!("no {name} in {text}"))
    }

    pub(crate) fn rows(&self, name: &str) -> usize {
        self.table(name).view().live_rows()
    }

    /// Stops, so that the folder can be opened again.
    pub(crate) async fn shut_down(self) {
        self.server.stop(Duration::from_secs(5)).await;
        self.pipeline.stop().await;
    }

    pub(crate) async fn connect(&self) -> Connection {
        self.try_connect(ALPN).await.unwrap()
    }

    pub(crate) async fn try_connect(&self, alpn: &[u8]) -> Result<Connection, quinn::ConnectionError> {
        self.connect_by(self.address, alpn).await
    }

    /// The same by another way to the server.
    pub(crate) async fn connect_by(&self, way: SocketAddr, alpn: &[u8]) -> Result<Connection, quinn::ConnectionError> {
        self.connect_with(way, alpn, TransportConfig::default()).await
    }

    /// The same with a transport of its own.
    pub(crate) async fn connect_with(
        &self,
        way: SocketAddr,
        alpn: &[u8],
        transport: TransportConfig,
    ) -> Result<Connection, quinn::ConnectionError> {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        tls.alpn_protocols = vec![alpn.to_vec()];
        let mut endpoint = Endpoint::client("127.0.0.1:0".parse().unwrap()).unwrap();
        let mut config = ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls).unwrap()));
        config.transport_config(Arc::new(transport));
        endpoint.set_default_client_config(config);
        endpoint.connect(way, "localhost").unwrap().await
    }

    /// A stream on a connection of its own, and the server's answer to `open`.
    pub(crate) async fn open(&self, open: Open) -> (Dialogue, Answer) {
        let mut dialogue = Dialogue::on(self.connect().await).await;
        dialogue.send(&control_frame(FrameKind::Open, &open)).await;
        let answer = dialogue.answer().await;
        (dialogue, answer)
    }

    /// The same where the server is expected to open.
    pub(crate) async fn opened(&self, open: Open) -> (Dialogue, Opened) {
        match self.open(open).await {
            (dialogue, Answer::Opened(opened)) => (dialogue, opened),
            (_, other) => panic!("{other:?}"),
        }
    }
}

/// An `Open` that is right for the table `environment`.
pub(crate) fn open(token: &str, producer: &str) -> Open {
    Open {
        minor_version: 0,
        token: token.into(),
        producer: producer.into(),
        epoch: 1,
        table: "environment".into(),
        lane: 1,
        encoding: Encoding::Arrow as i32,
        software: "test".into(),
    }
}

#[derive(Debug)]
pub(crate) enum Answer {
    Opened(Opened),
    Ack(Ack),
    Refused(Refused),
    /// The server has ended its side.
    End,
}

impl Answer {
    pub(crate) fn refused(self) -> Refused {
        match self {
            Self::Refused(refused) => refused,
            other => panic!("not refused: {other:?}"),
        }
    }

    pub(crate) fn ack(self) -> Ack {
        match self {
            Self::Ack(ack) => ack,
            other => panic!("not acknowledged: {other:?}"),
        }
    }
}

pub(crate) struct Dialogue {
    pub connection: Connection,
    pub up: SendStream,
    down: RecvStream,
}

impl Dialogue {
    pub(crate) async fn on(connection: Connection) -> Self {
        let (up, down) = connection.open_bi().await.unwrap();
        Self { connection, up, down }
    }

    /// Opens the stream, which the server is expected to accept.
    pub(crate) async fn open(&mut self, open: &Open) {
        self.send(&control_frame(FrameKind::Open, open)).await;
        let answer = self.answer().await;
        assert!(matches!(answer, Answer::Opened(_)), "{answer:?}");
    }

    /// Sends bytes; a server that has ended the stream already does not want them.
    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        self.up.write_all(bytes).await.ok();
    }

    pub(crate) async fn send_frame(&mut self, kind: FrameKind, body: &[u8]) {
        self.send(&FrameHeader { kind, body_bytes: body.len() }.encode()).await;
        self.send(body).await;
    }

    /// Sends a batch with the schema and dictionaries that it needs.
    pub(crate) async fn send_batch(&mut self, number: u64, batch: &EncodedBatch) {
        if let Some(schema) = batch.prelude.schema() {
            self.send_frame(FrameKind::Schema, schema).await;
        }
        for (_, dictionary) in batch.prelude.dictionaries() {
            self.send_frame(FrameKind::Dictionary, dictionary).await;
        }
        self.send_payload(number, batch).await;
    }

    /// Sends a batch whose schema and dictionaries the stream has already.
    pub(crate) async fn send_payload(&mut self, number: u64, batch: &EncodedBatch) {
        self.send(&batch_prefix(BatchNumber(number), batch.payload.len())).await;
        self.send(&batch.payload).await;
    }

    pub(crate) async fn answer(&mut self) -> Answer {
        tokio::time::timeout(Duration::from_secs(20), self.read_answer()).await.expect("the server answers")
    }

    async fn read_answer(&mut self) -> Answer {
        let mut header = [0; HEADER_BYTES];
        if self.down.read_exact(&mut header).await.is_err() {
            return Answer::End;
        }
        let header = FrameHeader::decode(header, usize::MAX).unwrap();
        let mut body = vec![0; header.body_bytes];
        self.down.read_exact(&mut body).await.unwrap();
        let body = body.as_slice();
        match header.kind {
            FrameKind::Opened => Answer::Opened(Opened::decode(body).unwrap()),
            FrameKind::Ack => Answer::Ack(Ack::decode(body).unwrap()),
            FrameKind::Refused => Answer::Refused(Refused::decode(body).unwrap()),
            other => panic!("the server sent {other:?}"),
        }
    }

    /// Reads acknowledgements up to `number`, added up.
    pub(crate) async fn acknowledged(&mut self, number: u64) -> Ack {
        let mut all = Ack::default();
        while all.number < number {
            let ack = self.answer().await.ack();
            assert!(ack.number > all.number, "acknowledgements grow");
            all.number = ack.number;
            all.rows += ack.rows;
            all.readings += ack.readings;
            all.rejected_rows += ack.rejected_rows;
            all.rejected_readings += ack.rejected_readings;
            all.repeated_batches += ack.repeated_batches;
            all.rejections.extend(ack.rejections);
        }
        all
    }
}

/// Rows of one column at this moment, one device each, encoded.
pub(crate) fn batch_of(column: &str, values: ArrayRef) -> EncodedBatch {
    let now = SystemClock::default().wall_us();
    batch_at(now, column, values)
}

pub(crate) fn batch_at(time_us: i64, column: &str, values: ArrayRef) -> EncodedBatch {
    let n = values.len();
    let names: Vec<String> = (0..n).map(|device| format!("kk-{device:02}")).collect();
    let keys = Int32Array::from_iter_values(0..i32::try_from(n).unwrap());
    let device = DictionaryArray::<Int32Type>::new(keys, Arc::new(StringArray::from(names)));
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("time", Arc::new(TimestampMicrosecondArray::from_value(time_us, n).with_timezone("UTC"))),
        ("device", Arc::new(device)),
        (column, values),
    ];
    encode(columns)
}

pub(crate) fn encode(columns: Vec<(&str, ArrayRef)>) -> EncodedBatch {
    let fields: Vec<Field> =
        columns.iter().map(|(name, column)| Field::new(*name, column.data_type().clone(), true)).collect();
    let columns = columns.into_iter().map(|(_, column)| column).collect();
    let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap();
    ArrowEncoder::new(&batch.schema(), Compression::None).unwrap().encode(&batch).unwrap()
}

pub(crate) fn doubles(values: &[f64]) -> ArrayRef {
    Arc::new(Float64Array::from(values.to_vec()))
}
