//! Results of commands, errors of messages, and what both query protocols say of them.

use zonelake_net::Cause;

use crate::error::PgError;
use crate::protocol::wire::WireError;
use crate::rows::ResultCursor;

/// Error of a message.
#[derive(Debug)]
pub(crate) enum SessionError {
    /// Failed statement: the client is told, and the connection goes on.
    Statement(PgError),
    /// Failed connection, which ends.
    Wire(WireError),
}

impl From<PgError> for SessionError {
    fn from(error: PgError) -> Self {
        Self::Statement(error)
    }
}

impl From<WireError> for SessionError {
    fn from(error: WireError) -> Self {
        Self::Wire(error)
    }
}

/// Result of a command.
#[derive(Debug)]
pub(crate) enum CommandResult {
    /// Tag of CommandComplete, which is the whole response.
    Tag(String),
    /// Rows that are to be sent.
    Rows(ResultCursor),
}

/// Tag of CommandComplete behind rows.
pub(crate) fn complete_tag(tag: &str, rows: u64) -> String {
    if tag == "SELECT" { format!("SELECT {rows}") } else { tag.to_owned() }
}

/// Tag of CommandComplete for a cursor that was declared.
pub(crate) const DECLARED: &str = "DECLARE CURSOR";

/// Columns of SHOW ALL.
pub(crate) const SHOW_ALL_COLUMNS: [&str; 3] = ["name", "setting", "description"];

/// Error of a prepared statement that does not exist.
pub(crate) fn no_statement(name: &str) -> PgError {
    PgError::of(Cause::UnknownStatement, format!("prepared statement \"{name}\" does not exist"))
}

/// Error of a cursor that does not exist.
pub(crate) fn no_cursor(name: &str) -> PgError {
    PgError::new("34000", format!("cursor \"{name}\" does not exist"))
}

/// Format of the item at an index: no formats are text for all, and one is for all.
pub(crate) fn format_of(formats: &[i16], index: usize) -> Result<i16, PgError> {
    let format = match formats {
        [] => 0,
        [one] => *one,
        many => *many.get(index).ok_or_else(|| PgError::of(Cause::Protocol, "there are too few formats"))?,
    };
    match format {
        0 | 1 => Ok(format),
        other => Err(PgError::of(Cause::Protocol, format!("there is no format {other}"))),
    }
}

/// Format of each column: 0 is text, 1 is binary.
pub(crate) fn formats_of(formats: &[i16], columns: usize) -> Result<Vec<i16>, PgError> {
    (0..columns).map(|index| format_of(formats, index)).collect()
}
