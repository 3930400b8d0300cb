//! State of one lane that callers and its task share.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use zonelake_schemas::BatchNumber;

use super::options::LaneStatus;
use crate::batch::EncodedBatch;
use crate::error::StreamError;
use crate::outbox::acked::Acked;
use crate::spool::error::SpoolError;
use crate::spool::queue::Queue;
use crate::stream::options::{LinkEvent, StreamObserver};

/// A lane as callers and its task share it.
#[derive(Debug)]
pub(super) struct LaneState {
    pub(super) queue: Arc<Mutex<Queue>>,
    pub(super) progress: Arc<Progress>,
    /// Batches that wait for their acknowledgement, with their bytes and the time at which they were taken.
    waiting: Mutex<VecDeque<(BatchNumber, u64, Duration)>>,
    pub(super) appended: Notify,
    last_error: Mutex<Option<String>>,
    /// What an operator has to mend, and the last number that was acknowledged then.
    waits_for: Mutex<Option<(BatchNumber, String)>>,
}

/// Progress as the server has acknowledged it.
#[derive(Debug, Default)]
pub(super) struct Progress {
    acknowledged: AtomicU64,
    pub(super) is_open: AtomicBool,
    pub(super) changed: Notify,
}

impl StreamObserver for Progress {
    fn handle_acked(&self, acked: &Acked) {
        self.handle_durable(acked.number);
    }

    fn handle_link(&self, event: &LinkEvent) {
        // Relaxed: a status for display, which orders nothing.
        self.is_open.store(matches!(event, LinkEvent::Opened { .. }), Ordering::Relaxed);
        if let LinkEvent::Opened { last_number } = event {
            self.handle_durable(*last_number);
        }
    }
}

impl Progress {
    fn handle_durable(&self, number: BatchNumber) {
        // Acknowledgements of two links may race; the number never goes back. Release pairs with the Acquire in `done`.
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
            waits_for: Mutex::default(),
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

    /// True where that many more bytes would still be sent soon.
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
            // Registered before the check, so that a change between the check and the wait is not missed.
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
            waits_for: self.waits_for(),
            last_error: self.last_error.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }

    /// Notes that an operator has to mend something before the next batch can be sent.
    pub(super) fn wait_for(&self, what: String) {
        *self.waits_for.lock().unwrap_or_else(PoisonError::into_inner) = Some((self.done(), what));
    }

    fn waits_for(&self) -> Option<String> {
        let waits_for = self.waits_for.lock().unwrap_or_else(PoisonError::into_inner);
        // Once something is acknowledged behind it, it was mended.
        waits_for.as_ref().filter(|(done, _)| *done == self.done()).map(|(_, what)| what.clone())
    }

    pub(super) fn done(&self) -> BatchNumber {
        BatchNumber(self.progress.acknowledged.load(Ordering::Acquire))
    }

    /// Batches that wait, without those acknowledged meanwhile.
    fn waiting(&self) -> MutexGuard<'_, VecDeque<(BatchNumber, u64, Duration)>> {
        let done = self.done();
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        while waiting.front().is_some_and(|(number, _, _)| *number <= done) {
            waiting.pop_front();
        }
        waiting
    }

    pub(super) fn note(&self, error: &dyn std::fmt::Display) {
        *self.last_error.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.to_string());
    }
}
