//! Twice what can be taken, offered by gateways that spill to disk ([`Forwarder`]), in five phases:
//!
//! 1. normal: a gateway of little data alone; its latency is what is normal
//! 2. full: beside it the spilling gateways, as fast as their batches are acknowledged; their rate is the full rate
//! 3. overload: they are offered twice that rate, by the clock; what is not taken stays on their disks
//! 4. drain: nothing more is offered, until everything is acknowledged
//! 5. after: the first gateway alone again, until its latency is normal
//!
//! The gateways run on the server's cores and disk, and sync each batch to it: the full rate is what is left beside that.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hdrhistogram::Histogram;
use tokio::sync::watch;
use tokio::task::JoinSet;
use zonelake_gateway::{Connection, ForwardOptions, Forwarder, SpoolError, StreamOptions};
use zonelake_schemas::Lane;
use zonelake_schemas::clock::Clock;

use crate::error::LoadError;
use crate::meter::Meter;
use crate::report::{Latency, OverloadReport, SecondReport};
use crate::resources::usage;
use crate::rows::{RowSource, RowsArgs, SentByDevice};
use crate::sender::{SenderArgs, Sending, wait_until};

/// Parts of an overload.
pub(crate) struct OverloadArgs<'a> {
    /// The spilling gateways.
    pub spilling: Vec<SpillingArgs>,
    /// The gateway of little data; it sends a batch every `pace.every` until all is over.
    pub bystander: SenderArgs,
    /// Time of the overload.
    pub length: Duration,
    /// Meter of the bystander's acknowledgements.
    pub meter: Arc<Meter>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The server's process.
    pub server: u32,
    /// Folder of the spools.
    pub folder: &'a Path,
}

/// One spilling gateway.
pub(crate) struct SpillingArgs {
    /// Connection of the gateway.
    pub connection: Arc<Connection>,
    /// Secret of the gateway.
    pub token: String,
    /// Name of the gateway.
    pub producer: String,
    /// Rows that it sends.
    pub rows: RowsArgs,
}

/// Load that is offered to the spilling gateways.
#[derive(Debug, Clone, Copy)]
enum Offer {
    Nothing,
    /// As much as is acknowledged.
    Full,
    /// A batch every so often, from a moment on.
    Clock {
        from: Duration,
        every: Duration,
    },
    Over,
}

type Gateways = JoinSet<Result<Vec<SentByDevice>, LoadError>>;

/// Runs the phases. Gives back what was found, and what was sent.
///
/// # Errors
/// Where a gateway or the server fails, or a spool has not sent everything.
pub(crate) async fn drive(args: OverloadArgs<'_>) -> Result<(OverloadReport, Vec<SentByDevice>), LoadError> {
    let rows = args.spilling[0].rows.clone();
    let (readings, count) = (rows.walks.len() as f64, args.spilling.len() as f64);
    let (offer, offered) = watch::channel(Offer::Nothing);
    let mut gateways = Gateways::new();
    let mut forwarders = Vec::new();
    for (place, spilling) in args.spilling.into_iter().enumerate() {
        let forwarder = Arc::new(open(&spilling, &args.folder.join(format!("spool-{place}"))).await?);
        forwarders.push(Arc::clone(&forwarder));
        gateways.spawn(spill(forwarder, spilling.rows, offered.clone(), Arc::clone(&args.clock)));
    }
    let bystander = tokio::spawn(accompany(args.bystander, offered));
    let clock = Arc::clone(&args.clock);
    let mut phases = Phases::new(&args.meter, clock, args.server, forwarders, rows.batch_rows as u64);

    let normal = phases.run(NORMAL).await;
    offer.send_replace(Offer::Full);
    phases.run(FULL_WARM_UP).await;
    let full = phases.run(FULL).await;
    let every = Duration::from_secs_f64(rows.batch_rows as f64 * count / (2.0 * full.rows_per_second).max(1.0));
    let taken_before = phases.taken();
    offer.send_replace(Offer::Clock { from: args.clock.monotonic(), every });
    let overload = phases.run(args.length).await;
    offer.send_replace(Offer::Nothing);
    let (offered, backlog) = (phases.taken() - taken_before, phases.backlog());
    let drain = phases.drain().await;
    let seconds_until_normal = phases.until(normal.latency.p99_ms * NORMAL_FACTOR).await;
    offer.send_replace(Offer::Over);
    let mut sent = bystander.await.map_err(|error| LoadError::Server(error.to_string()))??;
    while let Some(gateway) = gateways.join_next().await {
        sent.extend(gateway.map_err(|error| LoadError::Server(error.to_string()))??);
    }
    let report = OverloadReport {
        full_readings_per_second: full.rows_per_second * readings,
        offered_readings_per_second: (offered * phases.batch_rows) as f64 / overload.seconds * readings,
        taken_readings_per_second: overload.rows_per_second * readings,
        backlog_readings: (backlog * phases.batch_rows) as f64 * readings,
        drain_readings_per_second: drain.rows_per_second * readings,
        drain_seconds: drain.seconds,
        normal: normal.latency,
        overloaded: overload.latency,
        draining: drain.latency,
        seconds_until_normal,
        server_memory_peak_bytes: usage(args.server).memory_peak_bytes,
        proved: None,
        by_second: phases.seconds,
    };
    Ok((report, sent))
}

