//! From live rows to files: sort, write Parquet, commit, hand over.

use std::sync::Arc;

use arrow::array::RecordBatch;
use zonelake_schemas::{Lsn, ShardId};
use zonelake_tablelog::{LogCommit, ParquetFileError, SortInput, TableLogError, write_sorted};

use crate::store::Store;
use crate::table::Table;

/// Why a flush did not come through. Its rows stay in memory and in the log; the next flush takes them again.
#[derive(Debug, thiserror::Error)]
pub enum FlushError {
    /// The Parquet files could not be written.
    #[error("table {table}: {source}")]
    Write {
        /// Table.
        table: String,
        /// Cause.
        source: ParquetFileError,
    },
    /// The files are written and not committed.
    #[error(transparent)]
    Commit(#[from] TableLogError),
}

/// What a flush has done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Flushed {
    /// Rows that are in files now.
    pub rows: u64,
    /// Files that they are in.
    pub files: u64,
    /// Bytes of those files.
    pub bytes: u64,
}

impl Store {
    /// Flushes what is live in a table at this moment. Returns zeros where nothing is.
    pub async fn flush(&self, table: &Table) -> Result<Flushed, FlushError> {
        let _one_at_a_time = table.flush.lock().await;
        let Some(part) = table.begin_flush() else { return Ok(Flushed::default()) };
        let rows: Vec<RecordBatch> = part.chunks.iter().map(|chunk| chunk.rows.clone()).collect();
        let result = self.write_and_commit(table, &rows, part.log_version, &part.last_lsns).await;
        match result {
            Ok((files, version)) => {
                table.end_flush(&part, &files, version);
                Ok(Flushed {
                    rows: files.iter().map(|file| file.rows).sum(),
                    files: files.len() as u64,
                    bytes: files.iter().map(|file| file.bytes).sum(),
                })
            }
            Err(error) => {
                table.fail_flush(self.clock().monotonic());
                Err(error)
            }
        }
    }

    async fn write_and_commit(
        &self,
        table: &Table,
        rows: &[RecordBatch],
        base_version: i64,
        last_lsns: &std::collections::BTreeMap<ShardId, Lsn>,
    ) -> Result<(Vec<Arc<zonelake_tablelog::DataFile>>, i64), FlushError> {
        let adopted = &table.adopted;
        let places = self.registry().places();
        let input = SortInput { def: &adopted.def, schemas: &adopted.schemas, chunks: rows, places: &places };
        let files = write_sorted(input, Arc::clone(self.object_store()), table.root(), &self.options().parquet)
            .await
            .map_err(|source| FlushError::Write { table: table.name().into(), source })?;
        let adds: Vec<_> = files.into_iter().map(Arc::new).collect();
        let txns = last_lsns
            .iter()
            .map(|(shard, lsn)| (self.app_id(*shard), i64::try_from(lsn.0).expect("an LSN is below 2^63")))
            .collect();
        let commit = LogCommit { base_version, adds: adds.clone(), removes: Vec::new(), txns };
        let version = table.log.commit(commit).await?;
        Ok((adds, version))
    }

    /// Flushes whatever is due by size, age or demand. Returns what each table's flush came to.
    pub async fn flush_due(&self) -> Vec<(Arc<Table>, Result<Flushed, FlushError>)> {
        let mut done = Vec::new();
        for table in self.tables().values() {
            let options = self.options();
            if table.flush_is_due(options.flush_bytes_max, options.flush_age_max, self.clock().monotonic()) {
                done.push((Arc::clone(table), self.flush(table).await));
            }
        }
        done
    }

    /// Flushes everything that is live.
    pub async fn flush_all(&self) -> Result<Flushed, FlushError> {
        let mut all = Flushed::default();
        for table in self.tables().values() {
            let one = self.flush(table).await?;
            // A flush that had failed before takes its own rows first; what came since is a second one.
            let two = self.flush(table).await?;
            for flushed in [one, two] {
                all.rows += flushed.rows;
                all.files += flushed.files;
                all.bytes += flushed.bytes;
            }
        }
        Ok(all)
    }
}
