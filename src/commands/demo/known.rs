//! What an agency and a plant know of the devices of the demonstration: rows of reference data, without which views have reasons in place of figures.

use zonelake_server::Server;

use super::simulated::ZONES;
use crate::error::CliError;

/// Rows behind province and zone, for the zone that the recordings are in.
const OF_RECORDINGS: [(&str, &str); 2] = [
    // A station of the recordings sends an hour at a time, in its own zone of time.
    (
        "stations",
        "Aotizhongxin,ambient,Asia/Shanghai,3600,,,,,,,,,,2000-01-01,,\nDongsi,ambient,Asia/Shanghai,3600,,,,,,,,,,2000-01-01,,\nGucheng,ambient,Asia/Shanghai,3600,,,,,,,,,,2000-01-01,,\n",
    ),
    ("meters", "steel-plant-main-meter,steel works,production,22-110kV,old,Asia/Seoul,900,2000-01-01,,\n"),
];

/// Rows behind province and zone, for every zone that is simulated.
const OF_ZONES: [(&str, &str); 3] = [
    (
        "production_lines",
        "sim-production-0000,line-1,1,,,Asia/Ho_Chi_Minh,1,1,,2000-01-01,,\nsim-production-0001,line-1,2,,,Asia/Ho_Chi_Minh,1,1,,2000-01-01,,\n",
    ),
    ("ideal_cycle_times", "sim-production-0000,,0.03,2000-01-01,,\nsim-production-0001,,0.03,2000-01-01,,\n"),
    ("reporting_intervals", "sim-assets-0000,tracker,1,60,2000-01-01,,\nsim-assets-0001,tracker,1,60,2000-01-01,,\n"),
];

/// Brings the rows into the registry of a server.
///
/// # Errors
/// Where a row is refused.
pub(super) fn bring(server: &Server) -> Result<(), CliError> {
    let of_recordings = OF_RECORDINGS.map(|(table, rows)| (table, rows, &ZONES[..1]));
    for (table, rows, zones) in of_recordings.into_iter().chain(OF_ZONES.map(|(table, rows)| (table, rows, &ZONES[..])))
    {
        let registry = server.store().registry();
        let known = registry.reference(table).map(|known| known.csv.to_string()).unwrap_or_default();
        let mut text = known.lines().take(1).map(|header| format!("{header}\n")).collect::<String>();
        for zone in zones {
            let province = registry.zone_by_code(zone).map(|zone| zone.province.to_string()).unwrap_or_default();
            text.extend(rows.lines().map(|row| format!("{province},{zone},{row}\n")));
        }
        registry.import_reference(table, &text, false).map_err(|error| CliError::from_kind(error.kind(), error))?;
    }
    Ok(())
}
