//! Devices by name, and the location behind each key.

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError};

use zonelake_schemas::{DeviceKey, Location, Locations, ZoneId};

use crate::error::RegistryError;
use crate::index::devices::Entry;
use crate::index::gateways::Gateway;
use crate::index::locations::{insert_location, next_key};
use crate::lifecycle::details::DeviceDetails;
use crate::names::check_name;
use crate::registration::waiting::Registration;
use crate::registry::Registry;
use crate::sqlite::database::Load;

/// A device where it is now.
#[derive(Debug, Clone, PartialEq)]
pub struct Device {
    /// Key of the device at this location.
    pub key: DeviceKey,
    /// Zone of the device.
    pub zone: ZoneId,
    /// Code of the province.
    pub province: Arc<str>,
    /// Code of the zone.
    pub zone_code: Arc<str>,
    /// Code of the site, where the device is assigned to one.
    pub site: Option<Arc<str>>,
    /// Name of the device within the zone.
    pub name: Arc<str>,
    /// Time of registration at this location: microseconds since 1970, UTC.
    pub registered_us: i64,
    /// What is said of it; `None` where nobody has said anything.
    pub details: Option<Arc<DeviceDetails>>,
}

impl Registry {
    /// All locations as of now, by key. A key that any call has returned is in every snapshot taken afterwards.
    pub fn locations(&self) -> Arc<Locations> {
        self.locations.load_full()
    }

    /// The location of a key.
    pub fn location(&self, key: DeviceKey) -> Option<Arc<Location>> {
        self.locations.load().get(key).cloned()
    }

    /// The current key of a device, from memory; `None` where it is not registered.
    pub fn device(&self, zone: ZoneId, name: &str) -> Option<DeviceKey> {
        self.devices.get(zone, name)
    }

    /// All devices where they are now, by key.
    pub fn devices(&self) -> Vec<Device> {
        // The names first: every key in them is in the locations that are loaded afterwards.
        let mut entries = self.devices.entries();
        entries.sort_unstable_by_key(|entry| entry.key);
        let locations = self.locations.load();
        let details = self.details.load();
        let located = |entry: Entry| {
            let location = locations.get(entry.key)?;
            Some(Device {
                key: entry.key,
                zone: entry.zone,
                province: location.province.clone()?,
                zone_code: location.zone.clone()?,
                site: location.site.clone(),
                details: details.get(entry.zone, &entry.name).cloned(),
                name: entry.name,
                registered_us: entry.registered_us,
            })
        };
        entries.into_iter().filter_map(located).collect()
    }

    /// Number of moves and retirements of devices that this process has seen. A caller that caches keys by name looks them up again when
    /// it grows.
    pub fn device_moves(&self) -> u64 {
        self.devices.moves()
    }

    /// Keys of the devices of those names, in their order; unknown names are registered, all in one durable transaction.
    /// The caller checks that the zone's policy allows that ([`Gateway::auto_register`]).
    ///
    /// # Errors
    /// [`RegistryError::Invalid`] for a name that no device may have, [`RegistryError::Unknown`] for an unknown zone,
    /// [`RegistryError::Limit`], all of which register nothing; errors of the file.
    pub fn register_devices(&self, zone: ZoneId, names: &[&str]) -> Result<Vec<DeviceKey>, RegistryError> {
        for name in names {
            check_name("device", name)?;
        }
        // The usual case: all names are known, and no lock is taken.
        if let Some(keys) = self.devices.get_all(zone, names) {
            return Ok(keys);
        }
        let owned = names.iter().map(|name| (*name).to_owned()).collect();
        self.register(Registration::Devices { zone, names: owned })?;
        self.devices
            .get_all(zone, names)
            .ok_or_else(|| self.damaged(format!("devices of zone {zone} are gone after they were written")))
    }

    /// As [`Registry::register_devices`] for a gateway, which may register `per_hour_max` devices within an hour. The caller
    /// checks that it may write for the zone.
    ///
    /// # Errors
    /// Those of [`Registry::register_devices`]; [`RegistryError::Limit`] also above the gateway's quota.
    pub fn register_devices_of(
        &self,
        gateway: &Gateway,
        zone: ZoneId,
        names: &[&str],
        per_hour_max: usize,
    ) -> Result<Vec<DeviceKey>, RegistryError> {
        let quota = self.registration_quotas.of(gateway.id);
        // Held until they are registered and counted.
        let mut quota = quota.lock().unwrap_or_else(PoisonError::into_inner);
        let unknown: BTreeSet<&str> = names.iter().copied().filter(|name| self.device(zone, name).is_none()).collect();
        let now = self.clock.monotonic();
        if quota.count(now) + unknown.len() > per_hour_max {
            let name = format!("gateway {} within an hour", gateway.name);
            return Err(RegistryError::Limit { what: "new devices", name, limit: per_hour_max });
        }
        let keys = self.register_devices(zone, names)?;
        quota.add(now, unknown.len());
        Ok(keys)
    }

    /// Assigns a device to a site of its zone, or to none. The device gets a new key, so that rows stored before keep
    /// their location; where it is there already, its key stays.
    ///
    /// # Errors
    /// [`RegistryError::Unknown`] for an unknown zone, device or site, and errors of the file.
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
            let locations = self.locations.load();
            if locations.get(old).is_some_and(|location| location.site.as_deref() == site_code) {
                return Ok(old);
            }
            let new = next_key(&locations);
            let now_us = self.clock.wall_us();
            let insert = || {
                // The old row stays: stored rows refer to its key.
                connection.execute("UPDATE places SET current = 0 WHERE key = ?1", [old.0])?;
                insert_location(connection, new, zone.id.0, site, Some(device), now_us)
            };
            insert().map_err(|source| self.sqlite(source))?;
            Ok(DeviceKey(new))
        })
    }
}
