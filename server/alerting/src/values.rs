//! Fields of live rows as numbers.

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray};
use arrow::datatypes::{DataType, Decimal32Type, Decimal64Type, Float64Type, Int64Type};

/// A column of numbers or booleans that has values.
#[derive(Debug)]
pub(crate) struct FieldValues<'a> {
    array: &'a ArrayRef,
    values: Values<'a>,
}

#[derive(Debug)]
enum Values<'a> {
    Double(&'a [f64]),
    Integer(&'a [i64]),
    Decimal64(&'a [i64], f64),
    Decimal32(&'a [i32], f64),
    Boolean(&'a BooleanArray),
}

impl<'a> FieldValues<'a> {
    /// Reads a column as it is stored; `None` where it has no values, or none to compare.
    pub(crate) fn new(array: &'a ArrayRef) -> Option<Self> {
        if array.null_count() == array.len() {
            return None;
        }
        let unit = |scale: i8| 10_f64.powi(scale.into());
        let values = match array.data_type() {
            DataType::Float64 => Values::Double(array.as_primitive::<Float64Type>().values()),
            DataType::Int64 => Values::Integer(array.as_primitive::<Int64Type>().values()),
            DataType::Decimal64(_, scale) => {
                Values::Decimal64(array.as_primitive::<Decimal64Type>().values(), unit(*scale))
            }
            DataType::Decimal32(_, scale) => {
                Values::Decimal32(array.as_primitive::<Decimal32Type>().values(), unit(*scale))
            }
            DataType::Boolean => Values::Boolean(array.as_boolean()),
            _ => return None,
        };
        Some(Self { array, values })
    }

    /// The value of a row. Decimals of 15 digits are exact as doubles, and a quotient is the double nearest to the number.
    #[expect(clippy::cast_precision_loss, reason = "an integer beyond 2^53 is compared as the double next to it")]
    pub(crate) fn value(&self, row: usize) -> Option<f64> {
        self.array.is_valid(row).then(|| match &self.values {
            Values::Double(values) => values[row],
            Values::Integer(values) => values[row] as f64,
            Values::Decimal64(values, unit) => values[row] as f64 / unit,
            Values::Decimal32(values, unit) => f64::from(values[row]) / unit,
            Values::Boolean(values) => f64::from(u8::from(values.value(row))),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Decimal32Array, Float64Array, Int64Array, StringArray};

    use super::*;

    #[test]
    fn values_of_each_stored_type_are_the_numbers_that_sql_shows() {
        let decimals = Decimal32Array::from(vec![Some(5_012), None]).with_precision_and_scale(9, 2).expect("it fits");
        let columns: [(ArrayRef, f64); 4] = [
            (Arc::new(Float64Array::from(vec![Some(1.5), None])), 1.5),
            (Arc::new(Int64Array::from(vec![Some(-7), None])), -7.0),
            (Arc::new(decimals), 50.12),
            (Arc::new(BooleanArray::from(vec![Some(true), None])), 1.0),
        ];
        for (column, wanted) in &columns {
            let values = FieldValues::new(column).expect("it has values");
            assert_eq!((values.value(0), values.value(1)), (Some(*wanted), None));
        }
        let text: ArrayRef = Arc::new(StringArray::from(vec!["a"]));
        assert!(FieldValues::new(&text).is_none());
    }
}
