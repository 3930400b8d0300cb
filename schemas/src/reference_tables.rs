//! The tables of reference data: dated rows of limits, bands, tariffs, windows and criteria, and of what an agency knows about
//! its stations and meters. Each is declared here, and its first rows are a CSV text of the same columns, which the registry loads at its first
//! start; from then on the registry has them.
//!
//! A row is valid from `valid_from` to `valid_to`, both inclusive; an empty cell is an open end. Rows of one key must not overlap in time.
//! What is not known stays empty: no limit is ever guessed.

/// What the cells of a column are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CellKind {
    /// Any text.
    Text,
    /// A decimal number.
    Number,
    /// A whole number.
    Integer,
    /// `true` or `false`.
    Boolean,
    /// A day, as `2026-01-31`.
    Date,
    /// A time of the day, as `06:00`; `24:00` is the end of a day.
    TimeOfDay,
    /// An area as a GeoJSON polygon.
    Polygon,
}

/// A column of a reference table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReferenceColumn {
    /// Name in SQL and in the header of a CSV.
    pub name: &'static str,
    /// What its cells are.
    pub kind: CellKind,
    /// True where an empty cell is refused.
    pub required: bool,
}

/// A reference table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReferenceTable {
    /// Name in SQL.
    pub name: &'static str,
    /// What it says, and where from.
    pub description: &'static str,
    /// Its columns in their order.
    pub columns: &'static [ReferenceColumn],
    /// Columns that tell a row from another one, `valid_from` and `valid_to` apart.
    pub key: &'static [&'static str],
    /// The rows that a new registry starts with.
    pub csv: &'static str,
}

impl ReferenceTable {
    /// True where rows have a validity.
    pub fn is_dated(&self) -> bool {
        self.position("valid_to").is_some()
    }

    /// Position of a column.
    pub fn position(&self, column: &str) -> Option<usize> {
        self.columns.iter().position(|known| known.name == column)
    }
}

/// The table of this name.
pub fn reference_table(name: &str) -> Option<&'static ReferenceTable> {
    REFERENCE_TABLES.iter().find(|table| table.name == name)
}

const fn may(name: &'static str, kind: CellKind) -> ReferenceColumn {
    ReferenceColumn { name, kind, required: false }
}

const fn must(name: &'static str, kind: CellKind) -> ReferenceColumn {
    ReferenceColumn { name, kind, required: true }
}

use CellKind::{Boolean, Date, Integer, Number, Polygon, Text, TimeOfDay};

