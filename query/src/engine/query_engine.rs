//! Runs statements, each with its own state of the tables, memory, time limit and place in the queue, on threads of their
//! own, so that no statement holds up ingest.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use arrow::datatypes::{DataType, SchemaRef};
use arrow::record_batch::RecordBatch;
use datafusion::common::ScalarValue;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::execution::{SessionState, SessionStateBuilder};
use datafusion::sql::parser::Statement as ParsedStatement;
use futures::{Stream, StreamExt};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout_at};
use zonelake_registry::Role;
use zonelake_storage::Store;

use crate::catalog::source::QuerySource;
use crate::catalog::statement_catalog::{CatalogArgs, statement_catalog};
use crate::dialect::grammar::{Dialect, TextLimits};
use crate::dialect::parameters::PARAMETERS_MAX;
use crate::dialect::parse::parse_reading;
use crate::engine::admission::Admission;
use crate::engine::environment::{base_state, runtime_env, sort_reserve_bytes};
use crate::engine::execution::{BATCHES_AHEAD, Running, RunningStatement, StatementText, rows};
use crate::engine::memory::StatementMemory;
use crate::engine::options::QueryOptions;
use crate::engine::prepared::{self, Description};
use crate::engine::query_log::QueryLog;
use crate::engine::result::QueryResult;
use crate::engine::session::{Caller, Interface, SqlSession};
use crate::error::{QueryError, QueryErrorCode};
use crate::optimizer::cancellation::Stop;
use crate::scan::location_columns::PlaceCache;

