//! `to_char` of times and numbers, with PostgreSQL's patterns. A pattern of times that has a `%` is one of strftime's.

use std::fmt::Write;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringArray};
use arrow::datatypes::DataType;
use chrono::{DateTime, FixedOffset, TimeZone};
use datafusion::common::{Result, exec_err, plan_err};

use crate::functions::function::{Call, TimeFunction};
use crate::functions::number_chars::{NumberPattern, digits_of};
use crate::time::calendar::{DAY_US, Day, HOUR_US, MINUTE_US, SECOND_US};
use crate::time::columns::{is_instant, is_text, local_type, to_us};
use crate::time::text::{month_name, push_offset, weekday_name};
use crate::time::zone::Zone;

/// The function.
pub(crate) fn functions() -> Vec<TimeFunction> {
    vec![TimeFunction::new("to_char", typing, to_char).depending_on_session().with_aliases(&["date_format"])]
}

fn typing(given: &[DataType]) -> Result<(Vec<DataType>, DataType)> {
    let [time, pattern] = given else { return plan_err!("to_char takes a time and a pattern") };
    if !is_text(pattern) && !pattern.is_null() {
        return plan_err!("the pattern of to_char is text, and not {pattern}");
    }
    match time {
        DataType::Timestamp(..) | DataType::Date32 => Ok((vec![time.clone(), DataType::Utf8], DataType::Utf8)),
        DataType::Date64 => Ok((vec![DataType::Date32, DataType::Utf8], DataType::Utf8)),
        DataType::Null => Ok((vec![local_type(), DataType::Utf8], DataType::Utf8)),
        number if number.is_numeric() => Ok((vec![number.clone(), DataType::Utf8], DataType::Utf8)),
        _ => plan_err!("to_char takes a time or a number, and not {time}"),
    }
}

fn to_char(call: &Call<'_>) -> Result<ArrayRef> {
    let (array, patterns) = (call.array(0)?, call.array(1)?);
    if array.data_type().is_numeric() {
        return numbers(&array, patterns.as_string());
    }
    let zone = if is_instant(array.data_type()) { Some(call.zone()?) } else { None };
    let (times, patterns) = (to_us(&array)?, patterns.as_string::<i32>());
    // The pattern is nearly always a constant, and parsing it costs more than writing a row.
    let mut parsed: Option<(String, Vec<Piece>)> = None;
    let texts = (0..call.rows).map(|row| {
        if times.is_null(row) || patterns.is_null(row) {
            return Ok(None);
        }
        let pattern = patterns.value(row);
        if pattern.len() > PATTERN_BYTES_MAX {
            return exec_err!("a pattern of to_char has at most {PATTERN_BYTES_MAX} bytes");
        }
        if pattern.contains('%') {
            return strftime(times.value(row), zone, pattern).map(Some);
        }
        if parsed.as_ref().is_none_or(|(known, _)| known != pattern) {
            parsed = Some((pattern.to_owned(), pieces(pattern)));
        }
        let pieces = parsed.as_ref().map_or(&[][..], |(_, pieces)| pieces);
        Ok(Some(write(&Moment::new(times.value(row), zone), pieces)))
    });
    Ok(Arc::new(texts.collect::<Result<StringArray>>()?))
}

/// Numbers as texts.
fn numbers(values: &ArrayRef, patterns: &StringArray) -> Result<ArrayRef> {
    let mut parsed: Option<(String, NumberPattern)> = None;
    let texts = (0..values.len()).map(|row| {
        if values.is_null(row) || patterns.is_null(row) {
            return Ok(None);
        }
        let pattern = patterns.value(row);
        if pattern.len() > PATTERN_BYTES_MAX {
            return exec_err!("a pattern of to_char has at most {PATTERN_BYTES_MAX} bytes");
        }
        if parsed.as_ref().is_none_or(|(known, _)| known != pattern) {
            parsed = Some((pattern.to_owned(), NumberPattern::read(pattern)?));
        }
        match &parsed {
            Some((_, read)) => Ok(Some(read.write(&digits_of(values, row, read.behind)?))),
            None => Ok(None),
        }
    });
    Ok(Arc::new(texts.collect::<Result<StringArray>>()?))
}

/// Longest pattern, since each row writes it again.
const PATTERN_BYTES_MAX: usize = 1_000;

fn strftime(time_us: i64, zone: Option<Zone>, pattern: &str) -> Result<String> {
    let offset_seconds = zone.map_or(0, |zone| zone.offset_us(time_us) / SECOND_US);
    let offset = i32::try_from(offset_seconds).ok().and_then(FixedOffset::east_opt);
    let (Some(time), Some(offset)) = (DateTime::from_timestamp_micros(time_us), offset) else {
        return exec_err!("timestamp out of range");
    };
    let mut text = String::new();
    match write!(text, "{}", offset.from_utc_datetime(&time.naive_utc()).format(pattern)) {
        Ok(()) => Ok(text),
        Err(_) => exec_err!("\"{pattern}\" is no pattern of strftime"),
    }
}

