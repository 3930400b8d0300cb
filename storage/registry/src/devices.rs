//! Devices by name, and the place behind each key.
//!
//! Both live in memory as shared snapshots. A lookup by key or name is a few loads and never waits for a writer; adding
//! a device copies one bucket of names and one chunk of places, not all of them.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use rusqlite::{Connection, params};
use zonelake_schemas::{DeviceKey, Location, Locations, ZoneId};

use crate::group_registration::Registration;
use crate::names::check_name;
use crate::registry::Load;
use crate::zones::{SiteId, ZoneIndex};
use crate::{Registry, RegistryError};

/// Devices that one zone may have, so that a gateway gone wrong cannot fill memory; more are refused.
pub const DEVICES_PER_ZONE_MAX: usize = 1_000_000;

/// A device where it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// Its key at this place.
    pub key: DeviceKey,
    /// Its zone.
    pub zone: ZoneId,
    /// Code of its province.
    pub province: Arc<str>,
    /// Code of its zone.
    pub zone_code: Arc<str>,
    /// Code of its site, where it is assigned to one.
    pub site: Option<Arc<str>>,
    /// Its name within the zone.
    pub name: Arc<str>,
    /// When it was registered at this place: microseconds since 1970, UTC.
    pub registered_us: i64,
}

impl Registry {
    /// All places as of now, by key. A key that any call has given out is in every snapshot taken afterwards.
    pub fn places(&self) -> Arc<Locations> {
        self.places.load_full()
    }

    /// The place of a key.
    pub fn place(&self, key: DeviceKey) -> Option<Arc<Location>> {
        self.places.load().get(key).cloned()
    }

    /// The current key of a device, from memory; `None` where it is not registered.
    pub fn device(&self, zone: ZoneId, name: &str) -> Option<DeviceKey> {
        self.devices.get(zone, name)
    }

    /// All devices where they are now, by key.
    pub fn devices(&self) -> Vec<Device> {
        // The names first: every key in them is in the places that are loaded afterwards.
        let mut devices = Vec::new();
        self.devices.for_each(|entry| devices.push(entry.clone()));
        devices.sort_unstable_by_key(|entry| entry.key);
        let places = self.places.load();
        let placed = |entry: Entry| {
            let place = places.get(entry.key)?;
            Some(Device {
                key: entry.key,
                zone: entry.zone,
                province: place.province.clone()?,
                zone_code: place.zone.clone()?,
                site: place.site.clone(),
                name: entry.name,
                registered_us: entry.registered_us,
            })
        };
        devices.into_iter().filter_map(placed).collect()
    }

    /// How many moves of devices this process has seen. Whoever keeps keys by name looks them up again when it grows.
    pub fn device_moves(&self) -> u64 {
        self.devices.moves.load(Ordering::Acquire)
    }

    /// Keys of the devices of those names, in their order; names that are not known are registered, all in one durable
    /// transaction. Whether the zone's policy allows that is for the caller to know ([`crate::Gateway::auto_register`]).
    pub fn register_devices(&self, zone: ZoneId, names: &[&str]) -> Result<Vec<DeviceKey>, RegistryError> {
        for name in names {
            check_name("device", name)?;
        }
        if let Some(keys) = self.devices.get_all(zone, names) {
            return Ok(keys);
        }
        let names_owned = names.iter().map(|name| (*name).to_owned()).collect();
        self.register(Registration::Devices { zone, names: names_owned })?;
        self.devices
            .get_all(zone, names)
            .ok_or_else(|| self.damaged(format!("devices of zone {zone} are gone after they were written")))
    }

    /// Puts a device into a site of its zone, or into none. It gets a new key, so that what it has measured before keeps
    /// its place; where it is there already, its key stays.
    pub fn assign_device_site(
        &self,
        zone_code: &str,
        device: &str,
        site_code: Option<&str>,
    ) -> Result<DeviceKey, RegistryError> {
        self.write(&[Load::Locations], |connection, _| {
            let zone = self.known_zone(zone_code)?;
            let unknown = |what, name: &str| RegistryError::Unknown { what, name: format!("{zone_code}/{name}") };
            let old = self.devices.get(zone.id, device).ok_or_else(|| unknown("device", device))?;
            let site = site_code
                .map(|code| self.zones.load().site(zone.id, code).ok_or_else(|| unknown("site", code)))
                .transpose()?;
            let places = self.places.load();
            if places.get(old).is_some_and(|place| place.site.as_deref() == site_code) {
                return Ok(old);
            }
            let new = next_key(&places);
            let now_us = self.clock.wall_us();
            let insert = || {
                connection.execute("UPDATE places SET current = 0 WHERE key = ?1", [old.0])?;
                insert_place(connection, new, zone.id.0, site, Some(device), now_us)
            };
            insert().map_err(|source| self.sqlite(source))?;
            Ok(DeviceKey(new))
        })
    }

