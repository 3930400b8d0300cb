//! Comparisons of a field with decimals in terms of the integers in which it is kept.
//!
//! A field with `d` decimals shows n / 10^d, which grows with n. So every comparison with a constant is one with an
//! integer, found by testing candidates against n / 10^d itself: the product of the constant and 10^d is inexact for
//! many constants. Constants compare as SQL does here: -0.0 equals 0.0, and NaN is above everything.

use std::cmp::Ordering;

use datafusion::logical_expr::Operator;
use zonelake_schemas::decimal::{POWERS, to_f64};

/// The integers that a field with decimals may be kept as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Steps {
    /// Decimal places.
    pub decimals: u8,
    /// Digits, at most 15.
    pub digits: u8,
}

/// A comparison of the kept integer n of a value that is not null.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepFilter {
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

impl Steps {
    /// The greatest integer of that many digits; the least is its negative.
    pub fn limit(self) -> i64 {
        POWERS[usize::from(self.digits)] as i64 - 1
    }

    /// What `value op constant` says of the kept integer; `None` where `op` is not a comparison.
    pub fn filter(self, op: Operator, constant: f64) -> Option<StepFilter> {
        // Adding 0.0 turns -0.0 into 0.0 and leaves every other value as it is.
        let constant = constant + 0.0;
        let below = |bound: Option<i64>| bound.map_or(StepFilter::All, StepFilter::Below);
        let at_least = |bound: Option<i64>| bound.map_or(StepFilter::None, StepFilter::AtLeast);
        Some(match op {
            Operator::Lt => below(self.first_not_below(constant)),
            Operator::LtEq => below(self.first_above(constant)),
            Operator::Gt => at_least(self.first_above(constant)),
            Operator::GtEq => at_least(self.first_not_below(constant)),
            Operator::Eq => self.exactly(constant).map_or(StepFilter::None, StepFilter::Is),
            Operator::NotEq => self.exactly(constant).map_or(StepFilter::All, StepFilter::IsNot),
            _ => return None,
        })
    }

    /// The integer that is shown as exactly that double.
    pub fn exactly(self, constant: f64) -> Option<i64> {
        let n = self.first_not_below(constant)?;
        (to_f64(n, self.decimals).total_cmp(&constant) == Ordering::Equal).then_some(n)
    }

    fn first_not_below(self, constant: f64) -> Option<i64> {
        self.first(|shown| shown.total_cmp(&constant) != Ordering::Less)
    }

    fn first_above(self, constant: f64) -> Option<i64> {
        self.first(|shown| shown.total_cmp(&constant) == Ordering::Greater)
    }

    /// The least integer whose double passes a test that all greater ones pass too.
    fn first(self, passes: impl Fn(f64) -> bool) -> Option<i64> {
        let (mut low, mut high) = (-self.limit(), self.limit() + 1);
        while low < high {
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

impl StepFilter {
    /// Whether an integer passes.
    pub fn passes(self, n: i64) -> bool {
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
    fn a_constant_between_two_steps_goes_to_the_right_neighbour() {
        let steps = Steps { decimals: 2, digits: 9 };
        assert_eq!(steps.filter(Operator::Lt, 1.005), Some(StepFilter::Below(101)));
        assert_eq!(steps.filter(Operator::GtEq, 1.005), Some(StepFilter::AtLeast(101)));
        assert_eq!(steps.filter(Operator::LtEq, 1.0), Some(StepFilter::Below(101)));
        assert_eq!(steps.filter(Operator::Gt, 1.0), Some(StepFilter::AtLeast(101)));
        assert_eq!(steps.filter(Operator::Eq, 1.005), Some(StepFilter::None));
        assert_eq!(steps.filter(Operator::Eq, 0.29), Some(StepFilter::Is(29)));
        assert_eq!(steps.filter(Operator::NotEq, 1.005), Some(StepFilter::All));
        assert_eq!(steps.filter(Operator::Eq, -0.0), Some(StepFilter::Is(0)));
    }

    #[test]
    fn a_constant_beyond_all_steps_passes_all_or_none() {
        let steps = Steps { decimals: 2, digits: 9 };
        assert_eq!(steps.filter(Operator::Lt, f64::NAN), Some(StepFilter::All));
        assert_eq!(steps.filter(Operator::Gt, f64::INFINITY), Some(StepFilter::None));
        assert_eq!(steps.filter(Operator::Lt, -1e300), Some(StepFilter::Below(-steps.limit())));
        assert_eq!(steps.filter(Operator::Plus, 1.0), None);
    }

    proptest! {
        #[test]
        fn comparing_integers_agrees_with_comparing_doubles(
            (digits, decimals) in prop_oneof![Just(9u8), Just(15)].prop_flat_map(|digits| (Just(digits), 0..=digits)),
            n in -999_999_999_999_999i64..=999_999_999_999_999,
            nudge in 0..6,
            any in any::<f64>(),
        ) {
            let steps = Steps { decimals, digits };
            let n = n % (steps.limit() + 1);
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
                let filter = steps.filter(op, constant).expect("a comparison");
                for near in [n - 2, n - 1, n, n + 1, n + 2, -n, 0] {
                    let near = near.clamp(-steps.limit(), steps.limit());
                    let shown = to_f64(near, decimals);
                    prop_assert_eq!(filter.passes(near), compare(op, shown, constant), "{} {} {:?}", near, op, constant);
                }
            }
        }
    }
}
