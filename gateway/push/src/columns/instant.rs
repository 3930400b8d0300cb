//! Times as sources write them, into microseconds since 1970, UTC.
//!
//! A local time is taken through its zone: a fixed offset, or an IANA zone with its rules of each date. Where clocks were
//! put back, an hour of local times happens twice; where they were put forward, an hour does not happen. Both are bad
//! rows unless the mapping says which is meant.

use std::str::FromStr;

use chrono::format::{Item, Parsed, StrftimeItems};
use chrono::{DateTime, FixedOffset, MappedLocalTime, NaiveDateTime, NaiveTime, Offset, TimeDelta, TimeZone};
use chrono_tz::Tz;

use crate::time_mapping::{Ambiguous, Epoch, MappingError, Midnight, Skipped, TimeMapping};

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
    Epoch(Epoch),
    Calendar(Vec<Item<'static>>),
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
        let form = match mapping.epoch {
            Some(epoch) => Form::Epoch(epoch),
            None => {
                let format = mapping.format.as_deref().unwrap_or(RFC_3339);
                let states_offset = ["%z", "%:z", "%::z", "%:::z", "%#z", "%+"].iter().any(|it| format.contains(it));
                if zone.is_none() && !states_offset {
                    return Err(MappingError::Invalid(format!(
                        "time.format {format:?} states no offset: time.zone must say which zone the times are in"
                    )));
                }
                Form::Calendar(StrftimeItems::new(format).parse_to_owned().map_err(|error| {
                    MappingError::Invalid(format!("time.format {format:?} cannot be read: {error}"))
                })?)
            }
        };
        Ok(Self { form, zone, midnight: mapping.midnight, ambiguous: mapping.ambiguous, skipped: mapping.skipped })
    }

    /// True where [`TimeReader::read_local`] can be used.
    pub(crate) fn has_zone(&self) -> bool {
        self.zone.is_some()
    }

    /// Reads a text.
    pub(crate) fn read(&self, text: &str) -> Result<i64, String> {
        match &self.form {
            Form::Epoch(epoch) => epoch_us(text, *epoch),
            Form::Calendar(items) => {
                let mut parsed = Parsed::new();
                chrono::format::parse(&mut parsed, text, items.iter()).map_err(|error| error.to_string())?;
                let local = local_time(parsed.clone()).map_err(|error| error.to_string())?;
                match parsed.offset() {
                    Some(_) => {
                        let offset = parsed.to_fixed_offset().map_err(|error| error.to_string())?;
                        Ok(self.closed(local)?.and_utc().timestamp_micros() - offset_us(offset))
                    }
                    None => self.read_local(local),
                }
            }
        }
    }

    /// Takes a local time through the zone.
    pub(crate) fn read_local(&self, local: NaiveDateTime) -> Result<i64, String> {
        let local = self.closed(local)?;
        match self.zone {
            None => Err("no zone is known for it".into()),
            Some(Zone::Fixed(offset)) => Ok(local.and_utc().timestamp_micros() - offset_us(offset)),
            Some(Zone::Named(zone)) => self.through(local, zone),
        }
    }

    fn through(&self, local: NaiveDateTime, zone: Tz) -> Result<i64, String> {
        match zone.from_local_datetime(&local) {
            MappedLocalTime::Single(time) => Ok(time.timestamp_micros()),
            MappedLocalTime::Ambiguous(earlier, later) => match self.ambiguous {
                Ambiguous::Earlier => Ok(earlier.timestamp_micros()),
                Ambiguous::Later => Ok(later.timestamp_micros()),
                Ambiguous::Refuse => Err(format!(
                    "it happened twice in {zone}, as clocks were put back; time.ambiguous = \"earlier\" or \"later\" would say which is meant"
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

/// A count since 1970, whole or with a fraction.
fn epoch_us(text: &str, epoch: Epoch) -> Result<i64, String> {
    let wrong = || format!("it is no count of {}", epoch.name());
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(fraction) || !digits(whole.trim_start_matches('-')) || whole.is_empty() {
        return Err(wrong());
    }
    let units: i128 = whole.parse().map_err(|_long| wrong())?;
    let per_unit_ns = i128::from(epoch.nanoseconds());
    let mut fraction_ns = 0;
    let mut digit_ns = per_unit_ns;
    for digit in fraction.bytes() {
        digit_ns /= 10;
        fraction_ns += i128::from(digit - b'0') * digit_ns;
    }
    let sign = if whole.starts_with('-') { -1 } else { 1 };
    let us = (units * per_unit_ns + sign * fraction_ns).div_euclid(1_000);
    i64::try_from(us).map_err(|_large| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reader(text: &str) -> TimeReader {
        TimeReader::new(&toml::from_str(text).unwrap()).unwrap()
    }

    fn utc(reader: &TimeReader, text: &str) -> String {
        DateTime::from_timestamp_micros(reader.read(text).unwrap()).unwrap().to_rfc3339()
    }

    #[test]
    fn a_fixed_offset_is_taken_off() {
        let reader = reader("format = \"%Y %m %d %H\"\nzone = \"+08:00\"");
        assert_eq!(utc(&reader, "2013 3 1 0"), "2013-02-28T16:00:00+00:00");
        assert!(reader.read("2013 3 32 0").is_err());
        assert!(reader.read("2013 3 1").is_err());
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
        assert!(strict.read("2019-10-27 01:30").unwrap_err().contains("happened twice"));
        assert!(strict.read("2019-03-31 01:30").unwrap_err().contains("did not happen"));

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
    fn counts_since_1970_are_exact() {
        assert_eq!(reader("epoch = \"s\"").read("1700000000"), Ok(1_700_000_000_000_000));
        assert_eq!(reader("epoch = \"s\"").read("1700000000.25"), Ok(1_700_000_000_250_000));
        assert_eq!(reader("epoch = \"ms\"").read("-1.5"), Ok(-1_500));
        assert_eq!(reader("epoch = \"us\"").read("7"), Ok(7));
        assert_eq!(reader("epoch = \"ns\"").read("1700000000123456789"), Ok(1_700_000_000_123_456));
        for wrong in ["", "x", "1e9", "--1", "99999999999999999999999999"] {
            assert!(reader("epoch = \"s\"").read(wrong).is_err(), "{wrong}");
        }
    }
}
