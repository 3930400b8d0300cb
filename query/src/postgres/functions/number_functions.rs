//! Functions over numbers and times that DataFusion lacks.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Float64Array, Int64Array};
use arrow::datatypes::{DataType, Float64Type, Int64Type};
use datafusion::common::{Result, plan_err};

use crate::postgres::function::{Call, Function};
use crate::postgres::value_error::ValueError;

/// The functions of this module.
pub(crate) fn functions() -> Vec<Function> {
    vec![
        Function::new("width_bucket", bucket_typing, buckets),
        Function::new("isfinite", finite_typing, is_finite),
        Function::new("sign", sign_typing, sign),
    ]
}

type Typed = Result<(Vec<DataType>, DataType)>;

fn bucket_typing(given: &[DataType]) -> Typed {
    match given.len() {
        4 => {
            let doubles = vec![DataType::Float64; 3];
            Ok((doubles.into_iter().chain([DataType::Int64]).collect(), DataType::Int64))
        }
        _ => plan_err!("width_bucket takes a number, both ends of a range, and a count of buckets"),
    }
}

/// The bucket of a number among buckets of one width, from 1; 0 and one more than there are for numbers beyond the range.
fn buckets(call: &Call<'_>) -> Result<ArrayRef> {
    let number = |at: usize| call.args[at].as_primitive::<Float64Type>();
    let (numbers, lows, highs) = (number(0), number(1), number(2));
    let counts = call.args[3].as_primitive::<Int64Type>();
    let wrong = |words: &str| ValueError::error("2201G", words);
    let rows = (0..numbers.len()).map(|row| {
        if (0..4).any(|at| call.args[at].is_null(row)) {
            return Ok(None);
        }
        let (value, low, high, count) = (numbers.value(row), lows.value(row), highs.value(row), counts.value(row));
        if count <= 0 {
            return Err(wrong("count must be greater than zero"));
        }
        if value.is_nan() || !low.is_finite() || !high.is_finite() {
            return Err(wrong("operand, lower bound, and upper bound cannot be NaN, and bounds must be finite"));
        }
        let Some(over) = count.checked_add(1) else { return Err(wrong("count is out of range")) };
        let (before, behind, part) = match low.partial_cmp(&high) {
            Some(std::cmp::Ordering::Less) => (value < low, value >= high, (value - low) / (high - low)),
            Some(std::cmp::Ordering::Greater) => (value > low, value <= high, (low - value) / (low - high)),
            _ => return Err(wrong("lower bound cannot equal upper bound")),
        };
        #[expect(clippy::cast_possible_truncation, reason = "a part of the count, which has 64 bits")]
        let within = (part * count as f64).floor() as i64;
        Ok(Some(if before {
            0
        } else if behind {
            over
        } else {
            within.min(count - 1) + 1
        }))
    });
    Ok(Arc::new(rows.collect::<Result<Int64Array>>()?))
}

fn sign_typing(given: &[DataType]) -> Typed {
    match given.len() {
        1 => Ok((vec![DataType::Float64], DataType::Float64)),
        _ => plan_err!("sign takes a number"),
    }
}

/// -1, 0 or 1; 0 for NaN too, where DataFusion's `signum` has NaN.
fn sign(call: &Call<'_>) -> Result<ArrayRef> {
    let of = |value: f64| f64::from(i8::from(value > 0.0) - i8::from(value < 0.0));
    let signs: Float64Array = call.args[0].as_primitive::<Float64Type>().unary(of);
    Ok(Arc::new(signs))
}

fn finite_typing(given: &[DataType]) -> Typed {
    match given {
        [DataType::Timestamp(..) | DataType::Date32 | DataType::Interval(_) | DataType::Duration(_)] => {
            Ok((given.to_vec(), DataType::Boolean))
        }
        [of] if of.is_floating() => Ok((vec![DataType::Float64], DataType::Boolean)),
        _ => plan_err!("isfinite takes a time or an interval"),
    }
}

/// No stored time is infinite.
fn is_finite(call: &Call<'_>) -> Result<ArrayRef> {
    let values = &call.args[0];
    let rows = (0..values.len()).map(|row| {
        let finite = || values.as_primitive_opt::<Float64Type>().is_none_or(|doubles| doubles.value(row).is_finite());
        values.is_valid(row).then(finite)
    });
    Ok(Arc::new(rows.collect::<BooleanArray>()))
}
