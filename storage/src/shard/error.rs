//! Failures of a shard.

use arrow::error::ArrowError;
use zonelake_schemas::error::ErrorKind;
use zonelake_schemas::{Lsn, SchemaVersion, ShardId, TableId};
use zonelake_wal::{SegmentId, WalError};

use crate::shard::record::error::RecordError;

/// Reasons why a shard cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum ShardError {
    /// The WAL cannot be read or written.
    #[error(transparent)]
    Wal(#[from] WalError),
    /// A record's checksum holds, and yet it makes no sense.
    #[error("WAL of shard {shard}, segment {segment:?}, LSN {lsn}: {source}")]
    Record {
        /// Shard.
        shard: ShardId,
        /// Segment.
        segment: SegmentId,
        /// Record.
        lsn: Lsn,
        /// Why.
        source: RecordError,
    },
    /// A record speaks of a table that the registry does not have.
    #[error(
        "WAL of shard {shard}, LSN {lsn}: rows of table number {table}, version {version}, which the registry does not have; restore registry.sqlite from the same backup as the WAL"
    )]
    UnknownTable {
        /// Shard.
        shard: ShardId,
        /// Record.
        lsn: Lsn,
        /// Table.
        table: TableId,
        /// Version of it.
        version: SchemaVersion,
    },
    /// The WAL ends before what files have of it already: segments are missing.
    #[error(
        "WAL of shard {shard}: it ends before LSN {next}, and table {table} has files up to LSN {committed}; segments are missing. Restore the folder wal from the same backup as tables"
    )]
    Behind {
        /// Shard.
        shard: ShardId,
        /// LSN that the next record would get.
        next: Lsn,
        /// Table.
        table: String,
        /// Last LSN of it in files.
        committed: Lsn,
    },
    /// Rows could not be put into the form that queries read.
    #[error("live rows: {0}")]
    Live(#[from] ArrowError),
}

impl ShardError {
    /// Kind of the error: what the caller can do about it.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Wal(error) => error.kind(),
            Self::Record { .. } | Self::UnknownTable { .. } | Self::Behind { .. } => ErrorKind::Corrupt,
            Self::Live(_) => ErrorKind::Bug,
        }
    }
}
