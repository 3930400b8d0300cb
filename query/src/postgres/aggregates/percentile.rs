//! `percentile_cont` between two values. DataFusion keeps six digits of the place between them
//! (`INTERPOLATION_PRECISION`), so 0.3 over 10, 20, 30, 40, 50 is 21.99999. The values are collected by DataFusion's accumulators; only
//! the last step is ours.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Float64Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type};
use arrow::record_batch::RecordBatch;
use datafusion::common::{Result, ScalarValue, plan_err};
use datafusion::logical_expr::function::AccumulatorArgs;
use datafusion::logical_expr::{Accumulator, ColumnarValue, EmitTo, GroupsAccumulator};

/// The fraction of a call, counted from the lowest value.
pub(crate) fn fraction(args: &AccumulatorArgs<'_>) -> Result<f64> {
    let Some(expr) = args.exprs.get(1) else { return plan_err!("a percentile has a fraction") };
    let rows = RecordBatch::new_empty(Arc::new(args.schema.clone()));
    let fraction = match expr.evaluate(&rows)? {
        ColumnarValue::Scalar(value) => value.cast_to(&DataType::Float64)?,
        ColumnarValue::Array(_) => return plan_err!("the fraction of a percentile is a constant"),
    };
    let ScalarValue::Float64(Some(fraction)) = fraction else {
        return plan_err!("the fraction of a percentile is null");
    };
    let is_descending = args.order_bys.first().is_some_and(|sort| sort.options.descending);
    Ok(if is_descending { 1.0 - fraction } else { fraction })
}

/// The value at a fraction of sorted values, on the line between its neighbors.
fn percentile(mut values: Vec<f64>, fraction: f64) -> Option<f64> {
    let last = values.len().checked_sub(1)?;
    let place = fraction * last as f64;
    #[expect(clippy::cast_possible_truncation, reason = "a place among the values")]
    let lower = (place.floor() as usize).min(last);
    let (_, low, above) = values.select_nth_unstable_by(lower, f64::total_cmp);
    let low = *low;
    let rest = place - lower as f64;
    if rest == 0.0 {
        return Some(low);
    }
    let high = above.iter().copied().min_by(f64::total_cmp).unwrap_or(low);
    Some(low + rest * (high - low))
}

/// Percentiles of the values of each list.
fn percentiles(lists: &ArrayRef, fraction: f64, of: &DataType) -> Result<ArrayRef> {
    let lists = lists.as_list::<i32>();
    let values = cast(lists.values(), &DataType::Float64)?;
    let values = values.as_primitive::<Float64Type>().values();
    let offsets = lists.value_offsets();
    let of_list = |row: usize| {
        let (start, end) = (offsets[row] as usize, offsets[row + 1] as usize);
        if lists.is_valid(row) { percentile(values[start..end].to_vec(), fraction) } else { None }
    };
    let found: Float64Array = (0..lists.len()).map(of_list).collect();
    Ok(cast(&found, of)?)
}

/// The accumulator of one group.
#[derive(Debug)]
pub(crate) struct Percentile {
    /// DataFusion's, which collects.
    pub(crate) inner: Box<dyn Accumulator>,
    /// The fraction.
    pub(crate) fraction: f64,
    /// The type of the result.
    pub(crate) of: DataType,
}

impl Accumulator for Percentile {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.inner.update_batch(values)
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let state = self.inner.state()?;
        let states = state.iter().map(ScalarValue::to_array).collect::<Result<Vec<_>>>()?;
        let Some(lists) = states.first() else { return plan_err!("a percentile has collected its values") };
        let found = percentiles(lists, self.fraction, &self.of)?;
        // A window asks again and again, and taking the state has emptied it.
        self.inner.merge_batch(&states)?;
        ScalarValue::try_from_array(&found, 0)
    }

    fn size(&self) -> usize {
        size_of::<Self>() + self.inner.size()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        self.inner.state()
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.inner.merge_batch(states)
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.inner.retract_batch(values)
    }

    fn supports_retract_batch(&self) -> bool {
        self.inner.supports_retract_batch()
    }
}

/// The accumulator of many groups.
pub(crate) struct GroupPercentiles {
    /// DataFusion's, which collects.
    pub(crate) inner: Box<dyn GroupsAccumulator>,
    /// The fraction.
    pub(crate) fraction: f64,
    /// The type of the result.
    pub(crate) of: DataType,
}

impl GroupsAccumulator for GroupPercentiles {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        count: usize,
    ) -> Result<()> {
        self.inner.update_batch(values, groups, filter, count)
    }

    fn evaluate(&mut self, emit: EmitTo) -> Result<ArrayRef> {
        match self.inner.state(emit)?.first() {
            Some(lists) => percentiles(lists, self.fraction, &self.of),
            None => plan_err!("a percentile has collected its values"),
        }
    }

    fn state(&mut self, emit: EmitTo) -> Result<Vec<ArrayRef>> {
        self.inner.state(emit)
    }

    fn merge_batch(&mut self, values: &[ArrayRef], groups: &[usize], count: usize) -> Result<()> {
        self.inner.merge_batch(values, groups, count)
    }

    fn convert_to_state(&self, values: &[ArrayRef], filter: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        self.inner.convert_to_state(values, filter)
    }

    fn size(&self) -> usize {
        self.inner.size()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_on_the_line_between_its_neighbors() {
        let values = || vec![50.0, 10.0, 40.0, 20.0, 30.0];
        assert_eq!(percentile(values(), 0.3), Some(22.0));
        assert_eq!(percentile(values(), 0.5), Some(30.0));
        assert_eq!(percentile(values(), 1.0), Some(50.0));
        assert_eq!(percentile(values(), 0.0), Some(10.0));
        assert_eq!(percentile(vec![7.0], 0.3), Some(7.0));
        assert_eq!(percentile(Vec::new(), 0.3), None);
    }
}
