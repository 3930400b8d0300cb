//! Reference data, built into the program: provinces, zones and sites that the registry starts with. Limits, tariffs and other
//! dated rows are in [`crate::reference_tables`].
//!
//! A CSV text is UTF-8 with a header line and comma-separated columns; an empty cell is null.

use crate::audit::AUDIT;
use crate::reject::REJECTED;

/// Columns: province, kind (KKT, KCN, CCN), code, name, locality, area_ha, status, source.
pub const ZONES_CSV: &str = include_str!("../reference/zones.csv");
/// Names of the system's own tables. No declared table may take one of them.
pub const SYSTEM_TABLES: [&str; 35] = [
    "air_limits",
    "aqi_bands",
    AUDIT,
    "carbon_factors",
    "devices",
    "electricity_prices",
    "electricity_time_of_use",
    "emission_limits",
    "fields",
    "gateways",
    "geofences",
    "ideal_cycle_times",
    "line_meters",
    "line_states",
    "meters",
    "missing_limits",
    "network_criteria",
    "network_stations",
    "network_targets",
    "noise_limits",
    "power_factor_surcharges",
    "production_lines",
    "provinces",
    "quality_map",
    "reference_changes",
    REJECTED,
    "reporting_intervals",
    "rollout_deadlines",
    "rsrp_classes",
    "shift_calendars",
    "sites",
    "stations",
    "vn_aqi_breakpoints",
    "waste_water_limits",
    "zones",
];

/// A province that the registry starts with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProvinceReference {
    /// Code, as `ha-tinh`.
    pub code: &'static str,
    /// Name in Vietnamese.
    pub name: &'static str,
}

/// The provinces of the two plans.
pub const PROVINCES: [ProvinceReference; 2] =
    [ProvinceReference { code: "ha-tinh", name: "Hà Tĩnh" }, ProvinceReference { code: "dak-lak", name: "Đắk Lắk" }];

/// A site within a zone that the registry starts with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SiteReference {
    /// Code of the zone.
    pub zone: &'static str,
    /// Code within the zone.
    pub code: &'static str,
    /// Name of the site.
    pub name: &'static str,
}

/// The sites that the plan of Hà Tĩnh names.
pub const SITES: [SiteReference; 4] = [
    SiteReference { zone: "vung-ang", code: "formosa-ha-tinh", name: "Khu liên hợp gang thép Formosa Hà Tĩnh" },
    SiteReference { zone: "vung-ang", code: "son-duong-port", name: "Cảng Sơn Dương" },
    SiteReference { zone: "vung-ang", code: "vung-ang-1-power", name: "Nhà máy nhiệt điện Vũng Áng 1" },
    SiteReference { zone: "vung-ang", code: "vung-ang-2-power", name: "Nhà máy nhiệt điện Vũng Áng 2" },
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tables::builtin_tables;

    #[test]
    fn every_zone_is_in_a_known_province_and_every_site_in_a_known_zone() {
        let mut codes = Vec::new();
        for line in ZONES_CSV.lines().skip(1) {
            let mut cells = line.split(',');
            let province = cells.next().expect("a first cell");
            assert!(PROVINCES.iter().any(|known| known.code == province), "{line}");
            codes.push(cells.nth(1).expect("a code"));
        }
        assert_eq!(codes.len(), 36);
        for site in SITES {
            assert!(codes.contains(&site.zone), "{site:?}");
        }
    }

    #[test]
    fn no_builtin_table_takes_the_name_of_a_system_table() {
        assert!(builtin_tables().iter().all(|table| !SYSTEM_TABLES.contains(&table.name.as_str())));
    }

    #[test]
    fn every_line_of_the_zones_has_the_columns_of_its_header() {
        let columns = ZONES_CSV.lines().next().expect("a header").split(',').count();
        assert!(ZONES_CSV.lines().count() > 1);
        assert!(!ZONES_CSV.contains('"'), "quoted cells need a real CSV reader here");
        assert!(ZONES_CSV.lines().all(|line| line.split(',').count() == columns));
    }
}
