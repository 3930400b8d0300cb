//! Rows on their way to a client: batch by batch from the engine, or made here, written in the form that the client
//! asked for. Apart from what is written, no more than a few batches are in memory.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use arrow::array::{ArrayRef, StringArray};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use arrow::util::display::FormatOptions;
use bytes::BytesMut;
use futures::StreamExt;
use zonelake_query::QueryResult;
use zonelake_query::RowStream;

use crate::catalog::oid_names::function_names;
use crate::error::PgError;
use crate::protocol::messages::ColumnDescription;
use crate::protocol::wire::FLUSH_BYTES;
use zonelake_postgres_values::{Column, CopyFormat, put_data_rows, type_bytes};

use crate::catalog::column_types::{is_function_oid, type_of_column};
use zonelake_timeseries::Zone;

/// Form of rows as messages.
#[derive(Debug, Clone)]
pub(crate) enum RowForm {
    /// DataRow messages; true for each column that is binary.
    Rows(Vec<bool>),
    /// CopyData messages.
    Copy(CopyFormat),
}

/// Result of a statement and how far it is sent.
pub(crate) struct ResultCursor {
    /// Columns as the client is told of them.
    pub columns: Vec<ColumnDescription>,
    /// Tag of CommandComplete.
    pub tag: &'static str,
    /// Bytes in front of the first row of a copy.
    pub copy_header: BytesMut,
    types: Vec<DataType>,
    /// True for each column of OIDs of functions.
    functions: Vec<bool>,
    zone: Zone,
    source: Source,
    current: Option<Current>,
}

impl fmt::Debug for ResultCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResultCursor").field("columns", &self.columns).field("tag", &self.tag).finish_non_exhaustive()
    }
}

enum Source {
    Engine(RowStream),
    Made(VecDeque<RecordBatch>),
}

/// Batch whose rows are being sent.
struct Current {
    columns: Vec<Column>,
    next: usize,
    rows: usize,
}

/// Descriptions of the columns of a result.
pub(crate) fn describe_columns(schema: &Schema) -> Vec<ColumnDescription> {
    let describe = |field: &Arc<Field>| {
        let of = type_of_column(field);
        ColumnDescription { name: field.name().clone(), type_oid: of.oid(), type_bytes: type_bytes(&of) }
    };
    schema.fields().iter().map(describe).collect()
}

/// Most columns of a result, since RowDescription counts them in 16 bits.
const COLUMNS_MAX: usize = 10_000;

impl ResultCursor {
    /// Result of the engine. Where the client was told of other types before, values are cast to those.
    pub(crate) fn from_engine(
        result: QueryResult,
        described: Option<&SchemaRef>,
        tag: &'static str,
        zone: Zone,
    ) -> Result<Self, PgError> {
        // The count of columns differs only where a table has changed since, and then the new columns count.
        let schema = described
            .filter(|described| described.fields().len() == result.schema.fields().len())
            .unwrap_or(&result.schema);
        // Checked before any column is described, since the count of columns has 16 bits.
        if schema.fields().len() > COLUMNS_MAX {
            return Err(PgError::new("54011", format!("a result has at most {COLUMNS_MAX} columns")));
        }
        Ok(Self {
            columns: describe_columns(schema),
            tag,
            types: schema.fields().iter().map(|field| field.data_type().clone()).collect(),
            functions: schema.fields().iter().map(|field| is_function_oid(field)).collect(),
            zone,
            source: Source::Engine(result.stream),
            current: None,
            copy_header: BytesMut::new(),
        })
    }

    /// Result of rows of text.
    pub(crate) fn from_texts(names: &[&str], rows: &[Vec<String>], tag: &'static str) -> Self {
        let schema = text_schema(names);
        let columns = (0..names.len())
            .map(|index| Arc::new(rows.iter().map(|row| row.get(index)).collect::<StringArray>()) as ArrayRef);
        let batch = RecordBatch::try_new(Arc::clone(&schema), columns.collect());
        Self {
            columns: describe_columns(&schema),
            tag,
            types: vec![DataType::Utf8; names.len()],
            functions: vec![false; names.len()],
            zone: Zone::UTC,
            source: Source::Made(batch.into_iter().collect()),
            current: None,
            copy_header: BytesMut::new(),
        }
    }

    /// Names of the columns.
    pub(crate) fn names(&self) -> Vec<String> {
        self.columns.iter().map(|column| column.name.clone()).collect()
    }

    /// Makes sure that there is a row to write; `false` is the end of the result.
    pub(crate) async fn fill(&mut self) -> Result<bool, PgError> {
        loop {
            if self.current.as_ref().is_some_and(|current| current.next < current.rows) {
                return Ok(true);
            }
            // The batch is dropped before the next one is computed.
            self.current = None;
            let batch = match &mut self.source {
                Source::Engine(stream) => stream.next().await.transpose()?,
                Source::Made(batches) => batches.pop_front(),
            };
            let Some(batch) = batch else {
                // The engine's stream is dropped, which gives its memory and its permit back before the portal is
                // closed.
                self.source = Source::Made(VecDeque::new());
                return Ok(false);
            };
            let columns = batch.columns().iter().enumerate().map(|(index, array)| self.column(index, array));
            self.current =
                Some(Current { columns: columns.collect::<Result<_, _>>()?, next: 0, rows: batch.num_rows() });
        }
    }

    fn column(&self, index: usize, array: &ArrayRef) -> Result<Column, PgError> {
        let of = &self.types[index];
        if self.functions[index] {
            return Ok(Column::new(&function_names(array), self.zone)?);
        }
        if array.data_type() == of || matches!(of, DataType::Null) {
            return Ok(Column::new(array, self.zone)?);
        }
        // A value that does not fit the type that was announced is an error and not a null.
        let options = CastOptions { safe: false, format_options: FormatOptions::default() };
        let array = cast_with_options(array, of, &options).map_err(|error| PgError::new("22000", error.to_string()))?;
        Ok(Column::new(&array, self.zone)?)
    }

    /// Writes rows of the current batch, at most `rows_max` and until the output is worth sending; returns their
    /// number.
    pub(crate) fn put_rows(&mut self, form: &RowForm, rows_max: usize, out: &mut BytesMut) -> Result<usize, PgError> {
        let Some(current) = &mut self.current else { return Ok(0) };
        let rows = current.next..current.rows.min(current.next.saturating_add(rows_max));
        // Stops once the output is worth sending, so memory does not grow with the size of a batch.
        let written = match form {
            RowForm::Rows(formats) => put_data_rows(&current.columns, formats, rows, out, FLUSH_BYTES)?,
            RowForm::Copy(format) => {
                format.put_data(&current.columns, &mut self.copy_header, rows, out, FLUSH_BYTES)?
            }
        };
        current.next += written;
        Ok(written)
    }

    /// Skips rows of the current batch; returns their number.
    pub(crate) fn skip_rows(&mut self, rows_max: usize) -> usize {
        let Some(current) = &mut self.current else { return 0 };
        let skipped = rows_max.min(current.rows - current.next);
        current.next += skipped;
        skipped
    }
}

/// Schema of columns of text.
pub(crate) fn text_schema(names: &[&str]) -> SchemaRef {
    Arc::new(Schema::new(names.iter().map(|name| Field::new(*name, DataType::Utf8, true)).collect::<Vec<_>>()))
}
