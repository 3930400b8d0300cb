//! Garbage at the gateways' port, and handshakes that lead to nothing.

use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::sleep;
use std::time::Duration;

use quinn::{ClientConfig, Endpoint};
use tokio::sync::Semaphore;
use zonelake_schemas::clock::{Clock, SystemClock};
use zonelake_schemas::wire::ALPN;
use zonelake_schemas::wire::control::Encoding;

use crate::bystanders::{Bystanders, alone, lasting, runtime};
use crate::installation::Installation;
use crate::quic_offender::{Sender, config, endpoint, offender};

const BAD_PER_SECOND: u64 = 1_000;

#[test]
fn a_flood_of_bad_handshakes_and_of_garbage_leaves_good_clients_their_latency() {
    let _alone = alone();
    let place = Installation::new();
    let server = place.first_start();
    let bystanders = Bystanders::start(&place, &server);
    let target: SocketAddr = place.quic_address().parse().expect("an address");
    let certificate = place.data().join("tls/cert.pem");
    let floods: [(&str, &dyn Fn() -> String); 4] = [
        ("random bytes", &|| garbage(target, fill)),
        ("first packets that cannot be decrypted", &|| garbage(target, first_packet)),
        ("complete handshakes with a wrong token", &|| handshakes(target, &certificate, ALPN)),
        ("handshakes of another protocol", &|| handshakes(target, &certificate, b"h3")),
    ];
    for (name, flood) in floods {
        bystanders.survive(name, &server, 400 << 20, flood);
    }
    bystanders.finish(&server);
}

/// Sends packets at the rate of the flood.
fn garbage(target: SocketAddr, make: impl Fn(&mut u64, &mut [u8])) -> String {
    let socket = UdpSocket::bind(SocketAddr::from((offender(0), 0))).expect("an offender's socket");
    let (clock, mut random, mut sent) = (SystemClock::default(), 7u64, 0u64);
    let began = clock.monotonic();
    while clock.monotonic() - began < lasting() {
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
fn handshakes(target: SocketAddr, certificate: &Path, alpn: &[u8]) -> String {
    let config = config(certificate, alpn);
    let counts: Arc<[AtomicU64; 3]> = Arc::default();
    let begun = runtime().block_on(async {
        let endpoint = endpoint(0);
        let (clock, mut begun) = (SystemClock::default(), 0);
        let began = clock.monotonic();
        let places = Arc::new(Semaphore::new(4_000));
        while clock.monotonic() - began < lasting() {
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
    let sender =
        Sender { token: "zl_wrong".into(), producer: "p".into(), table: "environment", encoding: Encoding::Line };
    if sender.open(&connection).await.is_some() { 2 } else { 1 }
}
