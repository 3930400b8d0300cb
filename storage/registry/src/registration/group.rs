//! Group commit of registrations: those of devices and producers that wait for the file simultaneously become durable in
//! one transaction. When thousands of gateways come for the first time, each sync of the disk is for many of them.

use std::collections::{HashMap, HashSet};
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, params};
use zonelake_schemas::{GatewayId, ZoneId};

use crate::error::RegistryError;
use crate::index::devices::{DEVICES_PER_ZONE_MAX, DevicesPerZone};
use crate::index::locations::{insert_location, next_key};
use crate::index::producers::PRODUCERS_PER_GATEWAY_MAX;
use crate::lifecycle::apply::next_version;
use crate::lifecycle::history::{DeviceChange, insert_change};
use crate::lifecycle::state::DeviceState;
use crate::registration::waiting::{PendingRegistration, Registration};
use crate::registry::Registry;
use crate::sqlite::database::Load;

impl Registry {
    /// Registers, together with all registrations that are pending, what memory does not know yet. When this returns, it is
    /// durable and in memory.
    pub(crate) fn register(&self, registration: Registration) -> Result<(), RegistryError> {
        let mine = Arc::new(PendingRegistration { registration, outcome: Mutex::default() });
        // Added before the writer is waited for, so that the call which has the writer now, or gets it first, takes it along.
        lock(&self.pending).push(Arc::clone(&mine));
        let mut writer = self.lock_writer();
        if let Some(outcome) = lock(&mine.outcome).take() {
            return outcome;
        }
        let mut group = mem::take(&mut *lock(&self.pending));
        // A transaction that took it along may have failed as a whole; this call then tries once more for itself.
        if !group.iter().any(|pending| Arc::ptr_eq(pending, &mine)) {
            group.push(Arc::clone(&mine));
        }
        let outcomes =
            self.write_as(&mut writer, &[Load::Locations, Load::Details, Load::Producers], |connection, per_zone| {
                let mut transaction = GroupRegistration::new(self, connection, per_zone);
                group.iter().map(|pending| transaction.insert(&pending.registration)).collect::<Result<Vec<_>, _>>()
            })?;
        // Set while the writer is still held: the others look for their outcome once they get it.
        for (pending, outcome) in group.iter().zip(outcomes) {
            *lock(&pending.outcome) = Some(outcome);
        }
        lock(&mine.outcome).take().unwrap_or(Ok(()))
    }
}

