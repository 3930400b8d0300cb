//! `to_number(text, pattern)`: the number that a text shows in a pattern of digits (`9`, `0`), a point (`.`, `D`), marks of groups
//! (`,`, `G`) and signs (`S`, `MI`, `PL`, `SG`, `PR`).

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Decimal128Array};
use arrow::datatypes::DataType;
use datafusion::common::{Result, plan_err};

use crate::postgres::function::{Call, Function};
use crate::postgres::functions::array_functions::strings;
use crate::postgres::value_error::ValueError;

/// The functions of this module.
pub(crate) fn functions() -> Vec<Function> {
    vec![Function::new("to_number", typing, numbers)]
}

/// Digits of a decimal, and those of them behind the point, as `numeric` has them here.
const PRECISION: u8 = 38;
const SCALE: i8 = 10;
const SCALE_DIGITS: usize = 10;

fn typing(given: &[DataType]) -> Result<(Vec<DataType>, DataType)> {
    match given.len() {
        2 => Ok((vec![DataType::Utf8; 2], DataType::Decimal128(PRECISION, SCALE))),
        _ => plan_err!("to_number takes a text and a pattern"),
    }
}

fn numbers(call: &Call<'_>) -> Result<ArrayRef> {
    let (texts, patterns) = (strings(&call.args[0])?, strings(&call.args[1])?);
    let rows = (0..texts.len()).map(|row| {
        if texts.is_null(row) || patterns.is_null(row) {
            return Ok(None);
        }
        number(texts.value(row), patterns.value(row)).map(Some)
    });
    let numbers: Decimal128Array = rows.collect::<Result<_>>()?;
    Ok(Arc::new(numbers.with_precision_and_scale(PRECISION, SCALE)?))
}

/// The number times 10 to the [`SCALE`].
fn number(text: &str, pattern: &str) -> Result<i128> {
    let pattern = pattern.to_uppercase().replace("FM", "");
    if let Some(unknown) = pattern.chars().find(|letter| !"90.,DGSMIPLR ".contains(*letter)) {
        let words = format!("not supported: {unknown} in a pattern of to_number; digits are 9 and 0");
        return Err(ValueError::unsupported(words));
    }
    let is_negative = text.contains('-') || (pattern.contains("PR") && text.contains('<'));
    let has_point = pattern.contains(['.', 'D']);
    let kept: String = text.chars().filter(|letter| letter.is_ascii_digit() || (*letter == '.' && has_point)).collect();
    let (whole, behind) = kept.split_once('.').unwrap_or((&kept, ""));
    let behind: String = behind
        .chars()
        .filter(char::is_ascii_digit)
        .chain("0".repeat(SCALE_DIGITS).chars())
        .take(SCALE_DIGITS)
        .collect();
    let invalid = || ValueError::error("22P02", format!("invalid input syntax for type numeric: \"{text}\""));
    if whole.is_empty() && kept.is_empty() {
        return Err(invalid());
    }
    let digits = format!("{whole}{behind}");
    let number = digits.parse::<i128>().ok().filter(|_| digits.trim_start_matches('0').len() <= usize::from(PRECISION));
    let number = number.ok_or_else(|| ValueError::out_of_range("numeric field overflow"))?;
    Ok(if is_negative { -number } else { number })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_through_their_pattern() {
        const ONE: i128 = 10_000_000_000;
        for (text, pattern, wanted) in [
            ("1,234.5", "9,999.9", 1_234 * ONE + ONE / 2),
            ("-42", "S99", -42 * ONE),
            ("12,454.8-", "99G999D9S", -(12_454 * ONE + ONE / 10 * 8)),
            ("<7>", "9PR", -7 * ONE),
        ] {
            assert_eq!(number(text, pattern).expect(text), wanted, "{text}");
        }
        assert!(number("x", "9").is_err() && number("1", "RN9E").is_err());
    }
}
