//! The walk over a statement that applies all corrections.

use std::ops::ControlFlow;

use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{Expr, OrderByKind, Query, Select, TableFactor};
use zonelake_timeseries::{SyntaxVisitorMut, visit_statement_mut};

use super::{
    cast_names, clauses, literals, multisets, precedence, quantified, refusals, rows, series, similar, using_joins,
    windows,
};
use crate::error::QueryError;

/// Corrects a parsed statement.
///
/// # Errors
/// A statement that could only be answered wrongly: [`crate::QueryErrorCode::Sql`], mostly with SQLSTATE 0A000.
pub(crate) fn correct(statement: &mut Statement) -> Result<(), QueryError> {
    match statement {
        Statement::Statement(statement) => {
            precedence::correct(statement);
            let mut walk = Corrections { error: None };
            let ended = visit_statement_mut(statement, &mut walk);
            debug_assert_eq!(ended.is_break(), walk.error.is_some(), "an error alone ends the walk");
            walk.error.map_or(Ok(()), Err)
        }
        Statement::Explain(explain) => correct(&mut explain.statement),
        Statement::CreateExternalTable(_) | Statement::CopyTo(_) | Statement::Reset(_) => Ok(()),
    }
}

/// The one walk over a statement.
struct Corrections {
    error: Option<QueryError>,
}

impl Corrections {
    fn unless_refused(&mut self, result: Result<(), QueryError>) -> ControlFlow<()> {
        match result {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                self.error = Some(error);
                ControlFlow::Break(())
            }
        }
    }
}

impl SyntaxVisitorMut for Corrections {
    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        if let Some(with) = &query.with {
            self.unless_refused(refusals::check_recursion(with))?;
        }
        self.unless_refused(clauses::fetch_as_limit(query))?;
        self.unless_refused(using_joins::correct(query))?;
        series::correct(query);
        if let Some(order) = &mut query.order_by
            && let OrderByKind::Expressions(all) = &mut order.kind
        {
            all.iter_mut().for_each(|by| quantified::correct_value(&mut by.expr));
        }
        multisets::correct(query);
        cast_names::correct(query);
        clauses::values_with_subqueries(query);
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        self.unless_refused(refusals::check_orders(select))?;
        self.unless_refused(windows::correct(select))?;
        clauses::series_among_columns(select);
        quantified::correct_select(select);
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, relation: &mut TableFactor) -> ControlFlow<()> {
        self.unless_refused(refusals::check_relation(relation))?;
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        self.unless_refused(refusals::check_call(expr))?;
        similar::correct(expr);
        rows::correct(expr);
        literals::correct(expr);
        clauses::overlaps(expr);
        clauses::times_with_digits(expr);
        clauses::functions_by_other_names(expr);
        clauses::interval_by_names(expr);
        ControlFlow::Continue(())
    }
}
