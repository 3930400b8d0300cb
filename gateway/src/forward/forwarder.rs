//! Store and forward: batches are on disk when [`Forwarder::send`] returns, and go to the server as soon as there is a
//! link, each once, through outages of weeks and through crashes of this side and that.
//!
//! - `options`: where the spool is, how large it may get, what goes on which lane
//! - `lane`: one lane: from its queue on disk to the server
//!
//! A batch goes on the live lane as long as that lane keeps up: what waits on it is below `live_bytes_max` and its oldest
//! batch below `live_age_max`. While the link is down or too slow, further batches go on the back-fill lane. So when the
//! link comes back, the live lane has little to catch up with, and what happens then is sent at once, while a month of
//! back-fill drains beside it. A batch keeps the lane and the number that it got, which is what makes sending it again
//! harmless. On one connection live data goes first, and of back-fill no more than `backfill_bytes_in_flight` is under way.

mod lane;
mod options;

use std::fs::File;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::task::JoinHandle;
use zonelake_schemas::wire::control::Encoding;
use zonelake_schemas::{BatchNumber, Epoch, Lane};

use self::lane::{LaneState, run};
pub use self::options::{ForwardOptions, ForwardStatus, LaneStatus, WhenFull};
use crate::batch::EncodedBatch;
use crate::connection::Connection;
use crate::error::StreamError;
use crate::spool::SpoolError;
use crate::spool::identity::{Identity, take};
use crate::spool::queue::{Queue, block_bytes_max};

/// Forwards batches of one producer and table from a folder. Dropping it leaves on disk what is not acknowledged.
#[derive(Debug)]
pub struct Forwarder {
    shared: Arc<Shared>,
    tasks: Vec<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    connection: Arc<Connection>,
    options: ForwardOptions,
    epoch: Epoch,
    live: LaneState,
    backfill: LaneState,
    counts: Mutex<Counts>,
    /// Held while a batch is put on a lane, so that they are judged one after the other.
    choosing: Mutex<()>,
    _lock: File,
}

#[derive(Debug, Default, Clone)]
struct Counts {
    dropped_batches: u64,
    lost_batches: u64,
    refused_batches: u64,
    stopped: Option<StreamError>,
}

impl Forwarder {
    /// Opens the spool, or makes it, and begins to send what is in it. It waits for the disk, not for the server.
    ///
    /// # Errors
    /// [`SpoolError`]: the folder cannot be used, is in use, or belongs to another stream of batches.
    pub async fn open(connection: Arc<Connection>, options: ForwardOptions) -> Result<Self, SpoolError> {
        let shared = blocking(move || Shared::open(connection, options)).await?;
        let shared = Arc::new(shared);
        let mut tasks = Vec::new();
        for lane in [Lane::Live, Lane::Backfill] {
            tasks.push(tokio::spawn(run(Arc::clone(&shared), lane)));
        }
        Ok(Self { shared, tasks })
    }

    /// Takes a batch: when this returns, it is on disk and synced, and is sent whenever there is a link. It gives back the
    /// lane and the number of the batch.
    ///
    /// # Errors
    /// [`SpoolError`]: the batch is not taken. [`SpoolError::Full`] where the spool is full and is not to drop anything.
    pub async fn send(&self, batch: EncodedBatch) -> Result<(Lane, BatchNumber), SpoolError> {
        let shared = Arc::clone(&self.shared);
        blocking(move || shared.append(&batch)).await
    }

    /// Waits until the server has acknowledged everything taken so far.
    ///
    /// # Errors
    /// What has stopped the sending for good; see [`ForwardStatus::stopped`].
    pub async fn drained(&self) -> Result<(), StreamError> {
        for lane in [&self.shared.live, &self.shared.backfill] {
            let last = lane.lock().last_number();
            lane.acknowledged(last, || self.shared.counts().stopped.clone()).await?;
        }
        Ok(())
    }

