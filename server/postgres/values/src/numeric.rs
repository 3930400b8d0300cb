//! Numbers as PostgreSQL writes them.
//!
//! Binary form of `numeric`, numbers big-endian:
//!
//! | bytes | content |
//! |---|---|
//! | 2 | number of groups: digits to the base 10,000 |
//! | 2 | weight: power of 10,000 of the first group |
//! | 2 | sign: 0, or 0x4000 for a negative number; NaN and infinities are not read |
//! | 2 | digits behind the decimal point |
//! | 2 each | groups |

use std::fmt::{Display, LowerExp, Write};

use bytes::{BufMut, BytesMut};

/// Writes a value as it displays.
pub(crate) fn put_display(out: &mut BytesMut, value: impl Display) {
    write!(out, "{value}").expect("writing into memory does not fail");
}

/// Writes a double: the fewest digits that read back as the same value, with an exponent where it is long.
pub(crate) fn put_float8(out: &mut BytesMut, value: f64) {
    put_float(out, value, value.is_nan(), value.is_infinite().then_some(value > 0.0), 15);
}

/// Writes a float of four bytes.
pub(crate) fn put_float4(out: &mut BytesMut, value: f32) {
    put_float(out, value, value.is_nan(), value.is_infinite().then_some(value > 0.0), 6);
}

/// Writes a float; `exponent_from` is the exponent from which on one is written, as in PostgreSQL's `float8out` and
/// `float4out`.
fn put_float(out: &mut BytesMut, value: impl LowerExp, is_nan: bool, infinite: Option<bool>, exponent_from: i32) {
    match infinite {
        _ if is_nan => return out.put_slice(b"NaN"),
        Some(true) => return out.put_slice(b"Infinity"),
        Some(false) => return out.put_slice(b"-Infinity"),
        None => {}
    }
    let shortest = format!("{value:e}");
    let (mantissa, exponent) = shortest.split_once('e').expect("every finite number is written with an exponent");
    let exponent: i32 = exponent.parse().expect("an exponent of a float is small");
    let (sign, mantissa) = mantissa.strip_prefix('-').map_or(("", mantissa), |rest| ("-", rest));
    out.put_slice(sign.as_bytes());
    if !(-4..exponent_from).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return put_display(out, format_args!("{mantissa}e{sign}{:02}", exponent.abs()));
    }
    let digits: String = mantissa.chars().filter(|c| *c != '.').collect();
    let point = exponent + 1;
    match usize::try_from(point).unwrap_or(0) {
        0 => put_display(out, format_args!("0.{}{digits}", "0".repeat(usize::try_from(-point).unwrap_or(0)))),
        point if point >= digits.len() => {
            put_display(out, format_args!("{digits}{}", "0".repeat(point - digits.len())))
        }
        point => put_display(out, format_args!("{}.{}", &digits[..point], &digits[point..])),
    }
}

/// Writes a decimal, given as text, in the binary form.
pub(crate) fn put_numeric(out: &mut BytesMut, decimal: &str) {
    let (sign, unsigned) = decimal.strip_prefix('-').map_or((0u16, decimal), |rest| (0x4000, rest));
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    // Groups are counted from the point, so zeros are added at the far ends.
    let whole_padded = format!("{}{whole}", "0".repeat((4 - whole.len() % 4) % 4));
    let fraction_padded = format!("{fraction}{}", "0".repeat((4 - fraction.len() % 4) % 4));
    let groups: Vec<i16> = [whole_padded, fraction_padded]
        .iter()
        .flat_map(|digits| digits.as_bytes().chunks(4).map(group).collect::<Vec<_>>())
        .collect();
    let leading = groups.iter().take_while(|group| **group == 0).count();
    // Zero groups at both ends are not sent: the weight and the scale stand for them.
    let kept = &groups[leading..];
    let kept = &kept[..kept.len() - kept.iter().rev().take_while(|group| **group == 0).count()];
    let whole_groups = whole.len().div_ceil(4);
    let weight = if kept.is_empty() { 0 } else { short(whole_groups) - 1 - short(leading) };
    out.put_i16(short(kept.len()));
    out.put_i16(weight);
    // PostgreSQL has no negative zero among decimals.
    out.put_u16(if kept.is_empty() { 0 } else { sign });
    out.put_i16(short(fraction.len()));
    kept.iter().for_each(|group| out.put_i16(*group));
}

