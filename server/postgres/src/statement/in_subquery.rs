//! `x IN (SELECT …)` among the columns of a query or in its order, where DataFusion plans no such subquery: rewritten
//! as a search of `x` in the array of the subquery's rows.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{Expr, OrderByKind, Query, SelectItem, SetExpr, Statement, TableFactor, Value};
use zonelake_timeseries::{SyntaxVisitorMut, visit_expr_mut, visit_statement_mut};

use crate::statement::build::{call, literal, query_template};
use crate::statement::correlation::{Correlation, correlation};

/// Rewrites each such comparison of a statement.
pub(crate) fn rewrite_in_subqueries(statement: &mut Statement) {
    let walk = visit_statement_mut(statement, &mut Queries);
    debug_assert!(walk.is_continue(), "all queries are rewritten");
}

/// Finds the columns and orders of each query.
struct Queries;

impl SyntaxVisitorMut for Queries {
    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        if let SetExpr::Select(select) = query.body.as_mut() {
            for item in &mut select.projection {
                if let SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } = item {
                    visit_expr_mut(expr, &mut InSubqueries)?;
                }
            }
        }
        if let Some(order) = &mut query.order_by
            && let OrderByKind::Expressions(all) = &mut order.kind
        {
            for by in all {
                visit_expr_mut(&mut by.expr, &mut InSubqueries)?;
            }
        }
        ControlFlow::Continue(())
    }
}

struct InSubqueries;

impl SyntaxVisitorMut for InSubqueries {
    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::InSubquery { expr: value, subquery, negated: false } = expr
            && correlation(subquery) == Correlation::None
            && let Some(array) = array_of_rows(subquery)
        {
            let is_in = call("array_has", vec![Expr::Subquery(array), value.as_ref().clone()]);
            // `array_agg` over no rows is null, where IN is false.
            *expr = call("coalesce", vec![is_in, literal(Value::Boolean(false))]);
        }
        ControlFlow::Continue(())
    }
}

/// Query whose one value is the array of a query's rows.
fn array_of_rows(rows: &Query) -> Option<Box<Query>> {
    let mut array = query_template("SELECT array_agg(item) FROM (SELECT 1) AS rows(item)")?;
    let SetExpr::Select(select) = array.body.as_mut() else { return None };
    let TableFactor::Derived { subquery, .. } = &mut select.from.first_mut()?.relation else { return None };
    **subquery = rows.clone();
    Some(array)
}

#[cfg(test)]
mod tests {
    use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
    use datafusion::sql::sqlparser::parser::Parser;

    use super::*;

    #[test]
    fn only_columns_and_order_are_rewritten() {
        let rewritten = |sql: &str| {
            let mut statement = Parser::parse_sql(&PostgreSqlDialect {}, sql).unwrap().remove(0);
            rewrite_in_subqueries(&mut statement);
            statement.to_string()
        };
        let list = "coalesce(array_has((SELECT array_agg(item) FROM (SELECT b FROM t) AS rows (item)), a), false)";
        assert_eq!(rewritten("SELECT a IN (SELECT b FROM t) FROM s"), format!("SELECT {list} FROM s"));
        assert_eq!(
            rewritten("SELECT a FROM s ORDER BY a IN (SELECT b FROM t)"),
            format!("SELECT a FROM s ORDER BY {list}")
        );
        for same in ["SELECT a FROM s WHERE a IN (SELECT b FROM t)", "SELECT a NOT IN (SELECT b FROM t) FROM s"] {
            assert_eq!(rewritten(same), same);
        }
    }
}
