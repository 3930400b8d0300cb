//! The registry: what is held in memory, the one writer of the file, and how changes of the file reach memory.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use arc_swap::ArcSwap;
use rusqlite::Connection;
use zonelake_schemas::Locations;
use zonelake_schemas::clock::Clock;

use crate::credentials::personal_key::PersonalKey;
use crate::credentials::secret::Sha256Digest;
use crate::error::RegistryError;
use crate::index::alert_rules::{AlertRuleIndex, read_alert_rules};
use crate::index::device_details::{DetailIndex, read_details};
use crate::index::devices::{DeviceIndex, DevicesPerZone};
use crate::index::gateways::GatewayIndex;
use crate::index::locations::{next_key, read_locations};
use crate::index::producers::{ProducerIndex, read_producers};
use crate::index::roles::RoleIndex;
use crate::index::tokens::TokenIndex;
use crate::index::zones::ZoneIndex;
use crate::reference::stored::{ReferenceIndex, read_reference};
use crate::registration::quota::RegistrationQuotas;
use crate::registration::waiting::PendingRegistrations;
use crate::sqlite::database::{Database, Load};

/// Zones, sites, devices, gateways, producers, roles and the tables, durable in one SQLite file.
///
/// Reads come from memory. Writing calls block on the disk; call them where blocking is allowed. A writing call returns
/// when its transaction is synced, so that its result survives a crash and a power loss.
pub struct Registry {
    pub(crate) path: PathBuf,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) zones: ArcSwap<ZoneIndex>,
    pub(crate) locations: ArcSwap<Locations>,
    pub(crate) devices: DeviceIndex,
    pub(crate) details: ArcSwap<DetailIndex>,
    pub(crate) gateways: ArcSwap<GatewayIndex>,
    pub(crate) producers: RwLock<ProducerIndex>,
    pub(crate) roles: ArcSwap<RoleIndex>,
    pub(crate) tokens: ArcSwap<TokenIndex>,
    pub(crate) reference: ArcSwap<ReferenceIndex>,
    pub(crate) alert_rules: ArcSwap<AlertRuleIndex>,
    pub(crate) registration_quotas: RegistrationQuotas,
    /// Key under which personal data are hashed.
    pub(crate) personal_key: PersonalKey,
    /// Held while a password is hashed.
    pub(crate) verifying: Mutex<()>,
    /// Salt of the digests of passwords that are held in memory; another one in each process.
    pub(crate) process_salt: Sha256Digest,
    pub(crate) pending: PendingRegistrations,
    /// Called when credentials may have ended.
    credential_listeners: Mutex<Vec<CredentialListener>>,
    writer: Mutex<Writer>,
}

/// What is called when credentials may have ended; it must not block.
type CredentialListener = Box<dyn Fn() + Send + Sync>;

/// State that only the thread that holds the lock may touch.
#[derive(Debug)]
pub(crate) struct Writer {
    database: Database,
    devices_per_zone: DevicesPerZone,
}

