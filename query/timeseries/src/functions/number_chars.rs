//! `to_char` of numbers, with PostgreSQL's patterns: `9`, `0`, a point (`.`, `D`), groups (`,`, `G`), `S`, `MI`, `PR`, `FM`, blanks and texts in
//! quotes. Others are refused.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Decimal128Type, Float64Type};
use datafusion::common::{DataFusionError, Result, not_impl_err};

/// A number with so many digits behind the point: whether it is negative, and its digits before and behind the point. Digits of a number that
/// has none are told instead.
pub(crate) enum Digits {
    /// A number.
    Of(bool, String, String),
    /// NaN, or an infinity and its sign.
    None(bool, bool),
}

/// The numbers of a column.
pub(crate) fn digits_of(values: &ArrayRef, row: usize, behind: usize) -> Result<Digits> {
    let value = values.slice(row, 1);
    Ok(match value.data_type() {
        DataType::Float16 | DataType::Float32 | DataType::Float64 => {
            let value = cast(&value, &DataType::Float64)?.as_primitive::<Float64Type>().value(0);
            if !value.is_finite() {
                return Ok(Digits::None(value.is_nan(), value < 0.0));
            }
            let before = format!("{:.0}", value.abs()).len();
            // A double has 15 digits that are surely its own.
            let own = behind.min(15_usize.saturating_sub(before));
            split(value < 0.0, &format!("{:.own$}", value.abs()), behind)
        }
        DataType::Decimal128(_, scale) => {
            let scale = usize::try_from(*scale).unwrap_or(0);
            let value = value.as_primitive::<Decimal128Type>().value(0);
            split(value < 0, &rounded(value.unsigned_abs(), scale, behind), behind)
        }
        _ => {
            let value = cast(&value, &DataType::Decimal128(20, 0))?.as_primitive::<Decimal128Type>().value(0);
            split(value < 0, &value.unsigned_abs().to_string(), behind)
        }
    })
}

/// A decimal with fewer digits behind the point; halves go away from zero.
fn rounded(value: u128, scale: usize, behind: usize) -> String {
    let kept = scale.min(behind);
    let power = 10_u128.saturating_pow(u32::try_from(scale - kept).unwrap_or(u32::MAX));
    let (quotient, rest) = (value / power, value % power);
    let digits = (quotient + u128::from(rest >= power - rest)).to_string();
    let digits = format!("{digits:0>width$}", width = kept + 1);
    let (whole, part) = digits.split_at(digits.len() - kept);
    if part.is_empty() { whole.to_owned() } else { format!("{whole}.{part}") }
}

fn split(is_negative: bool, written: &str, behind: usize) -> Digits {
    let (whole, part) = written.split_once('.').unwrap_or((written, ""));
    let part = format!("{part:0<behind$}");
    let is_zero = whole == "0" && part.bytes().all(|digit| digit == b'0');
    Digits::Of(is_negative && !is_zero, whole.to_owned(), part)
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Nine,
    Zero,
    Point,
    Group,
    Sign,
    Minus,
    Text(String),
}

/// A pattern of numbers.
#[derive(Debug)]
pub(crate) struct NumberPattern {
    tokens: Vec<Token>,
    is_filled: bool,
    has_brackets: bool,
    before: usize,
    /// Digits behind the point.
    pub(crate) behind: usize,
}

