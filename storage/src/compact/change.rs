//! Files of a table exchanged for others by one commit: a merge, rows that go, or rows with other values.

use std::collections::HashSet;
use std::sync::Arc;

use zonelake_parquet::delete_files;
use zonelake_tablelog::{LogCommit, LogSnapshot, TableLogError};

use crate::rules::hidden::Hidden;
use crate::store::Store;
use crate::table::doubt::{CommitInDoubt, Exchange};
use crate::table::table::Table;

/// Files that are to take the place of others.
#[derive(Debug)]
pub(crate) struct FileChange {
    pub exchange: Exchange,
    /// What was hidden when the files were chosen. Where that has changed, the output may have rows that are to go.
    pub hidden: Arc<Hidden>,
}

impl Store {
    /// Commits a change; false where it came to nothing.
    ///
    /// Where rows go or change, the checkpoint of the last rows goes first, durably: it has them, and a restart could take it for that of the files that are
    /// left. What is in memory begins anew with the commit.
    pub(crate) async fn commit_change(&self, table: &Table, change: FileChange) -> Result<bool, TableLogError> {
        let FileChange { exchange, hidden } = change;
        let mut in_doubt = table.flush.lock().await;
        if let Err(unknown) = self.settle_exchange(table, &mut in_doubt).await {
            self.take_back(table, &exchange).await;
            return Err(unknown);
        }
        let view = table.view();
        let listed: HashSet<&str> = view.files.iter().map(|file| file.path.as_str()).collect();
        let is_current = exchange.inputs.iter().all(|input| listed.contains(input.path.as_str()))
            && view.hidden.has_rules_of(&hidden);
        // A flush whose outcome is not known is for the next flush to find out, which has its rows. And a deletion that has failed and may be on
        // disk names the files that the table has: without them, a start would find nothing to delete and take it for done.
        if in_doubt.is_some() || !is_current || self.rules.settle().is_err() {
            self.take_back(table, &exchange).await;
            return Ok(false);
        }
        if exchange.changes_rows
            && let Err(error) = self.last.remove(table.name())
        {
            self.take_back(table, &exchange).await;
            return Err(TableLogError::Store { table: table.name().into(), source: Box::new(error) });
        }
        let commit = LogCommit {
            base_version: view.log_version,
            adds: exchange.outputs.clone(),
            removes: exchange.inputs.clone(),
            drops_rows: exchange.changes_rows,
            txns: Vec::new(),
        };
        let error = match table.log.commit(commit).await {
            Ok(version) => {
                self.retire(table, &exchange);
                table.replace_files(exchange, version);
                return Ok(true);
            }
            Err(error) => error,
        };
        match self.resolve_exchange(table, &exchange).await {
            Ok(true) => Ok(true),
            Ok(false) => Err(error),
            Err(unknown) => {
                tracing::warn!(
                    table = table.name(),
                    "whether a change of files has landed is not known yet: {unknown}"
                );
                *in_doubt = Some(CommitInDoubt::Exchange(exchange));
                Err(error)
            }
        }
    }

    /// Finds out what became of a change of files whose outcome is not known, where there is one. Whoever commits or looks which files
    /// the table has calls this first, under the lock that `in_doubt` is of.
    ///
    /// # Errors
    /// It is still not known: nothing may build upon the view.
    pub(crate) async fn settle_exchange(
        &self,
        table: &Table,
        in_doubt: &mut Option<CommitInDoubt>,
    ) -> Result<(), TableLogError> {
        if let Some(CommitInDoubt::Exchange(exchange)) = in_doubt.as_ref() {
            self.resolve_exchange(table, exchange).await?;
            *in_doubt = None;
        }
        Ok(())
    }

    /// The same before files are chosen. Where a commit is under way just now, it sees to that itself.
    ///
    /// # Errors
    /// As [`Self::settle_exchange`].
    pub(crate) async fn settle_exchange_before(&self, table: &Table) -> Result<(), TableLogError> {
        match table.flush.try_lock() {
            Ok(mut in_doubt) => self.settle_exchange(table, &mut in_doubt).await,
            Err(_busy) => Ok(()),
        }
    }

    /// Finds out what became of a commit that was reported as failed: the files of the table log tell. Where it has landed, the table
    /// has its files from now on; else its output, which no version lists, is deleted.
    ///
    /// While the log cannot be read, the view stays as it is: its files are all there.
    async fn resolve_exchange(&self, table: &Table, exchange: &Exchange) -> Result<bool, TableLogError> {
        let snapshot = table.log.load().await?;
        if exchange.has_landed(&snapshot.files) {
            // The entry may not be synced. A further one in the same folder is synced, and with it the name of the first.
            let confirmation = LogCommit { base_version: snapshot.version, ..LogCommit::default() };
            let version = table.log.commit(confirmation).await?;
            tracing::warn!(table = table.name(), version, "a change of files that was reported as failed has landed");
            table.rebase_on(LogSnapshot { version, ..snapshot }, exchange.changes_rows);
            self.retire(table, exchange);
            return Ok(true);
        }
        self.take_back(table, exchange).await;
        if snapshot.version != table.view().log_version {
            let version = snapshot.version;
            tracing::warn!(
                table = table.name(),
                version,
                "another program has changed the table; its version is taken"
            );
            table.rebase(snapshot);
        }
        Ok(false)
    }

    pub(crate) async fn take_back(&self, table: &Table, exchange: &Exchange) {
        let paths: Vec<&str> = exchange.outputs.iter().map(|output| output.path.as_str()).collect();
        delete_files(self.object_store().as_ref(), table.root(), &paths).await;
    }

    fn retire(&self, table: &Table, exchange: &Exchange) {
        table.retired.add(self.clock().monotonic(), &exchange.inputs);
    }
}
