//! From hidden rows to rows that are on no disk: files that have nothing else go by one commit, others are rewritten without them.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use object_store::{Error as StoreError, ObjectStoreExt};
use zonelake_parquet::{DataFile, MergeInput, ParquetFileError, RowTest, merge_files, path_in_store};
use zonelake_schemas::OnRepeat;

use crate::compact::change::FileChange;
use crate::compact::options::CompactionOptions;
use crate::rules::clean_files::CleanFiles;
use crate::rules::error::RuleError;
use crate::rules::hidden::{CleanFile, Hidden, HiddenRows};
use crate::rules::ledger::Deletion;
use crate::rules::orders::Settling;
use crate::store::Store;
use crate::table::doubt::Exchange;
use crate::table::table::Table;

/// Result of one step.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Erased {
    /// Files that are no longer in the table.
    pub files: u64,
    /// Files that took the place of some of them.
    pub rewritten: u64,
    /// Rows that are gone.
    pub rows: u64,
}

/// What is left of a file.
enum Rest {
    /// All of it: it has no hidden row.
    All,
    /// Another file, or nothing.
    Some(Option<Arc<DataFile>>),
}

impl Store {
    /// Takes hidden rows out of a table: all files that have nothing else, or one that is rewritten. Returns `None` where nothing is left
    /// to do, a back-up copies files, or they have changed meanwhile.
    ///
    /// # Errors
    /// [`RuleError`]; the table has the files that it had, and what is hidden stays so.
    pub async fn erase_hidden(
        &self,
        table: &Table,
        options: &CompactionOptions,
        is_stopping: &Arc<AtomicBool>,
    ) -> Result<Option<Erased>, RuleError> {
        self.settle_exchange_before(table).await?;
        if self.backup_hold.lasts(self.clock().monotonic()) {
            return Ok(None);
        }
        self.rules.settle()?;
        let view = table.view();
        let due = |file: &&Arc<DataFile>| view.hidden.in_file(file).is_some_and(|rows| rows.hides_all(file));
        let whole: Vec<Arc<DataFile>> = view.files.iter().filter(due).cloned().collect();
        if !whole.is_empty() {
            return self.drop_files(table, whole, None, &view.hidden).await;
        }
        // A file that cannot be read holds up no other one.
        let (files, mut view) = (Arc::clone(&view.files), view);
        let mut failed = None;
        let mut clean: Vec<CleanFile> = Vec::new();
        for file in files.iter() {
            let Some(hidden) = view.hidden.in_file(file) else { continue };
            match self.erase_from(table, file, hidden.clone(), options, is_stopping).await {
                Ok(Rest::All) => clean.push((Arc::clone(file), hidden)),
                Ok(Rest::Some(rest)) => {
                    // Before the others are noted: that changes what is hidden, and a commit by what was known before would come to nothing.
                    let dropped = self.drop_files(table, vec![Arc::clone(file)], rest, &view.hidden).await;
                    self.note_clean(table, clean)?;
                    return dropped;
                }
                Err(error @ RuleError::File { .. }) => drop(failed.get_or_insert(error)),
                Err(error) => {
                    self.note_clean(table, clean)?;
                    return Err(error);
                }
            }
            // A start in between reads no more than these once more.
            if clean.len() >= CLEAN_FILES_MAX {
                self.note_clean(table, std::mem::take(&mut clean))?;
                view = table.view();
            }
        }
        self.note_clean(table, clean)?;
        failed.map_or(Ok(None), Err)
    }

    /// Notes files that were read and have no row that is to go: in the view, in the orders that name them, and for the next start.
    fn note_clean(&self, table: &Table, clean: Vec<CleanFile>) -> Result<(), RuleError> {
        if clean.is_empty() {
            return Ok(());
        }
        table.change_hidden(|view| view.hidden.with_clean(&clean, &view.files));
        let files: Vec<Arc<DataFile>> = clean.into_iter().map(|(file, _)| file).collect();
        self.settle(table, &files, false)?;
        let known = Arc::clone(table.view().hidden.clean());
        if let Err(error) = CleanFiles::beside(&self.rules).write(table.name(), &known) {
            tracing::warn!(
                table = table.name(),
                "which files have no row to go is not kept for the next start: {error}"
            );
        }
        Ok(())
    }

    /// What is left of a file without the rows that are hidden in it.
    async fn erase_from(
        &self,
        table: &Table,
        file: &Arc<DataFile>,
        hidden: HiddenRows,
        options: &CompactionOptions,
        is_stopping: &Arc<AtomicBool>,
    ) -> Result<Rest, RuleError> {
        let rows = self.count_hidden(table, file, hidden.clone(), HiddenRows::default()).await?;
        if rows == 0 {
            return Ok(Rest::All);
        }
        if rows == file.rows {
            return Ok(Rest::Some(None));
        }
        let rest = self.rewrite(table, file, hidden, options, is_stopping).await?;
        let expected = file.rows.saturating_sub(rows);
        if rest.rows != expected {
            // Nothing lists it, and what nothing lists is deleted when it is old.
            let source = ParquetFileError::OtherRows { path: rest.path.clone(), expected, found: rest.rows };
            return Err(RuleError::File { table: table.name().into(), file: file.path.clone(), source });
        }
        Ok(Rest::Some(Some(rest)))
    }

