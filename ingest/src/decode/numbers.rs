//! The rule by which a field accepts numbers. One rule per field, used by Arrow columns (in loops over whole columns)
//! and by line protocol (value by value).
//!
//! The range is checked on the value as it is stored: with two decimals and a maximum of 100, 100.004 is 100.00.

use zonelake_schemas::decimal::{self, POWERS};
use zonelake_schemas::table::{DIGITS_32, DIGITS_64};
use zonelake_schemas::{FieldDef, RejectReason, StorageType};

/// Conditions that a number must satisfy to be a reading of a field.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct NumberRule {
    /// Type in which the field is stored.
    pub(crate) storage: StorageType,
    /// Minimum and maximum double of a Float64 field; finite.
    pub(crate) double: (f64, f64),
    /// Minimum and maximum stored integer of a decimal or bigint field.
    pub(crate) integer: (i64, i64),
    decimals: u8,
    digits: u8,
}

impl NumberRule {
    pub(crate) fn new(field: &FieldDef) -> Self {
        let storage = field.storage_type();
        let (decimals, digits) = match storage {
            StorageType::Decimal32 { decimals } => (decimals, DIGITS_32),
            StorageType::Decimal64 { decimals } => (decimals, DIGITS_64),
            _ => (0, DIGITS_64),
        };
        // Bounds are finite even where the field has none, so that infinities are refused.
        let double = (field.min.unwrap_or(f64::MIN), field.max.unwrap_or(f64::MAX));
        let integer = if storage == StorageType::Int64 {
            (field.min.map_or(i64::MIN, |min| whole(min.ceil())), field.max.map_or(i64::MAX, |max| whole(max.floor())))
        } else {
            let most = whole(POWERS[usize::from(digits)]) - 1;
            // The bounds as stored integers, rounded inwards. Checked once here instead of in doubles for each value.
            let minimum = field.min.map_or(-most, |min| -largest_at_most(-min, decimals));
            (minimum.max(-most), field.max.map_or(most, |max| largest_at_most(max, decimals)).min(most))
        };
        Self { storage, double, integer, decimals, digits }
    }

    /// 10 to the number of decimals.
    pub(crate) fn power(&self) -> f64 {
        POWERS[usize::from(self.decimals)]
    }

    /// 10 to the number of digits: the stored integer of a decimal field is smaller.
    fn power_of_digits(&self) -> u64 {
        whole(POWERS[usize::from(self.digits)]).unsigned_abs()
    }

    /// A double as the stored integer of a decimal field.
    pub(crate) fn decimal_of_f64(&self, value: f64) -> Result<i64, RejectReason> {
        match decimal::from_f64(value, self.decimals, self.digits) {
            Some(n) => self.in_range(n),
            None if !value.is_finite() => Err(RejectReason::NotFinite),
            None => Err(self.beyond_range(value < 0.0)),
        }
    }

    /// A single-precision float as the stored integer of a decimal field, by its own shortest text.
    #[expect(clippy::cast_possible_truncation, reason = "the loss of the cast to single precision is what is tested")]
    pub(crate) fn decimal_of_f32(&self, value: f32) -> Result<i64, RejectReason> {
        let scaled = (f64::from(value) * self.power()).round();
        // Every decimal of at most 6 digits survives a single-precision float, so this one is its shortest text.
        if scaled.abs() < 1e6 && (scaled / self.power()) as f32 == value {
            return self.in_range(whole(scaled));
        }
        let shortest: f64 = value.to_string().parse().unwrap_or(f64::NAN);
        self.decimal_of_f64(shortest)
    }

    /// n / 10^places as the stored integer of a decimal field, rounded half away from zero. `places` may be negative.
    pub(crate) fn decimal_of_scaled(&self, n: i128, places: i32) -> Result<i64, RejectReason> {
        let shift = i32::from(self.decimals) - places;
        let scaled = match 10i128.checked_pow(shift.unsigned_abs()) {
            Some(power) if shift >= 0 => n.checked_mul(power),
            Some(power) => Some(divide_half_away(n, power)),
            // A division by more than 128 bits can hold leaves nothing.
            None if shift < 0 || n == 0 => Some(0),
            None => None,
        };
        match scaled.and_then(|scaled| i64::try_from(scaled).ok()) {
            Some(scaled) if scaled.unsigned_abs() < self.power_of_digits() => self.in_range(scaled),
            _ => Err(self.beyond_range(n < 0)),
        }
    }

