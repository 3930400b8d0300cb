//! `EXCEPT ALL` and `INTERSECT ALL`, which DataFusion plans as joins that keep or drop all equal rows at once
//! (datafusion issues 12955, 12956).
//! They become calls that `postgres::multisets` plans.

use datafusion::sql::sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, Ident, ObjectName, Query, SetExpr, SetOperator, SetQuantifier, TableFactor,
    TableFunctionArgs,
};

use super::build::{query_of, template};
use crate::postgres::multisets::{EXCEPT_ALL, INTERSECT_ALL};

/// Rewrites such operations of a query, those within others too.
pub(super) fn correct(query: &mut Query) {
    correct_body(&mut query.body);
}

fn correct_body(body: &mut SetExpr) {
    let SetExpr::SetOperation { left, op, set_quantifier, right } = body else { return };
    correct_body(left);
    correct_body(right);
    let name = match (op, set_quantifier) {
        (SetOperator::Except | SetOperator::Minus, SetQuantifier::All) => EXCEPT_ALL,
        (SetOperator::Intersect, SetQuantifier::All) => INTERSECT_ALL,
        _ => return,
    };
    let sides = [left.as_ref().clone(), right.as_ref().clone()].map(query_of);
    let [Some(left), Some(right)] = sides else { return };
    // A template of ours, which parses.
    let Some(mut all) = template("SELECT * FROM placeholder") else { return };
    let SetExpr::Select(select) = all.body.as_mut() else { return };
    let Some(from) = select.from.first_mut() else { return };
    if let TableFactor::Table { name: relation, args, .. } = &mut from.relation {
        *relation = ObjectName::from(vec![Ident::new(name)]);
        let sides = [left, right].map(|side| FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Subquery(side))));
        *args = Some(TableFunctionArgs { args: sides.to_vec(), settings: None });
    }
    *body = *all.body;
}
