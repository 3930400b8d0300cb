//! Errors of the registry, and what the caller can do about each.

use std::io;
use std::path::PathBuf;

use rusqlite::ErrorCode;
use zonelake_schemas::{ErrorKind, NodeNumber, TableError};

use crate::reference::row::ReferenceError;

/// Error of a call to the registry.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// The file could not be opened or made.
    #[error("cannot open the registry {path}: {source}")]
    Open {
        /// The file.
        path: PathBuf,
        /// Error of the system.
        source: io::Error,
    },
    /// SQLite could not read or write the file.
    #[error("registry {path}: {source}")]
    Sqlite {
        /// The file.
        path: PathBuf,
        /// Error of SQLite.
        source: rusqlite::Error,
    },
    /// A write or sync of the file has failed, and nothing more is written until it is opened again.
    #[error(
        "registry {path}: a write has failed and it takes nothing more; restart the server once the disk is well: {what}"
    )]
    Stopped {
        /// The file.
        path: PathBuf,
        /// The failure.
        what: String,
    },
    /// The file's schema could not be brought up to date; it may come from a newer version of this program.
    #[error("cannot bring the registry {path} up to date: {source}")]
    Migrate {
        /// The file.
        path: PathBuf,
        /// Error of the migration.
        source: Box<rusqlite_migration::Error>,
    },
    /// The file is readable, and its content contradicts itself.
    #[error("registry {path} is damaged: {what}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Contradiction that was found.
        what: String,
    },
    /// No such province, zone, site, device or gateway.
    #[error("unknown {what} {name:?}")]
    Unknown {
        /// Kind of thing.
        what: &'static str,
        /// Name, code or id.
        name: String,
    },
    /// There is one of that name already.
    #[error("there is a {what} {name:?} already")]
    Exists {
        /// Kind of thing.
        what: &'static str,
        /// Name or code.
        name: String,
    },
    /// A name or value that cannot be.
    #[error("{what} {name:?}: {why}")]
    Invalid {
        /// Kind of thing.
        what: &'static str,
        /// Name that was given.
        name: String,
        /// Rule that it breaks.
        why: &'static str,
    },
    /// A limit is reached; nothing was added.
    #[error("{what} of {name:?}: the limit of {limit} is reached")]
    Limit {
        /// Kind of thing that there would be too many of.
        what: &'static str,
        /// Owner of these things.
        name: String,
        /// Number that there may be.
        limit: usize,
    },
    /// The registry belongs to another node than the WAL beside it.
    #[error(
        "registry {path}: it is that of node number {stored}, and the WAL beside it is that of node number {given}; restore registry.sqlite from the same backup as the folder wal"
    )]
    OtherNodeNumber {
        /// The file.
        path: PathBuf,
        /// Node that it belongs to.
        stored: NodeNumber,
        /// Node of the WAL.
        given: NodeNumber,
    },
    /// The data folder belongs to a node of another name.
    #[error(
        "registry {path}: this data folder belongs to node {stored:?}, and the settings say node {given:?}; set node = {stored:?}. A node cannot be renamed: rows that are in files already would be written once more"
    )]
    OtherNode {
        /// The file.
        path: PathBuf,
        /// Node that it belongs to.
        stored: String,
        /// Node of the settings.
        given: String,
    },
    /// A declaration that would misread stored data, or is wrong in itself.
    #[error(transparent)]
    Table(#[from] TableError),
    /// Rows of reference data that cannot be.
    #[error(transparent)]
    Reference(#[from] ReferenceError),
    /// Lines of a file about devices that cannot be.
    #[error("{0}")]
    DeviceLines(String),
    /// The machine gave no random bytes.
    #[error("no random bytes: {0}")]
    Random(getrandom::Error),
    /// A password could not be hashed.
    #[error("cannot hash the password: {0}")]
    PasswordHash(String),
}

impl RegistryError {
    /// Kind of the error: what the caller can do about it.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Open { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => ErrorKind::Permission,
            // A restart, or the system, may change each of these without any change of the input.
            Self::Open { .. } | Self::Stopped { .. } | Self::Random(_) => ErrorKind::Retry,
            Self::Sqlite { source, .. } => sqlite_kind(source),
            Self::Migrate { source, .. } => migration_kind(source),
            Self::Damaged { .. } => ErrorKind::Corrupt,
            Self::Unknown { .. }
            | Self::Exists { .. }
            | Self::Invalid { .. }
            | Self::Limit { .. }
            | Self::OtherNode { .. }
            | Self::OtherNodeNumber { .. }
            | Self::Table(_)
            | Self::Reference(_)
            | Self::DeviceLines(_) => ErrorKind::Input,
            Self::PasswordHash(_) => ErrorKind::Bug,
        }
    }
}

fn migration_kind(error: &rusqlite_migration::Error) -> ErrorKind {
    match error {
        rusqlite_migration::Error::RusqliteError { err, .. } => sqlite_kind(err),
        // A file of a newer version of this program: its operator has the wrong program at hand.
        rusqlite_migration::Error::MigrationDefinition(_) => ErrorKind::Input,
        rusqlite_migration::Error::InvalidUserVersion | rusqlite_migration::Error::ForeignKeyCheck(_) => {
            ErrorKind::Corrupt
        }
        _ => ErrorKind::Bug,
    }
}

fn sqlite_kind(error: &rusqlite::Error) -> ErrorKind {
    match error.sqlite_error_code() {
        Some(
            ErrorCode::DatabaseBusy
            | ErrorCode::DatabaseLocked
            | ErrorCode::DiskFull
            | ErrorCode::OutOfMemory
            | ErrorCode::SystemIoFailure
            | ErrorCode::CannotOpen
            | ErrorCode::FileLockingProtocolFailed,
        ) => ErrorKind::Retry,
        Some(ErrorCode::PermissionDenied | ErrorCode::ReadOnly | ErrorCode::AuthorizationForStatementDenied) => {
            ErrorKind::Permission
        }
        // Only these say that the content is at fault.
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => ErrorKind::Corrupt,
        _ => ErrorKind::Bug,
    }
}
