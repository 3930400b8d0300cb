//! Types of exact numbers, before DataFusion coerces operands: a constant takes the type of the other operand, and numbers
//! without a sign become those of PostgreSQL, which has none of that kind.

use arrow::datatypes::DataType;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::logical_expr::expr::BinaryExpr;
use datafusion::logical_expr::{Expr, Operator, cast, lit};

use crate::postgres::functions::arithmetic::{Checked, Operation};
use crate::postgres::rules::kinds::{is_decimal, type_of};

/// An operation between whole numbers with operands of PostgreSQL's types.
pub(crate) fn type_operands(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let Expr::BinaryExpr(BinaryExpr { left, op, right }) = &expr else { return Ok(Transformed::no(expr)) };
    let is_arithmetic =
        matches!(op, Operator::Plus | Operator::Minus | Operator::Multiply | Operator::Divide | Operator::Modulo);
    // Long chains are not looked through at each of their operators: that would take the square of their length.
    let is_chain = |side: &Expr| matches!(side, Expr::BinaryExpr(inner) if matches!(*inner.left, Expr::BinaryExpr(_)));
    if !is_arithmetic || is_chain(left) || is_chain(right) {
        return Ok(Transformed::no(expr));
    }
    let (Some(of_left), Some(of_right)) = (whole_type(left, schema), whole_type(right, schema)) else {
        return Ok(Transformed::no(expr));
    };
    let left_typed = typed(left, &of_left, &of_right);
    let right_typed = typed(right, &of_right, &of_left);
    if left_typed.is_none() && right_typed.is_none() {
        return Ok(Transformed::no(expr));
    }
    let left = left_typed.unwrap_or_else(|| left.as_ref().clone());
    let right = right_typed.unwrap_or_else(|| right.as_ref().clone());
    Ok(Transformed::yes(Expr::BinaryExpr(BinaryExpr::new(Box::new(left), *op, Box::new(right)))))
}

/// A division of decimals, with as many digits as PostgreSQL gives.
pub(crate) fn divide_decimals(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let Expr::BinaryExpr(BinaryExpr { left, op: Operator::Divide, right }) = &expr else {
        return Ok(Transformed::no(expr));
    };
    let (Some(of_left), Some(of_right)) = (type_of(left, schema), type_of(right, schema)) else {
        return Ok(Transformed::no(expr));
    };
    let operand = |side: &Expr, of: &DataType| match of {
        DataType::Decimal128(..) => Some(side.clone()),
        DataType::Decimal32(_, scale) | DataType::Decimal64(_, scale) => {
            Some(cast(side.clone(), DataType::Decimal128(38, *scale)))
        }
        of if of.is_integer() => Some(cast(side.clone(), DataType::Decimal128(20, 0))),
        _ => None,
    };
    if !is_decimal(&of_left) && !is_decimal(&of_right) {
        return Ok(Transformed::no(expr));
    }
    match (operand(left, &of_left), operand(right, &of_right)) {
        (Some(left), Some(right)) => Ok(Transformed::yes(Checked::call(Operation::Divide, vec![left, right]))),
        _ => Ok(Transformed::no(expr)),
    }
}

fn whole_type(expr: &Expr, schema: &DFSchema) -> Option<DataType> {
    type_of(expr, schema).filter(DataType::is_integer)
}

/// An operand in another type than it has; `None` where it stays.
fn typed(operand: &Expr, own: &DataType, other: &DataType) -> Option<Expr> {
    if let Expr::Literal(ScalarValue::Int64(Some(value)), _) = operand
        && let Ok(value) = i32::try_from(*value)
        && matches!(other, DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::UInt8 | DataType::UInt16)
    {
        return Some(lit(value));
    }
    let signed = match own {
        DataType::Int8 | DataType::UInt8 => DataType::Int16,
        DataType::UInt16 => DataType::Int32,
        DataType::UInt32 => DataType::Int64,
        _ => return None,
    };
    Some(cast(operand.clone(), signed))
}
