//! Queries: statements that read rows, as the engine takes them. The text is parsed, rewritten as DataFusion SQL, and
//! its columns are named as PostgreSQL names them.

use std::collections::HashMap;
use std::ops::ControlFlow;

use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{
    Expr, LimitClause, Query as SqlQuery, SetExpr, Statement as SqlStatement, Value,
};
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};
use postgres_types::Type;
use zonelake_query::ReadStatement;
use zonelake_query::dialect::{parse_text, parse_tokens};
use zonelake_timeseries::{SyntaxVisitor, visit_statement};

use crate::error::PgError;
use crate::statement::catalog_query::{is_catalog_query, rewrite_catalog_query, statement_by_text};
use crate::statement::empty_relations::is_surely_empty;
use crate::statement::explain::{ExplainForm, ExplainOptions};
use crate::statement::rewrite::rewrite;
use crate::statement::tokens::TokenCursor;
use zonelake_postgres_values::oid_of_name;

/// A statement that reads rows.
#[derive(Debug, Clone)]
pub(crate) struct Query {
    /// Text as the client sent it, for the list of statements.
    pub text: String,
    /// Statement as the engine takes it.
    pub statement: ReadStatement,
    /// OIDs of the types that the text gives its parameters; 0 where it gives none.
    pub parameters: Vec<u32>,
    /// Tag of CommandComplete.
    pub tag: &'static str,
    /// True for a catalog query that has no rows, which is answered without being planned.
    pub is_surely_empty: bool,
    /// Form of the answer of EXPLAIN; `None` for any other statement.
    pub explain: Option<ExplainForm>,
    /// Characters of the client's text in front of this statement.
    pub before: usize,
}

/// Highest parameter, since Bind counts its values in 16 bits.
const PARAMETERS_MAX: usize = 65_535;

impl Query {
    /// Parses the tokens that are left of a statement.
    pub(crate) fn parse(mut tokens: TokenCursor) -> Result<Self, PgError> {
        let explained = (tokens.peek_word().as_deref() == Some("explain")).then(|| tokens.clone());
        let (tokens, text, before) = tokens.rest();
        let numbers = tokens.iter().filter_map(|token| match &token.token {
            Token::Placeholder(name) => Some(name.strip_prefix('$').and_then(|number| number.parse::<usize>().ok())),
            _ => None,
        });
        let numbers: Option<Vec<usize>> = numbers.collect();
        let numbers = numbers.ok_or_else(|| PgError::syntax("parameters are $1, $2 and so on"))?;
        if numbers.iter().any(|number| !(1..=PARAMETERS_MAX).contains(number)) {
            return Err(PgError::new("42P02", format!("parameters are $1 to ${PARAMETERS_MAX}")));
        }
        // PostgreSQL takes $3 alone for a statement of three parameters.
        let count = numbers.into_iter().max().unwrap_or(0);
        let first = first_word(&tokens);
        if let "insert" | "update" | "delete" | "merge" | "create" | "drop" | "alter" | "truncate" = first.as_str() {
            return Err(PgError::writes(&first.to_uppercase()));
        }
        let query = match (explained, first.as_str()) {
            (Some(explained), _) => Self::parse_explain(explained, text, count),
            (None, "describe" | "desc") => Self::from_statement(parse_datafusion(&text)?, text, count, "SELECT"),
            (None, _) => Self::parse_sql(tokens, text, count),
        };
        Ok(Self { before, ..query? })
    }

    fn parse_explain(mut tokens: TokenCursor, text: String, count: usize) -> Result<Self, PgError> {
        let (_, whole, _) = tokens.clone().rest();
        let options = ExplainOptions::parse(&mut tokens)?;
        let (_, explained, _) = tokens.rest();
        // Blanks in the place of the options, so that errors keep their places.
        let word = if options.analyzes { "EXPLAIN ANALYZE" } else { "EXPLAIN" };
        let in_front = whole.strip_suffix(&explained).unwrap_or_default().chars().skip(word.len());
        let blanks: String = in_front.map(|character| if character == '\n' { '\n' } else { ' ' }).collect();
        let mut statement = parse_datafusion(&format!("{word}{blanks}{explained}"))?;
        if let Statement::Explain(explain) = &mut statement {
            // The estimates stand in the plans of the long form alone.
            explain.options.verbose = !options.analyzes;
        }
        if let Statement::Explain(explain) = &mut statement
            && let Statement::Statement(inner) = explain.statement.as_mut()
        {
            rewrite(inner, false);
        }
        let query = Self::from_statement(statement, text, count, "EXPLAIN")?;
        Ok(Self { explain: Some(options.form), ..query })
    }

