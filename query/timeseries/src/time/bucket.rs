//! Buckets of time: where one begins, and where the next one does.

use arrow::array::Int64Array;
use arrow::datatypes::IntervalMonthDayNano;
use datafusion::common::{Result, exec_err};

use crate::time::calendar::{DAY_US, Day, negated, plus_interval};
use crate::time::columns::map_us;
use crate::time::zone::{OffsetCursor, Zone};

/// Monday 3 January 2000, from which buckets of days and less are counted. (TimescaleDB's default.)
const ORIGIN_US: i64 = 946_857_600_000_000;
/// January 2000, from which buckets of months are counted.
const ORIGIN_MONTHS: i64 = 24_000;

/// The width of a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd)]
enum Width {
    /// µs.
    Fixed(i64),
    Months(i64),
}

/// A division of time into buckets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Buckets {
    width: Width,
    /// µs, or months since the year 0.
    origin: i64,
    offset: Option<IntervalMonthDayNano>,
    zone: Zone,
}

impl Buckets {
    /// Buckets of a width, in local time of `zone`. `origin_us` is a local time at which one begins; of an origin of
    /// months only the month counts. All buckets are put off by `offset`.
    pub(crate) fn new(
        width: IntervalMonthDayNano,
        origin_us: Option<i64>,
        offset: Option<IntervalMonthDayNano>,
        zone: Zone,
    ) -> Result<Self> {
        let days_us = i64::from(width.days).checked_mul(DAY_US);
        let Some(fixed_us) = days_us.and_then(|days_us| days_us.checked_add(width.nanoseconds / 1_000)) else {
            return exec_err!(
                "a bucket of {} days is wider than time itself: at most 106,751,991 are possible",
                width.days
            );
        };
        let (width, origin) = match (i64::from(width.months), fixed_us) {
            (0, 1..) => (Width::Fixed(fixed_us), origin_us.unwrap_or(ORIGIN_US)),
            (1.., 0) => {
                (Width::Months(width.months.into()), origin_us.map_or(ORIGIN_MONTHS, |us| Day::from_us(us).months()))
            }
            (0, _) | (..0, _) => return exec_err!("a bucket must be at least 1 µs wide"),
            (1.., _) => return exec_err!("a bucket of months or years cannot also have days or time"),
        };
        // An offset of days and time moves the origin, a zone without summer time does too, and then no row needs either.
        let mut buckets = Self { width, origin, offset, zone };
        if let Width::Fixed(_) = width {
            if let Some(offset) = offset.filter(|offset| offset.months == 0) {
                buckets.origin = plus_interval(origin, offset).unwrap_or(origin);
                buckets.offset = None;
            }
            if let Zone::Fixed(_) = zone {
                buckets.origin = zone.to_instant(buckets.origin);
                buckets.zone = Zone::UTC;
            }
        }
        Ok(buckets)
    }

    /// The beginning of the bucket that an instant is in; none where that is beyond all time.
    pub(crate) fn start(&self, time_us: i64) -> Option<i64> {
        self.start_at(time_us, self.zone.offset_us(time_us))
    }

    /// The beginning of the bucket after the one that begins at `start_us`.
    pub(crate) fn next(&self, start_us: i64) -> Option<i64> {
        match self.width {
            Width::Fixed(width) if self.is_plain() => start_us.checked_add(width),
            // Where clocks are put back, a step of one width may end in the same local bucket; then more steps follow.
            Width::Fixed(width) if width < DAY_US => {
                let mut time_us = start_us.checked_add(width)?;
                loop {
                    match self.start(time_us)? {
                        start if start > start_us => return Some(start),
                        _ => time_us = time_us.checked_add(width)?,
                    }
                }
            }
            _ => {
                let local_us = self.local_start(start_us.checked_add(self.zone.offset_us(start_us))?)?;
                Some(self.zone.first_instant(self.local_next(local_us)?))
            }
        }
    }

    /// The approximate count of buckets between two instants.
    pub(crate) fn count_about(&self, from_us: i64, until_us: i64) -> i64 {
        let width = match self.width {
            Width::Fixed(width) => width,
            Width::Months(months) => months.saturating_mul(28 * DAY_US),
        };
        until_us.saturating_sub(from_us).max(0) / width
    }

