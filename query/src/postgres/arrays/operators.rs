//! Operators of arrays while a statement is planned: `@>`, `<@` and `&&`, constants that are arrays where they meet one, and a null
//! that is an array without items.

use std::sync::{Arc, LazyLock};

use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::logical_expr::expr::BinaryExpr;
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr};
use datafusion::logical_expr::{Expr, ExprSchemable, Operator, ScalarUDF};
use datafusion::sql::sqlparser::ast::BinaryOperator;

use crate::postgres::arrays::sets::{CONTAINS, OVERLAPS, functions, item_type};
use crate::postgres::functions::array_text::is_written;
use crate::postgres::functions::cast_to::{CastTo, Target};

/// Plans them.
#[derive(Debug)]
pub(crate) struct ArrayOperators;

impl ExprPlanner for ArrayOperators {
    fn plan_binary_op(&self, expr: RawBinaryExpr, schema: &DFSchema) -> Result<PlannerResult<RawBinaryExpr>> {
        let comparison = comparison(&expr.op);
        let is_operator = matches!(
            expr.op,
            BinaryOperator::AtArrow
                | BinaryOperator::ArrowAt
                | BinaryOperator::PGOverlap
                | BinaryOperator::StringConcat
        );
        // Long chains of operators are not looked through.
        let is_chain = |side: &Expr| matches!(side, Expr::BinaryExpr(_));
        if (comparison.is_none() && !is_operator) || (is_chain(&expr.left) && is_chain(&expr.right)) {
            return Ok(PlannerResult::Original(expr));
        }
        let is_array = |side: &Expr| !is_chain(side) && side.get_type(schema).is_ok_and(|of| item_type(&of).is_some());
        let (of_left, of_right) = (is_array(&expr.left), is_array(&expr.right));
        if !of_left && !of_right {
            return Ok(PlannerResult::Original(expr));
        }
        let RawBinaryExpr { op, left, right } = expr;
        if op == BinaryOperator::StringConcat {
            return Ok(match (is_null(&left), is_null(&right)) {
                (true, _) => PlannerResult::Planned(right),
                (_, true) => PlannerResult::Planned(left),
                _ => PlannerResult::Original(RawBinaryExpr { op, left, right }),
            });
        }
        let (left, right) = match (of_left, of_right) {
            (true, false) => {
                let right = as_array(right, &left, schema)?;
                (left, right)
            }
            (false, true) => {
                let left = as_array(left, &right, schema)?;
                (left, right)
            }
            _ => (left, right),
        };
        Ok(match (&op, comparison) {
            (BinaryOperator::AtArrow, _) => PlannerResult::Planned(call(CONTAINS, left, right)),
            (BinaryOperator::ArrowAt, _) => PlannerResult::Planned(call(CONTAINS, right, left)),
            (BinaryOperator::PGOverlap, _) => PlannerResult::Planned(call(OVERLAPS, left, right)),
            (_, Some(compared)) if !(of_left && of_right) => {
                let compared = BinaryExpr::new(Box::new(left), compared, Box::new(right));
                PlannerResult::Planned(Expr::BinaryExpr(compared))
            }
            _ => PlannerResult::Original(RawBinaryExpr { op, left, right }),
        })
    }
}

fn comparison(op: &BinaryOperator) -> Option<Operator> {
    Some(match op {
        BinaryOperator::Eq => Operator::Eq,
        BinaryOperator::NotEq => Operator::NotEq,
        BinaryOperator::Lt => Operator::Lt,
        BinaryOperator::LtEq => Operator::LtEq,
        BinaryOperator::Gt => Operator::Gt,
        BinaryOperator::GtEq => Operator::GtEq,
        _ => return None,
    })
}

fn is_null(expr: &Expr) -> bool {
    matches!(expr, Expr::Literal(ScalarValue::Null, _))
}

/// A constant of text as an array of the type of another one.
fn as_array(expr: Expr, other: &Expr, schema: &DFSchema) -> Result<Expr> {
    let of_other = other.get_type(schema)?;
    Ok(match (&expr, item_type(&of_other)) {
        (Expr::Literal(value, _), Some(item)) if value.try_as_str().flatten().is_some() && is_written(item) => {
            CastTo::call(Target::List(item.clone()), expr)
        }
        _ => expr,
    })
}

fn call(name: &str, left: Expr, right: Expr) -> Expr {
    match FUNCTIONS.iter().find(|function| function.name() == name) {
        Some(function) => function.call(vec![left, right]),
        None => unreachable!("{name} is a function of arrays"),
    }
}

static FUNCTIONS: LazyLock<Vec<Arc<ScalarUDF>>> =
    LazyLock::new(|| functions().into_iter().map(|function| function.udf()).collect());
