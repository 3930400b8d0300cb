//! The common workload of all figures: stations of eight fields with two decimals, a row a second each.
//!
//! - [`random`]: a small seeded generator, so that every run has the same values
//! - [`walks`]: the values of devices over time
//! - [`forms`]: rows as Arrow record batches and as lines
//!
//! Values are random walks: each field starts evenly between two bounds, takes normally distributed steps, and is
//! reflected at zero and, for a percentage, at 100. A device's values follow from the seed and its number alone, so that
//! gateways that generate a part of the devices each make together what one would make of all.

pub mod forms;
pub mod random;
pub mod walks;

pub use forms::{ArrowForm, Wire, lines};
pub use walks::{Rows, Walks};
use zonelake_schemas::TableDef;

/// Random walk of one field.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FieldWalk {
    /// Name of the field.
    pub name: &'static str,
    /// Bounds between which walks start.
    pub start: (f64, f64),
    /// Standard deviation of a step, one a second.
    pub step: f64,
    /// Value at which the walk is reflected, besides zero.
    pub ceiling: Option<f64>,
}

/// The fields, in the order in which they are sent.
pub const FIELDS: [FieldWalk; 8] = [
    field("pm2_5", (10.0, 60.0), 0.30, None),
    field("pm10", (20.0, 100.0), 0.50, None),
    field("so2", (2.0, 20.0), 0.05, None),
    field("no2", (5.0, 40.0), 0.10, None),
    field("co", (0.2, 2.0), 0.01, None),
    field("o3", (20.0, 80.0), 0.20, None),
    field("temperature", (20.0, 35.0), 0.02, None),
    field("humidity", (50.0, 95.0), 0.05, Some(100.0)),
];

const fn field(name: &'static str, start: (f64, f64), step: f64, ceiling: Option<f64>) -> FieldWalk {
    FieldWalk { name, start, step, ceiling }
}

/// Time of the first row: 2026-01-01T00:00:00Z, µs.
pub const START_US: i64 = 1_767_225_600_000_000;

/// Name of the table that declares two decimals for each field, as the load test sends to it; the built-in table
/// `environment` declares four for some and none for others, because real recordings need them.
pub const HUNDREDTHS_TABLE: &str = "loadtest_hundredths";

/// The declaration of [`HUNDREDTHS_TABLE`], as an operator's settings folder would hold it.
pub fn hundredths_table() -> TableDef {
    TableDef::from_toml(HUNDREDTHS_TOML).expect("a test reads the declaration")
}

/// The same as text.
pub const HUNDREDTHS_TOML: &str = include_str!("../../../loadtest/tables/loadtest_hundredths.toml");

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
        Walks::new(self, devices)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_declared_table_takes_every_field_with_two_decimals() {
        let table = hundredths_table();
        assert_eq!(table.name, HUNDREDTHS_TABLE);
        let declared: Vec<_> = table.fields.iter().map(|field| (field.name.as_str(), field.decimals)).collect();
        assert_eq!(declared, FIELDS.map(|field| (field.name, Some(2))));
    }

    #[test]
    fn every_device_is_in_one_zone() {
        let workload = Workload { devices: 103, zones: 7, seed: 1 };
        let mut all: Vec<u32> = (0..7).flat_map(|zone| workload.devices_of_zone(zone)).collect();
        all.sort_unstable();
        assert_eq!(all, (0..103).collect::<Vec<_>>());
    }
}
