//! The response to a statement, as it becomes known.

use std::pin::Pin;
use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use futures::{Stream, StreamExt};

use crate::dialect::ColumnNames;
use crate::error::QueryError;

/// Rows of a response, as they become known. Dropping the stream cancels the statement.
pub type RowStream = Pin<Box<dyn Stream<Item = Result<RecordBatch, QueryError>> + Send>>;

/// Names that the columns of a result have, in the place of DataFusion's.
#[derive(Debug)]
pub(crate) struct ResultNames(ColumnNames);

impl ResultNames {
    /// Names of a statement's columns.
    pub(crate) fn new(names: ColumnNames) -> Self {
        Self(names)
    }

    /// Columns with their names; two may have the same.
    pub(crate) fn schema(&self, columns: &SchemaRef) -> SchemaRef {
        let own: Vec<String> = columns.fields().iter().map(|field| field.name().clone()).collect();
        let names = self.0.apply(&own);
        if names == own {
            return Arc::clone(columns);
        }
        let named = columns.fields().iter().zip(names).map(|(field, name)| Field::clone(field).with_name(name));
        Arc::new(Schema::new_with_metadata(named.collect::<Vec<_>>(), columns.metadata().clone()))
    }
}

/// A batch with the columns of a schema that differs in names alone.
pub(crate) fn renamed(batch: RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, ArrowError> {
    if batch.schema_ref() == schema {
        return Ok(batch);
    }
    // A batch without columns has rows all the same.
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(Arc::clone(schema), batch.columns().to_vec(), &options)
}

/// Response to a statement.
pub struct QueryResult {
    /// Columns.
    pub schema: SchemaRef,
    /// Rows. An error is the last item: the rows before it are not all of them.
    pub stream: RowStream,
}

impl std::fmt::Debug for QueryResult {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("QueryResult").field("schema", &self.schema).finish_non_exhaustive()
    }
}

impl QueryResult {
    /// All rows. The caller must know that they fit into memory.
    ///
    /// # Errors
    /// The error that ends the stream.
    pub async fn collect(mut self) -> Result<Vec<RecordBatch>, QueryError> {
        let mut batches = Vec::new();
        while let Some(batch) = self.stream.next().await {
            batches.push(batch?);
        }
        Ok(batches)
    }
}
