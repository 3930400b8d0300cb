//! Rows in the forms in which gateways send them.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, Decimal32Array, DictionaryArray, Float64Array, Int32Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, Field, Int32Type, Schema, SchemaRef};
use zonelake_schemas::TableSchemas;

use super::fields::FIELDS;
use super::walks::Rows;

/// Type of values in Arrow batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wire {
    /// As doubles, whatever the table keeps.
    Doubles,
    /// As the table keeps them: as decimals where it declares them.
    AsStored,
}

/// Rows as record batches for one table, of the devices of one gateway.
#[derive(Debug, Clone)]
pub struct ArrowForm {
    schema: SchemaRef,
    names: ArrayRef,
}

impl ArrowForm {
    /// The form of a table that has all fields of the workload. `names` are those of the walks' devices in their order.
    ///
    /// # Panics
    /// If the table lacks a field.
    pub fn new(table: &TableSchemas, wire: Wire, names: &[String]) -> Self {
        let declared =
            |name: &str| table.wire.field_with_name(name).expect("the table has every field of the workload");
        let fixed = ["time", "device"].map(|name| declared(name).clone());
        let values = FIELDS.iter().map(|field| {
            let kept = declared(field.name).data_type().clone();
            let sent = if wire == Wire::Doubles { DataType::Float64 } else { kept };
            Field::new(field.name, sent, true)
        });
        let schema = Schema::new(fixed.into_iter().chain(values).collect::<Vec<_>>());
        Self { schema: Arc::new(schema), names: Arc::new(StringArray::from_iter_values(names)) }
    }

    /// The schema of its batches.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Rows as a batch.
    ///
    /// # Panics
    /// If a row's device is not among the names.
    pub fn batch(&self, rows: &Rows) -> RecordBatch {
        let times = TimestampMicrosecondArray::from(rows.times_us.clone()).with_timezone("UTC");
        let devices = Int32Array::from(rows.devices.clone());
        let devices = DictionaryArray::<Int32Type>::new(devices, Arc::clone(&self.names));
        let mut columns: Vec<ArrayRef> = vec![Arc::new(times), Arc::new(devices)];
        for (values, field) in rows.hundredths.iter().zip(&self.schema.fields()[2..]) {
            columns.push(column(values, field.data_type()));
        }
        RecordBatch::try_new(Arc::clone(&self.schema), columns).expect("the columns are as the schema has them")
    }
}

fn column(hundredths: &[i32], data_type: &DataType) -> ArrayRef {
    match *data_type {
        DataType::Decimal32(precision, scale) => {
            let places = u32::try_from(scale - 2).expect("a field that keeps hundredths has two decimals or more");
            let power = 10i32.pow(places);
            let values = hundredths.iter().map(|value| value * power);
            let values = Decimal32Array::from_iter_values(values).with_precision_and_scale(precision, scale);
            Arc::new(values.expect("the scale is that of a declared field"))
        }
        _ => Arc::new(Float64Array::from_iter_values(hundredths.iter().map(|&value| f64::from(value) / 100.0))),
    }
}

/// Rows as line protocol: the table, the tags device and zone, all fields with two decimals, the time in nanoseconds.
pub fn lines(table: &str, zone: &str, names: &[String], rows: &Rows) -> Vec<u8> {
    let mut text = Vec::with_capacity(rows.len() * LINE_BYTES);
    for row in 0..rows.len() {
        let device = usize::try_from(rows.devices[row]).expect("positions are not negative");
        for part in [table, ",device=", &names[device], ",zone=", zone] {
            text.extend_from_slice(part.as_bytes());
        }
        let mut before = b' ';
        for (field, values) in FIELDS.iter().zip(&rows.hundredths) {
            text.push(before);
            before = b',';
            text.extend_from_slice(field.name.as_bytes());
            text.push(b'=');
            push_integer(&mut text, i64::from(values[row] / 100));
            let cents = u8::try_from(values[row].unsigned_abs() % 100).expect("it is below 100");
            text.extend_from_slice(&[b'.', b'0' + cents / 10, b'0' + cents % 10]);
        }
        text.push(b' ');
        push_integer(&mut text, rows.times_us[row] * 1_000);
        text.push(b'\n');
    }
    text
}

