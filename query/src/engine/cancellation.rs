//! State that ends a statement: the time limit, and the wish of its client. Whatever executes for long checks it.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::time::Instant;

/// State that ends a statement: its deadline, and a flag.
#[derive(Debug)]
pub(crate) struct Cancellation {
    deadline: Instant,
    is_cancelled: AtomicBool,
}

impl Cancellation {
    /// Cancellation of a statement that may take until `deadline`.
    pub(crate) fn new(deadline: Instant) -> Self {
        Self { deadline, is_cancelled: AtomicBool::new(false) }
    }

    /// Ends the statement: nobody waits for it any more.
    pub(crate) fn cancel(&self) {
        // Relaxed: the flag guards no other data, and a join sees it at one of its next batches.
        self.is_cancelled.store(true, Ordering::Relaxed);
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
