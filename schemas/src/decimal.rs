//! Exact conversion between doubles and decimals of at most 15 digits.
//!
//! A double is taken as its shortest decimal text and rounded half away from zero, as PostgreSQL's `numeric` does:
//! with two decimals 0.125 gives 0.13 and 1.005 gives 1.01. Back, n / 10^d is the nearest double to the decimal as long
//! as |n| < 2^53, which 15 digits keep.

/// 10^0 to 10^15, exact as doubles.
pub const POWERS: [f64; 16] = [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];

/// The double that a stored decimal represents.
#[inline]
pub fn to_f64(n: i64, decimals: u8) -> f64 {
    n as f64 / POWERS[usize::from(decimals)]
}

/// The decimal n of `value` with that many decimals and at most `digits` digits; `None` where it does not fit or is not
/// finite.
#[inline]
pub fn from_f64(value: f64, decimals: u8, digits: u8) -> Option<i64> {
    let power = POWERS[usize::from(decimals)];
    let limit = POWERS[usize::from(digits)];
    let scaled = (value * power).round();
    // The usual case, without text: the double already is the nearest to a decimal of this resolution.
    if scaled.abs() < limit && scaled / power == value {
        #[expect(clippy::cast_possible_truncation, reason = "a whole number below 10^15, which an i64 holds exactly")]
        let n = scaled as i64;
        return Some(n);
    }
    from_shortest_text(value, decimals, digits)
}

/// Rounds by the digits of the shortest text that reads back as `value`.
#[cold]
fn from_shortest_text(value: f64, decimals: u8, digits: u8) -> Option<i64> {
    if !value.is_finite() || value.abs() >= POWERS[usize::from(digits)] {
        return None;
    }
    // `{:e}` prints the shortest digits that read back, as d.ddde±x.
    let text = format!("{:e}", value.abs());
    let (mantissa, exponent) = text.split_once('e')?;
    let exponent: i32 = exponent.parse().ok()?;
    let mut n: i64 = 0;
    let mut taken = 0;
    let wanted = exponent + 1 + i32::from(decimals);
    let mut rest = mantissa.bytes().filter(u8::is_ascii_digit);
    // Even the first digit stands behind the digit that decides about rounding.
    if wanted < 0 {
        return Some(0);
    }
    while taken < wanted {
        let digit = rest.next().map_or(0, |byte| i64::from(byte - b'0'));
        n = n.checked_mul(10)?.checked_add(digit)?;
        taken += 1;
    }
    // Half away from zero: the sign is put back below.
    if rest.next().is_some_and(|byte| byte >= b'5') {
        n += 1;
    }
    // Rounding may have reached the limit, as 9,999,999.995 does with 9 digits.
    if n as f64 >= POWERS[usize::from(digits)] {
        return None;
    }
    Some(if value < 0.0 { -n } else { n })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn halves_round_away_from_zero_by_the_shortest_text() {
        for (value, n) in [
            (0.125, 13),
            (1.005, 101),
            (-1.005, -101),
            (0.004_999, 0),
            (0.005, 1),
            (0.000_1, 0),
            (0.0, 0),
            (-0.0, 0),
            (9_999_999.99, 999_999_999),
            (2.675, 268),
        ] {
            assert_eq!(from_f64(value, 2, 9), Some(n), "{value}");
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        for value in [f64::NAN, f64::INFINITY, 1e7, -1e7, 9_999_999.995, 1e300] {
            assert_eq!(from_f64(value, 2, 9), None, "{value}");
        }
        assert_eq!(from_f64(9_999_999_999_999.99, 2, 15), Some(999_999_999_999_999));
    }

    proptest! {
        #[test]
        fn every_decimal_survives_the_way_through_a_double(n in -999_999_999_999_999i64..=999_999_999_999_999, decimals in 0u8..=15) {
            prop_assert_eq!(from_f64(to_f64(n, decimals), decimals, 15), Some(n));
        }

        #[test]
        fn rounding_is_within_half_a_step(value in -9_999_999.0f64..9_999_999.0) {
            let n = from_f64(value, 2, 9).unwrap();
            prop_assert!((to_f64(n, 2) - value).abs() <= 0.005 + 1e-9);
        }
    }
}
