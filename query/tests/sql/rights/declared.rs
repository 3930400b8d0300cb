//! Who sees what, in one declaration: each role and each table. What has no entry here fails the tests of every interface.

use zonelake_query::Interface;
use zonelake_registry::Visibility;

use crate::rights::world::{StoredRow, all_rows, sees};

/// What a role sees of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Seen {
    /// The table does not exist.
    Nothing,
    /// All rows: public reference data, or one's own statements.
    Public,
    /// Rows of these zones, with personal data seen so.
    Zones(&'static [&'static str], Visibility),
    /// Rows of one operator of networks.
    Operator(&'static str),
}

/// All tables that a statement can name, and how their rows have a place.
pub(crate) const TABLES: [&str; 86] = [
    "public.air_checks",
    "public.air_hours",
    "public.air_limits",
    "public.air_quality_daily",
    "public.air_quality_hourly",
    "public.alerts",
    "public.aqi_bands",
    "public.asset_positions",
    "public.asset_utilisation",
    "public.assets",
    "public.audit",
    "public.carbon_factors",
    "public.cell_availability",
    "public.counters",
    "public.coverage",
    "public.data_completeness",
    "public.demand",
    "public.devices",
    "public.downtime",
    "public.effluents",
    "public.electricity_prices",
    "public.electricity_time_of_use",
    "public.emission_limits",
    "public.emissions",
    "public.energy",
    "public.energy_emissions",
    "public.energy_intervals",
    "public.energy_use",
    "public.environment",
    "public.exceedances",
    "public.failed_access",
    "public.fields",
    "public.gate_turnaround",
    "public.gateways",
    "public.geofence_events",
    "public.geofences",
    "public.heartbeats",
    "public.ideal_cycle_times",
    "public.incident_counts",
    "public.incident_steps",
    "public.incidents",
    "public.latency",
    "public.line_bottleneck",
    "public.line_meters",
    "public.line_states",
    "public.meters",
    "public.missing_limits",
    "public.network",
    "public.network_criteria",
    "public.network_quality",
    "public.network_stations",
    "public.network_targets",
    "public.noise_levels",
    "public.noise_limits",
    "public.oee",
    "public.power_factor",
    "public.power_factor_surcharges",
    "public.production",
    "public.production_lines",
    "public.province_overview",
    "public.provinces",
    "public.quality_map",
    "public.reference_changes",
    "public.rejected",
    "public.reporting_intervals",
    "public.response_times",
    "public.rollout_deadlines",
    "public.rollout_progress",
    "public.rsrp_classes",
    "public.security",
    "public.shift_calendars",
    "public.silent_trackers",
    "public.sites",
    "public.specific_energy",
    "public.state_intervals",
    "public.state_timeline",
    "public.stations",
    "public.vn_aqi_breakpoints",
    "public.waste_water_limits",
    "public.zone_overview",
    "public.zones",
    "system.compactions",
    "system.devices",
    "system.files",
    "system.queries",
    "system.tables",
];

