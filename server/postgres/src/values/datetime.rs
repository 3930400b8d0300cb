//! Dates and times as PostgreSQL writes them, over its whole range and beyond that of other calendars: microseconds since
//! 1970 in 64 bits reach from the year -290,308 to 294,247.

use std::str::FromStr;

use bytes::{BufMut, BytesMut};
use chrono::{DateTime, Offset, TimeZone};
use chrono_tz::{TZ_VARIANTS, Tz};

/// Days from 1970 to 2000, from which PostgreSQL counts.
const DAYS_TO_2000: i64 = 10_957;
/// Microseconds of a day.
pub(crate) const DAY_US: i64 = 86_400_000_000;
/// Earliest day that PostgreSQL has, 4713-11-24 BC, in days since 1970.
const DAY_MIN: i64 = -2_440_588;
/// Last day that a time of PostgreSQL has, 294276-12-31.
const DAY_MAX: i64 = 106_762_232;

/// A zone of times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Zone {
    /// Seconds ahead of UTC.
    Fixed(i32),
    /// With rules.
    Named(Tz),
}

impl Zone {
    /// UTC.
    pub(crate) const UTC: Self = Self::Fixed(0);

    /// A zone by its IANA name, in any case, or an offset as `+07:00`; `None` where there is none of that name.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        if let Some(seconds) = offset_seconds(name) {
            return Some(Self::Fixed(seconds));
        }
        if ["utc", "gmt", "z", "etc/utc", "universal", "zulu"].contains(&name.to_ascii_lowercase().as_str()) {
            return Some(Self::UTC);
        }
        let in_any_case = || TZ_VARIANTS.into_iter().find(|zone| zone.name().eq_ignore_ascii_case(name));
        Tz::from_str(name).ok().or_else(in_any_case).map(Self::Named)
    }

    /// The name by which Arrow knows it.
    pub(crate) fn arrow_name(self) -> String {
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

    /// Seconds that it is ahead of UTC at an instant. Beyond the years of the rules the last one holds.
    fn seconds_at(self, utc_seconds: i64) -> i64 {
        match self {
            Self::Fixed(seconds) => i64::from(seconds),
            Self::Named(zone) => {
                let within = utc_seconds.clamp(RULES_FROM, RULES_UNTIL);
                DateTime::from_timestamp(within, 0)
                    .map_or(0, |utc| i64::from(zone.offset_from_utc_datetime(&utc.naive_utc()).fix().local_minus_utc()))
            }
        }
    }
}

/// Seconds of the year -9998 and of the year 9999, between which offsets are looked up.
const RULES_FROM: i64 = -377_600_000_000;
const RULES_UNTIL: i64 = 253_300_000_000;

/// `+07`, `-3:30`, `+07:00`, as ISO 8601 has them: east is positive.
fn offset_seconds(text: &str) -> Option<i32> {
    let (sign, rest) = match text.as_bytes().first()? {
        b'+' => (1, &text[1..]),
        b'-' => (-1, &text[1..]),
        _ => return None,
    };
    let (hours, minutes) = match rest.split_once(':') {
        Some((hours, minutes)) => (hours, minutes.parse::<i32>().ok()?),
        None if rest.len() == 4 => (rest.get(..2)?, rest.get(2..)?.parse::<i32>().ok()?),
        None => (rest, 0),
    };
    let hours: i32 = hours.parse().ok()?;
    ((0..=15).contains(&hours) && (0..60).contains(&minutes)).then_some(sign * (hours * 3_600 + minutes * 60))
}

/// A day or time that PostgreSQL does not have.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct OutOfRange;

/// Days since 2000, as the binary form has them.
pub(crate) fn days_since_2000(days: i64) -> Result<i32, OutOfRange> {
    if !(DAY_MIN..=i64::from(i32::MAX)).contains(&days) {
        return Err(OutOfRange);
    }
    i32::try_from(days - DAYS_TO_2000).map_err(|_| OutOfRange)
}

