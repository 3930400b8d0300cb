//! One connection: what the client has set and prepared, and the loop over its messages.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use futures::FutureExt;
use tokio::sync::watch;
use zonelake_query::{Caller, Description, Interface, QueryEngine, SqlSession};

use crate::rows::{Answer, RowForm};
use crate::protocol::cancel::CancelKey;
use crate::catalog::extension::CatalogExtension;
use crate::statement::parse::Command;
use crate::error::PgError;
use crate::protocol::messages::{ClientMessage, TransactionStatus, put_parameter_status, put_ready};
use crate::metrics::PostgresMetrics;
use crate::session::transaction::Transaction;
use crate::session::variables::Variables;
use crate::protocol::wire::{Wire, WireError};

/// Why a message was not done.
#[derive(Debug)]
pub(crate) enum Ended {
    /// The client is told, and the connection goes on.
    Failed(PgError),
    /// The connection ends.
    Wire(WireError),
}

impl From<PgError> for Ended {
    fn from(error: PgError) -> Self {
        Self::Failed(error)
    }
}

impl From<WireError> for Ended {
    fn from(error: WireError) -> Self {
        Self::Wire(error)
    }
}

/// A statement that was parsed.
#[derive(Debug, Clone)]
pub(crate) struct Prepared {
    /// What it asks for; `None` is an empty text.
    pub command: Option<Command>,
    /// Types of its parameters as the client declares them; 0 leaves one open.
    pub declared: Vec<u32>,
    /// What is known of it, under the variables of that epoch.
    pub description: Option<(u64, Arc<Description>)>,
}

/// A statement with its values, or a cursor, perhaps on its way.
pub(crate) struct Portal {
    pub prepared: Prepared,
    pub parameters: Vec<datafusion::common::ScalarValue>,
    /// Forms of the columns, as Bind has them.
    pub formats: Vec<i16>,
    /// Columns that the client was told of.
    pub told: Option<SchemaRef>,
    pub answer: Option<Answer>,
    /// Rows that were sent.
    pub rows: u64,
    /// Whether all is sent, or there is nothing to send.
    pub is_done: bool,
    /// A cursor that outlives its transaction.
    pub is_held: bool,
}

/// What a connection is made of.
pub(crate) struct ConnectionArgs {
    pub wire: Wire,
    pub engine: Arc<QueryEngine>,
    pub key: CancelKey,
    pub user: Arc<str>,
    pub variables: Variables,
    pub metrics: Arc<PostgresMetrics>,
    pub stopping: watch::Receiver<bool>,
}

/// One connection.
pub(crate) struct Connection {
    pub(crate) wire: Wire,
    pub(crate) engine: Arc<QueryEngine>,
    pub(crate) variables: Variables,
    pub(crate) transaction: Transaction,
    pub(crate) statements: HashMap<String, Prepared>,
    pub(crate) portals: HashMap<String, Portal>,
    /// Counts changes of variables.
    pub(crate) epoch: u64,
    key: CancelKey,
    user: Arc<str>,
    metrics: Arc<PostgresMetrics>,
    stopping: watch::Receiver<bool>,
    session: Option<(u64, SqlSession)>,
    /// An error of the extended protocol: messages are passed over until Sync.
    is_skipping: bool,
}

/// Prepared statements of a connection.
pub(crate) const STATEMENTS_MAX: usize = 10_000;
/// Portals and cursors of a connection.
pub(crate) const PORTALS_MAX: usize = 1_000;

impl Connection {
    pub(crate) fn new(args: ConnectionArgs) -> Self {
        let ConnectionArgs { wire, engine, key, user, variables, metrics, stopping } = args;
        Self {
            wire,
            engine,
            variables,
            transaction: Transaction::default(),
            statements: HashMap::new(),
            portals: HashMap::new(),
            epoch: 0,
            key,
            user,
            metrics,
            stopping,
            session: None,
            is_skipping: false,
        }
    }

    /// Does what the client says until one of both ends.
    pub(crate) async fn run(mut self) {
        match self.serve().await {
            Ok(()) | Err(WireError::Gone) => {}
            Err(WireError::Protocol(error)) => {
                PgError::new("08P01", error.to_string()).put_fatal(&mut self.wire.out);
                // The client may have gone.
                drop(self.wire.flush().await);
            }
            Err(WireError::Io(error)) => tracing::debug!("a PostgreSQL connection ended: {error}"),
        }
        self.wire.close().await;
    }

    async fn serve(&mut self) -> Result<(), WireError> {
        loop {
            if !self.wire.has_input() {
                self.wire.flush().await?;
            }
            let mut stopping = self.stopping.clone();
            let message = tokio::select! {
                message = self.wire.read() => Some(message?),
                () = async { drop(stopping.wait_for(|stopping| *stopping).await) } => None,
            };
            let Some(message) = message else {
                PgError::new("57P01", "terminating connection: the server is stopping").put_fatal(&mut self.wire.out);
                return self.wire.flush().await;
            };
            if message == ClientMessage::Terminate {
                return Ok(());
            }
            self.handle(message).await?;
            self.wire.flush_if_full().await?;
        }
    }

