//! The thread that flushes tables when they are due, apart from the threads that store readings.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use zonelake_storage::Table;

use super::pipeline::Pipeline;
use super::worker::{Stopped, Worker};

/// A running flusher.
#[derive(Debug)]
pub struct Flusher(Worker);

impl Flusher {
    /// Starts the thread.
    ///
    /// # Errors
    /// Passes on the error of the system, where it grants no thread or no runtime.
    pub fn start(pipeline: Arc<Pipeline>) -> std::io::Result<Self> {
        Worker::start("flusher", |stopped| run(pipeline, stopped)).map(Self)
    }

    /// Ends the thread after the flush that it is at.
    pub async fn stop(self) {
        self.0.stop("its rows are in the WAL").await;
    }
}

async fn run(pipeline: Arc<Pipeline>, stopped: Stopped) {
    let permits = Semaphore::new(FLUSHES_MAX);
    let tables = pipeline.store().tables().values();
    let tables = tables.map(|table| flush_table(&pipeline, table, &permits, &stopped));
    tokio::join!(futures::future::join_all(tables), release(&pipeline, &stopped));
}

/// Flushes one table whenever it is due. Tables do not wait for each other, except for a permit: one that writes thousands of files
/// holds up no other.
async fn flush_table(pipeline: &Pipeline, table: &Table, permits: &Semaphore, stopped: &Stopped) {
    let mut pause = CHECK_EVERY;
    while !stopped.within(pause).await {
        let permit = permits.acquire().await;
        let result = pipeline.store().flush_if_due(table).await;
        drop(permit);
        pause = match result {
            None => CHECK_EVERY,
            Some(Ok(flushed)) => {
                pipeline.metrics().count_flush(&flushed);
                pipeline.health().flush_is_done(table.name());
                tracing::debug!(
                    table = table.name(),
                    rows = flushed.rows,
                    files = flushed.files,
                    bytes = flushed.bytes,
                    "flushed"
                );
                pipeline.committed().await;
                // A flush takes a part of the rows that are due: the next one follows without a pause.
                if flushed.rows > 0 { Duration::ZERO } else { CHECK_EVERY }
            }
            Some(Err(error)) => {
                pipeline.metrics().count_flush_error();
                pipeline.health().flush_has_failed(table.name());
                tracing::error!(
                    table = table.name(),
                    "flush failed, will be tried again; rows stay in memory and in the WAL: {error}"
                );
                PAUSE_AFTER_FAILURE
            }
        };
    }
}

/// Lets the shards look now and then which segments they can release, whatever became of the last flush.
async fn release(pipeline: &Pipeline, stopped: &Stopped) {
    while !stopped.within(CHECK_EVERY).await {
        pipeline.committed().await;
    }
}

/// Interval at which tables are checked for rows that are due.
const CHECK_EVERY: Duration = Duration::from_millis(100);
/// Most flushes at the same time. Each takes memory for what it sorts and encodes; two keep a long one from holding up the others.
const FLUSHES_MAX: usize = 2;
/// Pause after a failed flush.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(2);
