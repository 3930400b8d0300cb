//! Failures of a table log.

use zonelake_schemas::error::ErrorKind;

/// Failures of a table log.
#[derive(Debug, thiserror::Error)]
pub enum TableLogError {
    /// Another committer has written in between: there must be one only.
    #[error(
        "table log {table}: version {version} was written by another process; one server alone may write a data folder"
    )]
    Conflict {
        /// Root of the table.
        table: String,
        /// Version that was taken.
        version: i64,
    },
    /// The store failed; whether the commit has landed is known by reading the table log again.
    #[error("table log {table}: {source}")]
    Store {
        /// Root of the table.
        table: String,
        /// Cause.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The table log cannot be read, or contradicts the declaration.
    #[error("table log {table}: {what}")]
    Corrupt {
        /// Root of the table.
        table: String,
        /// Fault, in words.
        what: String,
    },
}

impl TableLogError {
    /// Kind of the error: what the caller can do about it.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Store { .. } => ErrorKind::Retry,
            Self::Conflict { .. } | Self::Corrupt { .. } => ErrorKind::Corrupt,
        }
    }
}