    /// mantissa / 10^places of at most 15 digits as the stored integer of a decimal field: the usual number in a line.
    pub(crate) fn decimal_of_short(&self, mantissa: i64, places: u8) -> Result<i64, RejectReason> {
        let scaled = self
            .decimals
            .checked_sub(places)
            .and_then(|shift| mantissa.checked_mul(whole(POWERS[usize::from(shift)])))
            .filter(|scaled| scaled.unsigned_abs() < self.power_of_digits());
        scaled.map_or_else(|| self.decimal_of_scaled(i128::from(mantissa), i32::from(places)), |n| self.in_range(n))
    }

    /// An integer of a bigint field.
    pub(crate) fn integer_of(&self, n: i128) -> Result<i64, RejectReason> {
        i64::try_from(n).map_or(Err(RejectReason::OutOfRange), |n| self.in_range(n))
    }

    /// A double of a Float64 field.
    pub(crate) fn double_of_f64(&self, value: f64) -> Result<f64, RejectReason> {
        if value >= self.double.0 && value <= self.double.1 {
            return Ok(value);
        }
        Err(if value.is_finite() { RejectReason::OutOfRange } else { RejectReason::NotFinite })
    }

    /// An integer as a Float64 field stores it; refused where the double would be another number.
    #[expect(clippy::cast_possible_truncation, reason = "a cast that loses something is found by the comparison")]
    pub(crate) fn double_of_integer(&self, n: i128) -> Result<f64, RejectReason> {
        let value = n as f64;
        if value as i128 == n { self.double_of_f64(value) } else { Err(RejectReason::TooManyDigits) }
    }

    /// n / 10^places as the nearest double.
    pub(crate) fn double_of_scaled(&self, n: i128, places: i32) -> Result<f64, RejectReason> {
        if n.unsigned_abs() < 1 << 53
            && let Some(power) = usize::try_from(places).ok().and_then(|places| POWERS.get(places))
        {
            return self.double_of_f64(n as f64 / power);
        }
        let nearest: f64 = format!("{n}e{}", -places).parse().unwrap_or(f64::NAN);
        self.double_of_f64(nearest)
    }

    fn in_range(&self, n: i64) -> Result<i64, RejectReason> {
        if n >= self.integer.0 && n <= self.integer.1 { Ok(n) } else { Err(RejectReason::OutOfRange) }
    }

    /// The reason for a number of too many digits: a declared bound on its side is nearer than the limit of digits.
    fn beyond_range(&self, is_negative: bool) -> RejectReason {
        let is_bounded = if is_negative { self.double.0 > f64::MIN } else { self.double.1 < f64::MAX };
        if is_bounded { RejectReason::OutOfRange } else { RejectReason::TooManyDigits }
    }
}

/// Converts doubles to decimals of at most 9 digits where every value is one already; `None` at the first that is not.
/// Also gives the minimum and maximum result.
///
/// Adding 1.5 * 2^52 rounds to an integer and leaves it in the low bits of the mantissa; with the exact check behind
/// it, the loop has no branch and is vectorised.
pub(crate) fn exact_decimals_32(values: &[f64], power: f64, out: &mut Vec<i32>) -> Option<(i32, i32)> {
    let start = out.len();
    let limit = POWERS[usize::from(DIGITS_32)];
    let mut exact = true;
    out.extend(values.iter().map(|&value| {
        let shifted = value * power + ROUND_MAGIC;
        let rounded = shifted - ROUND_MAGIC;
        // Accumulated, not branched on: a branch would keep the loop from being vectorised.
        exact &= (rounded / power == value) & (rounded.abs() < limit);
        low_bits(shifted)
    }));
    exact.then(|| minimum_and_maximum(&out[start..]))
}

