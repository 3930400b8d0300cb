//! A place in the queue: how many statements run at once and how many may wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::{QueryError, QueryErrorCode};

/// Lets some statements run and some more wait; beyond both it refuses at once.
#[derive(Debug)]
pub struct Admission {
    running: Arc<Semaphore>,
    waiting: Arc<AtomicUsize>,
    running_max: usize,
    waiting_max: usize,
}

impl Admission {
    /// So many may run, and so many wait, both at the same time.
    pub fn new(running_max: usize, waiting_max: usize) -> Self {
        Self { running: Arc::new(Semaphore::new(running_max)), waiting: Arc::default(), running_max, waiting_max }
    }

    /// Waits for a turn; the statement's end is when the returned value is dropped.
    pub async fn enter(&self) -> Result<OwnedSemaphorePermit, QueryError> {
        if let Ok(turn) = Arc::clone(&self.running).try_acquire_owned() {
            return Ok(turn);
        }
        let _waiting = Waiting::begin(&self.waiting, self.waiting_max).ok_or_else(|| {
            QueryError::new(
                QueryErrorCode::Busy,
                format!(
                    "{} statements are running and {} waiting already; try again later",
                    self.running_max, self.waiting_max
                ),
            )
        })?;
        Arc::clone(&self.running).acquire_owned().await.map_err(|_| QueryError::stopping())
    }

    /// Statements that run now.
    pub fn running(&self) -> usize {
        self.running_max - self.running.available_permits().min(self.running_max)
    }

    /// Statements that wait now.
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }
}

/// Counts one that waits, for as long as it lives.
struct Waiting(Arc<AtomicUsize>);

impl Waiting {
    fn begin(count: &Arc<AtomicUsize>, max: usize) -> Option<Self> {
        count
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |now| (now < max).then_some(now + 1))
            .ok()
            .map(|_| Self(Arc::clone(count)))
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
