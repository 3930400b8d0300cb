//! The engine: executes statements, each with its own pinned tables, memory, time limit and permit, on threads of their own, so
//! that no statement holds up ingest.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arrow::datatypes::DataType;
use datafusion::catalog::TableProvider;
use datafusion::common::ScalarValue;
use datafusion::execution::memory_pool::MemoryPool;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::execution::{SessionState, SessionStateBuilder};
use futures::future::BoxFuture;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout_at};
use zonelake_registry::Role;
use zonelake_schemas::audit::AuditTrail;
use zonelake_storage::Store;

use crate::catalog::source::{Pinned, QuerySource};
use crate::catalog::statement_catalog::{CatalogArgs, statement_catalog, tables_of};
use crate::catalog::views::Views;
use crate::dialect::ReadStatement;
use crate::dialect::grammar::TextLimits;
use crate::dialect::parameters::PARAMETERS_MAX;
use crate::engine::admission::{Admission, Permit};
use crate::engine::cancellation::Cancellation;
use crate::engine::environment::{base_state, runtime_env, sort_reserve_bytes};
use crate::engine::execution::{BATCHES_AHEAD, Execution, ExecutionHandle, StatementText, rows};
use crate::engine::memory::prepared::PreparedMemory;
use crate::engine::memory::statement::StatementMemory;
use crate::engine::memory::watch::{MemoryWatch, WatchedStatement};
use crate::engine::options::QueryOptions;
use crate::engine::planning_budget::{PlanningBudget, apart_from_workers};
use crate::engine::prepared::{self, Description};
use crate::engine::query_log::{QueryLog, QueryLogEntry};
use crate::engine::result::QueryResult;
use crate::engine::session::{Caller, Interface, SqlSession};
use crate::engine::statement_audit::StatementsAudit;
use crate::error::{QueryError, QueryErrorCode};
use crate::optimizer::counted_window_values::CountWindowValues;
use crate::optimizer::value_limit::ValueLimit;
use crate::postgres::functions::session_values::session_functions;
use crate::rights::resolved::Rights;
use crate::rights::stamp::RightsStamp;
use crate::rights::watch::{GuardedStatement, RightsWatch};
use crate::scan::location_columns::LocationCache;
use crate::scan::telemetry_table::TelemetryTable;