    fn from_statement(statement: Statement, text: String, count: usize, tag: &'static str) -> Result<Self, PgError> {
        let statement = ReadStatement::new(statement)?;
        Ok(Self { text, statement, parameters: vec![0; count], tag, is_surely_empty: false, explain: None, before: 0 })
    }

    fn parse_sql(tokens: Vec<TokenWithSpan>, text: String, count: usize) -> Result<Self, PgError> {
        let parsed = parse_tokens(tokens);
        let is_catalog_query = parsed.as_ref().is_ok_and(is_catalog_query);
        // Judged before rewriting, which replaces the empty subqueries that it depends on.
        let is_empty = parsed.as_ref().is_ok_and(|parsed| is_catalog_query && is_surely_empty(parsed));
        let statement = match parsed {
            Ok(statement) => statement,
            Err(error) if error.narrow_sqlstate().is_some() => return Err(error.into()),
            // Some catalog queries of clients are beyond this parser, and are known by their whole text.
            Err(error) => statement_by_text(&text).ok_or_else(|| PgError::syntax(format!("syntax error: {error}")))?,
        };
        if let SqlStatement::Query(query) = &statement
            && let SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_) =
                query.body.as_ref()
        {
            return Err(PgError::writes("INSERT, UPDATE or DELETE"));
        }
        let mut parameters = Vec::new();
        let statement = ReadStatement::rewritten(statement, |statement| {
            if is_catalog_query {
                rewrite_catalog_query(statement);
            }
            // Behind the rewriting of catalog queries, whose results have PostgreSQL's types and functions still.
            rewrite(statement, is_catalog_query);
            parameters = types_in_text(statement, count);
        })?;
        let is_surely_empty = is_empty && statement.names().all().is_some();
        Ok(Self { text, statement, parameters, tag: "SELECT", is_surely_empty, explain: None, before: 0 })
    }
}

fn first_word(tokens: &[TokenWithSpan]) -> String {
    let first = tokens.iter().find_map(|token| match &token.token {
        Token::Word(word) => Some(word.value.to_ascii_lowercase()),
        _ => None,
    });
    first.unwrap_or_default()
}

/// Levels of nesting of such a statement: the parser's own default.
const RECURSION_MAX: usize = 50;

/// Parses what DataFusion has and PostgreSQL has not, or has in another form.
fn parse_datafusion(text: &str) -> Result<Statement, PgError> {
    let mut statements = parse_text(text, RECURSION_MAX)?;
    statements.pop_front().ok_or_else(|| PgError::syntax("there is no statement"))
}

/// OIDs of the types that a text gives its parameters, by a cast or as a count of rows.
fn types_in_text(statement: &SqlStatement, count: usize) -> Vec<u32> {
    let mut types = TypesInText(HashMap::new());
    let walk = visit_statement(statement, &mut types);
    debug_assert!(walk.is_continue(), "all parameters are looked at");
    (1..=count).map(|number| types.0.get(&number).copied().unwrap_or(0)).collect()
}

/// OIDs by the number of the parameter.
struct TypesInText(HashMap<usize, u32>);

impl TypesInText {
    fn note(&mut self, expr: &Expr, oid: u32) {
        if let Some(number) = placeholder(expr) {
            self.0.entry(number).or_insert(oid);
        }
    }
}

impl SyntaxVisitor for TypesInText {
    fn pre_visit_query(&mut self, query: &SqlQuery) -> ControlFlow<()> {
        if let Some(LimitClause::LimitOffset { limit, offset, .. }) = &query.limit_clause {
            for expr in limit.iter().chain(offset.iter().map(|offset| &offset.value)) {
                self.note(expr, Type::INT8.oid());
            }
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        if let Expr::Cast { expr, data_type, .. } = expr
            && let Some(oid) = oid_of_name(&data_type.to_string())
        {
            self.note(expr, oid);
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
