//! One statement in flight, as a task: parsed, planned, executed, and its rows handed out as they become known.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use datafusion::common::ScalarValue;
use datafusion::error::DataFusionError;
use datafusion::execution::SessionState;
use datafusion::execution::memory_pool::MemoryConsumer;
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use futures::{StreamExt, stream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

use crate::dialect::grammar::TextLimits;
use crate::dialect::{ColumnNames, ReadStatement};
use crate::engine::admission::Permit;
use crate::engine::cancellation::Cancellation;
use crate::engine::memory::watch::WatchedStatement;
use crate::engine::planning_budget::apart_from_workers;
use crate::engine::prepared::plan_with_parameters;
use crate::engine::query_log::QueryLogEntry;
use crate::engine::result::{ResultNames, RowStream, renamed};
use crate::engine::statement_audit::StatementAudit;
use crate::error::QueryError;
use crate::optimizer::accounted_windows::accounted;
use crate::optimizer::cancellable_joins::cancellable;
use crate::optimizer::inlined_columns::check_inlining;
use crate::rights::watch::GuardedStatement;

/// Batches that are made before the one that is read.
pub(crate) const BATCHES_AHEAD: usize = 2;

/// Memory that is reserved for the planning of a statement, for each byte of its text. Measured over IN lists: a tree has
/// about 190 bytes for each byte of a list of numbers, and a plan as many again, of which this is a third: the rest is
/// bounded by the tokens that a statement may have.
const PLANNING_BYTES_PER_TEXT_BYTE: usize = 60;

/// Statement of an execution.
pub(crate) enum StatementText {
    /// Text as the client sent it, with its limits.
    Sql(TextLimits),
    /// Statement that the interface has parsed.
    Parsed(Box<ReadStatement>),
}

/// One statement in flight.
pub(crate) struct Execution {
    pub text: Option<StatementText>,
    /// The text, for its length and for places in it.
    pub sql: String,
    pub parameters: Vec<ScalarValue>,
    pub state: SessionState,
    pub permit: Permit,
    pub log_entry: QueryLogEntry,
    pub audit: Option<StatementAudit>,
    pub deadline: Instant,
    pub cancellation: Arc<Cancellation>,
    /// Watches over its memory and its rights.
    pub watched: (WatchedStatement, GuardedStatement),
    pub limit: Duration,
    pub schema_to: Option<oneshot::Sender<Result<SchemaRef, QueryError>>>,
    pub rows_to: mpsc::Sender<Result<RecordBatch, QueryError>>,
}

impl Execution {
    pub(crate) async fn run(mut self) {
        let cancellation = Arc::clone(&self.cancellation);
        let outcome = tokio::select! {
            biased;
            reason = cancellation.ended() => Err(reason),
            outcome = timeout_at(self.deadline, self.produce_rows()) => match (outcome, cancellation.reason()) {
                // An operator that was cancelled reports only that it was.
                (Ok(Err(_)), Some(reason)) => Err(reason),
                (Ok(Err(_)), None) if cancellation.is_past_deadline() => Err(QueryError::time_limit(self.limit)),
                (Ok(outcome), _) => outcome,
                (Err(_), _) => Err(QueryError::time_limit(self.limit)),
            },
        };
        let Self { permit, schema_to, rows_to, log_entry, audit, watched, sql, .. } = self;
        drop(watched);
        // The permit goes first: a client that does not read its error would else hold up the next statement.
        drop(permit);
        let error = match outcome {
            Ok(Completion::Whole) => return log_entry.end(Ok(())),
            Ok(Completion::ClientGone) => return,
            Err(error) => error.placed_in(&sql),
        };
        log_entry.end(Err(&error));
        if let Some(audit) = audit {
            audit.note_refused(&error);
        }
        let is_delivered = match schema_to {
            Some(schema_to) => schema_to.send(Err(error)).is_ok(),
            None => rows_to.send(Err(error)).await.is_ok(),
        };
        if !is_delivered {
            tracing::debug!("a statement failed after its client had gone");
        }
    }

    async fn plan(&self, statement: ReadStatement) -> Result<Planned, QueryError> {
        let (statement, names) = statement.into_planned()?;
        let logical = plan_with_parameters(&self.state, statement, &self.parameters).await?;
        check_inlining(&logical)?;
        let optimized = self.state.optimize(&logical)?;
        let personal = self.audit.as_ref().map(|audit| audit.personal_columns(&optimized)).unwrap_or_default();
        let plan = self.state.query_planner().create_physical_plan(&optimized, &self.state).await?;
        Ok(Planned { plan: accounted(cancellable(plan, &self.cancellation)?)?, names, personal })
    }

    async fn produce_rows(&mut self) -> Result<Completion, QueryError> {
        // Trees and plans are made of the text, and take some hundred times as much memory in all.
        let planning = MemoryConsumer::new("planning").register(&self.state.runtime_env().memory_pool);
        planning.try_grow(self.sql.len().saturating_mul(PLANNING_BYTES_PER_TEXT_BYTE))?;
        let statement = match self.text.take() {
            Some(StatementText::Sql(limits)) => ReadStatement::parse(&self.sql, limits)?,
            Some(StatementText::Parsed(statement)) => *statement,
            None => return Err(QueryError::internal()),
        };
        let Planned { plan, names, personal } = apart_from_workers(self.plan(statement))?;
        drop(planning);
        // Before the first row is computed: nobody reads personal data unrecorded.
        if let Some(audit) = &self.audit {
            audit.record(&personal).await?;
        }
        let mut batches = execute_stream(plan, self.state.task_ctx())?;
        let schema = ResultNames::new(names).schema(&batches.schema());
        if let Some(schema_to) = self.schema_to.take()
            && schema_to.send(Ok(Arc::clone(&schema))).is_err()
        {
            return Ok(Completion::ClientGone);
        }
        while let Some(batch) = batches.next().await {
            let batch = renamed(batch?, &schema).map_err(DataFusionError::from)?;
            self.log_entry.count(&batch);
            if self.rows_to.send(Ok(batch)).await.is_err() {
                return Ok(Completion::ClientGone);
            }
        }
        Ok(Completion::Whole)
    }
}

/// A plan that is to be executed.
struct Planned {
    plan: Arc<dyn ExecutionPlan>,
    names: ColumnNames,
    /// Columns of personal data that it reads.
    personal: BTreeSet<String>,
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