    async fn handle(&mut self, message: ClientMessage) -> Result<(), WireError> {
        let is_extended = match message {
            ClientMessage::Sync => {
                self.is_skipping = false;
                if self.transaction.status() == TransactionStatus::Idle {
                    self.end_portals();
                }
                put_ready(&mut self.wire.out, self.transaction.status());
                return self.wire.flush().await;
            }
            ClientMessage::Query(_) => false,
            _ if self.is_skipping => return Ok(()),
            _ => true,
        };
        let done = match message {
            ClientMessage::Query(sql) => self.simple_query(&sql).await,
            ClientMessage::Parse { statement, sql, types } => self.parse(statement, &sql, types),
            ClientMessage::Bind(bind) => self.bind(bind).await,
            ClientMessage::Describe { target, name } => self.describe(target, &name).await,
            ClientMessage::Execute { portal, rows_max } => self.execute(&portal, rows_max).await,
            ClientMessage::Close { target, name } => {
                self.close(target, &name);
                Ok(())
            }
            ClientMessage::Flush => Ok(self.wire.flush().await?),
            ClientMessage::Sync | ClientMessage::Terminate | ClientMessage::Copy => Ok(()),
            ClientMessage::Authentication(_) => Err(PgError::new("08P01", "the user is known already").into()),
        };
        match done {
            Ok(()) => {}
            Err(Ended::Wire(error)) => return Err(error),
            Err(Ended::Failed(error)) => {
                self.transaction.fail();
                error.put(&mut self.wire.out);
                self.is_skipping = is_extended;
            }
        }
        if !is_extended {
            if self.transaction.status() == TransactionStatus::Idle {
                self.end_portals();
            }
            put_ready(&mut self.wire.out, self.transaction.status());
        }
        Ok(())
    }

    /// The session of the next statement.
    pub(crate) fn session(&mut self) -> SqlSession {
        if let Some((epoch, session)) = &self.session
            && *epoch == self.epoch
        {
            return session.clone();
        }
        let mut session = SqlSession::new(Caller { name: Arc::clone(&self.user) }, Interface::Postgres);
        session.application_name = self.variables.get("application_name").unwrap_or_default().into();
        session.time_zone = self.variables.zone().arrow_name().into();
        session.statement_timeout = self.variables.statement_timeout();
        if let Some(schema) = self.variables.search_path().into_iter().find(|name| crate::catalog::extension::is_schema(name)) {
            session.schema = schema.into();
        }
        let registry = Arc::clone(self.engine.source().registry());
        session.extension = Some(Arc::new(CatalogExtension::new(self.variables.clone(), self.key.number, registry)));
        self.session = Some((self.epoch, session.clone()));
        session
    }

    /// Tells the client of a variable that it follows.
    pub(crate) fn report(&mut self, name: Option<&'static str>) {
        if let Some(name) = name {
            put_parameter_status(&mut self.wire.out, name, self.variables.get(name).unwrap_or_default());
        }
    }

    /// Takes other variables and tells the client what has changed.
    pub(crate) fn report_changes(&mut self, before: &Variables) {
        self.epoch += 1;
        for ((name, now), (_, then)) in self.variables.reported().zip(before.reported()) {
            if now != then {
                put_parameter_status(&mut self.wire.out, name, now);
            }
        }
    }

    /// Forgets the portals and cursors of a transaction that has ended, and so ends their statements.
    pub(crate) fn end_portals(&mut self) {
        self.portals.retain(|_, portal| portal.is_held);
    }

    /// Begins a statement: what was asked to be cancelled before, was another one.
    pub(crate) fn begin_statement(&self) {
        self.metrics.count_statement();
        while self.key.asked.notified().now_or_never().is_some() {}
    }

    /// Waits for work of the engine, unless the client goes or asks to cancel it.
    pub(crate) async fn wait<T>(&mut self, work: impl Future<Output = Result<T, PgError>>) -> Result<T, Ended> {
        let asked = Arc::clone(&self.key.asked);
        tokio::select! {
            biased;
            () = asked.notified() => Err(PgError::from(zonelake_query::QueryError::cancelled()).into()),
            done = work => Ok(done?),
            error = self.wire.gone() => Err(error.into()),
        }
    }

    /// Sends rows of an answer, at most so many; whether there are more, and how many were sent.
    pub(crate) async fn send_rows(
        &mut self,
        answer: &mut Answer,
        form: &RowForm,
        rows_max: Option<usize>,
    ) -> Result<(bool, u64), Ended> {
        let mut left = rows_max.unwrap_or(usize::MAX);
        let mut sent = 0;
        while left > 0 {
            if !self.wait(answer.fill()).await? {
                return Ok((false, sent));
            }
            let rows = answer.put_rows(form, left, &mut self.wire.out)?;
            sent += rows as u64;
            left -= rows;
            self.wire.flush_if_full().await?;
        }
        Ok((true, sent))
    }
}
