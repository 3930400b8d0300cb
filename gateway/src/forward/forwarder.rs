//! The handle of store and forward.

use std::sync::Arc;

use futures::future::BoxFuture;
use tokio::task::JoinHandle;
use zonelake_schemas::{BatchNumber, Epoch, Lane};

use super::lane::run;
use super::options::{ForwardOptions, ForwardStatus};
use super::state::{ForwardState, blocking};
use crate::batch::EncodedBatch;
use crate::connection::Connection;
use crate::error::StreamError;
use crate::spool::error::SpoolError;

/// Forwards batches of one producer and table from a folder. Dropping it leaves on disk what is not acknowledged.
#[derive(Debug)]
pub struct Forwarder {
    shared: Arc<ForwardState>,
    tasks: Vec<JoinHandle<()>>,
}

impl Forwarder {
    /// Opens the spool, or makes it, and begins to send what is in it. It waits for the disk, not for the server.
    ///
    /// # Errors
    /// [`SpoolError`]: the folder cannot be used, is in use, or belongs to another stream of batches.
    pub fn open(connection: Arc<Connection>, options: ForwardOptions) -> BoxFuture<'static, Result<Self, SpoolError>> {
        Box::pin(async move {
            let shared = blocking(move || ForwardState::open(connection, options)).await?;
            let shared = Arc::new(shared);
            let mut tasks = Vec::new();
            for lane in [Lane::Live, Lane::Backfill] {
                tasks.push(tokio::spawn(run(Arc::clone(&shared), lane)));
            }
            Ok(Self { shared, tasks })
        })
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
    /// The error that has stopped sending for good; see [`ForwardStatus::stopped`].
    pub async fn drained(&self) -> Result<(), StreamError> {
        for lane in [&self.shared.live, &self.shared.backfill] {
            let last = lane.lock().last_number();
            lane.acknowledged(last, || self.shared.counts().stopped.clone()).await?;
        }
        Ok(())
    }

    /// Status of both lanes.
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
            // The task ends by the abort above, which is the error here; a panic of it was printed already.
            task.await.ok();
        }
    }
}

impl Drop for Forwarder {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}
