//! Subqueries that stand for one value: `ARRAY(SELECT …)`, and those of one row by `LIMIT 1`, which DataFusion plans only as
//! aggregates where they read the query around them.

use datafusion::sql::sqlparser::ast::helpers::attached_token::AttachedToken;
use datafusion::sql::sqlparser::ast::{
    CaseWhen, Expr, FunctionArgumentClause, FunctionArguments, Ident, LimitClause, OrderByExpr, OrderByKind, Query,
    Select, SelectItem, SetExpr, TableFactor, Value,
};

use super::correlation::{Correlation, correlation};
use super::shape::{calls_aggregate, is_grouped};
use crate::dialect::corrections::build::{call, derived, folded, template};
use crate::postgres::functions::array_functions::ARRAY_OR_EMPTY;

/// `ARRAY(SELECT x FROM t ORDER BY y)`: all rows, in their order; of no rows an empty array.
pub(super) fn array_of_rows(expr: &mut Expr) {
    let Expr::Function(function) = expr else { return };
    let [name] = function.name.0.as_slice() else { return };
    if !name.as_ident().is_some_and(|name| name.quote_style.is_none() && name.value.eq_ignore_ascii_case("array")) {
        return;
    }
    let FunctionArguments::Subquery(rows) = &function.args else { return };
    if let Some(array) = aggregated(rows, "array_agg").or_else(|| array_of(rows)) {
        *expr = call(ARRAY_OR_EMPTY, vec![Expr::Subquery(array)]);
    }
}

/// `(SELECT x)` is x, and `(SELECT x WHERE y)` x or null: DataFusion plans a relation of one row, whose constants it takes for never null.
pub(super) fn value_without_rows(expr: &mut Expr) {
    let Expr::Subquery(query) = &*expr else { return };
    let Some((value, condition)) = single_value(query) else { return };
    *expr = match condition {
        None => Expr::Nested(Box::new(value)),
        Some(condition) => Expr::Case {
            case_token: AttachedToken::empty(),
            end_token: AttachedToken::empty(),
            operand: None,
            conditions: vec![CaseWhen { condition, result: value }],
            else_result: None,
        },
    };
}

/// The value of a query without relations, and its condition.
fn single_value(query: &Query) -> Option<(Expr, Option<Expr>)> {
    let SetExpr::Select(select) = query.body.as_ref() else { return None };
    let has_clauses = query.with.is_some() || query.limit_clause.is_some() || query.fetch.is_some();
    let is_plain =
        select.from.is_empty() && !is_grouped(select) && select.distinct.is_none() && select.qualify.is_none();
    let [item] = select.projection.as_slice() else { return None };
    let value = item_expr(item)?;
    // A call may make rows, or one of all.
    let is_row = !matches!(value, Expr::Function(_)) && !calls_aggregate(value);
    (is_plain && !has_clauses && is_row).then(|| (value.clone(), select.selection.clone()))
}

/// A subquery of at most one row. One without groups that aggregates has one row anyhow; the first row of one that reads the query
/// around it is an aggregate.
pub(super) fn one_row(expr: &mut Expr) {
    let Expr::Subquery(query) = expr else { return };
    let Some(rows_max) = rows_max(query).filter(|rows| *rows > 0) else { return };
    let SetExpr::Select(select) = query.body.as_ref() else { return };
    let is_one_row =
        !is_grouped(select) && select.projection.iter().any(|item| item_expr(item).is_some_and(calls_aggregate));
    if is_one_row {
        (query.limit_clause, query.fetch, query.order_by) = (None, None, None);
    } else if rows_max == 1
        && correlation(query) != Correlation::None
        && let Some(first) =
            aggregated(&Query { limit_clause: None, fetch: None, ..query.as_ref().clone() }, "first_value")
    {
        *query = first;
    }
}

