//! Comparisons with all rows of a subquery or all items of an array, with SQL's three truth values.
//!
//! DataFusion makes joins of `IN` and `EXISTS`, which know no null: right for a condition of WHERE that no NOT or CASE
//! stands around, and impossible among columns. Everywhere else the rows become an array, once, and are compared there
//! (datafusion issues 8241, 25347).

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, FunctionArguments, GroupByExpr, Query, Select, SelectItem, SetExpr, UnaryOperator, Value,
};
use zonelake_timeseries::{SyntaxVisitor, SyntaxVisitorMut, visit_expr_mut, visit_own_expressions_mut, visit_query};

use super::build::{bare, call, derived, operation, take, template, text, truth};

/// Conditions of a query's WHERE that DataFusion makes joins of are left; the rest of the query is rewritten.
pub(super) fn correct_select(select: &mut Select) {
    if let Some(selection) = &mut select.selection {
        correct_condition(selection);
    }
    for item in &mut select.projection {
        if let SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } = item {
            correct_value(expr);
        }
    }
    if let Some(having) = &mut select.having {
        correct_value(having);
    }
    if let GroupByExpr::Expressions(keys, _) = &mut select.group_by {
        keys.iter_mut().for_each(correct_value);
    }
}

/// Rewrites within a condition, of which only true counts.
fn correct_condition(expr: &mut Expr) {
    match expr {
        Expr::BinaryOp { left, op: BinaryOperator::And | BinaryOperator::Or, right } => {
            correct_condition(left);
            correct_condition(right);
        }
        Expr::Nested(inner) => correct_condition(inner),
        Expr::Exists { .. } => {}
        Expr::AnyOp { left, compare_op: BinaryOperator::Eq, right, .. } if matches!(**right, Expr::Subquery(_)) => {
            let Expr::Subquery(subquery) = take(right) else { return };
            *expr = Expr::InSubquery { expr: Box::new(take(left)), subquery, negated: false };
            correct_condition(expr);
        }
        Expr::UnaryOp { op: UnaryOperator::Not, expr: inner } if matches!(bare(inner), Expr::Exists { .. }) => {}
        Expr::InSubquery { expr: value, .. } if matches!(bare(value), Expr::Tuple(_)) => correct_row(expr),
        Expr::BinaryOp { left, op: BinaryOperator::Eq, right }
            if matches!(bare(left), Expr::Tuple(_)) && matches!(bare(right), Expr::Subquery(_)) =>
        {
            if let Some(members) = row_of_one(left, right) {
                *expr = members;
            }
        }
        // A constant that is null is in no row, and not in none: DataFusion's join keeps what has no partner.
        Expr::InSubquery { expr: value, negated: true, .. } if !has_column(value) => correct_value(expr),
        Expr::InSubquery { expr: value, .. } => correct_value(value),
        other => correct_value(other),
    }
}

/// Rewrites every comparison within an expression whose value counts, but none within its subqueries.
pub(super) fn correct_value(expr: &mut Expr) {
    visit_own_expressions_mut(expr, &mut correct_subquery);
}

/// One comparison with a subquery.
fn correct_subquery(expr: &mut Expr) {
    let rewritten = match expr {
        Expr::InSubquery { expr: value, subquery, negated } => {
            if matches!(bare(value), Expr::Tuple(_)) {
                return;
            }
            let (op, is_all) = if *negated { (BinaryOperator::NotEq, true) } else { (BinaryOperator::Eq, false) };
            rows(subquery).map(|rows| compare(take(value), &op, rows, is_all, true))
        }
        Expr::AnyOp { left, compare_op, right, .. } => quantified(left, compare_op, right, false),
        Expr::AllOp { left, compare_op, right } => quantified(left, compare_op, right, true),
        Expr::Exists { subquery, negated } => count_of(subquery).map(|count| {
            let op = if *negated { BinaryOperator::Eq } else { BinaryOperator::Gt };
            operation(Expr::Subquery(count), op, super::build::number(0))
        }),
        _ => None,
    };
    if let Some(rewritten) = rewritten {
        *expr = rewritten;
    }
}

