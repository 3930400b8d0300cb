//! The setting `TimeZone` as PostgreSQL reads it:
//!
//! | text | zone |
//! |---|---|
//! | `Asia/Ho_Chi_Minh`, `cet` | that of the IANA database, with its summer time |
//! | `7`, `-3.5`, `+07` | hours east |
//! | `UTC-7`, `<+07>-07`, `+07:00` | POSIX: an abbreviation, which may be empty, and hours **west** |

use crate::time::zone::{ZONES, Zone};

impl Zone {
    /// The zone that the setting names, and the text by which SHOW shows it. `None` where there is no such zone, and for POSIX
    /// zones with a summer time or seconds, which are not known here.
    pub fn of_setting(text: &str) -> Option<(Self, String)> {
        if let Some(hours) = text.trim().parse::<f64>().ok().filter(|hours| hours.is_finite()) {
            return Self::of_hours_east(hours);
        }
        if let Some(zone) = Self::of_database(text) {
            let shown = ZONES.get(&text.to_ascii_lowercase()).map_or(text, |zone| zone.name());
            return Some((zone, shown.to_owned()));
        }
        posix_minutes_west(text).map(|west| (Self::Fixed(-west * 60), text.to_owned()))
    }

    /// The zone of so many hours east of Greenwich, as `SET TIME ZONE INTERVAL '7 hours'` has them.
    pub fn of_hours_east(hours: f64) -> Option<(Self, String)> {
        let minutes = (hours * 60.0).round();
        // Seconds have no place in the name of a zone.
        if (minutes - hours * 60.0).abs() > 1e-6 || minutes.abs() >= f64::from(MINUTES_END) {
            return None;
        }
        // Within the bounds above, a whole number is exact.
        #[expect(clippy::cast_possible_truncation, reason = "it is whole and small")]
        let east = minutes as i32;
        let shown = |minutes: i32| {
            let sign = if minutes < 0 { '-' } else { '+' };
            match (minutes.abs() / 60, minutes.abs() % 60) {
                (hours, 0) => format!("{sign}{hours:02}"),
                (hours, minutes) => format!("{sign}{hours:02}:{minutes:02}"),
            }
        };
        // PostgreSQL shows 0 as `<+00>-00`.
        let west = if east == 0 { "-00".to_owned() } else { shown(-east) };
        Some((Self::Fixed(east * 60), format!("<{}>{west}", shown(east))))
    }
}

/// Minutes of a day: a zone is less than that away.
const MINUTES_END: i32 = 24 * 60;

/// Minutes west of a POSIX zone without a summer time.
fn posix_minutes_west(text: &str) -> Option<i32> {
    let offset = match text.strip_prefix('<') {
        Some(quoted) => quoted.split_once('>')?.1,
        None => &text[text.find(|letter: char| letter.is_ascii_digit() || matches!(letter, ',' | '-' | '+'))?..],
    };
    let (sign, digits) = match offset.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, offset.strip_prefix('+').unwrap_or(offset)),
    };
    let (hours, minutes) = digits.split_once(':').unwrap_or((digits, "0"));
    let number = |text: &str| {
        let is_number = !text.is_empty() && text.len() <= 3 && text.bytes().all(|digit| digit.is_ascii_digit());
        if is_number { text.parse::<i32>().ok() } else { None }
    };
    let (hours, minutes) = (number(hours)?, number(minutes).filter(|minutes| *minutes < 60)?);
    let west = hours * 60 + minutes;
    (west < MINUTES_END).then_some(sign * west)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_are_read_and_shown_as_postgresql_does() {
        // Each as `SET TIME ZONE` and `SHOW` of PostgreSQL 15 have it, with the hours east that it shows.
        for (text, shown, east) in [
            ("+07:00", "+07:00", -7.0),
            ("-07:00", "-07:00", 7.0),
            ("+07", "<+07>-07", 7.0),
            ("7", "<+07>-07", 7.0),
            ("-3.5", "<-03:30>+03:30", -3.5),
            ("15.5", "<+15:30>-15:30", 15.5),
            ("UTC-7", "UTC-7", 7.0),
            ("UTC+7", "UTC+7", -7.0),
            ("<+07>-07", "<+07>-07", 7.0),
            ("7:30", "7:30", -7.5),
            ("ABC-3", "ABC-3", 3.0),
        ] {
            let (zone, found) = Zone::of_setting(text).unwrap_or_else(|| panic!("{text}"));
            let east_us = zone.offset_seconds_in_all_years(0);
            #[expect(clippy::cast_precision_loss, reason = "an offset is small")]
            let hours = east_us as f64 / 3_600.0;
            assert_eq!((found.as_str(), hours), (shown, east), "{text}");
        }
    }

    #[test]
    fn names_are_of_the_database_and_nothing_else_is_a_zone() {
        for (text, shown) in
            [("utc", "UTC"), ("Etc/UTC", "Etc/UTC"), ("asia/ho_chi_minh", "Asia/Ho_Chi_Minh"), ("zulu", "Zulu")]
        {
            assert_eq!(Zone::of_setting(text).map(|(_, shown)| shown).as_deref(), Some(shown));
        }
        for text in ["z", "ICT", "ABC", "BST", "", "Mars/Olympus", "+0730", "200", "inf", "FOO5BAR", "+07:00:30"] {
            assert_eq!(Zone::of_setting(text), None, "{text}");
        }
        let summer =
            |name: &str| Zone::of_setting(name).map(|(zone, _)| zone.offset_seconds_in_all_years(1_782_900_000));
        assert_eq!([summer("CET"), summer("EET"), summer("WET")], [Some(7_200), Some(10_800), Some(3_600)]);
    }

    #[test]
    fn the_name_for_the_session_means_the_same_zone() {
        for text in ["CET", "-3.5", "+07:00", "UTC-7", "Asia/Ho_Chi_Minh", "UTC"] {
            let (zone, _) = Zone::of_setting(text).expect(text);
            let mut config = datafusion::common::config::ConfigOptions::new();
            config.execution.time_zone = Some(zone.arrow_name());
            let again = Zone::from_session(&config).expect(text);
            for instant in [0, 1_767_225_600, 1_782_900_000] {
                let offset = |zone: Zone| zone.offset_seconds_in_all_years(instant);
                assert_eq!(offset(again), offset(zone), "{text}");
            }
        }
    }
}
