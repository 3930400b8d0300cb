//! One gateway: a connection, its streams, and the clock by which batches are due.
//!
//! The clock does not wait for the server: where batches are due faster than they are taken, they queue up in front of the
//! stream's window and their latency is counted from when they were due. Without a rate, a batch is due when the window has
//! room for it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc, watch};
use zonelake_gateway::{
    Acked, BatchStream, Connection, EncodedBatch, LinkEvent, StreamError, StreamObserver, StreamOptions,
};
use zonelake_schemas::Lane;
use zonelake_schemas::clock::Clock;
use zonelake_schemas::wire::control::Encoding;

use crate::error::LoadError;
use crate::meter::Meter;
use crate::rows::{RowSource, RowsArgs, SentByDevice, Wire};

/// Schedule of the batches of a stream.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// Time from batch to batch; `None`: as fast as it goes.
    pub every: Option<Duration>,
    /// Time at which the first is due, from the start of the load.
    pub first: Duration,
    /// No batch is due from then on.
    pub length: Duration,
    /// Share of the batches that come late, on the back-fill lane.
    pub late_share: f64,
    /// Every so often the gateway is silent for a tenth of that time.
    pub burst_every: Option<Duration>,
}

/// Parts of a sender.
pub(crate) struct SenderArgs {
    /// Connection of its gateway.
    pub connection: Arc<Connection>,
    /// Secret of its gateway.
    pub token: String,
    /// Name of the producer.
    pub producer: String,
    /// Rows that it sends.
    pub rows: RowsArgs,
    /// Schedule of its batches.
    pub pace: Pace,
    /// Meter of its counts.
    pub meter: Arc<Meter>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Most bytes that wait for their acknowledgement.
    pub unacked_bytes_max: usize,
}

/// Starting line at which gateways wait for each other.
#[derive(Debug, Clone)]
pub(crate) struct StartLine {
    /// Gateways that open their streams at the same time: thousands of simultaneous handshakes would only make each other late.
    pub opening: Arc<Semaphore>,
    /// Told by each stream that is open and whose first batch is durable.
    pub ready: mpsc::UnboundedSender<()>,
    /// Start of the load, once all are open.
    pub start: watch::Receiver<Option<Duration>>,
}

/// Opens its stream with a first batch, sends from the start to the end, waits until everything is durable, and tells what
/// was sent.
///
/// # Errors
/// Where a stream ends for good.
pub(crate) async fn run(args: SenderArgs, mut line: StartLine) -> Result<Vec<SentByDevice>, LoadError> {
    let SenderArgs { rows, pace, clock, .. } = &args;
    let readings_a_row = rows.walks.len() as u64;
    let mut source = RowSource::new(rows.clone())?;
    let opening = line.opening.acquire().await;
    let live = Sending::open(&args, Lane::Live, readings_a_row).await?;
    // By this the server learns the names of its devices.
    live.send(source.next_batch()?, None).await?;
    live.stream.drained().await?;
    drop(opening);
    // The counter is gone only where the run is over.
    line.ready.send(()).ok();
    let start = line.start.wait_for(Option::is_some).await.ok().and_then(|start| *start);
    let start = start.ok_or_else(|| LoadError::Server("the load has not started".into()))?;
    let end = start + pace.length;
    let mut late: Option<Sending> = None;
    let mut held: VecDeque<(Duration, EncodedBatch)> = VecDeque::new();
    let mut random = fastrand::Rng::with_seed(rows.seed);
    let mut due = start + pace.first;
    wait_until(clock.as_ref(), due).await;
    while clock.monotonic() < end && due < end {
        match pace.every {
            Some(every) => {
                wait_until(clock.as_ref(), pace.postponed(due)).await;
                let batch = source.next_batch()?;
                if pace.late_share > 0.0 && random.f64() < pace.late_share {
                    held.push_back((due + LATE_BY, batch));
                } else {
                    live.send(batch, Some(pace.postponed(due))).await?;
                }
                due += every;
            }
            None => live.send(source.next_batch()?, None).await?,
        }
        while held.front().is_some_and(|(due, _)| *due <= clock.monotonic()) {
            send_late(&args, &mut late, &mut held, readings_a_row).await?;
        }
    }
    // Its last batch may have been due a while ago.
    wait_until(clock.as_ref(), end).await;
    while !held.is_empty() {
        send_late(&args, &mut late, &mut held, readings_a_row).await?;
    }
    live.finish().await?;
    if let Some(late) = late {
        late.finish().await?;
    }
    Ok(source.sent())
}

