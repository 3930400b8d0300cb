//! A row with the line that it stands in, and what is wrong in one.

/// One row, and the line that it stands in. A cell that is empty is `None`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReferenceRow {
    /// Line of the text, from 1.
    pub line: u64,
    /// The cells, in the order of the declared columns.
    pub cells: Vec<Option<String>>,
}

/// What is wrong with a text, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{table}, line {line}: {what}")]
pub struct ReferenceError {
    /// The table.
    pub table: &'static str,
    /// Line of the text, from 1.
    pub line: u64,
    /// What is wrong.
    pub what: String,
}
