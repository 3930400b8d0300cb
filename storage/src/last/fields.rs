//! Fields of rows as plain values, and back as columns.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Decimal32Array, Decimal64Array, Float64Array, Int64Array, StringArray,
    TimestampMicrosecondArray,
};
use arrow::datatypes::{
    DataType, Decimal32Type, Decimal64Type, Float64Type, Int64Type, TimeUnit, TimestampMicrosecondType,
};
use arrow::error::ArrowError;
use zonelake_schemas::columns::null_column;

use crate::last::device::LastValue;

/// A column of a field that has values.
pub(super) struct FieldColumn<'a> {
    /// Position of the field in its table.
    pub field: u16,
    array: &'a dyn Array,
    values: Values<'a>,
}

enum Values<'a> {
    Double(&'a [f64]),
    Integer(&'a [i64]),
    Decimal32(&'a [i32]),
    Boolean(&'a BooleanArray),
    Text(&'a StringArray),
}

impl<'a> FieldColumn<'a> {
    /// Reads a column; `None` where it has no values.
    ///
    /// # Errors
    /// For a type that no field is stored in.
    pub(super) fn new(field: usize, array: &'a ArrayRef) -> Result<Option<Self>, ArrowError> {
        if array.null_count() == array.len() {
            return Ok(None);
        }
        let values = match array.data_type() {
            DataType::Float64 => Values::Double(array.as_primitive::<Float64Type>().values()),
            DataType::Int64 => Values::Integer(array.as_primitive::<Int64Type>().values()),
            DataType::Decimal64(..) => Values::Integer(array.as_primitive::<Decimal64Type>().values()),
            DataType::Decimal32(..) => Values::Decimal32(array.as_primitive::<Decimal32Type>().values()),
            DataType::Timestamp(TimeUnit::Microsecond, _) => {
                Values::Integer(array.as_primitive::<TimestampMicrosecondType>().values())
            }
            DataType::Boolean => Values::Boolean(array.as_boolean()),
            DataType::Utf8 => Values::Text(array.as_string()),
            other => return Err(not_stored(other)),
        };
        let field = u16::try_from(field).map_err(|error| ArrowError::SchemaError(error.to_string()))?;
        Ok(Some(Self { field, array: array.as_ref(), values }))
    }

    /// True where a row has a value.
    pub(super) fn has(&self, row: usize) -> bool {
        self.array.is_valid(row)
    }

    /// The value of a row that has one.
    pub(super) fn value(&self, row: usize) -> LastValue {
        match &self.values {
            Values::Double(values) => LastValue::Bits(values[row].to_bits()),
            Values::Integer(values) => LastValue::Bits(values[row].cast_unsigned()),
            Values::Decimal32(values) => LastValue::Bits(i64::from(values[row]).cast_unsigned()),
            Values::Boolean(values) => LastValue::Bits(values.value(row).into()),
            Values::Text(values) => LastValue::Text(Arc::from(values.value(row))),
        }
    }
}

/// A column of the type of the live schema.
///
/// # Errors
/// For a type that no field is stored in, and for values that are not of it.
pub fn column_of<'a>(
    data_type: &DataType,
    values: impl ExactSizeIterator<Item = Option<&'a LastValue>>,
) -> Result<ArrayRef, ArrowError> {
    let rows = values.len();
    let integers = |values: &mut dyn Iterator<Item = Option<&'a LastValue>>| -> Vec<Option<i64>> {
        values.map(|value| bits(value).map(u64::cast_signed)).collect()
    };
    let mut values = values;
    Ok(match data_type {
        DataType::Float64 => Arc::new(values.map(|value| bits(value).map(f64::from_bits)).collect::<Float64Array>()),
        DataType::Int64 => Arc::new(Int64Array::from(integers(&mut values))),
        DataType::Decimal64(precision, scale) => {
            Arc::new(Decimal64Array::from(integers(&mut values)).with_precision_and_scale(*precision, *scale)?)
        }
        DataType::Decimal32(precision, scale) => {
            let narrow =
                integers(&mut values).into_iter().map(|value| value.and_then(|value| i32::try_from(value).ok()));
            Arc::new(narrow.collect::<Decimal32Array>().with_precision_and_scale(*precision, *scale)?)
        }
        DataType::Timestamp(TimeUnit::Microsecond, zone) => {
            Arc::new(TimestampMicrosecondArray::from(integers(&mut values)).with_timezone_opt(zone.clone()))
        }
        DataType::Boolean => Arc::new(values.map(|value| bits(value).map(|bits| bits != 0)).collect::<BooleanArray>()),
        DataType::Utf8 => Arc::new(values.map(text).collect::<StringArray>()),
        other if rows == 0 => null_column(other, 0),
        other => return Err(not_stored(other)),
    })
}

fn bits(value: Option<&LastValue>) -> Option<u64> {
    match value? {
        LastValue::Bits(bits) => Some(*bits),
        LastValue::Text(_) => None,
    }
}

fn text(value: Option<&LastValue>) -> Option<&str> {
    match value? {
        LastValue::Text(text) => Some(text),
        LastValue::Bits(_) => None,
    }
}

fn not_stored(data_type: &DataType) -> ArrowError {
    ArrowError::NotYetImplemented(format!("no field is stored as {data_type}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_each_stored_type_come_back_as_they_were() {
        let columns: Vec<ArrayRef> = vec![
            Arc::new(Float64Array::from(vec![Some(1.5), None, Some(-0.0)])),
            Arc::new(Int64Array::from(vec![Some(i64::MIN), None, Some(7)])),
            Arc::new(Decimal32Array::from(vec![Some(-12), None, Some(3)]).with_precision_and_scale(9, 2).unwrap()),
            Arc::new(Decimal64Array::from(vec![Some(-1), None, Some(99)]).with_precision_and_scale(15, 3).unwrap()),
            Arc::new(BooleanArray::from(vec![Some(true), None, Some(false)])),
            Arc::new(StringArray::from(vec![Some("á"), None, Some("")])),
            Arc::new(TimestampMicrosecondArray::from(vec![Some(5), None, Some(-6)]).with_timezone("UTC")),
        ];
        for column in &columns {
            let read = FieldColumn::new(3, column).unwrap().unwrap();
            let values: Vec<Option<LastValue>> =
                (0..column.len()).map(|row| read.has(row).then(|| read.value(row))).collect();
            assert_eq!(&column_of(column.data_type(), values.iter().map(Option::as_ref)).unwrap(), column);
        }
        assert!(FieldColumn::new(0, &null_column(&DataType::Float64, 3)).unwrap().is_none());
    }
}
