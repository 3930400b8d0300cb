//! Times that are counts: of seconds and their fractions since 1970, or of days since the first day of a calendar.

use chrono::{DateTime, NaiveDate, NaiveTime};

use crate::mapping::time::{Epoch, MappingError, Serial};

/// Instants that a count may give. Any other one shows that the count is of another unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Plausible {
    from_us: i64,
}

impl Plausible {
    /// From the first day that a mapping states.
    pub(crate) fn from(earliest: Option<&str>) -> Result<Self, MappingError> {
        let Some(text) = earliest else { return Ok(Self { from_us: EARLIEST_US }) };
        let day: NaiveDate = text.parse().map_err(|error| {
            MappingError::Invalid(format!("time.earliest {text:?} is no day such as 1990-01-31: {error}"))
        })?;
        Ok(Self { from_us: day.and_time(NaiveTime::MIN).and_utc().timestamp_micros() })
    }

    fn holds(self, us: i64) -> bool {
        (self.from_us..LATEST_US).contains(&us)
    }

    /// The instant of a count of `epoch`, or what it may be instead.
    pub(crate) fn epoch(self, text: &str, epoch: Epoch) -> Result<i64, String> {
        let us = epoch_us(text, epoch)?;
        if self.holds(us) {
            return Ok(us);
        }
        let other = Epoch::ALL
            .into_iter()
            .find_map(|other| Some((other, epoch_us(text, other).ok().filter(|us| self.holds(*us))?)));
        let hint = other.map_or_else(
            || "time.earliest would let earlier ones pass".into(),
            |(other, us)| format!("time.epoch = {:?} would make it {}", other.key(), shown(us)),
        );
        Err(format!("as a count of {} it is {}, which no recording is of; {hint}", epoch.name(), shown(us)))
    }

    /// The local time of a count of days, as microseconds.
    pub(crate) fn serial(self, text: &str, serial: Serial) -> Result<i64, String> {
        let days: f64 = text.replace(',', ".").parse().map_err(|_word| "it is no count of days".to_owned())?;
        let us = serial_us(days, serial.days_before_1970()).ok_or("it is no count of days")?;
        if self.holds(us) {
            return Ok(us);
        }
        Err(format!(
            "as a count of days it is {}, which no recording is of; time.serial or time.epoch decides what is counted",
            shown(us)
        ))
    }
}

impl Serial {
    fn days_before_1970(self) -> f64 {
        match self {
            Self::Excel => EXCEL_DAYS_BEFORE_1970,
            Self::Excel1904 => 24_107.0,
            Self::Matlab => 719_529.0,
            Self::Julian => 2_440_587.5,
        }
    }
}

/// A count of days as microseconds since 1970, to the nearest millisecond: a spreadsheet has no more.
pub(crate) fn serial_us(serial: f64, days_before_1970: f64) -> Option<i64> {
    let ms = ((serial - days_before_1970) * 86_400_000.0).round();
    #[expect(clippy::cast_possible_truncation, reason = "it is whole and within 64 bits")]
    (ms.abs() < COUNT_MS_MAX).then(|| ms as i64 * 1_000)
}

/// A count since 1970, whole or with a fraction.
pub(crate) fn epoch_us(text: &str, epoch: Epoch) -> Result<i64, String> {
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
    let us = units.checked_mul(per_unit_ns).ok_or_else(wrong)?;
    i64::try_from((us + sign * fraction_ns).div_euclid(1_000)).map_err(|_large| wrong())
}

fn shown(us: i64) -> String {
    DateTime::from_timestamp_micros(us)
        .map_or_else(|| "beyond all calendars".into(), |time| time.format("%Y-%m-%d").to_string())
}

/// Days of Excel's count before 1970.
pub(crate) const EXCEL_DAYS_BEFORE_1970: f64 = 25_569.0;
/// Milliseconds from 1970, either way, that a count of days may be.
const COUNT_MS_MAX: f64 = 9e12;
/// 1990-01-01: loggers with a memory are younger.
const EARLIEST_US: i64 = 631_152_000_000_000;
/// 2100-01-01.
const LATEST_US: i64 = 4_102_444_800_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_since_1970_are_exact() {
        assert_eq!(epoch_us("1700000000", Epoch::S), Ok(1_700_000_000_000_000));
        assert_eq!(epoch_us("1700000000.25", Epoch::S), Ok(1_700_000_000_250_000));
        assert_eq!(epoch_us("-1.5", Epoch::Ms), Ok(-1_500));
        assert_eq!(epoch_us("7", Epoch::Us), Ok(7));
        assert_eq!(epoch_us("1700000000123456789", Epoch::Ns), Ok(1_700_000_000_123_456));
        for wrong in ["", "x", "1e9", "--1", "99999999999999999999999999", "99999999999999999999999999999999999999"] {
            assert!(epoch_us(wrong, Epoch::S).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_count_of_another_unit_is_told_with_the_unit_that_it_may_be() {
        let plausible = Plausible::from(None).unwrap();
        assert_eq!(plausible.epoch("1700000000", Epoch::S), Ok(1_700_000_000_000_000));
        for (text, stated, meant) in [
            ("1700000000", Epoch::Ns, "\"s\""),
            ("1700000000", Epoch::Ms, "\"s\""),
            ("1700000000000", Epoch::S, "\"ms\""),
            ("1700000000000000000", Epoch::Us, "\"ns\""),
        ] {
            let error = plausible.epoch(text, stated).unwrap_err();
            assert!(error.contains("time.epoch") && error.contains(meant) && error.contains("2023-11-14"), "{error}");
        }
        assert!(plausible.epoch("7", Epoch::S).unwrap_err().contains("time.earliest"));
        assert_eq!(Plausible::from(Some("1970-01-01")).unwrap().epoch("7", Epoch::S), Ok(7_000_000));
        assert!(Plausible::from(Some("yesterday")).is_err());
    }

    #[test]
    fn days_of_spreadsheets_are_local_times_to_the_millisecond() {
        let plausible = Plausible::from(None).unwrap();
        // 2026-01-31T12:15:00.
        for (text, serial) in [
            ("46053.5104166667", Serial::Excel),
            ("46053,5104166667", Serial::Excel),
            ("44591.5104166667", Serial::Excel1904),
            ("740013.5104166667", Serial::Matlab),
            ("2461072.0104166667", Serial::Julian),
        ] {
            let us = plausible.serial(text, serial).unwrap();
            assert_eq!(
                DateTime::from_timestamp_micros(us).unwrap().to_rfc3339(),
                "2026-01-31T12:15:00+00:00",
                "{serial:?}"
            );
        }
        for wrong in ["1700000000", "yesterday", "12", "NaN", "inf"] {
            assert!(plausible.serial(wrong, Serial::Excel).is_err(), "{wrong}");
        }
    }
}
