//! Dates and times on PostgreSQL's wire: the text that it writes, and binary values, which count from 2000. Zones and the
//! calendar are those of `zonelake-timeseries`.
//!
//! Microseconds since 1970 in 64 bits reach from the year -290,308 to 294,247.

use bytes::{BufMut, BytesMut};
use zonelake_timeseries::{DAY_US, Day, Zone};

/// Days from 1970 to 2000, from which PostgreSQL counts.
const DAYS_TO_2000: i64 = 10_957;
/// Earliest day that PostgreSQL has, 4713-11-24 BC, in days since 1970.
const DAY_MIN: i64 = -2_440_588;
/// Last day that a time of PostgreSQL has, 294276-12-31.
const DAY_MAX: i64 = 106_762_232;

/// A day or time that PostgreSQL does not have.
#[derive(Debug, PartialEq, Eq)]
pub struct OutOfRange;

/// Days since 2000, as the binary form has them.
pub(crate) fn days_since_2000(days: i64) -> Result<i32, OutOfRange> {
    if !(DAY_MIN..=i64::from(i32::MAX)).contains(&days) {
        return Err(OutOfRange);
    }
    // The cause says no more than that the value does not fit.
    i32::try_from(days - DAYS_TO_2000).map_err(|_cause| OutOfRange)
}

/// Microseconds since 2000, as the binary form has them.
pub(crate) fn us_since_2000(us: i64) -> Result<i64, OutOfRange> {
    check(us)?;
    us.checked_sub(DAYS_TO_2000 * DAY_US).ok_or(OutOfRange)
}

/// Microseconds since 1970 of those since 2000.
pub fn us_since_1970(us_since_2000: i64) -> Option<i64> {
    us_since_2000.checked_add(DAYS_TO_2000 * DAY_US)
}

/// Days since 1970 of those since 2000.
pub fn days_since_1970(days_since_2000: i32) -> Option<i32> {
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
    let ahead = zone.offset_seconds_in_all_years(us.div_euclid(1_000_000));
    // The local time of the last instants is beyond 64 bits.
    let local = i128::from(us) + i128::from(ahead) * 1_000_000;
    // Never out of range: a day of microseconds is within 64 bits, and the number of days is smaller still.
    let day = i64::try_from(local.div_euclid(i128::from(DAY_US))).map_err(|_cause| OutOfRange)?;
    let of_day = i64::try_from(local.rem_euclid(i128::from(DAY_US))).map_err(|_cause| OutOfRange)?;
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

/// Writes year, month and day; true where the year is before Christ.
fn put_day(out: &mut BytesMut, days: i64) -> bool {
    let Day { year, month, day } = Day::from_days(days);
    let is_bc = year <= 0;
    let year_of_era = if is_bc { 1 - year } else { year };
    put_digits(out, year_of_era, 4);
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

#[cfg(test)]
mod tests {
    use super::*;

    fn text(write: impl FnOnce(&mut BytesMut) -> Result<(), OutOfRange>) -> String {
        let mut out = BytesMut::new();
        write(&mut out).unwrap();
        String::from_utf8(out.to_vec()).unwrap()
    }

    fn zone(name: &str) -> Zone {
        Zone::of_setting(name).unwrap().0
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
        let hanoi = zone("asia/ho_chi_minh");
        assert_eq!(text(|out| put_timestamptz(out, 0, hanoi)), "1970-01-01 08:00:00+08");
        assert_eq!(text(|out| put_timestamptz(out, 1_764_032_400_000_000, hanoi)), "2025-11-25 08:00:00+07");
        let kolkata = zone("Asia/Kolkata");
        assert_eq!(text(|out| put_timestamptz(out, 0, kolkata)), "1970-01-01 05:30:00+05:30");
        assert_eq!(text(|out| put_timestamptz(out, 0, Zone::Fixed(-12_600))), "1969-12-31 20:30:00-03:30");
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
}
