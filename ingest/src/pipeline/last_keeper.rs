//! The thread that keeps the last rows of devices, and the windows of the last hour, near what is live, apart from the threads that store
//! readings, and that reads them from files where a start has found no checkpoint.

use std::sync::Arc;
use std::time::Duration;

use zonelake_storage::{FillError, Store, Table};

use super::pipeline::Pipeline;
use super::worker::{Stopped, Worker};

/// A running keeper.
#[derive(Debug)]
pub struct LastKeeper(Worker);

impl LastKeeper {
    /// Starts the thread.
    ///
    /// # Errors
    /// Passes on the error of the system, where it grants no thread or no runtime.
    pub fn start(pipeline: Arc<Pipeline>) -> std::io::Result<Self> {
        Worker::start("last-rows", |stopped| run(pipeline, stopped)).map(Self)
    }

    /// Ends the thread. A scan of files that runs comes to nothing.
    pub async fn stop(self) {
        self.0.stop("statements fold live rows themselves").await;
    }
}

async fn run(pipeline: Arc<Pipeline>, stopped: Stopped) {
    let tables = pipeline.store().tables().values().filter(|table| table.keeps_last_rows());
    let kept = tables.flat_map(|table| [Kept::LastRows, Kept::Windows].map(|kept| (table, kept)));
    let filled = kept.map(|(table, kept)| fill(&pipeline, table, kept, &stopped));
    tokio::join!(futures::future::join_all(filled), fold(&pipeline, &stopped));
}

/// Folds what is live, table by table.
async fn fold(pipeline: &Pipeline, stopped: &Stopped) {
    while !stopped.within(FOLD_EVERY).await {
        for table in pipeline.store().tables().values() {
            if let Err(error) = table.fold_last_rows() {
                tracing::error!(table = table.name(), "the last rows of its devices cannot be kept: {error}");
            }
            if let Err(error) = pipeline.store().fold_windows(table) {
                tracing::error!(table = table.name(), "its windows cannot be kept: {error}");
            }
        }
    }
}

/// What is read from files where it is not known.
#[derive(Debug, Clone, Copy)]
enum Kept {
    LastRows,
    Windows,
}

impl Kept {
    fn words(self) -> &'static str {
        match self {
            Self::LastRows => "the last rows of the devices",
            Self::Windows => "the windows of the last hour",
        }
    }

    async fn fill(self, store: &Store, table: &Table) -> Result<Option<usize>, FillError> {
        match self {
            Self::LastRows => store.fill_last_rows(table).await,
            Self::Windows => store.fill_windows(table).await,
        }
    }
}

/// Reads what is kept of a table from its files, wherever it is not known.
async fn fill(pipeline: &Pipeline, table: &Table, kept: Kept, stopped: &Stopped) {
    let mut pause = Duration::ZERO;
    while !stopped.within(pause).await {
        pause = FILL_EVERY;
        tokio::select! {
            () = stopped.wait() => return,
            filled = kept.fill(pipeline.store(), table) => match filled {
                Ok(None) => {}
                Ok(Some(files)) => {
                    tracing::info!(table = table.name(), files, "{} are known", kept.words());
                }
                Err(error) => {
                    tracing::warn!("{} are not known; statements read all rows: {error}", kept.words());
                    pause = PAUSE_AFTER_FAILURE;
                }
            }
        }
    }
}

/// Interval at which live rows are folded: what a statement folds itself is no older.
const FOLD_EVERY: Duration = Duration::from_millis(20);
/// Interval at which tables are checked for last rows that are not known.
const FILL_EVERY: Duration = Duration::from_secs(1);
/// Pause after files that could not be read.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(60);
