//! `round` of a double, whose halves go to the even neighbor in PostgreSQL; those of a numeric go away from zero.

use std::sync::{Arc, LazyLock};

use arrow::array::{ArrayRef, AsArray, Float64Array};
use arrow::datatypes::{DataType, Float64Type};
use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchema, Result, plan_err};
use datafusion::logical_expr::{Expr, ScalarUDF};

use crate::postgres::function::{Call, Function};
use crate::postgres::rules::kinds::{is_numeric_constant, type_of};

static ROUND_EVEN: LazyLock<Arc<ScalarUDF>> =
    LazyLock::new(|| Function::new("round_half_even", typing, round_half_even).udf());

/// `round` of one double as PostgreSQL rounds it.
pub(crate) fn round_double(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let Expr::ScalarFunction(call) = &expr else { return Ok(Transformed::no(expr)) };
    let [value] = call.args.as_slice() else { return Ok(Transformed::no(expr)) };
    let is_double = || matches!(type_of(value, schema), Some(DataType::Float64 | DataType::Float32));
    if call.name() != "round" || !is_double() || is_numeric_constant(value, schema) {
        return Ok(Transformed::no(expr));
    }
    Ok(Transformed::yes(ROUND_EVEN.call(call.args.clone())))
}

fn typing(given: &[DataType]) -> Result<(Vec<DataType>, DataType)> {
    match given {
        [_] => Ok((vec![DataType::Float64], DataType::Float64)),
        _ => plan_err!("round_half_even takes one number"),
    }
}

fn round_half_even(call: &Call<'_>) -> Result<ArrayRef> {
    let rounded: Float64Array = call.args[0].as_primitive::<Float64Type>().unary(f64::round_ties_even);
    Ok(Arc::new(rounded))
}
