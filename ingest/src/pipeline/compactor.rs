//! The thread that merges small files, apart from the threads that store readings and from the flusher.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use zonelake_storage::{CompactionError, CompactionOptions, Erased, MergeControl, Table};

use super::pipeline::Pipeline;
use super::worker::{Stopped, Worker};

/// A running compactor.
#[derive(Debug)]
pub struct Compactor {
    worker: Worker,
    /// Ends a merge between two of its row groups.
    is_stopping: Arc<AtomicBool>,
}

impl Compactor {
    /// Starts the thread.
    ///
    /// # Errors
    /// Passes on the error of the system, where it grants no thread or no runtime.
    pub fn start(pipeline: Arc<Pipeline>, options: CompactionOptions) -> std::io::Result<Self> {
        let is_stopping = Arc::new(AtomicBool::new(false));
        let work = Work {
            pipeline,
            options,
            is_stopping: Arc::clone(&is_stopping),
            skipped: BTreeMap::new(),
            erase_failed: BTreeMap::new(),
        };
        Ok(Self { worker: Worker::start("compactor", |stopped| work.run(stopped))?, is_stopping })
    }

    /// Ends the thread. A merge that runs comes to nothing.
    pub async fn stop(self) {
        self.is_stopping.store(true, Ordering::Relaxed);
        self.worker.stop("the tables have the files that they had").await;
    }
}

struct Work {
    pipeline: Arc<Pipeline>,
    options: CompactionOptions,
    is_stopping: Arc<AtomicBool>,
    /// Files by table that a merge has failed on: it would fail again, and others would wait.
    skipped: BTreeMap<String, HashSet<String>>,
    /// The last failure by table.
    erase_failed: BTreeMap<String, String>,
}

impl Work {
    async fn run(mut self, stopped: Stopped) {
        let mut pause = CHECK_EVERY;
        while !stopped.within(pause).await {
            let mut merged_any = false;
            self.pipeline.store().refresh_rules();
            let tables: Vec<Arc<Table>> = self.pipeline.store().tables().values().cloned().collect();
            for table in tables {
                // What is to go first: merges leave such files alone.
                merged_any |= self.erase(&table).await;
                merged_any |= self.compact(&table).await;
                let deleted = self.pipeline.store().delete_retired(&table, &self.options).await;
                if deleted > 0 {
                    tracing::debug!(table = table.name(), files = deleted, "deleted files that were merged");
                }
            }
            if let Err(error) = self.pipeline.store().confirm_erased().await {
                tracing::warn!("whether deleted rows are gone from disk could not be noted: {error}");
            }
            // A merge takes one date of a table: the next one follows without a pause.
            pause = if merged_any { Duration::ZERO } else { CHECK_EVERY };
        }
    }

    /// Takes hidden rows out of some files; false where there are none, or it has failed.
    async fn erase(&mut self, table: &Table) -> bool {
        match self.pipeline.store().erase_hidden(table, &self.options, &self.is_stopping).await {
            Ok(None) => false,
            Ok(Some(Erased { files, rewritten, rows })) => {
                self.pipeline.metrics().count_erased(rows);
                tracing::debug!(table = table.name(), files, rewritten, rows, "took out rows that are deleted or due");
                true
            }
            Err(_) if self.is_stopping.load(Ordering::Relaxed) => false,
            Err(error) => {
                self.pipeline.metrics().count_merge_error();
                // Once for each cause: it is tried again every second.
                let words = error.to_string();
                if self.erase_failed.get(table.name()) != Some(&words) {
                    tracing::warn!("hidden rows stay on disk: {words}");
                    self.erase_failed.insert(table.name().to_owned(), words);
                }
                false
            }
        }
    }

    /// Merges once; false where there was nothing to merge, or it has failed.
    async fn compact(&mut self, table: &Table) -> bool {
        let skipped = self.skipped.entry(table.name().to_owned()).or_default();
        let control = MergeControl { options: &self.options, skipped, is_stopping: &self.is_stopping };
        match self.pipeline.store().compact(table, control).await {
            Ok(None) => false,
            Ok(Some(merged)) => {
                self.pipeline.metrics().count_merge(&merged);
                tracing::debug!(
                    table = table.name(),
                    files = merged.files,
                    rows = merged.rows,
                    bytes_before = merged.bytes_before,
                    bytes_after = merged.bytes_after,
                    "merged"
                );
                true
            }
            Err(_) if self.is_stopping.load(Ordering::Relaxed) => false,
            Err(error) => {
                self.pipeline.metrics().count_merge_error();
                tracing::warn!("small files are not merged; statements read them as they are: {error}");
                if let CompactionError::Merge { inputs, .. } = error {
                    skipped.extend(inputs.into_iter().take(SKIPPED_MAX.saturating_sub(skipped.len())));
                }
                false
            }
        }
    }
}

/// Interval at which tables are checked for files to merge.
const CHECK_EVERY: Duration = Duration::from_secs(1);
/// Most files of a table that are left out of merges until a restart.
const SKIPPED_MAX: usize = 10_000;
