//! Times as PostgreSQL reads and writes them in text (DateStyle `ISO, MDY`).

use std::fmt::Write;

use datafusion::common::{Result, exec_datafusion_err};

use crate::time::calendar::{DAY_US, Day, HOUR_US, MINUTE_US, SECOND_US};
use crate::time::zone::Zone;

/// The instant that a text means; without a zone in it, in `zone`.
///
/// # Errors
///
/// Fails where the text is no time, or one that PostgreSQL does not have.
pub fn parse_instant(text: &str, zone: Zone) -> Result<i64> {
    if is_epoch(text) {
        return Ok(0);
    }
    let wrong = || exec_datafusion_err!("invalid input syntax for type timestamp with time zone: \"{text}\"");
    let fields = Fields::read(text).ok_or_else(wrong)?;
    let local_us = fields.local_us().ok_or_else(|| out_of_range(text))?;
    match fields.zone {
        None => Ok(zone.to_instant(local_us)),
        Some(name) => Ok(Zone::in_text(&name)?.to_instant(local_us)),
    }
}

/// The local time that a text means. A zone in it is read and has no effect.
///
/// # Errors
///
/// As [`parse_instant`].
pub fn parse_local(text: &str) -> Result<i64> {
    if is_epoch(text) {
        return Ok(0);
    }
    let wrong = || exec_datafusion_err!("invalid input syntax for type timestamp: \"{text}\"");
    let fields = Fields::read(text).ok_or_else(wrong)?;
    fields.local_us().ok_or_else(|| out_of_range(text))
}

/// The day that a text means, in µs. A time in it is read and has no effect, `24:00` neither.
///
/// # Errors
///
/// As [`parse_instant`].
pub fn parse_day(text: &str) -> Result<i64> {
    if is_epoch(text) {
        return Ok(0);
    }
    let wrong = || exec_datafusion_err!("invalid input syntax for type date: \"{text}\"");
    let fields = Fields::read(text).ok_or_else(wrong)?;
    // A time that does not exist is refused all the same.
    fields.local_us().and_then(|_| fields.day_us()).ok_or_else(|| out_of_range(text))
}

fn is_epoch(text: &str) -> bool {
    text.trim().eq_ignore_ascii_case("epoch")
}

fn out_of_range(text: &str) -> datafusion::common::DataFusionError {
    exec_datafusion_err!("date/time field value out of range: \"{text}\"")
}

/// The parts of a text of a time.
#[derive(Debug, Default)]
struct Fields {
    year: Option<i64>,
    month: Option<i64>,
    day: Option<i64>,
    time_us: Option<i64>,
    afternoon: Option<bool>,
    before_christ: bool,
    /// The year has one or two digits: it is one of this century or the last.
    is_short_year: bool,
    zone: Option<String>,
}

impl Fields {
    fn read(text: &str) -> Option<Self> {
        let mut fields = Self::default();
        for word in text.split(|letter: char| letter.is_whitespace() || letter == ',').filter(|word| !word.is_empty()) {
            fields.word(word)?;
        }
        (fields.year.is_some() && fields.month.is_some() && fields.day.is_some()).then_some(fields)
    }

    fn word(&mut self, word: &str) -> Option<()> {
        let first = word.chars().next()?;
        if first.is_ascii_digit() {
            let head = word.find(|letter: char| !letter.is_ascii_digit() && letter != ':' && letter != '.');
            if word.contains(':') && head.is_none_or(|at| word[..at].contains(':')) {
                return self.time_and_zone(word);
            }
            return self.date_and_rest(word);
        }
        if matches!(first, '+' | '-') {
            return self.set_zone(word);
        }
        let lower = word.to_ascii_lowercase();
        match lower.as_str() {
            "am" | "pm" => self.afternoon = Some(lower == "pm"),
            "ad" => {}
            "bc" => self.before_christ = true,
            _ => {
                if let Some(month) = month_of(&lower) {
                    self.month = Some(month);
                } else if is_date_of_words(&lower) {
                    return self.date(word);
                } else if !is_weekday(&lower) {
                    return self.set_zone(word);
                }
            }
        }
        Some(())
    }

    fn set_zone(&mut self, word: &str) -> Option<()> {
        if self.zone.is_some() {
            return None;
        }
        Zone::in_text(word).ok()?;
        self.zone = Some(word.to_owned());
        Some(())
    }

    fn date_and_rest(&mut self, word: &str) -> Option<()> {
        if let Some(at) = word.find(['T', 't'])
            && word[..at].bytes().all(|byte| byte.is_ascii_digit() || byte == b'-')
        {
            self.date(&word[..at])?;
            return self.time_and_zone(&word[at + 1..]);
        }
        if let Some(at) = word.find('+') {
            self.date(&word[..at])?;
            return self.set_zone(&word[at..]);
        }
        if let Some(date) = word.strip_suffix(['Z', 'z']) {
            self.date(date)?;
            return self.set_zone("Z");
        }
        self.date(word)
    }

