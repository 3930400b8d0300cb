//! Reference data, built into the program: provinces, zones and sites that the registry starts with, and the limits and
//! targets that SQL shows as tables.
//!
//! Each CSV text is UTF-8 with a header line and comma-separated columns; an empty cell is null. Limits are dated rows
//! (`valid_from`, `valid_to`, both inclusive), since each regulation changes them.

use crate::reject::REJECTED;

/// Columns: province, kind (KKT, KCN, CCN), code, name, locality, area_ha, status, source.
pub const ZONES_CSV: &str = include_str!("../reference/zones.csv");
/// Columns: regulation, parameter, unit, averaging (1h, 8h, 24h, 1y), limit, valid_from, valid_to.
pub const AIR_LIMITS_CSV: &str = include_str!("../reference/air_limits.csv");
/// Columns: aqi, O3_1h, O3_8h, CO, SO2, NO2, PM10, PM2.5: index and concentrations in µg/m³ (Decision 1459/QĐ-TCMT).
pub const VN_AQI_BREAKPOINTS_CSV: &str = include_str!("../reference/vn_aqi_breakpoints.csv");
/// Columns: province, operator, scope, stations_5g_baseline, stations_5g_added, stations_5g_target, deadline,
/// stations_all.
pub const NETWORK_TARGETS_CSV: &str = include_str!("../reference/network_targets.csv");

/// Reference tables that SQL shows as they are: name and CSV text.
pub const CSV_TABLES: [(&str, &str); 3] = [
    ("air_limits", AIR_LIMITS_CSV),
    ("network_targets", NETWORK_TARGETS_CSV),
    ("vn_aqi_breakpoints", VN_AQI_BREAKPOINTS_CSV),
];

/// Names of the system's own tables. No declared table may take one of them.
pub const SYSTEM_TABLES: [&str; 10] = [
    "air_limits",
    "devices",
    "fields",
    "gateways",
    "network_targets",
    "provinces",
    REJECTED,
    "sites",
    "vn_aqi_breakpoints",
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
        assert!(CSV_TABLES.iter().all(|(name, _)| SYSTEM_TABLES.contains(name)));
    }

    #[test]
    fn every_line_of_a_csv_has_the_columns_of_its_header() {
        for text in [ZONES_CSV, AIR_LIMITS_CSV, VN_AQI_BREAKPOINTS_CSV, NETWORK_TARGETS_CSV] {
            let columns = text.lines().next().expect("a header").split(',').count();
            assert!(text.lines().count() > 1);
            assert!(!text.contains('"'), "quoted cells need a real CSV reader here");
            assert!(text.lines().all(|line| line.split(',').count() == columns));
        }
    }
}
