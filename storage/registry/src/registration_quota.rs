//! How many devices each gateway has registered within the last hour. A gateway gone wrong that makes up names would
//! fill the registry of its zone; this stops it for itself. Counted in memory, since the start of the server.

use std::collections::{HashMap, VecDeque};
use std::sync::PoisonError;
use std::time::Duration;

use zonelake_schemas::{DeviceKey, GatewayId};

use crate::{Gateway, Registry, RegistryError};

/// Devices registered by gateway, minute by minute.
#[derive(Debug, Default)]
pub(crate) struct NewDevices {
    gateways: HashMap<GatewayId, VecDeque<(Duration, usize)>>,
}

impl NewDevices {
    fn count(&mut self, gateway: GatewayId, now: Duration) -> usize {
        let Some(minutes) = self.gateways.get_mut(&gateway) else { return 0 };
        while minutes.front().is_some_and(|(from, _)| now.saturating_sub(*from) >= HOUR) {
            minutes.pop_front();
        }
        minutes.iter().map(|(_, count)| count).sum()
    }

    fn add(&mut self, gateway: GatewayId, now: Duration, more: usize) {
        let minutes = self.gateways.entry(gateway).or_default();
        match minutes.back_mut() {
            Some((from, count)) if now.saturating_sub(*from) < MINUTE => *count += more,
            _ => minutes.push_back((now, more)),
        }
    }
}

impl Registry {
    /// As [`Registry::register_devices`] for the zone of a gateway, which may register `per_hour_max` devices within an
    /// hour.
    ///
    /// # Errors
    /// [`RegistryError::Limit`] where these are too many; none of them is registered then.
    pub fn register_devices_of(
        &self,
        gateway: &Gateway,
        names: &[&str],
        per_hour_max: usize,
    ) -> Result<Vec<DeviceKey>, RegistryError> {
        let now = self.clock.monotonic();
        let lock = || self.new_devices.lock().unwrap_or_else(PoisonError::into_inner);
        let unknown = |names: &[&str]| names.iter().filter(|name| self.device(gateway.zone, name).is_none()).count();
        if lock().count(gateway.id, now) + unknown(names) > per_hour_max {
            let name = format!("gateway {} within an hour", gateway.name);
            return Err(RegistryError::Limit { what: "new devices", name, limit: per_hour_max });
        }
        let more = unknown(names);
        let keys = self.register_devices(gateway.zone, names)?;
        lock().add(gateway.id, now, more);
        Ok(keys)
    }
}

const HOUR: Duration = Duration::from_secs(3_600);
const MINUTE: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_slides_and_takes_a_bounded_memory() {
        let mut devices = NewDevices::default();
        let gateway = GatewayId(1);
        for second in 0..7_200 {
            devices.add(gateway, Duration::from_secs(second), 1);
            devices.count(gateway, Duration::from_secs(second));
        }
        assert_eq!(devices.count(gateway, Duration::from_secs(7_200)), 3_540, "all but the minute that has left");
        assert!(devices.gateways[&gateway].len() <= 60);
        assert_eq!(devices.count(gateway, Duration::from_secs(20_000)), 0);
        assert_eq!(devices.count(GatewayId(2), Duration::from_secs(7_200)), 0);
    }
}
