//! Failures of a merge.

use zonelake_parquet::ParquetFileError;
use zonelake_tablelog::TableLogError;

/// Reasons why a merge failed. The table has the files that it had.
#[derive(Debug, thiserror::Error)]
pub enum CompactionError {
    /// A file could not be read, or the merged one could not be written.
    #[error("table {table}, date {date}: {source}")]
    Merge {
        /// Table.
        table: String,
        /// Days since 1970.
        date: i32,
        /// Paths of the files that were to be merged.
        inputs: Vec<String>,
        /// Cause.
        source: ParquetFileError,
    },
    /// The merged file was written and is not committed, or the outcome is not known.
    #[error(transparent)]
    Commit(#[from] TableLogError),
}