impl NumberPattern {
    /// Reads a pattern.
    pub(crate) fn read(text: &str) -> Result<Self> {
        let unknown = || -> DataFusionError {
            let words = format!(
                "the pattern \"{text}\" of numbers; patterns have 9, 0, point, comma, D, G, S, MI, PR, FM, blanks and \"texts\""
            );
            DataFusionError::NotImplemented(words)
        };
        let mut pattern = Self { tokens: Vec::new(), is_filled: true, has_brackets: false, before: 0, behind: 0 };
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let upper: String = rest.chars().take(2).collect::<String>().to_ascii_uppercase();
            let (token, length) = match (first.to_ascii_uppercase(), upper.as_str()) {
                (_, "FM") => {
                    pattern.is_filled = false;
                    (None, 2)
                }
                (_, "PR") => {
                    pattern.has_brackets = true;
                    (None, 2)
                }
                (_, "SG" | "PL") => return Err(unknown()),
                (_, "MI") => (Some(Token::Minus), 2),
                ('9', _) => (Some(Token::Nine), 1),
                ('0', _) => (Some(Token::Zero), 1),
                ('.' | 'D', _) => (Some(Token::Point), 1),
                (',' | 'G', _) => (Some(Token::Group), 1),
                ('S', _) => (Some(Token::Sign), 1),
                (' ', _) => (Some(Token::Text(" ".to_owned())), 1),
                ('"', _) => {
                    let (quoted, _) = rest[1..].split_once('"').ok_or_else(unknown)?;
                    (Some(Token::Text(quoted.to_owned())), quoted.len() + 2)
                }
                _ => return Err(unknown()),
            };
            pattern.tokens.extend(token);
            rest = &rest[length..];
        }
        pattern.count()?;
        Ok(pattern)
    }

    fn count(&mut self) -> Result<()> {
        let is_digit = |token: &Token| matches!(token, Token::Nine | Token::Zero);
        let of = |wanted: &Token| self.tokens.iter().filter(|token| *token == wanted).count();
        let (points, signs) =
            (of(&Token::Point), of(&Token::Sign) + of(&Token::Minus) + usize::from(self.has_brackets));
        let point = self.tokens.iter().position(|token| *token == Token::Point).unwrap_or(self.tokens.len());
        let (front, back) = self.tokens.split_at(point);
        let (before, behind) =
            (front.iter().filter(|t| is_digit(t)).count(), back.iter().filter(|t| is_digit(t)).count());
        if points > 1 || signs > 1 || before == 0 || before + behind > DIGITS_MAX {
            return not_impl_err!(
                "a pattern of numbers without a digit before the point, or with several points or signs"
            );
        }
        (self.before, self.behind) = (before, behind);
        Ok(())
    }

    /// A number in this pattern.
    pub(crate) fn write(&self, digits: &Digits) -> String {
        let (is_negative, whole, part) = match digits {
            Digits::Of(is_negative, whole, part) => (*is_negative, whole.clone(), part.clone()),
            Digits::None(true, _) if self.is_filled => return format!(" {:>width$}", "NaN", width = self.before),
            Digits::None(true, _) => return "NaN".to_owned(),
            Digits::None(false, is_negative) => (*is_negative, "#".repeat(self.before + 1), "#".repeat(self.behind)),
        };
        let is_over = whole.len() > self.before;
        let first_zero = self.tokens.iter().take_while(|token| **token != Token::Point);
        let first_zero = first_zero.filter(|t| matches!(t, Token::Nine | Token::Zero)).position(|t| *t == Token::Zero);
        // Digits behind the point that are written: without blanks those of a 9 end with the last that counts.
        let kept = if self.is_filled { part.len() } else { self.kept(&part) };
        let is_blank_zero = whole == "0" && self.behind > 0 && first_zero.is_none() && (self.is_filled || kept > 0);
        let used = if is_blank_zero { 0 } else { whole.len().min(self.before) };
        let start = (self.before - used).min(first_zero.unwrap_or(self.before));
        let whole: Vec<char> = if is_over { vec!['#'; self.before] } else { whole.chars().collect() };
        let mut writer = Writer { out: String::new(), is_negative, is_signed: false, pattern: self };
        let (mut place, mut behind, mut is_behind) = (0_usize, 0_usize, false);
        for token in &self.tokens {
            match token {
                Token::Nine | Token::Zero if is_behind => {
                    if behind < kept {
                        writer.out.push(if is_over { '#' } else { char::from(part.as_bytes()[behind]) });
                    }
                    behind += 1;
                }
                Token::Nine | Token::Zero => {
                    let own = place.checked_sub(self.before - used).and_then(|at| whole.get(at + whole.len() - used));
                    place += 1;
                    writer.digit(own.copied().unwrap_or('0'), place > start);
                }
                Token::Point => {
                    is_behind = true;
                    writer.sign();
                    if self.behind > 0 {
                        writer.out.push('.');
                    }
                }
                Token::Group if place > start => writer.out.push(','),
                Token::Group => writer.blank(),
                Token::Sign if place > 0 || is_behind => writer.out.push(if is_negative { '-' } else { '+' }),
                Token::Sign => {}
                Token::Minus if is_negative => writer.out.push('-'),
                Token::Minus => writer.blank(),
                Token::Text(text) => writer.out.push_str(text),
            }
        }
        writer.sign();
        if self.has_brackets {
            match is_negative {
                true => writer.out.push('>'),
                false => writer.blank(),
            }
        }
        writer.out
    }

    /// Digits behind the point up to the last that is not zero, or that a `0` asks for.
    fn kept(&self, part: &str) -> usize {
        let behind = self.tokens.iter().skip_while(|token| **token != Token::Point);
        let behind = behind.filter(|token| matches!(token, Token::Nine | Token::Zero));
        let counts = behind.zip(part.bytes()).map(|(token, digit)| *token == Token::Zero || digit != b'0');
        counts.enumerate().filter(|(_, counts)| *counts).map(|(at, _)| at + 1).last().unwrap_or(0)
    }
}

