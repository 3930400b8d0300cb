//! PostgreSQL's syntax as functions and relations that DataFusion's planner knows.
//!
//! - [`bytes`]: constants of bytes
//! - [`escapes`]: patterns of `LIKE` with an escape of their own
//! - [`templates`]: templates of `to_timestamp` and `to_date`
//! - [`untyped`]: constants whose type their neighbours tell
//! - [`words`]: words that are calls, `current_schema`; names with their schema; collations
//! - [`patterns`]: regular expressions
//! - [`json`], [`json_rows`]: types, operators and aggregates of JSON; rows as objects
//! - [`arrays`]: slices, and the column of `unnest`
//! - [`calls_of_rows`]: functions that return rows, and their places
//! - [`operators`]: signs of operators that DataFusion does not know
//! - [`ordered_sets`]: aggregates of values in their order
//! - [`row_values`]: arrays of the rows of a subquery, and subqueries of one row
//! - [`mod@correlation`], [`shape`]: what a subquery reads of the query around it, and whether it makes one row of all

mod arrays;
mod bytes;
mod calls_of_rows;
mod correlation;
mod escapes;
mod json;
mod json_rows;
mod operators;
mod ordered_sets;
mod patterns;
mod row_values;
mod shape;
mod templates;
mod untyped;
mod words;

use std::ops::ControlFlow;

use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{Expr, Query, Select, TableFactor};
use zonelake_timeseries::{SyntaxVisitorMut, visit_statement_mut};

pub use correlation::{Correlation, correlation};
pub use shape::{calls_aggregate, is_grouped};

/// Rewrites a parsed statement. Text in quotes stays as it is, for the tree is rewritten and never the text.
pub(crate) fn rewrite(statement: &mut Statement) {
    match statement {
        Statement::Statement(statement) => {
            let walk = visit_statement_mut(statement, &mut Rewrites);
            debug_assert!(walk.is_continue(), "nothing ends the walk");
        }
        Statement::Explain(explain) => rewrite(&mut explain.statement),
        Statement::CreateExternalTable(_) | Statement::CopyTo(_) | Statement::Reset(_) => {}
    }
}

/// The one walk over a statement.
struct Rewrites;

impl SyntaxVisitorMut for Rewrites {
    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        untyped::in_rows(query);
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, relation: &mut TableFactor) -> ControlFlow<()> {
        words::strip_schema_of_relation(relation);
        words::value_as_relation(relation);
        json::items_as_relation(relation);
        calls_of_rows::as_relation(relation);
        arrays::name_unnested(relation);
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        json_rows::rewrite(select);
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        row_values::keep_compared_rows(expr);
        row_values::value_without_rows(expr);
        untyped::in_arguments(expr);
        arrays::empty(expr);
        arrays::cast_items(expr);
        ControlFlow::Continue(())
    }

    /// Inner expressions first, so that what is moved into a call has been rewritten.
    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        words::strip_schema_of_call(expr);
        words::strip_collation(expr);
        words::call_of_word(expr);
        bytes::rewrite(expr);
        bytes::calls(expr);
        escapes::rewrite(expr);
        escapes::any_pattern(expr);
        escapes::all_patterns(expr);
        escapes::starts_with(expr);
        templates::rewrite(expr);
        calls_of_rows::among_columns(expr);
        operators::rewrite(expr);
        ordered_sets::rewrite(expr);
        patterns::rewrite(expr);
        json::rewrite(expr);
        arrays::slice(expr);
        row_values::array_of_rows(expr);
        row_values::one_row(expr);
        ControlFlow::Continue(())
    }
}
