//! One lane: from its queue on disk to the server.

use std::collections::{BTreeSet, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use tokio::sync::Notify;
use zonelake_schemas::wire::control::{Encoding, RefusedCode};
use zonelake_schemas::{BatchNumber, Lane};

use super::{Shared, blocking};
use crate::batch::EncodedBatch;
use crate::encode::{ArrowEncoder, Compression, line_block};
use crate::error::StreamError;
use crate::forward::LaneStatus;
use crate::outbox::Acked;
use crate::spool::SpoolError;
use crate::spool::block::{InForce, encode_block};
use crate::spool::cursor::{Cursor, Next};
use crate::spool::error::at;
use crate::spool::identity::write_durably;
use crate::spool::queue::Queue;
use crate::stream::{BatchStream, LinkEvent, StreamObserver, StreamOptions};

/// A lane as callers and its task share it.
#[derive(Debug)]
pub(super) struct LaneState {
    queue: Arc<Mutex<Queue>>,
    progress: Arc<Progress>,
    /// What waits for its acknowledgement, with its bytes and the time at which it was taken.
    waiting: Mutex<VecDeque<(BatchNumber, u64, Duration)>>,
    appended: Notify,
    last_error: Mutex<Option<String>>,
}

/// What the server has said.
#[derive(Debug, Default)]
struct Progress {
    acknowledged: AtomicU64,
    is_open: AtomicBool,
    changed: Notify,
}

impl StreamObserver for Progress {
    fn handle_acked(&self, acked: &Acked) {
        self.handle_durable(acked.number);
    }

    fn handle_link(&self, event: &LinkEvent) {
        self.is_open.store(matches!(event, LinkEvent::Opened { .. }), Ordering::Relaxed);
        if let LinkEvent::Opened { last_number } = event {
            self.handle_durable(*last_number);
        }
    }
}

impl Progress {
    fn handle_durable(&self, number: BatchNumber) {
        self.acknowledged.fetch_max(number.0, Ordering::AcqRel);
        self.changed.notify_waiters();
    }
}

impl LaneState {
    pub(super) fn new(queue: Queue, now: Duration) -> Self {
        let progress = Progress::default();
        progress.acknowledged.store(queue.acknowledged().0, Ordering::Relaxed);
        // What an earlier process has left waits since now.
        let left = (queue.last_number() > queue.acknowledged()).then(|| (queue.last_number(), queue.bytes(), now));
        Self {
            queue: Arc::new(Mutex::new(queue)),
            progress: Arc::new(progress),
            waiting: Mutex::new(left.into_iter().collect()),
            appended: Notify::new(),
            last_error: Mutex::default(),
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn append(&self, batch: &EncodedBatch) -> Result<BatchNumber, SpoolError> {
        let number = self.lock().append(batch)?;
        self.appended.notify_one();
        Ok(number)
    }

    /// Counts a batch among those that wait; only on the lane that is asked whether it keeps up.
    pub(super) fn count_waiting(&self, number: BatchNumber, bytes: u64, now: Duration) {
        self.waiting().push_back((number, bytes, now));
    }

    /// Whether so many bytes more would still be sent soon.
    pub(super) fn keeps_up(&self, more: u64, bytes_max: u64, age_max: Duration, now: Duration) -> bool {
        let waiting = self.waiting();
        let bytes: u64 = waiting.iter().map(|(_, bytes, _)| bytes).sum();
        let oldest = waiting.front().map(|(_, _, since)| now.saturating_sub(*since));
        waiting.is_empty() || (bytes + more <= bytes_max && oldest.is_none_or(|age| age <= age_max))
    }

    /// Waits until a number is acknowledged, or the sending has stopped for good.
    pub(super) async fn acknowledged(
        &self,
        number: BatchNumber,
        stopped: impl Fn() -> Option<StreamError>,
    ) -> Result<(), StreamError> {
        loop {
            let changed = self.progress.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if self.done() >= number {
                return Ok(());
            }
            if let Some(error) = stopped() {
                return Err(error);
            }
            changed.await;
        }
    }

    pub(super) fn status(&self) -> LaneStatus {
        let (taken, bytes) = {
            let queue = self.lock();
            (queue.last_number(), queue.bytes())
        };
        LaneStatus {
            taken,
            acknowledged: self.done(),
            bytes,
            is_open: self.progress.is_open.load(Ordering::Relaxed),
            last_error: self.last_error.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }

    fn done(&self) -> BatchNumber {
        BatchNumber(self.progress.acknowledged.load(Ordering::Acquire))
    }

    /// What waits, without what has been acknowledged meanwhile.
    fn waiting(&self) -> MutexGuard<'_, VecDeque<(BatchNumber, u64, Duration)>> {
        let done = self.done();
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        while waiting.front().is_some_and(|(number, _, _)| *number <= done) {
            waiting.pop_front();
        }
        waiting
    }

    fn note(&self, error: &dyn std::fmt::Display) {
        *self.last_error.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.to_string());
    }
}

/// Sends a lane for as long as the forwarder lives, and lets go of what is acknowledged.
pub(super) async fn run(shared: Arc<Shared>, lane: Lane) {
    tokio::join!(release(&shared, lane), forward(&shared, lane));
}

/// Opens one stream after another and sends what is next.
async fn forward(shared: &Arc<Shared>, lane: Lane) {
    // Numbers whose batches the server refuses for what is in them.
    let mut refused = BTreeSet::new();
    loop {
        let Err(error) = Sender::open(shared, lane, &mut refused).await;
        let state = shared.lane(lane);
        state.progress.is_open.store(false, Ordering::Relaxed);
        state.note(&error);
        match error {
            Trouble::Batch(number) => drop(refused.insert(number.0)),
            Trouble::Stream(error) if is_final(&error) => {
                tracing::error!(?lane, "nothing more is sent from this spool: {error}");
                shared.counts().stopped.get_or_insert(error);
                state.progress.changed.notify_waiters();
                return;
            }
            Trouble::Stream(_) | Trouble::Spool(_) => {
                tracing::warn!(?lane, "cannot send at the moment: {error}");
                tokio::time::sleep(shared.options.retry_refused_after).await;
            }
        }
    }
}

/// Lets go of segments as they are acknowledged.
async fn release(shared: &Shared, lane: Lane) {
    loop {
        let state = shared.lane(lane);
        let changed = state.progress.changed.notified();
        tokio::pin!(changed);
        changed.as_mut().enable();
        let (queue, done) = (Arc::clone(&state.queue), state.done());
        let released = blocking(move || queue.lock().unwrap_or_else(PoisonError::into_inner).release(done)).await;
        if let Err(error) = released {
            tracing::warn!(?lane, "acknowledged batches stay on the disk for now: {error}");
            state.note(&error);
        }
        changed.await;
    }
}

/// What ends an opened stream.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error("batch {0} is refused for what is in it")]
    Batch(BatchNumber),
    #[error(transparent)]
    Stream(#[from] StreamError),
    #[error(transparent)]
    Spool(#[from] SpoolError),
}

/// One opened stream of a lane.
struct Sender<'a> {
    shared: &'a Arc<Shared>,
    lane: Lane,
    stream: BatchStream,
    cursor: Cursor,
    refused: &'a mut BTreeSet<u64>,
}

impl<'a> Sender<'a> {
    async fn open(
        shared: &'a Arc<Shared>,
        lane: Lane,
        refused: &'a mut BTreeSet<u64>,
    ) -> Result<std::convert::Infallible, Trouble> {
        let state = shared.lane(lane);
        let own = &shared.options;
        let options = StreamOptions {
            epoch: shared.epoch,
            lane,
            unacked_bytes_max: match lane {
                Lane::Live => usize::try_from(own.live_bytes_max).unwrap_or(usize::MAX),
                Lane::Backfill => own.backfill_bytes_in_flight,
            },
            observer: Some(Arc::clone(&state.progress) as _),
            ..own.stream.clone()
        };
        let known = state.done();
        let stream = BatchStream::open(&shared.connection, options).await?;
        let last = BatchNumber(stream.first_number().0 - 1);
        let taken = state.lock().last_number();
        if last > taken {
            return Err(StreamError::NotOurs { server: last, sent: taken }.into());
        }
        if last < known {
            return Err(StreamError::ServerForgot { server: last, acknowledged: known }.into());
        }
        Sender { shared, lane, stream, cursor: Cursor::at(BatchNumber(last.0 + 1)), refused }.send_all().await
    }

    async fn send_all(mut self) -> Result<std::convert::Infallible, Trouble> {
        loop {
            let next = self.next().await?;
            let (number, batch) = match next {
                Next::Batch(number, batch) if !self.refused.contains(&number.0) => (number, batch),
                Next::Batch(number, batch) => (number, self.set_aside(number, batch).await?),
                Next::Gone(number) => (number, self.empty()),
                Next::End => {
                    tokio::select! {
                        () = self.shared.lane(self.lane).appended.notified() => continue,
                        error = self.stream.failed() => return Err(self.judge(error)),
                    }
                }
            };
            let sent = match self.stream.send(batch.clone()).await {
                // The server's limits are known only now; this batch is not for it.
                Err(StreamError::FrameTooLong { .. } | StreamError::TooManyRows { .. }) => {
                    let empty = self.set_aside(number, batch).await?;
                    self.stream.send(empty).await
                }
                sent => sent,
            };
            let sent = sent.map_err(|error| self.judge(error))?;
            assert!(sent == number, "numbers on disk and on the stream go together: {number} and {sent}");
        }
    }

    async fn next(&mut self) -> Result<Next, Trouble> {
        let queue = Arc::clone(&self.shared.lane(self.lane).queue);
        let mut cursor = std::mem::replace(&mut self.cursor, Cursor::at(BatchNumber(0)));
        let (cursor, next, lost) = blocking(move || {
            let mut lost = 0;
            let next = cursor.read(&queue, &mut lost);
            (cursor, next, lost)
        })
        .await;
        self.cursor = cursor;
        self.shared.counts().lost_batches += lost;
        Ok(next?)
    }

    /// Whether an error concerns one batch, which then goes without rows, or the stream.
    fn judge(&self, error: StreamError) -> Trouble {
        let StreamError::Refused { code, number, last_number, .. } = &error else { return error.into() };
        // A refused schema or dictionary names no batch: it came in front of the first that is not stored.
        let at_fault = if number.0 > 0 { *number } else { BatchNumber(last_number.0 + 1) };
        if is_of_content(*code) && !self.refused.contains(&at_fault.0) {
            Trouble::Batch(at_fault)
        } else {
            error.into()
        }
    }

    /// Keeps a refused batch for whoever mends it, and gives back what is sent in its place.
    async fn set_aside(&self, number: BatchNumber, batch: EncodedBatch) -> Result<EncodedBatch, Trouble> {
        let folder = self.shared.options.folder.join("refused");
        let name = format!("{}-{:020}.batch", if self.lane == Lane::Live { "live" } else { "backfill" }, number.0);
        let is_new = blocking(move || {
            std::fs::create_dir_all(&folder).map_err(at(&folder))?;
            let path = folder.join(name);
            let is_new = !path.exists();
            write_durably(&path, &encode_block(number, &batch, &mut InForce::default()))?;
            Ok::<_, SpoolError>(is_new)
        })
        .await?;
        if is_new {
            tracing::error!(lane = ?self.lane, %number, "the server refuses a batch for what is in it; it is put aside in the folder refused");
            self.shared.counts().refused_batches += 1;
        }
        Ok(self.empty())
    }

    /// A batch without rows, the same at each call.
    fn empty(&self) -> EncodedBatch {
        if self.shared.options.stream.encoding == Encoding::Line {
            return line_block("", 0);
        }
        let time = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
        let fields = vec![Field::new("time", time, false), Field::new("device", DataType::Utf8, false)];
        let rows = RecordBatch::new_empty(Arc::new(Schema::new(fields)));
        let encoded =
            ArrowEncoder::new(&rows.schema(), Compression::None).and_then(|mut encoder| encoder.encode(&rows));
        encoded.expect("two columns without rows can be encoded")
    }
}

/// Refusals that concern what is in a batch.
fn is_of_content(code: RefusedCode) -> bool {
    matches!(
        code,
        RefusedCode::UnknownColumn | RefusedCode::WrongType | RefusedCode::BadPayload | RefusedCode::TooLarge
    )
}

/// Whether another try may do harm or cannot help: whoever comes back when fenced would fence the other in turn.
fn is_final(error: &StreamError) -> bool {
    matches!(
        error,
        StreamError::NotOurs { .. }
            | StreamError::ServerForgot { .. }
            | StreamError::Refused { code: RefusedCode::Fenced | RefusedCode::OtherContent, .. }
    )
}
