//! Operators that may leave the range of their type, as functions that fail there. It looks at plans whose operands have been coerced
//! to one type.

use arrow::datatypes::DataType;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::logical_expr::expr::BinaryExpr;
use datafusion::logical_expr::{Expr, Operator};

use crate::postgres::functions::arithmetic::{Checked, Operation};
use crate::postgres::rules::kinds::{type_of, without_widening};

/// An operator as a checked function, where its result may not fit.
pub(crate) fn check_operator(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    match &expr {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
            let Some(operation) = operation(left, *op, right, schema) else { return Ok(Transformed::no(expr)) };
            let args = vec![left.as_ref().clone(), right.as_ref().clone()];
            Ok(Transformed::yes(Checked::call(operation, args)))
        }
        Expr::Negative(operand) => {
            // A NaN has no sign: one that had would be another NaN, and less than all numbers.
            let is_checked = match type_of(operand, schema) {
                Some(DataType::Float32 | DataType::Float64) => !matches!(**operand, Expr::Literal(..)),
                Some(of) => of.is_signed_integer() && magnitude(operand, schema).is_none(),
                None => false,
            };
            if !is_checked {
                return Ok(Transformed::no(expr));
            }
            Ok(Transformed::yes(Checked::call(Operation::Negate, vec![operand.as_ref().clone()])))
        }
        _ => Ok(Transformed::no(expr)),
    }
}

fn operation(left: &Expr, op: Operator, right: &Expr, schema: &DFSchema) -> Option<Operation> {
    // The type of the right operand is that of both, and is found without looking through a long chain.
    match (op, type_of(right, schema)?) {
        (Operator::Divide, DataType::Float64) => {
            let is_other_than_zero =
                matches!(right, Expr::Literal(ScalarValue::Float64(Some(value)), _) if *value != 0.0);
            let is_double = !matches!(left, Expr::Literal(value, _) if value.data_type() != DataType::Float64);
            (is_double && !is_other_than_zero).then_some(Operation::Divide)
        }
        (_, DataType::Float64) => {
            let operation = Operation::of(op)?;
            let is_double = !matches!(left, Expr::Literal(value, _) if value.data_type() != DataType::Float64);
            (is_double && !keeps_numbers(left, operation) && !keeps_numbers(right, operation)).then_some(operation)
        }
        (_, DataType::Int16 | DataType::Int32 | DataType::Int64) => {
            let operation = Operation::of(op)?;
            let is_chain = matches!(left, Expr::ScalarFunction(call) if call.name().starts_with("checked_"));
            let is_whole = is_chain || type_of(left, schema).is_some_and(|of| of.is_signed_integer());
            let fits = || fits(left, operation, right, schema) == Some(true);
            (is_whole && !fits()).then_some(operation)
        }
        _ => None,
    }
}

/// True for a constant that makes a NaN of nothing but a NaN: a sum needs two infinities for that, and a product zero and an infinity.
fn keeps_numbers(operand: &Expr, operation: Operation) -> bool {
    matches!(operand, Expr::Literal(ScalarValue::Float64(Some(value)), _)
        if value.is_finite() && (operation != Operation::Multiply || *value != 0.0))
}

/// True where no values of the operands leave the range.
fn fits(left: &Expr, operation: Operation, right: &Expr, schema: &DFSchema) -> Option<bool> {
    let (a, b) = (magnitude(left, schema)?, magnitude(right, schema)?);
    let most = match operation {
        Operation::Multiply => a.checked_mul(b)?,
        _ => a.checked_add(b)?,
    };
    let limit = match type_of(right, schema)? {
        DataType::Int16 => i128::from(i16::MAX),
        DataType::Int32 => i128::from(i32::MAX),
        _ => i128::from(i64::MAX),
    };
    Some(most <= limit)
}

/// The largest absolute value that an operand can have; `None` where that is the whole range of its type.
fn magnitude(operand: &Expr, schema: &DFSchema) -> Option<i128> {
    match operand {
        Expr::Literal(ScalarValue::Int16(Some(value)), _) => Some(i128::from(*value).abs()),
        Expr::Literal(ScalarValue::Int32(Some(value)), _) => Some(i128::from(*value).abs()),
        Expr::Literal(ScalarValue::Int64(Some(value)), _) => Some(i128::from(*value).abs()),
        widened => match type_of(without_widening(widened, schema), schema)? {
            of if type_of(widened, schema) == Some(of.clone()) => None,
            DataType::Int8 | DataType::UInt8 => Some(255),
            DataType::Int16 | DataType::UInt16 => Some(65_535),
            DataType::Int32 | DataType::UInt32 => Some(4_294_967_295),
            _ => None,
        },
    }
}
