//! Orders and rules that were not taken.

use std::io;
use std::path::PathBuf;

use zonelake_parquet::ParquetFileError;
use zonelake_schemas::ErrorKind;
use zonelake_schemas::audit::AuditError;
use zonelake_tablelog::TableLogError;

use crate::flush::error::FlushError;

/// Reasons why a rule was not changed, rows were not deleted, or hidden rows are still on disk.
#[derive(Debug, thiserror::Error)]
pub enum RuleError {
    /// The rules of the folder cannot be read.
    #[error("{path}: {source}")]
    Ledger {
        /// File.
        path: PathBuf,
        /// Cause.
        source: io::Error,
    },
    /// The rules of the folder could not be written: they are what they were, also after a restart.
    #[error("nothing is changed, since {path} could not be written: {source}")]
    NotWritten {
        /// File.
        path: PathBuf,
        /// Cause.
        source: io::Error,
    },
    /// The rules of the folder were written, could not be made durable, and could not be taken back yet.
    #[error(
        "{path} could not be made durable: {source}. Rules are what they were before, and this order is not in force; one that has failed in \
         this way is taken back as soon as the disk allows, and a restart before that may bring it into force. Look at the list of rules then"
    )]
    InDoubt {
        /// File.
        path: PathBuf,
        /// Cause.
        source: io::Error,
    },
    /// A rule or an order that makes no sense; the message says why.
    #[error("{0}")]
    Input(String),
    /// Rows under a legal hold are not deleted.
    #[error("rows of this selection are under the legal hold {hold}; remove the hold first, or select others")]
    Held {
        /// Name of the hold.
        hold: String,
    },
    /// Another command has to end first.
    #[error("{0}")]
    Busy(String),
    /// Live rows could not be written to files, where alone they can be deleted.
    #[error(transparent)]
    Flush(#[from] FlushError),
    /// A file could not be read, or the one in its place could not be written.
    #[error("table {table}, file {file}: {source}")]
    File {
        /// Table.
        table: String,
        /// Path of the file.
        file: String,
        /// Cause.
        source: ParquetFileError,
    },
    /// What is to be done could not be noted in the table of audit.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// The change of files is not committed, or the outcome is not known.
    #[error(transparent)]
    Commit(#[from] TableLogError),
}

impl RuleError {
    /// Kind of the error: what the caller can do about it.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Input(_) | Self::Held { .. } => ErrorKind::Input,
            Self::Busy(_)
            | Self::Ledger { .. }
            | Self::NotWritten { .. }
            | Self::InDoubt { .. }
            | Self::Flush(_)
            | Self::Audit(_) => ErrorKind::Retry,
            Self::File { .. } => ErrorKind::Corrupt,
            Self::Commit(error) => error.kind(),
        }
    }
}
