//! Times of a schedule in the form of cron: minute, hour, day of the month, month, day of the week.
//!
//! | part | values |
//! |---|---|
//! | minute | one number, 0 to 59: a report is due once an hour at most |
//! | hour | 0 to 23 |
//! | day of the month | 1 to 31 |
//! | month | 1 to 12 |
//! | day of the week | 0 to 7; 0 and 7 are Sunday |
//!
//! A part but the first is `*`, or a list of numbers and ranges, `1,3,10-20`, each of them and `*` perhaps with a step, `*/2`. Where both of
//! the days are given, a day is one of either, and where one of them begins with `*`, a day is one of both, as crond has it.

use std::str::FromStr;

use chrono::{Datelike, Days, NaiveDateTime, NaiveTime};

/// Times of a schedule, in the time of Viet Nam, which has no summer time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cron {
    minute: u32,
    /// A bit for each number.
    hours: u64,
    days: u64,
    months: u64,
    weekdays: u64,
    /// Whether the part says `*`.
    is_any_day: bool,
    is_any_weekday: bool,
}

impl Cron {
    /// The first time behind one. `None` where there is none, as on the thirtieth of February.
    pub fn next_behind(&self, time: NaiveDateTime) -> Option<NaiveDateTime> {
        let mut day = time.date();
        for _ in 0..DAYS_MAX {
            if self.has_day(day) {
                let times = (0..24).filter(|hour| is_set(self.hours, *hour));
                let mut times = times.filter_map(|hour| NaiveTime::from_hms_opt(hour, self.minute, 0));
                if let Some(found) = times.find(|of_day| day.and_time(*of_day) > time) {
                    return Some(day.and_time(found));
                }
            }
            day = day.checked_add_days(Days::new(1))?;
        }
        None
    }

    fn has_day(&self, day: chrono::NaiveDate) -> bool {
        let of_month = is_set(self.days, day.day());
        let of_week = is_set(self.weekdays, day.weekday().num_days_from_sunday());
        let is_day = match (self.is_any_day, self.is_any_weekday) {
            (false, false) => of_month || of_week,
            _ => of_month && of_week,
        };
        is_day && is_set(self.months, day.month())
    }
}

impl FromStr for Cron {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts: Vec<&str> = text.split_whitespace().collect();
        let [minute, hours, days, months, weekdays] = parts.as_slice() else {
            return Err(format!("{text:?} has {} parts, and times have five: {EXAMPLE}", parts.len()));
        };
        let minute = minute.parse().ok().filter(|minute| *minute < 60);
        let minute = minute.ok_or_else(|| format!("{text:?}: the minute is one number, 0 to 59: {EXAMPLE}"))?;
        let set = |part: &str, name: &str, (least, most): (u32, u32)| {
            numbers(part, least, most)
                .ok_or_else(|| format!("{text:?}: {part:?} is no {name}, which is {least} to {most}: {EXAMPLE}"))
        };
        let mut weekdays_set = set(weekdays, "day of the week", (0, 7))?;
        if is_set(weekdays_set, 7) {
            weekdays_set |= 1;
        }
        let cron = Self {
            minute,
            hours: set(hours, "hour", (0, 23))?,
            days: set(days, "day of the month", (1, 31))?,
            months: set(months, "month", (1, 12))?,
            weekdays: weekdays_set,
            is_any_day: days.starts_with('*'),
            is_any_weekday: weekdays.starts_with('*'),
        };
        match cron.next_behind(NaiveDateTime::default()) {
            Some(_) => Ok(cron),
            None => Err(format!("{text:?} is never due: there is no such day")),
        }
    }
}

/// Bits of the numbers of a part; `None` where it is none.
fn numbers(part: &str, least: u32, most: u32) -> Option<u64> {
    let mut set = 0;
    for item in part.split(',') {
        let (range, step) = match item.split_once('/') {
            Some((range, step)) => (range, number(step).filter(|step| *step > 0)?),
            None => (item, 1),
        };
        let (first, last) = match range.split_once('-') {
            _ if range == "*" => (least, most),
            Some((first, last)) => (number(first)?, number(last)?),
            // With a step, up to the end.
            None if item.contains('/') => (number(range)?, most),
            None => (number(range)?, number(range)?),
        };
        if first < least || last > most || first > last {
            return None;
        }
        let mut next = first;
        while next <= last {
            set |= 1 << next;
            next = next.checked_add(step)?;
        }
    }
    Some(set)
}

