//! Errors that stop a push.

use zonelake_gateway::StreamError;
use zonelake_schemas::error::ErrorKind;

use crate::columns::rows::BadRow;
use crate::time_mapping::MappingError;

/// Reason why a push stops. Batches acknowledged before stay stored; the same push again continues after them.
#[derive(Debug, thiserror::Error)]
pub enum PushError {
    /// The mapping does not fit itself, the source or the table.
    #[error("{file}: {error}")]
    Mapping {
        /// Name of the source.
        file: String,
        /// Fault of the mapping.
        error: MappingError,
    },
    /// The format is not known.
    #[error("{file}: its extension names no known format; state one: csv, parquet, arrow or line")]
    Format {
        /// Name of the source.
        file: String,
    },
    /// The source cannot be read.
    #[error("cannot read {file}: {reason}")]
    Source {
        /// Name of the source.
        file: String,
        /// Reason.
        reason: String,
    },
    /// A row cannot be read. Nothing from its batch on was sent.
    #[error("{file}, {}{}: {:?}: {}", .bad.position, in_column(&.bad.column), .bad.value, .bad.reason)]
    BadRow {
        /// Name of the source.
        file: String,
        /// The row.
        bad: BadRow,
    },
    /// The file was changed while it was pushed.
    #[error("{file} was changed while it was pushed: its rows may be stored under the name of its old content")]
    Changed {
        /// Name of the source.
        file: String,
    },
    /// The server has more batches of this source than it gives.
    #[error(
        "{file}: the server has {durable} batches of it, and it gives {read}: they were cut in another way, or standard input was named alike twice"
    )]
    OtherCut {
        /// Name of the source.
        file: String,
        /// Batches at the server.
        durable: u64,
        /// Batches that the source gives.
        read: u64,
    },
    /// The stream to the server ended.
    #[error("{file}: {error}")]
    Stream {
        /// Name of the source.
        file: String,
        /// Cause.
        error: StreamError,
    },
    /// The thread that reads the source ended.
    #[error("{file}: the reader stopped: {reason}")]
    Reader {
        /// Name of the source.
        file: String,
        /// Cause.
        reason: String,
    },
}

impl PushError {
    /// Kind of the error: what the caller can do.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Stream { error, .. } => error.kind(),
            Self::Reader { .. } => ErrorKind::Bug,
            _ => ErrorKind::Input,
        }
    }

    pub(crate) fn from_source(file: &str, error: &dyn std::error::Error) -> Self {
        Self::Source { file: file.to_owned(), reason: error.to_string() }
    }

    pub(crate) fn from_mapping(file: &str, error: MappingError) -> Self {
        Self::Mapping { file: file.to_owned(), error }
    }

    pub(crate) fn from_stream(file: &str, error: StreamError) -> Self {
        Self::Stream { file: file.to_owned(), error }
    }
}

fn in_column(column: &str) -> String {
    if column.is_empty() { String::new() } else { format!(", column {column:?}") }
}
