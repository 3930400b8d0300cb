//! Connection: the state of a client's session, and what all messages need of it.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::common::ScalarValue;
use futures::FutureExt;
use tokio::sync::watch;
use zonelake_net::Credential;
use zonelake_query::{Caller, Interface, QueryEngine, QueryError, SqlSession};

use crate::catalog::extension::{CatalogExtension, ExtensionArgs};
use crate::catalog::set_config::PendingSettings;
use crate::counts::PostgresMetrics;
use crate::error::PgError;
use crate::protocol::backends::Registration;
use crate::protocol::messages::put_parameter_status;
use crate::protocol::wire::{Wire, WireError};
use crate::rows::{ResultCursor, RowForm};
use crate::session::outcome::SessionError;
use crate::session::prepared::Prepared;
use crate::session::transaction::Transaction;
use crate::session::variables::Variables;

/// Prepared statement with its values, or a cursor, perhaps in execution.
#[derive(Debug)]
pub(crate) struct Portal {
    pub prepared: Prepared,
    pub parameters: Vec<ScalarValue>,
    /// Formats of the columns, as Bind has them.
    pub formats: Vec<i16>,
    /// Columns that Describe has told the client.
    pub described: Option<SchemaRef>,
    pub result: Option<ResultCursor>,
    /// True where all rows are sent, or there are none to send.
    pub is_done: bool,
    /// True for a cursor that outlives its transaction.
    pub is_held: bool,
}

/// Parts of a connection.
#[derive(Debug)]
pub(crate) struct ConnectionArgs {
    pub wire: Wire,
    pub engine: Arc<QueryEngine>,
    pub registration: Registration,
    pub user: Arc<str>,
    pub credential: Option<Credential>,
    pub variables: Variables,
    pub metrics: Arc<PostgresMetrics>,
    pub stopping: watch::Receiver<bool>,
}

/// Connection of an authenticated client.
pub(crate) struct Connection {
    pub(crate) wire: Wire,
    pub(crate) engine: Arc<QueryEngine>,
    pub(crate) variables: Variables,
    pub(crate) transaction: Transaction,
    pub(crate) statements: HashMap<String, Prepared>,
    pub(crate) portals: HashMap<String, Portal>,
    /// Count of changes of variables and of rights, by which stale descriptions and sessions are told.
    pub(crate) epoch: u64,
    pub(crate) stopping: watch::Receiver<bool>,
    /// True behind an error of the extended protocol: messages are skipped until Sync.
    pub(crate) is_skipping: bool,
    registration: Registration,
    pub(crate) user: Arc<str>,
    /// Token that the connection ends with.
    pub(crate) credential: Option<Credential>,
    metrics: Arc<PostgresMetrics>,
    /// Epoch of the rights that descriptions were made under.
    rights_epoch: u64,
    /// Settings by `set_config` in the statement that is executing.
    pub(crate) set_config: Arc<PendingSettings>,
    /// Session of the statements of an epoch.
    session: Option<(u64, SqlSession)>,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("user", &self.user)
            .field("process_id", &self.registration.own.process_id)
            .finish_non_exhaustive()
    }
}

/// Most prepared statements of a connection.
pub(crate) const STATEMENTS_MAX: usize = 10_000;
/// Most portals and cursors of a connection.
pub(crate) const PORTALS_MAX: usize = 1_000;

impl Connection {
    pub(crate) fn new(args: ConnectionArgs) -> Self {
        let ConnectionArgs { wire, engine, registration, user, credential, variables, metrics, stopping } = args;
        let rights_epoch = engine.source().registry().rights_epoch();
        registration.own.connected(engine.source().registry().clock().wall_us());
        Self {
            wire,
            engine,
            variables,
            transaction: Transaction::default(),
            statements: HashMap::new(),
            portals: HashMap::new(),
            epoch: 0,
            registration,
            user,
            credential,
            metrics,
            stopping,
            rights_epoch,
            set_config: Arc::default(),
            session: None,
            is_skipping: false,
        }
    }

    /// Forgets what was described before rights have changed: other columns may exist since.
    pub(crate) fn forget_other_rights(&mut self) {
        let now = self.engine.source().registry().rights_epoch();
        if self.rights_epoch == now {
            return;
        }
        self.rights_epoch = now;
        self.epoch += 1;
        self.statements.values_mut().for_each(|prepared| prepared.description = None);
        self.portals.values_mut().for_each(|portal| {
            portal.prepared.description = None;
            portal.described = None;
        });
    }

