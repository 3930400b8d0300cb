//! A link of the field between a client and the server: UDP packets wait for a slow line, arrive late, and some of them never. A seed decides which,
//! so that a run can be made again.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use zonelake_schemas::clock::{Clock, SystemClock};

/// Properties of a link, the same in both directions.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LinkQuality {
    pub bits_per_second: u64,
    /// From one end to the other, beside the time on the line.
    pub delay: Duration,
    pub loss_percent: u64,
    /// Bytes that wait for the line; beyond them packets are lost, as in any router.
    pub queue_bytes: u64,
    pub seed: u64,
}

/// A link to a server, for one client.
pub(crate) struct WeakLink {
    pub address: SocketAddr,
    up: Arc<AtomicU64>,
}

/// A packet on its way, and when it arrives.
type Packet = (Duration, Vec<u8>);

/// One direction: which packets get through, and when.
struct Line {
    quality: LinkQuality,
    random: u64,
    /// When the line is free.
    free: Duration,
}

impl Line {
    fn new(quality: LinkQuality, direction: u64) -> Self {
        Self {
            quality,
            random: (quality.seed ^ direction).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
            free: Duration::ZERO,
        }
    }

    /// When a packet arrives that is sent now; `None`: never.
    fn arrival(&mut self, bytes: usize, now: Duration) -> Option<Duration> {
        // xorshift64
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        let begins = self.free.max(now);
        let on_line = |bytes: u64| Duration::from_micros(bytes * 8 * 1_000_000 / self.quality.bits_per_second);
        if begins - now > on_line(self.quality.queue_bytes) {
            return None;
        }
        // What is lost in the air has been on the line all the same.
        self.free = begins + on_line(bytes as u64 + HEADER_BYTES);
        (self.random % 100 >= self.quality.loss_percent).then_some(self.free + self.quality.delay)
    }
}

impl WeakLink {
    pub(crate) async fn to(server: SocketAddr, quality: LinkQuality) -> Self {
        let inside = Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
        let outside = Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
        let (address, up) = (inside.local_addr().unwrap(), Arc::new(AtomicU64::new(0)));
        let client = Arc::new(std::sync::Mutex::new(None));
        let clock = Arc::new(SystemClock::default());
        let (to_server, from_client) = mpsc::unbounded_channel::<Packet>();
        let (to_client, from_server) = mpsc::unbounded_channel::<Packet>();

        let (socket, seen, counted, own) =
            (Arc::clone(&inside), Arc::clone(&client), Arc::clone(&up), Arc::clone(&clock));
        tokio::spawn(async move {
            let (mut line, mut packet) = (Line::new(quality, 1), vec![0; 65_536]);
            while let Ok((bytes, from)) = socket.recv_from(&mut packet).await {
                *seen.lock().unwrap() = Some(from);
                counted.fetch_add(bytes as u64, Ordering::SeqCst);
                if let Some(arrival) = line.arrival(bytes, own.monotonic()) {
                    drop(to_server.send((arrival, packet[..bytes].to_vec())));
                }
            }
        });
        let (socket, own) = (Arc::clone(&outside), Arc::clone(&clock));
        tokio::spawn(async move {
            let (mut line, mut packet) = (Line::new(quality, 2), vec![0; 65_536]);
            loop {
                // An error says that nobody listens there at the moment.
                let Ok((bytes, _)) = socket.recv_from(&mut packet).await else { continue };
                if let Some(arrival) = line.arrival(bytes, own.monotonic()) {
                    drop(to_client.send((arrival, packet[..bytes].to_vec())));
                }
            }
        });
        tokio::spawn(deliver(from_client, Arc::clone(&clock), outside, move || Some(server)));
        tokio::spawn(deliver(from_server, clock, inside, move || *client.lock().unwrap()));
        Self { address, up }
    }

    /// Bytes that the client has sent so far, lost ones among them.
    pub(crate) fn bytes_up(&self) -> u64 {
        self.up.load(Ordering::SeqCst)
    }
}

/// Packets keep their order: each has the same delay.
async fn deliver(
    mut packets: mpsc::UnboundedReceiver<Packet>,
    clock: Arc<SystemClock>,
    socket: Arc<UdpSocket>,
    to: impl Fn() -> Option<SocketAddr>,
) {
    while let Some((arrival, packet)) = packets.recv().await {
        tokio::time::sleep(arrival.saturating_sub(clock.monotonic())).await;
        if let Some(to) = to() {
            drop(socket.send_to(&packet, to).await);
        }
    }
}

/// IP and UDP around a packet.
const HEADER_BYTES: u64 = 28;
