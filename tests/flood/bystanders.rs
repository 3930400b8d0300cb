//! The good clients beside a flood: a gateway over QUIC, a writer over HTTP, a dashboard, and a probe of the server's health.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{JoinHandle, sleep, spawn};
use std::time::Duration;

use ureq::Agent;
use zonelake_gateway::{
    Acked, BatchStream, Connection, ConnectionOptions, StreamObserver, StreamOptions, Trust, line_block,
};
use zonelake_schemas::clock::{Clock, SystemClock};
use zonelake_schemas::wire::control::Encoding;

use crate::installation::{Installation, Server};

/// How long each flood lasts.
pub(crate) fn lasting() -> Duration {
    let seconds = std::env::var("ZONELAKE_FLOOD_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(2);
    Duration::from_secs(seconds)
}

/// Lets one flood run at a time.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    // A test that failed leaves nothing behind that the next one could be disturbed by.
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The good clients of a server. Each has an address of its own, apart from the offenders'.
pub(crate) struct Bystanders {
    stop: Arc<AtomicBool>,
    seen: [Arc<Latencies>; 4],
    gateway: JoinHandle<(u64, u64)>,
    others: Vec<JoinHandle<u64>>,
}

/// What the good clients are called, in the order of their latencies.
const NAMES: [&str; 4] = ["acknowledgements over QUIC", "writes over HTTP", "statements", "/health"];

/// Latencies of one good client, sorted.
#[derive(Debug, Clone)]
struct Seen(Vec<Duration>);

impl Seen {
    fn p99(&self) -> Duration {
        self.0.get(self.0.len() * 99 / 100).copied().unwrap_or(Duration::MAX)
    }

    fn median(&self) -> Duration {
        self.0.get(self.0.len() / 2).copied().unwrap_or(Duration::MAX)
    }
}

/// Latencies of the good clients over one stretch of time.
#[derive(Debug, Clone)]
pub(crate) struct Stretch([Seen; 4]);

impl Bystanders {
    /// Starts them and waits until each has done something.
    pub(crate) fn start(place: &Installation, server: &Server<'_>) -> Self {
        let token = place.add_gateway("good");
        let stop = Arc::new(AtomicBool::new(false));
        let seen: [Arc<Latencies>; 4] = std::array::from_fn(|_| Arc::new(Latencies::default()));
        let gateway = good_gateway(place, &token, Arc::clone(&seen[0]), Arc::clone(&stop));
        let write = request_of(place.url("/api/v2/write?precision=ns"), format!("Token {token}"));
        let password = format!("admin:{}", server.password());
        let basic = format!("Basic {}", base64::Engine::encode(&base64::engine::general_purpose::STANDARD, password));
        let ask = request_of(place.url("/api/v1/sql"), basic.clone());
        let health = request_of(place.url("/health"), basic);
        let others = vec![
            repeat(20, Arc::clone(&seen[1]), Arc::clone(&stop), move |count| {
                let line = format!("energy,device=h active_power=20 {}", 1_700_000_000_000_000_000u64 + count);
                write(Some(&line))
            }),
            repeat(50, Arc::clone(&seen[2]), Arc::clone(&stop), move |_| {
                ask(Some("select count(*) from energy where device = 'd'"))
            }),
            repeat(50, Arc::clone(&seen[3]), Arc::clone(&stop), move |_| health(None)),
        ];
        let bystanders = Self { stop, seen, gateway, others };
        bystanders.await_first();
        bystanders
    }

    fn await_first(&self) {
        let all = || self.seen.iter().all(|seen| !seen.lock().is_empty());
        let ready = crate::installation::wait_for(|| all().then_some(()));
        assert!(ready.is_some(), "a good client gets nowhere though nothing else runs");
        // The first statement plans for longer, and the first password is checked.
        sleep(Duration::from_millis(500));
    }

    /// Their latencies while something runs.
    pub(crate) fn while_running(&self, flood: impl FnOnce()) -> Stretch {
        self.seen.iter().for_each(|seen| seen.lock().clear());
        flood();
        Stretch(std::array::from_fn(|client| {
            let mut latencies = self.seen[client].lock().clone();
            latencies.sort();
            Seen(latencies)
        }))
    }

    /// Runs a flood and asserts that the good clients keep their bounds: the 99th percentile within twice its normal or 20 ms, half
    /// of their requests at least, and the memory of the server. Other work on the machine can only make it worse, so the best of
    /// three counts.
    pub(crate) fn survive(&self, name: &str, server: &Server<'_>, memory_max: u64, flood: &dyn Fn() -> String) {
        let normal = self.while_running(|| sleep(lasting()));
        normal.print("no flood");
        let mut faults = Vec::new();
        for _ in 0..3 {
            let mut done = String::new();
            let beside = self.while_running(|| done = flood());
            let memory = resident_bytes(server);
            beside.print(&format!("{name}, {done}, server {} MiB", memory >> 20));
            assert!(memory < memory_max, "{name}: the server takes {memory} bytes, and may take {memory_max}");
            faults = beside.faults(&normal);
            if faults.is_empty() {
                return;
            }
        }
        panic!("{name}: {}", faults.join("; "));
    }

    /// Stops them and asserts that each of their rows is stored once.
    pub(crate) fn finish(self, server: &Server<'_>) {
        self.stop.store(true, Ordering::SeqCst);
        let (batches, links) = self.gateway.join().expect("the good gateway sends to the end");
        let counts: Vec<u64> =
            self.others.into_iter().map(|other| other.join().expect("each is served to the end")).collect();
        assert_eq!(links, 1, "the good gateway's connection was never lost");
        let rows = |table: &str, device: &str| {
            server.sql_value(&format!("select count(*) from {table} where device = '{device}'")).as_u64()
        };
        assert_eq!(rows("energy", "d"), Some(batches));
        assert_eq!(rows("energy", "h"), Some(counts[0]));
    }
}

impl Stretch {
    fn print(&self, name: &str) {
        let clients = self.0.iter().zip(NAMES).map(|(seen, client)| {
            format!("{client}: {}, median {:?}, p99 {:?}", seen.0.len(), seen.median(), seen.p99())
        });
        eprintln!("{name}\n    {}", clients.collect::<Vec<_>>().join("\n    "));
    }

    fn faults(&self, normal: &Self) -> Vec<String> {
        // A measurement looks at all of them. Else the gateway alone counts: what a core of a busy machine does to the others says nothing.
        let counted = if std::env::var_os("ZONELAKE_FLOOD_SECONDS").is_some() { NAMES.len() } else { 1 };
        let clients = self.0.iter().zip(&normal.0).zip(NAMES);
        clients
            .take(counted)
            .filter_map(|((seen, normal), client)| {
                let bound = (2 * normal.p99()).max(Duration::from_millis(20));
                let is_within = seen.p99() <= bound && seen.0.len() >= normal.0.len() / 2;
                (!is_within).then(|| {
                    let (count, before) = (seen.0.len(), normal.0.len());
                    format!("{client}: {count} instead of {before}, p99 {:?} and may be {bound:?}", seen.p99())
                })
            })
            .collect()
    }
}

#[derive(Default)]
struct Latencies(Mutex<Vec<Duration>>);

impl Latencies {
    fn lock(&self) -> MutexGuard<'_, Vec<Duration>> {
        self.0.lock().expect("nothing panics with it")
    }
}

