//! Errors of a spool.

use std::io;
use std::path::PathBuf;

use zonelake_schemas::error::ErrorKind;

/// Reason why a batch cannot be stored, or a spool not be opened.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// The file system.
    #[error("spool {path}: {source}")]
    Io {
        /// File or folder.
        path: PathBuf,
        /// Cause.
        source: io::Error,
    },
    /// Another process forwards from this folder.
    #[error("the spool {0} is in use by another process")]
    InUse(PathBuf),
    /// The folder belongs to another producer, table or encoding.
    #[error("the spool {path} is of {found}, not of {wanted}; give each stream of batches a folder of its own")]
    OtherIdentity {
        /// Folder.
        path: PathBuf,
        /// Stream of batches that it belongs to.
        found: String,
        /// Stream of batches that was asked for.
        wanted: String,
    },
    /// The spool has as many bytes as it may have. The batch was not taken.
    #[error("the spool is full: {bytes} bytes wait to be sent and {bytes_max} may; the batch is not taken")]
    Full {
        /// Bytes in it.
        bytes: u64,
        /// Maximum number of bytes.
        bytes_max: u64,
    },
    /// The disk is full. The batch was not taken.
    #[error("the disk of the spool is full; the batch is not taken: {path}")]
    NoSpace {
        /// File.
        path: PathBuf,
    },
    /// A sync has failed, after which nothing is known of what the file holds, and hence not whether the batch is in it. Open
    /// the spool again, which reads it.
    #[error("a sync of the spool has failed, and it takes no more batches until it is opened again: {path}: {what}")]
    Broken {
        /// File.
        path: PathBuf,
        /// The failure.
        what: String,
    },
    /// The last segment is damaged, and the one behind it, which would say which numbers were given, is missing.
    #[error(
        "the last segment of the spool is damaged and nobody knows which numbers were given: begin a new spool: {0}"
    )]
    NumbersLost(PathBuf),
    /// The folder of refused batches has as much as it may have.
    #[error(
        "refused batches take {bytes} bytes of {bytes_max}: send them again, or export and remove them (zonelake spool)"
    )]
    RefusedFull {
        /// Bytes that they take.
        bytes: u64,
        /// Maximum number of bytes.
        bytes_max: u64,
    },
    /// A batch is too large for the format of a segment.
    #[error("a batch of {bytes} bytes; at most {bytes_max} can be kept")]
    TooLarge {
        /// Bytes of the batch.
        bytes: usize,
        /// Maximum number of bytes.
        bytes_max: usize,
    },
}

impl SpoolError {
    /// Kind of the error: what the caller can do.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Io { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => ErrorKind::Permission,
            Self::Io { .. }
            | Self::InUse(_)
            | Self::Full { .. }
            | Self::RefusedFull { .. }
            | Self::NoSpace { .. }
            | Self::Broken { .. } => ErrorKind::Retry,
            Self::OtherIdentity { .. } | Self::TooLarge { .. } => ErrorKind::Input,
            Self::NumbersLost(_) => ErrorKind::Corrupt,
        }
    }
}

/// Makes an error of the file system of a path.
pub(crate) fn at(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> SpoolError {
    let path = path.into();
    |source| match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => SpoolError::NoSpace { path },
        _ => SpoolError::Io { path, source },
    }
}
