//! One merge: chosen, written beside everything else, committed in a moment.
//!
//! A flush holds the table's commit lock from its sort to its commit; a merge takes it for its commit alone, and looks then whether
//! its inputs are still the table's. So appends never wait for a merge, and a merge whose inputs have changed meanwhile is dropped.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};

use zonelake_parquet::{DataFile, MergeInput, merge_files};

use crate::compact::change::FileChange;
use crate::compact::error::CompactionError;
use crate::compact::options::CompactionOptions;
use crate::compact::policy::{backlog, next_merge, next_repeats};
use crate::health::merges::{MergeEntry, MergeOutcome};
use crate::rules::hidden::Hidden;
use crate::store::Store;
use crate::table::doubt::Exchange;
use crate::table::table::Table;

/// Result of a merge.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Compacted {
    /// Files that were merged.
    pub files: u64,
    /// Rows in them.
    pub rows: u64,
    /// Bytes of them.
    pub bytes_before: u64,
    /// Bytes of the file that they have become.
    pub bytes_after: u64,
}

/// What a merge goes by.
#[derive(Debug, Clone, Copy)]
pub struct MergeControl<'a> {
    /// Sizes and budgets.
    pub options: &'a CompactionOptions,
    /// Paths of files that are not merged.
    pub skipped: &'a HashSet<String>,
    /// Ends the merge between two row groups; it comes to nothing then.
    pub is_stopping: &'a Arc<AtomicBool>,
}

impl Store {
    /// Merges files of one date of a table, where one has too many of one size. Returns `None` where the table is in order, or its files
    /// have changed while they were merged, or while a change of rules is in doubt.
    ///
    /// # Errors
    /// [`CompactionError`]; the table has the files that it had.
    pub async fn compact(
        &self,
        table: &Table,
        control: MergeControl<'_>,
    ) -> Result<Option<Compacted>, CompactionError> {
        self.settle_exchange_before(table).await?;
        if self.rules.settle().is_err() {
            // It would come to nothing: the commit looks again.
            return Ok(None);
        }
        let parquet = &self.options().parquet;
        let view = table.view();
        // Files with hidden rows are rewritten without them first: no merge brings a deleted row into another file.
        let is_free =
            |file: &&Arc<DataFile>| !control.skipped.contains(&file.path) && view.hidden.in_file(file).is_none();
        let candidates: Vec<_> = view.files.iter().filter(is_free).cloned().collect();
        table.merge_backlog.store(backlog(&candidates, control.options), Ordering::Relaxed);
        let of_size = next_merge(&candidates, control.options, parquet.row_group_rows_max);
        let is_for_repeats = of_size.is_none();
        let Some(inputs) = of_size.or_else(|| self.next_repeats(table, &candidates, control.options)) else {
            return Ok(None);
        };
        let (began, started_us) = (self.clock().monotonic(), self.clock().wall_us());
        let merged = self.merge(table, &inputs, &view.hidden, control).await;
        self.merges.add(MergeEntry {
            table: table.name().into(),
            date: inputs[0].date,
            started_us,
            took: self.clock().monotonic().saturating_sub(began),
            files: inputs.len() as u64,
            rows: inputs.iter().map(|file| file.rows).sum(),
            bytes_before: inputs.iter().map(|file| file.bytes).sum(),
            outcome: match &merged {
                Ok(Some(merged)) => MergeOutcome::Merged { bytes_after: merged.bytes_after },
                Ok(None) => MergeOutcome::Dropped,
                Err(error) => MergeOutcome::Failed(error.to_string()),
            },
        });
        if is_for_repeats && matches!(merged, Ok(Some(_))) {
            let mut of_dates = table.repeats_merged.lock().unwrap_or_else(PoisonError::into_inner);
            of_dates.insert(inputs[0].date, self.clock().monotonic());
        }
        merged
    }

    /// Files that are merged so that independent readers see one row of a key, too. A date has its turn once in a while: late rows that come
    /// one by one would have a large file rewritten each time.
    fn next_repeats(
        &self,
        table: &Table,
        files: &[Arc<DataFile>],
        options: &CompactionOptions,
    ) -> Option<Vec<Arc<DataFile>>> {
        if table.registered.def.on_repeat.keeps_all() {
            return None;
        }
        let now = self.clock().monotonic();
        // A panic elsewhere leaves no time half-written.
        let mut merged = table.repeats_merged.lock().unwrap_or_else(PoisonError::into_inner);
        merged.retain(|_, at| now.saturating_sub(*at) < options.repeats_every);
        let is_due = |date| !merged.contains_key(&date);
        next_repeats(files, options, self.options().parquet.row_group_rows_max, is_due)
    }

    /// Merges these files.
    async fn merge(
        &self,
        table: &Table,
        inputs: &[Arc<DataFile>],
        hidden: &Arc<Hidden>,
        control: MergeControl<'_>,
    ) -> Result<Option<Compacted>, CompactionError> {
        let parquet = &self.options().parquet;
        let (inputs, hidden) = (inputs.to_vec(), Arc::clone(hidden));
        let input = MergeInput {
            schemas: Arc::new(table.registered.schemas.clone()),
            files: inputs.clone(),
            dropped: None,
            changed: None,
            on_repeat: table.registered.def.on_repeat,
            // Beyond the second bound, Arrow could not address the text of a column.
            group_bytes_max: (control.options.memory_bytes_max / 4).min(1 << 30),
            is_stopping: Arc::clone(control.is_stopping),
        };
        let merged = merge_files(input, Arc::clone(self.object_store()), table.root(), parquet).await;
        let merged = merged.map_err(|source| CompactionError::Merge {
            table: table.name().into(),
            date: inputs[0].date,
            inputs: inputs.iter().map(|file| file.path.clone()).collect(),
            source,
        })?;
        let changes_rows = merged.rows < inputs.iter().map(|file| file.rows).sum::<u64>();
        let result = Compacted {
            files: inputs.len() as u64,
            rows: inputs.iter().map(|file| file.rows).sum(),
            bytes_before: inputs.iter().map(|file| file.bytes).sum(),
            bytes_after: merged.bytes,
        };
        let exchange = Exchange { inputs, outputs: vec![Arc::new(merged)], changes_rows };
        Ok(self.commit_change(table, FileChange { exchange, hidden }).await?.then_some(result))
    }
}