/// Secrets that a registry is opened with.
pub(crate) struct Secrets {
    pub(crate) process_salt: Sha256Digest,
    pub(crate) personal_key: PersonalKey,
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Registry {
    /// A registry that has loaded nothing yet.
    pub(crate) fn new(path: &Path, clock: Arc<dyn Clock>, secrets: Secrets, database: Database) -> Self {
        Self {
            path: path.into(),
            clock,
            zones: ArcSwap::default(),
            locations: ArcSwap::default(),
            devices: DeviceIndex::default(),
            details: ArcSwap::default(),
            gateways: ArcSwap::default(),
            producers: RwLock::default(),
            roles: ArcSwap::default(),
            tokens: ArcSwap::default(),
            reference: ArcSwap::default(),
            alert_rules: ArcSwap::default(),
            registration_quotas: RegistrationQuotas::default(),
            verifying: Mutex::default(),
            process_salt: secrets.process_salt,
            personal_key: secrets.personal_key,
            pending: PendingRegistrations::default(),
            credential_listeners: Mutex::default(),
            writer: Mutex::new(Writer { database, devices_per_zone: DevicesPerZone::default() }),
        }
    }

    /// The clock that the registry was opened with.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// Loads what another process has changed in the file since; a few microseconds where nothing was.
    ///
    /// # Errors
    /// [`RegistryError::Damaged`], and errors of SQLite.
    pub fn refresh(&self) -> Result<(), RegistryError> {
        self.catch_up(&mut self.lock_writer())
    }

    /// Runs `work` in one transaction, after loading what others have changed, and returns when it is synced. The parts
    /// that `work` has changed, `loads`, are in memory, too, when this returns.
    pub(crate) fn write<T>(
        &self,
        loads: &[Load],
        work: impl FnOnce(&Connection, &DevicesPerZone) -> Result<T, RegistryError>,
    ) -> Result<T, RegistryError> {
        self.write_as(&mut self.lock_writer(), loads, work)
    }

    /// [`Registry::write`] for a caller that holds the writer.
    pub(crate) fn write_as<T>(
        &self,
        writer: &mut Writer,
        loads: &[Load],
        work: impl FnOnce(&Connection, &DevicesPerZone) -> Result<T, RegistryError>,
    ) -> Result<T, RegistryError> {
        writer.database.begin()?;
        // While this process holds the file's write lock, no other one can change it between the loading and the commit.
        // What others have registered has to be known before `work` looks for names and counts against limits.
        let done = self.catch_up(writer).and_then(|()| work(writer.database.connection(), &writer.devices_per_zone));
        let value = done.inspect_err(|_| writer.database.roll_back())?;
        writer.database.commit()?;
        // Only now: memory must never have what the file might lose.
        self.load(writer, loads)?;
        Ok(value)
    }

    /// Runs a reading `work` on the writer's connection.
    pub(crate) fn read<T>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, RegistryError>,
    ) -> Result<T, RegistryError> {
        work(self.lock_writer().database.connection())
    }

    /// This error of SQLite, with the file's path.
    pub(crate) fn sqlite(&self, source: rusqlite::Error) -> RegistryError {
        RegistryError::Sqlite { path: self.path.clone(), source }
    }

    /// This error about the file's content.
    pub(crate) fn damaged(&self, what: String) -> RegistryError {
        RegistryError::Damaged { path: self.path.clone(), what }
    }

