//! `LIKE … ESCAPE 'c'`: the pattern rewritten with the backslash as its escape, which is the only one that the engine has. `LIKE ANY`, `^@`.

use datafusion::sql::sqlparser::ast::{BinaryOperator, Expr, Value};

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
    let patterns = match bare(pattern) {
        Expr::Array(array) => array.elem.clone(),
        Expr::Tuple(patterns) => patterns.clone(),
        _ => return,
    };
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

/// `x ^@ 'ab'` as a call.
pub(super) fn starts_with(expr: &mut Expr) {
    if let Expr::BinaryOp { left, op: BinaryOperator::PGStartsWith, right } = expr {
        *expr = call("starts_with", vec![take(left), take(right)]);
    }
}