/// All reference tables, by name.
pub const REFERENCE_TABLES: &[ReferenceTable] = &[
    ReferenceTable {
        name: "air_limits",
        description: "Limits of ambient air by averaging time (QCVN 05:2023/BTNMT).",
        columns: &[
            must("regulation", Text),
            must("parameter", Text),
            must("unit", Text),
            must("averaging", Text),
            must("limit_value", Number),
            must("valid_from", Date),
            may("valid_to", Date),
        ],
        key: &["regulation", "parameter", "averaging"],
        csv: include_str!("../reference/air_limits.csv"),
    },
    ReferenceTable {
        name: "aqi_bands",
        description: "Bands of VN_AQI with names and colours (Decision 1459/QĐ-TCMT; the English names are ours).",
        columns: &[
            must("aqi_from", Integer),
            must("aqi_to", Integer),
            must("name_vi", Text),
            must("name_en", Text),
            may("colour_vi", Text),
            may("rgb", Text),
            may("hex", Text),
            must("valid_from", Date),
            may("valid_to", Date),
            may("source", Text),
            may("confidence", Text),
        ],
        key: &["aqi_from"],
        csv: include_str!("../reference/aqi_bands.csv"),
    },
    ReferenceTable {
        name: "carbon_factors",
        description: "Carbon dioxide of a unit of energy. Empty until an agency brings the factor that it uses.",
        columns: &[
            must("energy", Text),
            must("kg_per_kwh", Number),
            must("valid_from", Date),
            may("valid_to", Date),
            must("source", Text),
        ],
        key: &["energy"],
        csv: include_str!("../reference/carbon_factors.csv"),
    },
    ReferenceTable {
        name: "electricity_prices",
        description: "Prices of electricity before VAT by group of customers, voltage and tariff.",
        columns: &[
            must("customer_group", Text),
            must("voltage", Text),
            must("tariff", Text),
            must("price", Number),
            must("unit", Text),
            must("valid_from", Date),
            may("valid_to", Date),
            may("source", Text),
            may("confidence", Text),
        ],
        key: &["customer_group", "voltage", "tariff"],
        csv: include_str!("../reference/electricity_prices.csv"),
    },
    ReferenceTable {
        name: "electricity_time_of_use",
        description: "Windows of the time of use, local time, in two schedules of which each customer has one.",
        columns: &[
            must("schedule", Text),
            must("days", Text),
            must("tariff", Text),
            must("starts", TimeOfDay),
            must("ends", TimeOfDay),
            must("valid_from", Date),
            may("valid_to", Date),
            may("status", Text),
            may("source", Text),
            may("confidence", Text),
        ],
        key: &["schedule", "days", "tariff", "starts"],
        csv: include_str!("../reference/electricity_time_of_use.csv"),
    },
    ReferenceTable {
        name: "emission_limits",
        description: "Limits of stacks (QCVN 19:2009/BTNMT), to be multiplied by the factors; O2 of reference only where one is given.",
        columns: &[
            must("regulation", Text),
            may("source_category", Text),
            must("permit_column", Text),
            must("applies_to", Text),
            must("parameter", Text),
            must("unit", Text),
            must("limit_value", Number),
            may("o2_ref_percent", Number),
            may("factors", Text),
            must("valid_from", Date),
            may("valid_to", Date),
            may("source", Text),
            may("confidence", Text),
        ],
        key: &["regulation", "source_category", "permit_column", "applies_to", "parameter"],
        csv: include_str!("../reference/emission_limits.csv"),
    },
    ReferenceTable {
        name: "geofences",
        description: "Areas as GeoJSON polygons (WGS 84, longitude first), with the distance that a position has to be outside before it has left.",
        columns: &[
            must("province", Text),
            must("zone", Text),
            must("geofence", Text),
            may("name_vi", Text),
            may("name_en", Text),
            must("polygon", Polygon),
            must("hysteresis_m", Number),
            may("dwell_seconds", Integer),
            must("valid_from", Date),
            may("valid_to", Date),
            may("source", Text),
        ],
        key: &["province", "zone", "geofence"],
        csv: include_str!("../reference/geofences.csv"),
    },
    ReferenceTable {
        name: "ideal_cycle_times",
        description: "Time that a piece of a product takes a line at rated speed; a row without a product is for all others.",
        columns: &[
            must("province", Text),
            must("zone", Text),
            must("device", Text),
            may("product", Text),
            must("seconds", Number),
            must("valid_from", Date),
            may("valid_to", Date),
            may("source", Text),
        ],
        key: &["province", "zone", "device", "product"],
        csv: include_str!("../reference/ideal_cycle_times.csv"),
    },
    ReferenceTable {
        name: "line_meters",
        description: "Meters that measure the energy of a line.",
        columns: &[
            must("province", Text),
            must("zone", Text),
            must("device", Text),
            must("meter", Text),
            must("valid_from", Date),
            may("valid_to", Date),
            may("source", Text),
        ],
        key: &["province", "zone", "device", "meter"],
        csv: include_str!("../reference/line_meters.csv"),
    },
    ReferenceTable {
        name: "line_states",
        description: "States of a machine by the codes that its controller sends.",
        columns: &[
            must("state_map", Text),
            must("code", Text),
            must("state", Text),
            must("valid_from", Date),
            may("valid_to", Date),
            may("source", Text),
        ],
        key: &["state_map", "code"],
        csv: include_str!("../reference/line_states.csv"),
    },
    ReferenceTable {
        name: "meters",
        description: "Meters of electricity: customer, price list and the schedule of the time of use that holds for each.",
        columns: &[
            must("province", Text),
            must("zone", Text),
            must("device", Text),
            may("customer", Text),
            must("customer_group", Text),
            must("voltage", Text),
            must("schedule", Text),
            must("time_zone", Text),
            must("interval_seconds", Integer),
            must("valid_from", Date),
            may("valid_to", Date),
            may("source", Text),
        ],
        key: &["province", "zone", "device"],
        csv: include_str!("../reference/meters.csv"),
    },
    ReferenceTable {
        name: "missing_limits",
        description: "Regulations that are in force for some and whose values are not at hand: views name them and judge nothing by them.",
        columns: &[
            must("regulation", Text),
            must("subject", Text),
            may("replaces", Text),
            may("valid_from", Date),
            may("note", Text),
            may("source", Text),
        ],
        key: &["regulation"],
        csv: include_str!("../reference/missing_limits.csv"),
    },
    ReferenceTable {
        name: "network_criteria",
        description: "Criteria of the quality of 5G service (QCVN 126:2021/BTTTT).",
        columns: &[
            must("regulation", Text),
            must("criterion", Text),
            must("what", Text),
            must("comparison", Text),
            must("limit_value", Number),
            must("unit", Text),
            must("valid_from", Date),
            may("valid_to", Date),
            may("source", Text),
            may("confidence", Text),
        ],
        key: &["regulation", "criterion"],
        csv: include_str!("../reference/network_criteria.csv"),
    },
    ReferenceTable {
        name: "network_stations",
        description: "5G stations as they are rolled out, by operator, each once whatever technologies it has.",
        columns: &[
            must("province", Text),
            may("zone", Text),
            must("operator", Text),
            must("station", Text),
            must("kind", Text),
            may("on_air_from", Date),
            must("valid_from", Date),
            may("valid_to", Date),
            may("source", Text),
        ],
        key: &["province", "operator", "station"],
        csv: include_str!("../reference/network_stations.csv"),
    },
    ReferenceTable {
        name: "network_targets",
        description: "5G stations that the provincial plans set as a target.",
        columns: &[
            must("province", Text),
            must("operator", Text),
            must("scope", Text),
            may("stations_5g_baseline", Integer),
            may("stations_5g_added", Integer),
            may("stations_5g_target", Integer),
            must("deadline", Date),
            may("stations_all", Integer),
        ],
        key: &["province", "operator", "scope", "deadline"],
        csv: include_str!("../reference/network_targets.csv"),
    },
    ReferenceTable {
        name: "noise_limits",
        description: "Limits of noise by area and hours, local time (QCVN 26:2010/BTNMT).",
        columns: &[
            must("regulation", Text),
            must("area", Text),
            must("period", Text),
            must("starts", TimeOfDay),
            must("ends", TimeOfDay),
            must("limit_value", Number),
            must("measure", Text),
            must("valid_from", Date),
            may("valid_to", Date),
            may("source", Text),
            may("confidence", Text),
        ],
        key: &["regulation", "area", "period"],
        csv: include_str!("../reference/noise_limits.csv"),
    },
    ReferenceTable {
        name: "power_factor_surcharges",
        description: "Surcharge on active energy, in percent, by power factor of a calendar month (Circular 15/2014/TT-BCT).",
        columns: &[
            must("cos_phi_from", Number),
            must("cos_phi_to", Number),
            must("k_percent", Number),
            must("threshold", Number),
            must("min_power_kw", Number),
            may("base", Text),
            must("valid_from", Date),
            may("valid_to", Date),
            may("source", Text),
            may("confidence", Text),
        ],
        key: &["cos_phi_from"],
        csv: include_str!("../reference/power_factor_surcharges.csv"),
    },
    ReferenceTable {
        name: "production_lines",
        description: "Machines: line and place in it, shift calendar, map of states, how long a state holds without a row, full scale of the counters.",
        columns: &[
            must("province", Text),
            must("zone", Text),
            must("device", Text),
            may("line", Text),
            may("position", Integer),
            may("calendar", Text),
            may("state_map", Text),
            must("time_zone", Text),
            must("gap_seconds", Integer),
            must("sample_seconds", Integer),
            may("count_full_scale", Number),
            must("valid_from", Date),
            may("valid_to", Date),
            may("source", Text),
        ],
        key: &["province", "zone", "device"],
        csv: include_str!("../reference/production_lines.csv"),
    },
    ReferenceTable {
        name: "quality_map",
        description: "Codes of quality of other scales in the scale of all tables.",
        columns: &[
            must("scale", Text),
            must("code", Text),
            must("quality", Text),
            may("meaning", Text),
            may("source", Text),
        ],
        key: &["scale", "code"],
        csv: include_str!("../reference/quality_map.csv"),
    },
    ReferenceTable {
        name: "reporting_intervals",
        description: "How often a tracker, a fire panel or another device has to report, and when it counts as silent.",
        columns: &[
            must("province", Text),
            must("zone", Text),
            must("device", Text),
            must("kind", Text),
            must("interval_seconds", Integer),
            must("silent_seconds", Integer),
            must("valid_from", Date),
            may("valid_to", Date),
            may("source", Text),
        ],
        key: &["province", "zone", "device", "kind"],
        csv: include_str!("../reference/reporting_intervals.csv"),
    },
    ReferenceTable {
        name: "rollout_deadlines",
        description: "Days on which the plans ask how far the roll-out of 5G is.",
        columns: &[must("province", Text), must("deadline", Date), must("what", Text), may("source", Text)],
        key: &["province", "deadline"],
        csv: include_str!("../reference/rollout_deadlines.csv"),
    },
    ReferenceTable {
        name: "rsrp_classes",
        description: "Classes of coverage by RSRP, from the lower bound to below the upper one.",
        columns: &[
            must("class", Integer),
            must("name_vi", Text),
            must("name_en", Text),
            must("rsrp_from", Number),
            must("rsrp_to", Number),
            must("valid_from", Date),
            may("valid_to", Date),
            may("source", Text),
            may("confidence", Text),
        ],
        key: &["class"],
        csv: include_str!("../reference/rsrp_classes.csv"),
    },
    ReferenceTable {
        name: "shift_calendars",
        description: "Shifts of a calendar by day of the week, local time; one that ends when or before it starts goes on to the next day.",
        columns: &[
            must("province", Text),
            must("zone", Text),
            must("calendar", Text),
            must("shift", Text),
            must("weekday", Integer),
            must("starts", TimeOfDay),
            must("ends", TimeOfDay),
            must("valid_from", Date),
            may("valid_to", Date),
            may("source", Text),
        ],
        key: &["province", "zone", "calendar", "shift", "weekday"],
        csv: include_str!("../reference/shift_calendars.csv"),
    },
    ReferenceTable {
        name: "stations",
        description: "Stations of the environment with what their permits say: interval, regulation, column, factors, O2 of reference.",
        columns: &[
            must("province", Text),
            must("zone", Text),
            must("device", Text),
            must("kind", Text),
            must("time_zone", Text),
            must("interval_seconds", Integer),
            may("regulation", Text),
            may("permit_column", Text),
            may("applies_to", Text),
            may("kq", Number),
            may("kf", Number),
            may("kp", Number),
            may("kv", Number),
            may("o2_ref_percent", Number),
            may("noise_area", Text),
            must("valid_from", Date),
            may("valid_to", Date),
            may("source", Text),
        ],
        key: &["province", "zone", "device", "kind"],
        csv: include_str!("../reference/stations.csv"),
    },
    ReferenceTable {
        name: "vn_aqi_breakpoints",
        description: "Concentrations in µg/m³ at steps of VN_AQI (Decision 1459/QĐ-TCMT, Table 2).",
        columns: &[
            must("aqi", Number),
            may("o3_1h", Number),
            may("o3_8h", Number),
            may("co", Number),
            may("so2", Number),
            may("no2", Number),
            may("pm10", Number),
            may("pm2_5", Number),
        ],
        key: &["aqi"],
        csv: include_str!("../reference/vn_aqi_breakpoints.csv"),
    },
    ReferenceTable {
        name: "waste_water_limits",
        description: "Limits of waste water (QCVN 40:2011/BTNMT), to be multiplied by Kq and Kf where the row says so.",
        columns: &[
            must("regulation", Text),
            must("parameter", Text),
            may("unit", Text),
            must("permit_column", Text),
            must("applies_to", Text),
            may("limit_min", Number),
            must("limit_max", Number),
            must("kq_kf", Boolean),
            must("valid_from", Date),
            may("valid_to", Date),
            may("source", Text),
            may("confidence", Text),
        ],
        key: &["regulation", "parameter", "permit_column", "applies_to"],
        csv: include_str!("../reference/waste_water_limits.csv"),
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference::SYSTEM_TABLES;
    use crate::tables::builtin_tables;

    #[test]
    fn every_reference_table_has_a_name_of_its_own_that_no_declared_table_may_take() {
        for (at, table) in REFERENCE_TABLES.iter().enumerate() {
            assert!(SYSTEM_TABLES.contains(&table.name), "{}", table.name);
            assert!(builtin_tables().iter().all(|declared| declared.name != table.name), "{}", table.name);
            assert!(REFERENCE_TABLES[..at].iter().all(|before| before.name < table.name), "{}", table.name);
        }
    }

    #[test]
    fn the_header_of_every_csv_names_the_declared_columns_and_every_key_is_a_column_that_is_not_empty() {
        for table in REFERENCE_TABLES {
            let names: Vec<&str> = table.columns.iter().map(|column| column.name).collect();
            assert_eq!(table.csv.lines().next(), Some(names.join(",").as_str()), "{}", table.name);
            assert!(table.key.iter().all(|key| table.position(key).is_some()), "{}", table.name);
            assert_eq!(table.position("valid_from").is_some() && table.name != "missing_limits", table.is_dated());
        }
    }
}
