//! What can go wrong with a log.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use zonelake_schemas::error::ErrorKind;
use zonelake_schemas::{Lsn, ShardId};

use crate::folder::SegmentId;

/// Why an operation of the log failed. It can be cloned, since the first failure of a log is the answer to all later calls.
#[derive(Debug, Clone, thiserror::Error)]
pub enum WalError {
    /// The file system failed. Where it did so in a write or sync, the log takes no more writes until it is opened again.
    #[error("cannot {action} {}: {cause}", path.display())]
    Io {
        /// What was attempted.
        action: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// What the system said.
        cause: Arc<io::Error>,
    },
    /// The disk is full. Nothing was written, and the log goes on once there is space.
    #[error("no space for {needed_bytes} bytes of {}: {free_bytes} bytes are free", path.display())]
    NoSpace {
        /// The file that was to be made, to grow or to be written.
        path: PathBuf,
        /// What was needed.
        needed_bytes: u64,
        /// What the file system says it has; 0 where it does not say.
        free_bytes: u64,
    },
    /// Bytes that were durable once are not as they were written.
    #[error("{0}")]
    Damaged(Box<Damage>),
    /// The folder holds a segment of another shard.
    #[error("{} belongs to shard {found}, not to shard {expected}", path.display())]
    WrongShard {
        /// The segment.
        path: PathBuf,
        /// The shard whose folder it should be.
        expected: ShardId,
        /// The shard that wrote it.
        found: ShardId,
    },
    /// The segment was written by a newer release.
    #[error(
        "{} has log format version {found}, and this release reads versions up to {known}: start the newer release", path.display()
    )]
    NewerVersion {
        /// The segment.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// The newest version that this release reads.
        known: u32,
    },
    /// A setting cannot be used.
    #[error("setting {name} {problem}")]
    Setting {
        /// The field of [`WalOptions`](crate::WalOptions).
        name: &'static str,
        /// What is wrong with it, and what would be right.
        problem: String,
    },
    /// A group without records was to be appended.
    #[error("a group must have at least one record")]
    EmptyGroup,
    /// The group is larger than any block may be. Nothing was written, and the log goes on.
    #[error("a group of {bytes} bytes is over the limit of {limit_bytes} bytes")]
    GroupTooLarge {
        /// Length of its block.
        bytes: u64,
        /// [`WalOptions::block_bytes_max`](crate::WalOptions::block_bytes_max).
        limit_bytes: u64,
    },
    /// The group does not fit into the current segment: the caller has to roll. Nothing was written.
    #[error("a group of {bytes} bytes does not fit into the {left_bytes} bytes that the segment has left")]
    SegmentFull {
        /// Length of its block.
        bytes: u64,
        /// What the segment has left.
        left_bytes: u64,
    },
    /// Whoever replays refused a record.
    #[error("record with LSN {lsn} in segment {segment} was refused at replay: {cause}")]
    Refused {
        /// The record.
        lsn: Lsn,
        /// Its segment.
        segment: SegmentId,
        /// What the receiver said.
        cause: Arc<dyn Error + Send + Sync>,
    },
    /// An earlier write or sync failed, so that it is unknown what the disk holds; only opening the log again tells.
    #[error("the log takes no more writes since this happened: {first}")]
    Poisoned {
        /// The first failure.
        first: Arc<WalError>,
    },
}

impl WalError {
    /// What the caller can do about it.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Io { .. } | Self::NoSpace { .. } => ErrorKind::Retry,
            Self::Damaged(_) => ErrorKind::Corrupt,
            Self::WrongShard { .. }
            | Self::NewerVersion { .. }
            | Self::Setting { .. }
            | Self::EmptyGroup
            | Self::GroupTooLarge { .. }
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

/// One place where a log is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// The file.
    pub path: PathBuf,
    /// Position in the file, in bytes.
    pub offset: u64,
    /// The first record that is affected, as far as that can be known; 0 where it cannot.
    pub lsn: Lsn,
    /// What is wrong there.
    pub kind: DamageKind,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, offset, lsn, kind } = self;
        write!(f, "the log is damaged: {} at byte {offset}, LSN {lsn}: {kind}", path.display())
    }
}

/// What is wrong at a place of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DamageKind {
    /// The header of the segment is not whole.
    SegmentHeader,
    /// The header names another segment than the file's name does.
    SegmentName {
        /// The segment in the header.
        found: SegmentId,
    },
    /// The segment belongs to another shard than the rest of its folder.
    ForeignShard {
        /// The shard in the header.
        found: ShardId,
    },
    /// Segments between this one and an earlier one are missing.
    SegmentsMissing {
        /// The first that is missing.
        first: SegmentId,
        /// The last that is missing.
        last: SegmentId,
    },
    /// The segment does not start with the LSN behind its predecessor.
    FirstLsn {
        /// The LSN in its header.
        found: Lsn,
    },
    /// A block is not whole although what stands behind it was written later.
    Block(BlockFault),
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
        }
    }
}

/// Why a block is not whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlockFault {
    /// There is no block where one must be.
    Absent,
    /// Its header is not as it was written.
    Header,
    /// It ends behind the end of the file.
    Cut,
    /// Its body is not as it was written.
    Body,
    /// The checksums are right, and the records do not fill the body.
    Layout,
    /// It is whole, and not the next one.
    Lsn {
        /// The LSN that it starts with.
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
