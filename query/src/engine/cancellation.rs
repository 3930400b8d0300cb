//! State that ends a statement: the time limit, the wish of its client, and the lack of memory. Whatever executes for long
//! checks it.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::error::QueryError;

/// State that ends a statement: its deadline, a flag, and a reason.
#[derive(Debug)]
pub(crate) struct Cancellation {
    deadline: Instant,
    is_cancelled: AtomicBool,
    reason: OnceLock<QueryError>,
    ended: Notify,
}

impl Cancellation {
    /// Cancellation of a statement that may take until `deadline`.
    pub(crate) fn new(deadline: Instant) -> Self {
        Self { deadline, is_cancelled: AtomicBool::new(false), reason: OnceLock::new(), ended: Notify::new() }
    }

    /// Ends the statement: nobody waits for it any more.
    pub(crate) fn cancel(&self) {
        // Relaxed: the flag guards no other data, and a join sees it at one of its next batches.
        self.is_cancelled.store(true, Ordering::Relaxed);
    }

    /// Ends the statement for a reason of which its client is told; only the first one counts.
    pub(crate) fn end(&self, reason: QueryError) {
        // A second reason comes too late.
        drop(self.reason.set(reason));
        self.cancel();
        self.ended.notify_one();
    }

    /// Reason for which the statement was ended.
    pub(crate) fn reason(&self) -> Option<QueryError> {
        self.reason.get().cloned()
    }

    /// Waits until the statement is ended for a reason.
    pub(crate) async fn ended(&self) -> QueryError {
        loop {
            if let Some(reason) = self.reason() {
                return reason;
            }
            self.ended.notified().await;
        }
    }

    /// True once the deadline has passed.
    #[expect(
        clippy::disallowed_methods,
        reason = "the runtime's timers, which end the statement as well, have this clock"
    )]
    pub(crate) fn is_past_deadline(&self) -> bool {
        Instant::now() >= self.deadline
    }

    /// True where the statement was cancelled or its deadline has passed.
    pub(crate) fn is_over(&self) -> bool {
        self.is_cancelled.load(Ordering::Relaxed) || self.is_past_deadline()
    }
}
