//! Runs statements, each with its own state of the tables, memory, time limit and place in the queue, on threads of their
//! own, so that no statement holds up ingest.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::execution::{SessionState, SessionStateBuilder};
use datafusion::physical_plan::execute_stream;
use futures::{Stream, StreamExt, stream};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};
use zonelake_storage::Store;

use crate::admission::Admission;
use crate::catalog::{QuerySource, statement_catalog};
use crate::environment::{base_state, runtime_env};
use crate::error::{QueryError, QueryErrorCode};
use crate::place_columns::PlaceCache;
use crate::statement::{parse_reading, plan_reading};
use crate::statement_memory::StatementMemory;

pub use crate::environment::QueryOptions;

/// Who sent a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Name of the user.
    pub name: Arc<str>,
}

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

/// Answers statements over one store.
#[derive(Debug)]
pub struct QueryEngine {
    source: Arc<dyn QuerySource>,
    options: QueryOptions,
    admission: Admission,
    environment: RuntimeEnv,
    base: SessionState,
    place_cache: Arc<PlaceCache>,
    runtime: Option<Runtime>,
}

impl QueryEngine {
    /// An engine over a store. Makes the folder for intermediate results and empties it of what an earlier run left.
    pub fn new(store: Arc<Store>, options: QueryOptions) -> Result<Self, QueryError> {
        Self::over(store, options)
    }

    /// An engine over anything that has tables.
    pub fn over(source: Arc<dyn QuerySource>, options: QueryOptions) -> Result<Self, QueryError> {
        let environment = runtime_env(&options, source.object_store())?;
        let base = base_state(&options, &environment)?;
        let runtime = Builder::new_multi_thread()
            .worker_threads(options.threads)
            .max_blocking_threads(options.threads * BLOCKING_THREADS_PER_THREAD)
            .thread_name("query")
            .enable_all()
            .build()
            .map_err(|error| QueryError::new(QueryErrorCode::Internal, format!("cannot start threads: {error}")))?;
        Ok(Self {
            source,
            admission: Admission::new(options.running_max, options.waiting_max),
            options,
            environment,
            base,
            place_cache: Arc::default(),
            runtime: Some(runtime),
        })
    }

    /// What it was made with.
    pub fn options(&self) -> &QueryOptions {
        &self.options
    }

    /// How many statements run and wait.
    pub fn admission(&self) -> &Admission {
        &self.admission
    }

    /// What it reads.
    pub fn source(&self) -> &Arc<dyn QuerySource> {
        &self.source
    }

    /// Runs one statement that reads. The time limit covers waiting, planning and the whole answer.
    pub async fn execute(&self, sql: &str, caller: &Caller) -> Result<QueryResult, QueryError> {
        if sql.len() > self.options.sql_bytes_max {
            let message = format!("the statement has {} bytes; {} are possible", sql.len(), self.options.sql_bytes_max);
            return Err(QueryError::new(QueryErrorCode::Sql, message));
        }
        tracing::debug!(user = %caller.name, sql, "statement");
        let limit = self.options.time_limit;
        let deadline = Instant::now() + limit;
        let turn = timeout_at(deadline, self.admission.enter()).await.map_err(|_| QueryError::time_limit(limit))??;
        let Some(runtime) = &self.runtime else { return Err(QueryError::stopping()) };
        let (schema_to, schema_from) = oneshot::channel();
        let (rows_to, rows_from) = mpsc::channel(BATCHES_AHEAD);
        let statement = Statement {
            sql: sql.to_owned(),
            state: self.statement_state()?,
            turn,
            deadline,
            limit,
            schema_to: Some(schema_to),
            rows_to,
        };
        let running = Running(runtime.spawn(statement.run()));
        let schema = schema_from.await.map_err(|_| QueryError::internal())??;
        Ok(QueryResult { schema, stream: rows(rows_from, running) })
    }

    /// Runs work on the threads of statements; it is dropped when the engine is.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        if let Some(runtime) = &self.runtime {
            runtime.spawn(work);
        }
    }

    /// The session of one statement: tables pinned now, and its share of memory.
    fn statement_state(&self) -> Result<SessionState, QueryError> {
        let memory = StatementMemory::new(self.options.statement_bytes_max());
        let environment = RuntimeEnv { memory_pool: Arc::new(memory), ..self.environment.clone() };
        let catalog = statement_catalog(self.source.as_ref(), &self.place_cache)?;
        let mut state = SessionStateBuilder::new_from_existing(self.base.clone())
            .with_runtime_env(Arc::new(environment))
            .with_catalog_list(catalog)
            .build();
        state.mark_start_execution();
        Ok(state)
    }
}

impl Drop for QueryEngine {
    fn drop(&mut self) {
        // Threads may not be waited for here: an engine may be dropped on a thread that drives other tasks.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Batches that are made before the one that is read.
const BATCHES_AHEAD: usize = 2;
/// Threads that read files, for each thread that computes.
const BLOCKING_THREADS_PER_THREAD: usize = 8;

/// One statement, on its way.
struct Statement {
    sql: String,
    state: SessionState,
    turn: OwnedSemaphorePermit,
    deadline: Instant,
    limit: Duration,
    schema_to: Option<oneshot::Sender<Result<SchemaRef, QueryError>>>,
    rows_to: mpsc::Sender<Result<RecordBatch, QueryError>>,
}

impl Statement {
    async fn run(mut self) {
        let outcome = match timeout_at(self.deadline, self.answer()).await {
            Ok(outcome) => outcome,
            Err(_) => Err(QueryError::time_limit(self.limit)),
        };
        let Self { turn, schema_to, rows_to, .. } = self;
        drop(turn);
        let Err(error) = outcome else { return };
        let heard = match schema_to {
            Some(schema_to) => schema_to.send(Err(error)).is_ok(),
            None => rows_to.send(Err(error)).await.is_ok(),
        };
        if !heard {
            tracing::debug!("a statement failed after its caller had gone");
        }
    }

    async fn answer(&mut self) -> Result<(), QueryError> {
        let recursion_limit = self.state.config_options().sql_parser.recursion_limit.get();
        let statement = parse_reading(&self.sql, recursion_limit)?;
        let logical = plan_reading(&self.state, statement).await?;
        let plan = self.state.create_physical_plan(&logical).await?;
        let mut batches = execute_stream(plan, self.state.task_ctx())?;
        if let Some(schema_to) = self.schema_to.take()
            && schema_to.send(Ok(batches.schema())).is_err()
        {
            return Ok(());
        }
        while let Some(batch) = batches.next().await {
            if self.rows_to.send(Ok(batch?)).await.is_err() {
                return Ok(());
            }
        }
        Ok(())
    }
}

/// The task of a statement; dropping it ends the statement.
struct Running(JoinHandle<()>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The rows that a task sends. A task that ends without having said all, because it panicked or was stopped, is an error
/// and not the end of the answer.
fn rows(rows_from: mpsc::Receiver<Result<RecordBatch, QueryError>>, running: Running) -> RowStream {
    Box::pin(stream::unfold((rows_from, Some(running)), async |(mut rows_from, mut running)| {
        let task = running.as_mut()?;
        if let Some(batch) = rows_from.recv().await {
            if batch.is_err() {
                running = None;
            }
            return Some((batch, (rows_from, running)));
        }
        let ended = (&mut task.0).await;
        match ended {
            Ok(()) => None,
            Err(error) if error.is_panic() => Some((Err(QueryError::internal()), (rows_from, None))),
            Err(_) => Some((Err(QueryError::stopping()), (rows_from, None))),
        }
    }))
}
