//! The response to a statement, as it becomes known.

use std::pin::Pin;

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use futures::{Stream, StreamExt};

use crate::error::QueryError;

/// Rows of a response, as they become known. Dropping the stream cancels the statement.
pub type RowStream = Pin<Box<dyn Stream<Item = Result<RecordBatch, QueryError>> + Send>>;

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
