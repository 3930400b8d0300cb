//! Time zones, and how local times become instants where a clock is put forward or back: as PostgreSQL does it.

use std::collections::HashMap;
use std::sync::LazyLock;

use chrono::{DateTime, LocalResult, NaiveDateTime, Offset, TimeZone};
use chrono_tz::{GapInfo, TZ_VARIANTS, Tz};
use datafusion::common::config::ConfigOptions;
use datafusion::common::{Result, exec_datafusion_err};

use crate::time::calendar::{HOUR_US, SECOND_US};

/// A time zone: the only such type of all interfaces of SQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Zone {
    /// Seconds east of Greenwich.
    Fixed(i32),
    /// A zone of the IANA database.
    Named(Tz),
}

impl Zone {
    /// UTC.
    pub const UTC: Self = Self::Fixed(0);

    /// The zone of the session, by its [`Zone::arrow_name`]; UTC where none is set.
    ///
    /// # Errors
    ///
    /// Fails where the setting names no zone.
    pub fn from_session(config: &ConfigOptions) -> Result<Self> {
        let Some(name) = config.execution.time_zone.as_deref() else { return Ok(Self::UTC) };
        Self::of_arrow_name(name).ok_or_else(|| exec_datafusion_err!("time zone \"{name}\" not recognized"))
    }

    /// The zone of an [`Zone::arrow_name`]. Names of zones alone: `CET` as an abbreviation would have no summer time.
    pub fn of_arrow_name(name: &str) -> Option<Self> {
        east_offset(name).map(Self::Fixed).or_else(|| Self::of_database(name))
    }

    /// The zone of this name in the IANA database, in any case.
    pub(crate) fn of_database(name: &str) -> Option<Self> {
        let zone = ZONES.get(&name.to_ascii_lowercase())?;
        Some(if ALWAYS_UTC.contains(zone) { Self::UTC } else { Self::Named(*zone) })
    }

    /// The zone that `AT TIME ZONE` means: a name, an abbreviation, or a POSIX offset, whose sign is positive to the west.
    pub(crate) fn named(name: &str) -> Result<Self> {
        let lower = name.trim().to_ascii_lowercase();
        // PostgreSQL looks among abbreviations before names of zones: `EST` is both.
        if let Some(hours) = abbreviation(&lower) {
            return Ok(Self::Fixed(hours * 3_600));
        }
        if let Some(zone) = Self::of_database(&lower) {
            return Ok(zone);
        }
        let digits = lower.find(|letter: char| !letter.is_ascii_alphabetic()).map(|at| &lower[at..]);
        match digits.and_then(offset_seconds) {
            // A POSIX name such as `UTC+7` counts hours to the west as positive.
            Some(west) => Ok(Self::Fixed(-west)),
            None => Err(exec_datafusion_err!("time zone \"{name}\" not recognized")),
        }
    }

    /// The name by which Arrow and [`Zone::from_session`] know the zone.
    pub fn arrow_name(self) -> String {
        match self {
            Self::Fixed(0) => "UTC".to_owned(),
            Self::Fixed(seconds) => {
                let sign = if seconds < 0 { '-' } else { '+' };
                let minutes = seconds.abs() / 60;
                format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60)
            }
            Self::Named(zone) => zone.name().to_owned(),
        }
    }

    /// The zone within a text of a time: as [`Zone::named`], but the sign of an offset is positive to the east.
    pub(crate) fn in_text(name: &str) -> Result<Self> {
        match east_offset(name) {
            Some(seconds) => Ok(Self::Fixed(seconds)),
            None => Self::named(name),
        }
    }

    /// True where local time is UTC.
    pub(crate) fn is_utc(self) -> bool {
        self == Self::UTC
    }

    /// Local time minus UTC at an instant, in µs.
    pub(crate) fn offset_us(self, instant_us: i64) -> i64 {
        let seconds = match self {
            Self::Fixed(seconds) => seconds,
            Self::Named(zone) => match DateTime::from_timestamp(instant_us.div_euclid(SECOND_US), 0) {
                Some(instant) => zone.offset_from_utc_datetime(&instant.naive_utc()).fix().local_minus_utc(),
                None => 0,
            },
        };
        i64::from(seconds) * SECOND_US
    }

    /// Seconds that local time is ahead of UTC at an instant in seconds since 1970. Beyond the years that have rules, the
    /// first or last year's offset holds: PostgreSQL writes instants up to the year 294276, and chrono ends at 262142.
    pub fn offset_seconds_in_all_years(self, instant_seconds: i64) -> i64 {
        let within = instant_seconds.clamp(RULES_FROM_SECONDS, RULES_UNTIL_SECONDS);
        self.offset_us(within * SECOND_US) / SECOND_US
    }

    /// The local time of an instant.
    pub(crate) fn to_local(self, instant_us: i64) -> i64 {
        instant_us.saturating_add(self.offset_us(instant_us))
    }

    /// The instant of a local time. A time that there is twice is the second one; a time that is left out is counted with
    /// the offset before the gap.
    pub(crate) fn to_instant(self, local_us: i64) -> i64 {
        let seconds = match self.local(local_us) {
            Local::Once(seconds) | Local::Twice { second: seconds, .. } | Local::Never { before: seconds, .. } => {
                seconds
            }
        };
        local_us.saturating_sub(i64::from(seconds) * SECOND_US)
    }

    /// The first instant that shows a local time or, where it is left out, the first one after the gap.
    pub(crate) fn first_instant(self, local_us: i64) -> i64 {
        match self.local(local_us) {
            Local::Once(seconds) | Local::Twice { first: seconds, .. } => local_us.saturating_sub(us(seconds)),
            Local::Never { end_us, .. } => end_us,
        }
    }

    /// The last instant not after `instant_us` that shows a local time; as [`Zone::first_instant`] where there is one only.
    pub(crate) fn last_instant_until(self, local_us: i64, instant_us: i64) -> i64 {
        match self.local(local_us) {
            Local::Twice { second, .. } if local_us.saturating_sub(us(second)) <= instant_us => {
                local_us.saturating_sub(us(second))
            }
            _ => self.first_instant(local_us),
        }
    }

    fn local(self, local_us: i64) -> Local {
        let zone = match self {
            Self::Fixed(seconds) => return Local::Once(seconds),
            Self::Named(zone) => zone,
        };
        let Some(local) = DateTime::from_timestamp(local_us.div_euclid(SECOND_US), 0).map(|local| local.naive_utc())
        else {
            // Beyond chrono's years the offset is 0 here as in `offset_us`, so that a time there and back is the same.
            return Local::Once(0);
        };
        match zone.offset_from_local_datetime(&local) {
            LocalResult::Single(offset) => Local::Once(offset.fix().local_minus_utc()),
            LocalResult::Ambiguous(first, second) => {
                let (first, second) = (first.fix().local_minus_utc(), second.fix().local_minus_utc());
                // The greater offset is the earlier instant.
                Local::Twice { first: first.max(second), second: first.min(second) }
            }
            LocalResult::None => gap(&local, zone),
        }
    }

    /// Looks offsets up for times that are mostly near to each other.
    pub(crate) fn cursor(self) -> OffsetCursor {
        OffsetCursor { zone: self, from_us: i64::MAX, until_us: i64::MIN, offset_us: 0 }
    }
}

