//! Parameters of a parsed statement: `$1`, `$2` and so on.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{
    BinaryOperator, CastKind, DataType, ExactNumberInfo, Expr, FunctionArg, FunctionArgExpr, FunctionArguments,
    Statement as SqlStatement, Value,
};
use zonelake_timeseries::{visit_expressions, visit_expressions_mut};

use crate::error::{QueryError, QueryErrorCode};

/// Parameters that a statement may have: PostgreSQL's protocol counts them in 16 bits.
pub const PARAMETERS_MAX: usize = 65_535;

/// Number of parameters of a statement: the maximum n of its `$n`.
///
/// # Errors
/// [`QueryErrorCode::Sql`] with SQLSTATE 42P02 for a parameter of another form, or beyond [`PARAMETERS_MAX`].
pub fn parameter_count(statement: &Statement) -> Result<usize, QueryError> {
    let Some(statement) = read_by(statement) else { return Ok(0) };
    let mut count = 0;
    let mut wrong = None;
    let flow = visit_expressions(statement, &mut |expr| {
        let Expr::Value(value) = expr else { return ControlFlow::Continue(()) };
        let Value::Placeholder(name) = &value.value else { return ControlFlow::Continue(()) };
        let number = name.strip_prefix('$').and_then(|number| number.parse::<usize>().ok());
        match number.filter(|number| (1..=PARAMETERS_MAX).contains(number)) {
            Some(number) => {
                count = count.max(number);
                ControlFlow::Continue(())
            }
            None => {
                wrong = Some(name.clone());
                ControlFlow::Break(())
            }
        }
    });
    debug_assert_eq!(flow.is_break(), wrong.is_some(), "a wrong parameter alone ends the walk");
    let Some(name) = wrong else { return Ok(count) };
    let message = format!("the parameter {name}: parameters are written $1, $2 and so on to ${PARAMETERS_MAX}");
    Err(QueryError::new(QueryErrorCode::Sql, message).with_sqlstate("42P02"))
}

/// Casts each parameter that an interval is multiplied with, `$1 * interval '1 hour'`, to double precision: no type follows from its
/// place, since PostgreSQL has one such operator and DataFusion several. Returns the names of such parameters: the planner does not
/// infer the type of a parameter by a cast. Serves to infer types, as [`compare_list_items`].
pub(crate) fn cast_interval_factors(statement: &mut Statement) -> BTreeSet<String> {
    let mut factors = BTreeSet::new();
    let Some(statement) = read_by_mut(statement) else { return factors };
    let flow = visit_expressions_mut(statement, &mut |expr| {
        if let Expr::BinaryOp { left, op: BinaryOperator::Multiply | BinaryOperator::Divide, right } = expr {
            let factor = match (is_placeholder(left) && is_interval(right), is_interval(left) && is_placeholder(right))
            {
                (true, _) => left,
                (_, true) => right,
                _ => return ControlFlow::Continue(()),
            };
            factors.insert(factor.to_string());
            **factor = Expr::Cast {
                kind: CastKind::Cast,
                expr: factor.clone(),
                data_type: DataType::Double(ExactNumberInfo::None),
                array: false,
                format: None,
            };
        }
        ControlFlow::Continue(())
    });
    debug_assert!(flow.is_continue(), "nothing ends the walk");
    factors
}

/// What a statement reads by: itself, or what it explains.
fn read_by(statement: &Statement) -> Option<&SqlStatement> {
    match statement {
        Statement::Statement(statement) => Some(statement),
        Statement::Explain(explain) => read_by(&explain.statement),
        _ => None,
    }
}

fn read_by_mut(statement: &mut Statement) -> Option<&mut SqlStatement> {
    match statement {
        Statement::Statement(statement) => Some(statement),
        Statement::Explain(explain) => read_by_mut(&mut explain.statement),
        _ => None,
    }
}

fn is_placeholder(expr: &Expr) -> bool {
    matches!(expr, Expr::Value(value) if matches!(value.value, Value::Placeholder(_)))
}

fn is_interval(expr: &Expr) -> bool {
    match expr {
        Expr::Interval(_) => true,
        Expr::Nested(inner) => is_interval(inner),
        Expr::Cast { data_type, .. } => matches!(data_type, DataType::Interval { .. }),
        _ => false,
    }
}

/// Replaces each comparison with the items of a parameter by one with the parameter itself, and returns the names of
/// such parameters.
///
/// The planner infers the type of `$1` in `x = $1` and has none for it in `x = ANY($1)`, which is that of lists of the
/// same. The rewritten statement serves to infer types and is never run.
pub(crate) fn compare_list_items(statement: &mut Statement) -> BTreeSet<String> {
    let mut lists = BTreeSet::new();
    let Some(statement) = read_by_mut(statement) else { return lists };
    let flow = visit_expressions_mut(statement, &mut |expr| {
        if let Some(compared) = item_comparison(expr, &mut lists) {
            *expr = compared;
        }
        ControlFlow::Continue(())
    });
    debug_assert!(flow.is_continue(), "nothing ends the walk");
    lists
}

fn item_comparison(expr: &Expr, lists: &mut BTreeSet<String>) -> Option<Expr> {
    match expr {
        Expr::AnyOp { left, right, .. } | Expr::AllOp { left, right, .. } => comparison(left, right, lists),
        Expr::Function(function) => {
            let FunctionArguments::List(arguments) = &function.args else { return None };
            let [
                FunctionArg::Unnamed(FunctionArgExpr::Expr(first)),
                FunctionArg::Unnamed(FunctionArgExpr::Expr(second)),
                ..,
            ] = arguments.args.as_slice()
            else {
                return None;
            };
            match function.name.to_string().as_str() {
                "array_has" | "array_contains" => comparison(second, first, lists),
                "compare_any" | "compare_all" => comparison(first, second, lists),
                _ => None,
            }
        }
        _ => None,
    }
}

fn comparison(value: &Expr, list: &Expr, lists: &mut BTreeSet<String>) -> Option<Expr> {
    let Expr::Value(inner) = list else { return None };
    let Value::Placeholder(name) = &inner.value else { return None };
    lists.insert(name.clone());
    let (left, right) = (Box::new(value.clone()), Box::new(list.clone()));
    Some(Expr::BinaryOp { left, op: BinaryOperator::Eq, right })
}
