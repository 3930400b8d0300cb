//! `SIMILAR TO`, whose pattern DataFusion takes for a regular expression as it is: unanchored, with `%` for a
//! percent sign.

use datafusion::sql::sqlparser::ast::{BinaryOperator, Expr, Value};

use super::build::{call, take, text};

/// `x SIMILAR TO p` as a match of the regular expression that `p` means.
pub(super) fn correct(expr: &mut Expr) {
    let Expr::SimilarTo { negated, expr: value, pattern, escape_char } = expr else { return };
    let mut arguments = vec![take(pattern)];
    if let Some(escape) = escape_char.take() {
        arguments.push(match escape.value {
            Value::SingleQuotedString(escape) => text(escape),
            other => Expr::Value(other.into()),
        });
    }
    let op = if *negated { BinaryOperator::PGRegexNotMatch } else { BinaryOperator::PGRegexMatch };
    let right = Box::new(call("similar_to_escape", arguments));
    *expr = Expr::Nested(Box::new(Expr::BinaryOp { left: Box::new(take(value)), op, right }));
}