/// Engine over one store. It answers any number of clients at the same time.
#[derive(Debug)]
pub struct QueryEngine {
    source: Arc<dyn QuerySource>,
    options: QueryOptions,
    admission: Admission,
    environment: RuntimeEnv,
    base: SessionState,
    location_cache: Arc<LocationCache>,
    views: Arc<Views>,
    log: Arc<QueryLog>,
    memory_watch: Arc<MemoryWatch>,
    rights_watch: Arc<RightsWatch>,
    audit: StatementsAudit,
    prepared_memory: Arc<PreparedMemory>,
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
        let memory_watch = MemoryWatch::start(options.process_bytes_max)
            .map_err(|error| QueryError::new(QueryErrorCode::Internal, format!("cannot start threads: {error}")))?;
        let location_cache = Arc::default();
        let limits = TextLimits {
            bytes_max: options.sql_bytes_max,
            recursion_max: base.config_options().sql_parser.recursion_limit.get(),
        };
        let views = Views::new(&base, limits, &tables_of(source.as_ref(), &location_cache)?)?;
        let rights_watch = RightsWatch::start(Arc::clone(source.registry()))
            .map_err(|error| QueryError::new(QueryErrorCode::Internal, format!("cannot start threads: {error}")))?;
        // Last of what can fail: a runtime cannot be dropped where an asynchronous caller makes the engine.
        let runtime = Builder::new_multi_thread()
            .worker_threads(options.threads)
            .max_blocking_threads(options.threads * BLOCKING_THREADS_PER_THREAD + options.running_max)
            .thread_stack_size(STACK_BYTES)
            .thread_name("query")
            .on_thread_start(lower_priority)
            .enable_all()
            .build()
            .map_err(|error| QueryError::new(QueryErrorCode::Internal, format!("cannot start threads: {error}")))?;
        let log = Arc::new(QueryLog::new(Arc::clone(source.registry().clock())));
        Ok(Self {
            source,
            log,
            memory_watch,
            rights_watch,
            audit: StatementsAudit::default(),
            prepared_memory: Arc::default(),
            admission: Admission::new(options.running_max, options.waiting_max),
            options,
            environment,
            base,
            location_cache,
            views,
            runtime: Some(runtime),
        })
    }

    /// Records statements over personal data, and refused ones, from now on.
    pub fn record_in(&self, trail: Arc<dyn AuditTrail>) {
        let defs: Vec<_> = self.source.pin().tables.into_iter().map(|table| table.def).collect();
        self.audit.begin(trail, &defs);
    }

    /// Options that the engine was made with.
    pub fn options(&self) -> &QueryOptions {
        &self.options
    }

    /// Statements that are executing and waiting, by count.
    pub fn admission(&self) -> &Admission {
        &self.admission
    }

    /// Memory of the prepared statements of all interfaces.
    pub fn prepared_memory(&self) -> &Arc<PreparedMemory> {
        &self.prepared_memory
    }

    /// Columns of locations, which all statements share.
    pub(crate) fn location_cache(&self) -> &Arc<LocationCache> {
        &self.location_cache
    }

    /// A table of readings as a statement of this client would see it now, rights included; `None` where it would not.
    ///
    /// # Errors
    /// [`QueryErrorCode::NotAllowed`] where the client's role is gone.
    pub(crate) fn readings_of(
        &self,
        caller: &Caller,
        name: &str,
    ) -> Result<Option<Arc<dyn TableProvider>>, QueryError> {
        let role = self.role(&SqlSession::new(caller.clone(), Interface::Http))?;
        let rights = Rights::new(role, self.source.registry());
        let Pinned { tables, locations } = self.source.pin();
        let Some(pinned) = tables.into_iter().find(|table| table.def.name == name) else { return Ok(None) };
        let def = Arc::clone(&pinned.def);
        let table = Arc::new(TelemetryTable::new(pinned, locations, Arc::clone(&self.location_cache)));
        let granted = rights.declared(&def, table).map(|granted| granted.table);
        if let Some(granted) = &granted {
            let schema = granted.schema();
            self.audit.note_live(name, caller, schema.fields().iter().map(|field| field.name().clone()));
        }
        Ok(granted)
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
        self.run(sql, StatementText::Sql(self.text_limits()), Vec::new(), session).await
    }

    /// Executes a parsed statement, in which `$1` has the first of the values and so on. `sql` is the text for
    /// `system.queries`.
    ///
    /// # Errors
    /// As [`QueryEngine::execute`].
    pub async fn execute_parsed(
        &self,
        sql: &str,
        statement: ReadStatement,
        parameters: Vec<ScalarValue>,
        session: &SqlSession,
    ) -> Result<QueryResult, QueryError> {
        self.text_limits().check_length(sql)?;
        self.run(sql, StatementText::Parsed(Box::new(statement)), parameters, session).await
    }

    /// Parses one statement that reads.
    ///
    /// # Errors
    /// [`QueryErrorCode::Sql`] for a text that is no SQL or too long; [`QueryErrorCode::NotAllowed`] for several
    /// statements and for one that does not read.
    pub fn parse(&self, sql: &str) -> Result<ReadStatement, QueryError> {
        ReadStatement::parse(sql, self.text_limits())
    }

    /// Columns of a parsed statement, and types of its parameters, without executing it. `sql` is the text for
    /// `system.queries`; `named` has one item a parameter: its type, where the client names one. Planning takes a permit and
    /// time as execution does.
    ///
    /// # Errors
    /// Any [`QueryErrorCode`] but those of values.
    pub async fn describe(
        &self,
        sql: &str,
        statement: ReadStatement,
        named: Vec<Option<DataType>>,
        session: &SqlSession,
    ) -> Result<Description, QueryError> {
        self.text_limits().check_length(sql)?;
        if named.len() > PARAMETERS_MAX {
            let message = format!("the statement has {} parameters; {PARAMETERS_MAX} are possible", named.len());
            return Err(QueryError::new(QueryErrorCode::Sql, message));
        }
        self.described(sql, statement, named, session).await
    }

    /// Boxed as [`QueryEngine::run`] is.
    fn described<'a>(
        &'a self,
        sql: &'a str,
        statement: ReadStatement,
        named: Vec<Option<DataType>>,
        session: &'a SqlSession,
    ) -> BoxFuture<'a, Result<Description, QueryError>> {
        Box::pin(self.describe_admitted(sql, statement, named, session))
    }

    async fn describe_admitted(
        &self,
        sql: &str,
        statement: ReadStatement,
        named: Vec<Option<DataType>>,
        session: &SqlSession,
    ) -> Result<Description, QueryError> {
        let Admitted { permit, state, log_entry, deadline, limit, cancellation, watched } =
            self.admit(sql, session).await?;
        let Some(runtime) = &self.runtime else { return Err(QueryError::stopping()) };
        let (to, from) = oneshot::channel();
        let sql = sql.to_owned();
        let ended = Arc::clone(&cancellation);
        let audit = self.audit.of(&sql, session);
        let task = runtime.spawn(async move {
            let described = apart_from_workers(prepared::describe(&state, statement, &named));
            let described = described.map_err(|error| ended.reason().unwrap_or_else(|| error.placed_in(&sql)));
            drop((permit, watched));
            match &described {
                Ok(_) => log_entry.forget(),
                Err(error) => {
                    log_entry.end(Err(error));
                    if let Some(audit) = audit {
                        audit.note_refused(error);
                    }
                }
            }
            // The client may have gone.
            drop(to.send(described));
        });
        // Dropped with this future, so that planning ends when the client goes.
        let _execution = ExecutionHandle { task, cancellation };
        timeout_at(deadline + PLANNING_GRACE, from)
            .await
            // The elapsed timeout says no more than the error that takes its place.
            .map_err(|_elapsed| QueryError::time_limit(limit))?
            // The task drops its sender without a result when it panics.
            .map_err(|_dropped| QueryError::internal())?
    }

    /// Rights of a session's role as they are now, for what is described under them and kept.
    ///
    /// # Errors
    /// [`QueryErrorCode::NotAllowed`] where there is no such role any more.
    pub fn rights_stamp(&self, session: &SqlSession) -> Result<RightsStamp, QueryError> {
        self.role(session).map(RightsStamp::new)
    }

    /// Boxed, so that planning and execution are compiled in this crate and not in each that awaits a statement (decision 0056).
    fn run<'a>(
        &'a self,
        sql: &'a str,
        text: StatementText,
        parameters: Vec<ScalarValue>,
        session: &'a SqlSession,
    ) -> BoxFuture<'a, Result<QueryResult, QueryError>> {
        Box::pin(self.run_admitted(sql, text, parameters, session))
    }

    async fn run_admitted(
        &self,
        sql: &str,
        text: StatementText,
        parameters: Vec<ScalarValue>,
        session: &SqlSession,
    ) -> Result<QueryResult, QueryError> {
        tracing::debug!(user = %session.caller.name, sql, "statement");
        let Admitted { permit, state, log_entry, deadline, limit, cancellation, watched } =
            self.admit(sql, session).await?;
        let Some(runtime) = &self.runtime else { return Err(QueryError::stopping()) };
        let (schema_to, schema_from) = oneshot::channel();
        let (rows_to, rows_from) = mpsc::channel(BATCHES_AHEAD);
        let execution = Execution {
            text: Some(text),
            sql: sql.to_owned(),
            parameters,
            state,
            permit,
            log_entry,
            audit: self.audit.of(sql, session),
            deadline,
            cancellation: Arc::clone(&cancellation),
            watched,
            limit,
            schema_to: Some(schema_to),
            rows_to,
        };
        let handle = ExecutionHandle { task: runtime.spawn(execution.run()), cancellation };
        let schema = timeout_at(deadline + PLANNING_GRACE, schema_from)
            .await
            // The elapsed timeout says no more than the error that takes its place.
            .map_err(|_elapsed| QueryError::time_limit(limit))?
            // The task drops its sender without a schema when it panics.
            .map_err(|_dropped| QueryError::internal())??;
        Ok(QueryResult { schema, stream: rows(rows_from, handle) })
    }

    /// Waits for the permit of a statement, and pins its tables behind the queue: a statement that waited sees the rows that
    /// came meanwhile.
    async fn admit(&self, sql: &str, session: &SqlSession) -> Result<Admitted, QueryError> {
        let role = self.role(session)?;
        let (limit, deadline) = self.limit(session, &role);
        let log_entry = self.log.begin(sql, session);
        let running_max = role.limits.running_max.map_or(self.options.running_max, |max| max as usize);
        let cancellation = Arc::new(Cancellation::new(deadline));
        let entered = match timeout_at(deadline, self.admission.enter(&role.name, running_max)).await {
            Ok(entered) => {
                entered.and_then(|permit| {
                    // Behind the queue, too, where rights may have changed meanwhile.
                    let role = self.role(session)?;
                    let state = self.statement_state(session, &role, &cancellation)?;
                    Ok((permit, state, self.rights_watch.add(role, Arc::clone(&cancellation))))
                })
            }
            Err(_) => Err(QueryError::time_limit(limit)),
        };
        match entered {
            Ok((permit, state, guarded)) => {
                log_entry.set_executing();
                let memory = Arc::clone(&state.runtime_env().memory_pool);
                let watched = (self.memory_watch.add(memory, Arc::clone(&cancellation)), guarded);
                Ok(Admitted { permit, state, log_entry, deadline, limit, cancellation, watched })
            }
            Err(error) => {
                log_entry.end(Err(&error));
                Err(error)
            }
        }
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
    fn statement_state(
        &self,
        session: &SqlSession,
        role: &Arc<Role>,
        cancellation: &Arc<Cancellation>,
    ) -> Result<SessionState, QueryError> {
        let of_role =
            role.limits.memory_bytes_max.map_or(usize::MAX, |bytes| usize::try_from(bytes).unwrap_or(usize::MAX));
        let bytes_max = self.options.statement_bytes_max().min(of_role);
        let memory = StatementMemory::new(bytes_max);
        let memory: Arc<dyn MemoryPool> = Arc::new(memory);
        let environment = RuntimeEnv { memory_pool: Arc::clone(&memory), ..self.environment.clone() };
        let args = CatalogArgs {
            source: self.source.as_ref(),
            location_cache: &self.location_cache,
            views: &self.views,
            log: &self.log,
            session,
            rights: &Rights::new(Arc::clone(role), self.source.registry()),
        };
        let catalog = statement_catalog(&args)?;
        let mut config = self.base.config().clone();
        let options = config.options_mut();
        options.catalog.default_schema = session.schema.to_string();
        options.execution.sort_spill_reservation_bytes = sort_reserve_bytes(bytes_max, self.options.threads);
        options.extensions.insert(ValueLimit::of_statement(bytes_max));
        if !session.is_utc() {
            options.execution.time_zone = Some(session.time_zone.to_string());
        }
        let builder = SessionStateBuilder::new_from_existing(self.base.clone())
            .with_config(config)
            .with_runtime_env(Arc::new(environment))
            .with_catalog_list(catalog);
        let mut builder = PlanningBudget::new(Arc::clone(cancellation)).applied_to(
            builder,
            &self.base,
            Arc::new(CountWindowValues::new(memory)),
        );
        let of_session = session_functions(&session.caller.name, &session.schema);
        builder.scalar_functions().get_or_insert_default().extend(of_session);
        if let Some(extension) = &session.extension {
            builder = extension.extend(session, builder)?;
        }
        let mut state = builder.build();
        state.mark_start_execution();
        Ok(state)
    }
}

