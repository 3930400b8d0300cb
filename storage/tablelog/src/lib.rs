//! How a table rests: sorted Parquet files, and the log that says which of them make up the table at a version.
//!
//! In the order in which rows pass:
//!
//! - [`parquet_file`]: writes live rows as sorted Parquet files, one for each date
//! - [`store`]: the object store below it, which syncs what it writes
//! - [`delta`]: the log as a Delta Lake table
//! - [`memory`]: its twin for simulation; both pass the suite in `tests/conformance.rs`
//! - [`verify`]: reads a file in full and compares it with what the log says of it

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use async_trait::async_trait;
use zonelake_schemas::TableDef;
use zonelake_schemas::error::ErrorKind;

pub mod delta;
pub mod memory;
pub mod parquet_file;
pub mod store;
pub mod verify;

mod background;
mod boolean_column;
mod column_chunk;
mod delta_packing;
mod encode;
mod gather;
mod integer_column;
mod reader;
mod sort;
mod staged;
mod stats;
mod text_column;

pub use delta::{DeltaLog, delta_table};
pub use memory::MemoryLog;
pub use parquet_file::{ParquetFileError, ParquetOptions, SortInput, delete_files, write_sorted};
pub use sort::SortedRows;
pub use store::SyncedStore;
pub use verify::{FileDamage, VerifiedFile, verify_file};

/// One Parquet file of a table.
#[derive(Debug, Clone, PartialEq)]
pub struct DataFile {
    /// Path below the table's root, with `/`, not percent-encoded: `date=2026-01-01/part-….parquet`.
    pub path: String,
    /// Its size.
    pub bytes: u64,
    /// Its rows.
    pub rows: u64,
    /// Partition: days since 1970 of the UTC date of every row's `time`.
    pub date: i32,
    /// Statistics by column name of the file schema; a column without them is absent.
    pub stats: BTreeMap<String, ColumnStats>,
    /// XXH3-64 of all its bytes; absent where another program has written it. `zonelake check` compares it.
    pub checksum: Option<u64>,
}

/// Statistics of one column in one file.
#[derive(Debug, Clone, PartialEq)]
pub struct ColumnStats {
    /// A lower bound of its values, never above the true minimum (timestamps are rounded down to a millisecond, text is
    /// cut); absent where all are null, where the column has no order (booleans), and where no bound is known.
    pub min: Option<StatValue>,
    /// An upper bound of its values, never below the true maximum (timestamps are rounded up to a millisecond, cut text
    /// is rounded up); absent as `min` is.
    pub max: Option<StatValue>,
    /// Nulls. All values are null where this equals the rows of the file.
    pub nulls: u64,
}

/// A bound in the terms in which the column is kept. Text is ordered by its bytes.
#[derive(Debug, Clone, PartialEq, PartialOrd)]
pub enum StatValue {
    /// Integers, instants in µs, and decimals as their integer n.
    Integer(i64),
    /// Doubles.
    Double(f64),
    /// Text.
    Text(String),
}

/// Id of the application that a `txn` action speaks of: node and shard.
pub type AppId = String;

/// State of a table at one version.
#[derive(Debug, Clone, Default)]
pub struct LogSnapshot {
    /// Version of the log; 0 is its first.
    pub version: i64,
    /// The files, in no particular order.
    pub files: Vec<Arc<DataFile>>,
    /// Last LSN by application.
    pub txns: HashMap<AppId, i64>,
}

/// One atomic change of a table.
#[derive(Debug, Clone, Default)]
pub struct LogCommit {
    /// Version that this change builds upon.
    pub base_version: i64,
    /// Files to add; they and their folders are synced already.
    pub adds: Vec<Arc<DataFile>>,
    /// Files to remove from the table; they stay in the store for readers of older versions. A commit that both adds and
    /// removes holds the same rows before and after it (compaction).
    pub removes: Vec<Arc<DataFile>>,
    /// Last LSN by application, for each application that contributed.
    pub txns: Vec<(AppId, i64)>,
}

/// What can go wrong with a table log.
#[derive(Debug, thiserror::Error)]
pub enum TableLogError {
    /// Another committer has written in between: there must be one only.
    #[error(
        "table log {table}: version {version} was written by another process; one server alone may write a data folder"
    )]
    Conflict {
        /// Root of the table.
        table: String,
        /// Version that was taken.
        version: i64,
    },
    /// The store failed; whether the commit has landed is known by reading the log again.
    #[error("table log {table}: {source}")]
    Store {
        /// Root of the table.
        table: String,
        /// Cause.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The log cannot be read, or contradicts the declaration.
    #[error("table log {table}: {what}")]
    Corrupt {
        /// Root of the table.
        table: String,
        /// What is wrong.
        what: String,
    },
}

impl TableLogError {
    /// What to do about it.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Store { .. } => ErrorKind::Retry,
            Self::Conflict { .. } | Self::Corrupt { .. } => ErrorKind::Corrupt,
        }
    }
}

/// The log of one table. Commits are serialised by the caller.
#[async_trait]
pub trait TableLog: Send + Sync + std::fmt::Debug {
    /// Creates the table where there is none, brings its metadata to `table` where it lacks fields, and reads it. What it
    /// returns survives power loss, even where the process that committed it was killed before it knew that.
    ///
    /// # Errors
    /// `Corrupt` where a stored field contradicts the declaration, or the log cannot be read.
    async fn open(&self, table: &TableDef) -> Result<LogSnapshot, TableLogError>;

    /// Reads the newest version. What it returns survives power loss.
    ///
    /// # Errors
    /// `Corrupt` where there is no table or its log cannot be read.
    async fn load(&self) -> Result<LogSnapshot, TableLogError>;

    /// Commits durably: when it returns, the change survives power loss. Returns the new version.
    ///
    /// # Errors
    /// `Conflict` where the version behind `base_version` is taken by another change. After `Store` the change may have
    /// landed or not: read the log again and look at `txns`.
    async fn commit(&self, commit: LogCommit) -> Result<i64, TableLogError>;
}