/// `x op ANY (…)` of a subquery or an array.
fn quantified(value: &mut Expr, op: &BinaryOperator, right: &mut Expr, is_all: bool) -> Option<Expr> {
    if !is_comparison(op) {
        return None;
    }
    match right {
        Expr::Subquery(subquery) => {
            let rows = rows(subquery)?;
            Some(compare(take(value), op, rows, is_all, true))
        }
        array => {
            let array = match bare(array) {
                Expr::Value(inner) if matches!(inner.value, Value::SingleQuotedString(_)) => {
                    call("array_of_text", vec![take(array), value.clone()])
                }
                _ => take(array),
            };
            Some(compare(take(value), op, array, is_all, false))
        }
    }
}

fn is_comparison(op: &BinaryOperator) -> bool {
    matches!(
        op,
        BinaryOperator::Eq
            | BinaryOperator::NotEq
            | BinaryOperator::Lt
            | BinaryOperator::LtEq
            | BinaryOperator::Gt
            | BinaryOperator::GtEq
    )
}

fn compare(value: Expr, op: &BinaryOperator, array: Expr, is_all: bool, of_rows: bool) -> Expr {
    let name = if is_all { "compare_all" } else { "compare_any" };
    call(name, vec![value, array, text(op.to_string()), truth(of_rows)])
}

/// The rows of a subquery as one array.
fn rows(subquery: &Query) -> Option<Expr> {
    let own = subquery.clone();
    if let Some(item) = single_item(&own) {
        let mut query = own.clone();
        let SetExpr::Select(select) = query.body.as_mut() else { return None };
        select.projection = vec![SelectItem::UnnamedExpr(call("array_agg", vec![item]))];
        query.order_by = None;
        return Some(Expr::Subquery(Box::new(query)));
    }
    let mut array = template("SELECT array_agg(__item) FROM (SELECT 1) AS __items(__item)")?;
    let SetExpr::Select(select) = array.body.as_mut() else { return None };
    select.from.first_mut()?.relation = derived(Box::new(own), "__items", &["__item"]);
    Some(Expr::Subquery(array))
}

/// The one column of a query that does nothing but choose rows.
fn single_item(query: &Query) -> Option<Expr> {
    let select = plain_select(query)?;
    match select.projection.as_slice() {
        [SelectItem::UnnamedExpr(item) | SelectItem::ExprWithAlias { expr: item, .. }] if !has_call(item) => {
            Some(item.clone())
        }
        _ => None,
    }
}

/// The SELECT of a query without groups, limits and set operations.
fn plain_select(query: &Query) -> Option<&Select> {
    let SetExpr::Select(select) = query.body.as_ref() else { return None };
    let is_grouped = match &select.group_by {
        GroupByExpr::Expressions(keys, _) => !keys.is_empty(),
        GroupByExpr::All(_) => true,
    };
    let is_plain = query.limit_clause.is_none()
        && query.fetch.is_none()
        && !is_grouped
        && select.having.is_none()
        && select.qualify.is_none()
        && select.distinct.is_none()
        && !select.from.is_empty();
    is_plain.then_some(select)
}

/// True where an expression calls anything: it may be an aggregate or a window.
fn has_call(expr: &Expr) -> bool {
    let mut copy = expr.clone();
    let mut finder = Calls(false);
    let walk = visit_expr_mut(&mut copy, &mut finder);
    walk.is_break() || finder.0
}

/// True where an expression names a column.
fn has_column(expr: &Expr) -> bool {
    let mut copy = expr.clone();
    let mut finder = Columns(false);
    let walk = visit_expr_mut(&mut copy, &mut finder);
    walk.is_break() || finder.0
}

struct Columns(bool);

impl SyntaxVisitorMut for Columns {
    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        self.0 |= matches!(expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_));
        ControlFlow::Continue(())
    }
}

struct Calls(bool);

impl SyntaxVisitorMut for Calls {
    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::Function(function) = expr {
            self.0 |= !matches!(function.args, FunctionArguments::None);
        }
        ControlFlow::Continue(())
    }
}