/// `x > ALL (SELECT … LIMIT 1)`: rows and no value, of which there may be none. Parentheses around the number keep [`one_row`] away, and a
/// relation [`value_without_rows`].
pub(super) fn keep_compared_rows(expr: &mut Expr) {
    if let Expr::AnyOp { right, .. } | Expr::AllOp { right, .. } = expr
        && let Expr::Subquery(query) = right.as_mut()
        && single_value(query).is_some()
        && let Some(mut rows) = template("SELECT * FROM (SELECT 1) AS __rows")
        && let SetExpr::Select(select) = rows.body.as_mut()
        && let Some(from) = select.from.first_mut()
    {
        from.relation = derived(query.clone(), "__rows", &[]);
        *query = rows;
    }
    if let Expr::AnyOp { right, .. } | Expr::AllOp { right, .. } = expr
        && let Expr::Subquery(query) = right.as_mut()
        && let Some(LimitClause::LimitOffset { limit: Some(limit), .. }) = &mut query.limit_clause
        && matches!(limit, Expr::Value(_))
    {
        *limit = Expr::Nested(Box::new(limit.clone()));
    }
}

/// Rows that a query may have at most, where it says so and skips none.
fn rows_max(query: &Query) -> Option<u64> {
    let number = |expr: &Expr| match expr {
        Expr::Value(value) => match &value.value {
            Value::Number(number, _) => number.to_string().parse::<u64>().ok(),
            _ => None,
        },
        _ => None,
    };
    match (&query.limit_clause, &query.fetch) {
        (Some(LimitClause::LimitOffset { limit: Some(limit), offset: None, .. }), None) => number(limit),
        (None, Some(fetch)) if !fetch.with_ties && !fetch.percent => match &fetch.quantity {
            Some(quantity) => number(quantity),
            None => Some(1),
        },
        _ => None,
    }
}

fn item_expr(item: &SelectItem) -> Option<&Expr> {
    match item {
        SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => Some(expr),
        _ => None,
    }
}

/// A query of one plain SELECT whose one column becomes an aggregate in the query's order; `None` for any other.
fn aggregated(rows: &Query, aggregate: &str) -> Option<Box<Query>> {
    let SetExpr::Select(select) = rows.body.as_ref() else { return None };
    if rows.limit_clause.is_some() || rows.fetch.is_some() || rows.with.is_some() || !is_plain(select) {
        return None;
    }
    let [item] = select.projection.as_slice() else { return None };
    let value = item_expr(item)?.clone();
    let order = order_of(rows, item, &value)?;
    let mut made = Box::new(rows.clone());
    made.order_by = None;
    let SetExpr::Select(select) = made.body.as_mut() else { return None };
    select.projection = vec![SelectItem::UnnamedExpr(aggregate_call(aggregate, value, order))];
    Some(made)
}

/// True for a SELECT that makes one row of each row that it reads.
fn is_plain(select: &Select) -> bool {
    let is_plain_item = |item: &SelectItem| {
        item_expr(item).is_some_and(|expr| {
            !calls_aggregate(expr) && !matches!(expr, Expr::Function(function) if function.over.is_some())
        })
    };
    select.distinct.is_none()
        && !is_grouped(select)
        && select.qualify.is_none()
        && !select.from.is_empty()
        && select.projection.iter().all(is_plain_item)
}

/// The order of a query over expressions of its relations: places and names of columns stand for the column.
fn order_of(rows: &Query, item: &SelectItem, value: &Expr) -> Option<Vec<OrderByExpr>> {
    let Some(order) = &rows.order_by else { return Some(Vec::new()) };
    let OrderByKind::Expressions(all) = &order.kind else { return None };
    let alias = match item {
        SelectItem::ExprWithAlias { alias, .. } => Some(folded(alias)),
        _ => None,
    };
    let of_relations = |by: &OrderByExpr| {
        let is_column = match &by.expr {
            Expr::Value(place) => matches!(&place.value, Value::Number(number, _) if *number == "1"),
            Expr::Identifier(name) => Some(folded(name)) == alias,
            _ => false,
        };
        OrderByExpr { expr: if is_column { value.clone() } else { by.expr.clone() }, ..by.clone() }
    };
    Some(all.iter().map(of_relations).collect())
}

