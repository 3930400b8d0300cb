//! One file that a merge reads, a batch at a time.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::compute::cast;
use arrow::datatypes::SchemaRef;
use futures::TryStreamExt;
use object_store::ObjectStore;
use object_store::path::Path;
use parquet::arrow::arrow_reader::ArrowReaderOptions;
use parquet::arrow::async_reader::ParquetRecordBatchStream;
use zonelake_schemas::columns::{is_null_column, null_column};

use crate::data_file::{DataFile, path_in_store};
use crate::error::ParquetFileError;
use crate::file_encoder::SORTED_BY;
use crate::merge::order::{Head, Key};
use crate::read::arrow_types::open_file;
use crate::read::change::RowChange;
use crate::read::object_reader::ObjectReader;
use crate::read::select::RowTest;

/// An input, with the batch at its head.
pub(super) struct Input {
    path: String,
    /// Rows that the table says it has.
    rows_listed: u64,
    /// Rows that were read of it.
    rows_read: u64,
    /// Rows of these that were given out.
    rows_given: u64,
    stream: ParquetRecordBatchStream<ObjectReader>,
    schema: SchemaRef,
    dropped: Option<RowTest>,
    changed: Option<RowChange>,
    /// Key of the last row that was given out: a file that is not sorted would make one that is not.
    last: Option<(Option<String>, Option<String>, i64)>,
}

/// A batch in the file schema of the table, with the columns that it is ordered by.
pub(super) struct Batch {
    /// Position among the batches that the row group is gathered from.
    pub(super) number: usize,
    pub(super) rows: RecordBatch,
    /// The first row that is not merged.
    pub(super) at: usize,
    zone: StringArray,
    device: StringArray,
    time: TimestampMicrosecondArray,
}

impl Head for Batch {
    fn key(&self, row: usize) -> Key<'_> {
        (value(&self.zone, row), value(&self.device, row), self.time.value(row))
    }

    fn at(&self) -> usize {
        self.at
    }

    fn rows(&self) -> usize {
        self.rows.num_rows()
    }
}

fn value(column: &StringArray, row: usize) -> Option<&str> {
    column.is_valid(row).then(|| column.value(row))
}

impl Batch {
    pub(super) fn new(number: usize, rows: RecordBatch, at: usize) -> Self {
        let [zone, device, time] = SORTED_BY.map(|column| rows.column(usize::try_from(column).unwrap_or_default()));
        let (zone, device) = (zone.as_string::<i32>().clone(), device.as_string::<i32>().clone());
        let time = time.as_primitive().clone();
        Self { number, rows, at, zone, device, time }
    }
}

impl Input {
    /// Opens a file of a table.
    pub(super) async fn open(
        store: Arc<dyn ObjectStore>,
        table_root: &Path,
        file: &DataFile,
        schema: SchemaRef,
    ) -> Result<Self, ParquetFileError> {
        let reader = ObjectReader::new(store, path_in_store(table_root, &file.path), file.bytes);
        let builder = open_file(reader, ArrowReaderOptions::new()).await?;
        let stream = builder.with_batch_size(BATCH_ROWS).build()?;
        let (path, rows_listed) = (file.path.clone(), file.rows);
        let (dropped, changed) = (None, None);
        Ok(Self { path, rows_listed, rows_read: 0, rows_given: 0, stream, schema, dropped, changed, last: None })
    }

    /// The same without these rows.
    pub(super) fn without(self, dropped: Option<RowTest>) -> Self {
        Self { dropped, ..self }
    }

    /// The same with other values in some rows.
    pub(super) fn with_values(self, changed: Option<RowChange>) -> Self {
        Self { changed, ..self }
    }

    /// The next batch, with at least one row; `None` behind the last.
    pub(super) async fn next(&mut self, number: usize) -> Result<Option<Batch>, ParquetFileError> {
        while let Some(rows) = self.stream.try_next().await? {
            self.rows_read += rows.num_rows() as u64;
            let rows = match &self.dropped {
                Some(dropped) => dropped.drop_from(&rows)?,
                None => rows,
            };
            if rows.num_rows() == 0 {
                continue;
            }
            self.rows_given += rows.num_rows() as u64;
            let rows = self.conformed(&rows)?;
            let rows = match &self.changed {
                Some(changed) => changed.apply(&rows)?,
                None => rows,
            };
            let batch = Batch::new(number, rows, 0);
            self.check_order(&batch)?;
            return Ok(Some(batch));
        }
        // Readers count rows by the table's list: a merge that goes by the file would change what they have counted.
        if self.rows_read != self.rows_listed {
            let (expected, found) = (self.rows_listed, self.rows_read);
            return Err(ParquetFileError::OtherRows { path: self.path.clone(), expected, found });
        }
        Ok(None)
    }

    /// Rows that were given out.
    pub(super) fn rows_given(&self) -> u64 {
        self.rows_given
    }

    /// The rows in the schema of the table: files of before lack the newest fields, or the identity of their rows, which stays
    /// null. What another program has written may have other types of Arrow.
    fn conformed(&self, rows: &RecordBatch) -> Result<RecordBatch, ParquetFileError> {
        let column = |field: &arrow::datatypes::FieldRef| -> Result<ArrayRef, ParquetFileError> {
            Ok(match rows.column_by_name(field.name()) {
                // Columns without values share one array, so that a wide table costs what its rows fill.
                Some(found) if !is_null_column(found.as_ref()) => cast(found, field.data_type())?,
                _ => null_column(field.data_type(), rows.num_rows()),
            })
        };
        let columns = self.schema.fields().iter().map(column).collect::<Result<_, _>>()?;
        Ok(RecordBatch::try_new(Arc::clone(&self.schema), columns)?)
    }

    fn check_order(&mut self, batch: &Batch) -> Result<(), ParquetFileError> {
        let mut before = self.last.as_ref().map(|(zone, device, time)| (zone.as_deref(), device.as_deref(), *time));
        for row in 0..batch.rows() {
            let key = batch.key(row);
            if before.is_some_and(|before| before > key) {
                return Err(ParquetFileError::NotSorted { path: self.path.clone() });
            }
            before = Some(key);
        }
        self.last = before.map(|(zone, device, time)| (zone.map(Into::into), device.map(Into::into), time));
        Ok(())
    }
}

/// Rows that are decoded at a time.
const BATCH_ROWS: usize = 8_192;
