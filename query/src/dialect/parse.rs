//! Text or tokens to parsed statements.

use std::collections::VecDeque;

use datafusion::sql::parser::{DFParserBuilder, Statement};
use datafusion::sql::sqlparser::ast::Statement as SqlStatement;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use crate::dialect::check::ensure_reading;
use crate::dialect::grammar::{Dialect, TextLimits};
use crate::error::{QueryError, QueryErrorCode};

/// Parses one statement that reads.
///
/// # Errors
/// [`QueryErrorCode::Sql`] for a text that is too long, empty or no SQL; [`QueryErrorCode::NotAllowed`] for several
/// statements and for one that does not read.
pub fn parse_reading(sql: &str, dialect: Dialect, limits: TextLimits) -> Result<Statement, QueryError> {
    limits.check_length(sql)?;
    let mut statements = parse_text(sql, dialect, limits.recursion_max)?;
    let Some(statement) = statements.pop_front() else {
        return Err(QueryError::new(QueryErrorCode::Sql, "there is no statement"));
    };
    if !statements.is_empty() {
        return Err(QueryError::new(QueryErrorCode::NotAllowed, "one statement at a time, please"));
    }
    ensure_reading(&statement)?;
    Ok(statement)
}

/// Parses all statements of a text, whatever they do.
///
/// # Errors
/// [`QueryErrorCode::Sql`] for a text that is no SQL.
pub fn parse_text(sql: &str, dialect: Dialect, recursion_max: usize) -> Result<VecDeque<Statement>, QueryError> {
    let statements = DFParserBuilder::new(sql)
        .with_dialect(dialect.grammar())
        .with_recursion_limit(recursion_max)
        .build()?
        .parse_statements()?;
    Ok(statements)
}

/// Parses the tokens of exactly one statement, without DataFusion's additions to SQL.
///
/// # Errors
/// The parser's error, also where tokens are left behind the statement.
pub fn parse_tokens(tokens: Vec<TokenWithSpan>, dialect: Dialect) -> Result<SqlStatement, ParserError> {
    let mut parser = Parser::new(dialect.grammar()).with_tokens_with_locations(tokens);
    let statement = parser.parse_statement()?;
    match parser.peek_token().token {
        Token::EOF => Ok(statement),
        _ => parser.expected("end of statement", parser.peek_token()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: TextLimits = TextLimits { bytes_max: 1_000, recursion_max: 50 };

    #[test]
    fn statements_that_read_are_let_through() {
        for sql in [
            "select 1",
            "with a as (select 1) select * from a;",
            "values (1), (2)",
            "explain select 1",
            "explain analyze select 1",
            "show tables",
            "show columns from environment",
            "describe environment",
        ] {
            assert!(parse_reading(sql, Dialect::Generic, LIMITS).is_ok(), "{sql}");
        }
    }

    #[test]
    fn everything_else_is_refused() {
        for sql in [
            "insert into environment values (1)",
            "delete from environment",
            "update environment set a = 1",
            "drop table environment",
            "create table a as select 1",
            "create view a as select 1",
            "create external table a stored as parquet location '/etc/passwd'",
            "copy (select 1) to 'out.parquet'",
            "explain copy (select 1) to 'out.parquet'",
            "explain analyze insert into environment values (1)",
            "set datafusion.execution.batch_size = 1",
            "reset datafusion.execution.batch_size",
            "show all",
            "show datafusion.execution.batch_size",
            "prepare a as select 1",
            "create function f() returns int return 1",
            "truncate table environment",
            "begin",
        ] {
            let refused = parse_reading(sql, Dialect::Generic, LIMITS).expect_err(sql);
            assert_eq!(refused.code, QueryErrorCode::NotAllowed, "{sql}: {refused}");
        }
        assert_eq!(
            parse_reading("select 1; select 2", Dialect::Generic, LIMITS).expect_err("two").code,
            QueryErrorCode::NotAllowed
        );
        assert_eq!(parse_reading("", Dialect::Generic, LIMITS).expect_err("none").code, QueryErrorCode::Sql);
        assert_eq!(parse_reading("selct 1", Dialect::Generic, LIMITS).expect_err("not SQL").code, QueryErrorCode::Sql);
    }
}
