//! Times of any unit as microseconds, and back.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Date32Array, Int64Array, PrimitiveArray};
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, Date32Type, Date64Type, IntervalMonthDayNano, IntervalMonthDayNanoType, IntervalUnit, TimeUnit,
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
};
use datafusion::common::{Result, ScalarValue, exec_err};
use datafusion::logical_expr::ColumnarValue;

use crate::time::calendar::DAY_US;

/// An instant: PostgreSQL's `timestamp with time zone`. The zone is a label without meaning; ours is always UTC.
pub(crate) fn instant_type() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

/// A local time: PostgreSQL's `timestamp`.
pub(crate) fn local_type() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, None)
}

/// An interval: PostgreSQL's `interval`.
pub(crate) fn interval_type() -> DataType {
    DataType::Interval(IntervalUnit::MonthDayNano)
}

/// True for instants.
pub(crate) fn is_instant(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Timestamp(_, Some(_)))
}

/// True for local times.
pub(crate) fn is_local(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Timestamp(_, None))
}

/// True for text.
pub(crate) fn is_text(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

/// Timestamps and dates in µs since 1970. What is beyond µs, which only dates and coarse units can be, is null.
pub(crate) fn to_us(array: &ArrayRef) -> Result<Int64Array> {
    Ok(match array.data_type() {
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            array.as_primitive::<TimestampMicrosecondType>().reinterpret_cast()
        }
        DataType::Timestamp(TimeUnit::Nanosecond, _) => {
            // Downwards and not towards zero: a time before 1970 must not become a later microsecond.
            array.as_primitive::<TimestampNanosecondType>().unary(|time| time.div_euclid(1_000))
        }
        DataType::Timestamp(TimeUnit::Millisecond, _) => {
            // Milliseconds reach a thousand times further than microseconds; the rest is null.
            array.as_primitive::<TimestampMillisecondType>().unary_opt(|time| time.checked_mul(1_000))
        }
        DataType::Timestamp(TimeUnit::Second, _) => {
            array.as_primitive::<TimestampSecondType>().unary_opt(|time| time.checked_mul(1_000_000))
        }
        DataType::Date32 => array.as_primitive::<Date32Type>().unary_opt(|days| i64::from(days).checked_mul(DAY_US)),
        DataType::Date64 => array.as_primitive::<Date64Type>().unary_opt(|time| time.checked_mul(1_000)),
        DataType::Null => Int64Array::new_null(array.len()),
        other => return exec_err!("a time was expected, and not {other}"),
    })
}

/// µs since 1970 as a type of times. What the type cannot hold is null.
pub(crate) fn from_us(times: Int64Array, data_type: &DataType) -> Result<ArrayRef> {
    Ok(match data_type {
        DataType::Timestamp(unit, zone) => {
            let zone = zone.clone();
            match unit {
                TimeUnit::Microsecond => {
                    let times: PrimitiveArray<TimestampMicrosecondType> = times.reinterpret_cast();
                    Arc::new(times.with_timezone_opt(zone))
                }
                TimeUnit::Nanosecond => {
                    let times: PrimitiveArray<TimestampNanosecondType> = times.unary_opt(|us| us.checked_mul(1_000));
                    Arc::new(times.with_timezone_opt(zone))
                }
                TimeUnit::Millisecond => {
                    let times: PrimitiveArray<TimestampMillisecondType> = times.unary(|us| us.div_euclid(1_000));
                    Arc::new(times.with_timezone_opt(zone))
                }
                TimeUnit::Second => {
                    let times: PrimitiveArray<TimestampSecondType> = times.unary(|us| us.div_euclid(1_000_000));
                    Arc::new(times.with_timezone_opt(zone))
                }
            }
        }
        DataType::Date32 => {
            let days: Date32Array = times.unary_opt(|us| i32::try_from(us.div_euclid(DAY_US)).ok());
            Arc::new(days)
        }
        DataType::Date64 => {
            let days: PrimitiveArray<Date64Type> = times.unary(|us| us.div_euclid(DAY_US) * (DAY_US / 1_000));
            Arc::new(days)
        }
        other => return exec_err!("{other} is no type of times"),
    })
}

/// Each time by a function that may have state. The value under a null is passed too: a branch for each row costs more.
pub(crate) fn map_us(times: &Int64Array, map: impl FnMut(i64) -> i64) -> Int64Array {
    let mapped: Vec<i64> = times.values().iter().copied().map(map).collect();
    Int64Array::new(mapped.into(), times.nulls().cloned())
}

/// Intervals of any unit, and durations, as months, days and nanoseconds.
pub(crate) fn to_intervals(array: &ArrayRef) -> Result<PrimitiveArray<IntervalMonthDayNanoType>> {
    let intervals = cast(array, &interval_type())?;
    Ok(intervals.as_primitive::<IntervalMonthDayNanoType>().clone())
}

/// A result: a constant where all arguments were constants, else a column.
pub(crate) fn column_result(array: ArrayRef, constant: bool) -> Result<ColumnarValue> {
    Ok(if constant {
        ColumnarValue::Scalar(ScalarValue::try_from_array(&array, 0)?)
    } else {
        ColumnarValue::Array(array)
    })
}

/// True where all arguments are constants.
pub(crate) fn all_constant(arguments: &[ColumnarValue]) -> bool {
    arguments.iter().all(|argument| matches!(argument, ColumnarValue::Scalar(_)))
}

/// A text constant.
pub(crate) fn constant_text<'a>(argument: &'a ColumnarValue, what: &str) -> Result<Option<&'a str>> {
    match argument {
        ColumnarValue::Scalar(value) => match value.try_as_str() {
            Some(text) => Ok(text),
            None if value.is_null() => Ok(None),
            None => exec_err!("{what} must be text"),
        },
        ColumnarValue::Array(_) => exec_err!("{what} must be a constant"),
    }
}

/// An interval constant.
pub(crate) fn constant_interval(value: &ScalarValue, what: &str) -> Result<Option<IntervalMonthDayNano>> {
    match value {
        ScalarValue::IntervalMonthDayNano(interval) => Ok(*interval),
        ScalarValue::Null => Ok(None),
        _ => exec_err!("{what} must be an interval"),
    }
}

/// A constant of a time, in µs.
pub(crate) fn constant_us(value: &ScalarValue) -> Result<Option<i64>> {
    let times = to_us(&value.to_array()?)?;
    Ok(times.is_valid(0).then(|| times.value(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_beyond_microseconds_is_null_and_no_other_date() {
        let days = Date32Array::from(vec![0, -1, 106_751_991, 106_751_992, i32::MAX, i32::MIN]);
        let times = to_us(&(Arc::new(days) as ArrayRef)).unwrap();
        let times: Vec<Option<i64>> = times.iter().collect();
        assert_eq!(times, [Some(0), Some(-DAY_US), Some(106_751_991 * DAY_US), None, None, None]);
    }
}
