//! Lengths of time as rules write them: `90s`, `5m`, `2h`, `1d`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A length of time in whole seconds, up to 31 days.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Span {
    seconds: u32,
}

impl Span {
    /// So many seconds; at most 31 days.
    pub const fn of_seconds(seconds: u32) -> Self {
        Self { seconds: if seconds < SECONDS_MAX { seconds } else { SECONDS_MAX } }
    }

    /// Microseconds.
    pub fn us(self) -> i64 {
        i64::from(self.seconds) * 1_000_000
    }
}

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no length of time: write a whole number and a unit, as 90s, 5m, 2h or 1d");
        let unit = text.chars().next_back().ok_or_else(wrong)?;
        let number = &text[..text.len() - unit.len_utf8()];
        let factor = UNITS.iter().find(|(name, _)| *name == unit).map(|(_, factor)| *factor).ok_or_else(wrong)?;
        if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(wrong());
        }
        let seconds = number.parse::<u32>().ok().and_then(|number| number.checked_mul(factor));
        match seconds.filter(|seconds| *seconds <= SECONDS_MAX) {
            Some(seconds) => Ok(Self { seconds }),
            None => Err(format!("{text:?} is longer than 31 days")),
        }
    }
}

impl TryFrom<String> for Span {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Span> for String {
    fn from(span: Span) -> Self {
        span.to_string()
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = UNITS.iter().rev().find(|(_, factor)| self.seconds > 0 && self.seconds.is_multiple_of(*factor));
        let (unit, factor) = whole.copied().unwrap_or(('s', 1));
        write!(f, "{}{unit}", self.seconds / factor)
    }
}

const UNITS: [(char, u32); 4] = [('s', 1), ('m', 60), ('h', 3_600), ('d', 86_400)];
const SECONDS_MAX: u32 = 31 * 86_400;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_reads_back_as_it_is_written_and_others_are_refused_in_words() {
        for (text, seconds) in [("0s", 0), ("90s", 90), ("5m", 300), ("2h", 7_200), ("31d", 2_678_400)] {
            let span: Span = text.parse().expect("a good length");
            assert_eq!(span.us(), seconds * 1_000_000);
            assert_eq!(span.to_string(), text);
        }
        assert_eq!("120s".parse::<Span>().expect("a good length").to_string(), "2m");
        for text in ["", "5", "m", "-5m", "5 m", "1.5h", "5w", "5ọ", "32d", "99999999999d"] {
            let why = text.parse::<Span>().expect_err(text);
            assert!(why.contains("length of time") || why.contains("31 days"), "{why}");
        }
    }
}