/// Microseconds since 2000, as the binary form has them.
pub(crate) fn us_since_2000(us: i64) -> Result<i64, OutOfRange> {
    check(us)?;
    us.checked_sub(DAYS_TO_2000 * DAY_US).ok_or(OutOfRange)
}

/// Microseconds since 1970 of those since 2000.
pub(crate) fn us_since_1970(us_since_2000: i64) -> Option<i64> {
    us_since_2000.checked_add(DAYS_TO_2000 * DAY_US)
}

/// Days since 1970 of those since 2000.
pub(crate) fn days_since_1970(days_since_2000: i32) -> Option<i32> {
    i32::try_from(i64::from(days_since_2000) + DAYS_TO_2000).ok()
}

fn check(us: i64) -> Result<(), OutOfRange> {
    if (DAY_MIN..=DAY_MAX).contains(&us.div_euclid(DAY_US)) { Ok(()) } else { Err(OutOfRange) }
}

/// Writes a day: `2026-11-25`, `0044-03-15 BC`.
pub(crate) fn put_date(out: &mut BytesMut, days: i64) -> Result<(), OutOfRange> {
    days_since_2000(days)?;
    let is_bc = put_day(out, days);
    if is_bc {
        out.put_slice(b" BC");
    }
    Ok(())
}

/// Writes a time without a zone: `2026-11-25 01:02:03.5`.
pub(crate) fn put_timestamp(out: &mut BytesMut, us: i64) -> Result<(), OutOfRange> {
    check(us)?;
    let is_bc = put_day(out, us.div_euclid(DAY_US));
    out.put_u8(b' ');
    put_time(out, us.rem_euclid(DAY_US));
    if is_bc {
        out.put_slice(b" BC");
    }
    Ok(())
}

/// Writes an instant as the zone's clocks show it, with their offset: `2026-11-25 08:02:03.5+07`.
pub(crate) fn put_timestamptz(out: &mut BytesMut, us: i64, zone: Zone) -> Result<(), OutOfRange> {
    check(us)?;
    let ahead = zone.seconds_at(us.div_euclid(1_000_000));
    let local = i128::from(us) + i128::from(ahead) * 1_000_000;
    let day = i64::try_from(local.div_euclid(i128::from(DAY_US))).map_err(|_| OutOfRange)?;
    let of_day = i64::try_from(local.rem_euclid(i128::from(DAY_US))).map_err(|_| OutOfRange)?;
    let is_bc = put_day(out, day);
    out.put_u8(b' ');
    put_time(out, of_day);
    out.put_u8(if ahead < 0 { b'-' } else { b'+' });
    let ahead = ahead.abs();
    put_digits(out, ahead / 3_600, 2);
    for part in
        [ahead / 60 % 60, ahead % 60].iter().take(if ahead % 60 != 0 { 2 } else { usize::from(ahead % 3_600 != 0) })
    {
        out.put_u8(b':');
        put_digits(out, *part, 2);
    }
    if is_bc {
        out.put_slice(b" BC");
    }
    Ok(())
}

/// Writes a time of day: `01:02:03.5`.
pub(crate) fn put_time(out: &mut BytesMut, us: i64) {
    put_digits(out, us / 3_600_000_000, 2);
    out.put_u8(b':');
    put_digits(out, us / 60_000_000 % 60, 2);
    out.put_u8(b':');
    put_digits(out, us / 1_000_000 % 60, 2);
    put_fraction(out, us % 1_000_000);
}

/// Writes the part of a second below the point, without zeros at its end.
pub(crate) fn put_fraction(out: &mut BytesMut, us: i64) {
    if us == 0 {
        return;
    }
    out.put_u8(b'.');
    let (mut value, mut width) = (us, 6);
    while value % 10 == 0 {
        value /= 10;
        width -= 1;
    }
    put_digits(out, value, width);
}

/// Writes year, month and day; whether the year is before Christ.
fn put_day(out: &mut BytesMut, days: i64) -> bool {
    let (year, month, day) = civil(days);
    let is_bc = year <= 0;
    let shown = if is_bc { 1 - year } else { year };
    put_digits(out, shown, 4);
    out.put_u8(b'-');
    put_digits(out, month, 2);
    out.put_u8(b'-');
    put_digits(out, day, 2);
    is_bc
}

