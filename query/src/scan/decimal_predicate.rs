//! Comparisons of a field with decimals as comparisons of the scaled integers in which it is stored.
//!
//! A field with `d` decimals shows n / 10^d, which grows with n. So every comparison with a constant is one with an
//! integer, found by testing candidates against n / 10^d itself: the product of the constant and 10^d is inexact for
//! many constants. Constants compare as SQL does here: -0.0 equals 0.0, and NaN is above everything.

use std::cmp::Ordering;

use datafusion::logical_expr::Operator;
use zonelake_schemas::decimal::to_f64;

/// Scaled integers in which a field with decimals is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct ScaledInt {
    /// Decimal places.
    pub decimals: u8,
    /// Digits, at most 15.
    pub digits: u8,
}

/// Comparison of the stored integer n of a value that is not null.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ScaledPredicate {
    /// n < bound.
    Below(i64),
    /// n >= bound.
    AtLeast(i64),
    /// n = value.
    Is(i64),
    /// n != value.
    IsNot(i64),
    /// True for every value.
    All,
    /// True for none.
    None,
}

impl ScaledInt {
    /// Maximum integer of that many digits; the minimum is its negative.
    pub(crate) fn limit(self) -> i64 {
        10_i64.pow(u32::from(self.digits)) - 1
    }

    /// Comparison of the stored integer for `value op constant`; `None` where `op` is not a comparison.
    pub(crate) fn predicate(self, op: Operator, constant: f64) -> Option<ScaledPredicate> {
        // Adding 0.0 turns -0.0 into 0.0 and leaves every other value as it is.
        let constant = constant + 0.0;
        let below = |bound: Option<i64>| bound.map_or(ScaledPredicate::All, ScaledPredicate::Below);
        let at_least = |bound: Option<i64>| bound.map_or(ScaledPredicate::None, ScaledPredicate::AtLeast);
        Some(match op {
            Operator::Lt => below(self.first_not_below(constant)),
            Operator::LtEq => below(self.first_above(constant)),
            Operator::Gt => at_least(self.first_above(constant)),
            Operator::GtEq => at_least(self.first_not_below(constant)),
            Operator::Eq => self.exactly(constant).map_or(ScaledPredicate::None, ScaledPredicate::Is),
            Operator::NotEq => self.exactly(constant).map_or(ScaledPredicate::All, ScaledPredicate::IsNot),
            _ => return None,
        })
    }

    /// Integer that SQL shows as exactly that double.
    pub(crate) fn exactly(self, constant: f64) -> Option<i64> {
        let n = self.first_not_below(constant)?;
        (to_f64(n, self.decimals).total_cmp(&constant) == Ordering::Equal).then_some(n)
    }

    fn first_not_below(self, constant: f64) -> Option<i64> {
        self.first(|shown| shown.total_cmp(&constant) != Ordering::Less)
    }

    fn first_above(self, constant: f64) -> Option<i64> {
        self.first(|shown| shown.total_cmp(&constant) == Ordering::Greater)
    }

    /// Minimum integer whose double passes a test, where all larger ones pass it too.
    fn first(self, passes: impl Fn(f64) -> bool) -> Option<i64> {
        let (mut low, mut high) = (-self.limit(), self.limit() + 1);
        while low < high {
            // Both are below 10^15, so the difference cannot overflow.
            let middle = low + (high - low) / 2;
            if passes(to_f64(middle, self.decimals)) {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        (low <= self.limit()).then_some(low)
    }
}

#[cfg(test)]
impl ScaledPredicate {
    /// True for an integer that passes.
    pub(crate) fn passes(self, n: i64) -> bool {
        match self {
            Self::Below(bound) => n < bound,
            Self::AtLeast(bound) => n >= bound,
            Self::Is(value) => n == value,
            Self::IsNot(value) => n != value,
            Self::All => true,
            Self::None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const OPS: [Operator; 6] =
        [Operator::Lt, Operator::LtEq, Operator::Gt, Operator::GtEq, Operator::Eq, Operator::NotEq];

    fn compare(op: Operator, shown: f64, constant: f64) -> bool {
        let order = (shown + 0.0).total_cmp(&(constant + 0.0));
        match op {
            Operator::Lt => order.is_lt(),
            Operator::LtEq => order.is_le(),
            Operator::Gt => order.is_gt(),
            Operator::GtEq => order.is_ge(),
            Operator::Eq => order.is_eq(),
            _ => order.is_ne(),
        }
    }

    #[test]
    fn a_constant_between_two_integers_goes_to_the_right_neighbour() {
        let scaled = ScaledInt { decimals: 2, digits: 9 };
        assert_eq!(scaled.predicate(Operator::Lt, 1.005), Some(ScaledPredicate::Below(101)));
        assert_eq!(scaled.predicate(Operator::GtEq, 1.005), Some(ScaledPredicate::AtLeast(101)));
        assert_eq!(scaled.predicate(Operator::LtEq, 1.0), Some(ScaledPredicate::Below(101)));
        assert_eq!(scaled.predicate(Operator::Gt, 1.0), Some(ScaledPredicate::AtLeast(101)));
        assert_eq!(scaled.predicate(Operator::Eq, 1.005), Some(ScaledPredicate::None));
        assert_eq!(scaled.predicate(Operator::Eq, 0.29), Some(ScaledPredicate::Is(29)));
        assert_eq!(scaled.predicate(Operator::NotEq, 1.005), Some(ScaledPredicate::All));
        assert_eq!(scaled.predicate(Operator::Eq, -0.0), Some(ScaledPredicate::Is(0)));
    }

    #[test]
    fn a_constant_beyond_all_integers_passes_all_or_none() {
        let scaled = ScaledInt { decimals: 2, digits: 9 };
        assert_eq!(scaled.predicate(Operator::Lt, f64::NAN), Some(ScaledPredicate::All));
        assert_eq!(scaled.predicate(Operator::Gt, f64::INFINITY), Some(ScaledPredicate::None));
        assert_eq!(scaled.predicate(Operator::Lt, -1e300), Some(ScaledPredicate::Below(-scaled.limit())));
        assert_eq!(scaled.predicate(Operator::Plus, 1.0), None);
    }

    proptest! {
        #[test]
        fn comparing_integers_agrees_with_comparing_doubles(
            (digits, decimals) in prop_oneof![Just(9u8), Just(15)].prop_flat_map(|digits| (Just(digits), 0..=digits)),
            n in -999_999_999_999_999i64..=999_999_999_999_999,
            nudge in 0..6,
            any in any::<f64>(),
        ) {
            let scaled = ScaledInt { decimals, digits };
            let n = n % (scaled.limit() + 1);
            let at = to_f64(n, decimals);
            let constant = match nudge {
                0 => at,
                1 => at.next_up(),
                2 => at.next_down(),
                3 => at * 1.000_001,
                4 => at + 0.3 * to_f64(1, decimals),
                _ => any,
            };
            for op in OPS {
                let predicate = scaled.predicate(op, constant).expect("a comparison");
                for near in [n - 2, n - 1, n, n + 1, n + 2, -n, 0] {
                    let near = near.clamp(-scaled.limit(), scaled.limit());
                    let shown = to_f64(near, decimals);
                    prop_assert_eq!(predicate.passes(near), compare(op, shown, constant), "{} {} {:?}", near, op, constant);
                }
            }
        }
    }
}
