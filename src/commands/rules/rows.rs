//! Rows as the command line names them, and what is told of them.

use chrono::{DateTime, NaiveDate};
use clap::Args;
use zonelake_http::ConcernedRows;
use zonelake_storage::Selection;

/// Rows by zone, device and time.
#[derive(Debug, Clone, Args)]
pub(crate) struct SelectionOptions {
    /// Code of the zone
    #[arg(long, value_name = "CODE")]
    pub zone: Option<String>,

    /// Name of the device
    #[arg(long, value_name = "NAME")]
    pub device: Option<String>,

    /// First instant, as 2026-01-31 (UTC) or 2026-01-31T08:00:00+07:00
    #[arg(long, value_name = "TIME", value_parser = instant)]
    pub from: Option<i64>,

    /// Instant that is the first not selected any more
    #[arg(long, value_name = "TIME", value_parser = instant)]
    pub until: Option<i64>,
}

impl SelectionOptions {
    /// The selection.
    pub(super) fn selection(&self) -> Selection {
        Selection { zone: self.zone.clone(), device: self.device.clone(), from_us: self.from, until_us: self.until }
    }
}

/// A selection in words.
pub(super) fn words(selection: &Selection) -> String {
    let Selection { zone, device, from_us, until_us } = selection;
    let parts = [
        zone.as_ref().map(|zone| format!("zone {zone}")),
        device.as_ref().map(|device| format!("device {device}")),
        from_us.map(|from| format!("from {}", time(from))),
        until_us.map(|until| format!("until {}", time(until))),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    if parts.is_empty() { "all rows".to_owned() } else { parts.join(", ") }
}

/// What goes, in words.
pub(super) fn concerned(rows: &ConcernedRows) -> String {
    let ConcernedRows { rows, whole_files, mixed_files, .. } = rows;
    format!("{rows} rows: {whole_files} files with nothing else, {mixed_files} files with other rows, too")
}

/// Who gives the command, as far as the surroundings tell.
pub(super) fn who() -> String {
    let names = ["SUDO_USER", "USER", "LOGNAME"];
    names.iter().find_map(|name| std::env::var(name).ok()).unwrap_or_else(|| "unknown".to_owned())
}

/// An instant to the second, UTC.
pub(crate) fn time(us: i64) -> String {
    DateTime::from_timestamp_micros(us).map_or_else(|| us.to_string(), |at| at.format("%Y-%m-%dT%H:%M:%SZ").to_string())
}

/// Reads an instant, µs: a date, or a time with its offset.
pub(crate) fn instant(text: &str) -> Result<i64, String> {
    if let Ok(date) = text.parse::<NaiveDate>() {
        return Ok(date.and_time(chrono::NaiveTime::MIN).and_utc().timestamp_micros());
    }
    let read = DateTime::parse_from_rfc3339(text);
    read.map(|at| at.timestamp_micros())
        .map_err(|error| format!("{error}; a date or an instant with its offset is wanted"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_is_a_date_of_utc_or_has_its_offset() {
        assert_eq!(instant("2026-01-01"), Ok(1_767_225_600_000_000));
        assert_eq!(instant("2026-01-01T07:00:00+07:00"), Ok(1_767_225_600_000_000));
        assert!(instant("2026-01-01T07:00:00").is_err(), "which zone is not said");
    }

    #[test]
    fn a_selection_is_told_by_what_it_names() {
        let selection = Selection { zone: Some("z".into()), from_us: Some(0), ..Selection::default() };
        assert_eq!(words(&selection), "zone z, from 1970-01-01T00:00:00Z");
        assert_eq!(words(&Selection::default()), "all rows");
    }
}
