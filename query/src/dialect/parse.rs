//! Text or tokens to parsed statements. Whatever comes out of here is within the bounds of [`crate::dialect::tree_bounds`],
//! so that all that follows may recurse over it on the stack of any thread; what is not within them ends here, on a stack
//! that suffices for it.

use std::collections::VecDeque;

use datafusion::sql::parser::{DFParserBuilder, Statement};
use datafusion::sql::sqlparser::ast::Statement as SqlStatement;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer};

use crate::dialect::chains::balance_chains;
use crate::dialect::check::ensure_reading;
use crate::dialect::deep_stack::with_stack_for;
use crate::dialect::grammar::{GRAMMAR, TextLimits};
use crate::dialect::nesting::{check_nesting, too_complex};
use crate::dialect::parse_budget::BudgetedGrammar;
use crate::dialect::tree_bounds::check_tree;
use crate::error::{QueryError, QueryErrorCode};

/// Parses one statement that reads.
///
/// # Errors
/// [`QueryErrorCode::Sql`] for a text that is too long, empty or no SQL; [`QueryErrorCode::NotAllowed`] for several
/// statements and for one that does not read.
pub fn parse_reading(sql: &str, limits: TextLimits) -> Result<Statement, QueryError> {
    limits.check_length(sql)?;
    let mut statements = parse_text(sql, limits.recursion_max)?;
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
/// [`QueryErrorCode::Sql`] for a text that is no SQL, and for a statement that is too complex.
pub fn parse_text(sql: &str, recursion_max: usize) -> Result<VecDeque<Statement>, QueryError> {
    let tokens = Tokenizer::new(&GRAMMAR, sql).tokenize_with_location();
    let tokens = tokens.map_err(|error| QueryError::new(QueryErrorCode::Sql, ParserError::from(error).to_string()))?;
    let nesting = check_nesting(&tokens)?;
    with_stack_for(nesting, || {
        let grammar = BudgetedGrammar::new(tokens.len());
        let parsed = DFParserBuilder::new(tokens)
            .with_dialect(&grammar)
            .with_recursion_limit(recursion_max)
            .build()
            .and_then(|mut parser| parser.parse_statements());
        let mut statements = parsed.map_err(|error| too_deep(&grammar).unwrap_or_else(|| error.into()))?;
        statements.iter_mut().try_for_each(bound)?;
        Ok(statements)
    })
}

/// Parses the tokens of exactly one statement, without DataFusion's additions to SQL.
///
/// # Errors
/// [`QueryErrorCode::Sql`] for tokens that are no SQL, also where some are left behind the statement, and for a statement
/// that is too complex.
pub fn parse_tokens(tokens: Vec<TokenWithSpan>) -> Result<SqlStatement, QueryError> {
    let nesting = check_nesting(&tokens)?;
    with_stack_for(nesting, || {
        let grammar = BudgetedGrammar::new(tokens.len());
        let parsed = parse_one(tokens, &grammar).map_err(|error| {
            too_deep(&grammar).unwrap_or_else(|| QueryError::new(QueryErrorCode::Sql, error.to_string()))
        })?;
        let mut statement = Statement::Statement(Box::new(parsed));
        bound(&mut statement)?;
        match statement {
            Statement::Statement(statement) => Ok(*statement),
            _ => Err(QueryError::internal()),
        }
    })
}

/// Error of a text for which the parser had no budget left; none where it has another error.
fn too_deep(grammar: &BudgetedGrammar) -> Option<QueryError> {
    grammar.is_spent().then(|| too_complex("its expressions are nested too deeply"))
}

fn parse_one(tokens: Vec<TokenWithSpan>, grammar: &BudgetedGrammar) -> Result<SqlStatement, ParserError> {
    let mut parser = Parser::new(grammar).with_tokens_with_locations(tokens);
    let statement = parser.parse_statement()?;
    match parser.peek_token().token {
        Token::EOF => Ok(statement),
        _ => parser.expected("end of statement", parser.peek_token()),
    }
}

/// Brings a parsed statement within its bounds, or refuses it.
fn bound(statement: &mut Statement) -> Result<(), QueryError> {
    balance_chains(statement);
    check_tree(statement)
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
            assert!(parse_reading(sql, LIMITS).is_ok(), "{sql}");
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
            let refused = parse_reading(sql, LIMITS).expect_err(sql);
            assert_eq!(refused.code, QueryErrorCode::NotAllowed, "{sql}: {refused}");
        }
        assert_eq!(parse_reading("select 1; select 2", LIMITS).expect_err("two").code, QueryErrorCode::NotAllowed);
        assert_eq!(parse_reading("", LIMITS).expect_err("none").code, QueryErrorCode::Sql);
        assert_eq!(parse_reading("selct 1", LIMITS).expect_err("not SQL").code, QueryErrorCode::Sql);
    }
}
