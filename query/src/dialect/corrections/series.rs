//! The column of `generate_series`, which DataFusion names `value` alone. In PostgreSQL it has the name of the alias, else that of the
//! function: `SELECT day FROM generate_series(…) day`. Both are possible here.

use datafusion::sql::sqlparser::ast::{
    Expr, Ident, JoinConstraint, JoinOperator, OrderBy, Query, Select, SetExpr, TableAlias, TableFactor,
};

use super::build::folded;
use super::names::Names;

/// Lets the name of a series stand for its column.
pub(super) fn correct(query: &mut Query) {
    correct_body(&mut query.body, query.order_by.as_mut());
}

fn correct_body(body: &mut SetExpr, order_by: Option<&mut OrderBy>) {
    match body {
        SetExpr::Select(select) => correct_select(select, order_by),
        SetExpr::SetOperation { left, right, .. } => {
            correct_body(left, None);
            correct_body(right, None);
        }
        _ => {}
    }
}

fn correct_select(select: &mut Select, order_by: Option<&mut OrderBy>) {
    let mut names = Names::default();
    for table in &mut select.from {
        let joined = table.joins.iter_mut().map(|join| &mut join.relation);
        for relation in std::iter::once(&mut table.relation).chain(joined) {
            if let Some(name) = name_series(relation) {
                let value = Expr::CompoundIdentifier(vec![name.clone(), Ident::new("value")]);
                names.0.push((name, value));
            }
        }
    }
    if names.0.is_empty() {
        return;
    }
    for join in select.from.iter_mut().flat_map(|table| &mut table.joins) {
        if let JoinOperator::Join(constraint)
        | JoinOperator::Inner(constraint)
        | JoinOperator::Left(constraint)
        | JoinOperator::LeftOuter(constraint)
        | JoinOperator::Right(constraint)
        | JoinOperator::RightOuter(constraint)
        | JoinOperator::FullOuter(constraint) = &mut join.join_operator
            && let JoinConstraint::On(condition) = constraint
        {
            names.replace(condition);
        }
    }
    names.replace_in(select, order_by);
}

/// The name of a series whose column has none.
fn name_series(relation: &mut TableFactor) -> Option<Ident> {
    let TableFactor::Table { name, alias, args: Some(_), .. } = relation else { return None };
    let [part] = name.0.as_slice() else { return None };
    let own = folded(part.as_ident()?);
    if !["generate_series", "range"].contains(&own.as_str()) {
        return None;
    }
    let alias = alias.get_or_insert_with(|| TableAlias {
        explicit: true,
        name: Ident::new(own),
        columns: Vec::new(),
        at: None,
    });
    alias.columns.is_empty().then(|| alias.name.clone())
}