/// Digits of a pattern.
const DIGITS_MAX: usize = 200;

struct Writer<'a> {
    out: String,
    is_negative: bool,
    is_signed: bool,
    pattern: &'a NumberPattern,
}

impl Writer<'_> {
    fn blank(&mut self) {
        if self.pattern.is_filled {
            self.out.push(' ');
        }
    }

    /// A digit, or a blank in front of the first one.
    fn digit(&mut self, digit: char, is_written: bool) {
        if is_written {
            self.sign();
            self.out.push(digit);
        } else {
            self.blank();
        }
    }

    /// The sign that stands in front of the first digit.
    fn sign(&mut self) {
        if std::mem::replace(&mut self.is_signed, true) {
            return;
        }
        let tokens = &self.pattern.tokens;
        let is_own = tokens.contains(&Token::Minus);
        let at = tokens.iter().position(|token| *token == Token::Sign);
        let first = tokens.iter().position(|token| matches!(token, Token::Nine | Token::Zero | Token::Point));
        match at {
            Some(at) if Some(at) < first => self.out.push(if self.is_negative { '-' } else { '+' }),
            Some(_) => {}
            None if is_own => {}
            None if self.is_negative => self.out.push(if self.pattern.has_brackets { '<' } else { '-' }),
            None => self.blank(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_postgresql_writes_them() {
        for (value, pattern, wanted) in [
            (1234.5, "9999.99", " 1234.50"),
            (-5.0, "999", "  -5"),
            (0.5, "0.00", " 0.50"),
            (1_234_567.0, "9,999,999", " 1,234,567"),
            (42.0, "000000", " 000042"),
            (0.5, "9.99", "  .50"),
            (0.0, "99", "  0"),
            (0.0, "9.9", "  .0"),
            (0.0, "FM9.9", "0."),
            (-0.1, "99.99", "  -.10"),
            (-0.1, "FM9.99", "-.1"),
            (12.0, "9990999.9", "    0012.0"),
            (12.0, "FM9990999.9", "0012."),
            (485.0, "9 9 9", " 4 8 5"),
            (485.0, "9,999", "   485"),
            (148.5, "FM999.990", "148.500"),
            (-485.0, "999S", "485-"),
            (485.0, "S9999", " +485"),
            (485.0, "999MI", "485 "),
            (485.0, "FM999MI", "485"),
            (-485.0, "999PR", "<485>"),
            (485.0, "999PR", " 485 "),
            (12345.0, "999", " ###"),
            (-12345.0, "999.9", "-###.#"),
            (485.0, "\"Good number:\"999", "Good number: 485"),
            (12.0, "99.", " 12"),
            (-0.004, "FM990.00", "0.00"),
            (f64::INFINITY, "999", " ###"),
            (f64::NAN, "FM999", "NaN"),
        ] {
            let pattern_read = NumberPattern::read(pattern).expect(pattern);
            let values: ArrayRef = std::sync::Arc::new(arrow::array::Float64Array::from(vec![value]));
            let digits = digits_of(&values, 0, pattern_read.behind).expect(pattern);
            assert_eq!(pattern_read.write(&digits), wanted, "{value} {pattern}");
        }
        for pattern in ["999th", "RN", "9.9.9", "", "é", "99 kg", "\"9"] {
            assert!(NumberPattern::read(pattern).is_err(), "{pattern}");
        }
    }
}