/// Appends the decimal digits of an integer that is not negative, as every value of the workload is.
fn push_integer(text: &mut Vec<u8>, mut value: i64) {
    let mut digits = [0; 20];
    let mut start = digits.len();
    loop {
        start -= 1;
        digits[start] = b'0' + u8::try_from(value % 10).expect("a digit of a value that is not negative");
        value /= 10;
        if value == 0 {
            break;
        }
    }
    text.extend_from_slice(&digits[start..]);
}

/// Bytes of a line, about.
const LINE_BYTES: usize = 176;

#[cfg(test)]
mod tests {
    use arrow::array::AsArray;
    use arrow::datatypes::{Decimal32Type, Float64Type};

    use super::*;
    use crate::workload::{Workload, hundredths_table};

    fn names() -> Vec<String> {
        vec!["a".into(), "b".into()]
    }

    #[expect(clippy::cast_possible_truncation, reason = "the workload is made of small numbers")]
    fn two_rows() -> Rows {
        let hundredths = std::array::from_fn(|field| vec![123 + field as i32, 5]);
        Rows { times_us: vec![1, 1_000_000], devices: vec![1, 0], hundredths }
    }

    #[test]
    fn a_line_has_every_field_with_two_decimals() {
        let text = String::from_utf8(lines("t", "z", &names(), &two_rows())).unwrap();
        assert_eq!(
            text,
            "t,device=b,zone=z pm2_5=1.23,pm10=1.24,so2=1.25,no2=1.26,co=1.27,o3=1.28,temperature=1.29,humidity=1.30 1000\n\
             t,device=a,zone=z pm2_5=0.05,pm10=0.05,so2=0.05,no2=0.05,co=0.05,o3=0.05,temperature=0.05,humidity=0.05 1000000000\n"
        );
    }

    #[test]
    fn doubles_and_decimals_are_the_same_values() {
        let declared = TableSchemas::new(&hundredths_table());
        let environment =
            zonelake_schemas::tables::builtin_tables().into_iter().find(|table| table.name == "environment");
        let environment = TableSchemas::new(&environment.unwrap());
        let doubles = ArrowForm::new(&declared, Wire::Doubles, &names()).batch(&two_rows());
        let decimals = ArrowForm::new(&declared, Wire::AsStored, &names()).batch(&two_rows());
        let mixed = ArrowForm::new(&environment, Wire::AsStored, &names()).batch(&two_rows());
        assert_eq!(doubles.column_by_name("o3").unwrap().as_primitive::<Float64Type>().values()[..], [1.28, 0.05]);
        assert_eq!(decimals.column_by_name("o3").unwrap().as_primitive::<Decimal32Type>().values()[..], [128, 5]);
        assert_eq!(mixed.column_by_name("o3").unwrap().as_primitive::<Decimal32Type>().values()[..], [12_800, 500]);
        let temperature = mixed.column_by_name("temperature").unwrap();
        assert_eq!(temperature.as_primitive::<Float64Type>().values()[..], [1.29, 0.05]);
    }

    #[test]
    fn the_bytes_of_a_reading_on_the_wire_are_those_of_its_columns() {
        let workload = Workload::default();
        let devices = workload.devices_of_zone(3);
        let names: Vec<String> = devices.iter().map(|&device| workload.device_name(device)).collect();
        let rows = workload.walks(&devices).rows(8_192);
        let declared = TableSchemas::new(&hundredths_table());
        let bytes = |wire| {
            let batch = ArrowForm::new(&declared, wire, &names).batch(&rows);
            let values = batch.columns()[2..].iter().map(|column| column.to_data().buffers()[0].len());
            values.sum::<usize>() as u64 + 12 * 8_192
        };
        assert_eq!(bytes(Wire::Doubles) * 2, 19 * rows.readings(), "9.5 bytes a reading");
        assert_eq!(bytes(Wire::AsStored) * 2, 11 * rows.readings(), "5.5 bytes a reading");
    }
}
