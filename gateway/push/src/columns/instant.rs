//! Times as sources write them, into microseconds since 1970, UTC.
//!
//! A local time is taken through its zone: a fixed offset, or an IANA zone with its rules of each date. Where clocks were
//! put back, an hour of local times happens twice; where they were put forward, an hour does not happen. Both are bad
//! rows unless the mapping says which is meant.
//!
//! 24:00 is the end of its day. A second of 60 is read where there was a leap second, and nowhere else.

use std::str::FromStr;

use chrono::format::{Item, Parsed, StrftimeItems};
use chrono::{
    DateTime, Datelike, FixedOffset, MappedLocalTime, NaiveDateTime, NaiveTime, Offset, TimeDelta, TimeZone, Timelike,
};
use chrono_tz::Tz;

use crate::columns::count::Plausible;
use crate::mapping::time::{Ambiguous, Epoch, MappingError, Midnight, Serial, Skipped, TimeMapping};

/// Reads times in one form.
#[derive(Debug, Clone)]
pub(crate) struct TimeReader {
    form: Form,
    zone: Option<Zone>,
    midnight: Midnight,
    ambiguous: Ambiguous,
    skipped: Skipped,
}

#[derive(Debug, Clone)]
enum Form {
    Epoch(Epoch, Plausible),
    Serial(Serial, Plausible),
    Calendar { format: String, items: Vec<Item<'static>> },
}

#[derive(Debug, Clone, Copy)]
enum Zone {
    Fixed(FixedOffset),
    Named(Tz),
}

impl TimeReader {
    /// The reader that a mapping describes.
    pub(crate) fn new(mapping: &TimeMapping) -> Result<Self, MappingError> {
        let zone = mapping.zone.as_deref().map(zone).transpose()?;
        let form = match (mapping.epoch, mapping.serial) {
            (Some(epoch), _) => Form::Epoch(epoch, Plausible::from(mapping.earliest.as_deref())?),
            (None, Some(serial)) if zone.is_some() => {
                Form::Serial(serial, Plausible::from(mapping.earliest.as_deref())?)
            }
            (None, Some(_)) => {
                let what = "time.serial counts days of a local calendar: time.zone must say which zone it is of";
                return Err(MappingError::Invalid(what.into()));
            }
            (None, None) => calendar(mapping, zone.is_some())?,
        };
        Ok(Self { form, zone, midnight: mapping.midnight, ambiguous: mapping.ambiguous, skipped: mapping.skipped })
    }

    /// True where a time may depend on the one before.
    pub(crate) fn is_in_order(&self) -> bool {
        self.ambiguous == Ambiguous::InOrder
    }

    /// True where [`TimeReader::read_local`] can be used.
    pub(crate) fn has_zone(&self) -> bool {
        self.zone.is_some()
    }

    /// Reads a text. `before_us` is the instant of the row above of the same device.
    pub(crate) fn read(&self, text: &str, before_us: Option<i64>) -> Result<i64, String> {
        match &self.form {
            Form::Epoch(epoch, plausible) => plausible.epoch(text, *epoch),
            Form::Serial(serial, plausible) => {
                let local = DateTime::from_timestamp_micros(plausible.serial(text, *serial)?);
                let local = local.ok_or("it is out of range")?.naive_utc();
                self.resolve(self.closed(local)?, before_us)
            }
            Form::Calendar { format, items } => self.read_calendar(text, format, items, before_us),
        }
    }

