//! Intervals as PostgreSQL reads and writes them in text (IntervalStyle `postgres`).

use arrow::datatypes::IntervalMonthDayNano;

use crate::time::calendar::{DAY_US, HOUR_US, MINUTE_US, SECOND_US, negated};
use crate::time::rounding::round_i64;
use crate::time::text::{fraction_us, push_time, put};

/// The interval that a text means: `1 day 02:00:00`, `1.5 hours`, `2 weeks ago`, `P1DT2H`, or seconds.
pub fn parse_interval(text: &str) -> Option<IntervalMonthDayNano> {
    let text = text.trim().trim_start_matches('@').to_ascii_lowercase();
    let mut sum = Sum::default();
    if let Some(iso) = text.strip_prefix('p') {
        let (days, time) = iso.split_once('t').unwrap_or((iso, ""));
        sum.units(days, |unit| match unit {
            "y" | "w" | "d" => Some(unit),
            "m" => Some("mon"),
            _ => None,
        })?;
        sum.units(time, |unit| matches!(unit, "h" | "m" | "s").then_some(unit))?;
        return sum.interval();
    }
    // A sign may stand apart from its number.
    let text = text.replace("- ", "-").replace("+ ", "+");
    let mut words = text.split_whitespace().peekable();
    words.peek()?;
    while let Some(word) = words.next() {
        if word == "ago" && words.peek().is_none() {
            return sum.interval().map(negated);
        }
        if word.contains(':') {
            let (negative, time) = match word.as_bytes()[0] {
                b'-' => (true, &word[1..]),
                b'+' => (false, &word[1..]),
                _ => (false, word),
            };
            let us = clock_us(time)?;
            sum.us = sum.us.checked_add(if negative { -us } else { us })?;
        } else if word.ends_with(|letter: char| letter.is_ascii_digit()) {
            let unit =
                words.next_if(|word| word.starts_with(|letter: char| letter.is_ascii_alphabetic()) && *word != "ago");
            match (unit, words.peek()) {
                (Some(unit), _) => sum.add(word, unit)?,
                (None, _) if word.get(1..).is_some_and(|rest| rest.contains('-')) => sum.years_and_months(word)?,
                // `1 2:03:04`: a number in front of a time is of days.
                (None, Some(time)) if time.contains(':') => sum.add(word, "d")?,
                (None, None | Some(&"ago")) => sum.add(word, "s")?,
                (None, Some(_)) => return None,
            }
        } else {
            sum.units(word, Some)?;
        }
    }
    sum.interval()
}

/// `HH:MM` or `HH:MM:SS.ffffff`, of any number of hours.
fn clock_us(text: &str) -> Option<i64> {
    let mut parts = text.split(':');
    let (hour, minute, second) = (parts.next()?, parts.next()?, parts.next().unwrap_or("0"));
    let (whole, fraction) = second.split_once('.').unwrap_or((second, ""));
    let number =
        |part: &str| (part.bytes().all(|digit| digit.is_ascii_digit())).then(|| part.parse::<i64>().ok()).flatten();
    let (minute, second) = (number(minute)?, number(whole)?);
    if parts.next().is_some() || minute > 59 || second > 59 {
        return None;
    }
    number(hour)?.checked_mul(HOUR_US)?.checked_add(minute * MINUTE_US + second * SECOND_US + fraction_us(fraction)?)
}

/// A sum of parts of an interval.
#[derive(Debug, Default)]
struct Sum {
    months: i64,
    days: i64,
    us: i64,
}

impl Sum {
    /// `1-2`: years and months, of one sign.
    fn years_and_months(&mut self, word: &str) -> Option<()> {
        let (sign, digits) = match word.strip_prefix(['+', '-']) {
            Some(digits) if word.starts_with('-') => ("-", digits),
            Some(digits) => ("", digits),
            None => ("", word),
        };
        let (years, months) = digits.split_once('-')?;
        months.parse::<i64>().ok().filter(|months| (0..12).contains(months))?;
        self.add(&format!("{sign}{years}"), "y")?;
        self.add(&format!("{sign}{months}"), "mon")
    }

    /// `1y2d`, by units that `named` knows.
    fn units<'a>(&mut self, text: &'a str, named: impl Fn(&'a str) -> Option<&'a str>) -> Option<()> {
        let mut rest = text;
        while !rest.is_empty() {
            let digits = rest.find(|letter: char| letter.is_ascii_alphabetic())?;
            let (number, after) = rest.split_at(digits);
            let letters = after.find(|letter: char| !letter.is_ascii_alphabetic()).unwrap_or(after.len());
            let (unit, after) = after.split_at(letters);
            self.add(number, named(unit)?)?;
            rest = after;
        }
        Some(())
    }

