//! State that the handle of a forwarder and the tasks of its lanes share.

use std::fs::File;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use zonelake_schemas::wire::control::Encoding;
use zonelake_schemas::{BatchNumber, Epoch, Lane};

use super::lane_state::LaneState;
use super::options::{ForwardOptions, WhenFull};
use crate::batch::EncodedBatch;
use crate::connection::Connection;
use crate::error::StreamError;
use crate::spool::error::SpoolError;
use crate::spool::format::block_bytes_max;
use crate::spool::identity::{Identity, take};
use crate::spool::queue::Queue;
use crate::spool::refused::RefusedFolder;

/// State that callers and the tasks of both lanes share.
#[derive(Debug)]
pub(super) struct ForwardState {
    pub(super) connection: Arc<Connection>,
    pub(super) options: ForwardOptions,
    pub(super) epoch: Epoch,
    pub(super) live: LaneState,
    pub(super) backfill: LaneState,
    counts: Mutex<Counts>,
    /// Held while a batch is put on a lane, so that they are assigned one after the other.
    choosing: Mutex<()>,
    _lock: File,
}

/// Counts of batches that were not stored as they were sent, and the reason why sending has stopped.
#[derive(Debug, Default, Clone)]
pub(super) struct Counts {
    pub(super) dropped_batches: u64,
    pub(super) lost_batches: u64,
    pub(super) refused_batches: u64,
    pub(super) stopped: Option<StreamError>,
}

impl ForwardState {
    pub(super) fn open(connection: Arc<Connection>, options: ForwardOptions) -> Result<Self, SpoolError> {
        let seconds = connection.clock().wall_us() / 1_000_000;
        let identity = Identity {
            version: 1,
            producer: options.stream.producer.clone(),
            table: options.stream.table.clone(),
            encoding: if options.stream.encoding == Encoding::Line { "line" } else { "arrow" }.into(),
            epoch: options.epoch.map_or(u64::try_from(seconds).unwrap_or(0).max(1), |epoch| epoch.0),
        };
        // The lock comes first: two processes with one spool would give two batches the same number.
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

    pub(super) fn lane(&self, lane: Lane) -> &LaneState {
        match lane {
            Lane::Live => &self.live,
            Lane::Backfill => &self.backfill,
        }
    }

    pub(super) fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn append(&self, batch: &EncodedBatch) -> Result<(Lane, BatchNumber), SpoolError> {
        let _one_at_a_time = self.choosing.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.connection.clock().monotonic();
        let bytes = block_bytes_max(batch) as u64;
        self.ensure_capacity(bytes)?;
        let (bytes_max, age_max) = (self.options.live_bytes_max, self.options.live_age_max);
        // The lane is chosen once and for good: a batch that moved to the other one could be stored twice.
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

    fn ensure_capacity(&self, more: u64) -> Result<(), SpoolError> {
        let bytes_max = self.options.bytes_max;
        loop {
            let bytes = self.live.lock().bytes() + self.backfill.lock().bytes() + self.refused_bytes()?;
            if bytes + more <= bytes_max {
                return Ok(());
            }
            if self.options.when_full == WhenFull::Refuse || !self.drop_oldest()? {
                return Err(SpoolError::Full { bytes, bytes_max });
            }
        }
    }

    /// Bytes of refused batches. Without any, which is the rule, the folder is not read.
    fn refused_bytes(&self) -> Result<u64, SpoolError> {
        RefusedFolder::of(&self.options.folder).bytes()
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

/// Runs work that waits for the disk on a thread where it delays no other task.
pub(super) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}