/// Writes a number that is not negative with at least `width` digits.
fn put_digits(out: &mut BytesMut, value: i64, width: usize) {
    let mut digits = [b'0'; 20];
    let (mut value, mut at) = (value, digits.len());
    while value > 0 {
        at -= 1;
        digits[at] = b'0' + u8::try_from(value % 10).unwrap_or(0);
        value /= 10;
    }
    out.put_slice(&digits[at.min(digits.len() - width)..]);
}

/// Year, month and day of days since 1970, in the Gregorian calendar that is continued backwards. Year 0 is 1 BC. The
/// formula is that of Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", `civil_from_days`.
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(write: impl FnOnce(&mut BytesMut) -> Result<(), OutOfRange>) -> String {
        let mut out = BytesMut::new();
        write(&mut out).unwrap();
        String::from_utf8(out.to_vec()).unwrap()
    }

    #[test]
    fn days_and_times_are_written_as_postgresql_writes_them() {
        // Each as `select` of PostgreSQL 15 shows it.
        assert_eq!(text(|out| put_date(out, 0)), "1970-01-01");
        assert_eq!(text(|out| put_date(out, 19_782)), "2024-02-29");
        assert_eq!(text(|out| put_date(out, DAY_MIN)), "4714-11-24 BC");
        assert_eq!(text(|out| put_timestamp(out, -1)), "1969-12-31 23:59:59.999999");
        assert_eq!(text(|out| put_timestamp(out, 1_500_000)), "1970-01-01 00:00:01.5");
        assert_eq!(text(|out| put_timestamp(out, i64::MAX)), "294247-01-10 04:00:54.775807");
        let hanoi = Zone::parse("asia/ho_chi_minh").unwrap();
        assert_eq!(text(|out| put_timestamptz(out, 0, hanoi)), "1970-01-01 08:00:00+08");
        assert_eq!(text(|out| put_timestamptz(out, 1_764_032_400_000_000, hanoi)), "2025-11-25 08:00:00+07");
        let kolkata = Zone::parse("Asia/Kolkata").unwrap();
        assert_eq!(text(|out| put_timestamptz(out, 0, kolkata)), "1970-01-01 05:30:00+05:30");
        assert_eq!(text(|out| put_timestamptz(out, 0, Zone::parse("-03:30").unwrap())), "1969-12-31 20:30:00-03:30");
        assert_eq!(text(|out| put_timestamptz(out, 0, Zone::UTC)), "1970-01-01 00:00:00+00");
    }

    #[test]
    fn what_postgresql_does_not_have_is_refused_and_not_shown_wrongly() {
        let mut out = BytesMut::new();
        assert_eq!(put_timestamp(&mut out, i64::MIN), Err(OutOfRange));
        assert_eq!(us_since_2000(i64::MIN), Err(OutOfRange));
        assert_eq!(put_date(&mut out, DAY_MIN - 1), Err(OutOfRange));
        assert_eq!(us_since_2000(i64::MAX), Ok(i64::MAX - 946_684_800_000_000));
    }

    #[test]
    fn days_and_dates_agree_with_another_calendar() {
        for days in (-300_000..300_000).step_by(97) {
            let day = chrono::NaiveDate::from_epoch_days(days).unwrap();
            if day >= chrono::NaiveDate::from_ymd_opt(1, 1, 1).unwrap() {
                assert_eq!(text(|out| put_date(out, i64::from(days))), day.format("%Y-%m-%d").to_string());
            }
        }
    }

    #[test]
    fn unknown_zones_are_none() {
        assert_eq!(Zone::parse("Mars/Olympus"), None);
        assert_eq!(Zone::parse("+99:00"), None);
        assert_eq!(Zone::parse("UTC"), Some(Zone::UTC));
        assert_eq!(Zone::parse("Etc/UTC").map(Zone::arrow_name).as_deref(), Some("UTC"));
    }
}
