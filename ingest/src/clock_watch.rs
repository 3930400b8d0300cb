//! A watch over the wall clock. A clock that is far behind makes every row one from the future: all would go to the table
//! `rejected`, while their senders believe them stored. So nothing is taken in until the clock is right again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use zonelake_schemas::wire::control::RefusedCode;
use zonelake_storage::Store;

use crate::refusal::Refusal;

/// Watch over the wall clock of a store.
#[derive(Debug)]
pub(crate) struct ClockWatch {
    store: Arc<Store>,
    future_us_max: i64,
    was_behind: AtomicBool,
}

impl ClockWatch {
    /// A watch that allows event times the lead `future_us_max`.
    pub(crate) fn new(store: Arc<Store>, future_us_max: i64) -> Self {
        Self { store, future_us_max, was_behind: AtomicBool::new(false) }
    }

    /// Seconds by which the clock is behind, where it certainly is: see [`zonelake_schemas::clock::ForwardClock::behind_us`].
    pub(crate) fn behind_seconds(&self) -> Option<i64> {
        let behind = self.store.receipt_clock().behind_us(self.store.clock().wall_us(), self.future_us_max);
        let seconds = behind.map(|us| us / 1_000_000);
        // Logged once for each time, not for each batch.
        match (seconds, self.was_behind.swap(seconds.is_some(), Ordering::Relaxed)) {
            (Some(seconds), false) => tracing::error!(
                seconds,
                "the clock of this machine is behind the last receipt, and rows from now would count as rows from the future: batches are refused until it is set right. Where it is right, and was far ahead before: ingest.clock_may_be_behind"
            ),
            (None, true) => tracing::info!("the clock of this machine is right again"),
            _ => {}
        }
        seconds
    }

    /// Refuses while the clock is behind.
    ///
    /// # Errors
    /// `Unavailable`, in words for the sender.
    pub(crate) fn check(&self) -> Result<(), Refusal> {
        let Some(seconds) = self.behind_seconds() else { return Ok(()) };
        let message = format!(
            "the clock of the server is {seconds} s behind its last receipt; nothing of this batch is stored. Set the server's clock right; sending resumes automatically"
        );
        Err(Refusal::new(RefusedCode::Unavailable, message))
    }
}
