//! Dialects of SQL, and limits of a statement's text.

use datafusion::sql::sqlparser::dialect::{Dialect as Grammar, GenericDialect, PostgreSqlDialect};

use crate::error::{QueryError, QueryErrorCode};

/// SQL as one kind of client writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// DataFusion's own grammar: HTTP and Flight SQL.
    Generic,
    /// PostgreSQL's grammar.
    Postgres,
}

impl Dialect {
    /// Grammar that the parser follows.
    pub fn grammar(self) -> &'static dyn Grammar {
        match self {
            Self::Generic => &GenericDialect {},
            Self::Postgres => &PostgreSqlDialect {},
        }
    }
}

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
