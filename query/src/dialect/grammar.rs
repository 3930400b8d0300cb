//! The one grammar, PostgreSQL's, and limits of a statement's text.

use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;

use crate::error::{QueryError, QueryErrorCode};

/// Grammar of the statements of all interfaces.
pub(crate) static GRAMMAR: PostgreSqlDialect = PostgreSqlDialect {};

/// Limits of a statement's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TextLimits {
    /// Bytes of the text.
    pub bytes_max: usize,
    /// Levels of nesting, which cost the parser stack.
    pub recursion_max: usize,
}

impl TextLimits {
    /// Refuses a text that is too long.
    ///
    /// # Errors
    /// [`QueryErrorCode::Sql`] with SQLSTATE 54000.
    pub fn check_length(&self, sql: &str) -> Result<(), QueryError> {
        if sql.len() <= self.bytes_max {
            return Ok(());
        }
        let message = format!("the statement has {} bytes; {} are possible", sql.len(), self.bytes_max);
        Err(QueryError::new(QueryErrorCode::Sql, message).with_sqlstate("54000"))
    }
}