/// The number of rows of a subquery, as a query.
fn count_of(subquery: &Query) -> Option<Box<Query>> {
    let mut count = template("SELECT count(*)")?;
    let SetExpr::Select(counting) = count.body.as_mut() else { return None };
    let selects_columns = |item: &SelectItem| match item {
        SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => !has_call(expr),
        _ => true,
    };
    match plain_select(subquery) {
        Some(select) if select.projection.iter().all(selects_columns) => {
            let mut query = subquery.clone();
            query.order_by = None;
            let SetExpr::Select(select) = query.body.as_mut() else { return None };
            select.projection = std::mem::take(&mut counting.projection);
            Some(Box::new(query))
        }
        _ => {
            let mut count = template("SELECT count(*) FROM (SELECT 1) AS __rows")?;
            let SetExpr::Select(select) = count.body.as_mut() else { return None };
            select.from.first_mut()?.relation = derived(Box::new(subquery.clone()), "__rows", &[]);
            Some(count)
        }
    }
}

/// `(a, b) IN (SELECT c, d …)` as a condition: a row exists whose members are equal. `NOT IN`: there is none of which they are equal, or may be.
fn correct_row(expr: &mut Expr) {
    let Expr::InSubquery { expr: value, subquery, negated } = expr else { return };
    let Expr::Tuple(members) = bare(value) else { return };
    let Some((mut exists, names)) = rows_of_members(subquery, members.len()) else { return };
    let SetExpr::Select(select) = exists.body.as_mut() else { return };
    let equal = members.iter().zip(&names).map(|(member, name)| {
        let inner = Expr::CompoundIdentifier(vec![ROWS.into(), name.as_str().into()]);
        operation(member.clone(), BinaryOperator::Eq, inner)
    });
    let equal = equal.reduce(|all, one| operation(all, BinaryOperator::And, one));
    select.selection = if *negated { equal.map(|equal| Expr::IsNotFalse(Box::new(equal))) } else { equal };
    *expr = Expr::Exists { subquery: exists, negated: *negated };
}

/// `(a, b) = (SELECT c, d …)` of a subquery of one row: each member is that of the row.
fn row_of_one(row: &Expr, right: &Expr) -> Option<Expr> {
    let (Expr::Tuple(members), Expr::Subquery(subquery)) = (bare(row), bare(right)) else { return None };
    // The query stands there once for each member: one within it would be there more often at each level.
    if has_row(subquery) {
        return None;
    }
    let (query, names) = rows_of_members(subquery, members.len())?;
    let equal = members.iter().zip(&names).map(|(member, name)| {
        let mut one = query.clone();
        let SetExpr::Select(select) = one.body.as_mut() else { return None };
        let column = Expr::CompoundIdentifier(vec![ROWS.into(), name.as_str().into()]);
        select.projection = vec![SelectItem::UnnamedExpr(column)];
        Some(operation(member.clone(), BinaryOperator::Eq, Expr::Subquery(one)))
    });
    let equal = equal.collect::<Option<Vec<_>>>()?;
    equal.into_iter().reduce(|all, one| operation(all, BinaryOperator::And, one))
}

fn has_row(query: &Query) -> bool {
    struct Rows;
    impl SyntaxVisitor for Rows {
        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            if matches!(expr, Expr::Tuple(_)) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        }
    }
    visit_query(query, &mut Rows).is_break()
}

const ROWS: &str = "__rows";

/// A query over the rows of another one, and the names that its columns have there.
fn rows_of_members(subquery: &Query, members: usize) -> Option<(Box<Query>, Vec<String>)> {
    let names: Vec<String> = (0..members).map(|at| format!("__member_{at}")).collect();
    let mut query = template("SELECT 1 FROM (SELECT 1) AS __rows")?;
    let SetExpr::Select(select) = query.body.as_mut() else { return None };
    let shown: Vec<&str> = names.iter().map(String::as_str).collect();
    select.from.first_mut()?.relation = derived(Box::new(subquery.clone()), ROWS, &shown);
    Some((query, names))
}
