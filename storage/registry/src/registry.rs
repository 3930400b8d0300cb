//! The registry's file, its one writer, and how what others change in the file reaches memory.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use arc_swap::ArcSwap;
use rusqlite::{Connection, OpenFlags};
use zonelake_schemas::Locations;
use zonelake_schemas::clock::Clock;

use crate::RegistryError;
use crate::devices::{DeviceIndex, DevicesPerZone};
use crate::access::gateways::GatewayIndex;
use crate::group_registration::WaitingList;
use crate::sqlite::migrations::migrate;
use crate::registration_quota::NewDevices;
use crate::producers::ProducerIndex;
use crate::access::roles::RoleIndex;
use crate::credentials::secret::{Sha256Digest, random};
use crate::sqlite::seed::seed;
use crate::zones::ZoneIndex;

/// Zones, sites, devices, gateways, producers, roles and the tables, durable in one SQLite file.
///
/// Reads come from memory. Writing calls block on the disk; call them where blocking is allowed.
pub struct Registry {
    pub(crate) path: PathBuf,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) places: ArcSwap<Locations>,
    pub(crate) zones: ArcSwap<ZoneIndex>,
    pub(crate) devices: DeviceIndex,
    pub(crate) gateways: ArcSwap<GatewayIndex>,
    pub(crate) producers: RwLock<ProducerIndex>,
    pub(crate) new_devices: Mutex<NewDevices>,
    pub(crate) roles: ArcSwap<RoleIndex>,
    pub(crate) verifying: Mutex<()>,
    /// Salts digests of passwords that are kept in memory; another one in each process.
    pub(crate) process_salt: Sha256Digest,
    writer: Mutex<Writer>,
    pub(crate) waiting: WaitingList,
}

/// What only the one that holds the lock may touch.
pub(crate) struct Writer {
    pub(crate) connection: Connection,
    pub(crate) devices_per_zone: DevicesPerZone,
    /// Why nothing more is written: a write or sync of the file has failed.
    stopped: Option<String>,
    /// `PRAGMA data_version` as of the last load; `None` where memory may lag behind the file.
    seen: Option<i64>,
}

/// How long a call waits for another process that writes.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// Prepared statements that are kept.
const STATEMENTS_MAX: usize = 64;

impl Registry {
    /// Opens the file; makes it, with the reference zones in it, where there is none. Its folder must exist.
    pub fn open(path: &Path, clock: Arc<dyn Clock>) -> Result<Self, RegistryError> {
        let mut connection = open_connection(path)?;
        migrate(&mut connection)
            .map_err(|source| RegistryError::Migrate { path: path.into(), source: Box::new(source) })?;
        seed(&mut connection, path, clock.wall_us())?;
        let registry = Self {
            path: path.into(),
            clock,
            places: ArcSwap::default(),
            zones: ArcSwap::default(),
            devices: DeviceIndex::default(),
            gateways: ArcSwap::default(),
            producers: RwLock::default(),
            new_devices: Mutex::default(),
            roles: ArcSwap::default(),
            verifying: Mutex::default(),
            process_salt: random()?,
            writer: Mutex::new(Writer {
                connection,
                devices_per_zone: DevicesPerZone::default(),
                stopped: None,
                seen: None,
            }),
            waiting: WaitingList::default(),
        };
        registry.refresh()?;
        Ok(registry)
    }

    /// The clock that it was opened with.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// Takes over what another process has changed in the file since; a few microseconds where nothing was.
    pub fn refresh(&self) -> Result<(), RegistryError> {
        self.catch_up(&mut self.lock_writer())
    }

    /// Runs `work` in one transaction, after taking over what others have changed, and returns when it is synced. What
    /// `work` has changed is in memory, too, when this returns.
    pub(crate) fn write<T>(
        &self,
        loads: &[Load],
        work: impl FnOnce(&Connection, &DevicesPerZone) -> Result<T, RegistryError>,
    ) -> Result<T, RegistryError> {
        self.write_as(&mut self.lock_writer(), loads, work)
    }

    /// [`Registry::write`] by whoever holds the writer.
    pub(crate) fn write_as<T>(
        &self,
        writer: &mut Writer,
        loads: &[Load],
        work: impl FnOnce(&Connection, &DevicesPerZone) -> Result<T, RegistryError>,
    ) -> Result<T, RegistryError> {
        if let Some(what) = &writer.stopped {
            return Err(RegistryError::Stopped { path: self.path.clone(), what: what.clone() });
        }
        // Holding the write lock of the file, no other process can change it between the catching up and the commit.
        writer.connection.execute_batch("BEGIN IMMEDIATE").map_err(|source| self.sqlite(source))?;
        let done = self.catch_up(writer).and_then(|()| work(&writer.connection, &writer.devices_per_zone));
        let value = done.inspect_err(|_| self.roll_back(writer))?;
        if let Err(source) = writer.connection.execute_batch("COMMIT") {
            // Whatever has become of it, the next call looks.
            writer.seen = None;
            self.roll_back(writer);
            writer.stop_after(&source, &self.path);
            return Err(self.sqlite(source));
        }
        self.load(writer, loads)?;
        Ok(value)
    }