    fn date(&mut self, word: &str) -> Option<()> {
        let number = |part: &str| (!part.is_empty() && part.len() <= 6).then(|| part.parse::<i64>().ok()).flatten();
        let parts: Vec<&str> = word.split(['-', '/', '.']).collect();
        match parts.as_slice() {
            [julian] if julian.starts_with(['J', 'j']) => {
                let days = julian[1..].parse::<i64>().ok().filter(|days| (0..=JULIAN_MAX).contains(days))?;
                let date = Day::from_days(days - JULIAN_EPOCH);
                self.set_date(date.year, date.month, date.day)
            }
            [digits] if digits.len() == 8 && self.year.is_none() => {
                let part = |from: usize, to: usize| digits.get(from..to).and_then(number);
                let digits = part(0, 4).zip(part(4, 6)).zip(part(6, 8))?;
                let ((year, month), day) = digits;
                self.set_date(year, month, day)
            }
            [digits] if digits.len() == 6 && self.year.is_none() && self.month.is_none() => {
                let part = |from: usize, to: usize| digits.get(from..to).and_then(number);
                let ((year, month), day) = part(0, 2).zip(part(2, 4)).zip(part(4, 6))?;
                self.is_short_year = true;
                self.set_date(year, month, day)
            }
            [digits] if digits.len() == 6 && self.year.is_some() && self.time_us.is_none() => {
                self.time_and_zone(digits)
            }
            [digits] if self.month.is_some() && self.day.is_some() => {
                self.year = Some(number(digits)?);
                self.is_short_year = digits.len() <= 2;
                Some(())
            }
            [digits] if digits.len() <= 2 && self.day.is_none() => {
                self.day = Some(number(digits)?);
                Some(())
            }
            [year, month, day] if year.len() >= 3 && month_of(&year.to_ascii_lowercase()).is_none() => {
                let month = month_of(&month.to_ascii_lowercase()).or_else(|| number(month))?;
                self.set_date(number(year)?, month, number(day)?)
            }
            [day, name, year] if month_of(&name.to_ascii_lowercase()).is_some() => {
                self.is_short_year = year.len() <= 2;
                self.set_date(number(year)?, month_of(&name.to_ascii_lowercase())?, number(day)?)
            }
            [month, day, year] => {
                let month = month_of(&month.to_ascii_lowercase()).or_else(|| number(month))?;
                self.is_short_year = year.len() <= 2;
                self.set_date(number(year)?, month, number(day)?)
            }
            _ => None,
        }
    }

    fn set_date(&mut self, year: i64, month: i64, day: i64) -> Option<()> {
        if self.year.is_some() {
            return None;
        }
        (self.year, self.month, self.day) = (Some(year), Some(month), Some(day));
        Some(())
    }

    fn time_and_zone(&mut self, word: &str) -> Option<()> {
        let end = word.find(|letter: char| !letter.is_ascii_digit() && letter != ':' && letter != '.');
        let (time, rest) = word.split_at(end.unwrap_or(word.len()));
        if self.time_us.is_some() {
            return None;
        }
        self.time_us = Some(time_us(time)?);
        match rest.to_ascii_lowercase().as_str() {
            "" => Some(()),
            half @ ("am" | "pm") => {
                self.afternoon = Some(half == "pm");
                Some(())
            }
            _ => self.set_zone(rest),
        }
    }

    fn day_us(&self) -> Option<i64> {
        let (mut year, month, day) = (self.year?, self.month?, self.day?);
        if self.is_short_year && !self.before_christ {
            year += if year < 70 { 2_000 } else { 1_900 };
        }
        if self.before_christ {
            // Texts have no year 0: 1 BC comes before AD 1.
            year = 1 - year;
        } else if year == 0 {
            return None;
        }
        // PostgreSQL's range: its 4713 BC is the year -4712 here.
        if !(1..=12).contains(&month) || !(-4712..=294_276).contains(&year) {
            return None;
        }
        let date = Day { year, month, day };
        if day < 1 || day > date.days_in_month() {
            return None;
        }
        date.days().checked_mul(DAY_US)
    }

    fn local_us(&self) -> Option<i64> {
        let mut time_us = self.time_us.unwrap_or(0);
        if let Some(afternoon) = self.afternoon {
            let hour = time_us / HOUR_US;
            if !(1..=12).contains(&hour) {
                return None;
            }
            time_us += match (hour, afternoon) {
                (12, false) => -12 * HOUR_US,
                (1..12, true) => 12 * HOUR_US,
                _ => 0,
            };
        }
        self.day_us()?.checked_add(time_us)
    }
}

