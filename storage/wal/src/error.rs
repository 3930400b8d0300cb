//! Errors of a WAL.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use zonelake_schemas::{ErrorKind, Lsn, ShardId, ShardNumber};

use crate::segment_id::SegmentId;

/// Error of an operation. It can be cloned, since the first failure of a WAL is the result of all later calls.
#[derive(Debug, Clone, thiserror::Error)]
pub enum WalError {
    /// The file system failed. After a failed write or sync the WAL takes no more writes until it is opened again.
    #[error("cannot {action} {}: {cause}", path.display())]
    Io {
        /// Operation that was attempted.
        action: &'static str,
        /// File or folder.
        path: PathBuf,
        /// Error of the system.
        cause: Arc<io::Error>,
    },
    /// The disk is full. Nothing was written, and the WAL goes on once there is space.
    #[error("no space for {needed_bytes} bytes of {}: {free_bytes} bytes are free", path.display())]
    NoSpace {
        /// File that was to be made, to grow or to be written.
        path: PathBuf,
        /// Bytes that were needed.
        needed_bytes: u64,
        /// Bytes that are free; 0 where the file system does not tell.
        free_bytes: u64,
    },
    /// Bytes that were durable once are not as they were written.
    #[error("{0}")]
    Damaged(Box<Damage>),
    /// The folder holds a segment of another shard.
    #[error("{} belongs to shard {found}, not to shard {expected}", path.display())]
    WrongShard {
        /// File of the segment.
        path: PathBuf,
        /// Shard whose folder it should be.
        expected: ShardId,
        /// Shard that wrote it.
        found: ShardId,
    },
    /// The folder holds a segment of another node's shard.
    #[error(
        "{} belongs to shard number {found}, and the shard of this data folder has number {expected}: restore the folder wal as a whole, from one backup", path.display()
    )]
    WrongNode {
        /// File of the segment.
        path: PathBuf,
        /// Number of the shard whose folder it should be.
        expected: ShardNumber,
        /// Number of the shard that wrote it.
        found: ShardNumber,
    },
    /// The records of the segment were written by a newer release.
    #[error(
        "{} has records of version {found}, and this release reads versions up to {known}: start the newer release", path.display()
    )]
    NewerRecords {
        /// File of the segment.
        path: PathBuf,
        /// Version of the records.
        found: u32,
        /// Newest version that this release reads.
        known: u32,
    },
    /// The segment was written by a newer release.
    #[error(
        "{} has WAL format version {found}, and this release reads versions up to {known}: start the newer release", path.display()
    )]
    NewerVersion {
        /// File of the segment.
        path: PathBuf,
        /// Version of the segment.
        found: u32,
        /// Newest version that this release reads.
        known: u32,
    },
    /// A setting cannot be used.
    #[error("setting {name} {problem}")]
    Setting {
        /// Field of [`WalOptions`](crate::WalOptions).
        name: &'static str,
        /// Rule that the value breaks.
        problem: String,
    },
    /// A group without records was to be appended.
    #[error("a group must have at least one record")]
    EmptyGroup,
    /// The group is larger than any block may be. Nothing was written, and the WAL goes on.
    #[error("a group of {bytes} bytes is over the limit of {limit_bytes} bytes")]
    GroupTooLarge {
        /// Length of the group's block.
        bytes: u64,
        /// [`WalOptions::block_bytes_max`](crate::WalOptions::block_bytes_max).
        limit_bytes: u64,
    },
    /// The state is larger than any checkpoint may be. Nothing was written, and the WAL goes on.
    #[error("a checkpoint of {bytes} bytes is over the limit of {limit_bytes} bytes")]
    CheckpointTooLarge {
        /// Length of the checkpoint.
        bytes: u64,
        /// [`CHECKPOINT_BYTES_MAX`](crate::CHECKPOINT_BYTES_MAX).
        limit_bytes: u64,
    },
    /// The group does not fit into the current segment: the caller has to roll. Nothing was written.
    #[error("a group of {bytes} bytes does not fit into the {left_bytes} bytes that the segment has left")]
    SegmentFull {
        /// Length of the group's block.
        bytes: u64,
        /// Bytes that the segment has left.
        left_bytes: u64,
    },
    /// The receiver of replayed records refused one.
    #[error("record with LSN {lsn} in segment {segment} was refused at replay: {cause}")]
    Refused {
        /// LSN of the record.
        lsn: Lsn,
        /// Segment of the record.
        segment: SegmentId,
        /// Error of the receiver.
        cause: Arc<dyn Error + Send + Sync>,
    },
    /// An earlier write or sync failed, so that the content of the disk is unknown; only opening the WAL again tells.
    #[error("the WAL takes no more writes since this happened: {first}")]
    Poisoned {
        /// First failure.
        first: Arc<WalError>,
    },
}

