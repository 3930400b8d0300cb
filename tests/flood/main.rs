//! A flood of bad handshakes beside a good gateway, which must hardly notice.
//!
//! `ZONELAKE_FLOOD_SECONDS` sets how long each kind lasts, 2 by default; a measurement takes 10. It is a program of its own,
//! so that no other test runs beside it.
#![expect(
    clippy::let_underscore_must_use,
    reason = "a test stops at what it does not expect, and its numbers are small"
)]

#[expect(dead_code, reason = "these tests use a part of it")]
#[path = "../process/installation.rs"]
mod installation;

use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{sleep, spawn};
use std::time::Duration;

use quinn::crypto::rustls::QuicClientConfig;
use quinn::{ClientConfig, Endpoint};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tokio::sync::Semaphore;
use zonelake_gateway::{
    Acked, BatchStream, Connection, ConnectionOptions, StreamObserver, StreamOptions, Trust, line_block,
};
use zonelake_schemas::clock::{Clock, SystemClock};
use zonelake_schemas::wire::ALPN;
use zonelake_schemas::wire::control::{Encoding, Open};
use zonelake_schemas::wire::frame::{FrameKind, control_frame};

use installation::{Installation, Server};

const BAD_PER_SECOND: u64 = 1_000;
/// The offenders' address; that of the good gateway is 127.0.0.1.
const OFFENDER: [u8; 4] = [127, 0, 0, 2];

#[derive(Default)]
struct Latencies(Mutex<Vec<Duration>>);

impl StreamObserver for Latencies {
    fn handle_acked(&self, acked: &Acked) {
        self.0.lock().expect("nothing panics with it").extend(acked.batches.iter().map(|batch| batch.latency));
    }
}

impl Latencies {
    /// Median and 99th percentile of what was measured while `flood` ran.
    fn while_running(&self, flood: impl FnOnce()) -> (usize, Duration, Duration) {
        self.0.lock().expect("nothing panics with it").clear();
        flood();
        let mut seen = self.0.lock().expect("nothing panics with it").clone();
        seen.sort();
        (seen.len(), seen[seen.len() / 2], seen[seen.len() * 99 / 100])
    }
}

