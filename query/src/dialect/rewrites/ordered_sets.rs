//! `mode()` and `percentile_disc(x)` `WITHIN GROUP (ORDER BY y)`, as items of the array of all values in their order.

use datafusion::sql::sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, FunctionArgumentClause, FunctionArgumentList, FunctionArguments, Ident,
    ObjectName,
};

use crate::dialect::corrections::build::{bare, call, has_subquery};
use crate::postgres::arrays::sorted::{AT_FRACTION, MOST_FREQUENT};

/// Rewrites such a call.
pub(super) fn rewrite(expr: &mut Expr) {
    let Expr::Function(function) = &*expr else { return };
    let ([by], FunctionArguments::List(list), None) =
        (function.within_group.as_slice(), &function.args, &function.over)
    else {
        return;
    };
    if has_subquery(&by.expr) {
        return;
    }
    let (name, fraction) = match (function.name.to_string().to_lowercase().as_str(), list.args.as_slice()) {
        ("mode", []) => (MOST_FREQUENT, None),
        // Of several fractions there is an array of percentiles, which is left to the planner to refuse.
        ("percentile_disc", [FunctionArg::Unnamed(FunctionArgExpr::Expr(fraction))])
            if !matches!(bare(fraction), Expr::Array(_)) =>
        {
            (AT_FRACTION, Some(fraction.clone()))
        }
        _ => return,
    };
    let mut all = function.clone();
    all.name = ObjectName::from(vec![Ident::new("array_agg")]);
    all.within_group.clear();
    all.args = FunctionArguments::List(FunctionArgumentList {
        duplicate_treatment: None,
        args: vec![FunctionArg::Unnamed(FunctionArgExpr::Expr(by.expr.clone()))],
        clauses: vec![FunctionArgumentClause::OrderBy(vec![by.clone()])],
    });
    *expr = call(name, std::iter::once(Expr::Function(all)).chain(fraction).collect());
}
