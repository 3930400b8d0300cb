//! Count, sums, extremes, first and last of some values. Joining those of two sets of values gives those of both, in any order, but for
//! the last bits of sums of doubles.

use std::cmp::Ordering;
use std::fmt::Debug;

/// A value that moments are kept of.
pub trait Sample: Copy + Debug + Default + PartialEq {
    /// Sum of such values.
    type Sum: Copy + Debug + Default + PartialEq;

    /// Order of two values.
    fn order(&self, other: &Self) -> Ordering;
    /// Adds a value to a sum.
    fn add(sum: &mut Self::Sum, value: Self);
    /// Adds the square of a value to a sum.
    fn add_square(sum: &mut Self::Sum, value: Self);
    /// Adds a sum to another one.
    fn join(sum: &mut Self::Sum, other: &Self::Sum);
}

/// Integers, among them decimals as multiples of their last digit. Sums are exact.
impl Sample for i64 {
    /// At [`i128::MAX`] a sum of squares is not known: it has been larger.
    type Sum = i128;

    fn order(&self, other: &Self) -> Ordering {
        self.cmp(other)
    }

    fn add(sum: &mut i128, value: Self) {
        *sum = sum.saturating_add(i128::from(value));
    }

    fn add_square(sum: &mut i128, value: Self) {
        *sum = sum.saturating_add(i128::from(value) * i128::from(value));
    }

    fn join(sum: &mut i128, other: &i128) {
        *sum = sum.saturating_add(*other);
    }
}

/// Sum of doubles, with what rounding has left out of it: the error is some 2^-52 of the sum, whatever the order.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct DoubleSum {
    high: f64,
    low: f64,
}

impl DoubleSum {
    fn add(&mut self, value: f64) {
        // Knuth's two-sum: `high` and what is added to `low` are together exactly what they were.
        let sum = self.high + value;
        let back = sum - self.high;
        self.low += (self.high - (sum - back)) + (value - back);
        self.high = sum;
    }

    /// The nearest double, about; infinite or no number where the sum is beyond all doubles.
    pub fn value(self) -> f64 {
        if self.high.is_finite() { self.high + self.low } else { self.high }
    }
}

impl Sample for f64 {
    type Sum = DoubleSum;

    fn order(&self, other: &Self) -> Ordering {
        self.total_cmp(other)
    }

    fn add(sum: &mut DoubleSum, value: Self) {
        sum.add(value);
    }

    fn add_square(sum: &mut DoubleSum, value: Self) {
        sum.add(value * value);
        // What rounding has left out of the square.
        let lost = value.mul_add(value, -(value * value));
        if lost.is_finite() {
            sum.low += lost;
        }
    }

    fn join(sum: &mut DoubleSum, other: &DoubleSum) {
        sum.add(other.high);
        sum.low += other.low;
    }
}

/// Moments of some values. Without a value all is zero and means nothing.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Moments<V: Sample> {
    /// Number of values.
    pub count: u64,
    /// Their sum.
    pub sum: V::Sum,
    /// Sum of their squares.
    pub squares: V::Sum,
    /// The least.
    pub min: V,
    /// The greatest.
    pub max: V,
    /// Time of the first in µs, and of several at that time the least, as SQL's `first` has it.
    pub first: (i64, V),
    /// Time of the last in µs, and of several at that time the greatest, as SQL's `last` has it.
    pub last: (i64, V),
}

impl<V: Sample> Moments<V> {
    /// Takes a value in.
    pub(super) fn take(&mut self, time_us: i64, value: V) {
        self.note_extremes((value, value), (time_us, value), (time_us, value));
        self.count += 1;
        V::add(&mut self.sum, value);
        V::add_square(&mut self.squares, value);
    }

    /// Takes the values of others in.
    pub(super) fn join(&mut self, other: &Self) {
        if other.count == 0 {
            return;
        }
        self.note_extremes((other.min, other.max), other.first, other.last);
        self.count += other.count;
        V::join(&mut self.sum, &other.sum);
        V::join(&mut self.squares, &other.squares);
    }

    fn note_extremes(&mut self, (min, max): (V, V), first: (i64, V), last: (i64, V)) {
        if self.count == 0 {
            (self.min, self.max, self.first, self.last) = (min, max, first, last);
            return;
        }
        if min.order(&self.min).is_lt() {
            self.min = min;
        }
        if max.order(&self.max).is_gt() {
            self.max = max;
        }
        if by_time(&first, &self.first).is_lt() {
            self.first = first;
        }
        if by_time(&last, &self.last).is_gt() {
            self.last = last;
        }
    }
}

fn by_time<V: Sample>(a: &(i64, V), b: &(i64, V)) -> Ordering {
    a.0.cmp(&b.0).then_with(|| a.1.order(&b.1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moments<V: Sample>(values: &[(i64, V)]) -> Moments<V> {
        let mut moments = Moments::default();
        values.iter().for_each(|(time, value)| moments.take(*time, *value));
        moments
    }

    #[test]
    fn moments_of_parts_are_joined_to_those_of_the_whole_in_any_order() {
        let values = [(5, 3_i64), (1, -7), (1, -9), (9, 2), (9, 4), (4, 100)];
        let whole = moments(&values);
        assert_eq!((whole.count, whole.sum, whole.squares), (6, 93, 9 + 49 + 81 + 4 + 16 + 10_000));
        assert_eq!((whole.min, whole.max, whole.first, whole.last), (-9, 100, (1, -9), (9, 4)));
        for split in 0..1_u32 << values.len() {
            let part = |wanted: bool| {
                let chosen = values.iter().enumerate().filter(|(at, _)| (split >> at & 1 == 1) == wanted);
                moments(&chosen.map(|(_, value)| *value).collect::<Vec<_>>())
            };
            let (mut one, other) = (part(true), part(false));
            one.join(&other);
            assert_eq!(one, whole, "split {split:06b}");
        }
    }

    #[test]
    fn a_sum_of_doubles_keeps_what_rounding_leaves_out() {
        let mut values = vec![(0, 1e16)];
        values.extend((0..1_000).map(|time| (time, 1.0)));
        values.push((0, -1e16));
        assert_eq!(moments(&values).sum.value(), 1_000.0, "added one by one they would come to 0");
        let pressure: Vec<(i64, f64)> = (0..1_000).map(|time| (time, 101_325.0 + (time % 2) as f64)).collect();
        let of = moments(&pressure);
        let (sum, squares, count) = (of.sum.value(), of.squares.value(), of.count as f64);
        assert!(((squares - sum * sum / count) / count - 0.25).abs() < 1e-3);
    }

    #[test]
    fn squares_that_are_too_large_for_their_sum_are_not_known() {
        let of = moments(&[(0, i64::MAX), (1, i64::MAX), (2, i64::MIN)]);
        assert_eq!(of.squares, i128::MAX);
        assert_eq!(of.sum, i128::from(i64::MAX) - 1);
    }
}
