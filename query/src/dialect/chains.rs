//! Chains of `AND` and `OR` as balanced trees. A parser builds `a OR b OR c OR d` as deep as it is long; both operators are
//! associative, so the tree may as well be as deep as the logarithm of that.

use std::ops::ControlFlow;

use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{BinaryOperator, Expr, Value};
use zonelake_timeseries::{SyntaxVisitorMut, visit_statement_mut};

/// Links of a chain that is left as it is.
const SHORT_MAX: usize = 16;

/// Balances the long chains of a statement.
pub(crate) fn balance_chains(statement: &mut Statement) {
    match statement {
        Statement::Statement(statement) => {
            let walk = visit_statement_mut(statement, &mut Balancing);
            debug_assert!(walk.is_continue(), "nothing ends the walk");
        }
        Statement::Explain(explain) => balance_chains(&mut explain.statement),
        Statement::CreateExternalTable(_) | Statement::CopyTo(_) | Statement::Reset(_) => {}
    }
}

struct Balancing;

impl SyntaxVisitorMut for Balancing {
    /// Outer expressions first: the whole of a chain is taken apart once.
    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        for op in [BinaryOperator::And, BinaryOperator::Or] {
            if is_long(expr, &op) {
                let operands = take_operands(expr, &op);
                *expr = balanced(operands, &op);
            }
        }
        ControlFlow::Continue(())
    }
}

fn is_long(mut expr: &Expr, of: &BinaryOperator) -> bool {
    let mut links = 0;
    while let Expr::BinaryOp { left, op, .. } = expr
        && op == of
    {
        links += 1;
        if links > SHORT_MAX {
            return true;
        }
        expr = left;
    }
    false
}

/// Takes the operands of a chain out of it, in their order.
fn take_operands(expr: &mut Expr, of: &BinaryOperator) -> Vec<Expr> {
    let mut operands = Vec::new();
    let mut rest = std::mem::replace(expr, nothing());
    loop {
        match rest {
            Expr::BinaryOp { left, op, right } if op == *of => {
                operands.push(*right);
                rest = *left;
            }
            first => {
                operands.push(first);
                break;
            }
        }
    }
    operands.reverse();
    operands
}

/// Tree of operands whose depth is the logarithm of their count.
fn balanced(mut operands: Vec<Expr>, op: &BinaryOperator) -> Expr {
    while operands.len() > 1 {
        let mut pairs = Vec::with_capacity(operands.len().div_ceil(2));
        let mut all = operands.into_iter();
        while let Some(left) = all.next() {
            pairs.push(match all.next() {
                Some(right) => Expr::BinaryOp { left: Box::new(left), op: op.clone(), right: Box::new(right) },
                None => left,
            });
        }
        operands = pairs;
    }
    operands.pop().unwrap_or_else(nothing)
}

fn nothing() -> Expr {
    Expr::Value(Value::Null.with_empty_span())
}

#[cfg(test)]
mod tests {
    use crate::dialect::grammar::TextLimits;
    use crate::dialect::parse::parse_reading;

    const LIMITS: TextLimits = TextLimits { bytes_max: 1 << 20, recursion_max: 50 };

    #[test]
    fn a_long_chain_keeps_its_operands_in_their_order_and_a_short_one_its_shape() {
        let terms = |count: usize| (0..count).map(|n| format!("a = {n} AND b")).collect::<Vec<_>>().join(" OR ");
        for count in [2, 16, 17, 18, 500, 2_000] {
            let sql = format!("SELECT 1 WHERE {}", terms(count));
            let parsed = parse_reading(&sql, LIMITS).unwrap_or_else(|error| panic!("{count}: {error}"));
            assert_eq!(parsed.to_string(), sql, "written, the operands are in their order");
        }
    }
}