async fn send_late(
    args: &SenderArgs,
    late: &mut Option<Sending>,
    held: &mut VecDeque<(Duration, EncodedBatch)>,
    readings_a_row: u64,
) -> Result<(), LoadError> {
    if late.is_none() {
        *late = Some(Sending::open(args, Lane::Backfill, readings_a_row).await?);
    }
    if let (Some(late), Some((_, batch))) = (late, held.pop_front()) {
        late.send(batch, None).await?;
    }
    Ok(())
}

impl Pace {
    /// The moment at which a batch leaves: at the end of the silence that it falls into.
    fn postponed(&self, due: Duration) -> Duration {
        let Some(every) = self.burst_every else { return due };
        let into = Duration::from_nanos(u64::try_from(due.as_nanos() % every.as_nanos()).unwrap_or(0));
        if into < every / 10 { due - into + every / 10 } else { due }
    }
}

/// An open stream whose acknowledgements are counted.
pub(crate) struct Sending {
    stream: BatchStream,
    dues: Arc<Dues>,
}

impl Sending {
    /// Opens a stream.
    ///
    /// # Errors
    /// Where the server refuses it.
    pub(crate) async fn open(args: &SenderArgs, lane: Lane, readings_a_row: u64) -> Result<Self, StreamError> {
        let dues = Arc::new(Dues {
            waiting: Mutex::default(),
            meter: Arc::clone(&args.meter),
            clock: Arc::clone(&args.clock),
            readings_a_row,
        });
        let mut options = StreamOptions::new(&args.token, &args.producer, &args.rows.table);
        options.lane = lane;
        options.encoding = if args.rows.wire == Wire::Lines { Encoding::Line } else { Encoding::Arrow };
        options.unacked_bytes_max = args.unacked_bytes_max;
        options.software = concat!("zonelake-loadtest ", env!("CARGO_PKG_VERSION")).into();
        options.observer = Some(Arc::clone(&dues) as Arc<dyn StreamObserver>);
        Ok(Self { stream: BatchStream::open(&args.connection, options).await?, dues })
    }

    /// Sends a batch that was due at a moment of the clock, or now.
    ///
    /// # Errors
    /// Where the stream has ended for good.
    pub(crate) async fn send(&self, batch: EncodedBatch, due: Option<Duration>) -> Result<(), StreamError> {
        if let Some(due) = due {
            self.dues.waiting.lock().unwrap_or_else(PoisonError::into_inner).push_back(due);
        }
        self.stream.send(batch).await.map(drop)
    }

    /// Waits until everything is durable, and ends.
    ///
    /// # Errors
    /// Where the stream has ended for good.
    pub(crate) async fn finish(self) -> Result<(), StreamError> {
        self.stream.finish().await.map(drop)
    }
}

/// Due times of the batches that are not acknowledged yet, in their order; empty where they have no rate.
struct Dues {
    waiting: Mutex<VecDeque<Duration>>,
    meter: Arc<Meter>,
    clock: Arc<dyn Clock>,
    readings_a_row: u64,
}

impl StreamObserver for Dues {
    fn handle_acked(&self, acked: &Acked) {
        let now = self.clock.monotonic();
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        for batch in &acked.batches {
            let latency = waiting.pop_front().map_or(batch.latency, |due| now.saturating_sub(due));
            self.meter.count_batch(batch.rows, batch.rows * self.readings_a_row, latency);
        }
    }

    fn handle_link(&self, event: &LinkEvent) {
        if matches!(event, LinkEvent::Broken { .. }) {
            self.meter.count_lost_link();
        }
    }
}

/// Sleeps until a moment of the clock.
pub(crate) async fn wait_until(clock: &dyn Clock, moment: Duration) {
    let wait = moment.saturating_sub(clock.monotonic());
    if !wait.is_zero() {
        tokio::time::sleep(wait).await;
    }
}

/// Delay of a late batch.
const LATE_BY: Duration = Duration::from_secs(8);