/// The Julian day of 1970-01-01.
const JULIAN_EPOCH: i64 = 2_440_588;
/// That of the last day of PostgreSQL's times.
const JULIAN_MAX: i64 = 109_203_527;

/// `HH:MM`, `HH:MM:SS.ffffff` or `HHMMSS`, in µs.
fn time_us(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let parts: Vec<&str> = match whole.contains(':') {
        true => whole.split(':').collect(),
        false if whole.len() == 6 || whole.len() == 4 || whole.len() == 2 => {
            (0..whole.len()).step_by(2).map(|at| whole.get(at..at + 2)).collect::<Option<_>>()?
        }
        false => return None,
    };
    if parts.len() > 3 || parts.iter().any(|part| part.is_empty() || part.len() > 2) {
        return None;
    }
    let number = |at: usize| parts.get(at).map_or(Some(0), |part| part.parse::<i64>().ok());
    let (hour, minute, second) = (number(0)?, number(1)?, number(2)?);
    let time_us = hour * HOUR_US + minute * MINUTE_US + second * SECOND_US + fraction_us(fraction)?;
    // 24:00 and a second of 60 are the beginning of the next day and minute, as in PostgreSQL.
    (hour <= 24 && minute < 60 && second <= 60 && time_us <= DAY_US).then_some(time_us)
}

/// The digits after the point, to the nearest µs.
pub(crate) fn fraction_us(digits: &str) -> Option<i64> {
    if !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let mut us = 0;
    for at in 0..6 {
        us = us * 10 + digits.as_bytes().get(at).map_or(0, |digit| i64::from(digit - b'0'));
    }
    Some(us + i64::from(digits.as_bytes().get(6).is_some_and(|digit| *digit >= b'5')))
}

/// True for a Julian day, `j2451187`, and for a date that begins with the name of a month, `jan-08-1999`.
fn is_date_of_words(lower: &str) -> bool {
    let is_julian = lower.strip_prefix('j').is_some_and(|days| days.bytes().all(|byte| byte.is_ascii_digit()));
    is_julian || lower.split_once(['-', '/', '.']).is_some_and(|(month, _)| month_of(month).is_some())
}

const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];
const WEEKDAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

fn month_of(lower: &str) -> Option<i64> {
    let at = MONTHS.iter().position(|month| *month == lower || (lower.len() == 3 && month.starts_with(lower)));
    at.and_then(|at| i64::try_from(at + 1).ok())
}

fn is_weekday(lower: &str) -> bool {
    WEEKDAYS.iter().any(|day| *day == lower || (lower.len() == 3 && day.starts_with(lower)))
}

/// The English name of a month, 1 to 12.
pub(crate) fn month_name(month: i64) -> &'static str {
    usize::try_from(month - 1).ok().and_then(|at| MONTHS.get(at)).copied().unwrap_or("")
}

/// The English name of a day of the week, 1 for Monday.
pub(crate) fn weekday_name(iso_weekday: i64) -> &'static str {
    usize::try_from(iso_weekday - 1).ok().and_then(|at| WEEKDAYS.get(at)).copied().unwrap_or("")
}

/// `2026-01-01 00:00:00.5`, followed by ` BC` before the year 1.
pub fn local_text(local_us: i64) -> String {
    let mut text = String::with_capacity(26);
    let before_christ = push_local(&mut text, local_us);
    if before_christ {
        text.push_str(" BC");
    }
    text
}

/// `2026-01-01 00:00:00.5+07`.
pub fn instant_text(instant_us: i64, zone: Zone) -> String {
    let offset_us = zone.offset_us(instant_us);
    let mut text = String::with_capacity(32);
    let before_christ = push_local(&mut text, instant_us.saturating_add(offset_us));
    push_offset(&mut text, offset_us / SECOND_US);
    if before_christ {
        text.push_str(" BC");
    }
    text
}

/// The date alone.
pub fn day_text(day: Day) -> String {
    if day.year > 0 {
        format!("{:04}-{:02}-{:02}", day.year, day.month, day.day)
    } else {
        format!("{:04}-{:02}-{:02} BC", 1 - day.year, day.month, day.day)
    }
}

fn push_local(text: &mut String, local_us: i64) -> bool {
    let day = Day::from_us(local_us);
    let year = if day.year > 0 { day.year } else { 1 - day.year };
    put(text, format_args!("{year:04}-{:02}-{:02} ", day.month, day.day));
    push_time(text, local_us.rem_euclid(DAY_US));
    day.year <= 0
}

