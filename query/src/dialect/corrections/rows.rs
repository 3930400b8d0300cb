//! Comparisons of rows, member by member: DataFusion compares them as structs, in which null equals null
//! (datafusion 21054), and looks for a row itself where its members are asked for nulls.

use datafusion::sql::sqlparser::ast::{BinaryOperator, Expr, FunctionArg, FunctionArgExpr, FunctionArguments};

use super::build::{bare, operation};

/// `(a, b) = (c, d)` as `a = c AND b = d`, `(a, b) < (c, d)` as `a < c OR (a = c AND b < d)`, and `(a, b) IS NULL` as `a IS NULL AND b IS NULL`.
pub(super) fn correct(expr: &mut Expr) {
    let corrected = match expr {
        Expr::BinaryOp { left, op, right } => match (members(left), members(right)) {
            (Some(left), Some(right)) if left.len() == right.len() && !left.is_empty() => {
                compared(op, left.into_iter().zip(right).collect())
            }
            _ => None,
        },
        Expr::IsNull(row) => all_members(row, Expr::IsNull),
        Expr::IsNotNull(row) => all_members(row, Expr::IsNotNull),
        _ => None,
    };
    if let Some(corrected) = corrected {
        *expr = corrected;
    }
}

/// The members of `(a, b)` and of `ROW(a, b)`.
fn members(row: &Expr) -> Option<Vec<Expr>> {
    match bare(row) {
        Expr::Tuple(members) => Some(members.clone()),
        Expr::Function(call) if call.name.to_string().eq_ignore_ascii_case("row") => {
            let FunctionArguments::List(list) = &call.args else { return None };
            let member = |argument: &FunctionArg| match argument {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(member)) => Some(member.clone()),
                _ => None,
            };
            list.args.iter().map(member).collect()
        }
        _ => None,
    }
}

/// A test that each member of a row has to pass.
fn all_members(row: &Expr, test: fn(Box<Expr>) -> Expr) -> Option<Expr> {
    let tests = members(row)?.into_iter().map(|member| test(Box::new(member)));
    tests.reduce(|all, one| operation(all, BinaryOperator::And, one))
}

fn compared(op: &BinaryOperator, pairs: Vec<(Expr, Expr)>) -> Option<Expr> {
    let (strict, connective) = match op {
        BinaryOperator::Eq => (BinaryOperator::Eq, BinaryOperator::And),
        BinaryOperator::NotEq => (BinaryOperator::NotEq, BinaryOperator::Or),
        BinaryOperator::Lt | BinaryOperator::LtEq => return lexical(BinaryOperator::Lt, op, pairs),
        BinaryOperator::Gt | BinaryOperator::GtEq => return lexical(BinaryOperator::Gt, op, pairs),
        _ => return None,
    };
    let members = pairs.into_iter().map(|(left, right)| operation(left, strict.clone(), right));
    members.reduce(|all, member| operation(all, connective.clone(), member))
}

fn lexical(strict: BinaryOperator, last: &BinaryOperator, pairs: Vec<(Expr, Expr)>) -> Option<Expr> {
    let mut from_the_end = pairs.into_iter().rev();
    let (left, right) = from_the_end.next()?;
    let mut compared = operation(left, last.clone(), right);
    for (left, right) in from_the_end {
        let equal = operation(left.clone(), BinaryOperator::Eq, right.clone());
        let behind = operation(equal, BinaryOperator::And, compared);
        compared = operation(operation(left, strict.clone(), right), BinaryOperator::Or, behind);
    }
    Some(compared)
}
