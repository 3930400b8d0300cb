//! Devices and zones of a run.

use super::walks::Walks;

/// Devices of a run, and the seed by which their values differ from those of another run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Workload {
    /// Devices in all; 1 or more.
    pub devices: u32,
    /// Zones that they are spread over, in turn; 1 or more.
    pub zones: u32,
    /// Seed of all values.
    pub seed: u64,
}

impl Default for Workload {
    fn default() -> Self {
        Self { devices: 1_000, zones: 20, seed: 20_260_101 }
    }
}

impl Workload {
    /// Name of a device.
    pub fn device_name(&self, device: u32) -> String {
        format!("vung-ang-env-{device:05}")
    }

    /// Code of a zone.
    pub fn zone_code(&self, zone: u32) -> String {
        format!("zone-{zone:02}")
    }

    /// The devices of a zone, ascending.
    pub fn devices_of_zone(&self, zone: u32) -> Vec<u32> {
        (0..self.devices).filter(|device| device % self.zones == zone).collect()
    }

    /// The walks of some devices, at the first second.
    pub fn walks(&self, devices: &[u32]) -> Walks {
        Walks::new(self.seed, self.devices, devices)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_device_is_in_one_zone() {
        let workload = Workload { devices: 103, zones: 7, seed: 1 };
        let mut all: Vec<u32> = (0..7).flat_map(|zone| workload.devices_of_zone(zone)).collect();
        all.sort_unstable();
        assert_eq!(all, (0..103).collect::<Vec<_>>());
    }
}
