//! The engine: executes statements, each with its own pinned tables, memory, time limit and permit, on threads of their own, so
//! that no statement holds up ingest.

use std::sync::Arc;
use std::time::Duration;

use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::execution::{SessionState, SessionStateBuilder};
use datafusion::sql::parser::Statement as ParsedStatement;
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
use crate::engine::cancellation::Cancellation;
use crate::engine::environment::{base_state, runtime_env, sort_reserve_bytes};
use crate::engine::execution::{BATCHES_AHEAD, Execution, ExecutionHandle, StatementText, rows};
use crate::engine::memory::StatementMemory;
use crate::engine::options::QueryOptions;
use crate::engine::prepared::{self, Description};
use crate::engine::query_log::QueryLog;
use crate::engine::result::QueryResult;
use crate::engine::session::{Caller, Interface, SqlSession};
use crate::error::{QueryError, QueryErrorCode};
use crate::scan::location_columns::LocationCache;

/// Engine over one store. It answers any number of clients at the same time.
#[derive(Debug)]
pub struct QueryEngine {
    source: Arc<dyn QuerySource>,
    options: QueryOptions,
    admission: Admission,
    environment: RuntimeEnv,
    base: SessionState,
    location_cache: Arc<LocationCache>,
    log: Arc<QueryLog>,
    runtime: Option<Runtime>,
}

impl QueryEngine {
    /// Engine over a store. Creates the folder for intermediate results and clears it of those of an earlier process.
    ///
    /// # Errors
    /// [`QueryErrorCode::Internal`] where the folder or the threads cannot be made.
    pub fn new(store: Arc<Store>, options: QueryOptions) -> Result<Self, QueryError> {
        Self::over(store, options)
    }

    /// Engine over anything that has tables.
    ///
    /// # Errors
    /// As [`QueryEngine::new`].
    pub fn over(source: Arc<dyn QuerySource>, options: QueryOptions) -> Result<Self, QueryError> {
        let environment = runtime_env(&options, source.object_store())?;
        let base = base_state(&options, &environment)?;
        let runtime = Builder::new_multi_thread()
            .worker_threads(options.threads)
            .max_blocking_threads(options.threads * BLOCKING_THREADS_PER_THREAD)
            .thread_name("query")
            .on_thread_start(lower_priority)
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
            location_cache: Arc::default(),
            runtime: Some(runtime),
        })
    }

    /// Options that the engine was made with.
    pub fn options(&self) -> &QueryOptions {
        &self.options
    }

    /// Statements that are executing and waiting, by count.
    pub fn admission(&self) -> &Admission {
        &self.admission
    }

    /// Tables and registry that the engine reads.
    pub fn source(&self) -> &Arc<dyn QuerySource> {
        &self.source
    }

    /// Executes one statement that reads. The time limit covers waiting, planning and all rows.
    ///
    /// # Errors
    /// Any [`QueryErrorCode`]. After the first rows the error is an item of the stream.
    pub async fn execute(&self, sql: &str, caller: &Caller) -> Result<QueryResult, QueryError> {
        self.execute_in(sql, &SqlSession::new(caller.clone(), Interface::Http)).await
    }

    /// Executes one statement in a session.
    ///
    /// # Errors
    /// As [`QueryEngine::execute`].
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

    /// Executes a parsed statement, in which `$1` has the first of the values and so on. `sql` is the text for
    /// `system.queries`.
    ///
    /// # Errors
    /// As [`QueryEngine::execute`].
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

    /// Columns of a parsed statement, and types of its parameters, without executing it. `named` has one item a
    /// parameter: its type, where the client names one.
    ///
    /// # Errors
    /// Any [`QueryErrorCode`] but those of values.
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
            // The client may have gone.
            drop(to.send(prepared::describe(&state, statement, &named).await));
        });
        // Dropped with this future, so that planning ends when the client goes.
        let _execution = ExecutionHandle { task, cancellation: Arc::new(Cancellation::new(deadline)) };
        timeout_at(deadline, from)
            .await
            // The elapsed timeout says no more than the error that takes its place.
            .map_err(|_elapsed| QueryError::time_limit(limit))?
            // The task drops its sender without a result when it panics.
            .map_err(|_dropped| QueryError::internal())?
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
        let log_entry = self.log.begin(sql, session);
        let running_max = role.limits.running_max.map_or(self.options.running_max, |max| max as usize);
        // Tables are pinned behind the queue: a statement that waited sees the rows that came meanwhile.
        let entered = match timeout_at(deadline, self.admission.enter(&role.name, running_max)).await {
            Ok(entered) => entered.and_then(|permit| Ok((permit, self.statement_state(session, &role)?))),
            Err(_) => Err(QueryError::time_limit(limit)),
        };
        let (permit, state) = match entered {
            Ok(entered) => entered,
            Err(error) => {
                log_entry.end(Err(&error));
                return Err(error);
            }
        };
        let Some(runtime) = &self.runtime else { return Err(QueryError::stopping()) };
        log_entry.set_executing();
        let (schema_to, schema_from) = oneshot::channel();
        let (rows_to, rows_from) = mpsc::channel(BATCHES_AHEAD);
        let schema_to = Some(schema_to);
        let cancellation = Arc::new(Cancellation::new(deadline));
        let execution = Execution {
            text: Some(text),
            parameters,
            state,
            permit,
            log_entry,
            deadline,
            cancellation: Arc::clone(&cancellation),
            limit,
            schema_to,
            rows_to,
        };
        let handle = ExecutionHandle { task: runtime.spawn(execution.run()), cancellation };
        // The task drops its sender without a schema when it panics.
        let schema = schema_from.await.map_err(|_dropped| QueryError::internal())??;
        Ok(QueryResult { schema, stream: rows(rows_from, handle) })
    }

    /// Executes work on the threads of statements; it is dropped when the engine is.
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

    /// The client's role as it is now: one that was removed executes nothing more, on connections that are open either.
    fn role(&self, session: &SqlSession) -> Result<Arc<Role>, QueryError> {
        self.source.registry().role(&session.caller.name).ok_or_else(|| {
            let message = format!("there is no role \"{}\" any more; ask the administrator", session.caller.name);
            QueryError::new(QueryErrorCode::NotAllowed, message).with_sqlstate("28000")
        })
    }

    /// Time that a statement of this session may take, and when that is over.
    #[expect(
        clippy::disallowed_methods,
        reason = "the runtime's timers, which end the statement as well, have this clock"
    )]
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
            location_cache: &self.location_cache,
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

/// Gives threads that take readings in precedence: a statement can wait, a sensor cannot.
fn lower_priority() {
    // Where the system does not allow it, statements compete as equals: slower ingest, and nothing is lost.
    rustix::process::nice(STATEMENT_NICE).ok();
}

/// Nice value of the threads that write files, too: in Linux a thread at 10 gets about a tenth of a contended core.
/// Measured next to 5 million readings/s: acknowledgements take 0.14 s (p99) at 10, 0.39 s at 5, and 3.1 s at 0.
const STATEMENT_NICE: i32 = 10;
/// Threads that read files, for each thread that computes.
const BLOCKING_THREADS_PER_THREAD: usize = 8;