async fn open(spilling: &SpillingArgs, folder: &Path) -> Result<Forwarder, LoadError> {
    let stream = StreamOptions::new(&spilling.token, &spilling.producer, &spilling.rows.table);
    let mut options = ForwardOptions::new(stream, folder);
    options.bytes_max = SPOOL_BYTES_MAX;
    options.live_bytes_max = BYTES_IN_FLIGHT as u64;
    options.backfill_bytes_in_flight = BYTES_IN_FLIGHT;
    Forwarder::open(Arc::clone(&spilling.connection), options).await.map_err(|error| spool(&error))
}

/// Offers batches to a spool as it is told, and waits until all are acknowledged.
async fn spill(
    forwarder: Arc<Forwarder>,
    rows: RowsArgs,
    mut offer: watch::Receiver<Offer>,
    clock: Arc<dyn Clock>,
) -> Result<Vec<SentByDevice>, LoadError> {
    let mut source = RowSource::new(rows)?;
    let mut due = Duration::ZERO;
    loop {
        let now = *offer.borrow_and_update();
        match now {
            Offer::Over => break,
            Offer::Nothing => {
                // An error means that the phases have ended; their last offer is `Over`.
                offer.changed().await.ok();
                continue;
            }
            Offer::Full => {
                while waiting(&forwarder) >= FULL_BATCHES_WAITING {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            }
            Offer::Clock { from, every } => {
                due = due.max(from) + every;
                wait_until(clock.as_ref(), due).await;
            }
        }
        forwarder.send(source.next_batch()?).await.map_err(|error| spool(&error))?;
    }
    forwarder.drained().await?;
    let status = forwarder.status();
    if status.dropped_batches + status.lost_batches + status.refused_batches > 0 {
        return Err(LoadError::Proof(format!("a spool has not sent everything: {status:?}")));
    }
    Ok(source.sent())
}

/// The gateway of little data.
async fn accompany(args: SenderArgs, offer: watch::Receiver<Offer>) -> Result<Vec<SentByDevice>, LoadError> {
    let mut source = RowSource::new(args.rows.clone())?;
    let sending = Sending::open(&args, Lane::Live, args.rows.walks.len() as u64).await?;
    let mut due = args.clock.monotonic();
    while !matches!(*offer.borrow(), Offer::Over) {
        due += args.pace.every.unwrap_or(BYSTANDER_EVERY);
        wait_until(args.clock.as_ref(), due).await;
        sending.send(source.next_batch()?, Some(due)).await?;
    }
    sending.finish().await?;
    Ok(source.sent())
}

/// Batches that a spool has taken and the server has not acknowledged.
fn waiting(forwarder: &Forwarder) -> u64 {
    let status = forwarder.status();
    [status.live, status.backfill].iter().map(|lane| lane.taken.0.saturating_sub(lane.acknowledged.0)).sum()
}

fn spool(error: &SpoolError) -> LoadError {
    LoadError::Server(format!("a spool: {error}"))
}

/// Counts second by second.
struct Phases<'a> {
    meter: &'a Meter,
    clock: Arc<dyn Clock>,
    server: u32,
    forwarders: Vec<Arc<Forwarder>>,
    batch_rows: u64,
    start: Duration,
    seconds: Vec<SecondReport>,
}

/// Result of one phase.
struct Phase {
    seconds: f64,
    /// Of the spilling gateways.
    rows_per_second: f64,
    /// Of the bystander.
    latency: Latency,
}

