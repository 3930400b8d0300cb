//! Vietnamese and English: which words are chosen, how numbers and times are written, and words for codes of the views.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use chrono::{NaiveDate, NaiveDateTime};
use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// Language of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// Vietnamese: 05/10/2026, and 1,5 on pages
    Vi,
    /// English: 2026-10-05 and 1.5
    En,
}

/// Words in both languages.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Words {
    /// Vietnamese.
    pub vi: String,
    /// English.
    pub en: String,
}

impl Words {
    /// Those of a language.
    pub fn of(&self, language: Language) -> &str {
        language.choose(&self.vi, &self.en)
    }
}

impl Language {
    /// One of two texts.
    pub fn choose<'a>(self, vi: &'a str, en: &'a str) -> &'a str {
        match self {
            Self::Vi => vi,
            Self::En => en,
        }
    }

    /// Code as in names of columns and in HTML.
    pub fn code(self) -> &'static str {
        self.choose("vi", "en")
    }

    /// A day.
    pub fn date(self, date: NaiveDate) -> String {
        date.format(self.choose("%d/%m/%Y", "%Y-%m-%d")).to_string()
    }

    /// A month.
    pub fn month(self, first: NaiveDate) -> String {
        first.format(self.choose("%m/%Y", "%Y-%m")).to_string()
    }

    /// A local time, to the second.
    pub fn time(self, time: NaiveDateTime) -> String {
        time.format(self.choose("%d/%m/%Y %H:%M:%S", "%Y-%m-%d %H:%M:%S")).to_string()
    }

    /// A truth.
    pub fn truth(self, is_true: bool) -> &'static str {
        match is_true {
            true => self.choose("có", "yes"),
            false => self.choose("không", "no"),
        }
    }

    /// A number as people read it: rounded, with the decimal sign of the language.
    pub fn number(self, number: f64, decimals: Option<u8>) -> String {
        let decimals = decimals.unwrap_or(if number.fract() == 0.0 { 0 } else { 2 });
        let text = format!("{number:.*}", usize::from(decimals));
        match self {
            Self::Vi => text.replace('.', ","),
            Self::En => text,
        }
    }

    /// A number at an axis: with no more digits than it needs.
    pub fn tick(self, number: f64) -> String {
        let digits = (0..=3).find(|digits| {
            let scaled = number * 10_f64.powi(i32::from(*digits));
            (scaled - scaled.round()).abs() < 1e-6 * scaled.abs().max(1.0)
        });
        self.number(number, Some(digits.unwrap_or(3)))
    }

    /// Words for a code; the code itself where there are none.
    pub fn code_words(self, code: &str) -> &str {
        codes().get(code).map_or(code, |words| words.of(self))
    }
}

/// Words for codes, from `schemas/reports/codes.toml`.
fn codes() -> &'static BTreeMap<String, Words> {
    static CODES: OnceLock<BTreeMap<String, Words>> = OnceLock::new();
    const TEXT: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../schemas/reports/codes.toml"));
    CODES.get_or_init(|| toml::from_str(TEXT).expect("a test reads the file"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_times_are_written_as_the_language_has_them() {
        assert_eq!(Language::Vi.number(1234.565, Some(1)), "1234,6");
        assert_eq!(Language::En.number(1234.565, Some(1)), "1234.6");
        assert_eq!(Language::Vi.number(3.0, None), "3");
        assert_eq!([0.0, 0.2, 1.5, 0.25, 400.0].map(|y| Language::Vi.tick(y)), ["0", "0,2", "1,5", "0,25", "400"]);
        let day = NaiveDate::from_ymd_opt(2026, 10, 5).unwrap();
        assert_eq!((Language::Vi.date(day), Language::En.date(day)), ("05/10/2026".into(), "2026-10-05".into()));
        assert_eq!((Language::Vi.month(day), Language::En.month(day)), ("10/2026".into(), "2026-10".into()));
        let time = day.and_hms_opt(7, 8, 9).unwrap();
        assert_eq!(Language::Vi.time(time), "05/10/2026 07:08:09");
    }

    #[test]
    fn codes_have_words_in_both_languages_and_what_has_none_stays() {
        assert!(codes().values().all(|words| !words.vi.is_empty() && !words.en.is_empty()));
        assert_eq!(Language::Vi.code_words("exceeded"), "vượt");
        assert_eq!(Language::En.code_words("of a later version"), "of a later version");
    }
}
