//! Names of columns that stand for other expressions.

use datafusion::sql::sqlparser::ast::{Expr, GroupByExpr, Ident, OrderBy, OrderByKind, Select, SelectItem};
use zonelake_timeseries::visit_own_expressions_mut;

use super::build::folded;

/// Names without a table, each with the expression that is its value.
#[derive(Debug, Default)]
pub(super) struct Names(pub(super) Vec<(Ident, Expr)>);

impl Names {
    /// The value of a name.
    pub(super) fn value(&self, name: &Ident) -> Option<&Expr> {
        self.0.iter().find(|(key, _)| folded(key) == folded(name)).map(|(_, value)| value)
    }

    /// Puts values in the place of names, but not within subqueries: their names are looked up among their own tables.
    pub(super) fn replace(&self, expr: &mut Expr) {
        visit_own_expressions_mut(expr, &mut |expr| {
            if let Expr::Identifier(name) = expr
                && let Some(value) = self.value(name)
            {
                *expr = value.clone();
            }
        });
    }

    /// Puts values in the place of names in all clauses of a SELECT but FROM, and in its order.
    pub(super) fn replace_in(&self, select: &mut Select, order_by: Option<&mut OrderBy>) {
        for item in &mut select.projection {
            match item {
                SelectItem::UnnamedExpr(expr) => {
                    let name = match &*expr {
                        Expr::Identifier(name) if self.value(name).is_some() => Some(name.clone()),
                        _ => None,
                    };
                    self.replace(expr);
                    // The column keeps the name that it was asked for by.
                    if let Some(alias) = name {
                        *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias };
                    }
                }
                SelectItem::ExprWithAlias { expr, .. } => self.replace(expr),
                _ => {}
            }
        }
        let conditions = [&mut select.selection, &mut select.having, &mut select.qualify];
        conditions.into_iter().flatten().for_each(|condition| self.replace(condition));
        if let GroupByExpr::Expressions(group, _) = &mut select.group_by {
            group.iter_mut().for_each(|key| self.replace(key));
        }
        let Some(OrderBy { kind: OrderByKind::Expressions(all), .. }) = order_by else { return };
        for by in all {
            // A name alone is first of all that of a column of the answer.
            let is_output = |name: &Ident| {
                select.projection.iter().any(
                    |item| matches!(item, SelectItem::ExprWithAlias { alias, .. } if folded(alias) == folded(name)),
                )
            };
            if !matches!(&by.expr, Expr::Identifier(name) if is_output(name)) {
                self.replace(&mut by.expr);
            }
        }
    }
}