    pub(crate) fn lock_writer(&self) -> MutexGuard<'_, Writer> {
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        // A call that has panicked may have left its transaction open.
        writer.database.roll_back();
        writer
    }

    fn catch_up(&self, writer: &mut Writer) -> Result<(), RegistryError> {
        let Some(version) = writer.database.version_to_load()? else { return Ok(()) };
        self.load(writer, &Load::ALL)?;
        // The version was read before the load: what changes in between is loaded once more, and never missed.
        writer.database.set_loaded_version(Some(version));
        Ok(())
    }

    fn load(&self, writer: &mut Writer, loads: &[Load]) -> Result<(), RegistryError> {
        // Taken out, so that a load that fails halfway is repeated in full by the next call.
        let loaded = writer.database.take_loaded_version();
        for load in loads {
            let connection = writer.database.connection();
            match load {
                Load::Zones => self.load_zones(connection),
                Load::Locations => self.load_locations(connection, &mut writer.devices_per_zone),
                Load::Details => self.load_details(connection),
                Load::Gateways => self.load_gateways(connection),
                Load::Producers => self.load_producers(connection),
                Load::Roles => self.load_roles(connection),
                Load::Tokens => self.load_tokens(connection),
                Load::Reference => self.load_reference(connection),
                Load::AlertRules => self.load_alert_rules(connection),
            }?;
        }
        writer.database.set_loaded_version(loaded);
        if loads.iter().any(|load| matches!(load, Load::Gateways | Load::Roles | Load::Tokens)) {
            let listeners = self.credential_listeners.lock().unwrap_or_else(PoisonError::into_inner);
            listeners.iter().for_each(|listener| listener());
        }
        Ok(())
    }

    /// Calls `listener` whenever gateways, roles or tokens have changed in memory. It must not block and must not call the
    /// registry.
    pub fn on_credentials_changed(&self, listener: impl Fn() + Send + Sync + 'static) {
        self.credential_listeners.lock().unwrap_or_else(PoisonError::into_inner).push(Box::new(listener));
    }

    fn load_zones(&self, connection: &Connection) -> Result<(), RegistryError> {
        let index = ZoneIndex::read(connection).map_err(|source| self.sqlite(source))?;
        self.zones.store(Arc::new(index));
        Ok(())
    }

    /// Loads the locations that memory does not have yet; none is ever changed or removed.
    fn load_locations(&self, connection: &Connection, per_zone: &mut DevicesPerZone) -> Result<(), RegistryError> {
        // Zones were loaded before: a location refers to its zone and site.
        let before = self.locations.load_full();
        let new = read_locations(connection, next_key(&before), &self.zones.load(), &self.devices)
            .map_err(|source| self.sqlite(source))?
            .map_err(|what| self.damaged(what))?;
        if new.locations.is_empty() {
            return Ok(());
        }
        // Locations before names: a reader that finds a name must find the location of its key.
        self.locations.store(Arc::new(before.extended_by(new.locations)));
        for zone in self.devices.insert(new.devices) {
            // A device that has moved is not counted again.
            *per_zone.entry(zone).or_default() += 1;
        }
        Ok(())
    }

    /// Loads what is said of devices since memory was loaded; nothing is ever removed.
    fn load_details(&self, connection: &Connection) -> Result<(), RegistryError> {
        let before = self.details.load_full();
        let new = read_details(connection, before.version())
            .map_err(|source| self.sqlite(source))?
            .map_err(|what| self.damaged(what))?;
        if new.is_empty() {
            return Ok(());
        }
        let (after, has_retired) = before.extended_by(new);
        self.details.store(Arc::new(after));
        if has_retired {
            // Behind the states: a reader that sees the count grow finds them.
            self.devices.note_retired();
        }
        Ok(())
    }

    fn load_gateways(&self, connection: &Connection) -> Result<(), RegistryError> {
        let index = GatewayIndex::read(connection, &self.zones.load(), &self.gateways.load());
        let index = index.map_err(|source| self.sqlite(source))?;
        self.gateways.store(Arc::new(index));
        Ok(())
    }

    /// Loads the producers that memory does not have yet; none is ever changed or removed.
    fn load_producers(&self, connection: &Connection) -> Result<(), RegistryError> {
        let last = self.producers.read().unwrap_or_else(PoisonError::into_inner).last();
        // Read before the lock is taken for writing, so that no lookup waits for the disk.
        let new = read_producers(connection, last).map_err(|source| self.sqlite(source))?;
        self.producers.write().unwrap_or_else(PoisonError::into_inner).insert(new);
        Ok(())
    }

    fn load_reference(&self, connection: &Connection) -> Result<(), RegistryError> {
        let index = read_reference(connection).map_err(|source| self.sqlite(source))?;
        self.reference.store(Arc::new(index));
        Ok(())
    }

    fn load_alert_rules(&self, connection: &Connection) -> Result<(), RegistryError> {
        let index = read_alert_rules(connection).map_err(|source| self.sqlite(source))?;
        self.alert_rules.store(Arc::new(index));
        Ok(())
    }

    fn load_tokens(&self, connection: &Connection) -> Result<(), RegistryError> {
        let index = TokenIndex::read(connection, &self.tokens.load()).map_err(|source| self.sqlite(source))?;
        self.tokens.store(Arc::new(index));
        Ok(())
    }

    fn load_roles(&self, connection: &Connection) -> Result<(), RegistryError> {
        let index = RoleIndex::read(connection, &self.roles.load()).map_err(|source| self.sqlite(source))?;
        self.roles.store(Arc::new(index));
        Ok(())
    }
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
        registry.lock_writer().database.stop_after(&failure(ffi::SQLITE_FULL));
        registry.register_devices(zone, &["b"]).unwrap();

        registry.lock_writer().database.stop_after(&failure(ffi::SQLITE_IOERR_FSYNC));
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