#[test]
fn a_flood_of_bad_handshakes_and_of_garbage_leaves_a_good_gateway_its_latency() {
    let seconds = std::env::var("ZONELAKE_FLOOD_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(2);
    let lasting = Duration::from_secs(seconds);
    let place = Installation::new();
    let server = place.first_start();
    let token = place.add_gateway("good");
    let (latencies, stop) = (Arc::new(Latencies::default()), Arc::new(AtomicBool::new(false)));
    let gateway = good_gateway(&place, &token, Arc::clone(&latencies), Arc::clone(&stop));

    sleep(Duration::from_millis(500));
    let normal = latencies.while_running(|| sleep(lasting));
    eprintln!("no flood: {} batches, median {:?}, p99 {:?}", normal.0, normal.1, normal.2);
    let target: SocketAddr = place.quic_address().parse().expect("an address");
    let certificate = place.data().join("tls/cert.pem");
    let floods: [(&str, &dyn Fn() -> String); 4] = [
        ("random bytes", &|| garbage(target, lasting, fill)),
        ("first packets that cannot be decrypted", &|| garbage(target, lasting, first_packet)),
        ("complete handshakes with a wrong token", &|| handshakes(target, &certificate, lasting, ALPN)),
        ("handshakes of another protocol", &|| handshakes(target, &certificate, lasting, b"h3")),
    ];
    for (name, flood) in floods {
        let bound = (2 * normal.2).max(Duration::from_millis(20));
        // Other work on the machine can only make it worse, so the best of three counts.
        let is_within = (0..3).any(|_| {
            let mut done = String::new();
            let (batches, median, p99) = latencies.while_running(|| done = flood());
            let memory = resident_bytes(&server);
            eprintln!("{name}, {done}: {batches} batches, median {median:?}, p99 {p99:?}, server {memory} bytes");
            assert!(memory < 400 << 20, "{name}: the server takes {memory} bytes");
            p99 <= bound && batches > normal.0 / 2
        });
        assert!(is_within, "{name}: p99 over {bound:?}, or half of the batches only; normally {normal:?}");
    }
    stop.store(true, Ordering::SeqCst);
    let (batches, links) = gateway.join().expect("the good gateway sends to the end");
    assert_eq!(links, 1, "its connection was never lost");
    assert_eq!(server.sql_value("select count(*) from environment").as_u64(), Some(batches));
}

/// Sends a row every 10 ms until it is stopped; gives back how many, and over how many links.
fn good_gateway(
    place: &Installation,
    token: &str,
    latencies: Arc<Latencies>,
    stop: Arc<AtomicBool>,
) -> std::thread::JoinHandle<(u64, u64)> {
    let trust = Trust::CertificateFile(place.data().join("tls/cert.pem"));
    let connection = Connection::new(ConnectionOptions::new(place.quic_address(), trust)).expect("a certificate");
    let options = StreamOptions {
        encoding: Encoding::Line,
        observer: Some(latencies),
        ..StreamOptions::new(token, "good", "environment")
    };
    spawn(move || {
        runtime().block_on(async {
            let stream = BatchStream::open(&connection, options).await.expect("it opens");
            let mut batches = 0;
            while !stop.load(Ordering::SeqCst) {
                let line = format!("environment,device=d temperature=20 {}", 1_700_000_000_000_000_000u64 + batches);
                stream.send(line_block(line, 1)).await.expect("it goes on");
                batches += 1;
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            let totals = stream.finish().await.expect("all is stored");
            (batches, totals.links)
        })
    })
}

/// Sends packets at the rate of the flood.
fn garbage(target: SocketAddr, lasting: Duration, make: impl Fn(&mut u64, &mut [u8])) -> String {
    let socket = UdpSocket::bind(SocketAddr::from((OFFENDER, 0))).expect("an offender's socket");
    let (clock, mut random, mut sent) = (SystemClock::default(), 7u64, 0u64);
    let began = clock.monotonic();
    while clock.monotonic() - began < lasting {
        while sent < due(clock.monotonic() - began) {
            let mut packet = [0; 1_200];
            make(&mut random, &mut packet);
            // A full socket loses it, which is no fault of the server's.
            let _ = socket.send_to(&packet, target);
            sent += 1;
        }
        sleep(Duration::from_millis(1));
    }
    format!("{sent} packets")
}

/// A first packet of QUIC version 1 by its looks, of a connection of its own.
fn first_packet(random: &mut u64, packet: &mut [u8]) {
    fill(random, packet);
    packet[..6].copy_from_slice(&[0xc3, 0, 0, 0, 1, 8]);
    packet[14..16].copy_from_slice(&[0, 0]);
    // Length of the rest, as a variable-length integer of two bytes.
    packet[16..18].copy_from_slice(&(0x4000u16 | 1_182).to_be_bytes());
}

/// Bytes of memory that a server has now.
fn resident_bytes(server: &Server<'_>) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.process.id())).expect("it runs on Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("it has memory");
    let kib: u64 = line.trim().trim_end_matches("kB").trim().parse().expect("a number");
    kib * 1024
}

fn fill(random: &mut u64, packet: &mut [u8]) {
    for byte in packet {
        *random ^= *random << 13;
        *random ^= *random >> 7;
        *random ^= *random << 17;
        *byte = random.to_le_bytes()[0];
    }
}

fn due(since: Duration) -> u64 {
    u64::try_from(since.as_millis()).expect("a few seconds") * BAD_PER_SECOND / 1_000
}

/// Begins handshakes at the rate of the flood and takes each as far as the server lets it: to a stream with a wrong token.
fn handshakes(target: SocketAddr, certificate: &std::path::Path, lasting: Duration, alpn: &[u8]) -> String {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(certificate).expect("a certificate")).expect("a root");
    let mut tls = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("TLS 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth();
    tls.alpn_protocols = vec![alpn.to_vec()];
    // Each is a whole one.
    tls.resumption = rustls::client::Resumption::disabled();
    let config = ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls).expect("a configuration")));
    let counts: Arc<[AtomicU64; 3]> = Arc::default();
    let begun = runtime().block_on(async {
        let endpoint = Endpoint::client(SocketAddr::from((OFFENDER, 0))).expect("an offender's socket");
        let (clock, mut begun) = (SystemClock::default(), 0);
        let began = clock.monotonic();
        let places = Arc::new(Semaphore::new(4_000));
        while clock.monotonic() - began < lasting {
            while begun < due(clock.monotonic() - began) {
                begun += 1;
                let Ok(place) = Arc::clone(&places).try_acquire_owned() else { continue };
                let (endpoint, config, counts) = (endpoint.clone(), config.clone(), Arc::clone(&counts));
                tokio::spawn(async move {
                    let result = bad_handshake(&endpoint, config, target).await;
                    counts[result].fetch_add(1, Ordering::Relaxed);
                    drop(place);
                });
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        begun
    });
    let [refused, shaken, told] = [0, 1, 2].map(|index| counts[index].load(Ordering::Relaxed));
    format!("{begun} begun, {refused} refused, {} complete, {told} of them told that the token is wrong", shaken + told)
}

/// How far it got: 0 refused, 1 connected, 2 an answer to its wrong token.
async fn bad_handshake(endpoint: &Endpoint, config: ClientConfig, target: SocketAddr) -> usize {
    let Ok(connecting) = endpoint.connect_with(config, target, "localhost") else { return 0 };
    let Ok(connection) = connecting.await else { return 0 };
    let Ok((mut up, mut down)) = connection.open_bi().await else { return 1 };
    let open = Open { token: "zl_wrong".into(), producer: "p".into(), epoch: 1, lane: 1, ..Open::default() };
    if up.write_all(&control_frame(FrameKind::Open, &open)).await.is_err() {
        return 1;
    }
    let mut head = [0; 5];
    if down.read_exact(&mut head).await.is_ok() { 2 } else { 1 }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}