/// Answers statements over one store.
#[derive(Debug)]
pub struct QueryEngine {
    source: Arc<dyn QuerySource>,
    options: QueryOptions,
    admission: Admission,
    environment: RuntimeEnv,
    base: SessionState,
    place_cache: Arc<PlaceCache>,
    log: Arc<QueryLog>,
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
            .on_thread_start(stand_back)
            .enable_all()
            .build()
            .map_err(|error| QueryError::new(QueryErrorCode::Internal, format!("cannot start threads: {error}")))?;
        let log = Arc::new(QueryLog::new(Arc::clone(source.registry().clock())));
        Ok(Self {
            source,
            log,
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

    /// The statements that run and the recent ones.
    pub fn log(&self) -> &Arc<QueryLog> {
        &self.log
    }

    /// Runs one statement that reads. The time limit covers waiting, planning and the whole answer.
    pub async fn execute(&self, sql: &str, caller: &Caller) -> Result<QueryResult, QueryError> {
        self.execute_in(sql, &SqlSession::new(caller.clone(), Interface::Http)).await
    }

    /// [`QueryEngine::execute`] in a session.
    pub async fn execute_in(&self, sql: &str, session: &SqlSession) -> Result<QueryResult, QueryError> {
        self.text_limits().check_length(sql)?;
        self.run(
            sql,
            StatementText::Sql {
                sql: sql.to_owned(),
                dialect: session.interface.dialect(),
                limits: self.text_limits(),
            },
            Vec::new(),
            session,
        )
        .await
    }

    /// Runs a parsed statement, in which `$1` has the first of the values and so on. `sql` is what the log shows.
    pub async fn execute_parsed(
        &self,
        sql: &str,
        statement: ParsedStatement,
        parameters: Vec<ScalarValue>,
        session: &SqlSession,
    ) -> Result<QueryResult, QueryError> {
        self.text_limits().check_length(sql)?;
        self.run(sql, StatementText::Parsed(Box::new(statement)), parameters, session).await
    }

    /// Parses one statement that reads, in the dialect of HTTP and Flight SQL.
    ///
    /// # Errors
    /// As [`QueryEngine::parse_in`].
    pub fn parse(&self, sql: &str) -> Result<ParsedStatement, QueryError> {
        self.parse_in(sql, Dialect::Generic)
    }

    /// Parses one statement that reads.
    ///
    /// # Errors
    /// [`QueryErrorCode::Sql`] for a text that is no SQL or too long; [`QueryErrorCode::NotAllowed`] for several
    /// statements and for one that does not read.
    pub fn parse_in(&self, sql: &str, dialect: Dialect) -> Result<ParsedStatement, QueryError> {
        parse_reading(sql, dialect, self.text_limits())
    }

    /// What the answer of a parsed statement has for columns, and its parameters for types, without running it. `named`
    /// has one item a parameter: its type, where the caller names one.
    pub async fn describe(
        &self,
        statement: ParsedStatement,
        named: Vec<Option<DataType>>,
        session: &SqlSession,
    ) -> Result<Description, QueryError> {
        if named.len() > PARAMETERS_MAX {
            let message = format!("the statement has {} parameters; {PARAMETERS_MAX} are possible", named.len());
            return Err(QueryError::new(QueryErrorCode::Sql, message));
        }
        let role = self.role(session)?;
        let (limit, deadline) = self.limit(session, &role);
        let state = self.statement_state(session, &role)?;
        let Some(runtime) = &self.runtime else { return Err(QueryError::stopping()) };
        let (to, from) = oneshot::channel();
        let task = runtime.spawn(async move {
            // Whoever asked may have gone.
            drop(to.send(prepared::describe(&state, statement, &named).await));
        });
        let _ends_with_the_caller = Running { task, stop: Arc::new(Stop::new(deadline)) };
        timeout_at(deadline, from)
            .await
            .map_err(|_| QueryError::time_limit(limit))?
            .map_err(|_| QueryError::internal())?
    }

    async fn run(
        &self,
        sql: &str,
        text: StatementText,
        parameters: Vec<ScalarValue>,
        session: &SqlSession,
    ) -> Result<QueryResult, QueryError> {
        tracing::debug!(user = %session.caller.name, sql, "statement");
        let role = self.role(session)?;
        let (limit, deadline) = self.limit(session, &role);
        let recorded = self.log.begin(sql, session);
        let running_max = role.limits.running_max.map_or(self.options.running_max, |max| max as usize);
        let entered = match timeout_at(deadline, self.admission.enter(&role.name, running_max)).await {
            Ok(entered) => entered.and_then(|turn| Ok((turn, self.statement_state(session, &role)?))),
            Err(_) => Err(QueryError::time_limit(limit)),
        };
        let (turn, state) = match entered {
            Ok(entered) => entered,
            Err(error) => {
                recorded.end(Err(&error));
                return Err(error);
            }
        };
        let Some(runtime) = &self.runtime else { return Err(QueryError::stopping()) };
        recorded.run();
        let (schema_to, schema_from) = oneshot::channel();
        let (rows_to, rows_from) = mpsc::channel(BATCHES_AHEAD);
        let schema_to = Some(schema_to);
        let stop = Arc::new(Stop::new(deadline));
        let statement = RunningStatement {
            text: Some(text),
            parameters,
            state,
            turn,
            recorded,
            deadline,
            stop: Arc::clone(&stop),
            limit,
            schema_to,
            rows_to,
        };
        let running = Running { task: runtime.spawn(statement.run()), stop };
        let schema = schema_from.await.map_err(|_| QueryError::internal())??;
        Ok(QueryResult { schema, stream: rows(rows_from, running) })
    }

    /// Runs work on the threads of statements; it is dropped when the engine is.
    pub fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        if let Some(runtime) = &self.runtime {
            runtime.spawn(work);
        }
    }

    fn text_limits(&self) -> TextLimits {
        TextLimits {
            bytes_max: self.options.sql_bytes_max,
            recursion_max: self.base.config_options().sql_parser.recursion_limit.get(),
        }
    }

    /// The role that asks, as it is now: one that was removed asks nothing more, on a connection of before either.
    fn role(&self, session: &SqlSession) -> Result<Arc<Role>, QueryError> {
        self.source.registry().role(&session.caller.name).ok_or_else(|| {
            let message = format!("there is no role \"{}\" any more; ask the administrator", session.caller.name);
            QueryError::new(QueryErrorCode::NotAllowed, message).with_sqlstate("28000")
        })
    }

    /// How long a statement of this session may take, and until when that is.
    fn limit(&self, session: &SqlSession, role: &Role) -> (Duration, Instant) {
        let of_role = role.limits.statement_seconds_max.map(|seconds| Duration::from_secs(seconds.into()));
        let limits = [Some(self.options.time_limit), of_role, session.statement_timeout];
        let limit = limits.into_iter().flatten().min().unwrap_or(self.options.time_limit);
        (limit, Instant::now() + limit)
    }

    /// The session of one statement: tables pinned now, and its share of memory.
    fn statement_state(&self, session: &SqlSession, role: &Role) -> Result<SessionState, QueryError> {
        let of_role =
            role.limits.memory_bytes_max.map_or(usize::MAX, |bytes| usize::try_from(bytes).unwrap_or(usize::MAX));
        let bytes_max = self.options.statement_bytes_max().min(of_role);
        let memory = StatementMemory::new(bytes_max);
        let environment = RuntimeEnv { memory_pool: Arc::new(memory), ..self.environment.clone() };
        let args = CatalogArgs {
            source: self.source.as_ref(),
            place_cache: &self.place_cache,
            log: &self.log,
            session,
            sees_all: role.is_admin(),
        };
        let catalog = statement_catalog(&args)?;
        let mut config = self.base.config().clone();
        let options = config.options_mut();
        options.catalog.default_schema = session.schema.to_string();
        options.execution.sort_spill_reservation_bytes = sort_reserve_bytes(bytes_max, self.options.threads);
        if !session.is_utc() {
            options.execution.time_zone = Some(session.time_zone.to_string());
        }
        let mut builder = SessionStateBuilder::new_from_existing(self.base.clone())
            .with_config(config)
            .with_runtime_env(Arc::new(environment))
            .with_catalog_list(catalog);
        if let Some(extension) = &session.extension {
            builder = extension.extend(session, builder)?;
        }
        let mut state = builder.build();
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

/// Lets threads that take readings in go first: a statement can wait, a sensor cannot.
fn stand_back() {
    // Where the system does not allow it, statements compete as equals.
    let _ = rustix::process::nice(STATEMENT_NICE);
}

/// As far as the threads that write files: in Linux a thread at 10 gets about a tenth of a contended core.
const STATEMENT_NICE: i32 = 10;
/// Threads that read files, for each thread that computes.
const BLOCKING_THREADS_PER_THREAD: usize = 8;
