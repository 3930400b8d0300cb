//! Numbers as sources write them: with a point or a comma before their decimals, with groups of three digits, and values that are
//! only known to be below or above a limit.

use arrow::array::Float64Array;

use crate::mapping::parts::Beyond;
use crate::mapping::time::MappingError;

/// Form of the numbers of a source.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct NumberForm {
    decimal_comma: bool,
    grouping: Option<char>,
    below: Beyond,
    above: Beyond,
    sentinels: Vec<f64>,
}

impl NumberForm {
    /// The form that a mapping states: whether decimals stand behind a comma, the sign between groups of digits, what is beyond a limit, and
    /// numbers that mean "not measured".
    pub(crate) fn new(
        decimal_comma: bool,
        grouping: Option<&str>,
        (below, above): (Beyond, Beyond),
        sentinels: &[f64],
    ) -> Result<Self, MappingError> {
        let wrong = |what: String| Err(MappingError::Invalid(what));
        let decimal = if decimal_comma { ',' } else { '.' };
        let grouping = match grouping {
            None => None,
            Some(text) => {
                match text.chars().next().filter(|sign| text.chars().count() == 1 && GROUPING.contains(sign)) {
                    Some(sign) if sign == decimal => {
                        return wrong(format!(
                            "grouping {text:?} is the sign before decimals too; decimal_comma decides that"
                        ));
                    }
                    Some(sign) => Some(sign),
                    None => return wrong(format!("grouping {text:?}: \",\", \".\", \" \" or \"'\" is possible")),
                }
            }
        };
        if matches!(above, Beyond::Half | Beyond::Zero) {
            return wrong("above_range: refuse, null or limit is possible".into());
        }
        Ok(Self { decimal_comma, grouping, below, above, sentinels: sentinels.to_vec() })
    }

    /// Reads a number; `None` for one that means "not measured".
    pub(crate) fn read(&self, text: &str) -> Result<Option<f64>, String> {
        let (beyond, key, rest) = match text.chars().next() {
            Some('<' | '≤') => {
                (Some(self.below), "below_detection", text[char_bytes(text)..].trim_start_matches('='))
            }
            Some('>' | '≥') => (Some(self.above), "above_range", text[char_bytes(text)..].trim_start_matches('=')),
            _ => (None, "", text),
        };
        let value = match beyond {
            None => self.plain(rest)?,
            // A limit without a number, such as <LOD, is none of its own.
            Some(Beyond::Null) => return Ok(None),
            Some(Beyond::Zero) => 0.0,
            Some(Beyond::Half) => self.plain(rest.trim_start())? / 2.0,
            Some(Beyond::Limit) => self.plain(rest.trim_start())?,
            Some(Beyond::Refuse) => {
                return Err(format!("it is no number but a limit; {key} in the mapping says what it means"));
            }
        };
        Ok((!self.sentinels.contains(&value)).then_some(value))
    }

    /// Reads a whole number; also as 12.0, since many programs write whole numbers so once a column has gaps.
    pub(crate) fn read_whole(&self, text: &str) -> Result<Option<i64>, String> {
        if self.sentinels.is_empty()
            && let Ok(value) = text.parse()
        {
            return Ok(Some(value));
        }
        let Some(value) = self.read(text)? else { return Ok(None) };
        if let Ok(value) = text.parse() {
            return Ok(Some(value));
        }
        whole(value).map(Some).ok_or_else(|| "it is no whole number".into())
    }

    /// Typed values, those that mean "not measured" left out.
    pub(crate) fn without_sentinels(&self, values: &Float64Array) -> Float64Array {
        if self.sentinels.is_empty() {
            return values.clone();
        }
        values.iter().map(|value| value.filter(|value| !self.sentinels.contains(value))).collect()
    }

    fn plain(&self, text: &str) -> Result<f64, String> {
        let text = text
            .strip_prefix('\u{2212}')
            .map_or_else(|| text.into(), |digits| std::borrow::Cow::from(format!("-{digits}")));
        if !self.decimal_comma && self.grouping.is_none() {
            return text.parse().map_err(|_word| self.words(&text));
        }
        let decimal = if self.decimal_comma { ',' } else { '.' };
        let (whole, decimals) = match text.split_once(decimal) {
            Some((whole, decimals)) => (whole, Some(decimals)),
            None => (&*text, None),
        };
        let whole = self.ungrouped(whole)?;
        let number = match decimals {
            Some(decimals) => format!("{whole}.{decimals}"),
            None => whole,
        };
        // The other sign has no place behind the decimals, and none before them without grouping.
        if decimals.is_some_and(|decimals| decimals.contains(['.', ','])) {
            return Err(self.words(&text));
        }
        number.parse().map_err(|_word| self.words(&text))
    }

