//! A statement that reads, as the engine takes it: parsed, and rewritten where PostgreSQL says it otherwise than
//! DataFusion.

use std::collections::HashMap;
use std::ops::ControlFlow;

use datafusion::sql::parser::{DFParserBuilder, Statement};
use datafusion::sql::sqlparser::ast::{
    Expr, LimitClause, Query as SqlQuery, SetExpr, Statement as SqlStatement, Value, Visit, Visitor,
};
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};
use pgwire::api::Type;

use crate::statement::column_names::{ColumnNames, name_columns};
use crate::statement::parse::{Command, read_commands};
use crate::statement::empty_relations::is_surely_empty;
use crate::error::PgError;
use crate::statement::catalog_query::{is_question, question_by_text, rewrite_question};
use crate::statement::rewrite::rewrite;
use crate::values::types::oid_of_name;
use crate::statement::tokens::Words;

/// A statement that reads.
#[derive(Debug, Clone)]
pub(crate) struct Query {
    /// As it was sent.
    pub text: String,
    /// As the engine takes it.
    pub statement: Statement,
    /// The types of its parameters, as far as the text says them: the number of a type, or 0.
    pub parameters: Vec<u32>,
    /// Names of its columns.
    pub names: ColumnNames,
    /// What CommandComplete says of it.
    pub tag: &'static str,
    /// A question to the catalog that has no rows, whatever its columns are.
    pub is_empty: bool,
}

/// Greatest number of a parameter.
const PARAMETERS_MAX: usize = 65_535;

impl Query {
    /// Reads all that is left of a statement.
    pub(crate) fn read(words: Words) -> Result<Self, PgError> {
        let (tokens, text) = words.rest();
        let numbers = tokens.iter().filter_map(|token| match &token.token {
            Token::Placeholder(name) => Some(name.strip_prefix('$').and_then(|number| number.parse::<usize>().ok())),
            _ => None,
        });
        let numbers: Option<Vec<usize>> = numbers.collect();
        let numbers = numbers.ok_or_else(|| PgError::syntax("parameters are $1, $2 and so on"))?;
        if numbers.iter().any(|number| !(1..=PARAMETERS_MAX).contains(number)) {
            return Err(PgError::new("42P02", format!("parameters are $1 to ${PARAMETERS_MAX}")));
        }
        let count = numbers.into_iter().max().unwrap_or(0);
        let first = first_word(&tokens);
        if let "insert" | "update" | "delete" | "merge" | "create" | "drop" | "alter" | "truncate" = first.as_str() {
            return Err(PgError::writes(&first.to_uppercase()));
        }
        match first.as_str() {
            "explain" => Self::read_explain(text, count),
            "describe" | "desc" => Self::of_statement(read_datafusion(&text)?, text, count, "SELECT"),
            _ => Self::read_sql(tokens, text, count),
        }
    }

    /// Reads a text of one statement.
    pub(crate) fn of_text(sql: &str) -> Result<Self, PgError> {
        match read_commands(sql)?.pop() {
            Some(Command::Query(query)) => Ok(*query),
            _ => Err(PgError::syntax("a query is expected")),
        }
    }

    fn read_explain(text: String, count: usize) -> Result<Self, PgError> {
        let mut statement = read_datafusion(&text)?;
        if let Statement::Explain(explain) = &mut statement
            && let Statement::Statement(inner) = explain.statement.as_mut()
        {
            rewrite(inner);
        }
        Self::of_statement(statement, text, count, "EXPLAIN")
    }

    fn of_statement(statement: Statement, text: String, count: usize, tag: &'static str) -> Result<Self, PgError> {
        Ok(Self { text, statement, parameters: vec![0; count], names: ColumnNames::default(), tag, is_empty: false })
    }

