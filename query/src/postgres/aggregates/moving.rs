//! The accumulator of a frame that moves: a queue of two stacks, of which each row enters both once. The older rows are
//! stacked with the moments of all rows from there on, the newer ones are added to one total. Nothing is ever subtracted, and a frame
//! costs two additions for each row, however long it is.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::Float64Type;
use datafusion::common::{Result, ScalarValue, internal_err};
use datafusion::logical_expr::Accumulator;

use crate::postgres::aggregates::moments::{Measure, Moments};

/// Rows of the frame.
#[derive(Debug)]
pub(crate) struct Moving {
    measure: Measure,
    /// Moments of the older rows, each with all older rows behind it; the first row of the frame is on top.
    older: Vec<Moments>,
    /// The newer rows in their order.
    newer: Vec<f64>,
    /// Moments of all newer rows.
    total: Moments,
}

impl Moving {
    /// An empty frame.
    pub(crate) fn new(measure: Measure) -> Self {
        Self { measure, older: Vec::new(), newer: Vec::new(), total: Moments::default() }
    }

    fn remove_first(&mut self) {
        if self.older.is_empty() {
            let mut behind = Moments::default();
            for value in self.newer.drain(..).rev() {
                behind = Moments::of(value).join(behind);
                self.older.push(behind);
            }
            self.total = Moments::default();
        }
        self.older.pop();
    }
}

impl Accumulator for Moving {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        for value in values[0].as_primitive::<Float64Type>().iter().flatten() {
            self.newer.push(value);
            self.total = self.total.join(Moments::of(value));
        }
        Ok(())
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        // Rows leave in the order in which they came, and nulls have not been added.
        for _ in 0..values[0].len() - values[0].null_count() {
            self.remove_first();
        }
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let older = self.older.last().copied().unwrap_or_default();
        Ok(ScalarValue::Float64(older.join(self.total).measure(self.measure)))
    }

    fn size(&self) -> usize {
        size_of::<Self>() + self.older.capacity() * size_of::<Moments>() + self.newer.capacity() * size_of::<f64>()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        internal_err!("a frame that moves has no state that is merged")
    }

    fn merge_batch(&mut self, _: &[ArrayRef]) -> Result<()> {
        internal_err!("a frame that moves has no state that is merged")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::Float64Array;

    use super::*;

    fn column(values: &[Option<f64>]) -> Vec<ArrayRef> {
        vec![Arc::new(Float64Array::from(values.to_vec()))]
    }

    #[test]
    fn what_has_left_the_frame_leaves_no_trace() {
        let values = [Some(1e20), Some(1.0), None, Some(f64::INFINITY), Some(2.0), Some(0.5), Some(0.25)];
        let mut frame = Moving::new(Measure::Sum);
        let mut sums = Vec::new();
        for end in 0..values.len() {
            frame.update_batch(&column(&values[end..=end])).unwrap();
            if end >= 2 {
                frame.retract_batch(&column(&values[end - 2..=end - 2])).unwrap();
            }
            sums.push(frame.evaluate().unwrap());
        }
        let wanted = [1e20, 1e20, 1.0, f64::INFINITY, f64::INFINITY, 2.5, 0.75];
        assert_eq!(sums, wanted.map(|sum| ScalarValue::Float64(Some(sum))));
    }
}
