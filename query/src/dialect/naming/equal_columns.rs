//! Columns that DataFusion gives one name though the statement wrote them otherwise: `bool_and(x), every(x)` and `max(x), (SELECT max(x) …)`.
//! It lets no two columns have one name, so that the second gets an internal one. It looks at a statement that has been rewritten,
//! since rewriting is what makes such columns alike.

use std::collections::HashSet;
use std::ops::ControlFlow;

use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{
    Expr, Ident, Query, SelectItem, SetExpr, Statement as SqlStatement, UnaryOperator,
};
use zonelake_timeseries::{SyntaxVisitorMut, visit_expr_mut};

use super::column_names::{Column, internal, rename};

/// Gives columns of the answer whose names would be the same names of their own.
pub(crate) fn distinguish(statement: &mut Statement) {
    match statement {
        Statement::Statement(statement) => {
            if let SqlStatement::Query(query) = statement.as_mut() {
                distinguish_body(&mut query.body);
            }
        }
        Statement::Explain(explain) => distinguish(&mut explain.statement),
        Statement::CreateExternalTable(_) | Statement::CopyTo(_) | Statement::Reset(_) => {}
    }
}

fn distinguish_body(body: &mut SetExpr) {
    match body {
        SetExpr::Select(select) => distinguish_items(&mut select.projection),
        SetExpr::Query(query) => distinguish_body(&mut query.body),
        SetExpr::SetOperation { left, right, .. } => {
            distinguish_body(left);
            distinguish_body(right);
        }
        _ => {}
    }
}

fn distinguish_items(items: &mut [SelectItem]) {
    if items.len() < 2 {
        return;
    }
    let mut seen = HashSet::new();
    for (index, item) in items.iter_mut().enumerate() {
        let SelectItem::UnnamedExpr(expr) = &*item else { continue };
        // A plain column is found twice by the names of columns already, and a second one is another of the same name.
        let Some(column) = Column::of(item).filter(|column| !column.is_plain) else { continue };
        if !seen.insert(written(expr)) {
            rename(item, internal(&column.name, index));
        }
    }
}

/// What tells an expression from others, in small letters: DataFusion names neither casts nor parentheses, and a subquery by its column.
fn written(expr: &Expr) -> String {
    let mut bare = expr.clone();
    let walk = visit_expr_mut(&mut bare, &mut Bare);
    debug_assert!(walk.is_continue(), "nothing ends the walk");
    bare.to_string().to_lowercase()
}

/// Takes casts and parentheses away, and puts its column in the place of a subquery.
struct Bare;

impl SyntaxVisitorMut for Bare {
    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        let bare = match expr {
            Expr::Nested(inner)
            | Expr::Cast { expr: inner, .. }
            | Expr::UnaryOp { op: UnaryOperator::Plus, expr: inner } => inner.as_ref().clone(),
            Expr::Subquery(query) => match first_column(query) {
                Some(column) => column,
                None => return ControlFlow::Continue(()),
            },
            _ => return ControlFlow::Continue(()),
        };
        *expr = bare;
        ControlFlow::Continue(())
    }
}

/// The expression that names a subquery.
fn first_column(query: &Query) -> Option<Expr> {
    let SetExpr::Select(select) = query.body.as_ref() else { return None };
    match select.projection.first()? {
        SelectItem::UnnamedExpr(expr) => Some(expr.clone()),
        SelectItem::ExprWithAlias { alias, .. } => Some(Expr::Identifier(Ident::new(&alias.value))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
    use datafusion::sql::sqlparser::parser::Parser;

    use super::*;

    #[test]
    fn columns_that_datafusion_would_name_alike_get_names_of_their_own() {
        let named = |sql: &str| {
            let parsed = Parser::parse_sql(&PostgreSqlDialect {}, sql).expect(sql).remove(0);
            let mut statement = Statement::Statement(Box::new(parsed));
            distinguish(&mut statement);
            statement.to_string().replace('\u{2060}', "~")
        };
        for (sql, expected) in [
            ("SELECT bool_and(x), BOOL_AND(x) FROM t", "SELECT bool_and(x), BOOL_AND(x) AS \"bool_and~1\" FROM t"),
            (
                "SELECT max(v), (SELECT max(v) FROM t) FROM t",
                "SELECT max(v), (SELECT max(v) FROM t) AS \"max~1\" FROM t",
            ),
            (
                "SELECT (SELECT count(*) FROM a) > 0, (SELECT count(*) FROM b) > 0",
                "SELECT (SELECT count(*) FROM a) > 0, (SELECT count(*) FROM b) > 0 AS \"?column?~1\"",
            ),
            ("SELECT 5, +5, -5", "SELECT 5, +5 AS \"?column?~1\", -5"),
            ("SELECT a, b, a FROM t", "SELECT a, b, a FROM t"),
            ("SELECT max(a), max(b) FROM t", "SELECT max(a), max(b) FROM t"),
        ] {
            assert_eq!(named(sql), expected);
        }
    }
}