    pub(crate) fn check_room(&self, zone: ZoneId, per_zone: &DevicesPerZone, more: usize) -> Result<(), RegistryError> {
        let zones = self.zones.load();
        let Some(known) = zones.zone(zone) else {
            return Err(RegistryError::Unknown { what: "zone", name: zone.to_string() });
        };
        if per_zone.get(&zone).copied().unwrap_or(0) + more > DEVICES_PER_ZONE_MAX {
            let name = known.code.to_string();
            return Err(RegistryError::Limit { what: "devices", name, limit: DEVICES_PER_ZONE_MAX });
        }
        Ok(())
    }

    /// Takes the places that memory does not have yet.
    pub(crate) fn load_places(
        &self,
        connection: &Connection,
        per_zone: &mut DevicesPerZone,
    ) -> Result<(), RegistryError> {
        let before = self.places.load_full();
        let (places, entries) = self.read_places(connection, next_key(&before))?;
        if places.is_empty() {
            return Ok(());
        }
        // The places first: whoever finds a name finds the place of its key.
        self.places.store(Arc::new(before.extended_by(places)));
        for zone in self.devices.insert(entries) {
            *per_zone.entry(zone).or_default() += 1;
        }
        Ok(())
    }

    fn read_places(
        &self,
        connection: &Connection,
        first: u32,
    ) -> Result<(Vec<Arc<Location>>, Vec<Entry>), RegistryError> {
        let zones = self.zones.load();
        let mut places = Vec::new();
        let mut entries = Vec::new();
        let mut read = || {
            let mut statement = connection.prepare_cached(
                "SELECT key, zone, site, device, registered_us FROM places WHERE key >= ?1 ORDER BY key",
            )?;
            let mut rows = statement.query([first])?;
            let mut expected = first..;
            while let (Some(row), Some(expected)) = (rows.next()?, expected.next()) {
                let stored = StoredPlace {
                    key: row.get(0)?,
                    zone: ZoneId(row.get(1)?),
                    site: row.get::<_, Option<u32>>(2)?.map(SiteId),
                    device: row.get(3)?,
                };
                match stored.resolve(expected, &zones) {
                    Ok(place) => places.push(place),
                    Err(what) => return Ok(Err(self.damaged(what))),
                }
                if let Some(name) = stored.device {
                    let (zone, key) = (stored.zone, DeviceKey(stored.key));
                    entries.push(self.devices.entry(zone, name, key, row.get(4)?));
                }
            }
            Ok(Ok(()))
        };
        read().map_err(|source| self.sqlite(source))??;
        Ok((places, entries))
    }
}

/// Devices in each zone.
pub(crate) type DevicesPerZone = HashMap<ZoneId, usize>;

/// The key that the next place gets.
pub(crate) fn next_key(places: &Locations) -> u32 {
    u32::try_from(places.len() + 1).expect("zones and the devices in them are limited far below 2^32")
}

pub(crate) fn insert_place(
    connection: &Connection,
    key: u32,
    zone: u32,
    site: Option<SiteId>,
    device: Option<&str>,
    now_us: i64,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached("INSERT INTO places (key, zone, site, device, registered_us) VALUES (?1, ?2, ?3, ?4, ?5)")?
        .execute(params![key, zone, site.map(|site| site.0), device, now_us])?;
    Ok(())
}

/// A row of `places`.
struct StoredPlace {
    key: u32,
    zone: ZoneId,
    site: Option<SiteId>,
    device: Option<Arc<str>>,
}

impl StoredPlace {
    /// This row as a place; in words where it cannot be one.
    fn resolve(&self, expected: u32, zones: &ZoneIndex) -> Result<Arc<Location>, String> {
        if self.key != expected {
            return Err(format!("place {expected} is missing"));
        }
        let zone = zones
            .zone(self.zone)
            .ok_or_else(|| format!("place {} is in zone {}, which is missing", self.key, self.zone))?;
        let site = match self.site {
            Some(site) => Some(
                zones.site_code(site).cloned().ok_or_else(|| format!("the site of place {} is missing", self.key))?,
            ),
            None => None,
        };
        Ok(Arc::new(Location {
            province: Some(Arc::clone(&zone.province)),
            zone: Some(Arc::clone(&zone.code)),
            site,
            device: self.device.clone(),
        }))
    }
}