/// Zones that never were anything but UTC; those of the time of nearly all statements need no look-up.
const ALWAYS_UTC: [Tz; 6] = [Tz::UTC, Tz::Etc__UTC, Tz::UCT, Tz::Zulu, Tz::Universal, Tz::GMT];

/// Seconds of the year -9996 and of the year 9996, between which offsets are looked up.
const RULES_FROM_SECONDS: i64 = -377_600_000_000;
const RULES_UNTIL_SECONDS: i64 = 253_300_000_000;

/// The instants of a local time, by their offsets in seconds.
enum Local {
    Once(i32),
    Twice { first: i32, second: i32 },
    Never { before: i32, end_us: i64 },
}

fn us(seconds: i32) -> i64 {
    i64::from(seconds) * SECOND_US
}

fn gap(local: &NaiveDateTime, zone: Tz) -> Local {
    let gap = GapInfo::new(local, &zone);
    let before =
        gap.as_ref().and_then(|gap| gap.begin.as_ref()).map_or(0, |(_, offset)| offset.fix().local_minus_utc());
    let end = gap.and_then(|gap| gap.end).map(|end| end.timestamp() * SECOND_US);
    let end_us = end.unwrap_or_else(|| local.and_utc().timestamp() * SECOND_US - us(before));
    Local::Never { before, end_us }
}

/// The offset of a zone over a stretch in which it does not change, remembered for the times that follow.
#[derive(Debug)]
pub(crate) struct OffsetCursor {
    zone: Zone,
    from_us: i64,
    until_us: i64,
    offset_us: i64,
}

/// No zone changed its clocks and changed them back within so little time.
const STRETCH_US: i64 = 4 * HOUR_US;

impl OffsetCursor {
    /// As [`Zone::offset_us`].
    pub(crate) fn offset_us(&mut self, instant_us: i64) -> i64 {
        if let Zone::Fixed(seconds) = self.zone {
            return us(seconds);
        }
        if self.from_us <= instant_us && instant_us < self.until_us {
            return self.offset_us;
        }
        let from_us = instant_us.saturating_sub(instant_us.rem_euclid(STRETCH_US));
        let until_us = from_us.saturating_add(STRETCH_US);
        let offset_us = self.zone.offset_us(from_us);
        // Equal offsets at both ends of so short a stretch are the offset in between, too.
        if offset_us == self.zone.offset_us(until_us - 1) {
            (self.from_us, self.until_us, self.offset_us) = (from_us, until_us, offset_us);
            offset_us
        } else {
            self.zone.offset_us(instant_us)
        }
    }
}

/// Zones of the database by their names in lower case.
pub(crate) static ZONES: LazyLock<HashMap<String, Tz>> =
    LazyLock::new(|| TZ_VARIANTS.iter().map(|zone| (zone.name().to_ascii_lowercase(), *zone)).collect());

