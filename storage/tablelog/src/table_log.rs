//! The interface of a table log: snapshots, commits, and what each promises.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use zonelake_parquet::DataFile;
use zonelake_schemas::TableDef;

use crate::error::TableLogError;

/// Id of the application that a `txn` action speaks of: node and shard.
pub type AppId = String;

/// State of a table at one version.
#[derive(Debug, Clone, Default)]
pub struct LogSnapshot {
    /// Version of the table log; 0 is the first.
    pub version: i64,
    /// The files, in no particular order.
    pub files: Vec<Arc<DataFile>>,
    /// Last LSN by application.
    pub txns: HashMap<AppId, i64>,
    /// Paths of files that earlier versions had, as far back as the log tells. They may still be on disk.
    pub removed: Vec<String>,
}

/// One atomic change of a table.
#[derive(Debug, Clone, Default)]
pub struct LogCommit {
    /// Version that this change builds upon.
    pub base_version: i64,
    /// Files to add; they and their folders are synced already.
    pub adds: Vec<Arc<DataFile>>,
    /// Files to remove from the table; they stay in the store for readers of older versions. A commit that both adds
    /// and removes holds the same rows before and after it (compaction), unless it drops or changes some.
    pub removes: Vec<Arc<DataFile>>,
    /// True where the added files lack rows that the removed ones have (deletion), or have other values in them (correction).
    pub drops_rows: bool,
    /// Last LSN by application, for each application that contributed.
    pub txns: Vec<(AppId, i64)>,
}

/// The table log of one table. Commits are serialised by the caller.
#[async_trait]
pub trait TableLog: Send + Sync + std::fmt::Debug {
    /// Creates the table where there is none, brings its metadata to `table` where it lacks fields, and reads it. What
    /// it returns survives power loss, even where the process that committed it was killed before it knew that.
    ///
    /// # Errors
    /// `Corrupt` where a stored field contradicts the declaration, or the table log cannot be read.
    async fn open(&self, table: &TableDef) -> Result<LogSnapshot, TableLogError>;

    /// Reads the newest version. What it returns survives power loss.
    ///
    /// # Errors
    /// `Corrupt` where there is no table or its table log cannot be read.
    async fn load(&self) -> Result<LogSnapshot, TableLogError>;

    /// Commits durably: when it returns, the change survives power loss. Returns the new version.
    ///
    /// # Errors
    /// `Conflict` where the version behind `base_version` is taken by another change. After `Store` the change may have
    /// landed or not: read the table log again and look at `txns`.
    async fn commit(&self, commit: LogCommit) -> Result<i64, TableLogError>;
}
