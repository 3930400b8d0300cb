//! Failures of a shard.

use std::path::PathBuf;

use arrow::error::ArrowError;
use zonelake_schemas::error::ErrorKind;
use zonelake_schemas::{Lsn, ShardId};
use zonelake_wal::{Damage, ReplayedRecord, SegmentId, WalError};

use crate::shard::record::error::RecordError;

/// Reasons why a shard cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum ShardError {
    /// The WAL cannot be read or written.
    #[error(transparent)]
    Wal(#[from] WalError),
    /// A record's checksum holds, and yet it makes no sense, or not to this release or beside this registry.
    #[error("WAL of shard {shard}, {}, LSN {lsn}, records of version {version}: {source}", path.display())]
    Record {
        /// Shard.
        shard: ShardId,
        /// File of the segment.
        path: PathBuf,
        /// Record.
        lsn: Lsn,
        /// Version of the records of that segment.
        version: u32,
        /// Why.
        source: RecordError,
    },
    /// The state in the checkpoint cannot be read.
    #[error("checkpoint of shard {shard}: {source}")]
    Checkpoint {
        /// Shard.
        shard: ShardId,
        /// Why.
        source: prost::DecodeError,
    },
    /// A segment was made beside a registry that had given out more than this one has.
    #[error(
        "WAL of shard {shard}, segment {segment}: it was made beside a registry with {unknown}: the registry is older than the WAL; restore registry.sqlite from the same backup as the WAL"
    )]
    OlderRegistry {
        /// Shard.
        shard: ShardId,
        /// Segment.
        segment: SegmentId,
        /// What the registry does not have, in words.
        unknown: String,
    },
    /// Segments and checkpoint do not join: files are missing.
    #[error("WAL of shard {shard}: {damage}. Restore the folder wal as a whole, from one backup")]
    State {
        /// Shard.
        shard: ShardId,
        /// What is missing, and where.
        damage: Box<Damage>,
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
    pub(crate) fn record(shard: ShardId, record: &ReplayedRecord<'_>, source: RecordError) -> Self {
        let (path, lsn, version) = (record.path.to_owned(), record.lsn, record.context.record_version);
        Self::Record { shard, path, lsn, version, source }
    }

    /// Kind of the error: what the caller can do about it.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Wal(error) => error.kind(),
            // The operator has the wrong program at hand, and nothing is damaged.
            Self::Record { source: RecordError::UnknownKind { .. }, .. } => ErrorKind::Input,
            Self::Record { .. }
            | Self::Behind { .. }
            | Self::Checkpoint { .. }
            | Self::OlderRegistry { .. }
            | Self::State { .. } => ErrorKind::Corrupt,
            Self::Live(_) => ErrorKind::Bug,
        }
    }
}
