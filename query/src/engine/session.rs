//! The session of a statement: the client, the interface, and what the client has set there.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use datafusion::catalog::SchemaProvider;
use datafusion::common::Result;
use datafusion::execution::SessionStateBuilder;

use crate::catalog::names::SCHEMA;
use crate::catalog::source::ListedTable;

/// Client that sent a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Name of the role.
    pub name: Arc<str>,
}

/// Interface through which a statement came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interface {
    /// SQL over HTTP.
    Http,
    /// The PostgreSQL protocol.
    Postgres,
    /// Arrow Flight SQL.
    Flight,
}

impl Interface {
    /// Name in `system.queries`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Postgres => "postgresql",
            Self::Flight => "flight",
        }
    }
}

/// Settings of a client. A copy is taken when a statement begins, so that no later change reaches it.
#[derive(Debug, Clone)]
pub struct SqlSession {
    /// The client.
    pub caller: Caller,
    /// The interface.
    pub interface: Interface,
    /// Address of the client; none where it is not known.
    pub peer: Option<IpAddr>,
    /// Name that the client's program gives itself; empty where it gives none.
    pub application_name: Arc<str>,
    /// Zone of times without one, by its IANA name or as an offset (`+07:00`), in which times with a zone are shown.
    pub time_zone: Arc<str>,
    /// Schema of tables that are named without one.
    pub schema: Arc<str>,
    /// Limit of a statement's time below that of the server.
    pub statement_timeout: Option<Duration>,
    /// Additions of the interface to SQL.
    pub extension: Option<Arc<dyn SessionExtension>>,
}

impl SqlSession {
    /// Session in which nothing was set: times are UTC.
    pub fn new(caller: Caller, interface: Interface) -> Self {
        Self {
            caller,
            interface,
            peer: None,
            application_name: Arc::from(""),
            time_zone: Arc::from(UTC),
            schema: Arc::from(SCHEMA),
            statement_timeout: None,
            extension: None,
        }
    }

    /// True where times of the session are UTC, as the stored ones are.
    pub fn is_utc(&self) -> bool {
        matches!(&*self.time_zone, UTC | "+00:00")
    }
}

/// Additions of an interface to SQL: functions, names of types, schemas. An extension sees the tables of one statement.
pub trait SessionExtension: fmt::Debug + Send + Sync {
    /// Adds functions and planners.
    ///
    /// # Errors
    /// Where one cannot be added.
    fn extend(&self, session: &SqlSession, state: SessionStateBuilder) -> Result<SessionStateBuilder>;

    /// Further schemas by name. `tables` are all that a statement can read.
    fn schemas(&self, session: &SqlSession, tables: &Arc<[ListedTable]>) -> Vec<(String, Arc<dyn SchemaProvider>)>;
}

/// The zone of stored times.
pub(crate) const UTC: &str = "UTC";