/// Adds a time of day, or of any number of hours: `01:02:03.5`.
pub(crate) fn push_time(text: &mut String, time_us: i64) {
    let (hour, minute) = (time_us / HOUR_US, time_us / MINUTE_US % 60);
    put(text, format_args!("{hour:02}:{minute:02}:{:02}", time_us / SECOND_US % 60));
    let fraction = time_us % SECOND_US;
    if fraction != 0 {
        put(text, format_args!(".{fraction:06}"));
        text.truncate(text.trim_end_matches('0').len());
    }
}

/// `+07`, `+05:30`, or with seconds, as old offsets have them.
pub(crate) fn push_offset(text: &mut String, seconds: i64) {
    text.push(if seconds < 0 { '-' } else { '+' });
    let seconds = seconds.abs();
    put(text, format_args!("{:02}", seconds / 3_600));
    if seconds % 3_600 != 0 {
        put(text, format_args!(":{:02}", seconds / 60 % 60));
    }
    if seconds % 60 != 0 {
        put(text, format_args!(":{:02}", seconds % 60));
    }
}

/// Adds formatted text.
pub(crate) fn put(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    // Writing to a String has no error.
    if text.write_fmt(arguments).is_err() {
        unreachable!("a String takes all text");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::interval_text::parse_interval;

    #[test]
    fn a_text_with_and_without_zone_is_the_instant_that_postgresql_reads() {
        let hanoi = Zone::named("Asia/Ho_Chi_Minh").expect("a zone");
        let read = |text: &str| instant_text(parse_instant(text, hanoi).expect(text), Zone::UTC);
        for (text, wanted) in [
            ("2026-01-01", "2025-12-31 17:00:00+00"),
            ("2026-01-01 00:00:00+00", "2026-01-01 00:00:00+00"),
            ("2026-01-01T00:00:00Z", "2026-01-01 00:00:00+00"),
            ("2026-01-01 00:00:00.1234567 Europe/Berlin", "2025-12-31 23:00:00.123457+00"),
            ("2026-01-01 12:00 EST", "2026-01-01 17:00:00+00"),
            ("20260101T070000", "2026-01-01 00:00:00+00"),
            ("January 8, 1999 04:05 PM", "1999-01-08 09:05:00+00"),
            ("1/8/1999", "1999-01-07 17:00:00+00"),
            ("1999-Jan-08", "1999-01-07 17:00:00+00"),
            ("2026-01-01 24:00", "2026-01-01 17:00:00+00"),
            ("0044-03-15 12:00+00 BC", "0044-03-15 12:00:00+00 BC"),
            ("8-Jan-99 07:00", "1999-01-08 00:00:00+00"),
            ("01/02/69 07:00", "2069-01-02 00:00:00+00"),
            // Eight hours ahead of UTC until 1975.
            ("Jan-08-70 07:00", "1970-01-07 23:00:00+00"),
            ("8 Jan 099 07:00+07", "0099-01-08 00:00:00+00"),
            ("January 8, 99 00:00+00 BC", "0099-01-08 00:00:00+00 BC"),
            ("990108 07:00", "1999-01-08 00:00:00+00"),
            ("J2451187 07:00", "1999-01-08 00:00:00+00"),
        ] {
            assert_eq!(read(text), wanted, "{text}");
        }
    }

    #[test]
    fn a_day_has_no_time() {
        for text in ["2026-01-02", "2026-01-02 24:00:00", "2026-01-02 23:59:60", "2026-01-02 12:00+07"] {
            assert_eq!(parse_day(text).expect(text), parse_local("2026-01-02").expect("a time"), "{text}");
        }
        assert!(parse_day("2026-01-02 25:00").is_err());
    }

    #[test]
    fn a_text_with_letters_of_several_bytes_anywhere_is_refused_or_read_and_never_cut_within_one() {
        let parts = ["", "1", "12", "é", "éé", "\u{1F600}", "2026", "-01", ":", ".5", "T", "+", "Z", " "];
        for first in parts {
            for (second, third) in parts.iter().flat_map(|second| parts.map(|third| (second, third))) {
                for text in [[first, second, third].concat(), ["2026-01-01 ", first, second, third].concat()] {
                    let read = parse_instant(&text, Zone::UTC).is_ok() || parse_local(&text).is_ok();
                    assert!(!read || text.is_ascii(), "{text}");
                    assert!(parse_interval(&text).is_none() || text.is_ascii(), "{text}");
                    assert!(Zone::named(&text).is_err() || text.is_ascii(), "{text}");
                }
            }
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in ["", "tuesday", "2026-13-01", "2026-02-30", "2026-01-01 25:00", "2026-01-01 00:00 Mars", "12:00"] {
            assert!(parse_instant(text, Zone::UTC).is_err(), "{text}");
        }
    }
}
