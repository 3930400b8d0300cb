//! Limits of the machine, for comparison with a stage's figure: copying memory, writing and syncing,
//! and QUIC over loopback with both ends in this process.

use std::fs::{File, OpenOptions};
use std::net::{Ipv4Addr, UdpSocket};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use criterion::{BenchmarkId, Criterion, Throughput};
use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn::{
    ClientConfig, Endpoint, EndpointConfig, MtuDiscoveryConfig, SendStream, ServerConfig, TokioRuntime,
    TransportConfig, VarInt,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

use crate::harness::scratch;
use crate::stage;

pub(crate) fn measure(criterion: &mut Criterion) {
    measure_memory(criterion);
    measure_disk(criterion);
    measure_quic(criterion);
}

fn measure_memory(criterion: &mut Criterion) {
    let mut group = stage::short(criterion, "ceiling_memory");
    for bytes in [256 << 10, 64 << 20] {
        group.throughput(Throughput::BytesDecimal(bytes as u64));
        group.bench_function(BenchmarkId::new("copy", bytes), |bencher| {
            let (from, mut to) = (vec![1u8; bytes], vec![0u8; bytes]);
            bencher.iter(|| std::hint::black_box(&mut to).copy_from_slice(std::hint::black_box(&from)));
        });
    }
    group.finish();
}

/// A file whose space is there already, as that of a log segment is that is used again.
fn written_file(bytes: u64) -> (TempDir, File) {
    let folder = scratch();
    let file = OpenOptions::new().create_new(true).read(true).write(true).open(folder.path().join("file"));
    let file = file.expect("a file can be made");
    let block = vec![7; 1 << 20];
    for at in (0..bytes).step_by(block.len()) {
        file.write_all_at(&block, at).expect("the disk has room");
    }
    file.sync_all().expect("the file can be synced");
    (folder, file)
}

fn measure_disk(criterion: &mut Criterion) {
    let mut group = stage::long(criterion, "ceiling_disk");
    for bytes in [4 << 10, 4 << 20] {
        group.throughput(Throughput::BytesDecimal(bytes as u64));
        let mut prepared = None;
        group.bench_function(BenchmarkId::new("write_and_fdatasync", bytes), |bencher| {
            let (_folder, file) = prepared.get_or_insert_with(|| written_file(FILE_BYTES));
            let block = vec![1u8; bytes];
            let mut at = 0;
            bencher.iter(|| {
                file.write_all_at(&block, at).expect("the file can be written");
                file.sync_data().expect("the file can be synced");
                at = (at + bytes as u64) % FILE_BYTES;
            });
        });
    }
    group.throughput(Throughput::BytesDecimal(FILE_BYTES));
    group.bench_function(BenchmarkId::new("new_file", FILE_BYTES), |bencher| {
        bencher.iter(|| written_file(FILE_BYTES));
    });
    group.finish();
}

fn measure_quic(criterion: &mut Criterion) {
    let mut group = stage::long(criterion, "ceiling_quic");
    group.throughput(Throughput::BytesDecimal(SEND_BYTES as u64));
    for datagram_bytes in [1_452, 8_952, 65_487] {
        let mut prepared = None;
        group.bench_function(BenchmarkId::new("datagram", datagram_bytes), |bencher| {
            let (runtime, link) = prepared.get_or_insert_with(|| {
                let runtime = Runtime::new().expect("threads can be started");
                let link = runtime.block_on(Link::new(datagram_bytes));
                (runtime, link)
            });
            bencher.iter(|| runtime.block_on(link.send(SEND_BYTES)));
        });
    }
    group.finish();
}

/// One stream over loopback, and how far its receiver is.
struct Link {
    stream: SendStream,
    received: mpsc::UnboundedReceiver<usize>,
    block: Vec<u8>,
    _ends: [Endpoint; 2],
}

impl Link {
    async fn new(datagram_bytes: u16) -> Self {
        let (server, client) = configs(datagram_bytes);
        let server = endpoint(datagram_bytes, Some(server));
        let mut sender = endpoint(datagram_bytes, None);
        sender.set_default_client_config(client);
        let address = server.local_addr().expect("it is bound");
        let connecting = sender.connect(address, "localhost").expect("the address can be dialled");
        let accepting = async { server.accept().await.expect("it is open").await.expect("the handshake succeeds") };
        let (connected, accepted) = tokio::join!(connecting, accepting);
        let connection = connected.expect("the handshake succeeds");
        let (report, received) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            let mut stream = accepted.accept_uni().await.expect("a stream comes");
            while let Ok(Some(chunk)) = stream.read_chunk(usize::MAX, true).await {
                if report.send(chunk.bytes.len()).is_err() {
                    return;
                }
            }
        });
        let stream = connection.open_uni().await.expect("a stream may be opened");
        Self { stream, received, block: vec![3; 1 << 20], _ends: [server, sender] }
    }

    async fn send(&mut self, bytes: usize) {
        let Self { stream, received, block, .. } = self;
        let sending = async {
            for _ in 0..bytes / block.len() {
                stream.write_all(block).await.expect("the receiver is there");
            }
        };
        let receiving = async {
            let mut missing = bytes;
            while missing > 0 {
                missing -= received.recv().await.expect("the receiver is there");
            }
        };
        tokio::join!(sending, receiving);
    }
}

/// An endpoint that says of itself that it takes datagrams of this size.
fn endpoint(datagram_bytes: u16, server: Option<ServerConfig>) -> Endpoint {
    let mut config = EndpointConfig::default();
    config.max_udp_payload_size(datagram_bytes).expect("the size is one that QUIC allows");
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
    Endpoint::new(config, server, socket, Arc::new(TokioRuntime)).expect("the socket can be used")
}

fn configs(datagram_bytes: u16) -> (ServerConfig, ClientConfig) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate can be made");
    let certificate = CertificateDer::from(made.cert.der().to_vec());
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("the key is PKCS #8");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut roots = rustls::RootCertStore::empty();
    roots.add(certificate.clone()).expect("it is a certificate");
    let server = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("TLS 1.3 is there")
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .expect("key and certificate fit");
    let client = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("TLS 1.3 is there")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let mut transport = TransportConfig::default();
    let mut discovery = MtuDiscoveryConfig::default();
    discovery.upper_bound(datagram_bytes);
    transport
        .mtu_discovery_config(Some(discovery))
        .stream_receive_window(VarInt::from_u32(WINDOW_BYTES))
        .receive_window(VarInt::from_u32(WINDOW_BYTES))
        .send_window(u64::from(WINDOW_BYTES));
    let transport = Arc::new(transport);
    let mut server =
        ServerConfig::with_crypto(Arc::new(QuicServerConfig::try_from(server).expect("it has QUIC's cipher")));
    server.transport_config(Arc::clone(&transport));
    let mut client = ClientConfig::new(Arc::new(QuicClientConfig::try_from(client).expect("it has QUIC's cipher")));
    client.transport_config(transport);
    (server, client)
}

/// Bytes of the file that is written again and again, and of a new one.
const FILE_BYTES: u64 = 256 << 20;
/// Bytes that are sent in one go.
const SEND_BYTES: usize = 64 << 20;
/// Bytes that may be under way.
const WINDOW_BYTES: u32 = 8 << 20;
