//! Errors that stop a push.

use zonelake_gateway::StreamError;
use zonelake_schemas::error::ErrorKind;

use crate::columns::position::BadRow;
use crate::mapping::time::MappingError;

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
    /// A row or cell cannot be read. Nothing of the source was sent.
    #[error("{file}, {}{}: {:?}: {}{}; nothing of this file was sent", .bad.position, in_column(&.bad.column), .bad.value, .bad.reason, and_others(*.others))]
    BadRow {
        /// Name of the source.
        file: String,
        /// The row.
        bad: Box<BadRow>,
        /// Count of other rows and cells that cannot be read.
        others: u64,
    },
    /// Rows of the source would be stored a second time.
    #[error("{file}: {what}; nothing of it was sent")]
    Known {
        /// Name of the source.
        file: String,
        /// What is known of it, and what to do.
        what: String,
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

    /// What whoever sent the source can do about it.
    pub fn advice(&self) -> &'static str {
        match self {
            Self::Mapping { .. } => "mend the mapping, or the columns of the file, and push it again",
            Self::Format { .. } => "give the file an extension that says its format, and push it again",
            Self::Source { .. } => "see that the file is whole and can be read, and push it again",
            Self::BadRow { .. } => {
                "mend the row, or the key of the mapping that decides it, and push the file again; with --skip-bad-rows what cannot be read is left out and told"
            }
            Self::Known { .. } => {
                "see what is stored; where all rows are to be stored once more, push the file with --again"
            }
            Self::Changed { .. } => "push the file again when it is complete: what is stored is known by its rows",
            Self::OtherCut { .. } => {
                "push the file with the mapping and the number of rows of a batch that it was pushed with first"
            }
            Self::Stream { .. } => "the server's words say what it refuses; mend that, and push the file again",
            Self::Reader { .. } => "this is a fault of the program: keep the file and report it",
        }
    }

    /// True where another source may be pushed all the same.
    pub(crate) fn is_of_source(&self) -> bool {
        match self {
            Self::Stream { error, .. } => error.kind() == ErrorKind::Input,
            _ => true,
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

fn and_others(count: u64) -> String {
    match count {
        0 => String::new(),
        1 => " (and one more)".into(),
        _ => format!(" (and {count} more)"),
    }
}

fn in_column(column: &str) -> String {
    if column.is_empty() { String::new() } else { format!(", column {column:?}") }
}