/// A part of a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Literal(String),
    Pattern { of: &'static str, bare: bool, ordinal: Option<bool> },
}

/// Patterns, longer ones first where one begins with another. Those in small letters differ by case.
const PATTERNS: [&str; 60] = [
    "HH24", "HH12", "HH", "MI", "SSSSS", "SSSS", "SS", "MS", "US", "FF1", "FF2", "FF3", "FF4", "FF5", "FF6", "A.M.",
    "a.m.", "P.M.", "p.m.", "AM", "am", "PM", "pm", "Y,YYY", "YYYY", "YYY", "YY", "Y", "IYYY", "IYY", "IY", "IDDD",
    "ID", "IW", "I", "B.C.", "b.c.", "A.D.", "a.d.", "BC", "bc", "AD", "ad", "MONTH", "Month", "month", "MON", "Mon",
    "mon", "MM", "DAY", "Day", "day", "DDD", "DD", "DY", "Dy", "dy", "D", "WW",
];
const MORE: [&str; 10] = ["W", "CC", "J", "Q", "TZH", "TZM", "TZ", "tz", "OF", "RM"];

fn pieces(pattern: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut rest = pattern;
    while let Some(first) = rest.chars().next() {
        if first == '"' {
            let end = rest[1..].find('"').map_or(rest.len(), |at| at + 1);
            pieces.push(Piece::Literal(rest[1..end].to_owned()));
            rest = rest.get(end + 1..).unwrap_or("");
            continue;
        }
        let (bare, after) = match rest.get(..2) {
            Some("FM" | "fm") => (true, &rest[2..]),
            _ => (false, rest),
        };
        match known(after) {
            Some(of) => {
                rest = &after[of.len()..];
                let ordinal = match rest.get(..2) {
                    Some("TH") => Some(true),
                    Some("th") => Some(false),
                    _ => None,
                };
                if ordinal.is_some() {
                    rest = &rest[2..];
                }
                pieces.push(Piece::Pattern { of, bare, ordinal });
            }
            None if bare => rest = after,
            None => {
                pieces.push(Piece::Literal(first.to_string()));
                rest = &rest[first.len_utf8()..];
            }
        }
    }
    pieces
}

fn known(text: &str) -> Option<&'static str> {
    let all = || PATTERNS.iter().chain(&MORE).copied();
    let upper = |known: &str| known.bytes().all(|byte| !byte.is_ascii_lowercase());
    all().find(|known| text.starts_with(known)).filter(|known| known.len() > 1 || !text.starts_with("Da")).or_else(
        || {
            // Numbers may be written in small letters too.
            all().find(|known| {
                upper(known) && text.get(..known.len()).is_some_and(|head| head.eq_ignore_ascii_case(known))
            })
        },
    )
}

struct Moment {
    day: Day,
    time_us: i64,
    zone: Option<(Zone, i64)>,
}

impl Moment {
    fn new(time_us: i64, zone: Option<Zone>) -> Self {
        let zone = zone.map(|zone| (zone, zone.offset_us(time_us)));
        let local = time_us.saturating_add(zone.map_or(0, |(_, offset)| offset));
        Self { day: Day::from_us(local), time_us: local.rem_euclid(DAY_US), zone }
    }
}

fn write(moment: &Moment, pieces: &[Piece]) -> String {
    let mut text = String::new();
    for piece in pieces {
        match piece {
            Piece::Literal(literal) => text.push_str(literal),
            Piece::Pattern { of, bare, ordinal } => {
                let written = match number(moment, of) {
                    Some((number, digits)) => {
                        let digits = if *bare { 0 } else { digits };
                        match ordinal {
                            None => format!("{number:0digits$}"),
                            Some(upper) => format!("{number:0digits$}{}", ordinal_end(number, *upper)),
                        }
                    }
                    None => text_of(moment, of, *bare),
                };
                text.push_str(&written);
            }
        }
    }
    text
}

fn ordinal_end(number: i64, upper: bool) -> &'static str {
    let end = match (number % 100, number % 10) {
        (11..=13, _) => 0,
        (_, last @ 1..=3) => last,
        _ => 0,
    };
    match (end, upper) {
        (1, true) => "ST",
        (2, true) => "ND",
        (3, true) => "RD",
        (_, true) => "TH",
        (1, false) => "st",
        (2, false) => "nd",
        (3, false) => "rd",
        (_, false) => "th",
    }
}