/// The views among them, each with the tables by whose rights it goes: it exists where all of them do.
const VIEWS: [(&str, &[&str]); 39] = [
    ("public.air_checks", &["public.environment", "public.stations"]),
    ("public.air_hours", &["public.environment", "public.stations"]),
    ("public.air_quality_daily", &["public.environment", "public.stations"]),
    ("public.air_quality_hourly", &["public.environment", "public.stations"]),
    ("public.asset_positions", &["public.assets"]),
    ("public.asset_utilisation", &["public.assets", "public.reporting_intervals"]),
    ("public.cell_availability", &["public.network", "public.reporting_intervals"]),
    ("public.counters", &["public.production", "public.production_lines", "public.ideal_cycle_times"]),
    ("public.coverage", &["public.network"]),
    ("public.data_completeness", &["public.environment", "public.stations"]),
    ("public.demand", &["public.energy", "public.meters"]),
    ("public.downtime", &["public.production", "public.production_lines"]),
    ("public.effluents", &["public.environment", "public.stations"]),
    ("public.emissions", &["public.environment", "public.stations"]),
    ("public.energy_emissions", &["public.energy", "public.meters"]),
    ("public.energy_intervals", &["public.energy", "public.meters"]),
    ("public.energy_use", &["public.energy", "public.meters"]),
    ("public.exceedances", &["public.environment", "public.stations"]),
    ("public.failed_access", &["public.network"]),
    ("public.gate_turnaround", &["public.assets"]),
    ("public.geofence_events", &["public.assets", "public.geofences"]),
    ("public.heartbeats", &["public.security", "public.reporting_intervals"]),
    ("public.incident_counts", &["public.security"]),
    ("public.incident_steps", &["public.security"]),
    ("public.incidents", &["public.security"]),
    ("public.latency", &["public.network"]),
    ("public.line_bottleneck", &["public.production", "public.production_lines"]),
    ("public.network_quality", &["public.network"]),
    ("public.noise_levels", &["public.environment", "public.stations"]),
    (
        "public.oee",
        &["public.production", "public.production_lines", "public.ideal_cycle_times", "public.shift_calendars"],
    ),
    ("public.power_factor", &["public.energy", "public.meters"]),
    (
        "public.province_overview",
        &[
            "public.rollout_deadlines",
            "public.network_stations",
            "public.zones",
            "public.devices",
            "public.environment",
            "public.production",
            "public.energy",
            "public.network",
            "public.security",
            "public.assets",
            "public.stations",
            "public.meters",
        ],
    ),
    ("public.response_times", &["public.security"]),
    ("public.rollout_progress", &["public.rollout_deadlines", "public.network_stations"]),
    ("public.silent_trackers", &["public.reporting_intervals", "public.assets"]),
    (
        "public.specific_energy",
        &["public.energy", "public.meters", "public.line_meters", "public.production", "public.production_lines"],
    ),
    ("public.state_intervals", &["public.production", "public.production_lines"]),
    ("public.state_timeline", &["public.production", "public.production_lines"]),
    (
        "public.zone_overview",
        &[
            "public.zones",
            "public.devices",
            "public.environment",
            "public.production",
            "public.energy",
            "public.network",
            "public.security",
            "public.assets",
            "public.stations",
            "public.meters",
            "public.production_lines",
            "public.ideal_cycle_times",
        ],
    ),
];

/// Views that read a column of personal data, and whether a hash stands in for it. Where the column is not seen, they do not exist.
const VIEWS_OF_PERSONAL: [(&str, bool); 4] = [
    ("public.asset_positions", false),
    ("public.gate_turnaround", true),
    ("public.geofence_events", false),
    ("public.incident_steps", true),
];

/// Tables and views whose rows are of provinces, or of whole provinces.
const OF_PROVINCES: [&str; 3] = ["public.province_overview", "public.rollout_deadlines", "public.rollout_progress"];

/// Columns of personal data.
pub(crate) const PERSONAL: [(&str, &str); 10] = [
    ("public.assets", "latitude"),
    ("public.assets", "longitude"),
    ("public.assets", "plate_hash"),
    ("public.rejected", "content"),
    ("public.rejected", "message"),
    ("public.security", "actor"),
    ("public.security", "evidence"),
    ("public.security", "message"),
    ("public.security", "person_hash"),
    ("public.security", "plate_hash"),
];

const ALL: &[&str] = &["vung-ang", "phu-vinh", "hoa-phu"];
const HA_TINH: &[&str] = &["vung-ang", "phu-vinh"];
const VUNG_ANG: &[&str] = &["vung-ang"];
const PHU_VINH: &[&str] = &["phu-vinh"];

fn tables_of_view(name: &str) -> Option<&'static [&'static str]> {
    VIEWS.iter().find(|(view, _)| *view == name).map(|(_, tables)| *tables)
}

