//! Rows of a file by zone, device and time: counted without reading anything else.

use std::fmt;
use std::sync::Arc;

use arrow::array::{Array, AsArray, BooleanArray, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::buffer::BooleanBuffer;
use arrow::compute::{cast, filter_record_batch};
use arrow::datatypes::DataType;
use arrow::error::ArrowError;
use futures::TryStreamExt;
use futures::future::BoxFuture;
use object_store::ObjectStore;
use object_store::path::Path;
use parquet::arrow::ProjectionMask;
use parquet::arrow::async_reader::ParquetRecordBatchStreamBuilder;
use zonelake_schemas::columns::timestamp;

use crate::data_file::{DataFile, path_in_store};
use crate::error::ParquetFileError;
use crate::read::object_reader::ObjectReader;

/// Says of a row whether it is meant, by zone, device and time in microseconds since 1970, UTC.
type Test = dyn Fn(Option<&str>, Option<&str>, i64) -> bool + Send + Sync;

/// Selection of rows.
#[derive(Clone)]
pub struct RowTest(Arc<Test>);

impl fmt::Debug for RowTest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RowTest").finish_non_exhaustive()
    }
}

impl RowTest {
    /// The rows for which this is true.
    pub fn new(test: impl Fn(Option<&str>, Option<&str>, i64) -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(test))
    }

    /// Which rows of a batch are meant.
    fn of(&self, rows: &RecordBatch) -> Result<BooleanBuffer, ArrowError> {
        let column = |name: &str, data_type: &DataType| {
            let missing = || ArrowError::SchemaError(format!("there is no column {name}"));
            cast(rows.column_by_name(name).ok_or_else(missing)?, data_type)
        };
        let (zone, device) = (column("zone", &DataType::Utf8)?, column("device", &DataType::Utf8)?);
        let time = column("time", &timestamp())?;
        let (zone, device): (&StringArray, &StringArray) = (zone.as_string(), device.as_string());
        let time: &TimestampMicrosecondArray = time.as_primitive();
        Ok(BooleanBuffer::collect_bool(rows.num_rows(), |row| {
            (self.0)(value(zone, row), value(device, row), time.value(row))
        }))
    }

    /// The rows of a batch that are not meant.
    pub(crate) fn drop_from(&self, rows: &RecordBatch) -> Result<RecordBatch, ArrowError> {
        let dropped = self.of(rows)?;
        if dropped.count_set_bits() == 0 {
            return Ok(rows.clone());
        }
        filter_record_batch(rows, &BooleanArray::new(!&dropped, None))
    }
}

fn value(column: &StringArray, row: usize) -> Option<&str> {
    column.is_valid(row).then(|| column.value(row))
}

/// Rows of a file that are meant.
///
/// # Errors
/// See [`ParquetFileError`].
pub fn count_rows<'a>(
    test: &'a RowTest,
    store: &'a Arc<dyn ObjectStore>,
    table_root: &'a Path,
    file: &'a DataFile,
) -> BoxFuture<'a, Result<u64, ParquetFileError>> {
    Box::pin(async move {
        let reader = ObjectReader::new(Arc::clone(store), path_in_store(table_root, &file.path), file.bytes);
        let builder = ParquetRecordBatchStreamBuilder::new(reader).await?;
        let columns = ProjectionMask::columns(builder.parquet_schema(), ["zone", "device", "time"]);
        let mut batches = builder.with_projection(columns).with_batch_size(BATCH_ROWS).build()?;
        let mut count = 0;
        while let Some(rows) = batches.try_next().await? {
            count += test.of(&rows)?.count_set_bits() as u64;
        }
        Ok(count)
    })
}

/// Rows that are decoded at a time.
const BATCH_ROWS: usize = 8_192;
