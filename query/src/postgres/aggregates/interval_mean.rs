//! The mean of intervals, which DataFusion lacks: the sum of each part by the number of intervals.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type, IntervalMonthDayNano, IntervalMonthDayNanoType, IntervalUnit};
use datafusion::common::{Result, ScalarValue, plan_err};
use datafusion::logical_expr::Accumulator;
use zonelake_timeseries::divide_interval;

use crate::postgres::value_error::ValueError;

/// The type of intervals.
pub(crate) const INTERVAL: DataType = DataType::Interval(IntervalUnit::MonthDayNano);

/// Parts of the state: months, days, nanoseconds and the number of intervals.
pub(crate) const PARTS: [&str; 4] = ["months", "days", "nanoseconds", "count"];

/// The accumulator of one group.
#[derive(Debug, Default)]
pub(crate) struct IntervalMean {
    sums: [i64; PARTS.len()],
}

impl IntervalMean {
    fn add(&mut self, parts: [i64; PARTS.len()], sign: i64) -> Result<()> {
        for (sum, part) in self.sums.iter_mut().zip(parts) {
            let added = part.checked_mul(sign).and_then(|part| sum.checked_add(part));
            *sum = added.ok_or_else(|| ValueError::error("22008", "interval out of range"))?;
        }
        Ok(())
    }

    fn add_all(&mut self, values: &[ArrayRef], sign: i64) -> Result<()> {
        let [intervals] = values else { return plan_err!("one interval is wanted") };
        let intervals = cast(intervals, &INTERVAL)?;
        for interval in intervals.as_primitive::<IntervalMonthDayNanoType>().iter().flatten() {
            let IntervalMonthDayNano { months, days, nanoseconds } = interval;
            self.add([i64::from(months), i64::from(days), nanoseconds, 1], sign)?;
        }
        Ok(())
    }

    fn mean(&self) -> Option<IntervalMonthDayNano> {
        let [months, days, nanoseconds, count] = self.sums;
        let sum = IntervalMonthDayNano::new(i32::try_from(months).ok()?, i32::try_from(days).ok()?, nanoseconds);
        divide_interval(sum, count as f64)
    }
}

impl Accumulator for IntervalMean {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.add_all(values, 1)
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.add_all(values, -1)
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let [.., count] = self.sums;
        match self.mean() {
            _ if count == 0 => Ok(ScalarValue::IntervalMonthDayNano(None)),
            Some(mean) => Ok(ScalarValue::IntervalMonthDayNano(Some(mean))),
            None => Err(ValueError::error("22008", "interval out of range")),
        }
    }

    fn size(&self) -> usize {
        size_of_val(self)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(self.sums.iter().map(|sum| ScalarValue::Int64(Some(*sum))).collect())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let [months, days, nanoseconds, counts] = states else { return plan_err!("a state has four parts") };
        let columns = [months, days, nanoseconds, counts].map(|column| column.as_primitive::<Int64Type>());
        for row in 0..counts.len() {
            self.add(columns.map(|column| column.value(row)), 1)?;
        }
        Ok(())
    }
}
