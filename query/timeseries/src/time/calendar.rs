//! Days, months and years of local times in microseconds since 1970, in the Gregorian calendar continued to all years.
//!
//! Written here because no library reaches the years of PostgreSQL: chrono ends at 262142, PostgreSQL at 294276.

use arrow::datatypes::IntervalMonthDayNano;

/// A second in µs.
pub(crate) const SECOND_US: i64 = 1_000_000;
/// A minute in µs.
pub(crate) const MINUTE_US: i64 = 60 * SECOND_US;
/// An hour in µs.
pub(crate) const HOUR_US: i64 = 60 * MINUTE_US;
/// A day of 24 hours in µs.
pub const DAY_US: i64 = 24 * HOUR_US;

/// A day of the calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day {
    /// Astronomical: 0 is 1 BC.
    pub year: i64,
    /// 1 to 12.
    pub month: i64,
    /// 1 to 31.
    pub day: i64,
}

impl Day {
    /// The day that is a number of days after 1970-01-01. (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms".)
    pub fn from_days(days: i64) -> Self {
        let z = days + 719_468;
        let era = z.div_euclid(146_097);
        let doe = z.rem_euclid(146_097);
        let yoe = (doe - doe / 1_460 + doe / 36_524 - doe / 146_096) / 365;
        let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
        let mp = (5 * doy + 2) / 153;
        let month = if mp < 10 { mp + 3 } else { mp - 9 };
        Self { year: yoe + era * 400 + i64::from(month <= 2), month, day: doy - (153 * mp + 2) / 5 + 1 }
    }

    /// Days after 1970-01-01.
    pub(crate) fn days(self) -> i64 {
        let y = self.year - i64::from(self.month <= 2);
        let era = y.div_euclid(400);
        let yoe = y.rem_euclid(400);
        let mp = if self.month > 2 { self.month - 3 } else { self.month + 9 };
        let doy = (153 * mp + 2) / 5 + self.day - 1;
        era * 146_097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719_468
    }

    /// The day of a local time.
    pub fn from_us(local_us: i64) -> Self {
        Self::from_days(local_us.div_euclid(DAY_US))
    }

    /// Midnight at the beginning of the day, in µs since 1970.
    pub fn us(self) -> i64 {
        self.days().saturating_mul(DAY_US)
    }

    /// The first day of a month that is counted from the year 0.
    pub(crate) fn from_months(months: i64) -> Self {
        Self { year: months.div_euclid(12), month: months.rem_euclid(12) + 1, day: 1 }
    }

    /// Months since the year 0.
    pub(crate) fn months(self) -> i64 {
        self.year * 12 + self.month - 1
    }

    /// 1 for Monday to 7 for Sunday.
    pub(crate) fn iso_weekday(self) -> i64 {
        (self.days() + 3).rem_euclid(7) + 1
    }

    /// 1 to 366.
    pub(crate) fn day_of_year(self) -> i64 {
        self.days() - Self { month: 1, day: 1, ..self }.days() + 1
    }

    /// The ISO year, and the week in it.
    pub(crate) fn iso_week(self) -> (i64, i64) {
        // The Thursday of a week says which year it belongs to.
        let thursday = Self::from_days(self.days() + 4 - self.iso_weekday());
        (thursday.year, (thursday.day_of_year() - 1) / 7 + 1)
    }

    /// Days of the month.
    pub(crate) fn days_in_month(self) -> i64 {
        Self::from_months(self.months() + 1).days() - Self { day: 1, ..self }.days()
    }

    /// The same day some months later; the last day of the month where it has no such day.
    pub(crate) fn plus_months(self, months: i64) -> Self {
        let first = Self::from_months(self.months() + months);
        Self { day: self.day.min(first.days_in_month()), ..first }
    }
}

/// A local time plus months, then days, then time; `None` beyond 64 bits of microseconds.
pub(crate) fn plus_interval(local_us: i64, interval: IntervalMonthDayNano) -> Option<i64> {
    let mut at = local_us;
    if interval.months != 0 {
        let of_day = at.rem_euclid(DAY_US);
        let day = Day::from_us(at).plus_months(i64::from(interval.months));
        at = day.days().checked_mul(DAY_US)?.checked_add(of_day)?;
    }
    at = at.checked_add(i64::from(interval.days).checked_mul(DAY_US)?)?;
    at.checked_add(interval.nanoseconds / 1_000)
}

/// The opposite interval.
pub(crate) fn negated(interval: IntervalMonthDayNano) -> IntervalMonthDayNano {
    IntervalMonthDayNano {
        months: interval.months.wrapping_neg(),
        days: interval.days.wrapping_neg(),
        nanoseconds: interval.nanoseconds.wrapping_neg(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_dates_are_the_same() {
        for days in (-1_000_000..1_000_000).step_by(13) {
            assert_eq!(Day::from_days(days).days(), days);
        }
        assert_eq!(Day::from_days(0), Day { year: 1970, month: 1, day: 1 });
        assert_eq!(Day { year: 2000, month: 2, day: 29 }.days(), 11_016);
        assert_eq!(Day { year: 2026, month: 1, day: 1 }.iso_week(), (2026, 1));
        assert_eq!(Day { year: 2027, month: 1, day: 1 }.iso_week(), (2026, 53));
        assert_eq!(Day { year: 2024, month: 12, day: 31 }.day_of_year(), 366);
    }

    #[test]
    fn a_month_later_is_in_the_next_month() {
        let day = Day { year: 2024, month: 1, day: 31 };
        assert_eq!(day.plus_months(1), Day { year: 2024, month: 2, day: 29 });
        assert_eq!(day.plus_months(-2), Day { year: 2023, month: 11, day: 30 });
    }
}