fn aggregate_call(name: &str, value: Expr, order: Vec<OrderByExpr>) -> Expr {
    let mut made = call(name, vec![value]);
    if let Expr::Function(function) = &mut made
        && let FunctionArguments::List(list) = &mut function.args
        && !order.is_empty()
    {
        list.clauses.push(FunctionArgumentClause::OrderBy(order));
    }
    made
}

/// Query whose one value is the array of another one's rows. With LIMIT they come in their order, which is numbered at once; an order
/// without a LIMIT would be lost on the way to the aggregate, so that only one by the column itself is possible.
fn array_of(rows: &Query) -> Option<Box<Query>> {
    let item = Expr::Identifier(Ident::new(ITEM));
    let has_limit = rows.limit_clause.is_some() || rows.fetch.is_some();
    let (text, order) = match &rows.order_by {
        None => ("SELECT 1 FROM (SELECT 1) AS numbered", Vec::new()),
        Some(_) if has_limit => (
            "SELECT 1 FROM (SELECT __item, row_number() OVER () AS __place FROM (SELECT 1) AS rows) AS numbered",
            vec![plain_order(Expr::Identifier(Ident::new("__place")))],
        ),
        Some(order) => match &order.kind {
            OrderByKind::Expressions(all) => match all.as_slice() {
                [by] if is_place_of_column(&by.expr) => {
                    ("SELECT 1 FROM (SELECT 1) AS numbered", vec![OrderByExpr { expr: item.clone(), ..by.clone() }])
                }
                _ => return None,
            },
            OrderByKind::All(_) => return None,
        },
    };
    let mut array = template(text)?;
    let SetExpr::Select(select) = array.body.as_mut() else { return None };
    select.projection = vec![SelectItem::UnnamedExpr(aggregate_call("array_agg", item, order))];
    let of_rows = derived(Box::new(rows.clone()), "rows", &[ITEM]);
    let outer = &mut select.from.first_mut()?.relation;
    match outer {
        TableFactor::Derived { subquery, .. } if has_limit && rows.order_by.is_some() => {
            let SetExpr::Select(numbered) = subquery.body.as_mut() else { return None };
            numbered.from.first_mut()?.relation = of_rows;
        }
        relation => *relation = of_rows,
    }
    Some(array)
}

/// Name of the column of a subquery whose rows become an array.
const ITEM: &str = "__item";

fn is_place_of_column(expr: &Expr) -> bool {
    matches!(expr, Expr::Value(place) if matches!(&place.value, Value::Number(number, _) if *number == "1"))
}

fn plain_order(expr: Expr) -> OrderByExpr {
    OrderByExpr {
        expr,
        options: datafusion::sql::sqlparser::ast::OrderByOptions { asc: None, nulls_first: None },
        with_fill: None,
    }
}

#[cfg(test)]
mod tests {
    use datafusion::sql::parser::Statement;
    use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
    use datafusion::sql::sqlparser::parser::Parser;

    use crate::dialect::rewrites::rewrite;

    #[test]
    fn subqueries_of_one_value_become_aggregates_in_their_order() {
        let rewritten = |sql: &str| {
            let parsed = Parser::parse_sql(&PostgreSqlDialect {}, sql).expect(sql).remove(0);
            let mut statement = Statement::Statement(Box::new(parsed));
            rewrite(&mut statement);
            statement.to_string()
        };
        for (sql, expected) in [
            ("SELECT (SELECT count(1) FROM t LIMIT 1)", "SELECT (SELECT count(1) FROM t)"),
            (
                "SELECT (SELECT e.v FROM e WHERE e.z = u.z ORDER BY e.time DESC LIMIT 1) FROM u",
                "SELECT (SELECT first_value(e.v ORDER BY e.time DESC) FROM e WHERE e.z = u.z) FROM u",
            ),
            (
                "SELECT (SELECT v FROM e ORDER BY time DESC LIMIT 1)",
                "SELECT (SELECT v FROM e ORDER BY time DESC LIMIT 1)",
            ),
            (
                "SELECT ARRAY(SELECT x FROM t ORDER BY 1)",
                "SELECT array_or_empty((SELECT array_agg(x ORDER BY x) FROM t))",
            ),
        ] {
            assert_eq!(rewritten(sql), expected);
        }
    }
}