    fn read_sql(tokens: Vec<TokenWithSpan>, text: String, count: usize) -> Result<Self, PgError> {
        let dialect = PostgreSqlDialect {};
        let mut parser = Parser::new(&dialect).with_tokens_with_locations(tokens);
        let parsed = parser.parse_statement().and_then(|statement| match parser.peek_token().token {
            Token::EOF => Ok(statement),
            _ => parser.expected("end of statement", parser.peek_token()),
        });
        let is_question = parsed.as_ref().is_ok_and(is_question);
        let is_empty = parsed.as_ref().is_ok_and(|parsed| is_question && is_surely_empty(parsed));
        let original = parsed.as_ref().ok().map(|parsed| name_columns(&mut parsed.clone()));
        let mut statement = match parsed {
            Ok(mut statement) => {
                if is_question {
                    rewrite_question(&mut statement);
                }
                statement
            }
            // Some of what clients ask of the catalog is no SQL that this parser knows, and is known by its whole text.
            Err(error) => question_by_text(&text).ok_or_else(|| PgError::syntax(format!("syntax error: {error}")))?,
        };
        if let SqlStatement::Query(query) = &statement
            && let SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_) =
                query.body.as_ref()
        {
            return Err(PgError::writes("INSERT, UPDATE or DELETE"));
        }
        rewrite(&mut statement);
        let names = name_columns(&mut statement);
        // What was said over may have other names.
        let names = original.filter(|original| original.is_alike(&names)).unwrap_or(names);
        let is_empty = is_empty && names.all().is_some();
        let parameters = said_types(&statement, count);
        let statement = Statement::Statement(Box::new(statement));
        Ok(Self { text, statement, parameters, names, tag: "SELECT", is_empty })
    }
}

fn first_word(tokens: &[TokenWithSpan]) -> String {
    let first = tokens.iter().find_map(|token| match &token.token {
        Token::Word(word) => Some(word.value.to_ascii_lowercase()),
        _ => None,
    });
    first.unwrap_or_default()
}

/// Reads what DataFusion's own parser knows and PostgreSQL has not or in another form.
fn read_datafusion(text: &str) -> Result<Statement, PgError> {
    let statements = DFParserBuilder::new(text)
        .with_dialect(&PostgreSqlDialect {})
        .build()
        .and_then(|mut parser| parser.parse_statements());
    let mut statements = statements.map_err(|error| PgError::from(zonelake_query::QueryError::from(error)))?;
    statements.pop_front().ok_or_else(|| PgError::syntax("there is no statement"))
}

/// The types that a text gives its parameters: by a cast, or as numbers of rows.
fn said_types(statement: &SqlStatement, count: usize) -> Vec<u32> {
    let mut said = SaidTypes(HashMap::new());
    let _ = statement.visit(&mut said);
    (1..=count).map(|number| said.0.get(&number).copied().unwrap_or(0)).collect()
}

struct SaidTypes(HashMap<usize, u32>);

impl SaidTypes {
    fn say(&mut self, expr: &Expr, oid: u32) {
        if let Some(number) = placeholder(expr) {
            self.0.entry(number).or_insert(oid);
        }
    }
}

impl Visitor for SaidTypes {
    type Break = ();

    fn pre_visit_query(&mut self, query: &SqlQuery) -> ControlFlow<()> {
        if let Some(LimitClause::LimitOffset { limit, offset, .. }) = &query.limit_clause {
            for expr in limit.iter().chain(offset.iter().map(|offset| &offset.value)) {
                self.say(expr, Type::INT8.oid());
            }
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        if let Expr::Cast { expr, data_type, .. } = expr
            && let Some(oid) = oid_of_name(&data_type.to_string().replace(" PRECISION", ""))
        {
            self.say(expr, oid);
        }
        ControlFlow::Continue(())
    }
}

fn placeholder(expr: &Expr) -> Option<usize> {
    match expr {
        Expr::Value(value) => match &value.value {
            Value::Placeholder(name) => name.strip_prefix('$')?.parse().ok(),
            _ => None,
        },
        Expr::Nested(inner) => placeholder(inner),
        _ => None,
    }
}
