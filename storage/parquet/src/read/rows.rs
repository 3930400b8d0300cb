//! All rows of one file, a batch at a time, in the file schema of their table.

use std::fmt;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{FieldRef, SchemaRef};
use futures::TryStreamExt;
use object_store::ObjectStore;
use object_store::path::Path;
use parquet::arrow::ProjectionMask;
use parquet::arrow::async_reader::{ParquetRecordBatchStream, ParquetRecordBatchStreamBuilder};
use zonelake_schemas::columns::{is_null_column, null_column};

use crate::data_file::{DataFile, path_in_store};
use crate::error::ParquetFileError;
use crate::read::object_reader::ObjectReader;

/// A file that is read from its first row to its last.
pub struct FileRows {
    path: String,
    stream: ParquetRecordBatchStream<ObjectReader>,
    schema: SchemaRef,
}

impl fmt::Debug for FileRows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileRows").field("path", &self.path).finish_non_exhaustive()
    }
}

impl FileRows {
    /// Opens a file of a table, whose rows are wanted in `schema`: the table's file schema, or some columns of it.
    ///
    /// # Errors
    /// The file is not there, or is no Parquet file.
    pub async fn open(
        store: Arc<dyn ObjectStore>,
        table_root: &Path,
        file: &DataFile,
        schema: SchemaRef,
    ) -> Result<Self, ParquetFileError> {
        let reader = ObjectReader::new(store, path_in_store(table_root, &file.path), file.bytes);
        let builder = ParquetRecordBatchStreamBuilder::new(reader).await?;
        let names = schema.fields().iter().map(|field| field.name().as_str());
        let columns = ProjectionMask::columns(builder.parquet_schema(), names);
        let stream = builder.with_projection(columns).with_batch_size(BATCH_ROWS).build()?;
        Ok(Self { path: file.path.clone(), stream, schema })
    }

    /// The next rows, in the order of the file; `None` behind the last. A file of before lacks the newest fields, which are null then.
    ///
    /// # Errors
    /// The file cannot be read, or a column cannot be what the table declares.
    pub async fn next(&mut self) -> Result<Option<RecordBatch>, ParquetFileError> {
        let Some(rows) = self.stream.try_next().await? else { return Ok(None) };
        let column = |field: &FieldRef| -> Result<ArrayRef, ParquetFileError> {
            Ok(match rows.column_by_name(field.name()) {
                Some(found) if !is_null_column(found.as_ref()) => cast(found, field.data_type())?,
                _ => null_column(field.data_type(), rows.num_rows()),
            })
        };
        let columns = self.schema.fields().iter().map(column).collect::<Result<_, _>>()?;
        Ok(Some(RecordBatch::try_new(Arc::clone(&self.schema), columns)?))
    }
}

/// Rows that are decoded at a time.
const BATCH_ROWS: usize = 8_192;