/// The same for decimals of at most 15 digits.
pub(crate) fn exact_decimals_64(values: &[f64], power: f64, out: &mut Vec<i64>) -> Option<(i64, i64)> {
    let start = out.len();
    let limit = POWERS[usize::from(DIGITS_64)];
    let mut exact = true;
    out.extend(values.iter().map(|&value| {
        let shifted = value * power + ROUND_MAGIC;
        let rounded = shifted - ROUND_MAGIC;
        exact &= (rounded / power == value) & (rounded.abs() < limit);
        shifted.to_bits().wrapping_sub(ROUND_MAGIC.to_bits()).cast_signed()
    }));
    exact.then(|| minimum_and_maximum(&out[start..]))
}

/// Minimum and maximum of some integers; of none, the largest and the smallest number of the type.
pub(crate) fn minimum_and_maximum<T: Copy + Ord + IntegerRange>(values: &[T]) -> (T, T) {
    values.iter().fold((T::LARGEST, T::SMALLEST), |(minimum, maximum), &value| (minimum.min(value), maximum.max(value)))
}

/// The ends of an integer type.
pub(crate) trait IntegerRange {
    const SMALLEST: Self;
    const LARGEST: Self;
}

impl IntegerRange for i32 {
    const SMALLEST: Self = Self::MIN;
    const LARGEST: Self = Self::MAX;
}

impl IntegerRange for i64 {
    const SMALLEST: Self = Self::MIN;
    const LARGEST: Self = Self::MAX;
}

#[expect(clippy::cast_possible_truncation, reason = "the low 32 bits are what is wanted")]
fn low_bits(shifted: f64) -> i32 {
    shifted.to_bits() as i32
}

/// The integer of a double that is one already; what is beyond 64 bits becomes their end.
#[expect(
    clippy::cast_possible_truncation,
    reason = "the double is whole, and saturation is what bounds beyond 64 bits mean"
)]
fn whole(value: f64) -> i64 {
    value as i64
}

fn divide_half_away(n: i128, by: i128) -> i128 {
    let (quotient, remainder) = (n / by, n % by);
    if remainder.unsigned_abs() * 2 >= by.unsigned_abs() { quotient + n.signum() } else { quotient }
}

/// The largest n with n / 10^decimals <= bound.
fn largest_at_most(bound: f64, decimals: u8) -> i64 {
    // Two beyond the product, which may be rounded down; the loop takes back what is too much.
    let mut n = whole((bound * POWERS[usize::from(decimals)]).floor()) + 2;
    while decimal::to_f64(n, decimals) > bound {
        n -= 1;
    }
    n
}

