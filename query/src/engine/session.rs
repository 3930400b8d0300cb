//! What a statement is run under beside its text: who asked, through which door, and what they have set there.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use datafusion::catalog::SchemaProvider;
use datafusion::common::Result;
use datafusion::execution::SessionStateBuilder;

use crate::catalog::names::SCHEMA;
use crate::catalog::source::ListedTable;
use crate::dialect::grammar::Dialect;

/// Who sent a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Name of the user.
    pub name: Arc<str>,
}

/// The door through which a statement came.
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
    /// Dialect of its statements.
    pub fn dialect(self) -> Dialect {
        match self {
            Self::Http | Self::Flight => Dialect::Generic,
            Self::Postgres => Dialect::Postgres,
        }
    }

    /// Its name in `system.queries`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Postgres => "postgresql",
            Self::Flight => "flight",
        }
    }
}

/// What a caller has set. A copy is taken when a statement begins, so that no later change reaches it.
#[derive(Debug, Clone)]
pub struct SqlSession {
    /// Who asks.
    pub caller: Caller,
    /// Through which door.
    pub interface: Interface,
    /// What the caller's program calls itself; empty where it does not say.
    pub application_name: Arc<str>,
    /// Zone of times without one, by its IANA name or as an offset (`+07:00`), in which times with a zone are shown.
    pub time_zone: Arc<str>,
    /// Schema of tables that are named without one.
    pub schema: Arc<str>,
    /// Limit of a statement's time below that of the server.
    pub statement_timeout: Option<Duration>,
    /// What the door adds to SQL.
    pub extension: Option<Arc<dyn SessionExtension>>,
}

impl SqlSession {
    /// A session in which nothing was set: times are UTC.
    pub fn new(caller: Caller, interface: Interface) -> Self {
        Self {
            caller,
            interface,
            application_name: Arc::from(""),
            time_zone: Arc::from(UTC),
            schema: Arc::from(SCHEMA),
            statement_timeout: None,
            extension: None,
        }
    }

    /// Whether its times are UTC, as the stored ones are.
    pub fn is_utc(&self) -> bool {
        matches!(&*self.time_zone, UTC | "+00:00")
    }
}

/// What a door adds to SQL: functions, names of types, schemas of its own. It sees the tables of one statement.
pub trait SessionExtension: fmt::Debug + Send + Sync {
    /// Adds functions and planners.
    fn extend(&self, session: &SqlSession, state: SessionStateBuilder) -> Result<SessionStateBuilder>;

    /// Schemas beside those that there are, by name. `tables` are all that can be asked for.
    fn schemas(&self, session: &SqlSession, tables: &Arc<[ListedTable]>) -> Vec<(String, Arc<dyn SchemaProvider>)>;
}

/// The zone of stored times.
pub const UTC: &str = "UTC";
