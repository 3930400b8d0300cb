//! Decimal numbers of 20 digits behind the point, in whole numbers: a mean that lies at the middle between two steps of an index, or at a
//! limit, is there exactly.

use arrow::datatypes::{DataType, i256};
use datafusion::common::{Result, plan_err};

/// Digits behind the point.
pub(crate) const SCALE: i8 = 20;

/// The type of such a number in Arrow.
pub(crate) const FIXED: DataType = DataType::Decimal128(38, SCALE);

/// The type as which an argument is taken. A double is one of ten digits behind the point: more would be those of the binary number.
pub(crate) fn number_argument(given: &DataType) -> Result<DataType> {
    match given {
        DataType::Decimal32(..) | DataType::Decimal64(..) | DataType::Decimal128(..) | DataType::Null => Ok(FIXED),
        given if given.is_integer() => Ok(FIXED),
        DataType::Float32 | DataType::Float64 => Ok(DataType::Decimal128(28, 10)),
        other => plan_err!("a concentration is a number, and not {other}"),
    }
}

/// A number with fewer digits behind the point as one of [`SCALE`]; none where it is too large.
pub(crate) fn scaled(number: i128, scale: i8) -> Option<i128> {
    let more = u32::try_from(SCALE.checked_sub(scale)?).ok()?;
    number.checked_mul(10_i128.checked_pow(more)?)
}

/// A quotient, rounded half up; none where the divisor is not above 0, or the quotient is too large.
pub(crate) fn quotient(of: i256, by: i256) -> Option<i128> {
    if !by.is_positive() {
        return None;
    }
    // floor(a / b + 1/2) = floor((2 a + b) / 2 b), and division of whole numbers cuts towards 0.
    let (above, below) = (of.checked_mul(i256::from_i128(2))?.checked_add(by)?, by.checked_mul(i256::from_i128(2))?);
    let cut = above.checked_div(below)?;
    let is_below = above.is_negative() && above.checked_rem(below)? != i256::ZERO;
    let floor = if is_below { cut.checked_sub(i256::ONE)? } else { cut };
    floor.to_i128()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quotient_is_rounded_half_up_on_both_sides_of_0() {
        for (of, by, expected) in
            [(1, 2, 1), (3, 2, 2), (5, 3, 2), (4, 3, 1), (-1, 2, 0), (-3, 2, -1), (-5, 3, -2), (0, 7, 0)]
        {
            assert_eq!(quotient(i256::from_i128(of), i256::from_i128(by)), Some(expected), "{of} / {by}");
        }
        assert_eq!(quotient(i256::ONE, i256::ZERO), None);
    }

    #[test]
    fn a_number_keeps_its_value_in_more_digits() {
        assert_eq!(scaled(269, 1), Some(26_900_000_000_000_000_000 * 100));
        assert_eq!(scaled(i128::MAX, 0), None);
    }
}
