//! The days of a report, as the command line names them.

use std::str::FromStr;

use chrono::{Datelike, Months, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta};

use super::language::Language;

/// Local days from one to another, both whole; or one hour of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    /// First day.
    pub first: NaiveDate,
    /// Last day, inclusive.
    pub last: NaiveDate,
    /// Hour that begins at this hour of the day, where it is no more than that.
    pub hour: Option<u32>,
}

impl Period {
    /// When it begins, in local time.
    pub fn begin(&self) -> NaiveDateTime {
        self.first.and_time(NaiveTime::MIN) + TimeDelta::hours(self.hour.unwrap_or(0).into())
    }

    /// When it ends, in local time.
    pub fn end(&self) -> NaiveDateTime {
        match self.hour {
            Some(_) => self.begin() + TimeDelta::hours(1),
            None => self.last.and_time(NaiveTime::MIN) + TimeDelta::days(1),
        }
    }

    /// First day of the month in which it begins.
    pub fn first_month(&self) -> NaiveDate {
        self.first.with_day(1).unwrap_or(self.first)
    }

    /// Number of its days.
    pub fn days(&self) -> i64 {
        (self.last - self.first).num_days() + 1
    }

    /// Words for it.
    pub fn words(&self, language: Language) -> String {
        match self.hour {
            Some(_) => format!("{} – {}", language.time(self.begin()), language.time(self.end())),
            None if self.first == self.last => language.date(self.first),
            None => format!("{} – {}", language.date(self.first), language.date(self.last)),
        }
    }
}

impl FromStr for Period {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no period: 2026-10, 2026-10-05, 2026-10-05T08 or 2026-10-01..2026-10-15");
        let day =
            |text: &str| NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().filter(|day| YEARS.contains(&day.year()));
        if let Some((first, last)) = text.split_once("..") {
            let (first, last) = day(first).zip(day(last)).ok_or_else(wrong)?;
            if last < first {
                return Err(format!("{text:?} ends before it begins"));
            }
            return Ok(Self { first, last, hour: None });
        }
        if let Some((of_day, hour)) = text.split_once('T') {
            let hour = hour.parse().ok().filter(|hour| *hour < 24);
            let (first, hour) = day(of_day).zip(hour).ok_or_else(wrong)?;
            return Ok(Self { first, last: first, hour: Some(hour) });
        }
        if let Some(first) = day(text) {
            return Ok(Self { first, last: first, hour: None });
        }
        let first = day(&format!("{text}-01")).ok_or_else(wrong)?;
        let last = first.checked_add_months(Months::new(1)).and_then(|next| next.pred_opt()).ok_or_else(wrong)?;
        Ok(Self { first, last, hour: None })
    }
}

/// Years that a spreadsheet has days of, too.
const YEARS: std::ops::RangeInclusive<i32> = 1900..=9998;

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Result<String, String> {
        text.parse::<Period>().map(|period| format!("{} {} {}", period.begin(), period.end(), period.days()))
    }

    #[test]
    fn a_period_is_a_month_a_day_an_hour_or_from_a_day_to_another() {
        assert_eq!(words("2024-02").unwrap(), "2024-02-01 00:00:00 2024-03-01 00:00:00 29");
        assert_eq!(words("2026-12").unwrap(), "2026-12-01 00:00:00 2027-01-01 00:00:00 31");
        assert_eq!(words("2026-10-05").unwrap(), "2026-10-05 00:00:00 2026-10-06 00:00:00 1");
        assert_eq!(words("2026-10-05T23").unwrap(), "2026-10-05 23:00:00 2026-10-06 00:00:00 1");
        assert_eq!(words("2026-09-30..2026-10-02").unwrap(), "2026-09-30 00:00:00 2026-10-03 00:00:00 3");
    }

    #[test]
    fn what_is_none_is_told_with_what_one_looks_like() {
        for text in ["", "2026", "2026-13", "2026-02-30", "2026-10-05T24", "10/2026", "2026-10..2026-11", "0001-01"] {
            assert!(words(text).unwrap_err().contains("2026-10-01..2026-10-15"), "{text}");
        }
        assert!(words("2026-10-02..2026-10-01").unwrap_err().contains("ends before it begins"));
    }
}