    /// Runs a reading `work` on the writer's connection.
    pub(crate) fn read<T>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, RegistryError>,
    ) -> Result<T, RegistryError> {
        work(&self.lock_writer().connection)
    }

    /// This error of SQLite, with the file's path.
    pub(crate) fn sqlite(&self, source: rusqlite::Error) -> RegistryError {
        RegistryError::Sqlite { path: self.path.clone(), source }
    }

    /// This error about the file's content.
    pub(crate) fn damaged(&self, what: String) -> RegistryError {
        RegistryError::Damaged { path: self.path.clone(), what }
    }

    fn catch_up(&self, writer: &mut Writer) -> Result<(), RegistryError> {
        let version = data_version(&writer.connection).map_err(|source| self.sqlite(source))?;
        if writer.seen == Some(version) {
            return Ok(());
        }
        self.load(writer, &[Load::Zones, Load::Locations, Load::Gateways, Load::Producers, Load::Roles])?;
        // The version was read before the load: what changes in between is loaded once more, and never missed.
        writer.seen = Some(version);
        Ok(())
    }

    fn load(&self, writer: &mut Writer, loads: &[Load]) -> Result<(), RegistryError> {
        let seen = writer.seen.take();
        for load in loads {
            match load {
                Load::Zones => self.load_zones(&writer.connection),
                Load::Locations => self.load_places(&writer.connection, &mut writer.devices_per_zone),
                Load::Gateways => self.load_gateways(&writer.connection),
                Load::Producers => self.load_producers(&writer.connection),
                Load::Roles => self.load_roles(&writer.connection),
            }?;
        }
        writer.seen = seen;
        Ok(())
    }

    /// Ends the transaction that is open, if one is.
    fn roll_back(&self, writer: &mut Writer) {
        if writer.connection.is_autocommit() {
            return;
        }
        if let Err(error) = writer.connection.execute_batch("ROLLBACK") {
            // SQLite rolls back by itself at the next open; until then each transaction fails with an error of its own.
            tracing::warn!(path = %self.path.display(), %error, "cannot roll back a transaction of the registry");
        }
    }

    pub(crate) fn lock_writer(&self) -> MutexGuard<'_, Writer> {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        // A call that has panicked may have left its transaction open.
        self.roll_back(&mut writer);
        writer
    }
}

/// A part of memory that is loaded from the file, in the order in which they need each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Load {
    Zones,
    Locations,
    Gateways,
    Producers,
    Roles,
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Writer {
    /// Stops writing where the system could not write or sync the file: what it holds is then known only to whoever opens
    /// it anew. A disk that is full is no such case.
    fn stop_after(&mut self, error: &rusqlite::Error, path: &Path) {
        if error.sqlite_error_code() == Some(rusqlite::ErrorCode::SystemIoFailure) {
            tracing::error!(path = %path.display(), "the registry takes nothing more until a restart: {error}");
            self.stopped = Some(error.to_string());
        }
    }
}

fn open_connection(path: &Path) -> Result<Connection, RegistryError> {
    make_private(path).map_err(|source| RegistryError::Open { path: path.into(), source })?;
    let sqlite = |source| RegistryError::Sqlite { path: path.into(), source };
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(sqlite)?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(sqlite)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    let mode: String =
        connection.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0)).map_err(sqlite)?;
    if mode != "wal" {
        tracing::warn!(path = %path.display(), mode, "the registry's file system allows no write-ahead log for it");
    }
    connection.pragma_update(None, "synchronous", "FULL").map_err(sqlite)?;
    connection.pragma_update(None, "foreign_keys", true).map_err(sqlite)?;
    Ok(connection)
}

/// Makes the file where there is none, so that only its owner can read the digests of tokens in it. SQLite gives its
/// journal the same rights.
fn make_private(path: &Path) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.create(true).truncate(false).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop)
}

fn data_version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.prepare_cached("PRAGMA data_version")?.query_row([], |row| row.get(0))
}

#[cfg(test)]
mod tests {
    use rusqlite::ffi;
    use zonelake_schemas::clock::SystemClock;

    use super::*;

    fn failure(code: i32) -> rusqlite::Error {
        rusqlite::Error::SqliteFailure(ffi::Error::new(code), None)
    }

    #[test]
    fn a_failed_sync_stops_what_writes_until_the_file_is_opened_again_and_reading_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("registry.sqlite");
        let registry = Registry::open(&path, Arc::new(SystemClock::default())).unwrap();
        let zone = registry.add_gateway("g", "vung-ang").unwrap().gateway.zone;
        let known = registry.register_devices(zone, &["a"]).unwrap();
        registry.lock_writer().stop_after(&failure(ffi::SQLITE_FULL), &path);
        registry.register_devices(zone, &["b"]).unwrap();

        registry.lock_writer().stop_after(&failure(ffi::SQLITE_IOERR_FSYNC), &path);
        let error = registry.register_devices(zone, &["c"]).unwrap_err();
        assert!(matches!(error, RegistryError::Stopped { .. }), "{error}");
        assert_eq!(error.kind(), zonelake_schemas::ErrorKind::Retry);
        assert_eq!(registry.register_devices(zone, &["a"]).unwrap(), known, "what is known needs no writing");
        registry.refresh().unwrap();
        drop(registry);
        let registry = Registry::open(&path, Arc::new(SystemClock::default())).unwrap();
        registry.register_devices(zone, &["c"]).unwrap();
    }
}