    /// Adds a number of a unit. Fractions of a month or a day become days and time, a month as 30 days.
    fn add(&mut self, number: &str, unit: &str) -> Option<()> {
        let negative = number.starts_with('-');
        let digits = number.strip_prefix(['+', '-']).unwrap_or(number);
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let all_digits = |part: &str| part.bytes().all(|digit| digit.is_ascii_digit());
        if (whole.is_empty() && fraction.is_empty()) || !all_digits(whole) || !all_digits(fraction) {
            return None;
        }
        let sign = if negative { -1 } else { 1 };
        let whole = if whole.is_empty() { 0 } else { whole.parse::<i64>().ok()? }.checked_mul(sign)?;
        let fraction =
            if fraction.is_empty() { 0.0 } else { format!("0.{fraction}").parse::<f64>().ok()? } * sign as f64;
        let months = |count: i64| whole.checked_mul(count)?.checked_add(round_i64(fraction * count as f64));
        let time = |us: i64| -> Option<i64> { whole.checked_mul(us)?.checked_add(round_i64(fraction * us as f64)) };
        match unit {
            "y" | "yr" | "yrs" | "year" | "years" => self.months = self.months.checked_add(months(12)?)?,
            "decade" | "decades" | "dec" | "decs" => self.months = self.months.checked_add(months(120)?)?,
            "century" | "centuries" | "c" | "cent" => self.months = self.months.checked_add(months(1_200)?)?,
            "millennium" | "millennia" | "mil" | "mils" => self.months = self.months.checked_add(months(12_000)?)?,
            "mon" | "mons" | "month" | "months" => {
                self.months = self.months.checked_add(whole)?;
                self.part_days(fraction * 30.0)?;
            }
            "w" | "week" | "weeks" => {
                self.days = self.days.checked_add(whole.checked_mul(7)?)?;
                self.part_days(fraction * 7.0)?;
            }
            "d" | "day" | "days" => {
                self.days = self.days.checked_add(whole)?;
                self.part_days(fraction)?;
            }
            "h" | "hr" | "hrs" | "hour" | "hours" => self.us = self.us.checked_add(time(HOUR_US)?)?,
            "m" | "min" | "mins" | "minute" | "minutes" => self.us = self.us.checked_add(time(MINUTE_US)?)?,
            "s" | "sec" | "secs" | "second" | "seconds" => self.us = self.us.checked_add(time(SECOND_US)?)?,
            "ms" | "msec" | "msecs" | "millisecond" | "milliseconds" => self.us = self.us.checked_add(time(1_000)?)?,
            "us" | "usec" | "usecs" | "microsecond" | "microseconds" => self.us = self.us.checked_add(time(1)?)?,
            _ => return None,
        }
        Some(())
    }

    fn part_days(&mut self, days: f64) -> Option<()> {
        let whole = days.trunc();
        self.days = self.days.checked_add(round_i64(whole))?;
        self.us = self.us.checked_add(round_i64((days - whole) * DAY_US as f64))?;
        Some(())
    }

    fn interval(self) -> Option<IntervalMonthDayNano> {
        let (months, days) = (i32::try_from(self.months).ok()?, i32::try_from(self.days).ok()?);
        Some(IntervalMonthDayNano::new(months, days, self.us.checked_mul(1_000)?))
    }
}

/// `1 year 2 mons 3 days 04:05:06.7`.
pub fn interval_text(interval: IntervalMonthDayNano) -> String {
    let mut text = String::new();
    let mut before = false;
    let parts = [(interval.months / 12, "year"), (interval.months % 12, "mon"), (interval.days, "day")];
    for (value, unit) in parts.into_iter().filter(|(value, _)| *value != 0) {
        let space = if text.is_empty() { "" } else { " " };
        let sign = if before && value > 0 { "+" } else { "" };
        let plural = if value == 1 { "" } else { "s" };
        put(&mut text, format_args!("{space}{sign}{value} {unit}{plural}"));
        before = value < 0;
    }
    let time_us = interval.nanoseconds / 1_000;
    if text.is_empty() || time_us != 0 {
        if !text.is_empty() {
            text.push(' ');
        }
        if time_us < 0 {
            text.push('-');
        } else if before {
            text.push('+');
        }
        push_time(&mut text, time_us.saturating_abs());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_is_read_as_postgresql_does() {
        for (text, wanted) in [
            ("1 month 2 days 03:04:05.6", "1 mon 2 days 03:04:05.6"),
            ("-1 day +02:00", "-1 days +02:00:00"),
            ("1 day ago", "-1 days"),
            ("P1Y2M3DT4H5M6.5S", "1 year 2 mons 3 days 04:05:06.5"),
            ("1.5 months", "1 mon 15 days"),
            ("1.5 days 90m", "1 day 13:30:00"),
            ("2w", "14 days"),
            ("40 days 25:01:02", "40 days 25:01:02"),
            ("-03:00", "-03:00:00"),
            ("12", "00:00:12"),
            ("1 2:03:04", "1 day 02:03:04"),
            ("-1 2:03:04", "-1 days +02:03:04"),
            ("1 -2:03:04", "1 day -02:03:04"),
            ("1-2", "1 year 2 mons"),
            ("-1-2", "-1 years -2 mons"),
            ("+1-2 -3 +4:05:06.7", "1 year 2 mons -3 days +04:05:06.7"),
            ("1-2 3", "1 year 2 mons 00:00:03"),
            ("1 month 2", "1 mon 00:00:02"),
        ] {
            assert_eq!(parse_interval(text).map(interval_text).as_deref(), Some(wanted), "{text}");
        }
        for text in ["", "day", "1 fortnight", "1:99", "1 day day", "--1 day", "2 1 day", "1-13"] {
            assert_eq!(parse_interval(text), None, "{text}");
        }
    }

    #[test]
    fn intervals_are_written_as_postgresql_does() {
        let text = |months, days, us: i64| interval_text(IntervalMonthDayNano::new(months, days, us * 1_000));
        assert_eq!(text(14, 3, 14_706_700_000), "1 year 2 mons 3 days 04:05:06.7");
        assert_eq!(text(0, 0, 0), "00:00:00");
        assert_eq!(text(0, -1, 7_200_000_000), "-1 days +02:00:00");
        assert_eq!(text(-14, 3, -1_000_000), "-1 years -2 mons +3 days -00:00:01");
        assert_eq!(text(0, 0, 129_600_000_000), "36:00:00");
    }
}