/// One transaction of several registrations.
#[derive(Debug)]
struct GroupRegistration<'a> {
    registry: &'a Registry,
    connection: &'a Connection,
    per_zone: &'a DevicesPerZone,
    next_key: u32,
    /// Devices that this transaction has inserted, which memory does not have yet.
    devices: HashSet<(ZoneId, &'a str)>,
    devices_by_zone: HashMap<ZoneId, usize>,
    /// Devices that this transaction has noted as waiting.
    announced: HashSet<(ZoneId, &'a str)>,
    announced_by_zone: HashMap<ZoneId, usize>,
    /// Producers that this transaction has inserted, which memory does not have yet.
    producers: HashSet<(GatewayId, &'a str)>,
    producers_by_gateway: HashMap<GatewayId, usize>,
}

impl<'a> GroupRegistration<'a> {
    fn new(registry: &'a Registry, connection: &'a Connection, per_zone: &'a DevicesPerZone) -> Self {
        Self {
            registry,
            connection,
            per_zone,
            next_key: next_key(&registry.locations.load()),
            devices: HashSet::new(),
            devices_by_zone: HashMap::new(),
            announced: HashSet::new(),
            announced_by_zone: HashMap::new(),
            producers: HashSet::new(),
            producers_by_gateway: HashMap::new(),
        }
    }

    /// Inserts what is new. The inner error is of this registration alone, and then nothing of it is inserted; the outer one
    /// is of the whole transaction.
    fn insert(&mut self, registration: &'a Registration) -> Result<Result<(), RegistryError>, RegistryError> {
        let inserted = match registration {
            Registration::Devices { zone, names } => self.insert_devices(*zone, names),
            Registration::Announced { gateway, zone, names } => self.announce_devices(gateway, *zone, names),
            Registration::Producer { gateway, name } => self.insert_producer(*gateway, name),
        };
        match inserted {
            // After an error of SQLite part of the registration may be inserted, so the whole transaction has to go.
            Err(error @ RegistryError::Sqlite { .. }) => Err(error),
            other => Ok(other),
        }
    }

    fn insert_devices(&mut self, zone: ZoneId, names: &'a [String]) -> Result<(), RegistryError> {
        let known = &self.registry.devices;
        let mut new: Vec<&str> = names
            .iter()
            .map(String::as_str)
            .filter(|name| known.get(zone, name).is_none() && !self.devices.contains(&(zone, name)))
            .collect();
        // One call may have a name twice.
        new.sort_unstable();
        new.dedup();
        self.check_devices(zone, new.len())?;
        let now_us = self.registry.clock.wall_us();
        for name in &new {
            insert_location(self.connection, self.next_key, zone.0, None, Some(name), now_us)
                .map_err(|source| self.registry.sqlite(source))?;
            self.next_key += 1;
        }
        // Counted, since memory learns of these devices only after the commit.
        *self.devices_by_zone.entry(zone).or_default() += new.len();
        self.devices.extend(new.into_iter().map(|name| (zone, name)));
        Ok(())
    }

    fn announce_devices(&mut self, gateway: &str, zone: ZoneId, names: &'a [String]) -> Result<(), RegistryError> {
        let known = self.registry.details.load();
        let is_known = |name: &str| {
            let is_registered = self.registry.devices.get(zone, name).is_some() || self.devices.contains(&(zone, name));
            is_registered || known.get(zone, name).is_some() || self.announced.contains(&(zone, name))
        };
        let mut new: Vec<&str> = names.iter().map(String::as_str).filter(|name| !is_known(name)).collect();
        new.sort_unstable();
        new.dedup();
        let waiting = known.announced(zone) + self.announced_by_zone.get(&zone).copied().unwrap_or(0);
        if self.registry.zone(zone).is_none() {
            return Err(RegistryError::Unknown { what: "zone", name: zone.to_string() });
        }
        self.registry.check_waiting(zone, waiting + new.len())?;
        self.insert_announced(gateway, zone, &new).map_err(|source| self.registry.sqlite(source))?;
        *self.announced_by_zone.entry(zone).or_default() += new.len();
        self.announced.extend(new.into_iter().map(|name| (zone, name)));
        Ok(())
    }

    fn insert_announced(&self, gateway: &str, zone: ZoneId, names: &[&str]) -> rusqlite::Result<()> {
        let version = next_version(self.connection)?;
        let now_us = self.registry.clock.wall_us();
        let change = DeviceChange {
            changed_us: now_us,
            changed_by: gateway.to_owned(),
            attribute: "state".to_owned(),
            before: None,
            after: Some(DeviceState::Announced.name().to_owned()),
        };
        for name in names {
            self.connection
                .prepare_cached(
                    "INSERT INTO devices (zone, name, version, state, changed_us) VALUES (?1, ?2, ?3, 'announced', ?4)",
                )?
                .execute(params![zone.0, name, version, now_us])?;
            insert_change(self.connection, zone, name, &change)?;
        }
        Ok(())
    }

    fn insert_producer(&mut self, gateway: GatewayId, name: &'a str) -> Result<(), RegistryError> {
        let producers = self.registry.producers.read().unwrap_or_else(PoisonError::into_inner);
        let (is_known, in_memory) = (producers.id(gateway, name).is_some(), producers.count(gateway));
        // Given back before the disk is used: lookups must not wait for it.
        drop(producers);
        if is_known || self.producers.contains(&(gateway, name)) {
            return Ok(());
        }
        self.check_producer(gateway, in_memory)?;
        self.connection
            .prepare_cached("INSERT INTO producers (gateway, name, created_us) VALUES (?1, ?2, ?3)")
            .and_then(|mut insert| insert.execute(params![gateway.0, name, self.registry.clock.wall_us()]))
            .map_err(|source| self.registry.sqlite(source))?;
        self.producers.insert((gateway, name));
        *self.producers_by_gateway.entry(gateway).or_default() += 1;
        Ok(())
    }

    /// Refuses devices of an unknown zone, and those above the zone's limit.
    fn check_devices(&self, zone: ZoneId, more: usize) -> Result<(), RegistryError> {
        let zones = self.registry.zones.load();
        let Some(known) = zones.zone(zone) else {
            return Err(RegistryError::Unknown { what: "zone", name: zone.to_string() });
        };
        let in_memory = self.per_zone.get(&zone).copied().unwrap_or(0);
        let inserted = self.devices_by_zone.get(&zone).copied().unwrap_or(0);
        if in_memory + inserted + more > DEVICES_PER_ZONE_MAX {
            let name = known.code.to_string();
            return Err(RegistryError::Limit { what: "devices", name, limit: DEVICES_PER_ZONE_MAX });
        }
        Ok(())
    }

    /// Refuses a producer of an unknown gateway, and one above the gateway's limit.
    fn check_producer(&self, gateway: GatewayId, in_memory: usize) -> Result<(), RegistryError> {
        let gateways = self.registry.gateways.load();
        let Some(known) = gateways.gateway(gateway) else {
            return Err(RegistryError::Unknown { what: "gateway", name: gateway.to_string() });
        };
        let inserted = self.producers_by_gateway.get(&gateway).copied().unwrap_or(0);
        if in_memory + inserted >= PRODUCERS_PER_GATEWAY_MAX {
            let (name, limit) = (known.name.clone(), PRODUCERS_PER_GATEWAY_MAX);
            return Err(RegistryError::Limit { what: "producers", name, limit });
        }
        Ok(())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use zonelake_schemas::clock::SystemClock;

    use super::*;

    #[test]
    fn registrations_at_the_same_time_are_all_durable_and_each_has_its_own_outcome() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("registry.sqlite");
        let open = || Registry::open(&path, Arc::new(SystemClock::default())).unwrap();
        let registry = open();
        let gateway = registry.add_gateway("g", "vung-ang").unwrap().gateway;
        let zone = gateway.zone;
        let threads = 24;
        let barrier = Barrier::new(threads);
        let keys: Vec<_> = std::thread::scope(|scope| {
            let (registry, barrier, gateway) = (&registry, &barrier, &gateway);
            let start = |n: usize| {
                scope.spawn(move || {
                    barrier.wait();
                    let own = format!("own-{n}");
                    if n == 7 {
                        let unknown = registry.register_devices(ZoneId(60_000), &["x"]).unwrap_err();
                        assert!(matches!(unknown, RegistryError::Unknown { .. }), "{unknown}");
                    }
                    let keys = registry.register_devices(zone, &["shared", &own, &own]).unwrap();
                    assert_eq!(keys[1], keys[2]);
                    let producer = registry.producer(gateway.id, &format!("p-{}", n % 5)).unwrap();
                    (n, keys[0], keys[1], producer)
                })
            };
            let threads: Vec<_> = (0..threads).map(start).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(keys.iter().all(|(_, shared, ..)| *shared == keys[0].1));
        let own: HashSet<_> = keys.iter().map(|(_, _, own, _)| *own).collect();
        assert_eq!(own.len(), threads);
        let producers: HashSet<_> = keys.iter().map(|(.., producer)| *producer).collect();
        assert_eq!(producers.len(), 5);
        drop(registry);
        let again = open();
        for (n, shared, own, producer) in keys {
            assert_eq!(again.device(zone, "shared"), Some(shared));
            assert_eq!(again.device(zone, &format!("own-{n}")), Some(own));
            assert_eq!(again.producer(gateway.id, &format!("p-{}", n % 5)).unwrap(), producer);
        }
    }
}
