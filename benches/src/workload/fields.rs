//! Fields of the workload, and the table that declares them.

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
}
