//! One statement in flight, as a task: parsed, planned, executed, and its rows handed out as they become known.

use std::sync::Arc;
use std::time::Duration;

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use datafusion::common::ScalarValue;
use datafusion::execution::SessionState;
use datafusion::physical_plan::execute_stream;
use datafusion::sql::parser::Statement as ParsedStatement;
use futures::{StreamExt, stream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

use crate::dialect::grammar::{Dialect, TextLimits};
use crate::dialect::parse::parse_reading;
use crate::engine::admission::Permit;
use crate::engine::cancellation::Cancellation;
use crate::engine::prepared::plan_with_parameters;
use crate::engine::query_log::QueryLogEntry;
use crate::engine::result::RowStream;
use crate::error::QueryError;
use crate::optimizer::cancellable_joins::cancellable;

/// Batches that are made before the one that is read.
pub(crate) const BATCHES_AHEAD: usize = 2;

/// Statement of an execution.
pub(crate) enum StatementText {
    /// Text as the client sent it.
    Sql {
        /// The text.
        sql: String,
        /// Dialect of the interface.
        dialect: Dialect,
        /// Limits of the text.
        limits: TextLimits,
    },
    /// Statement that the interface has parsed.
    Parsed(Box<ParsedStatement>),
}

/// One statement in flight.
pub(crate) struct Execution {
    pub text: Option<StatementText>,
    pub parameters: Vec<ScalarValue>,
    pub state: SessionState,
    pub permit: Permit,
    pub log_entry: QueryLogEntry,
    pub deadline: Instant,
    pub cancellation: Arc<Cancellation>,
    pub limit: Duration,
    pub schema_to: Option<oneshot::Sender<Result<SchemaRef, QueryError>>>,
    pub rows_to: mpsc::Sender<Result<RecordBatch, QueryError>>,
}

impl Execution {
    pub(crate) async fn run(mut self) {
        let outcome = match timeout_at(self.deadline, self.produce_rows()).await {
            // An operator that was cancelled reports only that it was.
            Ok(Err(_)) if self.cancellation.is_past_deadline() => Err(QueryError::time_limit(self.limit)),
            Ok(outcome) => outcome,
            Err(_) => Err(QueryError::time_limit(self.limit)),
        };
        let Self { permit, schema_to, rows_to, log_entry, .. } = self;
        // The permit goes first: a client that does not read its error would else hold up the next statement.
        drop(permit);
        let error = match outcome {
            Ok(Completion::Whole) => return log_entry.end(Ok(())),
            Ok(Completion::ClientGone) => return,
            Err(error) => error,
        };
        log_entry.end(Err(&error));
        let is_delivered = match schema_to {
            Some(schema_to) => schema_to.send(Err(error)).is_ok(),
            None => rows_to.send(Err(error)).await.is_ok(),
        };
        if !is_delivered {
            tracing::debug!("a statement failed after its client had gone");
        }
    }

    async fn produce_rows(&mut self) -> Result<Completion, QueryError> {
        let statement = match self.text.take() {
            Some(StatementText::Sql { sql, dialect, limits }) => parse_reading(&sql, dialect, limits)?,
            Some(StatementText::Parsed(statement)) => *statement,
            None => return Err(QueryError::internal()),
        };
        let logical = plan_with_parameters(&self.state, statement, &self.parameters).await?;
        let plan = self.state.create_physical_plan(&logical).await?;
        let plan = cancellable(plan, &self.cancellation)?;
        let mut batches = execute_stream(plan, self.state.task_ctx())?;
        if let Some(schema_to) = self.schema_to.take()
            && schema_to.send(Ok(batches.schema())).is_err()
        {
            return Ok(Completion::ClientGone);
        }
        while let Some(batch) = batches.next().await {
            let batch = batch?;
            self.log_entry.count(&batch);
            if self.rows_to.send(Ok(batch)).await.is_err() {
                return Ok(Completion::ClientGone);
            }
        }
        Ok(Completion::Whole)
    }
}

/// End of an execution without an error.
enum Completion {
    Whole,
    ClientGone,
}

/// Task of a statement; dropping the handle cancels the statement.
pub(crate) struct ExecutionHandle {
    pub task: JoinHandle<()>,
    pub cancellation: Arc<Cancellation>,
}

impl Drop for ExecutionHandle {
    fn drop(&mut self) {
        // An abort reaches a task only where it yields; the flag reaches the joins that do not.
        self.cancellation.cancel();
        self.task.abort();
    }
}

/// Rows that a task sends. A task that ends before it has sent all, because it panicked or was aborted, is an error and not
/// the end of the rows.
pub(crate) fn rows(rows_from: mpsc::Receiver<Result<RecordBatch, QueryError>>, handle: ExecutionHandle) -> RowStream {
    Box::pin(stream::unfold((rows_from, Some(handle)), async |(mut rows_from, mut handle)| {
        let task = handle.as_mut()?;
        if let Some(batch) = rows_from.recv().await {
            if batch.is_err() {
                handle = None;
            }
            return Some((batch, (rows_from, handle)));
        }
        let ended = (&mut task.task).await;
        match ended {
            Ok(()) => None,
            Err(error) if error.is_panic() => Some((Err(QueryError::internal()), (rows_from, None))),
            Err(_) => Some((Err(QueryError::stopping()), (rows_from, None))),
        }
    }))
}