/// The declaration.
pub(crate) fn seen(role: &str, table: &str) -> Seen {
    use Visibility::{Hashed, Hidden, Shown};
    if let Some(tables) = tables_of_view(table) {
        let of_tables: Vec<Seen> = tables.iter().map(|table| seen(role, table)).collect();
        let personal = VIEWS_OF_PERSONAL.iter().find(|(view, _)| *view == table);
        let is_hidden = personal.is_some_and(|(_, hash_will_do)| match of_tables[0] {
            Seen::Zones(_, Hidden) => true,
            Seen::Zones(_, Hashed) => !hash_will_do,
            _ => false,
        });
        let lacks_one = is_hidden || of_tables.contains(&Seen::Nothing);
        return if lacks_one { Seen::Nothing } else { of_tables[0] };
    }
    match (role, table) {
        (
            _,
            "public.air_limits"
            | "public.aqi_bands"
            | "public.carbon_factors"
            | "public.electricity_prices"
            | "public.electricity_time_of_use"
            | "public.emission_limits"
            | "public.fields"
            | "public.line_states"
            | "public.missing_limits"
            | "public.network_criteria"
            | "public.network_targets"
            | "public.noise_limits"
            | "public.power_factor_surcharges"
            | "public.provinces"
            | "public.quality_map"
            | "public.rsrp_classes"
            | "public.vn_aqi_breakpoints"
            | "public.waste_water_limits"
            | "system.queries",
        ) => Seen::Public,
        ("admin", "public.reference_changes" | "system.compactions" | "system.files" | "system.tables") => Seen::Public,
        (_, "public.reference_changes" | "system.compactions" | "system.files" | "system.tables") => Seen::Nothing,
        // Under the rights of the devices that it tells of.
        (_, "system.devices") => seen(role, "public.devices"),
        // By the kind of a role, whatever is granted to it.
        ("admin" | "auditor", "public.audit") => Seen::Public,
        (_, "public.audit") => Seen::Nothing,
        // A sum over a province is not seen in part.
        ("zone" | "shown" | "mixed", "public.rollout_deadlines") => Seen::Nothing,
        ("zone", _) => Seen::Zones(VUNG_ANG, Hidden),
        ("mixed", "public.security") => Seen::Zones(PHU_VINH, Hashed),
        ("shown" | "mixed", _) => Seen::Zones(VUNG_ANG, Shown),
        ("analyst", _) => Seen::Zones(HA_TINH, Hashed),
        ("operator", "public.network") => Seen::Operator("Viettel"),
        ("auditor", "public.rejected" | "public.devices" | "public.gateways" | "public.sites" | "public.zones") => {
            Seen::Zones(ALL, Hidden)
        }
        ("operator" | "auditor" | "nobody", _) => Seen::Nothing,
        ("reader" | "admin", _) => Seen::Zones(ALL, Shown),
        _ => panic!("role {role} and table {table} have no entry"),
    }
}

/// Test that goes through the cells over an interface. A new interface has no entry here until it has such a test.
pub(crate) fn tested_by(interface: Interface) -> &'static str {
    match interface {
        Interface::Http => "server/http/tests/sql.rs",
        Interface::Postgres => "server/postgres/tests/protocol/rights_cells.rs",
        Interface::Flight => "server/flight/tests/rights.rs",
    }
}

/// Column with the zone of a row.
pub(crate) fn zone_column(table: &str) -> &'static str {
    if table == "public.zones" { "code" } else { "zone" }
}

/// Rows of telemetry that a role sees in a table, in one zone; `None` for tables of the registry.
pub(crate) fn stored_rows(role: &str, table: &str, zone: &str) -> Option<usize> {
    let name = table.strip_prefix("public.")?;
    let rows: Vec<StoredRow> = all_rows().into_iter().filter(|row| row.table == name).collect();
    if rows.is_empty() && !matches!(name, "energy" | "production") {
        return None;
    }
    Some(rows.iter().filter(|row| row.zone == zone && sees(role, row)).count())
}

