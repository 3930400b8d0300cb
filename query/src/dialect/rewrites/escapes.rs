//! `LIKE … ESCAPE 'c'`: the pattern rewritten with the backslash as its escape, which is the only one that the engine has. `LIKE ANY`,
//! `LIKE ALL`, `^@`.

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Value,
};

use crate::dialect::corrections::build::{bare, call, operation, take};
use crate::postgres::functions::like_escape::LIKE_ESCAPE;

/// Rewrites the pattern of a `LIKE` that has an escape of its own.
pub(super) fn rewrite(expr: &mut Expr) {
    if let Expr::Like { pattern, escape_char, .. } | Expr::ILike { pattern, escape_char, .. } = expr
        && let Some(escape) = escape_char.take()
    {
        let is_backslash = matches!(&escape.value, Value::SingleQuotedString(text) if text == "\\");
        if is_backslash {
            *escape_char = Some(escape);
        } else {
            **pattern = call(LIKE_ESCAPE, vec![pattern.as_ref().clone(), Expr::Value(escape)]);
        }
    }
}

/// `x LIKE ANY (ARRAY['a%', 'b%'])` as `x LIKE 'a%' OR x LIKE 'b%'`.
pub(super) fn any_pattern(expr: &mut Expr) {
    let (Expr::Like { any: true, pattern, .. } | Expr::ILike { any: true, pattern, .. }) = expr else { return };
    let Some(patterns) = items(pattern) else { return };
    let each = patterns.into_iter().map(|one| {
        let mut like = expr.clone();
        if let Expr::Like { any, pattern, .. } | Expr::ILike { any, pattern, .. } = &mut like {
            *any = false;
            **pattern = one;
        }
        like
    });
    if let Some(any) = each.reduce(|left, right| operation(left, BinaryOperator::Or, right)) {
        *expr = any;
    }
}

fn items(patterns: &Expr) -> Option<Vec<Expr>> {
    match bare(patterns) {
        Expr::Array(array) => Some(array.elem.clone()),
        Expr::Tuple(patterns) => Some(patterns.clone()),
        _ => None,
    }
}

/// `x LIKE ALL (ARRAY['a%', '%b'])`, which the parser takes for a call of `all`.
pub(super) fn all_patterns(expr: &mut Expr) {
    let (Expr::Like { any: false, pattern, .. } | Expr::ILike { any: false, pattern, .. }) = expr else { return };
    let Expr::Function(Function { name, args: FunctionArguments::List(list), .. }) = pattern.as_ref() else { return };
    let [FunctionArg::Unnamed(FunctionArgExpr::Expr(array))] = list.args.as_slice() else { return };
    let Some(patterns) = items(array).filter(|_| name.to_string().eq_ignore_ascii_case("all")) else { return };
    let each = patterns.into_iter().map(|one| {
        let mut like = expr.clone();
        if let Expr::Like { pattern, .. } | Expr::ILike { pattern, .. } = &mut like {
            **pattern = one;
        }
        like
    });
    if let Some(all) = each.reduce(|left, right| operation(left, BinaryOperator::And, right)) {
        *expr = all;
    }
}

/// `x ^@ 'ab'` as a call.
pub(super) fn starts_with(expr: &mut Expr) {
    if let Expr::BinaryOp { left, op: BinaryOperator::PGStartsWith, right } = expr {
        *expr = call("starts_with", vec![take(left), take(right)]);
    }
}
