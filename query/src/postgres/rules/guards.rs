//! Conditions in front of expressions that may fail. PostgreSQL evaluates `a AND b` from the left and leaves `b` out where `a`
//! is false, so `x <> 0 AND 10 / x > 1` is how statements avoid an error. DataFusion evaluates both sides over a batch, and brings
//! conditions of a scan into another order; hence `b` becomes a CASE, of which only the rows that need it are evaluated.

use arrow::datatypes::DataType;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::expr::{AggregateFunction, BinaryExpr, Cast};
use datafusion::logical_expr::utils::{conjunction, disjunction, split_binary, split_conjunction};
use datafusion::logical_expr::{Case, Expr, Operator, cast, lit};

use crate::postgres::rules::kinds::{is_text, type_of};

/// An expression that may fail, behind the conditions that stand in front of it.
pub(crate) fn guard(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    match expr {
        Expr::BinaryExpr(BinaryExpr { left, op: op @ (Operator::And | Operator::Or), right })
            if !is_guarded(&right) && may_fail(&right, schema)? =>
        {
            let Some(condition) = condition(&left, op, schema)? else {
                return Ok(Transformed::no(Expr::BinaryExpr(BinaryExpr::new(left, op, right))));
            };
            let decided = lit(op == Operator::Or);
            let guarded = as_number(Case::new(None, vec![(Box::new(condition), right)], Some(Box::new(decided))));
            Ok(Transformed::yes(Expr::BinaryExpr(BinaryExpr::new(left, op, Box::new(guarded)))))
        }
        Expr::Case(case) if case.expr.is_none() && decides(&case, schema)? => Ok(Transformed::yes(as_number(case))),
        // Arguments are computed before the filter of an aggregate is applied.
        Expr::AggregateFunction(AggregateFunction { func, mut params }) => {
            let mut is_changed = false;
            if let Some(filter) = params.filter.clone().filter(|filter| !has_subquery(filter)) {
                for argument in &mut params.args {
                    if !is_guarded(argument) && may_fail(argument, schema)? {
                        let bare = std::mem::replace(argument, lit(false));
                        *argument = Expr::Case(Case::new(None, vec![(filter.clone(), Box::new(bare))], None));
                        is_changed = true;
                    }
                }
            }
            let call = Expr::AggregateFunction(AggregateFunction { func, params });
            Ok(if is_changed { Transformed::yes(call) } else { Transformed::no(call) })
        }
        other => Ok(Transformed::no(other)),
    }
}

/// A CASE of truth values as one of numbers: DataFusion's simplifier makes ANDs and ORs of the former, and evaluates their sides in any
/// order again.
fn as_number(case: Case) -> Expr {
    let number = |truth: Box<Expr>| Box::new(cast(*truth, DataType::Int8));
    let branches = case.when_then_expr.into_iter().map(|(when, then)| (when, number(then))).collect();
    Expr::Case(Case::new(None, branches, case.else_expr.map(number))).eq(lit(1_i8))
}

/// True for a CASE of truth values of which one may fail.
fn decides(case: &Case, schema: &DFSchema) -> Result<bool> {
    let mut results = case.when_then_expr.iter().map(|(_, then)| then).chain(&case.else_expr);
    let Some((_, first)) = case.when_then_expr.first() else { return Ok(false) };
    if type_of(first, schema) != Some(DataType::Boolean) {
        return Ok(false);
    }
    results.try_fold(false, |found, result| Ok(found || may_fail(result, schema)?))
}

/// True for what this rule has made, or what is guarded by its author.
fn is_guarded(expr: &Expr) -> bool {
    matches!(expr, Expr::Case(_))
}

/// When the right side has to be evaluated. Sides that may fail or have subqueries are left out: they would be evaluated twice.
fn condition(left: &Expr, op: Operator, schema: &DFSchema) -> Result<Option<Expr>> {
    let parts = match op {
        Operator::And => split_conjunction(left),
        _ => split_binary(left, Operator::Or),
    };
    let mut usable = Vec::new();
    for part in parts {
        if !part.is_volatile() && !has_subquery(part) && !may_fail(part, schema)? {
            usable.push(part.clone());
        }
    }
    usable.truncate(CONDITIONS_MAX);
    Ok(match op {
        Operator::And => conjunction(usable).map(|all| Expr::IsNotFalse(Box::new(all))),
        _ => disjunction(usable).map(|any| Expr::IsNotTrue(Box::new(any))),
    })
}

/// Conditions that are evaluated once more for an expression that may fail.
const CONDITIONS_MAX: usize = 16;

fn has_subquery(expr: &Expr) -> bool {
    let is_subquery = |part: &Expr| {
        Ok(matches!(part, Expr::InSubquery(_) | Expr::Exists(_) | Expr::ScalarSubquery(_) | Expr::SetComparison(_)))
    };
    expr.exists(is_subquery).unwrap_or(true)
}

/// True where some value makes an expression fail.
fn may_fail(expr: &Expr, schema: &DFSchema) -> Result<bool> {
    let mut found = false;
    expr.apply(|part| {
        found = fails(part, schema);
        Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    })?;
    Ok(found)
}

fn fails(part: &Expr, schema: &DFSchema) -> bool {
    match part {
        // Arithmetic of doubles but division, which has no error here.
        Expr::ScalarFunction(call)
            if ["checked_negate", "checked_add", "checked_subtract", "checked_multiply"].contains(&call.name())
                && type_of(part, schema).is_some_and(|of| matches!(of, DataType::Float32 | DataType::Float64)) =>
        {
            false
        }
        Expr::ScalarFunction(call) => {
            call.name().starts_with("checked_") || call.name().starts_with("json") || FAILING.contains(&call.name())
        }
        Expr::BinaryExpr(BinaryExpr { op: Operator::Divide | Operator::Modulo, right, .. }) => match right.as_ref() {
            Expr::Literal(value, _) => {
                datafusion::common::ScalarValue::new_zero(&value.data_type()).is_ok_and(|zero| zero == *value)
            }
            _ => type_of(right, schema) != Some(DataType::Float64),
        },
        Expr::Cast(Cast { expr, field }) => {
            !is_text(field.data_type())
                && type_of(expr, schema).is_some_and(|from| is_text(&from))
                && !matches!(**expr, Expr::Literal(..))
        }
        _ => false,
    }
}

/// Functions that refuse some values of their arguments.
const FAILING: [&str; 19] = [
    "to_whole_number",
    "to_numeric",
    "to_float",
    "to_array",
    "ln",
    "log",
    "log10",
    "log2",
    "sqrt",
    "power",
    "exp",
    "factorial",
    "acos",
    "asin",
    "acosh",
    "atanh",
    "sin",
    "cos",
    "tan",
];