/// Devices by zone and name, in buckets by the hash of both. A reader loads one bucket; a writer replaces it.
#[derive(Debug)]
pub(crate) struct DeviceIndex {
    /// Keyed at random: names come from outside.
    hasher: RandomState,
    buckets: Box<[ArcSwap<Vec<Entry>>]>,
    moves: AtomicU64,
}

/// Bits of the hash that choose the bucket, at most 16: of a million devices, 244 are in one.
const BUCKET_BITS: u32 = 12;

/// A device's name and key. A bucket is sorted by hash.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    hash: u64,
    zone: ZoneId,
    key: DeviceKey,
    name: Arc<str>,
    registered_us: i64,
}

impl Default for DeviceIndex {
    fn default() -> Self {
        Self {
            hasher: RandomState::new(),
            buckets: (0..1 << BUCKET_BITS).map(|_| ArcSwap::default()).collect(),
            moves: AtomicU64::new(0),
        }
    }
}

impl DeviceIndex {
    fn entry(&self, zone: ZoneId, name: Arc<str>, key: DeviceKey, registered_us: i64) -> Entry {
        Entry { hash: self.hash(zone, &name), zone, key, name, registered_us }
    }

    fn get(&self, zone: ZoneId, name: &str) -> Option<DeviceKey> {
        let hash = self.hash(zone, name);
        let bucket = self.bucket(hash).load();
        position(&bucket, hash, zone, name).ok().map(|index| bucket[index].key)
    }

    fn get_all(&self, zone: ZoneId, names: &[&str]) -> Option<Vec<DeviceKey>> {
        names.iter().map(|name| self.get(zone, name)).collect()
    }

    /// Puts devices in; one of a known name replaces it where its key is greater. Returns the zone of each that is new.
    /// Only one caller at a time.
    fn insert(&self, mut entries: Vec<Entry>) -> Vec<ZoneId> {
        let mut added = Vec::new();
        let mut moves = 0;
        // The first bits of the hash choose the bucket, so those of one bucket are neighbours.
        entries.sort_unstable_by_key(|entry| (entry.hash, entry.key));
        for group in entries.chunk_by(|a, b| bucket_index(a.hash) == bucket_index(b.hash)) {
            let slot = self.bucket(group[0].hash);
            let mut bucket = Vec::clone(&slot.load());
            for entry in group {
                match position(&bucket, entry.hash, entry.zone, &entry.name) {
                    Ok(index) => {
                        moves += 1;
                        bucket[index] = entry.clone();
                    }
                    Err(index) => {
                        added.push(entry.zone);
                        bucket.insert(index, entry.clone());
                    }
                }
            }
            slot.store(Arc::new(bucket));
        }
        if moves > 0 {
            self.moves.fetch_add(moves, Ordering::Release);
        }
        added
    }

    fn for_each(&self, mut each: impl FnMut(&Entry)) {
        for bucket in &self.buckets {
            bucket.load().iter().for_each(&mut each);
        }
    }

    fn hash(&self, zone: ZoneId, name: &str) -> u64 {
        self.hasher.hash_one((zone, name))
    }

    fn bucket(&self, hash: u64) -> &ArcSwap<Vec<Entry>> {
        &self.buckets[bucket_index(hash)]
    }
}

/// The first [`BUCKET_BITS`] bits of the hash.
fn bucket_index(hash: u64) -> usize {
    let [first, second, ..] = hash.to_be_bytes();
    usize::from(u16::from_be_bytes([first, second]) >> (u16::BITS - BUCKET_BITS))
}

/// Where the device is in its bucket, or where it would have to be put.
fn position(bucket: &[Entry], hash: u64, zone: ZoneId, name: &str) -> Result<usize, usize> {
    let first = bucket.partition_point(|entry| entry.hash < hash);
    let same_hash = bucket[first..].iter().take_while(|entry| entry.hash == hash);
    for (index, entry) in (first..).zip(same_hash) {
        if entry.zone == zone && &*entry.name == name {
            return Ok(index);
        }
    }
    Err(first)
}
