//! Signs of operators that DataFusion does not know, as calls: `~x`, `|/ x`, `||/ x`, `@ x`, and `a <@ b`, which is `b @> a`.

use datafusion::sql::sqlparser::ast::{BinaryOperator, Expr, UnaryOperator, Value};

use crate::dialect::corrections::build::{call, number, operation, take};

/// Rewrites one operator, whose operands have been rewritten.
pub(super) fn rewrite(expr: &mut Expr) {
    match expr {
        Expr::UnaryOp { op, expr: operand } => {
            let name = match op {
                // All bits but those of the operand.
                UnaryOperator::BitwiseNot => {
                    let all = Expr::UnaryOp { op: UnaryOperator::Minus, expr: Box::new(number(1)) };
                    *expr = operation(take(operand), BinaryOperator::PGBitwiseXor, all);
                    return;
                }
                UnaryOperator::PGSquareRoot => "sqrt",
                UnaryOperator::PGCubeRoot => "cbrt",
                UnaryOperator::PGAbs => "abs",
                _ => return,
            };
            *expr = call(name, vec![take(operand)]);
        }
        Expr::BinaryOp { left, op: op @ BinaryOperator::ArrowAt, right } if !is_text(left) && !is_text(right) => {
            *op = BinaryOperator::AtArrow;
            std::mem::swap(left, right);
        }
        _ => {}
    }
}

fn is_text(expr: &Expr) -> bool {
    matches!(expr, Expr::Value(value) if matches!(value.value, Value::SingleQuotedString(_)))
}
