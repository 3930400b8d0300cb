//! Devices that wait for approval: a gateway sends rows of a device that nobody knows, in a zone whose devices do not register
//! themselves. Its name is noted, once, and its rows are rejected with their content until somebody approves it.

use std::sync::PoisonError;

use zonelake_schemas::{DeviceKey, ZoneId};

use crate::error::RegistryError;
use crate::index::device_details::ANNOUNCED_PER_ZONE_MAX;
use crate::index::gateways::Gateway;
use crate::lifecycle::state::DeviceState;
use crate::names::check_name;
use crate::registration::waiting::Registration;
use crate::registry::Registry;

/// What a gateway may do with rows of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WritableDevice {
    /// Write them under this key.
    Key(DeviceKey),
    /// None are stored: the device is retired.
    Retired,
    /// It is noted, and has no key: its zone decides whether it gets one.
    Waiting,
    /// Nobody knows it.
    Unknown,
}

impl Registry {
    /// What a gateway may do with rows of a device, from memory and without a lock. It holds as long as [`Registry::device_moves`]
    /// is the same.
    pub fn writable_device(&self, zone: ZoneId, name: &str) -> WritableDevice {
        let details = self.details.load();
        let state = details.get(zone, name).map(|details| details.state);
        match (state, self.devices.get(zone, name)) {
            (Some(DeviceState::Retired), _) => WritableDevice::Retired,
            (_, Some(key)) => WritableDevice::Key(key),
            (Some(_), None) => WritableDevice::Waiting,
            (None, None) => WritableDevice::Unknown,
        }
    }

    /// Notes devices that wait for approval, durably; those that are known already stay as they are. A gateway may add
    /// `per_hour_max` names within an hour, as where they register themselves.
    ///
    /// # Errors
    /// [`RegistryError::Invalid`] for a name that no device may have, [`RegistryError::Unknown`] for an unknown zone,
    /// [`RegistryError::Limit`] above the gateway's quota or where as many wait in the zone as may, all of which note nothing; errors of
    /// the file.
    pub fn announce_devices_of(
        &self,
        gateway: &Gateway,
        zone: ZoneId,
        names: &[&str],
        per_hour_max: usize,
    ) -> Result<(), RegistryError> {
        for name in names {
            check_name("device", name)?;
        }
        let is_new = |name: &&&str| self.writable_device(zone, name) == WritableDevice::Unknown;
        let quota = self.registration_quotas.of(gateway.id);
        // Held until they are noted and counted.
        let mut quota = quota.lock().unwrap_or_else(PoisonError::into_inner);
        let new: Vec<String> = names.iter().filter(is_new).map(|name| (*name).to_owned()).collect();
        if new.is_empty() {
            return Ok(());
        }
        let now = self.clock.monotonic();
        if quota.count(now) + new.len() > per_hour_max {
            let name = format!("gateway {} within an hour", gateway.name);
            return Err(RegistryError::Limit { what: "new devices", name, limit: per_hour_max });
        }
        let more = new.len();
        // Looked at in memory first: where a zone is full each batch comes here, and must not wait for the file.
        self.check_waiting(zone, self.details.load().announced(zone) + more)?;
        self.register(Registration::Announced { gateway: gateway.name.clone(), zone, names: new })?;
        quota.add(now, more);
        Ok(())
    }

    /// Refuses more devices than may wait in a zone.
    pub(crate) fn check_waiting(&self, zone: ZoneId, waiting: usize) -> Result<(), RegistryError> {
        if waiting <= ANNOUNCED_PER_ZONE_MAX {
            return Ok(());
        }
        let name = self.zone(zone).map_or_else(|| zone.to_string(), |zone| zone.code.to_string());
        Err(RegistryError::Limit { what: "devices that wait for approval", name, limit: ANNOUNCED_PER_ZONE_MAX })
    }
}