fn group(digits: &[u8]) -> i16 {
    digits.iter().fold(0, |all, digit| all * 10 + i16::from(digit.wrapping_sub(b'0')))
}

fn short(count: usize) -> i16 {
    i16::try_from(count).expect("a decimal has at most 76 digits")
}

/// Reads the binary form as text; `None` where the bytes are no decimal.
pub fn read_numeric(bytes: &[u8]) -> Option<String> {
    let mut words = bytes.chunks_exact(2).map(|pair| i16::from_be_bytes([pair[0], pair[1]]));
    let (count, weight, sign, scale) = (words.next()?, words.next()?, words.next()?, words.next()?);
    let groups: Vec<i16> = words.collect();
    if groups.len() != usize::try_from(count).ok()? || groups.iter().any(|group| !(0..10_000).contains(group)) {
        return None;
    }
    if !matches!(sign, 0 | 0x4000) || !(0..=NUMERIC_SCALE_MAX).contains(&scale) || weight.abs() > NUMERIC_SCALE_MAX {
        return None;
    }
    // A group that was not sent is zero.
    let of = |position: i16| {
        usize::try_from(weight - position).ok().and_then(|index| groups.get(index)).copied().unwrap_or(0)
    };
    let mut text = String::from(if sign == 0 { "" } else { "-" });
    let whole: String = (0..=weight.max(0)).rev().map(|position| format!("{:04}", of(position))).collect();
    let whole = whole.trim_start_matches('0');
    text.push_str(if whole.is_empty() { "0" } else { whole });
    if scale > 0 {
        let fraction: String = (1..=scale.div_euclid(4) + 1).map(|below| format!("{:04}", of(-below))).collect();
        text.push('.');
        text.push_str(&fraction[..usize::try_from(scale).ok()?]);
    }
    Some(text)
}

/// Most digits behind the point, and groups in front of it, of a decimal that is read: a few bytes could ask for much
/// text.
const NUMERIC_SCALE_MAX: i16 = 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn float8(value: f64) -> String {
        let mut out = BytesMut::new();
        put_float8(&mut out, value);
        String::from_utf8(out.to_vec()).unwrap()
    }

    #[test]
    fn doubles_are_written_as_postgresql_writes_them() {
        for (value, text) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (1.0, "1"),
            (-1.5, "-1.5"),
            (100.0, "100"),
            (0.1, "0.1"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (123_456_789_012_345.0, "123456789012345"),
            (1e15, "1e+15"),
            (1_234_567_890_123_456.0, "1.234567890123456e+15"),
            (f64::MAX, "1.7976931348623157e+308"),
            (5e-324, "5e-324"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "Infinity"),
            (f64::NEG_INFINITY, "-Infinity"),
        ] {
            assert_eq!(float8(value), text);
        }
        let mut out = BytesMut::new();
        put_float4(&mut out, 1_234_567.0);
        assert_eq!(&out[..], b"1.234567e+06");
    }

    #[test]
    fn decimals_read_back_as_they_were_written() {
        for text in
            ["0", "1", "-1", "10000", "9999.9999", "0.0001", "-123456789.000120", "0.00", "12345678901234567890"]
        {
            let mut out = BytesMut::new();
            put_numeric(&mut out, text);
            assert_eq!(read_numeric(&out).as_deref(), Some(text));
        }
        // As PostgreSQL sends 12345.678.
        let mut out = BytesMut::new();
        put_numeric(&mut out, "12345.678");
        assert_eq!(&out[..], [0, 3, 0, 1, 0, 0, 0, 3, 0, 1, 0x09, 0x29, 0x1a, 0x7c]);
        assert_eq!(read_numeric(&[0, 1]), None);
        assert_eq!(read_numeric(&[0, 1, 0, 0, 0xc0, 0, 0, 0, 0, 1]), None, "NaN is no decimal");
    }
}
