//! The Arrow schemas of a table, one for each stage of a row.
//!
//! | schema | where | columns before the fields | fields |
//! |---|---|---|---|
//! | wire | from the gateway | time, device, quality | as stored; doubles also where decimals are stored |
//! | log | in the WAL (the record's header has ingested_at) | time, device_key, quality, backfill | as stored |
//! | live | in memory | time, ingested_at, device_key, quality, backfill | as stored |
//! | file | in Parquet (Delta adds `date`, its partition) | time, ingested_at, province, zone, site, device, quality, backfill | as stored; behind them the [`identity`] |
//! | sql | what a query sees | date, time, ingested_at, province, zone, site, device, quality, backfill | doubles for decimals |

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, LazyLock, PoisonError, RwLock};

use arrow::array::{Array, ArrayRef, BooleanArray, RecordBatch, new_null_array};
use arrow::buffer::BooleanBuffer;
use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef, TimeUnit};

use crate::identity;
use crate::table::{DIGITS_32, DIGITS_64, FieldDef, StorageType, TableDef};

/// Columns before the fields in the schema of the WAL.
pub const LOG_FIXED: usize = 4;
/// Columns before the fields in the live schema.
pub const LIVE_FIXED: usize = 5;
/// Columns before the fields in the file schema.
pub const FILE_FIXED: usize = 8;
/// Columns before the fields in the SQL schema.
pub const SQL_FIXED: usize = 9;

/// Positions of the fixed columns in the schema of the WAL.
pub mod log {
    /// Event time.
    pub const TIME: usize = 0;
    /// Key of the device at its location.
    pub const DEVICE_KEY: usize = 1;
    /// Number of the quality.
    pub const QUALITY: usize = 2;
    /// True for a row that came on the back-fill lane.
    pub const BACKFILL: usize = 3;
}

/// Positions of the fixed columns in the live schema.
pub mod live {
    /// Event time.
    pub const TIME: usize = 0;
    /// Time of receipt.
    pub const INGESTED_AT: usize = 1;
    /// Key of the device at its location.
    pub const DEVICE_KEY: usize = 2;
    /// Number of the quality.
    pub const QUALITY: usize = 3;
    /// True for a row that came on the back-fill lane.
    pub const BACKFILL: usize = 4;
}

/// Key in the metadata of a column on the wire, with the value `true`: its numbers or booleans are sent as texts, since the source could not read
/// all of them. What is no value of the field goes to the table `rejected` as it was sent.
pub const AS_TEXT: &str = "as_text";

/// The schemas of one version of a table.
#[derive(Debug, Clone)]
pub struct TableSchemas {
    /// Rows as a gateway sends them.
    pub wire: SchemaRef,
    /// Rows in the WAL.
    pub log: SchemaRef,
    /// Rows in memory.
    pub live: SchemaRef,
    /// Rows in Parquet files.
    pub file: SchemaRef,
    /// Rows in SQL. The metadata of each field has `unit` and `description`.
    pub sql: SchemaRef,
}