    /// Notes the orders whose rows are on no disk any more, and sees to files that a restart has forgotten.
    ///
    /// # Errors
    /// `NotWritten`, `InDoubt`.
    pub async fn confirm_erased(&self) -> Result<(), RuleError> {
        // A full disk may have kept the ledger from what a commit has done.
        let turn = self.ledger_turn.lock().await;
        if self.backup_hold.lasts(self.clock().monotonic()) {
            return Ok(());
        }
        self.settle_orders(Settling::Due)?;
        drop(turn);
        for order in self.ledger().deletions.iter() {
            if order.erased_us.is_some() || !order.pending.is_empty() || !self.is_gone(order).await {
                continue;
            }
            let now_us = self.clock().wall_us();
            self.rules.change(|ledger| {
                let own = ledger.deletions.iter_mut().filter(|other| other.id == order.id);
                own.for_each(|own| own.erased_us = Some(now_us));
                Ok(())
            })?;
            tracing::info!(id = order.id, table = order.table, "the deleted rows are in no file any more");
        }
        Ok(())
    }

    /// Whether none of an order's files is on disk. One that is there and that nobody will delete is left to be deleted.
    async fn is_gone(&self, order: &Deletion) -> bool {
        let Some(table) = self.tables().get(&order.table) else { return false };
        let view = table.view();
        // An order may be of ten thousand files, and is asked about each second until they are deleted.
        let listed: HashSet<&str> = view.files.iter().map(|file| file.path.as_str()).collect();
        let waiting = table.retired.paths();
        let mut is_gone = true;
        for path in &order.files {
            if listed.contains(path.as_str()) || waiting.contains(path) {
                is_gone = false;
                continue;
            }
            let found = self.object_store().head(&path_in_store(table.root(), path)).await;
            if matches!(found, Err(StoreError::NotFound { .. })) {
                continue;
            }
            is_gone = false;
            if found.is_ok() {
                table.retired.add_missing(self.clock().monotonic(), path);
            }
        }
        is_gone
    }

    async fn rewrite(
        &self,
        table: &Table,
        file: &Arc<DataFile>,
        hidden: HiddenRows,
        options: &CompactionOptions,
        is_stopping: &Arc<AtomicBool>,
    ) -> Result<Arc<DataFile>, RuleError> {
        let input = MergeInput {
            schemas: Arc::new(table.registered.schemas.clone()),
            files: vec![Arc::clone(file)],
            dropped: Some(RowTest::new(move |zone, device, time| hidden.hides(zone, device, time))),
            changed: None,
            // Rows that go are no repeats; which of the others count is for merges.
            on_repeat: OnRepeat::KeepAll,
            group_bytes_max: options.memory_bytes_max / 4,
            is_stopping: Arc::clone(is_stopping),
        };
        let rest = merge_files(input, Arc::clone(self.object_store()), table.root(), &self.options().parquet).await;
        rest.map(Arc::new).map_err(|source| RuleError::File {
            table: table.name().into(),
            file: file.path.clone(),
            source,
        })
    }

    /// Commits what is left of files.
    async fn drop_files(
        &self,
        table: &Table,
        files: Vec<Arc<DataFile>>,
        rest: Option<Arc<DataFile>>,
        hidden: &Arc<Hidden>,
    ) -> Result<Option<Erased>, RuleError> {
        let before: u64 = files.iter().map(|file| file.rows).sum();
        let erased = Erased {
            files: files.len() as u64,
            rewritten: u64::from(rest.is_some()),
            rows: before - rest.as_ref().map_or(0, |rest| rest.rows),
        };
        let exchange = Exchange { inputs: files, outputs: rest.into_iter().collect(), changes_rows: true };
        let _turn = self.ledger_turn.lock().await;
        // A back-up copies files of one moment, and the ledger behind them: one that calls an order done would be beside files that have its rows.
        if self.backup_hold.lasts(self.clock().monotonic()) {
            self.take_back(table, &exchange).await;
            return Ok(None);
        }
        let change = FileChange { exchange, hidden: Arc::clone(hidden) };
        // The orders are not changed with each file: what is not listed any more hides nothing, and is taken off them by and by.
        Ok(self.commit_change(table, change).await?.then_some(erased))
    }

    /// Takes files off the orders of a table: they are rewritten, or have none of the rows.
    pub(crate) fn settle(&self, table: &Table, files: &[Arc<DataFile>], had_rows: bool) -> Result<(), RuleError> {
        let concerns = |order: &Deletion| {
            order.table == table.name() && files.iter().any(|file| order.pending.contains(&file.path))
        };
        if !self.ledger().deletions.iter().any(concerns) {
            return Ok(());
        }
        self.rules.change(|ledger| {
            for order in ledger.deletions.iter_mut().filter(|order| concerns(order)) {
                for file in files {
                    order.pending.remove(&file.path);
                    if !had_rows {
                        order.files.remove(&file.path);
                    }
                }
            }
            Ok(())
        })?;
        self.refresh_rules();
        Ok(())
    }
}

/// Files without a row to go that are noted at a time.
const CLEAN_FILES_MAX: usize = 256;
