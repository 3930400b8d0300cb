//! Moments of doubles: of one row, and of rows that stand side by side, without any subtraction of what was added.

/// Count, mean and sum of squared distances from the mean (Chan, Golub, LeVeque 1979), and the plain sum.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Moments {
    count: f64,
    sum: f64,
    mean: f64,
    squares: f64,
}

/// What an aggregate makes of moments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Measure {
    /// `sum`.
    Sum,
    /// `avg`.
    Mean,
    /// `var_pop`.
    VariancePop,
    /// `var_samp`.
    VarianceSample,
    /// `stddev_pop`.
    DeviationPop,
    /// `stddev_samp`.
    DeviationSample,
}

impl Moments {
    /// Of one row.
    pub(crate) fn of(value: f64) -> Self {
        Self { count: 1.0, sum: value, mean: value, squares: if value.is_finite() { 0.0 } else { f64::NAN } }
    }

    /// Of rows and the rows behind them.
    pub(crate) fn join(self, later: Self) -> Self {
        if self.count == 0.0 {
            return later;
        }
        if later.count == 0.0 {
            return self;
        }
        let count = self.count + later.count;
        let apart = later.mean - self.mean;
        Self {
            count,
            sum: self.sum + later.sum,
            mean: self.mean + apart * (later.count / count),
            squares: self.squares + later.squares + apart * apart * (self.count * later.count / count),
        }
    }

    /// The result of an aggregate; `None` where it is null.
    pub(crate) fn measure(self, measure: Measure) -> Option<f64> {
        let over = |divisor: f64| (divisor > 0.0).then(|| self.squares / divisor);
        match measure {
            Measure::Sum => (self.count > 0.0).then_some(self.sum),
            Measure::Mean => (self.count > 0.0).then(|| self.sum / self.count),
            Measure::VariancePop => over(self.count),
            Measure::VarianceSample => over(self.count - 1.0),
            Measure::DeviationPop => over(self.count).map(f64::sqrt),
            Measure::DeviationSample => over(self.count - 1.0).map(f64::sqrt),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joined_moments_are_those_of_all_rows() {
        let all = [2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0].map(Moments::of);
        let joined = all.iter().fold(Moments::default(), |sum, row| sum.join(*row));
        assert_eq!(joined.measure(Measure::Sum), Some(40.0));
        assert_eq!(joined.measure(Measure::Mean), Some(5.0));
        assert!((joined.measure(Measure::DeviationPop).unwrap() - 2.0).abs() < 1e-12);
        assert_eq!(Moments::of(3.0).measure(Measure::VarianceSample), None);
        assert_eq!(Moments::default().measure(Measure::Sum), None);
    }
}
