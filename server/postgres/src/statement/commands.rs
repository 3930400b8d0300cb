//! Commands: what a statement of PostgreSQL asks of the session. One command reads rows; the others change what holds
//! for the connection: transactions, variables, cursors, prepared statements.

use crate::statement::query::Query;
use zonelake_postgres_values::CopyFormat;

/// A statement, parsed.
#[derive(Debug, Clone)]
pub(crate) enum Command {
    /// SELECT, VALUES, EXPLAIN and whatever else reads rows.
    Query(Box<Query>),
    /// BEGIN, START TRANSACTION.
    Begin,
    /// COMMIT, END.
    Commit,
    /// ROLLBACK, ABORT.
    Rollback,
    /// SAVEPOINT.
    Savepoint(String),
    /// RELEASE SAVEPOINT.
    Release(String),
    /// ROLLBACK TO SAVEPOINT.
    RollbackTo(String),
    /// SET; no value is DEFAULT. With `is_local` the value ends with the transaction.
    Set { name: String, value: Option<String>, is_local: bool },
    /// SET TRANSACTION and SET SESSION CHARACTERISTICS, which change nothing.
    SetTransaction,
    /// SHOW of one variable.
    Show(String),
    /// SHOW ALL.
    ShowAll,
    /// RESET; no name is RESET ALL.
    Reset(Option<String>),
    /// DISCARD.
    Discard(Discard),
    /// DEALLOCATE; no name is ALL.
    Deallocate(Option<String>),
    /// PREPARE.
    Prepare { name: String, types: Vec<u32>, query: Box<Query> },
    /// DECLARE of a cursor.
    Declare { cursor: String, is_held: bool, query: Box<Query> },
    /// FETCH or MOVE of a number of rows; `None` is all.
    Fetch { cursor: String, rows: Option<usize>, is_move: bool },
    /// CLOSE of a cursor; no name is ALL.
    Close(Option<String>),
    /// COPY … TO STDOUT.
    Copy { query: Box<Query>, format: CopyFormat },
    /// A command without meaning here, which is accepted and answered with this tag.
    Ignored(&'static str),
}

impl Command {
    /// True where the command takes a failed transaction to a state that has not failed, be it its end or a savepoint.
    pub(crate) fn ends_transaction(&self) -> bool {
        matches!(self, Self::Commit | Self::Rollback | Self::RollbackTo(_))
    }

    /// Query of the command that may have parameters.
    pub(crate) fn with_parameters(&self) -> Option<&Query> {
        match self {
            Self::Query(query) | Self::Declare { query, .. } => Some(query),
            _ => None,
        }
    }
}

/// Scope of DISCARD.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Discard {
    All,
    /// Plans, sequences or temporary tables, of which there are none; the value is the tag.
    Nothing(&'static str),
}
