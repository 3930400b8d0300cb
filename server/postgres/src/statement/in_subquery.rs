//! `x IN (SELECT …)` among the columns of an answer or in its order, where DataFusion plans no such subquery: whether `x` is in
//! the list of its rows.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, OrderByKind, Query, SelectItem, SetExpr, TableFactor, Value, VisitMut, VisitorMut,
};
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::parser::Parser;

use crate::statement::correlation::{Correlation, correlation};
use crate::statement::rewrite::call;

/// Says each such comparison over.
pub(crate) fn rewrite_memberships<S: VisitMut>(statement: &mut S) {
    let _ = statement.visit(&mut Queries);
}

struct Queries;

impl VisitorMut for Queries {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        if let SetExpr::Select(select) = query.body.as_mut() {
            for item in &mut select.projection {
                if let SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } = item {
                    let _ = expr.visit(&mut Memberships);
                }
            }
        }
        if let Some(order) = &mut query.order_by
            && let OrderByKind::Expressions(all) = &mut order.kind
        {
            for by in all {
                let _ = by.expr.visit(&mut Memberships);
            }
        }
        ControlFlow::Continue(())
    }
}

struct Memberships;

impl VisitorMut for Memberships {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::InSubquery { expr: value, subquery, negated: false } = expr
            && correlation(subquery) == Correlation::None
            && let Some(list) = list_of(subquery)
        {
            let is_in = call("array_has", vec![Expr::Subquery(list), value.as_ref().clone()]);
            // There is no list of no rows.
            *expr = call("coalesce", vec![is_in, Expr::Value(Value::Boolean(false).with_empty_span())]);
        }
        ControlFlow::Continue(())
    }
}

/// The query whose one value is the list of a query's rows.
fn list_of(rows: &Query) -> Option<Box<Query>> {
    let parser =
        Parser::new(&PostgreSqlDialect {}).try_with_sql("SELECT array_agg(item) FROM (SELECT 1) AS rows(item)");
    let mut list = parser.and_then(|mut parser| parser.parse_query()).ok()?;
    let SetExpr::Select(select) = list.body.as_mut() else { return None };
    let TableFactor::Derived { subquery, .. } = &mut select.from.first_mut()?.relation else { return None };
    **subquery = rows.clone();
    Some(list)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_columns_and_order_are_said_over() {
        let said = |sql: &str| {
            let mut statement = Parser::parse_sql(&PostgreSqlDialect {}, sql).unwrap().remove(0);
            rewrite_memberships(&mut statement);
            statement.to_string()
        };
        let list = "coalesce(array_has((SELECT array_agg(item) FROM (SELECT b FROM t) AS rows (item)), a), false)";
        assert_eq!(said("SELECT a IN (SELECT b FROM t) FROM s"), format!("SELECT {list} FROM s"));
        assert_eq!(said("SELECT a FROM s ORDER BY a IN (SELECT b FROM t)"), format!("SELECT a FROM s ORDER BY {list}"));
        for same in ["SELECT a FROM s WHERE a IN (SELECT b FROM t)", "SELECT a NOT IN (SELECT b FROM t) FROM s"] {
            assert_eq!(said(same), same);
        }
    }
}