impl StreamObserver for Latencies {
    fn handle_acked(&self, acked: &Acked) {
        self.lock().extend(acked.batches.iter().map(|batch| batch.latency));
    }
}

/// Sends a row every 10 ms until it is stopped; gives back how many, and over how many links.
fn good_gateway(
    place: &Installation,
    token: &str,
    latencies: Arc<Latencies>,
    stop: Arc<AtomicBool>,
) -> JoinHandle<(u64, u64)> {
    let trust = Trust::CertificateFile(place.data().join("tls/cert.pem"));
    let connection = Connection::new(ConnectionOptions::new(place.quic_address(), trust)).expect("a certificate");
    let options = StreamOptions {
        encoding: Encoding::Line,
        observer: Some(latencies),
        ..StreamOptions::new(token, "good", "energy")
    };
    spawn(move || {
        runtime().block_on(async {
            let stream = BatchStream::open(&connection, options).await.expect("it opens");
            let mut batches = 0;
            while !stop.load(Ordering::SeqCst) {
                let line =
                    format!("energy,device=d active_power=20 {}", 1_700_000_000_000_000_000u64 + batches * 1_000);
                stream.send(line_block(line, 1)).await.expect("it goes on");
                batches += 1;
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            let totals = stream.finish().await.expect("all is stored");
            (batches, totals.links)
        })
    })
}

/// A request over a connection that is kept: a POST of a text, or a GET. It returns what went wrong.
fn request_of(url: String, authorization: String) -> impl Fn(Option<&str>) -> Result<(), String> + Send + 'static {
    let agent: Agent = Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(Duration::from_secs(30)))
        .build()
        .into();
    move |body| {
        let answer = match body {
            Some(body) => agent.post(&url).header("Authorization", &authorization).send(body),
            None => agent.get(&url).header("Authorization", &authorization).call(),
        };
        let mut answer = answer.map_err(|error| format!("{url}: {error}"))?;
        let text = answer.body_mut().read_to_string().map_err(|error| format!("{url}: {error}"))?;
        if answer.status().is_success() { Ok(()) } else { Err(format!("{url}: {} {text}", answer.status())) }
    }
}

/// Does something every so many milliseconds until it is stopped; gives back how often. A good client that is refused fails the test.
fn repeat(
    every_ms: u64,
    latencies: Arc<Latencies>,
    stop: Arc<AtomicBool>,
    request: impl Fn(u64) -> Result<(), String> + Send + 'static,
) -> JoinHandle<u64> {
    let count = AtomicU64::new(0);
    spawn(move || {
        let clock = SystemClock::default();
        while !stop.load(Ordering::SeqCst) {
            let began = clock.monotonic();
            // Nanoseconds are rounded to microseconds, so a row every microsecond is a row of its own.
            let number = count.fetch_add(1, Ordering::Relaxed) * 1_000;
            if let Err(fault) = request(number) {
                panic!("a good client is refused: {fault}");
            }
            latencies.lock().push(clock.monotonic() - began);
            sleep(Duration::from_millis(every_ms));
        }
        count.into_inner()
    })
}

/// Bytes of memory that a server has now.
pub(crate) fn resident_bytes(server: &Server<'_>) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.process.id())).expect("it runs on Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("it has memory");
    let kib: u64 = line.trim().trim_end_matches("kB").trim().parse().expect("a number");
    kib * 1024
}

/// A runtime of the client's own thread.
pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}
