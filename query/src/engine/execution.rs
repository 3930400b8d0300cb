//! One statement on its way, as a task: parsed, planned, run, and its rows handed out as they become known.

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
use crate::engine::admission::Turn;
use crate::engine::prepared::plan_with_parameters;
use crate::engine::query_log::Recorded;
use crate::engine::result::RowStream;
use crate::error::QueryError;
use crate::optimizer::cancellation::{Stop, stoppable};

/// Batches that are made before the one that is read.
pub(crate) const BATCHES_AHEAD: usize = 2;

/// What a statement says.
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

/// One statement, on its way.
pub(crate) struct RunningStatement {
    pub text: Option<StatementText>,
    pub parameters: Vec<ScalarValue>,
    pub state: SessionState,
    pub turn: Turn,
    pub recorded: Recorded,
    pub deadline: Instant,
    pub stop: Arc<Stop>,
    pub limit: Duration,
    pub schema_to: Option<oneshot::Sender<Result<SchemaRef, QueryError>>>,
    pub rows_to: mpsc::Sender<Result<RecordBatch, QueryError>>,
}

impl RunningStatement {
    pub(crate) async fn run(mut self) {
        let outcome = match timeout_at(self.deadline, self.answer()).await {
            // What ended within an operator says only that it was ended.
            Ok(Err(_)) if self.stop.is_late() => Err(QueryError::time_limit(self.limit)),
            Ok(outcome) => outcome,
            Err(_) => Err(QueryError::time_limit(self.limit)),
        };
        let Self { turn, schema_to, rows_to, recorded, .. } = self;
        drop(turn);
        let error = match outcome {
            Ok(Answered::Whole) => return recorded.end(Ok(())),
            Ok(Answered::CallerGone) => return,
            Err(error) => error,
        };
        recorded.end(Err(&error));
        let heard = match schema_to {
            Some(schema_to) => schema_to.send(Err(error)).is_ok(),
            None => rows_to.send(Err(error)).await.is_ok(),
        };
        if !heard {
            tracing::debug!("a statement failed after its caller had gone");
        }
    }

    async fn answer(&mut self) -> Result<Answered, QueryError> {
        let statement = match self.text.take() {
            Some(StatementText::Sql { sql, dialect, limits }) => parse_reading(&sql, dialect, limits)?,
            Some(StatementText::Parsed(statement)) => *statement,
            None => return Err(QueryError::internal()),
        };
        let logical = plan_with_parameters(&self.state, statement, &self.parameters).await?;
        let plan = self.state.create_physical_plan(&logical).await?;
        let plan = stoppable(plan, &self.stop)?;
        let mut batches = execute_stream(plan, self.state.task_ctx())?;
        if let Some(schema_to) = self.schema_to.take()
            && schema_to.send(Ok(batches.schema())).is_err()
        {
            return Ok(Answered::CallerGone);
        }
        while let Some(batch) = batches.next().await {
            let batch = batch?;
            self.recorded.count(&batch);
            if self.rows_to.send(Ok(batch)).await.is_err() {
                return Ok(Answered::CallerGone);
            }
        }
        Ok(Answered::Whole)
    }
}

/// How an answer has ended.
enum Answered {
    Whole,
    CallerGone,
}

/// The task of a statement; dropping it ends the statement.
pub(crate) struct Running {
    pub task: JoinHandle<()>,
    pub stop: Arc<Stop>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.stop();
        self.task.abort();
    }
}

/// The rows that a task sends. A task that ends without having said all, because it panicked or was stopped, is an error
/// and not the end of the answer.
pub(crate) fn rows(rows_from: mpsc::Receiver<Result<RecordBatch, QueryError>>, running: Running) -> RowStream {
    Box::pin(stream::unfold((rows_from, Some(running)), async |(mut rows_from, mut running)| {
        let task = running.as_mut()?;
        if let Some(batch) = rows_from.recv().await {
            if batch.is_err() {
                running = None;
            }
            return Some((batch, (rows_from, running)));
        }
        let ended = (&mut task.task).await;
        match ended {
            Ok(()) => None,
            Err(error) if error.is_panic() => Some((Err(QueryError::internal()), (rows_from, None))),
            Err(_) => Some((Err(QueryError::stopping()), (rows_from, None))),
        }
    }))
}