/// 1.5 * 2^52: the doubles around it are the integers.
const ROUND_MAGIC: f64 = 6_755_399_441_055_744.0;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use zonelake_schemas::TableDef;

    use super::*;

    fn rule(line: &str) -> NumberRule {
        let table = TableDef::from_toml(&format!("name = \"t\"\n[[field]]\nname = \"f\"\n{line}")).unwrap();
        NumberRule::new(&table.fields[0])
    }

    #[test]
    fn bounds_are_inclusive_and_hold_for_the_stored_value() {
        let percent = rule("type = \"double\"\ndecimals = 2\nmin = 0.0\nmax = 100.0");
        assert_eq!(percent.integer, (0, 10_000));
        assert_eq!(percent.decimal_of_f64(100.004), Ok(10_000));
        assert_eq!(percent.decimal_of_f64(100.005), Err(RejectReason::OutOfRange));
        assert_eq!(percent.decimal_of_f64(-0.01), Err(RejectReason::OutOfRange));
        let tenths = rule("type = \"double\"\ndecimals = 1\nmin = -0.15\nmax = 0.15");
        assert_eq!(tenths.integer, (-1, 1));
    }

    #[test]
    fn too_many_digits_is_told_from_out_of_range() {
        let free = rule("type = \"double\"\ndecimals = 2");
        assert_eq!(free.decimal_of_f64(1e7), Err(RejectReason::TooManyDigits));
        assert_eq!(free.decimal_of_scaled(1_000_000_000, 2), Err(RejectReason::TooManyDigits));
        assert_eq!(free.decimal_of_f64(f64::NAN), Err(RejectReason::NotFinite));
        let bounded = rule("type = \"double\"\ndecimals = 2\nmax = 5.0");
        assert_eq!(bounded.decimal_of_f64(1e7), Err(RejectReason::OutOfRange));
        assert_eq!(bounded.decimal_of_f64(-1e7), Err(RejectReason::TooManyDigits));
        assert_eq!(bounded.decimal_of_scaled(i128::MAX, 0), Err(RejectReason::OutOfRange));
    }

    #[test]
    fn decimals_of_another_scale_round_half_away_from_zero() {
        let hundredths = rule("type = \"double\"\ndecimals = 2");
        for (n, places, expected) in
            [(1255, 3, 126), (-1255, 3, -126), (1254, 3, 125), (5, 0, 500), (7, -1, 7_000), (1, 60, 0)]
        {
            assert_eq!(hundredths.decimal_of_scaled(n, places), Ok(expected), "{n}e-{places}");
        }
    }

    #[test]
    fn a_single_precision_float_counts_by_its_own_shortest_text() {
        let hundredths = rule("type = \"double\"\ndecimals = 2");
        for (value, expected) in [(0.1f32, 10), (1.005, 101), (21.53, 2_153), (1_234_567.9, 123_456_790), (-0.0, 0)] {
            assert_eq!(hundredths.decimal_of_f32(value), Ok(expected), "{value}");
        }
        assert_eq!(hundredths.decimal_of_f32(f32::NAN), Err(RejectReason::NotFinite));
    }

    #[test]
    fn an_integer_that_no_double_holds_is_refused_rather_than_changed() {
        let double = rule("type = \"double\"");
        assert_eq!(double.double_of_integer((1 << 53) + 1), Err(RejectReason::TooManyDigits));
        assert_eq!(double.double_of_integer(1 << 60), Ok(2f64.powi(60)));
    }

    proptest! {
        #[test]
        fn the_vectorised_loop_agrees_with_the_exact_conversion(n in -999_999_999i32..=999_999_999, decimals in 0u8..=9) {
            let value = decimal::to_f64(i64::from(n), decimals);
            let mut out = Vec::new();
            prop_assert_eq!(exact_decimals_32(&[value], POWERS[usize::from(decimals)], &mut out), Some((n, n)));
            prop_assert_eq!(out, vec![n]);
        }

        #[test]
        fn the_loop_never_takes_what_the_conversion_would_round(value in any::<f64>(), decimals in 0u8..=9) {
            let mut out = Vec::new();
            if exact_decimals_32(&[value], POWERS[usize::from(decimals)], &mut out).is_some() {
                prop_assert_eq!(decimal::from_f64(value, decimals, 9), Some(i64::from(out[0])));
                prop_assert_eq!(decimal::to_f64(i64::from(out[0]), decimals), value);
            }
            let mut out = Vec::new();
            if exact_decimals_64(&[value], POWERS[usize::from(decimals)], &mut out).is_some() {
                prop_assert_eq!(decimal::from_f64(value, decimals, 15), Some(out[0]));
            }
        }

        #[test]
        fn decimals_of_fifteen_digits_survive(n in -999_999_999_999_999i64..=999_999_999_999_999, decimals in 0u8..=15) {
            let value = decimal::to_f64(n, decimals);
            let mut out = Vec::new();
            prop_assert_eq!(exact_decimals_64(&[value], POWERS[usize::from(decimals)], &mut out), Some((n, n)));
        }

        #[test]
        fn scaled_and_double_agree(n in -99_999_999i64..=99_999_999, places in 0i32..=6) {
            let rule = rule("type = \"double\"\ndecimals = 3\ndigits = 15");
            let value = n as f64 / POWERS[usize::try_from(places).unwrap()];
            prop_assert_eq!(rule.decimal_of_scaled(i128::from(n), places), rule.decimal_of_f64(value));
        }
    }
}
