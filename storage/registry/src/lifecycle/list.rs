//! Devices page by page, those that wait for approval among them.

use std::collections::BTreeMap;
use std::sync::Arc;

use zonelake_schemas::{DeviceKey, ZoneId};

use crate::error::RegistryError;
use crate::index::zones::Zone;
use crate::lifecycle::details::DeviceDetails;
use crate::lifecycle::state::DeviceState;
use crate::registry::Registry;

/// A device with what is said of it.
#[derive(Debug, Clone, PartialEq)]
pub struct DeviceRecord {
    /// Code of the province.
    pub province: Arc<str>,
    /// Code of the zone.
    pub zone_code: Arc<str>,
    /// Name within the zone.
    pub name: Arc<str>,
    /// Its key where it is now; `None` for one that has no rows yet, since it waits for approval or was never approved.
    pub key: Option<DeviceKey>,
    /// Code of its site.
    pub site: Option<Arc<str>>,
    /// Time since which it is where it is, microseconds since 1970, UTC.
    pub registered_us: Option<i64>,
    /// What is said of it.
    pub details: Arc<DeviceDetails>,
}

/// Devices that are asked for.
#[derive(Debug, Clone, Default)]
pub struct DeviceSelection {
    /// Code of the zone; all where it is absent.
    pub zone: Option<String>,
    /// State; all where it is absent.
    pub state: Option<DeviceState>,
    /// Zone and name of the last device of the page before.
    pub after: Option<(String, String)>,
    /// Devices of a page.
    pub limit: usize,
}

/// A device of a page: where it is now, if it has a key, and what is said of it.
type Found = (Option<(DeviceKey, i64)>, Option<Arc<DeviceDetails>>);

/// The first devices of those that were looked at.
struct Page {
    found: BTreeMap<(ZoneId, Arc<str>), Found>,
    after: Option<(ZoneId, String)>,
    limit: usize,
}

impl Page {
    /// True for a device that may be on the page.
    fn takes(&self, zone: ZoneId, name: &str) -> bool {
        let is_behind = self.after.as_ref().is_none_or(|(of, last)| (zone, name) > (*of, last.as_str()));
        is_behind
            && (self.found.len() < self.limit
                || self.found.last_key_value().is_some_and(|((of, last), _)| (zone, name) < (*of, &**last)))
    }

    fn add(&mut self, zone: ZoneId, name: &Arc<str>, found: Found) {
        self.found.insert((zone, Arc::clone(name)), found);
        if self.found.len() > self.limit {
            self.found.pop_last();
        }
    }
}

impl Registry {
    /// Devices by zone and name: one page of them. All names are looked at for each page, in memory.
    ///
    /// # Errors
    /// [`RegistryError::Unknown`] for an unknown zone.
    pub fn device_records(&self, selection: &DeviceSelection) -> Result<Vec<DeviceRecord>, RegistryError> {
        let only = selection.zone.as_ref().map(|code| self.known_zone(code)).transpose()?.map(|zone| zone.id);
        let after = selection.after.as_ref();
        let after =
            after.map(|(zone, name)| Ok::<_, RegistryError>((self.known_zone(zone)?.id, name.clone()))).transpose()?;
        let mut page = Page { found: BTreeMap::new(), after, limit: selection.limit };
        // What is said of them first: a device that gets a key meanwhile is found twice, and counts once.
        let details = self.details.load_full();
        let wanted = |zone: ZoneId, state: DeviceState| {
            only.is_none_or(|only| only == zone) && selection.state.is_none_or(|only| only == state)
        };
        for (zone, name, of) in details.iter() {
            if wanted(zone, of.state) && page.takes(zone, name) {
                page.add(zone, name, (self.devices.placed(zone, name), Some(Arc::clone(of))));
            }
        }
        self.devices.visit(|entry| {
            if details.get(entry.zone, &entry.name).is_none()
                && wanted(entry.zone, DeviceState::Announced)
                && page.takes(entry.zone, &entry.name)
            {
                page.add(entry.zone, &entry.name, (Some((entry.key, entry.registered_us)), None));
            }
        });
        let zones = self.zones.load();
        let nothing = Arc::new(DeviceDetails::default());
        let record = |((zone, name), (placed, of)): ((ZoneId, Arc<str>), Found)| {
            Some(self.record(zones.zone(zone)?, name, placed, of.unwrap_or_else(|| Arc::clone(&nothing))))
        };
        Ok(page.found.into_iter().filter_map(record).collect())
    }

    /// Devices that declare an interval and have a key, by zone and name.
    pub fn devices_with_interval(&self) -> Vec<DeviceRecord> {
        let (details, zones) = (self.details.load_full(), self.zones.load());
        let record = |(zone, name, of): (ZoneId, &Arc<str>, &Arc<DeviceDetails>)| {
            of.interval_seconds?;
            let placed = self.devices.placed(zone, name)?;
            Some(self.record(zones.zone(zone)?, Arc::clone(name), Some(placed), Arc::clone(of)))
        };
        details.iter().filter_map(record).collect()
    }

    /// Devices of all zones that wait for approval, and have no key.
    pub fn waiting_devices(&self) -> usize {
        let details = self.details.load_full();
        let waits = |(zone, name, of): &(ZoneId, &Arc<str>, &Arc<DeviceDetails>)| {
            of.state == DeviceState::Announced && self.devices.get(*zone, name).is_none()
        };
        details.iter().filter(waits).count()
    }

    /// One device with what is said of it.
    ///
    /// # Errors
    /// [`RegistryError::Unknown`] for an unknown zone or device.
    pub fn device_record(&self, zone_code: &str, name: &str) -> Result<DeviceRecord, RegistryError> {
        let zone = self.known_zone(zone_code)?;
        let details = self.details.load().get(zone.id, name).cloned();
        let placed = self.devices.placed(zone.id, name);
        if details.is_none() && placed.is_none() {
            return Err(RegistryError::Unknown { what: "device", name: format!("{zone_code}/{name}") });
        }
        Ok(self.record(&zone, name.into(), placed, details.unwrap_or_default()))
    }

    fn record(
        &self,
        zone: &Zone,
        name: Arc<str>,
        placed: Option<(DeviceKey, i64)>,
        details: Arc<DeviceDetails>,
    ) -> DeviceRecord {
        let key = placed.map(|(key, _)| key);
        DeviceRecord {
            province: Arc::clone(&zone.province),
            zone_code: Arc::clone(&zone.code),
            name,
            key,
            site: key.and_then(|key| self.location(key)?.site.clone()),
            registered_us: placed.map(|(_, registered_us)| registered_us),
            details,
        }
    }
}
