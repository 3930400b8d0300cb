//! Registrations of devices and producers that wait for the file at the same time become durable in one transaction: when
//! thousands of gateways come for the first time, each sync of the disk is for many of them.

use std::collections::{HashMap, HashSet};
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, params};
use zonelake_schemas::{GatewayId, ZoneId};

use crate::devices::{DevicesPerZone, insert_place, next_key};
use crate::registry::Load;
use crate::{Registry, RegistryError};

/// What is to be registered.
#[derive(Debug)]
pub(crate) enum Registration {
    Devices { zone: ZoneId, names: Vec<String> },
    Producer { gateway: GatewayId, name: String },
}

/// A registration on its way.
#[derive(Debug)]
pub(crate) struct Waiting {
    registration: Registration,
    /// Set by whoever has written it.
    outcome: Mutex<Option<Result<(), RegistryError>>>,
}

/// All that wait for the writer.
pub(crate) type WaitingList = Mutex<Vec<Arc<Waiting>>>;

impl Registry {
    /// Registers, together with all that wait meanwhile, what memory does not know yet. When this returns, it is durable and
    /// in memory.
    pub(crate) fn register(&self, registration: Registration) -> Result<(), RegistryError> {
        let mine = Arc::new(Waiting { registration, outcome: Mutex::default() });
        lock(&self.waiting).push(Arc::clone(&mine));
        let mut writer = self.lock_writer();
        if let Some(outcome) = lock(&mine.outcome).take() {
            return outcome;
        }
        let mut all = mem::take(&mut *lock(&self.waiting));
        // A transaction that took it along may have failed as a whole.
        if !all.iter().any(|waiting| Arc::ptr_eq(waiting, &mine)) {
            all.push(Arc::clone(&mine));
        }
        let outcomes = self.write_as(&mut writer, &[Load::Locations, Load::Producers], |connection, per_zone| {
            let mut joined = Joined::new(self, connection, per_zone);
            all.iter().map(|waiting| joined.insert(&waiting.registration)).collect::<Result<Vec<_>, _>>()
        })?;
        for (waiting, outcome) in all.iter().zip(outcomes) {
            *lock(&waiting.outcome) = Some(outcome);
        }
        lock(&mine.outcome).take().unwrap_or(Ok(()))
    }
}

/// One transaction of several registrations.
struct Joined<'a> {
    registry: &'a Registry,
    connection: &'a Connection,
    per_zone: &'a DevicesPerZone,
    next_key: u32,
    /// What this transaction has inserted, which memory does not have yet.
    devices: HashSet<(ZoneId, &'a str)>,
    devices_of: HashMap<ZoneId, usize>,
    producers: HashSet<(GatewayId, &'a str)>,
    producers_of: HashMap<GatewayId, usize>,
}

impl<'a> Joined<'a> {
    fn new(registry: &'a Registry, connection: &'a Connection, per_zone: &'a DevicesPerZone) -> Self {
        Self {
            registry,
            connection,
            per_zone,
            next_key: next_key(&registry.places()),
            devices: HashSet::new(),
            devices_of: HashMap::new(),
            producers: HashSet::new(),
            producers_of: HashMap::new(),
        }
    }

    /// Inserts what is new. The inner error is of this registration alone, and then nothing of it is inserted; the outer one
    /// is of the whole transaction.
    fn insert(&mut self, registration: &'a Registration) -> Result<Result<(), RegistryError>, RegistryError> {
        let inserted = match registration {
            Registration::Devices { zone, names } => self.insert_devices(*zone, names),
            Registration::Producer { gateway, name } => self.insert_producer(*gateway, name),
        };
        match inserted {
            Err(error @ RegistryError::Sqlite { .. }) => Err(error),
            other => Ok(other),
        }
    }

    fn insert_devices(&mut self, zone: ZoneId, names: &'a [String]) -> Result<(), RegistryError> {
        let mut new: Vec<&str> = names
            .iter()
            .map(String::as_str)
            .filter(|name| self.registry.device(zone, name).is_none() && !self.devices.contains(&(zone, name)))
            .collect();
        new.sort_unstable();
        new.dedup();
        let inserted = self.devices_of.get(&zone).copied().unwrap_or(0);
        self.registry.check_room(zone, self.per_zone, inserted + new.len())?;
        let now_us = self.registry.clock.wall_us();
        for name in &new {
            insert_place(self.connection, self.next_key, zone.0, None, Some(name), now_us)
                .map_err(|source| self.registry.sqlite(source))?;
            self.next_key += 1;
        }
        *self.devices_of.entry(zone).or_default() += new.len();
        self.devices.extend(new.into_iter().map(|name| (zone, name)));
        Ok(())
    }

    fn insert_producer(&mut self, gateway: GatewayId, name: &'a str) -> Result<(), RegistryError> {
        if self.registry.known_producer(gateway, name).is_some() || self.producers.contains(&(gateway, name)) {
            return Ok(());
        }
        let inserted = self.producers_of.get(&gateway).copied().unwrap_or(0);
        self.registry.check_room_for_producer(gateway, inserted)?;
        self.connection
            .prepare_cached("INSERT INTO producers (gateway, name, created_us) VALUES (?1, ?2, ?3)")
            .and_then(|mut insert| insert.execute(params![gateway.0, name, self.registry.clock.wall_us()]))
            .map_err(|source| self.registry.sqlite(source))?;
        self.producers.insert((gateway, name));
        *self.producers_of.entry(gateway).or_default() += 1;
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
