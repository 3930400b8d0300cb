//! Why what devices measure now cannot be told.

use crate::error::QueryError;

/// Reason why a table cannot be followed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LiveError {
    /// There is no such table of readings.
    #[error("there is no table of readings of this name")]
    UnknownTable,
    /// Its last values are read from its files, or take more memory than they may.
    #[error(
        "what this table measures now is not known at the moment: it is being read from its files, rows of it are about to be deleted, or it takes more memory than it may; the server log says which"
    )]
    NotKnown,
    /// Rows of it may take the place of others.
    #[error(
        "this table declares on_repeat, so that a row may take another one's place; what it measures now is not kept in memory. Ask SQL for latest or live_windows"
    )]
    Repeats,
    /// The role sees single rows of devices, by the value of a column.
    #[error("the role sees rows of this table by more than their place; ask SQL, which shows them")]
    InPart,
    /// As for a statement.
    #[error(transparent)]
    Query(#[from] QueryError),
}