    /// The digits before the decimals without the signs between groups of three.
    fn ungrouped(&self, whole: &str) -> Result<String, String> {
        let is_sign = |sign: char| match self.grouping {
            // Typographic blanks do not break a line between two groups.
            Some(' ') => matches!(sign, ' ' | '\u{A0}' | '\u{202F}'),
            Some('\'') => matches!(sign, '\'' | '’'),
            Some(own) => sign == own,
            None => false,
        };
        let mut groups = whole.split(is_sign);
        let first = groups.next().unwrap_or_default();
        let first_digits = first.trim_start_matches(['-', '+']).len();
        let mut digits = first.to_owned();
        for group in groups {
            if group.len() != 3 || !group.bytes().all(|byte| byte.is_ascii_digit()) || !(1..=3).contains(&first_digits)
            {
                return Err(
                    "its groups of digits are not of three; grouping and decimal_comma in the mapping decide".into()
                );
            }
            digits.push_str(group);
        }
        // A point that is neither the sign of decimals nor of groups would be taken for one of them.
        if digits.contains(['.', ',']) {
            return Err(self.words(whole));
        }
        Ok(digits)
    }

    fn words(&self, text: &str) -> String {
        let has = |sign| text.contains(sign);
        match self.decimal_comma {
            false if has(',') && self.grouping.is_none() => {
                "it is no number with a point before its decimals; decimal_comma or grouping would say what the comma is".into()
            }
            true if has('.') && self.grouping.is_none() => {
                "it has a point where decimals stand behind a comma; grouping = \".\" would say that it parts groups".into()
            }
            _ => "it is no number".into(),
        }
    }
}

fn char_bytes(text: &str) -> usize {
    text.chars().next().map_or(0, char::len_utf8)
}

/// A double as a whole number, where it is one.
pub(crate) fn whole(value: f64) -> Option<i64> {
    const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
    #[expect(clippy::cast_possible_truncation, reason = "it is whole and below 2^53")]
    (value.fract() == 0.0 && value.abs() <= EXACT_MAX).then_some(value as i64)
}

/// Characters that may stand between groups of digits.
const GROUPING: [char; 4] = [',', '.', ' ', '\''];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mapping::declaration::Mapping;

    fn form(text: &str) -> NumberForm {
        Mapping::from_toml(text).unwrap().number_form().unwrap()
    }

    #[test]
    fn a_comma_and_a_point_mean_what_the_mapping_says_and_never_something_else() {
        let comma = form("decimal_comma = true");
        assert_eq!(comma.read("-1,5"), Ok(Some(-1.5)));
        assert_eq!(comma.read("12"), Ok(Some(12.0)));
        for wrong in ["1.234", "8.301,25", "1,2,3", "1,2.3", ",", "", "1,5e"] {
            assert!(comma.read(wrong).is_err(), "{wrong}");
        }
        assert!(comma.read("1.234").unwrap_err().contains("grouping"));

        let grouped = form("decimal_comma = true\ngrouping = \".\"");
        assert_eq!(grouped.read("8.301,25"), Ok(Some(8_301.25)));
        assert_eq!(grouped.read("-1.234.567"), Ok(Some(-1_234_567.0)));
        for wrong in ["1.23", "1234.567", "1.2345,6", ".123", "1..234", "1,234.5"] {
            assert!(grouped.read(wrong).is_err(), "{wrong}");
        }
        let english = form("grouping = \",\"");
        assert_eq!(english.read("1,234.5"), Ok(Some(1_234.5)));
        assert!(english.read("1,23").is_err());
        assert!(form("").read("1,5").unwrap_err().contains("decimal_comma"));
        let blanks = form("decimal_comma = true\ngrouping = \" \"");
        assert_eq!(blanks.read("1\u{202F}234,5"), Ok(Some(1_234.5)));
        assert_eq!(form("").read("\u{2212}1.5"), Ok(Some(-1.5)));
        for wrong in ["grouping = \"_\"", "grouping = \".\"", "decimal_comma = true\ngrouping = \",\""] {
            assert!(Mapping::from_toml(wrong).unwrap().number_form().is_err(), "{wrong}");
        }
    }

    #[test]
    fn values_below_and_above_what_can_be_measured_are_what_the_mapping_says() {
        for (key, expected) in [("half", Some(0.25)), ("limit", Some(0.5)), ("zero", Some(0.0)), ("null", None)] {
            let form = form(&format!("below_detection = \"{key}\""));
            assert_eq!(form.read("<0.5"), Ok(expected), "{key}");
            assert_eq!(form.read("< 0.5"), Ok(expected), "{key}");
            assert!(form.read(">0.5").is_err());
        }
        assert!(form("").read("<0.5").unwrap_err().contains("below_detection"));
        assert_eq!(form("below_detection = \"null\"").read("<LOD"), Ok(None));
        assert!(form("below_detection = \"half\"").read("<LOD").is_err());
        assert_eq!(form("above_range = \"limit\"").read(">600"), Ok(Some(600.0)));
        assert_eq!(form("below_detection = \"half\"\ndecimal_comma = true").read("<0,5"), Ok(Some(0.25)));
    }

    #[test]
    fn sentinels_are_no_readings_however_they_are_written() {
        let form = form("sentinels = [-9999, 999.9]");
        for text in ["-9999", "-9999.0", "-9.999e3", "999.9", "999.90"] {
            assert_eq!(form.read(text), Ok(None), "{text}");
        }
        assert_eq!(form.read("9999"), Ok(Some(9_999.0)));
        assert_eq!(form.read_whole("-9999"), Ok(None));
        assert_eq!(form.read_whole("12.0"), Ok(Some(12)));
        assert_eq!(form.read_whole("9007199254740993"), Ok(Some(9_007_199_254_740_993)));
        assert!(form.read_whole("12.5").is_err());
    }
}
