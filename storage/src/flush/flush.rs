//! From live rows to files: sort, write Parquet, commit, hand over.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::RecordBatch;
use futures::future::BoxFuture;
use zonelake_parquet::{ChunkOrigins, DataFile, SortInput, delete_files, write_sorted};
use zonelake_schemas::Lsn;
use zonelake_tablelog::{AppId, LogCommit, TableLogError};

use crate::flush::error::FlushError;
use crate::last::last_rows::LastRowsState;
use crate::store::Store;
use crate::table::doubt::CommitInDoubt;
use crate::table::table::{Committed, FlushBatch, Table};
use crate::table::view::TableView;

/// Result of a flush.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Flushed {
    /// Rows that are in files now.
    pub rows: u64,
    /// Files that they are in.
    pub files: u64,
    /// Bytes of those files.
    pub bytes: u64,
}

impl Flushed {
    fn from_files(files: &[Arc<DataFile>]) -> Self {
        Self {
            rows: files.iter().map(|file| file.rows).sum(),
            files: files.len() as u64,
            bytes: files.iter().map(|file| file.bytes).sum(),
        }
    }
}

impl Store {
    /// Flushes the oldest live rows of a table, of about `flush_bytes_max`: a part that can be sorted and encoded
    /// within bounded memory, and whose end frees capacity for senders early. Returns zeros where nothing is live.
    ///
    /// # Errors
    /// [`FlushError`]; the rows stay live and the next flush takes them again.
    pub fn flush<'a>(&'a self, table: &'a Table) -> BoxFuture<'a, Result<Flushed, FlushError>> {
        Box::pin(async move {
            let mut in_doubt = table.flush.lock().await;
            let Some(batch) = table.begin_flush(self.options().flush_bytes_max) else { return Ok(Flushed::default()) };
            let result = self.flush_batch(table, &batch, &mut in_doubt).await;
            if result.is_err() {
                table.fail_flush(self.clock().monotonic());
            }
            result
        })
    }

    /// Writes and commits frozen rows. A commit that is reported as failed may have landed, so the table log decides,
    /// now or, where it cannot be read, at the next try: before that no file is written again.
    async fn flush_batch(
        &self,
        table: &Table,
        batch: &FlushBatch,
        in_doubt: &mut Option<CommitInDoubt>,
    ) -> Result<Flushed, FlushError> {
        self.settle_exchange(table, in_doubt).await?;
        if let Some(CommitInDoubt::Flush(files)) = in_doubt.as_ref() {
            let flushed = Flushed::from_files(files);
            let landed = self.resolve_commit(table, batch, files).await?;
            *in_doubt = None;
            if landed {
                return Ok(flushed);
            }
        }
        let files = self.write(table, batch).await?;
        self.write_last_rows(table, batch, &files);
        // What leaves memory is in the windows; where it is not, they begin anew with the commit.
        if let Err(error) = self.fold_windows(table) {
            tracing::error!(table = table.name(), "windows are lost and are read anew: {error}");
        }
        let commit = LogCommit {
            base_version: table.view().log_version,
            adds: files.clone(),
            txns: self.txns(batch),
            ..LogCommit::default()
        };
        let error = match table.log.commit(commit).await {
            Ok(version) => {
                let flushed = Flushed::from_files(&files);
                table.end_flush(batch, Committed::Added(files), version);
                return Ok(flushed);
            }
            Err(error) => error,
        };
        match self.resolve_commit(table, batch, &files).await {
            Ok(true) => Ok(Flushed::from_files(&files)),
            Ok(false) => Err(error.into()),
            Err(unknown) => {
                tracing::warn!(table = table.name(), "whether a commit has landed is not known yet: {unknown}");
                *in_doubt = Some(CommitInDoubt::Flush(files));
                Err(error.into())
            }
        }
    }

    async fn write(&self, table: &Table, batch: &FlushBatch) -> Result<Vec<Arc<DataFile>>, FlushError> {
        let rows: Vec<RecordBatch> = batch.chunks.iter().map(|chunk| chunk.rows.clone()).collect();
        let origins = batch.chunks.iter().map(|chunk| ChunkOrigins::new(chunk.shard_number, chunk.origins.clone()));
        let origins: Vec<ChunkOrigins> = origins.collect();
        let schemas = &table.registered.schemas;
        let locations = self.registry().locations();
        let on_repeat = table.registered.def.on_repeat;
        let input = SortInput { schemas, chunks: &rows, origins: &origins, locations: &locations, on_repeat };
        let files = write_sorted(input, Arc::clone(self.object_store()), table.root(), &self.options().parquet)
            .await
            .map_err(|source| FlushError::Write { table: table.name().into(), source })?;
        Ok(files.into_iter().map(Arc::new).collect())
    }