/// A number of digits alone.
fn number(text: &str) -> Option<u32> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

fn is_set(set: u64, number: u32) -> bool {
    set & (1 << number) != 0
}

const EXAMPLE: &str = "\"0 6 1 * *\" is at six on the first of each month";
/// Forty years and one: as long as it takes from a leap day that is a Sunday to the next one about 2100.
const DAYS_MAX: u32 = 41 * 366;

#[cfg(test)]
mod tests {
    use super::*;

    /// The first times behind one.
    fn times(cron: &str, behind: &str, count: usize) -> Vec<String> {
        let cron: Cron = cron.parse().unwrap();
        let mut time: NaiveDateTime = behind.parse().unwrap();
        let next = || {
            time = cron.next_behind(time)?;
            Some(time.format("%Y-%m-%d %H:%M").to_string())
        };
        std::iter::from_fn(next).take(count).collect()
    }

    #[test]
    fn times_are_those_of_cron() {
        assert_eq!(times("0 6 1 * *", "2026-10-01T05:59:59", 2), ["2026-10-01 06:00", "2026-11-01 06:00"]);
        assert_eq!(times("0 6 1 * *", "2026-10-01T06:00:00", 1), ["2026-11-01 06:00"], "what is due is behind it");
        assert_eq!(
            times("30 */6 * * *", "2026-12-31T17:00:00", 3),
            ["2026-12-31 18:30", "2027-01-01 00:30", "2027-01-01 06:30"]
        );
        assert_eq!(
            times("5 7 * * 1", "2026-10-05T07:05:00", 2),
            ["2026-10-12 07:05", "2026-10-19 07:05"],
            "5 October 2026 is a Monday"
        );
        assert_eq!(times("0 0 * * 7", "2026-10-05T00:00:00", 1), times("0 0 * * 0", "2026-10-05T00:00:00", 1));
        // A day of either, as crond has it: the 13th, and each Friday.
        assert_eq!(times("0 0 13 * 5", "2026-10-08T12:00:00", 2), ["2026-10-09 00:00", "2026-10-13 00:00"]);
        assert_eq!(
            times("0 8 31 1-4,12 *", "2026-02-01T00:00:00", 3),
            ["2026-03-31 08:00", "2026-12-31 08:00", "2027-01-31 08:00"]
        );
        assert_eq!(times("0 0 29 2 *", "2096-03-01T00:00:00", 1), ["2104-02-29 00:00"], "2100 is no leap year");
        // Both of them where one begins with a star: from 1 to 31 in twos, on Mondays.
        assert_eq!(times("0 0 */2 * 1", "2026-10-05T00:00:00", 2), ["2026-10-19 00:00", "2026-11-09 00:00"]);
        assert_eq!(times("0 0 29 2 */7", "2088-02-29T00:00:00", 1), ["2128-02-29 00:00"], "a leap day on a Sunday");
        assert_eq!(
            times("0 1-9/4,20/2 * * *", "2026-10-05T00:00:00", 5),
            ["2026-10-05 01:00", "2026-10-05 05:00", "2026-10-05 09:00", "2026-10-05 20:00", "2026-10-05 22:00"]
        );
    }

    #[test]
    fn what_is_no_time_is_told_with_what_one_looks_like() {
        for text in [
            "",
            "0 6 1 *",
            "* * * * *",
            "0,30 * * * *",
            "60 0 * * *",
            "0 24 * * *",
            "0 0 0 * *",
            "0 0 32 * *",
            "0 0 1 13 *",
            "0 0 * * 8",
            "0 9-6 * * *",
            "0 */0 * * *",
            "0 +1 * * *",
            "0 a * * *",
            "0 1, * * *",
            "0 0 30 2 *",
        ] {
            let error = text.parse::<Cron>().unwrap_err();
            assert!(error.contains("0 6 1 * *") || error.contains("never due"), "{text}: {error}");
        }
    }
}