impl TableSchemas {
    /// The schemas of a checked declaration.
    pub fn new(table: &TableDef) -> Self {
        let with_fields_before = |fixed: Vec<Field>, of: fn(&FieldDef) -> DataType, behind: Vec<Field>| {
            // Every field may be null: a table has up to a hundred fields, and a row fills a few.
            let fields = table.fields.iter().map(|field| {
                Field::new(&field.name, of(field), true).with_metadata(
                    [("unit".to_owned(), field.unit.clone()), ("description".to_owned(), field.description.clone())]
                        .into(),
                )
            });
            Arc::new(Schema::new(fixed.into_iter().chain(fields).chain(behind).collect::<Fields>()))
        };
        let with_fields = |fixed: Vec<Field>, of: fn(&FieldDef) -> DataType| with_fields_before(fixed, of, Vec::new());
        let text = |name, nullable| Field::new(name, DataType::Utf8, nullable);
        let view = |name, nullable| Field::new(name, DataType::Utf8View, nullable);
        let time = |name| Field::new(name, timestamp(), false);
        Self {
            // A batch repeats few names, so devices and qualities are dictionaries.
            wire: with_fields(
                vec![
                    time("time"),
                    Field::new_dictionary("device", DataType::Int32, DataType::Utf8, false),
                    Field::new_dictionary("quality", DataType::Int32, DataType::Utf8, true),
                ],
                |field| arrow_type(field.storage_type()),
            ),
            // A key of 4 bytes stands for province, zone, site and device, and a device that moves gets another one:
            // rows that are replayed have the location where they were measured.
            log: with_fields(
                vec![
                    time("time"),
                    Field::new("device_key", DataType::UInt32, false),
                    Field::new("quality", DataType::UInt8, false),
                    Field::new("backfill", DataType::Boolean, false),
                ],
                |field| arrow_type(field.storage_type()),
            ),
            live: with_fields(
                vec![
                    time("time"),
                    time("ingested_at"),
                    Field::new("device_key", DataType::UInt32, false),
                    Field::new("quality", DataType::UInt8, false),
                    Field::new("backfill", DataType::Boolean, false),
                ],
                |field| arrow_type(field.storage_type()),
            ),
            // Names and not keys: the files are open to readers that have no registry.
            file: with_fields_before(
                vec![
                    time("time"),
                    time("ingested_at"),
                    text("province", true),
                    text("zone", true),
                    text("site", true),
                    text("device", true),
                    text("quality", false),
                    Field::new("backfill", DataType::Boolean, false),
                ],
                |field| arrow_type(field.storage_type()),
                identity_fields(),
            ),
            sql: with_fields(
                vec![
                    Field::new("date", DataType::Date32, false),
                    time("time"),
                    time("ingested_at"),
                    view("province", true),
                    view("zone", true),
                    view("site", true),
                    view("device", true),
                    view("quality", false),
                    Field::new("backfill", DataType::Boolean, false),
                ],
                |field| sql_type(field.storage_type()),
            ),
        }
    }
}

/// The columns of files behind the fields. They are null in rows that were written before there were such columns.
fn identity_fields() -> Vec<Field> {
    vec![
        Field::new(identity::SHARD, DataType::Int64, true),
        Field::new(identity::LSN, DataType::Int64, true),
        Field::new(identity::ROW, DataType::Int32, true),
        Field::new(identity::SEQUENCE, DataType::Int64, true),
    ]
}

/// A column without any value. Columns up to [`SHARED_NULLS`] rows share their memory, since most rows fill few of the
/// fields of a wide table.
pub fn null_column(data_type: &DataType, rows: usize) -> ArrayRef {
    if rows > SHARED_NULLS {
        return new_null_array(data_type, rows);
    }
    RECENT_NULLS.with_borrow_mut(|recent| {
        // Few enough to look at one after the other, which is faster than the lock and the hash of a type.
        let is_it = |column: &ArrayRef| column.len() == rows && column.data_type() == data_type;
        if let Some(column) = recent.iter().find(|column| is_it(column)) {
            return Arc::clone(column);
        }
        let column = shared_nulls(data_type, rows);
        if recent.len() == RECENT_NULLS_MAX {
            recent.pop_front();
        }
        recent.push_back(Arc::clone(&column));
        column
    })
}

/// A column of one boolean in every row.
pub fn constant_boolean(value: bool, rows: usize) -> BooleanArray {
    let values = if value { BooleanBuffer::new_set(rows) } else { BooleanBuffer::new_unset(rows) };
    BooleanArray::new(values, None)
}