/// A question about one cell, and what is to be answered: a number, or nothing where it is to be refused.
#[derive(Debug)]
pub(crate) struct Cell {
    pub sql: String,
    pub wanted: Wanted,
    /// True where it is about a view.
    pub is_of_view: bool,
}

/// What a question is to be answered with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// An error.
    Refused,
    /// Rows, at least none.
    Answered,
    /// One row with this number.
    Count(usize),
}

/// The questions about a role and a table: the table, each zone of it, and each column of personal data.
pub(crate) fn cells(role: &str, table: &str) -> Vec<Cell> {
    let is_of_view = tables_of_view(table).is_some();
    let cell = |sql: String, wanted| Cell { sql, wanted, is_of_view };
    let seen = seen(role, table);
    let mut cells = Vec::new();
    let exists = if seen == Seen::Nothing { Wanted::Refused } else { Wanted::Answered };
    cells.push(cell(format!("select * from {table} limit 1"), exists.clone()));
    let zones: &[&str] = if OF_PROVINCES.contains(&table) { &[] } else { ALL };
    for zone in zones {
        let sql = format!("select count(*) from {table} where {} = '{zone}'", zone_column(table));
        let wanted = match (seen, stored_rows(role, table, zone)) {
            (Seen::Public, _) => continue,
            (Seen::Nothing, _) => Wanted::Refused,
            (_, Some(rows)) => Wanted::Count(rows),
            // Of each zone the registry has one zone, a gateway and three devices; only vung-ang has sites, and none has
            // stations or meters.
            (Seen::Zones(zones, _), None) if !zones.contains(zone) => Wanted::Count(0),
            // What a view has of the rows that are seen is for its own tests.
            (_, None) if is_of_view => Wanted::Answered,
            (_, None) => Wanted::Count(match (table, *zone) {
                ("public.zones" | "public.gateways", _) => 1,
                ("public.devices" | "system.devices", _) => 3,
                ("public.sites", "vung-ang") => 4,
                ("public.sites" | "public.stations" | "public.meters", _) => 0,
                (
                    "public.geofences"
                    | "public.ideal_cycle_times"
                    | "public.line_meters"
                    | "public.network_stations"
                    | "public.production_lines"
                    | "public.reporting_intervals"
                    | "public.shift_calendars",
                    _,
                ) => 0,
                _ => panic!("{table} has no count of rows"),
            }),
        };
        // A view takes long to plan: of zones that are seen, and of views that are not there, the first cell has told.
        if is_of_view && !matches!(wanted, Wanted::Count(_)) {
            continue;
        }
        cells.push(cell(sql, wanted));
    }
    for (_, column) in PERSONAL.iter().filter(|(of, _)| *of == table) {
        let is_visible = !matches!(seen, Seen::Nothing | Seen::Zones(_, Visibility::Hidden));
        let wanted = if is_visible { Wanted::Answered } else { Wanted::Refused };
        cells.push(cell(format!("select {column} from {table} limit 1"), wanted.clone()));
        // Hashes are text, and no value is one.
        let raw =
            format!("select count(*) from {table} where cast({column} as varchar) not similar to '[0-9a-f]{{32}}'");
        let has_values = !matches!(*column, "actor" | "evidence") && (table, *column) != ("public.security", "message");
        let of_role = |zones: &[&str]| zones.iter().filter_map(|zone| stored_rows(role, table, zone)).sum();
        let wanted = match seen {
            Seen::Zones(zones, Visibility::Shown) if has_values => Wanted::Count(of_role(zones)),
            Seen::Zones(_, Visibility::Shown | Visibility::Hashed) => Wanted::Count(0),
            _ => Wanted::Refused,
        };
        cells.push(cell(raw, wanted));
    }
    cells
}