    /// [`Buckets::start`] of each time.
    pub(crate) fn starts_of(&self, times: &Int64Array) -> Int64Array {
        match self.width {
            Width::Fixed(width) if self.is_plain() => {
                let mut last = i64::MAX;
                let origin = self.origin;
                map_us(times, |time| {
                    // Rows near to each other are mostly in one bucket, and a division is ten times dearer than this.
                    if time.wrapping_sub(last).cast_unsigned() >= width.cast_unsigned() {
                        last = floor(time, width, origin);
                    }
                    last
                })
            }
            _ => self.starts_of_any(times),
        }
    }

    fn starts_of_any(&self, times: &Int64Array) -> Int64Array {
        let mut cursor: OffsetCursor = self.zone.cursor();
        let mut current: Option<(i64, i64)> = None;
        let mut start = |time: i64| {
            if let Some((start, end)) = current
                && start <= time
                && time < end
            {
                return Some(start);
            }
            let start = self.start_at(time, cursor.offset_us(time))?;
            current = self.next(start).map(|end| (start, end));
            Some(start)
        };
        times.iter().map(|time| time.and_then(&mut start)).collect()
    }

    fn is_plain(&self) -> bool {
        self.zone.is_utc() && self.offset.is_none()
    }

    fn start_at(&self, time_us: i64, zone_us: i64) -> Option<i64> {
        let local_us = self.local_start(time_us.checked_add(zone_us)?)?;
        Some(match (self.zone, self.width) {
            (Zone::Fixed(_), _) => local_us.checked_sub(zone_us)?,
            (zone, Width::Fixed(width)) if width < DAY_US => zone.last_instant_until(local_us, time_us),
            (zone, _) => zone.first_instant(local_us),
        })
    }

    fn local_start(&self, local_us: i64) -> Option<i64> {
        let Some(offset) = self.offset else { return self.start_without_offset(local_us) };
        plus_interval(self.start_without_offset(plus_interval(local_us, negated(offset))?)?, offset)
    }

    fn local_next(&self, local_us: i64) -> Option<i64> {
        let step = |bare: i64| match self.width {
            Width::Fixed(width) => bare.checked_add(width),
            Width::Months(months) => Day::from_months(Day::from_us(bare).months() + months).days().checked_mul(DAY_US),
        };
        match self.offset {
            None => step(local_us),
            // Taking a month off and adding it again may end on another day, so the bare beginning is looked for.
            Some(offset) => {
                plus_interval(step(self.start_without_offset(plus_interval(local_us, negated(offset))?)?)?, offset)
            }
        }
    }

    fn start_without_offset(&self, local_us: i64) -> Option<i64> {
        match self.width {
            Width::Fixed(width) => {
                // 64 bits overflow between the ends of time.
                let since = i128::from(local_us) - i128::from(self.origin);
                i64::try_from(i128::from(local_us) - since.rem_euclid(i128::from(width))).ok()
            }
            Width::Months(months) => {
                let month = Day::from_us(local_us).months();
                let first = month - (month - self.origin).rem_euclid(months);
                Day::from_months(first).days().checked_mul(DAY_US)
            }
        }
    }
}