impl<'a> Phases<'a> {
    fn new(
        meter: &'a Meter,
        clock: Arc<dyn Clock>,
        server: u32,
        forwarders: Vec<Arc<Forwarder>>,
        batch_rows: u64,
    ) -> Self {
        let start = clock.monotonic();
        Self { meter, clock, server, forwarders, batch_rows, start, seconds: Vec::new() }
    }

    /// Batches that spools have taken.
    fn taken(&self) -> u64 {
        let taken = |forwarder: &Arc<Forwarder>| {
            let status = forwarder.status();
            status.live.taken.0 + status.backfill.taken.0
        };
        self.forwarders.iter().map(taken).sum()
    }

    fn backlog(&self) -> u64 {
        self.forwarders.iter().map(|forwarder| waiting(forwarder)).sum()
    }

    /// Watches for so long.
    async fn run(&mut self, length: Duration) -> Phase {
        let end = self.clock.monotonic() + length;
        self.watch(|_, now| now + LAST_MOMENT >= end).await
    }

    /// Watches until the spools are empty.
    async fn drain(&mut self) -> Phase {
        self.watch(|phases, _| phases.backlog() == 0).await
    }

    /// Watches until a second's p99 is low, at most for a minute. Seconds that it took.
    async fn until(&mut self, p99_ms: f64) -> Option<f64> {
        for second in 1..=60 {
            let phase = self.run(Duration::from_secs(1)).await;
            if phase.latency.count > 0 && phase.latency.p99_ms <= p99_ms {
                return Some(f64::from(second) - 1.0);
            }
        }
        None
    }

    async fn watch(&mut self, is_over: impl Fn(&Self, Duration) -> bool) -> Phase {
        let began = self.clock.monotonic();
        let acknowledged_before = self.taken() - self.backlog();
        let mut all = Histogram::<u64>::new(3).expect("three digits are possible");
        let (mut at, mut before) = (began, usage(self.server));
        let mut acknowledged = acknowledged_before;
        self.meter.take_second();
        loop {
            let mut now = self.clock.monotonic();
            while now < at + Duration::from_secs(1) && !is_over(self, now) {
                tokio::time::sleep(Duration::from_millis(20)).await;
                now = self.clock.monotonic();
            }
            let (second, after) = (self.meter.take_second(), usage(self.server));
            let acknowledged_now = self.taken() - self.backlog();
            let length = now.saturating_sub(at);
            let mut report = SecondReport::new(now.saturating_sub(self.start), length, &second, before, after);
            report.readings += (acknowledged_now - acknowledged) * self.batch_rows * READINGS_A_ROW;
            eprintln!(
                "{:6.1} s  {:6.2} M readings/s  backlog {:5} batches  p99 {:7.1} ms  {:5.0} MB",
                report.at,
                report.readings as f64 / length.as_secs_f64().max(0.001) / 1e6,
                self.backlog(),
                report.latency.p99_ms,
                report.server_memory_bytes as f64 / 1e6
            );
            self.seconds.push(report);
            // Both have three digits.
            // Both histograms have the same bounds, so adding cannot fail.
            all.add(&second.latency_us).ok();
            (at, before, acknowledged) = (now, after, acknowledged_now);
            if is_over(self, now) {
                break;
            }
        }
        let seconds = at.saturating_sub(began).as_secs_f64();
        let rows = (acknowledged - acknowledged_before) * self.batch_rows;
        Phase { seconds, rows_per_second: rows as f64 / seconds.max(0.001), latency: Latency::of(&all) }
    }
}

const NORMAL: Duration = Duration::from_secs(10);
const FULL_WARM_UP: Duration = Duration::from_secs(5);
const FULL: Duration = Duration::from_secs(20);
/// Latency is normal again when a second's p99 is at most so many times what it was.
const NORMAL_FACTOR: f64 = 2.0;
/// Batches that wait in a spool at the full rate.
const FULL_BATCHES_WAITING: u64 = 16;
const BYTES_IN_FLIGHT: usize = 8 << 20;
/// Bytes of each spool.
const SPOOL_BYTES_MAX: u64 = 8 << 30;
const BYSTANDER_EVERY: Duration = Duration::from_millis(10);
/// Of the workload.
const READINGS_A_ROW: u64 = 8;
/// A second that is shorter than this is left out.
const LAST_MOMENT: Duration = Duration::from_millis(100);