/// Statement that has its permit.
struct Admitted {
    permit: Permit,
    state: SessionState,
    log_entry: QueryLogEntry,
    deadline: Instant,
    limit: Duration,
    cancellation: Arc<Cancellation>,
    watched: (WatchedStatement, GuardedStatement),
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
    // A thread inherits the value of the one that starts it, which may be lowered already.
    static LOWERED: OnceLock<i32> = OnceLock::new();
    let own = || rustix::process::getpriority_process(None).unwrap_or_default();
    let lowered = *LOWERED.get_or_init(|| own() + STATEMENT_NICE);
    // Where the system does not allow it, statements compete as equals: slower ingest, and nothing is lost.
    rustix::process::setpriority_process(None, lowered).ok();
}

/// Nice value of the threads that write files, too: in Linux a thread at 10 gets about a tenth of a contended core.
/// Measured next to 5 million readings/s: acknowledgements take 0.14 s (p99) at 10, 0.39 s at 5, and 3.1 s at 0.
const STATEMENT_NICE: i32 = 10;
/// Stack of each thread of statements, of which memory is taken only for what is used: plans and their expressions are
/// walked recursively, and are at most a few thousand levels deep.
const STACK_BYTES: usize = 64 << 20;
/// Time beyond the limit in which planning may notice itself that it is over.
const PLANNING_GRACE: Duration = Duration::from_secs(1);
/// Threads that read files, for each thread that computes; planning takes one more for each statement.
const BLOCKING_THREADS_PER_THREAD: usize = 8;