/// Hours east of the abbreviations that PostgreSQL knows by default and that are in use.
fn abbreviation(lower: &str) -> Option<i32> {
    Some(match lower {
        "utc" | "gmt" | "z" | "zulu" | "uct" | "ut" | "wet" => 0,
        "cet" | "bst" | "mez" | "west" => 1,
        "cest" | "eet" | "ist" | "sast" | "mesz" => 2,
        "msk" | "eest" | "eat" => 3,
        "msd" => 4,
        "jst" | "kst" => 9,
        "est" => -5,
        "cst" => -6,
        "mst" => -7,
        "pst" => -8,
        "edt" => -4,
        "cdt" => -5,
        "mdt" => -6,
        "pdt" => -7,
        _ => return None,
    })
}

/// Seconds of `+HH`, `+HHMM`, `+HH:MM` or `+HH:MM:SS`; no sign is plus.
fn offset_seconds(text: &str) -> Option<i32> {
    let (sign, digits) = match text.as_bytes().first()? {
        b'+' => (1, &text[1..]),
        b'-' => (-1, &text[1..]),
        _ => (1, text),
    };
    let parts: Vec<&str> = match digits.len() {
        4 if !digits.contains(':') => vec![digits.get(..2)?, digits.get(2..)?],
        _ => digits.split(':').collect(),
    };
    let wellformed = |part: &&str| (1..=2).contains(&part.len()) && part.bytes().all(|digit| digit.is_ascii_digit());
    if parts.is_empty() || parts.len() > 3 || !parts.iter().all(wellformed) {
        return None;
    }
    let number = |at: usize| parts.get(at).map_or(Some(0), |part| part.parse::<i32>().ok());
    let (hours, minutes, seconds) = (number(0)?, number(1)?, number(2)?);
    (hours <= 167 && minutes < 60 && seconds < 60).then_some(sign * (hours * 3_600 + minutes * 60 + seconds))
}

fn east_offset(text: &str) -> Option<i32> {
    let text = text.trim();
    if text.starts_with(['+', '-']) { offset_seconds(text) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::text::parse_instant;

    fn at(text: &str) -> i64 {
        parse_instant(text, Zone::UTC).expect("a time")
    }

    fn berlin() -> Zone {
        Zone::named("europe/BERLIN").expect("a zone")
    }

    #[test]
    fn a_time_that_is_left_out_or_there_twice_is_resolved_as_postgresql_does() {
        assert_eq!(berlin().to_instant(at("2026-03-29 02:30")), at("2026-03-29 01:30Z"));
        assert_eq!(berlin().to_instant(at("2026-10-25 02:30")), at("2026-10-25 01:30Z"));
        assert_eq!(berlin().to_instant(at("2026-07-01 12:00")), at("2026-07-01 10:00Z"));
    }

    #[test]
    fn the_first_instant_of_a_local_time_is_before_or_behind_no_other() {
        assert_eq!(berlin().first_instant(at("2026-10-25 02:00")), at("2026-10-25 00:00Z"));
        assert_eq!(berlin().first_instant(at("2026-03-29 02:30")), at("2026-03-29 01:00Z"));
        let until = |instant: &str| berlin().last_instant_until(at("2026-10-25 02:00"), at(instant));
        assert_eq!(until("2026-10-25 00:59Z"), at("2026-10-25 00:00Z"));
        assert_eq!(until("2026-10-25 01:00Z"), at("2026-10-25 01:00Z"));
    }

    #[test]
    fn offsets_are_west_in_names_and_east_in_times() {
        assert_eq!(Zone::named("+07").expect("an offset"), Zone::Fixed(-7 * 3_600));
        assert_eq!(Zone::named("UTC+7").expect("an offset"), Zone::Fixed(-7 * 3_600));
        assert_eq!(Zone::in_text("+07:30").expect("an offset"), Zone::Fixed(27_000));
        assert_eq!(Zone::in_text("-0330").expect("an offset"), Zone::Fixed(-12_600));
        assert!(Zone::named("Mars/Olympus").is_err());
        assert!(Zone::named("").is_err());
    }

    #[test]
    fn beyond_the_years_of_the_rules_the_last_offset_holds() {
        let berlin = berlin();
        let year_9990 = at("9990-01-01Z") / SECOND_US;
        assert_eq!(berlin.offset_seconds_in_all_years(year_9990), 3_600);
        assert_eq!(berlin.offset_seconds_in_all_years(i64::MAX / SECOND_US), 3_600);
        assert_eq!(Zone::Fixed(25_200).offset_seconds_in_all_years(i64::MIN), 25_200);
    }

    #[test]
    fn a_cursor_says_what_the_zone_says() {
        for zone in ["Europe/Berlin", "Asia/Ho_Chi_Minh", "America/Havana", "Australia/Lord_Howe", "Pacific/Apia"] {
            let zone = Zone::named(zone).expect("a zone");
            let mut cursor = zone.cursor();
            for step in 0..40_000 {
                let instant = at("2011-01-01Z") + step * 37 * 60 * SECOND_US;
                assert_eq!(cursor.offset_us(instant), zone.offset_us(instant), "{zone:?} {instant}");
            }
        }
    }
}
