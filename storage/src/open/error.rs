//! Failures of opening a store.

use std::io;
use std::path::PathBuf;

use zonelake_registry::RegistryError;
use zonelake_schemas::OnRepeat;
use zonelake_schemas::error::ErrorKind;
use zonelake_tablelog::TableLogError;

use crate::flush::error::FlushError;
use crate::open::folder_format::FolderFormatError;
use crate::open::wal_generation::WalGenerationError;
use crate::rules::error::RuleError;
use crate::shard::error::ShardError;

/// Reasons why a store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it open.
    #[error("the data folder {0} is in use by another process; stop it first, or give this one a folder of its own")]
    InUse(PathBuf),
    /// A folder or file cannot be made.
    #[error("{path}: {source}")]
    Folder {
        /// Path.
        path: PathBuf,
        /// Cause.
        source: io::Error,
    },
    /// The registry.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// A table log.
    #[error(transparent)]
    TableLog(#[from] TableLogError),
    /// A table that has rows declares something else of repeats than before.
    #[error(
        "table {table}: on_repeat was {from} and is now {to}, and the table has rows; rows would appear or be lost. Declare \
         on_repeat = \"{from}\" again, or a table of a new name"
    )]
    RepeatsOfRows {
        /// Name of the table.
        table: String,
        /// As its rows were stored.
        from: OnRepeat,
        /// As it is declared.
        to: OnRepeat,
    },
    /// The format of the folder.
    #[error(transparent)]
    FolderFormat(#[from] FolderFormatError),
    /// The file that says which set of WALs is in force.
    #[error(transparent)]
    WalGeneration(#[from] WalGenerationError),
    /// The WAL of a shard.
    #[error(transparent)]
    Shard(#[from] ShardError),
    /// The rules of the folder: retention, legal holds, deletions.
    #[error(transparent)]
    Rules(#[from] RuleError),
    /// A flush that a change of the shard count needs.
    #[error("before the number of shards can change: {0}")]
    Flush(#[from] FlushError),
}

impl OpenError {
    /// Kind of the error: what the caller can do about it.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::InUse(_) | Self::Folder { .. } => ErrorKind::Retry,
            Self::Registry(error) => error.kind(),
            Self::TableLog(error) => error.kind(),
            Self::FolderFormat(error) => error.kind(),
            Self::WalGeneration(_) => ErrorKind::Corrupt,
            Self::Rules(error) => error.kind(),
            Self::Shard(error) => error.kind(),
            Self::RepeatsOfRows { .. } => ErrorKind::Input,
            Self::Flush(_) => ErrorKind::Retry,
        }
    }
}