    /// Session of the next statement.
    pub(crate) fn session(&mut self) -> SqlSession {
        self.forget_other_rights();
        // Built once for an epoch: its extension holds the objects of the catalog.
        if let Some((epoch, session)) = &self.session
            && *epoch == self.epoch
        {
            return session.clone();
        }
        let mut session = SqlSession::new(Caller { name: Arc::clone(&self.user) }, Interface::Postgres);
        session.peer = Some(self.registration.own.address);
        session.application_name = self.variables.get("application_name").unwrap_or_default().into();
        self.registration.own.named(&session.application_name);
        session.set_zone(self.variables.zone());
        // The engine takes the shorter one of this limit and its own.
        session.statement_timeout = self.variables.statement_timeout();
        session.set_search_path(self.variables.get("search_path").unwrap_or_default());
        let registry = Arc::clone(self.engine.source().registry());
        let extension = CatalogExtension::new(ExtensionArgs {
            variables: self.variables.clone(),
            set_config: Arc::clone(&self.set_config),
            backends: Arc::clone(&self.registration.all),
            process_id: self.registration.own.process_id,
            registry,
        });
        session.extension = Some(Arc::new(extension));
        self.session = Some((self.epoch, session.clone()));
        session
    }

    /// Tells the client the value of a variable, where the variable is one of those that are reported.
    pub(crate) fn report(&mut self, name: Option<&'static str>) {
        if let Some(name) = name {
            put_parameter_status(&mut self.wire.out, name, self.variables.get(name).unwrap_or_default());
        }
    }

    /// Notes that variables have changed, and tells the client which of those that are reported.
    pub(crate) fn report_changes(&mut self, before: &Variables) {
        self.epoch += 1;
        // Both iterate over the same table, so the pairs have one name.
        for ((name, now), (_, then)) in self.variables.reported().zip(before.reported()) {
            if now != then {
                put_parameter_status(&mut self.wire.out, name, now);
            }
        }
    }

    /// Drops the portals and cursors of a transaction that has ended, which cancels their statements.
    pub(crate) fn drop_portals(&mut self) {
        // A dropped portal drops the stream of the engine, which ends its statement.
        self.portals.retain(|_, portal| portal.is_held);
    }

    /// Counts a statement, and drops requests to cancel that have come before it: they meant another one.
    pub(crate) fn begin_statement(&self, text: &str) {
        self.metrics.count_statement();
        let own = &self.registration.own;
        own.executes(text, self.now_us());
        while own.cancel_requested.notified().now_or_never().is_some() {}
    }

    /// Notes that the client is told that the connection is ready for its next statement.
    pub(crate) fn end_statements(&self) {
        self.registration.own.waits(self.transaction.status(), self.now_us());
    }

    /// Waits until another connection asks this one to end.
    pub(crate) fn end_requested(&self) -> impl Future<Output = ()> + use<> {
        let own = Arc::clone(&self.registration.own);
        async move { own.end_requested.notified().await }
    }

    fn now_us(&self) -> i64 {
        self.engine.source().registry().clock().wall_us()
    }

    /// Waits for work of the engine, unless the client cancels it or closes the connection.
    pub(crate) async fn wait<T>(&mut self, work: impl Future<Output = Result<T, PgError>>) -> Result<T, SessionError> {
        let own = Arc::clone(&self.registration.own);
        tokio::select! {
            // In this order, so that a statement whose rows are always ready can be cancelled too.
            biased;
            () = own.end_requested.notified() => Err(WireError::Terminated.into()),
            () = own.cancel_requested.notified() => Err(PgError::from(QueryError::cancelled()).into()),
            done = work => Ok(done?),
            error = self.wire.closed() => Err(error.into()),
        }
    }

    /// Sends rows of a result, at most `rows_max`; returns true where there may be more, and the count of rows sent.
    pub(crate) async fn send_rows(
        &mut self,
        result: &mut ResultCursor,
        form: &RowForm,
        rows_max: Option<usize>,
    ) -> Result<(bool, u64), SessionError> {
        let mut left = rows_max.unwrap_or(usize::MAX);
        let mut sent = 0;
        while left > 0 {
            if !self.wait(result.fill()).await? {
                return Ok((false, sent));
            }
            // Encoding does not wait, so it needs no look at cancellation.
            let rows = result.put_rows(form, left, &mut self.wire.out)?;
            sent += rows as u64;
            left -= rows;
            // Waits where the client reads slowly, and then no more rows are computed either.
            self.wire.flush_if_full().await?;
        }
        Ok((true, sent))
    }
}
