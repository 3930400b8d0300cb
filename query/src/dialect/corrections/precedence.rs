//! `a IS DISTINCT FROM b AND c`: the parser takes everything behind FROM for the right operand, `b AND c` too
//! (sqlparser 0.62; change 2436 of datafusion-sqlparser-rs mends it). What is in parentheses is marked in the
//! tree, so the parts can be put right.
//!
//! `-a ^ b`: the parser takes `a ^ b` for the operand of the sign, where PostgreSQL's sign binds tighter. Powers are taken from the left.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{BinaryOperator, Expr, Statement, UnaryOperator};
use zonelake_timeseries::visit_expressions_mut;

use super::build::take;

/// Binds `IS DISTINCT FROM` tighter than AND, OR and NOT, and a sign tighter than `^`.
pub(super) fn correct(statement: &mut Statement) {
    let walk = visit_expressions_mut(statement, &mut |expr| {
        *expr = rotated(take(expr));
        ControlFlow::Continue(())
    });
    debug_assert!(walk.is_continue(), "nothing ends the walk");
}

fn rotated(expr: Expr) -> Expr {
    match expr {
        Expr::IsDistinctFrom(left, right) => {
            bound(*right, |right| Expr::IsDistinctFrom(left, Box::new(right)), &is_connective)
        }
        Expr::IsNotDistinctFrom(left, right) => {
            bound(*right, |right| Expr::IsNotDistinctFrom(left, Box::new(right)), &is_connective)
        }
        Expr::UnaryOp { op: op @ (UnaryOperator::Minus | UnaryOperator::Plus), expr } => {
            bound(*expr, |expr| Expr::UnaryOp { op, expr: Box::new(expr) }, &is_power)
        }
        // Operands that the parser itself never makes without parentheses: they come from a rotation within.
        Expr::BinaryOp { left, op: op @ BinaryOperator::PGExp, right } => {
            bound(*right, |right| Expr::BinaryOp { left, op, right: Box::new(right) }, &is_power)
        }
        Expr::UnaryOp { op: UnaryOperator::Not, expr } => {
            bound(*expr, |expr| Expr::UnaryOp { op: UnaryOperator::Not, expr: Box::new(expr) }, &is_connective)
        }
        Expr::BinaryOp { left, op: op @ BinaryOperator::And, right } => {
            bound(*right, |right| Expr::BinaryOp { left, op, right: Box::new(right) }, &|op| *op == BinaryOperator::Or)
        }
        other => other,
    }
}

fn is_connective(op: &BinaryOperator) -> bool {
    matches!(op, BinaryOperator::And | BinaryOperator::Or)
}

fn is_power(op: &BinaryOperator) -> bool {
    *op == BinaryOperator::PGExp
}

/// Puts the leftmost operand of the connectives in place of them all, and them around the whole.
fn bound(right: Expr, whole: impl FnOnce(Expr) -> Expr, is_looser: &dyn Fn(&BinaryOperator) -> bool) -> Expr {
    match right {
        Expr::BinaryOp { left, op, right } if is_looser(&op) => {
            Expr::BinaryOp { left: Box::new(bound(*left, whole, is_looser)), op, right }
        }
        leaf => whole(leaf),
    }
}

#[cfg(test)]
mod tests {
    use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
    use datafusion::sql::sqlparser::parser::Parser;

    use super::*;

    /// The expression with parentheses around each operation.
    fn shown(expr: &Expr) -> String {
        match expr {
            Expr::BinaryOp { left, op, right } => format!("({} {op} {})", shown(left), shown(right)),
            Expr::IsDistinctFrom(left, right) => format!("({} <=> {})", shown(left), shown(right)),
            Expr::UnaryOp { op, expr } => format!("({op} {})", shown(expr)),
            Expr::Nested(inner) => shown(inner),
            other => other.to_string(),
        }
    }

    #[test]
    fn operators_bind_as_postgresql_binds_them() {
        for (sql, wanted) in [
            ("a IS DISTINCT FROM b AND c", "((a <=> b) AND c)"),
            ("a IS DISTINCT FROM b AND c OR d", "(((a <=> b) AND c) OR d)"),
            ("x AND a IS DISTINCT FROM b AND c OR d", "((x AND ((a <=> b) AND c)) OR d)"),
            ("NOT a IS DISTINCT FROM b AND c", "((NOT (a <=> b)) AND c)"),
            ("x OR a IS DISTINCT FROM b AND c", "(x OR ((a <=> b) AND c))"),
            ("a IS DISTINCT FROM (b AND c)", "(a <=> (b AND c))"),
            ("a IS DISTINCT FROM b = c", "(a <=> (b = c))"),
            ("x AND (y OR z)", "(x AND (y OR z))"),
            ("-a ^ b", "((- a) ^ b)"),
            ("- -a ^ b ^ c", "(((- (- a)) ^ b) ^ c)"),
            ("a ^ -b ^ c", "((a ^ (- b)) ^ c)"),
            ("a * -b ^ c + d", "((a * ((- b) ^ c)) + d)"),
            ("-(a ^ b)", "(- (a ^ b))"),
        ] {
            let parser = Parser::new(&PostgreSqlDialect {}).try_with_sql(&format!("SELECT {sql}"));
            let mut statement = parser.unwrap().parse_statement().unwrap();
            correct(&mut statement);
            let mut first = None;
            let walk = zonelake_timeseries::visit_expressions(&statement, &mut |expr| {
                first.get_or_insert_with(|| shown(expr));
                ControlFlow::Continue(())
            });
            assert!(walk.is_continue());
            assert_eq!(first.as_deref(), Some(wanted), "{sql}");
        }
    }
}
