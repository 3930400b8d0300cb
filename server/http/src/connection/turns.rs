//! Whose turn it is on a connection.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// Requests of a connection, and whether the server owes something for one of them.
// Relaxed throughout: the counts are looked at now and then, and order nothing else.
#[derive(Debug, Default)]
pub(super) struct Turns {
    requests: AtomicU64,
    progress: AtomicU64,
    at_work: AtomicUsize,
}

/// Work of the server for a request; while one lives, the client owes nothing.
#[derive(Debug)]
pub(super) struct Work(Arc<Turns>);

impl Turns {
    /// Counts a request, and begins the work for it.
    pub(super) fn handle_request(self: &Arc<Self>) -> Work {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.begin()
    }

    /// Begins work.
    pub(super) fn begin(self: &Arc<Self>) -> Work {
        self.at_work.fetch_add(1, Ordering::Relaxed);
        Work(Arc::clone(self))
    }

    /// Counts a step that the client has made, as the taking of a part of a response.
    pub(super) fn count_progress(&self) {
        self.progress.fetch_add(1, Ordering::Relaxed);
    }

    /// True where the server owes something.
    pub(super) fn is_servers(&self) -> bool {
        self.at_work.load(Ordering::Relaxed) > 0
    }

    /// Requests so far.
    pub(super) fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// A number that grows with each step.
    pub(super) fn progress(&self) -> u64 {
        self.progress.load(Ordering::Relaxed)
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        self.0.at_work.fetch_sub(1, Ordering::Relaxed);
        // From now on the client has the whole time of its turn.
        self.0.count_progress();
    }
}
