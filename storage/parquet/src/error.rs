//! Failures of a write.

use arrow::datatypes::DataType;
use zonelake_schemas::DeviceKey;
use zonelake_schemas::error::ErrorKind;

/// Reasons why rows could not be written. Nothing of them is part of the table; files that were complete already are
/// deleted.
#[derive(Debug, thiserror::Error)]
pub enum ParquetFileError {
    /// A row's device is not among the locations.
    #[error("a row has device key {key}, which no location has")]
    UnknownDevice {
        /// The key.
        key: DeviceKey,
    },
    /// A row's quality is no number of the scale.
    #[error("a row has quality number {number}, which is none of the scale")]
    UnknownQuality {
        /// The number.
        number: u8,
    },
    /// A row's time is in a year that has no four digits.
    #[error("a row has a time {days} days after 1970, outside of the years 0 to 9999")]
    DateOutOfRange {
        /// Days since 1970.
        days: i32,
    },
    /// A chunk is not in the live schema of the table.
    #[error("column {position} of the live rows is of type {found}, not as the table's schema has it")]
    NotTheSchema {
        /// Position in the live schema.
        position: usize,
        /// Type found.
        found: DataType,
    },
    /// A file is not in the order that files have, so that it cannot be merged.
    #[error("{path} is not sorted by zone, device and time, as every file of this program is; it stays as it is")]
    NotSorted {
        /// Path below the table's root.
        path: String,
    },
    /// A file has other rows than the table says, or a merge has made other rows of it. What differs is not explained by anything that
    /// was to go, so nothing is made of it.
    #[error("{path} has {found} rows where {expected} were expected; it stays as it is")]
    OtherRows {
        /// Path below the table's root.
        path: String,
        /// Rows that it was to have.
        expected: u64,
        /// Rows that it has.
        found: u64,
    },
    /// The merge was told to end.
    #[error("the merge was ended before it was done")]
    Stopped,
    /// Rows could not be gathered.
    #[error("cannot gather rows: {0}")]
    Arrow(#[from] arrow::error::ArrowError),
    /// Rows could not be encoded.
    #[error("cannot encode a Parquet file: {0}")]
    Parquet(#[from] parquet::errors::ParquetError),
    /// A file could not be stored.
    #[error("cannot store {path}: {source}")]
    Store {
        /// Path in the store.
        path: String,
        /// Cause.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The thread that encodes has ended before its time.
    #[error("encoding was cut off: {0}")]
    CutOff(#[from] tokio::task::JoinError),
}

impl ParquetFileError {
    /// Kind of the error: what the caller can do about it.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Store { .. } | Self::CutOff(_) => ErrorKind::Retry,
            _ => ErrorKind::Bug,
        }
    }
}