/// Patterns that are numbers, with their digits.
fn number(moment: &Moment, pattern: &str) -> Option<(i64, usize)> {
    let (day, time) = (moment.day, moment.time_us);
    let year = if day.year > 0 { day.year } else { 1 - day.year };
    let (iso_year, iso_week) = day.iso_week();
    let hour = time / HOUR_US;
    Some(match pattern {
        "HH24" => (hour, 2),
        "HH12" | "HH" => ((hour + 11) % 12 + 1, 2),
        "MI" => (time / MINUTE_US % 60, 2),
        "SS" => (time / SECOND_US % 60, 2),
        "SSSS" | "SSSSS" => (time / SECOND_US, 0),
        "MS" | "FF3" => (time % SECOND_US / 1_000, 3),
        "US" | "FF6" => (time % SECOND_US, 6),
        "FF1" => (time % SECOND_US / 100_000, 1),
        "FF2" => (time % SECOND_US / 10_000, 2),
        "FF4" => (time % SECOND_US / 100, 4),
        "FF5" => (time % SECOND_US / 10, 5),
        "YYYY" => (year, 4),
        "YYY" => (year % 1_000, 3),
        "YY" => (year % 100, 2),
        "Y" => (year % 10, 1),
        "IYYY" => (iso_year, 4),
        "IYY" => (iso_year % 1_000, 3),
        "IY" => (iso_year % 100, 2),
        "I" => (iso_year % 10, 1),
        "IW" => (iso_week, 2),
        "ID" => (day.iso_weekday(), 0),
        "IDDD" => ((iso_week - 1) * 7 + day.iso_weekday(), 3),
        "MM" => (day.month, 2),
        "DDD" => (day.day_of_year(), 3),
        "DD" => (day.day, 2),
        "D" => (day.iso_weekday() % 7 + 1, 0),
        "WW" => ((day.day_of_year() - 1) / 7 + 1, 2),
        "W" => ((day.day - 1) / 7 + 1, 0),
        "CC" => ((day.year - 1).div_euclid(100) + 1, 2),
        "J" => (day.days() + 2_440_588, 0),
        "Q" => ((day.month - 1) / 3 + 1, 0),
        _ => return None,
    })
}

/// Text of patterns that are no numbers.
fn text_of(moment: &Moment, pattern: &str, bare: bool) -> String {
    let afternoon = moment.time_us >= 12 * HOUR_US;
    let before_christ = moment.day.year <= 0;
    let capital = |name: &str| name[..1].to_ascii_uppercase() + &name[1..];
    let padded = |name: String| if bare { name } else { format!("{name:<9}") };
    let (month, weekday) = (month_name(moment.day.month), weekday_name(moment.day.iso_weekday()));
    let pick = |yes: bool, a: &str, b: &str| if yes { a.to_owned() } else { b.to_owned() };
    match pattern {
        "AM" | "PM" => pick(afternoon, "PM", "AM"),
        "am" | "pm" => pick(afternoon, "pm", "am"),
        "A.M." | "P.M." => pick(afternoon, "P.M.", "A.M."),
        "a.m." | "p.m." => pick(afternoon, "p.m.", "a.m."),
        "BC" | "AD" => pick(before_christ, "BC", "AD"),
        "bc" | "ad" => pick(before_christ, "bc", "ad"),
        "B.C." | "A.D." => pick(before_christ, "B.C.", "A.D."),
        "b.c." | "a.d." => pick(before_christ, "b.c.", "a.d."),
        "MONTH" => padded(month.to_ascii_uppercase()),
        "Month" => padded(capital(month)),
        "month" => padded(month.to_owned()),
        "MON" => month[..3].to_ascii_uppercase(),
        "Mon" => capital(&month[..3]),
        "mon" => month[..3].to_owned(),
        "DAY" => padded(weekday.to_ascii_uppercase()),
        "Day" => padded(capital(weekday)),
        "day" => padded(weekday.to_owned()),
        "DY" => weekday[..3].to_ascii_uppercase(),
        "Dy" => capital(&weekday[..3]),
        "dy" => weekday[..3].to_owned(),
        "Y,YYY" => format!("{},{:03}", moment.day.year / 1_000, moment.day.year % 1_000),
        "RM" => format!("{:<4}", ROMAN[usize::try_from(moment.day.month - 1).unwrap_or(0)]),
        "TZ" => zone_name(moment),
        "tz" => zone_name(moment).to_ascii_lowercase(),
        "OF" | "TZH" | "TZM" => offset(moment, pattern),
        _ => String::new(),
    }
}

const ROMAN: [&str; 12] = ["I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII"];

/// The abbreviation that the zone uses at that time.
fn zone_name(moment: &Moment) -> String {
    match moment.zone {
        None => String::new(),
        Some((zone, 0)) if zone.is_utc() => "UTC".to_owned(),
        Some((Zone::Named(zone), offset)) => {
            let instant = moment.day.us() + moment.time_us - offset;
            match DateTime::from_timestamp(instant.div_euclid(SECOND_US), 0) {
                Some(instant) => instant.with_timezone(&zone).format("%Z").to_string(),
                None => String::new(),
            }
        }
        Some((Zone::Fixed(_), offset)) => {
            let mut text = String::new();
            push_offset(&mut text, offset / SECOND_US);
            text
        }
    }
}

fn offset(moment: &Moment, pattern: &str) -> String {
    let seconds = moment.zone.map_or(0, |(_, offset)| offset / SECOND_US);
    let sign = if seconds < 0 { '-' } else { '+' };
    match pattern {
        "TZH" => format!("{sign}{:02}", seconds.abs() / 3_600),
        "TZM" => format!("{:02}", seconds.abs() / 60 % 60),
        _ => {
            let mut text = String::new();
            push_offset(&mut text, seconds - seconds % 60);
            text
        }
    }
}
