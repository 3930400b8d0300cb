//! Sums of whole numbers that cannot go round: those of bigint are numeric, as in PostgreSQL. Means of decimals have as many digits
//! as there.

use arrow::datatypes::DataType;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::logical_expr::expr::{AggregateFunction, WindowFunctionDefinition};
use datafusion::logical_expr::{Expr, cast};

use crate::postgres::rules::kinds::type_of;

/// A sum whose operand has a type in which it cannot overflow.
pub(crate) fn widen_sum(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    match expr {
        Expr::AggregateFunction(AggregateFunction { func, mut params }) => {
            let is_wider = widen(func.name(), &mut params.args, schema);
            let sum = Expr::AggregateFunction(AggregateFunction { func, params });
            Ok(if is_wider { Transformed::yes(sum) } else { Transformed::no(sum) })
        }
        Expr::WindowFunction(mut window) => {
            let is_wider = match &window.fun {
                WindowFunctionDefinition::AggregateUDF(of) => widen(of.name(), &mut window.params.args, schema),
                WindowFunctionDefinition::WindowUDF(_) => false,
            };
            let sum = Expr::WindowFunction(window);
            Ok(if is_wider { Transformed::yes(sum) } else { Transformed::no(sum) })
        }
        other => Ok(Transformed::no(other)),
    }
}

fn widen(name: &str, args: &mut [Expr], schema: &DFSchema) -> bool {
    let [operand] = args else { return false };
    if !["sum", "avg"].contains(&name) {
        return false;
    }
    let wider = match (name, type_of(operand, schema)) {
        ("sum", Some(DataType::Int64)) if is_integer(operand) => return false,
        // All numbers of 64 bits have 20 digits at most, and their sum in a decimal 30.
        ("sum", Some(DataType::Int64 | DataType::UInt64 | DataType::UInt32)) => DataType::Decimal128(20, 0),
        ("sum", Some(DataType::UInt8 | DataType::UInt16)) => DataType::Int64,
        // DataFusion's mean has four digits more than its operand.
        ("avg", Some(DataType::Decimal128(_, scale))) if scale < MEAN_SCALE => DataType::Decimal128(38, MEAN_SCALE),
        _ => return false,
    };
    let narrow = std::mem::replace(operand, Expr::Literal(ScalarValue::Null, None));
    *operand = cast(narrow, wider);
    true
}

/// True for what is of type integer in PostgreSQL, whose sum is bigint: small constants, as in `sum(CASE WHEN … THEN 1 ELSE 0 END)`.
fn is_integer(operand: &Expr) -> bool {
    match operand {
        Expr::Literal(ScalarValue::Int64(Some(value)), _) => i32::try_from(*value).is_ok(),
        Expr::Literal(value, _) => value.is_null(),
        Expr::Case(case) => {
            let results = case.when_then_expr.iter().map(|(_, then)| then).chain(&case.else_expr);
            results.into_iter().all(|result| is_integer(result))
        }
        _ => false,
    }
}

/// Digits behind the point of what a mean is taken of.
const MEAN_SCALE: i8 = 12;