    /// How things stand.
    pub fn status(&self) -> ForwardStatus {
        let counts = self.shared.counts().clone();
        ForwardStatus {
            live: self.shared.live.status(),
            backfill: self.shared.backfill.status(),
            dropped_batches: counts.dropped_batches,
            lost_batches: counts.lost_batches,
            refused_batches: counts.refused_batches,
            stopped: counts.stopped,
        }
    }

    /// Epoch that this spool sends under.
    pub fn epoch(&self) -> Epoch {
        self.shared.epoch
    }

    /// Ends the sending; what is not acknowledged stays on disk for the next time.
    pub async fn close(mut self) {
        for task in std::mem::take(&mut self.tasks) {
            task.abort();
            // It was told to end.
            let _ = task.await;
        }
    }
}

impl Drop for Forwarder {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

impl Shared {
    fn open(connection: Arc<Connection>, options: ForwardOptions) -> Result<Self, SpoolError> {
        let seconds = connection.clock().wall_us() / 1_000_000;
        let identity = Identity {
            version: 1,
            producer: options.stream.producer.clone(),
            table: options.stream.table.clone(),
            encoding: if options.stream.encoding == Encoding::Line { "line" } else { "arrow" }.into(),
            epoch: options.epoch.map_or(u64::try_from(seconds).unwrap_or(0).max(1), |epoch| epoch.0),
        };
        let (lock, epoch) = take(&options.folder, &identity)?;
        let now = connection.clock().monotonic();
        let lane = |name: &str| {
            let queue = Queue::open(&options.folder.join(name), epoch, options.segment_bytes)?;
            Ok::<_, SpoolError>(LaneState::new(queue, now))
        };
        let (live, backfill) = (lane("live")?, lane("backfill")?);
        let (counts, choosing) = (Mutex::default(), Mutex::default());
        Ok(Self { connection, options, epoch, live, backfill, counts, choosing, _lock: lock })
    }

    fn lane(&self, lane: Lane) -> &LaneState {
        match lane {
            Lane::Live => &self.live,
            Lane::Backfill => &self.backfill,
        }
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn append(&self, batch: &EncodedBatch) -> Result<(Lane, BatchNumber), SpoolError> {
        let _one_at_a_time = self.choosing.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.connection.clock().monotonic();
        let bytes = block_bytes_max(batch) as u64;
        self.make_room(bytes)?;
        let (bytes_max, age_max) = (self.options.live_bytes_max, self.options.live_age_max);
        let lane = if self.live.keeps_up(bytes, bytes_max, age_max, now) { Lane::Live } else { Lane::Backfill };
        loop {
            match self.lane(lane).append(batch) {
                Ok(number) => {
                    if lane == Lane::Live {
                        self.live.count_waiting(number, bytes, now);
                    }
                    return Ok((lane, number));
                }
                Err(full @ SpoolError::NoSpace { .. }) => {
                    if self.options.when_full == WhenFull::Refuse || !self.drop_oldest()? {
                        return Err(full);
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn make_room(&self, more: u64) -> Result<(), SpoolError> {
        let bytes_max = self.options.bytes_max;
        loop {
            let bytes = self.live.lock().bytes() + self.backfill.lock().bytes();
            if bytes + more <= bytes_max {
                return Ok(());
            }
            if self.options.when_full == WhenFull::Refuse || !self.drop_oldest()? {
                return Err(SpoolError::Full { bytes, bytes_max });
            }
        }
    }

    /// Gives up the oldest segment of the back-fill, or of the live lane where that has none to give up.
    fn drop_oldest(&self) -> Result<bool, SpoolError> {
        for lane in [&self.backfill, &self.live] {
            if let Some(batches) = lane.lock().drop_oldest()? {
                self.counts().dropped_batches += batches;
                tracing::warn!(batches, "the spool is full: its oldest batches are dropped");
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Runs what waits for the disk where it keeps nobody else waiting.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}