impl WalError {
    /// Kind of the error: what the caller can do about it.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Io { .. } | Self::NoSpace { .. } => ErrorKind::Retry,
            Self::Damaged(_) => ErrorKind::Corrupt,
            Self::WrongShard { .. }
            | Self::WrongNode { .. }
            | Self::NewerRecords { .. }
            | Self::NewerVersion { .. }
            | Self::Setting { .. }
            | Self::EmptyGroup
            | Self::GroupTooLarge { .. }
            | Self::CheckpointTooLarge { .. }
            | Self::SegmentFull { .. } => ErrorKind::Input,
            Self::Refused { .. } => ErrorKind::Corrupt,
            Self::Poisoned { first } => first.kind(),
        }
    }

    pub(crate) fn io(action: &'static str, path: &Path, cause: io::Error) -> Self {
        Self::Io { action, path: path.to_owned(), cause: Arc::new(cause) }
    }

    pub(crate) fn damaged(path: &Path, offset: u64, lsn: Lsn, kind: DamageKind) -> Self {
        Self::Damaged(Box::new(Damage { path: path.to_owned(), offset, lsn, kind }))
    }
}

/// One position at which a WAL is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// File.
    pub path: PathBuf,
    /// Position in the file, in bytes.
    pub offset: u64,
    /// First record that is affected, as far as that can be known; 0 where it cannot.
    pub lsn: Lsn,
    /// Kind of the damage.
    pub kind: DamageKind,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, offset, lsn, kind } = self;
        write!(f, "the WAL is damaged: {} at byte {offset}, LSN {lsn}: {kind}", path.display())
    }
}

/// Kind of a damage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DamageKind {
    /// The header of the segment is not whole.
    SegmentHeader,
    /// The header names another segment than the file's name does.
    SegmentName {
        /// Segment in the header.
        found: SegmentId,
    },
    /// The segment belongs to another shard than the rest of its folder.
    ForeignShard {
        /// Shard in the header.
        found: ShardId,
    },
    /// Segments between this one and an earlier one are missing.
    SegmentsMissing {
        /// First segment that is missing.
        first: SegmentId,
        /// Last segment that is missing.
        last: SegmentId,
    },
    /// The segment does not start with the LSN behind its predecessor.
    FirstLsn {
        /// LSN in the header.
        found: Lsn,
    },
    /// A block is not whole although what stands behind it was written later.
    Block(BlockFault),
    /// The checkpoint is not as it was written.
    Checkpoint,
    /// Records that are set aside are not as they were written.
    Aside,
    /// Records that are set aside are missing.
    AsideMissing,
    /// The state of the records before the oldest segment is missing: there is no checkpoint, or an earlier one.
    StateMissing {
        /// Last record that the checkpoint covers; 0 where there is none.
        covered: Lsn,
    },
    /// The checkpoint covers records that no segment has: segments behind the last one are missing.
    StateAhead {
        /// Last record that the checkpoint covers.
        covered: Lsn,
    },
}

impl fmt::Display for DamageKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SegmentHeader => f.write_str("the segment's header is not as it was written"),
            Self::SegmentName { found } => write!(f, "the header is that of segment {found}"),
            Self::ForeignShard { found } => write!(f, "the segment belongs to shard {found}"),
            Self::SegmentsMissing { first, last } if first == last => write!(f, "segment {first} is missing"),
            Self::SegmentsMissing { first, last } => write!(f, "segments {first} to {last} are missing"),
            Self::FirstLsn { found } => write!(f, "the segment starts with LSN {found}"),
            Self::Block(fault) => write!(f, "{fault}"),
            Self::Checkpoint => f.write_str("the checkpoint is not as it was written"),
            Self::Aside => f.write_str("records that are set aside are not as they were written"),
            Self::AsideMissing => f.write_str("the file of records that are set aside is missing"),
            Self::StateMissing { covered: Lsn(0) } => f.write_str(
                "the segments before this one were released, and the checkpoint that has their state is missing",
            ),
            Self::StateMissing { covered } => {
                write!(f, "the checkpoint has the state up to LSN {covered} only: it is older than this segment")
            }
            Self::StateAhead { covered } => {
                write!(f, "the checkpoint has the state up to LSN {covered}: segments behind this one are missing")
            }
        }
    }
}

/// Fault of a block that is not whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlockFault {
    /// There is no block where one must be.
    Absent,
    /// The header is not as it was written.
    Header,
    /// The block ends behind the end of the file.
    Cut,
    /// The body is not as it was written.
    Body,
    /// The checksums are right, and the records do not fill the body.
    Layout,
    /// The block is whole, and not the next one.
    Lsn {
        /// LSN that the block starts with.
        found: Lsn,
    },
}

impl fmt::Display for BlockFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => f.write_str("there is no block where one was written"),
            Self::Header => f.write_str("the block's header is not as it was written"),
            Self::Cut => f.write_str("the block ends behind the end of the file"),
            Self::Body => f.write_str("the block's records are not as they were written"),
            Self::Layout => f.write_str("the block's records do not fill it"),
            Self::Lsn { found } => write!(f, "the block there starts with LSN {found}"),
        }
    }
}
