//! Numbers and their texts, as PostgreSQL reads and writes them.

use std::fmt::LowerExp;

use datafusion::common::Result;

use crate::postgres::value_error::ValueError;

/// The double that a text means.
pub(crate) fn double_of(text: &str) -> Result<f64> {
    let trimmed = text.trim_matches([' ', '\t', '\n', '\r', '\u{b}', '\u{c}']);
    let Ok(value) = trimmed.parse::<f64>() else {
        return Err(ValueError::error("22P02", format!("invalid input syntax for type double precision: \"{text}\"")));
    };
    if value.is_nan() {
        // `-NaN` is the same NaN: it has no sign by which it would be another, or less than all numbers.
        return Ok(f64::NAN);
    }
    let mantissa = trimmed.split(['e', 'E']).next().unwrap_or_default();
    let beyond = value.is_infinite() && mantissa.contains(|c: char| c.is_ascii_digit());
    let vanished = value == 0.0 && mantissa.contains(|c: char| ('1'..='9').contains(&c));
    if beyond || vanished {
        return Err(ValueError::out_of_range(format!("\"{text}\" is out of range for type double precision")));
    }
    Ok(value)
}

/// A double as a decimal with so many digits behind the point, from its first significant digits: the rest of its binary
/// fraction is noise. PostgreSQL's `float8_numeric` takes 15, `float4_numeric` 6.
pub(crate) fn decimal_of(value: f64, digits: usize, scale: i8) -> Result<i128> {
    if !value.is_finite() {
        return Err(ValueError::unsupported(format!("{value} is no numeric here: leave it double precision")));
    }
    let written = format!("{value:.*e}", digits - 1);
    let (mantissa, exponent) = written.split_once('e').unwrap_or((&written, "0"));
    let significant: i128 = mantissa.replace('.', "").parse().unwrap_or_default();
    let exponent: i32 = exponent.parse().unwrap_or_default();
    // value = significant * 10^(exponent - digits + 1)
    let shift = exponent - i32::try_from(digits).unwrap_or(i32::MAX) + 1 + i32::from(scale);
    let power = 10_i128.checked_pow(shift.unsigned_abs());
    let scaled = match (shift, power) {
        (0.., Some(power)) => significant.checked_mul(power),
        (0.., None) => None,
        (_, None) => Some(0),
        (_, Some(power)) => {
            let (quotient, rest) = (significant / power, significant % power);
            Some(if rest.abs() >= power - rest.abs() { quotient + significant.signum() } else { quotient })
        }
    };
    scaled.ok_or_else(|| {
        ValueError::out_of_range(format!("{value} has too many digits for a numeric with {scale} behind the point"))
    })
}

/// The fewest digits that read back as the same value, with an exponent from `exponent_from` on, as PostgreSQL's
/// `float8out` and `float4out` write them.
pub(crate) fn float_text(value: impl LowerExp, exponent_from: i32) -> String {
    let shortest = format!("{value:e}");
    let Some((mantissa, exponent)) = shortest.split_once('e') else {
        return match shortest.as_str() {
            "inf" => "Infinity".to_owned(),
            "-inf" => "-Infinity".to_owned(),
            _ => shortest,
        };
    };
    let exponent: i32 = exponent.parse().unwrap_or_default();
    let (sign, mantissa) = mantissa.strip_prefix('-').map_or(("", mantissa), |rest| ("-", rest));
    if !(-4..exponent_from).contains(&exponent) {
        let of_exponent = if exponent < 0 { '-' } else { '+' };
        return format!("{sign}{mantissa}e{of_exponent}{:02}", exponent.abs());
    }
    let digits = mantissa.replace('.', "");
    let Ok(whole) = usize::try_from(exponent + 1) else {
        return format!("{sign}0.{}{digits}", "0".repeat((-exponent - 1).unsigned_abs() as usize));
    };
    match whole {
        0 => format!("{sign}0.{digits}"),
        whole if whole >= digits.len() => format!("{sign}{digits}{}", "0".repeat(whole - digits.len())),
        whole => format!("{sign}{}.{}", &digits[..whole], &digits[whole..]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_are_written_as_postgresql_writes_them() {
        for (value, text) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (1.0, "1"),
            (-1.5, "-1.5"),
            (0.1, "0.1"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (123_456_789_012_345.0, "123456789012345"),
            (1e15, "1e+15"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-Infinity"),
        ] {
            assert_eq!(float_text(value, 15), text);
        }
        assert_eq!(float_text(1_234_567.0_f32, 6), "1.234567e+06");
    }

    #[test]
    fn a_double_becomes_the_decimal_of_its_first_digits() {
        assert_eq!(decimal_of(1_234_567_890_123.25, 15, 10).unwrap(), 12_345_678_901_232_500_000_000);
        assert_eq!(decimal_of(0.1 + 0.2, 15, 10).unwrap(), 3_000_000_000);
        assert_eq!(decimal_of(-2.5, 15, 0).unwrap(), -3);
        assert_eq!(decimal_of(1e-30, 15, 10).unwrap(), 0);
        assert!(decimal_of(1e40, 15, 10).is_err());
        assert!(decimal_of(f64::NAN, 15, 10).is_err());
    }

    #[test]
    fn a_text_beyond_a_double_is_refused() {
        assert_eq!(double_of(" 1.5e3 ").unwrap(), 1_500.0);
        assert!(double_of("Infinity").unwrap().is_infinite());
        for text in ["1e400", "-1e400", "1e-400", "", "1 2", "abc"] {
            assert!(double_of(text).is_err(), "{text}");
        }
    }
}
