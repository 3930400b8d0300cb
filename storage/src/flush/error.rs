//! Failures of a flush.

use zonelake_parquet::ParquetFileError;
use zonelake_tablelog::TableLogError;

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
    /// The files were written and are not committed, or nobody knows yet.
    #[error(transparent)]
    Commit(#[from] TableLogError),
}
