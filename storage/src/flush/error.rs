//! Failures of a flush.

use zonelake_parquet::ParquetFileError;
use zonelake_tablelog::TableLogError;

/// Reasons why a flush failed. Its rows stay in memory and in the WAL; the next flush takes them again.
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
    /// The files were written and are not committed, or the outcome is not known yet.
    #[error(transparent)]
    Commit(#[from] TableLogError),
}
