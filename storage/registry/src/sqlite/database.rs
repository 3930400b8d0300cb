//! The registry's SQLite file as its one writer has it: the connection, its transactions, and whether other processes
//! have changed the file.

use std::fs::OpenOptions;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use crate::error::RegistryError;

/// Time that a call waits for another process that writes.
pub(crate) const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// Prepared statements that are cached.
const STATEMENTS_MAX: usize = 64;

/// A part of memory that is loaded from the file. Parts are listed in the order in which they need each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Load {
    Zones,
    Locations,
    Details,
    Gateways,
    Producers,
    Roles,
    Tokens,
    Reference,
    AlertRules,
}

impl Load {
    /// All parts, in an order in which each finds those that it refers to.
    pub(crate) const ALL: [Self; 9] = [
        Self::Zones,
        Self::Locations,
        Self::Details,
        Self::Gateways,
        Self::Producers,
        Self::Roles,
        Self::Tokens,
        Self::Reference,
        Self::AlertRules,
    ];
}

/// The file, open for writing.
#[derive(Debug)]
pub(crate) struct Database {
    path: PathBuf,
    connection: Connection,
    /// The failure after which nothing more is written: one of a write or sync of the file.
    stopped: Option<String>,
    /// `PRAGMA data_version` as of the last load; `None` where memory may lag behind the file.
    loaded_version: Option<i64>,
}

impl Database {
    /// Takes a connection that [`open_connection`] made and whose schema is up to date.
    pub(crate) fn new(path: &Path, connection: Connection) -> Self {
        Self { path: path.into(), connection, stopped: None, loaded_version: None }
    }

    pub(crate) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Begins a transaction, during which no other process can write.
    ///
    /// # Errors
    /// [`RegistryError::Stopped`], and errors of SQLite.
    pub(crate) fn begin(&self) -> Result<(), RegistryError> {
        if let Some(what) = &self.stopped {
            return Err(RegistryError::Stopped { path: self.path.clone(), what: what.clone() });
        }
        self.connection.execute_batch("BEGIN IMMEDIATE").map_err(|source| self.sqlite(source))
    }

    /// Makes the transaction durable.
    pub(crate) fn commit(&mut self) -> Result<(), RegistryError> {
        let Err(source) = self.connection.execute_batch("COMMIT") else { return Ok(()) };
        // The transaction may or may not be in the file, so the next call loads everything again.
        self.loaded_version = None;
        self.roll_back();
        self.stop_after(&source);
        Err(self.sqlite(source))
    }

    /// Ends the transaction that is open, if one is.
    pub(crate) fn roll_back(&self) {
        // After some errors SQLite has rolled back already.
        if self.connection.is_autocommit() {
            return;
        }
        if let Err(error) = self.connection.execute_batch("ROLLBACK") {
            // SQLite rolls back automatically at the next open; until then each transaction fails with an error of its own.
            tracing::warn!(path = %self.path.display(), %error, "cannot roll back a transaction of the registry");
        }
    }

    /// The version of the file where memory was not loaded at it; `None` where memory is up to date.
    pub(crate) fn version_to_load(&self) -> Result<Option<i64>, RegistryError> {
        // `data_version` changes with commits of other connections only, so that own commits cause no load of
        // everything.
        let version = data_version(&self.connection).map_err(|source| self.sqlite(source))?;
        Ok((self.loaded_version != Some(version)).then_some(version))
    }

    /// The version at which memory was loaded. It is unknown while a load is under way, and stays so if that fails.
    pub(crate) fn take_loaded_version(&mut self) -> Option<i64> {
        self.loaded_version.take()
    }

    /// Notes that memory has all that the file had at this version.
    pub(crate) fn set_loaded_version(&mut self, version: Option<i64>) {
        self.loaded_version = version;
    }

    /// Stops writing where the system could not write or sync the file: its content is then known only after it is opened
    /// again. A full disk is no such case.
    pub(crate) fn stop_after(&mut self, error: &rusqlite::Error) {
        if error.sqlite_error_code() == Some(rusqlite::ErrorCode::SystemIoFailure) {
            tracing::error!(path = %self.path.display(), "the registry takes nothing more until a restart: {error}");
            self.stopped = Some(error.to_string());
        }
    }

    fn sqlite(&self, source: rusqlite::Error) -> RegistryError {
        RegistryError::Sqlite { path: self.path.clone(), source }
    }
}

/// Opens the file for writing; makes an empty one where there is none.
pub(crate) fn open_connection(path: &Path) -> Result<Connection, RegistryError> {
    make_private(path).map_err(|source| RegistryError::Open { path: path.into(), source })?;
    let sqlite = |source| RegistryError::Sqlite { path: path.into(), source };
    // A lock around the connection lets in one thread at a time, so SQLite needs no mutex of its own.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(sqlite)?;
    // Commands work on the folder while a server has the file open; their transactions are short.
    connection.busy_timeout(BUSY_TIMEOUT).map_err(sqlite)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    let mode: String =
        connection.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0)).map_err(sqlite)?;
    if mode != "wal" {
        tracing::warn!(path = %path.display(), mode, "the registry's file system allows no write-ahead log for it");
    }
    // With SQLite's write-ahead log, only FULL syncs at each commit: an id that a call has returned must survive a power loss.
    connection.pragma_update(None, "synchronous", "FULL").map_err(sqlite)?;
    connection.pragma_update(None, "foreign_keys", true).map_err(sqlite)?;
    Ok(connection)
}

/// Makes the file where there is none, so that only its owner can read the digests of tokens in it. SQLite gives its
/// journal the same rights.
pub(crate) fn make_private(path: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop)
}

fn data_version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.prepare_cached("PRAGMA data_version")?.query_row([], |row| row.get(0))
}