    /// Writes the checkpoint of the last rows, before a commit moves rows to files: what a restart reads of it is never behind
    /// the files. Where it cannot be written, the flush goes on, and the next start reads the last rows from the files.
    fn write_last_rows(&self, table: &Table, batch: &FlushBatch, files: &[Arc<DataFile>]) {
        let folded = table.fold_last_rows();
        let view = table.view();
        let is_usable = folded.is_ok()
            && view.last.state() == LastRowsState::Complete
            && view.last.covers(&batch.last_lsns)
            && table.keeps_last_rows();
        if !is_usable {
            return;
        }
        let added: u64 = files.iter().map(|file| file.rows).sum();
        self.write_checkpoint_of(table, &view, (view.file_rows(), view.file_rows() + added));
    }

    /// `rows` are those of the files before and after the commit that follows.
    pub(crate) fn write_checkpoint_of(&self, table: &Table, view: &TableView, rows: (u64, u64)) {
        if let Err(error) = self.last.write(table.name(), &table.registered.schemas, &view.last, rows) {
            tracing::warn!(
                table = table.name(),
                "the checkpoint of the last rows of its devices cannot be written; the next start reads its files: {error}"
            );
        }
    }

    /// Forgets the last rows of a table's devices, which are read from its files anew.
    ///
    /// # Errors
    /// The checkpoint cannot be removed: a restart would bring back what it has.
    pub fn forget_last_rows(&self, table: &Table) -> std::io::Result<()> {
        self.last.remove(table.name())?;
        table.forget_last_rows();
        Ok(())
    }

    fn txns(&self, batch: &FlushBatch) -> Vec<(AppId, i64)> {
        let number = |lsn: Lsn| i64::try_from(lsn.0).expect("an LSN is below 2^63");
        batch.last_lsns.iter().map(|(&shard, &lsn)| (self.app_id(shard), number(lsn))).collect()
    }

    /// Finds out what became of a commit that was reported as failed: the `txn`s of the table log tell. Where it has
    /// landed, the flush is ended; else its files, which no version lists, are deleted, and the next try builds upon
    /// the log's newest version.
    async fn resolve_commit(
        &self,
        table: &Table,
        batch: &FlushBatch,
        files: &[Arc<DataFile>],
    ) -> Result<bool, TableLogError> {
        let snapshot = table.log.load().await?;
        let txns = self.txns(batch);
        if txns.iter().all(|(app, lsn)| snapshot.txns.get(app).is_some_and(|landed| landed >= lsn)) {
            // The entry that landed may not be synced. A further one in the same folder is synced, and with it the name
            // of the first.
            let confirmation = LogCommit { base_version: snapshot.version, txns, ..LogCommit::default() };
            let version = table.log.commit(confirmation).await?;
            tracing::warn!(table = table.name(), version, "a commit that was reported as failed has landed");
            table.end_flush(batch, Committed::All(snapshot.files), version);
            return Ok(true);
        }
        let listed: HashSet<&str> = snapshot.files.iter().map(|file| file.path.as_str()).collect();
        let paths = files.iter().map(|file| file.path.as_str());
        let unlisted: Vec<&str> = paths.filter(|path| !listed.contains(path)).collect();
        // A file that the newest version lists stays, whichever program has committed it.
        delete_files(self.object_store().as_ref(), table.root(), &unlisted).await;
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

    /// Flushes the tables that are due by size, age or demand. Returns the result of each.
    pub async fn flush_due(&self) -> Vec<(Arc<Table>, Result<Flushed, FlushError>)> {
        let mut done = Vec::new();
        for table in self.tables().values() {
            if let Some(flushed) = self.flush_if_due(table).await {
                done.push((Arc::clone(table), flushed));
            }
        }
        done
    }

    /// Flushes a table where it is due by size, age or demand.
    pub async fn flush_if_due(&self, table: &Table) -> Option<Result<Flushed, FlushError>> {
        let options = self.options();
        let is_due = table.flush_is_due(options.flush_bytes_max, options.flush_age_max, self.clock().monotonic());
        if is_due { Some(self.flush(table).await) } else { None }
    }

    /// Flushes until nothing is live.
    ///
    /// # Errors
    /// The first flush that fails ends it.
    pub async fn flush_all(&self) -> Result<Flushed, FlushError> {
        let mut all = Flushed::default();
        for table in self.tables().values() {
            loop {
                let flushed = self.flush(table).await?;
                if flushed.rows == 0 {
                    break;
                }
                all.rows += flushed.rows;
                all.files += flushed.files;
                all.bytes += flushed.bytes;
            }
        }
        Ok(all)
    }
}
