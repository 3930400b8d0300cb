//! Columns of catalog tables, made of the values of their rows.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BooleanArray, Float32Array, Int16Array, Int32Array, Int64Array, StringArray,
    TimestampMicrosecondArray, new_null_array,
};
use arrow::datatypes::{DataType, Field};
use datafusion_pg_catalog::pg_catalog::oid_field::OID_ALIAS_KEY;

/// Field and values of a column.
pub(crate) type NamedColumn = (Field, ArrayRef);

/// Column of text.
pub(crate) fn texts<'a>(name: &str, values: impl IntoIterator<Item = Option<&'a str>>) -> NamedColumn {
    let array: StringArray = values.into_iter().collect();
    (Field::new(name, DataType::Utf8, true), Arc::new(array))
}

/// Column of OIDs, marked as such for clients.
pub(crate) fn oids(name: &str, values: impl IntoIterator<Item = i32>) -> NamedColumn {
    let mark = [(OID_ALIAS_KEY.to_owned(), "oid".to_owned())];
    let array = Int32Array::from_iter_values(values);
    (Field::new(name, DataType::Int32, true).with_metadata(mark.into()), Arc::new(array))
}

/// Column of `int4`.
pub(crate) fn ints(name: &str, values: impl IntoIterator<Item = i32>) -> NamedColumn {
    (Field::new(name, DataType::Int32, true), Arc::new(Int32Array::from_iter_values(values)))
}

/// Column of `int2`.
pub(crate) fn shorts(name: &str, values: impl IntoIterator<Item = i16>) -> NamedColumn {
    (Field::new(name, DataType::Int16, true), Arc::new(Int16Array::from_iter_values(values)))
}

/// Column of `int8`.
pub(crate) fn bigints(name: &str, values: impl IntoIterator<Item = Option<i64>>) -> NamedColumn {
    (Field::new(name, DataType::Int64, true), Arc::new(values.into_iter().collect::<Int64Array>()))
}

/// Column of times in µs since 1970.
pub(crate) fn instants(name: &str, values: impl IntoIterator<Item = Option<i64>>) -> NamedColumn {
    let times = values.into_iter().collect::<TimestampMicrosecondArray>().with_timezone("UTC");
    (Field::new(name, times.data_type().clone(), true), Arc::new(times))
}

/// Column of booleans.
pub(crate) fn bools(name: &str, values: impl IntoIterator<Item = bool>) -> NamedColumn {
    let array: BooleanArray = values.into_iter().map(Some).collect();
    (Field::new(name, DataType::Boolean, true), Arc::new(array))
}

/// Column of nulls.
pub(crate) fn nulls(name: &str, of: DataType, rows: usize) -> NamedColumn {
    let array = new_null_array(&of, rows);
    (Field::new(name, of, true), array)
}

/// Type of arrays of text.
pub(crate) fn text_array() -> DataType {
    DataType::List(Arc::new(Field::new_list_field(DataType::Utf8, true)))
}

/// Same value for each row.
pub(crate) fn each<T: Clone>(value: T, rows: usize) -> impl Iterator<Item = T> {
    std::iter::repeat_n(value, rows)
}

/// Column of counts of rows, as `reltuples` has them; −1 is unknown.
pub(crate) fn row_counts(name: &str, values: impl IntoIterator<Item = Option<usize>>) -> NamedColumn {
    // Four bytes hold an estimate, which is all that PostgreSQL promises.
    let count = |rows: usize| rows as f32;
    let array = Float32Array::from_iter_values(values.into_iter().map(|rows| rows.map_or(-1.0, count)));
    (Field::new(name, DataType::Float32, true), Arc::new(array))
}
