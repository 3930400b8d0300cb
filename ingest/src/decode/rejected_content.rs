//! The content of one row of an Arrow batch, as JSON for the table `rejected`.

use std::collections::HashMap;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Float32Type, Float64Type, Int32Type, Int64Type};
use arrow::util::display::array_value_to_string;
use serde_json::{Map, Value};
use zonelake_schemas::decimal::POWERS;

use super::wire_schema::{WireColumn, WireSchema};
use crate::rows::checked_rows::Sent;
use crate::rows::dictionary::{Dictionary, TextColumn};
use crate::rows::instant::to_us;
use crate::rows::rejected::{content_number, content_text, content_text_bytes_max, content_time};

/// A batch as it was sent: its columns in their physical types, with the dictionaries in force.
pub(crate) struct SentArrow<'a> {
    pub(crate) schema: &'a WireSchema,
    pub(crate) batch: &'a RecordBatch,
    pub(crate) dictionaries: &'a HashMap<i64, Box<Dictionary>>,
}

impl Sent for SentArrow<'_> {
    fn row(&self, row: usize, field: Option<&str>) -> Map<String, Value> {
        let text_bytes_max = content_text_bytes_max(field);
        let wanted = |name: &str| field.is_none_or(|field| name == field || name == "time" || name == "device");
        let columns = self.schema.columns.iter().zip(self.batch.columns());
        columns
            .filter(|(column, array)| wanted(&column.name) && array.is_valid(row))
            .filter_map(|(column, array)| Some((column.name.clone(), self.value(column, array, row, text_bytes_max)?)))
            .collect()
    }
}

impl SentArrow<'_> {
    fn value(&self, column: &WireColumn, array: &ArrayRef, row: usize, text_bytes_max: usize) -> Option<Value> {
        let whole = |text: &str| content_text(text, text_bytes_max);
        if let Some((id, _)) = &column.dictionary {
            let index: usize = array_value_to_string(array, row).ok()?.parse().ok()?;
            return self.dictionaries.get(id)?.get(index).map(whole);
        }
        if let Some(text) = TextColumn::plain(array) {
            return text.get(row).map(whole);
        }
        Some(match &column.data_type {
            DataType::Boolean => Value::from(array.as_boolean().value(row)),
            DataType::Float64 => content_number(array.as_primitive::<Float64Type>().value(row)),
            // By its own shortest text, as it counts.
            DataType::Float32 => {
                content_number(array.as_primitive::<Float32Type>().value(row).to_string().parse().ok()?)
            }
            DataType::Timestamp(unit, _) => {
                let value = array.as_primitive::<Int64Type>().value(row);
                to_us(value, *unit).map_or_else(|| Value::from(value), content_time)
            }
            DataType::Decimal32(_, scale) => scaled(i64::from(array.as_primitive::<Int32Type>().value(row)), *scale),
            DataType::Decimal64(_, scale) => scaled(array.as_primitive::<Int64Type>().value(row), *scale),
            DataType::Decimal128(_, scale) | DataType::Decimal256(_, scale) => {
                Value::String(format!("{}e{}", array_value_to_string(array, row).ok()?, -i32::from(*scale)))
            }
            _ => {
                let text = array_value_to_string(array, row).ok()?;
                text.parse::<i64>().map(Value::from).or_else(|_| text.parse::<u64>().map(Value::from)).ok()?
            }
        })
    }
}

fn scaled(n: i64, scale: i8) -> Value {
    match usize::try_from(scale).ok().and_then(|scale| POWERS.get(scale)) {
        Some(power) if n.unsigned_abs() < 1 << 53 => content_number(n as f64 / power),
        _ => Value::String(format!("{n}e{}", -i32::from(scale))),
    }
}