/// The last multiple of a width since an origin. Times within 290,000 years of 1970 do not wrap.
fn floor(time_us: i64, width_us: i64, origin_us: i64) -> i64 {
    time_us.wrapping_sub(time_us.wrapping_sub(origin_us).rem_euclid(width_us))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::text::{instant_text, parse_instant};
    use arrow::compute::kernels::cast_utils::parse_interval_month_day_nano;

    fn at(text: &str) -> i64 {
        parse_instant(text, Zone::UTC).expect("a time")
    }

    fn buckets(width: &str, zone: &str) -> Buckets {
        let width = parse_interval_month_day_nano(width).expect("a width");
        Buckets::new(width, None, None, Zone::named(zone).expect("a zone")).expect("buckets")
    }

    fn start(width: &str, zone: &str, time: &str) -> String {
        instant_text(buckets(width, zone).start(at(time)).expect("a start"), Zone::UTC)
    }

    /// The beginnings of all buckets in `from_us..until_us`, the first being the one that `from_us` is in.
    fn starts_within(buckets: Buckets, from_us: i64, until_us: i64) -> impl Iterator<Item = i64> {
        std::iter::successors(buckets.start(from_us), move |start| buckets.next(*start))
            .take_while(move |start| *start < until_us)
    }

    #[test]
    fn buckets_begin_where_timescaledb_says() {
        assert_eq!(start("5 minutes", "UTC", "2026-01-01 00:07:31Z"), "2026-01-01 00:05:00+00");
        assert_eq!(start("7 days", "UTC", "2026-01-01 00:00Z"), "2025-12-29 00:00:00+00");
        assert_eq!(start("1 month", "UTC", "2026-02-28 23:59:59Z"), "2026-02-01 00:00:00+00");
        assert_eq!(start("3 months", "UTC", "1999-12-31 00:00Z"), "1999-10-01 00:00:00+00");
        assert_eq!(start("1 year", "UTC", "1969-07-20 00:00Z"), "1969-01-01 00:00:00+00");
        assert_eq!(start("1 hour", "UTC", "1969-12-31 23:59:59.999999Z"), "1969-12-31 23:00:00+00");
    }

    #[test]
    fn local_days_and_months_begin_at_local_midnight() {
        assert_eq!(start("1 day", "Asia/Ho_Chi_Minh", "2026-01-01 16:59Z"), "2025-12-31 17:00:00+00");
        assert_eq!(start("1 day", "Asia/Ho_Chi_Minh", "2026-01-01 17:00Z"), "2026-01-01 17:00:00+00");
        assert_eq!(start("1 day", "Europe/Berlin", "2026-03-29 12:00Z"), "2026-03-28 23:00:00+00");
        assert_eq!(start("1 day", "Europe/Berlin", "2026-03-29 22:00Z"), "2026-03-29 22:00:00+00");
        assert_eq!(start("1 month", "Europe/Berlin", "2026-03-31 22:00Z"), "2026-03-31 22:00:00+00");
        // Midnight comes twice in Havana, and not at all in Beirut.
        assert_eq!(start("1 day", "America/Havana", "2025-11-02 05:30Z"), "2025-11-02 04:00:00+00");
        assert_eq!(start("1 day", "Asia/Beirut", "2025-03-30 10:00Z"), "2025-03-29 22:00:00+00");
    }

    #[test]
    fn an_hour_that_comes_twice_is_two_buckets() {
        assert_eq!(start("1 hour", "Europe/Berlin", "2026-10-25 00:30Z"), "2026-10-25 00:00:00+00");
        assert_eq!(start("1 hour", "Europe/Berlin", "2026-10-25 01:30Z"), "2026-10-25 01:00:00+00");
        let of_day =
            starts_within(buckets("1 hour", "Europe/Berlin"), at("2026-10-24 22:00Z"), at("2026-10-25 23:00Z"));
        assert_eq!(of_day.count(), 25);
        let of_day =
            starts_within(buckets("1 hour", "Europe/Berlin"), at("2026-03-28 23:00Z"), at("2026-03-29 22:00Z"));
        assert_eq!(of_day.count(), 23);
    }

    #[test]
    fn the_start_is_a_fixed_point_not_behind_its_time_and_the_next_one_is_behind_it() {
        for zone in ["UTC", "Europe/Berlin", "America/Havana", "Asia/Beirut", "Australia/Lord_Howe", "Asia/Kathmandu"] {
            for width in
                ["7 minutes", "30 minutes", "1 hour", "2 hours", "3 hours", "1 day", "7 days", "1 month", "1 year"]
            {
                let buckets = buckets(width, zone);
                let mut last = i64::MIN;
                let times: Vec<i64> = (0..20_000).map(|step| at("2025-01-01Z") + step * 1_999_999_999).collect();
                let starts = buckets.starts_of(&Int64Array::from(times.clone()));
                for (time, start) in times.into_iter().zip(starts.values()) {
                    assert_eq!(buckets.start(time), Some(*start), "{zone} {width} {time}");
                    assert_eq!(buckets.start(*start), Some(*start), "{zone} {width} {time}");
                    let next = buckets.next(*start).expect("a next one");
                    assert!(*start <= time && time < next && last <= *start, "{zone} {width} {time} {start} {next}");
                    last = *start;
                }
            }
        }
    }

    #[test]
    fn an_offset_moves_all_buckets() {
        let width = parse_interval_month_day_nano("1 month").expect("a width");
        let offset = parse_interval_month_day_nano("5 days").expect("an offset");
        let buckets = Buckets::new(width, None, Some(offset), Zone::UTC).expect("buckets");
        let start = |time: &str| instant_text(buckets.start(at(time)).expect("a start"), Zone::UTC);
        assert_eq!(start("2026-02-05 23:00Z"), "2026-01-06 00:00:00+00");
        assert_eq!(start("2026-02-06 00:00Z"), "2026-02-06 00:00:00+00");
        assert_eq!(buckets.next(at("2026-01-06Z")), Some(at("2026-02-06Z")));
    }
}
