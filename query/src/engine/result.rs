//! The answer to a statement, as it becomes known.

use std::pin::Pin;

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use futures::{Stream, StreamExt};

use crate::error::QueryError;

/// The rows of an answer, as they become known. Dropping it ends the statement.
pub type RowStream = Pin<Box<dyn Stream<Item = Result<RecordBatch, QueryError>> + Send>>;

/// The answer to a statement.
pub struct QueryResult {
    /// Its columns.
    pub schema: SchemaRef,
    /// Its rows. An error is the last item: the rows before it are not the whole answer.
    pub stream: RowStream,
}

impl std::fmt::Debug for QueryResult {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("QueryResult").field("schema", &self.schema).finish_non_exhaustive()
    }
}

impl QueryResult {
    /// All rows. The caller must know that they fit into memory.
    pub async fn collect(mut self) -> Result<Vec<RecordBatch>, QueryError> {
        let mut batches = Vec::new();
        while let Some(batch) = self.stream.next().await {
            batches.push(batch?);
        }
        Ok(batches)
    }
}
