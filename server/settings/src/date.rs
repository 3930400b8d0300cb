//! Dates in the settings.

use crate::keys::IngestSettings;

impl IngestSettings {
    /// Earliest time of a row, microseconds since 1970, UTC; `None` where `oldest_date` is no date from 1970 on.
    pub fn oldest_us(&self) -> Option<i64> {
        days_since_1970(&self.oldest_date).map(|days| days * 86_400_000_000)
    }
}

/// Days from 1970-01-01 to a date as `YYYY-MM-DD`; `None` where there is no such date, or it is before 1970.
fn days_since_1970(text: &str) -> Option<i64> {
    let is_form = text.len() == 10
        && text.bytes().enumerate().all(|(at, byte)| match at {
            4 | 7 => byte == b'-',
            _ => byte.is_ascii_digit(),
        });
    if !is_form {
        return None;
    }
    let (year, month, day): (i64, usize, i64) =
        (text[..4].parse().ok()?, text[5..7].parse().ok()?, text[8..].parse().ok()?);
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days_of = |month: usize| if month == 2 && is_leap { 29 } else { DAYS_OF_MONTHS[month - 1] };
    if year < 1970 || !(1..=12).contains(&month) || !(1..=days_of(month)).contains(&day) {
        return None;
    }
    // Leap days of all years before this one.
    let leap_days = |year: i64| (year - 1) / 4 - (year - 1) / 100 + (year - 1) / 400;
    let of_years = (year - 1970) * 365 + leap_days(year) - leap_days(1970);
    Some(of_years + (1..month).map(days_of).sum::<i64>() + day - 1)
}

/// Days of the months of a year without a leap day.
const DAYS_OF_MONTHS: [i64; 12] = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_days_since_1970_and_what_is_no_date_is_none() {
        for (text, days) in [
            ("1970-01-01", 0),
            ("1972-03-01", 790),
            ("2000-02-29", 11_016),
            ("2001-01-01", 11_323),
            ("2026-01-01", 20_454),
            ("9999-12-31", 2_932_896),
        ] {
            assert_eq!(days_since_1970(text), Some(days), "{text}");
        }
        for text in [
            "",
            "1969-12-31",
            "2001-02-29",
            "2100-02-29",
            "2001-13-01",
            "2001-00-01",
            "2001-01-00",
            "2001-1-1",
            "2001/01/01",
            "+001-01-01",
            "2001-01-01T",
        ] {
            assert_eq!(days_since_1970(text), None, "{text}");
        }
    }
}