    fn read_calendar(
        &self,
        text: &str,
        format: &str,
        items: &[Item<'static>],
        before_us: Option<i64>,
    ) -> Result<i64, String> {
        let (local, offset) = match parse(text, items) {
            Some((local, offset)) => (self.closed(local)?, offset),
            None => end_of_day(text, items).ok_or_else(|| form_expected(format))?,
        };
        let us = match offset {
            Some(offset) => local.and_utc().timestamp_micros() - offset_us(offset),
            None => self.resolve(local, before_us)?,
        };
        if local.nanosecond() >= LEAP_NANOSECOND && !is_leap_second(us) {
            return Err("its second is 60, and there was no leap second then".into());
        }
        Ok(us)
    }

    /// Takes a local time through the zone.
    pub(crate) fn read_local(&self, local: NaiveDateTime, before_us: Option<i64>) -> Result<i64, String> {
        self.resolve(self.closed(local)?, before_us)
    }

    fn resolve(&self, local: NaiveDateTime, before_us: Option<i64>) -> Result<i64, String> {
        match self.zone {
            None => Err("no zone is known for it; time.zone would say which".into()),
            Some(Zone::Fixed(offset)) => Ok(local.and_utc().timestamp_micros() - offset_us(offset)),
            Some(Zone::Named(zone)) => self.through(local, zone, before_us),
        }
    }

    fn through(&self, local: NaiveDateTime, zone: Tz, before_us: Option<i64>) -> Result<i64, String> {
        match zone.from_local_datetime(&local) {
            MappedLocalTime::Single(time) => Ok(time.timestamp_micros()),
            MappedLocalTime::Ambiguous(earlier, later) => match self.ambiguous {
                Ambiguous::Earlier => Ok(earlier.timestamp_micros()),
                Ambiguous::Later => Ok(later.timestamp_micros()),
                Ambiguous::InOrder if before_us.is_some_and(|before| earlier.timestamp_micros() < before) => {
                    Ok(later.timestamp_micros())
                }
                Ambiguous::InOrder => Ok(earlier.timestamp_micros()),
                Ambiguous::Refuse => Err(format!(
                    "it happened twice in {zone}, as clocks were put back; time.ambiguous = \"in_order\", \"earlier\" or \"later\" would say which is meant"
                )),
            },
            MappedLocalTime::None => match self.skipped {
                Skipped::Shift => Ok(local.and_utc().timestamp_micros() - offset_us(offset_before(local, zone))),
                Skipped::Refuse => Err(format!(
                    "it did not happen in {zone}, as clocks were put forward; time.skipped = \"shift\" would take it by the clock that was not"
                )),
            },
        }
    }

    /// The local time, with 00:00 taken as 24:00 where the mapping says so.
    fn closed(&self, local: NaiveDateTime) -> Result<NaiveDateTime, String> {
        if self.midnight == Midnight::EndOfDay && local.time() == NaiveTime::MIN {
            return local.checked_add_signed(TimeDelta::days(1)).ok_or_else(|| "it is out of range".into());
        }
        Ok(local)
    }
}

/// The format where the mapping states none: `2025-01-31T23:59:59.123456+07:00`.
pub(crate) const RFC_3339: &str = "%+";

fn zone(text: &str) -> Result<Zone, MappingError> {
    if matches!(text, "UTC" | "Z") {
        return Ok(Zone::Fixed(chrono::Utc.fix()));
    }
    if let Ok(offset) = FixedOffset::from_str(text) {
        return Ok(Zone::Fixed(offset));
    }
    Tz::from_str(text).map(Zone::Named).map_err(|_unknown| {
        MappingError::Invalid(format!(
            "time.zone {text:?} is neither an offset such as +07:00 nor an IANA zone such as Asia/Ho_Chi_Minh"
        ))
    })
}

/// Date and time of day; minutes and hours that the format has not are 0.
fn local_time(mut parsed: Parsed) -> chrono::ParseResult<NaiveDateTime> {
    if parsed.timestamp().is_none() {
        if parsed.hour_div_12().is_none() && parsed.hour_mod_12().is_none() {
            parsed.set_hour(0)?;
        }
        if parsed.minute().is_none() {
            parsed.set_minute(0)?;
        }
    }
    parsed.to_naive_datetime_with_offset(parsed.offset().unwrap_or(0))
}

fn offset_us(offset: FixedOffset) -> i64 {
    i64::from(offset.local_minus_utc()) * 1_000_000
}

/// The offset that was in force before a gap in which `local` lies.
fn offset_before(local: NaiveDateTime, zone: Tz) -> FixedOffset {
    // No gap is as long as a day, and no two gaps are that near.
    let day_before: DateTime<Tz> = zone.from_utc_datetime(&(local - TimeDelta::days(1)));
    day_before.offset().fix()
}

/// The reader's form for texts of a calendar.
fn calendar(mapping: &TimeMapping, has_zone: bool) -> Result<Form, MappingError> {
    let format = mapping.format.as_deref().unwrap_or(RFC_3339);
    let states_offset = ["%z", "%:z", "%::z", "%:::z", "%#z", "%+"].iter().any(|it| format.contains(it));
    if !has_zone && !states_offset {
        return Err(MappingError::Invalid(format!(
            "time.format {format:?} states no offset: time.zone must say which zone the times are in"
        )));
    }
    let items = StrftimeItems::new(format)
        .parse_to_owned()
        .map_err(|error| MappingError::Invalid(format!("time.format {format:?} cannot be read: {error}")))?;
    Ok(Form::Calendar { format: format.to_owned(), items })
}

fn parse(text: &str, items: &[Item<'static>]) -> Option<(NaiveDateTime, Option<FixedOffset>)> {
    let mut parsed = Parsed::new();
    chrono::format::parse(&mut parsed, text, items.iter()).ok()?;
    let offset = parsed.offset().map(|_| parsed.to_fixed_offset()).transpose().ok()?;
    Some((local_time(parsed).ok()?, offset))
}

/// The local time of a text whose hour is 24: the end of its day.
fn end_of_day(text: &str, items: &[Item<'static>]) -> Option<(NaiveDateTime, Option<FixedOffset>)> {
    text.match_indices("24").find_map(|(at, _)| {
        let with_hour = |hour: &str| format!("{}{hour}{}", &text[..at], &text[at + 2..]);
        let (start, offset) = parse(&with_hour("00"), items)?;
        // Only where these digits are the hour does 23 make it an hour before midnight of the same day.
        let (last_hour, _) = parse(&with_hour("23"), items)?;
        let is_hour = last_hour.date() == start.date() && last_hour.hour() == 23;
        let end = start.checked_add_signed(TimeDelta::days(1))?;
        (is_hour && start.time() == NaiveTime::MIN).then_some((end, offset))
    })
}

fn form_expected(format: &str) -> String {
    if format == RFC_3339 {
        return "it is no time such as 2026-01-31T23:59:59+07:00; time.format, with time.zone, or time.epoch would say which form it has".into();
    }
    let example = NaiveDateTime::default().with_year(2026).and_then(|day| day.with_hour(13));
    let example = example.map(|example| example.and_utc().format(format).to_string()).unwrap_or_default();
    format!("it is no time of the form {format:?}, such as {example:?}; time.format decides")
}

/// True where a leap second ends at this instant or a fraction of a second before it.
fn is_leap_second(us: i64) -> bool {
    let second = DateTime::from_timestamp(us.div_euclid(1_000_000), 0);
    second.is_some_and(|time| {
        let (year, month) = (time.year(), time.month());
        let is_start_of_half_year = time.day() == 1 && time.time() == NaiveTime::MIN;
        is_start_of_half_year
            && (month == 1 && BEFORE_JANUARY.contains(&year) || month == 7 && BEFORE_JULY.contains(&year))
    })
}

/// Nanosecond from which a time is within a leap second.
const LEAP_NANOSECOND: u32 = 1_000_000_000;
/// Years before whose first day a leap second was inserted. Source: IERS, Bulletin C.
const BEFORE_JANUARY: [i32; 16] =
    [1973, 1974, 1975, 1976, 1977, 1978, 1979, 1980, 1988, 1990, 1991, 1996, 1999, 2006, 2009, 2017];
/// Years before whose first of July one was inserted.
const BEFORE_JULY: [i32; 11] = [1972, 1981, 1982, 1983, 1985, 1992, 1993, 1994, 1997, 2012, 2015];

#[cfg(test)]
mod tests {
    use super::*;

    fn reader(text: &str) -> TimeReader {
        TimeReader::new(&toml::from_str(text).unwrap()).unwrap()
    }

    fn utc(reader: &TimeReader, text: &str) -> String {
        DateTime::from_timestamp_micros(reader.read(text, None).unwrap()).unwrap().to_rfc3339()
    }

    #[test]
    fn a_fixed_offset_is_taken_off() {
        let reader = reader("format = \"%Y %m %d %H\"\nzone = \"+08:00\"");
        assert_eq!(utc(&reader, "2013 3 1 0"), "2013-02-28T16:00:00+00:00");
        assert!(reader.read("2013 3 32 0", None).is_err());
        assert!(reader.read("2013 3 1", None).is_err());
    }

    #[test]
    fn midnight_can_close_the_day_that_it_is_stamped_with() {
        let reader = reader("format = \"%d/%m/%Y %H:%M\"\nzone = \"+09:00\"\nmidnight = \"end_of_day\"");
        assert_eq!(utc(&reader, "31/12/2018 00:00"), "2018-12-31T15:00:00+00:00");
        assert_eq!(utc(&reader, "31/12/2018 23:45"), "2018-12-31T14:45:00+00:00");
        assert_eq!(utc(&reader, "01/01/2018 00:15"), "2017-12-31T15:15:00+00:00");
    }

    #[test]
    fn a_named_zone_follows_its_rules_and_what_is_not_one_time_is_refused_or_chosen() {
        let format = "format = \"%Y-%m-%d %H:%M\"\nzone = \"Europe/Dublin\"";
        let strict = reader(format);
        assert_eq!(utc(&strict, "2019-12-14 10:16"), "2019-12-14T10:16:00+00:00");
        assert_eq!(utc(&strict, "2019-07-14 10:16"), "2019-07-14T09:16:00+00:00");
        assert!(strict.read("2019-10-27 01:30", None).unwrap_err().contains("happened twice"));
        assert!(strict.read("2019-03-31 01:30", None).unwrap_err().contains("did not happen"));

        let earlier = reader(&format!("{format}\nambiguous = \"earlier\"\nskipped = \"shift\""));
        assert_eq!(utc(&earlier, "2019-10-27 01:30"), "2019-10-27T00:30:00+00:00");
        assert_eq!(utc(&earlier, "2019-03-31 01:30"), "2019-03-31T01:30:00+00:00");
        let later = reader(&format!("{format}\nambiguous = \"later\""));
        assert_eq!(utc(&later, "2019-10-27 01:30"), "2019-10-27T01:30:00+00:00");
    }

    #[test]
    fn an_offset_in_the_text_needs_no_zone() {
        let reader = reader("");
        assert_eq!(utc(&reader, "2025-01-31T23:59:59.123456+07:00"), "2025-01-31T16:59:59.123456+00:00");
        assert_eq!(utc(&reader, "2025-01-31T23:59:59Z"), "2025-01-31T23:59:59+00:00");
        let wrong = TimeReader::new(&toml::from_str("format = \"%Y-%m-%d\"").unwrap()).unwrap_err();
        assert!(wrong.to_string().contains("time.zone"), "{wrong}");
        let wrong = TimeReader::new(&toml::from_str("zone = \"Mars\"").unwrap()).unwrap_err();
        assert!(wrong.to_string().contains("\"Mars\""), "{wrong}");
    }

    #[test]
    fn the_hour_24_is_the_end_of_its_day_in_every_form() {
        for (format, text) in [
            ("%Y-%m-%d %H:%M:%S", "2026-01-31 24:00:00"),
            ("%d/%m/%Y %H:%M", "31/01/2026 24:00"),
            ("%Y %m %d %H", "2026 1 31 24"),
            ("%Y%m%d%H%M%S", "20260131240000"),
        ] {
            for midnight in ["start_of_day", "end_of_day"] {
                let reader = reader(&format!("format = {format:?}\nzone = \"UTC\"\nmidnight = {midnight:?}"));
                assert_eq!(utc(&reader, text), "2026-02-01T00:00:00+00:00", "{format}");
            }
        }
        let strict = reader("format = \"%Y-%m-%d %H:%M\"\nzone = \"UTC\"");
        assert!(strict.read("2026-01-31 24:01", None).is_err());
        assert!(strict.read("2024-24-24 24:00", None).is_err());
        assert_eq!(utc(&strict, "2024-12-24 24:00"), "2024-12-25T00:00:00+00:00");
        assert_eq!(utc(&reader(""), "2026-01-31T24:00:00+07:00"), "2026-01-31T17:00:00+00:00");
    }

    #[test]
    fn a_second_of_60_is_read_where_there_was_one() {
        let reader = reader("format = \"%Y-%m-%d %H:%M:%S\"\nzone = \"+07:00\"");
        assert_eq!(utc(&reader, "2017-01-01 06:59:60"), "2017-01-01T00:00:00+00:00");
        for wrong in ["2017-01-01 07:59:60", "2018-01-01 06:59:60", "2026-05-05 10:10:60"] {
            assert!(reader.read(wrong, None).unwrap_err().contains("leap second"), "{wrong}");
        }
    }

    #[test]
    fn a_time_of_another_form_is_told_with_the_form_that_is_expected() {
        let error = reader("").read("2026-01-31 10:00", None).unwrap_err();
        assert!(error.contains("2026-01-31T23:59:59+07:00") && error.contains("time.format"), "{error}");
        let error = reader("format = \"%d.%m.%Y %H:%M\"\nzone = \"UTC\"").read("31-01-2026", None).unwrap_err();
        assert!(error.contains("01.01.2026 13:00") && error.contains("time.format"), "{error}");
    }

    #[test]
    fn an_hour_that_happens_twice_is_read_in_the_order_of_the_rows() {
        let reader = reader("format = \"%Y-%m-%d %H:%M\"\nzone = \"Europe/Dublin\"\nambiguous = \"in_order\"");
        let mut before = None;
        let mut read = Vec::new();
        for text in ["00:30", "01:00", "01:30", "01:00", "01:30", "02:00"] {
            let us = reader.read(&format!("2019-10-27 {text}"), before).unwrap();
            read.extend(before.map(|before: i64| us - before));
            before = Some(us);
        }
        assert_eq!(read, [1_800_000_000; 5]);
    }

    #[test]
    fn days_of_a_spreadsheet_are_in_the_zone() {
        let reader = reader("serial = \"excel\"\nzone = \"+07:00\"");
        assert_eq!(utc(&reader, "46053.5"), "2026-01-31T05:00:00+00:00");
        let wrong = TimeReader::new(&toml::from_str("serial = \"excel\"").unwrap()).unwrap_err();
        assert!(wrong.to_string().contains("time.zone"), "{wrong}");
    }
}
