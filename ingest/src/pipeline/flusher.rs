//! The thread that flushes tables when they are due, apart from the threads that store readings.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use super::pipeline::Pipeline;

/// A running flusher.
#[derive(Debug)]
pub struct Flusher {
    stop: oneshot::Sender<()>,
    thread: std::thread::JoinHandle<()>,
}

impl Flusher {
    /// Starts the thread.
    ///
    /// # Errors
    /// Passes on the error of the system, where it grants no thread or no runtime.
    pub fn start(pipeline: Arc<Pipeline>) -> std::io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new()
            .name("flusher".into())
            .spawn(move || runtime.block_on(run(pipeline, stopped)))?;
        Ok(Self { stop, thread })
    }

    /// Ends the thread after the flush that it is at.
    pub async fn stop(self) {
        // A flusher that has ended on its own needs no signal.
        self.stop.send(()).ok();
        let thread = self.thread;
        let joined = tokio::task::spawn_blocking(move || thread.join()).await;
        if !matches!(joined, Ok(Ok(()))) {
            tracing::error!("the flusher's thread has panicked; its rows are in the WAL");
        }
    }
}

async fn run(pipeline: Arc<Pipeline>, mut stopped: oneshot::Receiver<()>) {
    let mut pause = CHECK_EVERY;
    while tokio::time::timeout(pause, &mut stopped).await.is_err() {
        let (mut failed, mut flushed_any) = (false, false);
        for (table, result) in pipeline.store().flush_due().await {
            match result {
                Ok(flushed) => {
                    flushed_any |= flushed.rows > 0;
                    pipeline.metrics().count_flush(&flushed);
                    pipeline.health().flush_is_done(table.name());
                    tracing::debug!(
                        table = table.name(),
                        rows = flushed.rows,
                        files = flushed.files,
                        bytes = flushed.bytes,
                        "flushed"
                    );
                }
                Err(error) => {
                    failed = true;
                    pipeline.metrics().count_flush_error();
                    pipeline.health().flush_has_failed(table.name());
                    tracing::error!(
                        table = table.name(),
                        "flush failed, will be tried again; rows stay in memory and in the WAL: {error}"
                    );
                }
            }
        }
        // Also after a failure: other tables may have been flushed, and their segments can be released.
        pipeline.committed().await;
        // A flush takes a part of the rows that are due: the next one follows without a pause.
        pause = match (failed, flushed_any) {
            (true, _) => PAUSE_AFTER_FAILURE,
            (false, true) => Duration::ZERO,
            (false, false) => CHECK_EVERY,
        };
    }
}

/// Interval at which tables are checked for rows that are due.
const CHECK_EVERY: Duration = Duration::from_millis(100);
/// Pause after a failed flush.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(2);