fn shared_nulls(data_type: &DataType, rows: usize) -> ArrayRef {
    static SHARED: LazyLock<RwLock<HashMap<DataType, ArrayRef>>> = LazyLock::new(RwLock::default);
    // Nearly every call finds its type here, and readers do not wait for each other.
    if let Some(shared) = SHARED.read().unwrap_or_else(PoisonError::into_inner).get(data_type) {
        return shared.slice(0, rows);
    }
    let mut all = SHARED.write().unwrap_or_else(PoisonError::into_inner);
    // Another thread may have made the column between the two locks.
    let shared = all.entry(data_type.clone()).or_insert_with(|| new_null_array(data_type, SHARED_NULLS));
    shared.slice(0, rows)
}

thread_local! {
    /// Columns without values that this thread made last: batches of one sender mostly have one length and a few types.
    static RECENT_NULLS: RefCell<VecDeque<ArrayRef>> = const { RefCell::new(VecDeque::new()) };
}

/// Columns that a thread remembers; the oldest goes first.
const RECENT_NULLS_MAX: usize = 8;

/// True for a column that has no value at all.
pub fn is_null_column(column: &dyn Array) -> bool {
    column.null_count() == column.len()
}

/// Memory of the rows, without what they share or do not refer to.
pub fn memory_bytes(rows: &RecordBatch) -> usize {
    // A column without values shares its memory, so that it costs nothing.
    let own = rows.columns().iter().filter(|column| !is_null_column(column));
    own.map(|column| column_bytes(column.as_ref())).sum()
}

fn column_bytes(column: &dyn Array) -> usize {
    // Asking the array's data would allocate, for each column of each small batch.
    let nulls = column.nulls().map_or(0, |_| column.len().div_ceil(8));
    match column.data_type() {
        DataType::Boolean => column.len().div_ceil(8) + nulls,
        other if other.is_primitive() => column.len() * other.primitive_width().unwrap_or_default() + nulls,
        _ => column.to_data().get_slice_memory_size().unwrap_or_else(|_| column.get_buffer_memory_size()),
    }
}

/// Rows up to which columns without values share their memory.
const SHARED_NULLS: usize = 131_072;

/// The type of every instant: microseconds, UTC.
pub fn timestamp() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

/// The Arrow type of stored values.
pub fn arrow_type(stored: StorageType) -> DataType {
    match stored {
        StorageType::Float64 => DataType::Float64,
        StorageType::Decimal32 { decimals } => DataType::Decimal32(DIGITS_32, decimals.cast_signed()),
        StorageType::Decimal64 { decimals } => DataType::Decimal64(DIGITS_64, decimals.cast_signed()),
        StorageType::Int64 => DataType::Int64,
        StorageType::Boolean => DataType::Boolean,
        StorageType::Utf8 => DataType::Utf8,
        StorageType::Timestamp => timestamp(),
    }
}

/// The Arrow type of values in SQL.
pub fn sql_type(stored: StorageType) -> DataType {
    match stored {
        // Tools know doubles; n / 10^d is exact as a double for the 15 digits that a decimal may have.
        StorageType::Decimal32 { .. } | StorageType::Decimal64 { .. } => DataType::Float64,
        StorageType::Utf8 => DataType::Utf8View,
        other => arrow_type(other),
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::Float64Array;

    use super::*;

    #[test]
    fn columns_without_values_share_memory_and_count_as_none() {
        for data_type in [DataType::Float64, DataType::Utf8, DataType::Boolean, timestamp(), DataType::Decimal32(9, 2)]
        {
            for rows in [0, 1, SHARED_NULLS, SHARED_NULLS + 1] {
                let column = null_column(&data_type, rows);
                assert_eq!((column.len(), column.null_count(), column.data_type()), (rows, rows, &data_type));
            }
        }
        let schema = Schema::new(vec![Field::new("a", DataType::Float64, true), Field::new("b", DataType::Utf8, true)]);
        let columns: Vec<ArrayRef> =
            vec![Arc::new(Float64Array::from(vec![1.0; 100])), null_column(&DataType::Utf8, 100)];
        let rows = RecordBatch::try_new(Arc::new(schema), columns).unwrap();
        assert_eq!(memory_bytes(&rows), 800);
        assert_eq!(memory_bytes(&rows.slice(0, 10)), 80);
    }
}
