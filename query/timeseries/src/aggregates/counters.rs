//! Aggregates over the values of a group in the order of their times: `increase`, `rate`, `time_weighted_average` and
//! `state_duration`.
//!
//! Rows come in any order and parts of a group are aggregated apart, so all points of a group are kept until its end: 20
//! bytes each, counted against the memory of the statement.

use std::fmt::Debug;
use std::mem::size_of;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Float64Array, Int64Array, IntervalMonthDayNanoArray, ListArray,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::compute::kernels::cmp::eq;
use arrow::datatypes::{DataType, Field, FieldRef, Float64Type, IntervalMonthDayNano};
use datafusion::common::{Result, ScalarValue, exec_err, plan_err};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::{AggregateOrderSensitivity, format_state_name};
use datafusion::logical_expr::{Accumulator, AggregateUDFImpl, EmitTo, GroupsAccumulator, Signature, Volatility};
use datafusion::physical_expr::expressions::Literal;

use crate::aggregates::first_last::{each_row, time_argument};
use crate::time::columns::{interval_type, is_text, to_us};

/// What is made of points.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Measure {
    /// How much a counter has grown. A value below the one before it is a restart at 0.
    Increase,
    /// [`Measure::Increase`] per second between the first point and the last.
    Rate,
    /// The mean over time of straight lines from point to point.
    LinearAverage,
    /// The mean over time where each value holds until the next.
    HeldAverage,
    /// The time in which a state holds, each from its point to the next.
    StateDuration,
}

impl Measure {
    /// Of points in the order of time, one for each time.
    fn of(self, points: &[(i64, f64)]) -> Option<f64> {
        let (first, last) = (points.first()?, points.last()?);
        let span_us = (last.0 - first.0) as f64;
        let increase = || -> f64 {
            let growth = |pair: &[(i64, f64)]| match (pair[0].1, pair[1].1) {
                (before, after) if after < before => after,
                (before, after) => after - before,
            };
            points.windows(2).map(growth).fold(0.0, |sum, growth| sum + growth)
        };
        let held_area = points.windows(2).map(|pair| (pair[1].0 - pair[0].0) as f64 * pair[0].1);
        // A sum of nothing would be −0.
        let held = || held_area.fold(0.0, |sum: f64, area| sum + area);
        match self {
            Self::Increase => Some(increase()),
            Self::Rate => (span_us > 0.0).then(|| increase() / (span_us / 1e6)),
            Self::LinearAverage | Self::HeldAverage if points.len() == 1 => Some(first.1),
            Self::LinearAverage => {
                let area = points.windows(2).map(|pair| (pair[1].0 - pair[0].0) as f64 * (pair[0].1 + pair[1].1) / 2.0);
                Some(area.sum::<f64>() / span_us)
            }
            Self::HeldAverage => Some(held() / span_us),
            Self::StateDuration => Some(held()),
        }
    }

    /// Of points in any order.
    fn of_any(self, points: &mut Vec<(i64, f64)>) -> Option<f64> {
        let sorted = points.windows(2).all(|pair| pair[0].0 < pair[1].0);
        if !sorted {
            points.sort_unstable_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
            // Of several values at one time the greatest, which is the last of them, counts.
            points.reverse();
            points.dedup_by_key(|point| point.0);
            points.reverse();
        }
        self.of(points)
    }

    fn result(self, measures: Vec<Option<f64>>) -> ArrayRef {
        if self == Self::StateDuration {
            let interval = |us: f64| IntervalMonthDayNano::new(0, 0, us as i64 * 1_000);
            let durations = measures.into_iter().map(|measure| measure.map(interval));
            return Arc::new(durations.collect::<IntervalMonthDayNanoArray>());
        }
        Arc::new(Float64Array::from(measures))
    }
}

/// The aggregate function.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct PointsFunction {
    measure: Measure,
    signature: Signature,
}

impl PointsFunction {
    /// For a measure.
    pub(crate) fn new(measure: Measure) -> Self {
        Self { measure, signature: Signature::user_defined(Volatility::Immutable) }
    }

    /// The measure that the arguments choose.
    fn measure(&self, args: &AccumulatorArgs<'_>) -> Result<Measure> {
        let (Measure::LinearAverage, Some(method)) = (self.measure, args.exprs.get(2)) else { return Ok(self.measure) };
        let method = method.downcast_ref::<Literal>().and_then(|method| method.value().try_as_str().flatten());
        match method.map(str::to_ascii_lowercase).as_deref() {
            Some("linear") => Ok(Measure::LinearAverage),
            Some("locf") => Ok(Measure::HeldAverage),
            _ => exec_err!("the method of time_weighted_average is 'linear' or 'locf'"),
        }
    }
}

impl AggregateUDFImpl for PointsFunction {
    fn name(&self) -> &str {
        match self.measure {
            Measure::Increase => "increase",
            Measure::Rate => "rate",
            Measure::LinearAverage | Measure::HeldAverage => "time_weighted_average",
            Measure::StateDuration => "state_duration",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        match (self.measure, given) {
            (Measure::StateDuration, [state, time, wanted]) => {
                let state = if state.is_null() { wanted } else { state };
                Ok(vec![state.clone(), time_argument(time)?, state.clone()])
            }
            (Measure::StateDuration, _) => {
                plan_err!("state_duration takes a state, its time and the state that is wanted")
            }
            (_, [_, time]) => Ok(vec![DataType::Float64, time_argument(time)?]),
            (Measure::LinearAverage, [_, time, method]) if is_text(method) => {
                Ok(vec![DataType::Float64, time_argument(time)?, DataType::Utf8])
            }
            _ => plan_err!("{} takes a value and its time", self.name()),
        }
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(if self.measure == Measure::StateDuration { interval_type() } else { DataType::Float64 })
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let field = |name: &str, item: DataType| {
            let list = DataType::List(Arc::new(Field::new_list_field(item, false)));
            Arc::new(Field::new(format_state_name(args.name, name), list, true))
        };
        Ok(vec![field("times", DataType::Int64), field("values", DataType::Float64)])
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(OneGroup { measure: self.measure(&args)?, points: Vec::new(), gone: 0 }))
    }

    fn groups_accumulator_supported(&self, _: AccumulatorArgs) -> bool {
        true
    }

    fn create_groups_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn GroupsAccumulator>> {
        Ok(Box::new(ManyGroups { measure: self.measure(&args)?, total: 0, groups: Vec::new(), points: Vec::new() }))
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }
}

/// Times and values of the arguments. A state is 1 where it is the wanted one, else 0.
fn arguments(measure: Measure, values: &[ArrayRef]) -> Result<(Int64Array, Float64Array)> {
    let times = to_us(&values[1])?;
    let values = match measure {
        Measure::StateDuration => {
            let holds = eq(&values[0], &values[2])?;
            let holds = |at: usize| holds.is_valid(at) && holds.value(at);
            (0..times.len()).map(|at| if holds(at) { 1.0 } else { 0.0 }).collect::<Vec<f64>>().into()
        }
        _ => values[0].as_primitive::<Float64Type>().clone(),
    };
    Ok((times, values))
}

fn list<A: Array + 'static>(items: A, lengths: impl IntoIterator<Item = usize>, nulls: Option<NullBuffer>) -> ArrayRef {
    let field = Arc::new(Field::new_list_field(items.data_type().clone(), false));
    Arc::new(ListArray::new(field, OffsetBuffer::from_lengths(lengths), Arc::new(items), nulls))
}

fn lists(points: &[(i64, f64)], lengths: &[usize]) -> Vec<ArrayRef> {
    let times: Int64Array = points.iter().map(|point| point.0).collect::<Vec<_>>().into();
    let values: Float64Array = points.iter().map(|point| point.1).collect::<Vec<_>>().into();
    vec![list(times, lengths.iter().copied(), None), list(values, lengths.iter().copied(), None)]
}

/// Calls `point` with the row and each point of it.
fn merged(states: &[ArrayRef], mut point: impl FnMut(usize, (i64, f64))) {
    let (times, values) = (states[0].as_list::<i32>(), states[1].as_list::<i32>());
    for row in 0..times.len() {
        if times.is_null(row) || values.is_null(row) {
            continue;
        }
        let (times, values) = (times.value(row), values.value(row));
        let (times, values): (&Int64Array, &Float64Array) = (times.as_primitive(), values.as_primitive());
        for (&time, &value) in times.values().iter().zip(values.values()) {
            point(row, (time, value));
        }
    }
}

#[derive(Debug)]
struct ManyGroups {
    measure: Measure,
    total: usize,
    /// The group of each point.
    groups: Vec<u32>,
    points: Vec<(i64, f64)>,
}

impl ManyGroups {
    fn push(&mut self, group: usize, point: (i64, f64)) {
        // DataFusion counts groups in memory, and 2^32 of them do not fit there.
        self.groups.push(u32::try_from(group).unwrap_or(u32::MAX));
        self.points.push(point);
    }

    /// The points of the groups that are emitted, group by group, and how many each has.
    fn emit(&mut self, emit_to: EmitTo) -> (Vec<(i64, f64)>, Vec<usize>) {
        let count = match emit_to {
            EmitTo::All => self.total,
            EmitTo::First(count) => count,
        };
        let mut lengths = vec![0; count];
        for &group in &self.groups {
            if let Some(length) = lengths.get_mut(group as usize) {
                *length += 1;
            }
        }
        let mut next: Vec<usize> = Vec::with_capacity(count);
        let mut sum = 0;
        for &length in &lengths {
            next.push(sum);
            sum += length;
        }
        let mut emitted = vec![(0, 0.0); sum];
        let mut kept = 0;
        for at in 0..self.points.len() {
            let (group, point) = (self.groups[at] as usize, self.points[at]);
            if group < count {
                emitted[next[group]] = point;
                next[group] += 1;
            } else {
                self.groups[kept] = self.groups[at] - u32::try_from(count).unwrap_or(u32::MAX);
                self.points[kept] = point;
                kept += 1;
            }
        }
        self.groups.truncate(kept);
        self.points.truncate(kept);
        self.total -= count;
        (emitted, lengths)
    }
}

impl GroupsAccumulator for ManyGroups {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        total: usize,
    ) -> Result<()> {
        self.total = self.total.max(total);
        let (times, values) = arguments(self.measure, values)?;
        each_row(&[&times, &values], filter, groups.len(), |row| {
            self.push(groups[row], (times.value(row), values.value(row)));
        });
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef], groups: &[usize], total: usize) -> Result<()> {
        self.total = self.total.max(total);
        merged(states, |row, point| self.push(groups[row], point));
        Ok(())
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let (points, lengths) = self.emit(emit_to);
        let mut rest = points.as_slice();
        let mut group = Vec::new();
        let measures = lengths.into_iter().map(|length| {
            let (of_group, behind) = rest.split_at(length);
            rest = behind;
            group.clear();
            group.extend_from_slice(of_group);
            self.measure.of_any(&mut group)
        });
        Ok(self.measure.result(measures.collect()))
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        let (points, lengths) = self.emit(emit_to);
        Ok(lists(&points, &lengths))
    }

    fn convert_to_state(&self, values: &[ArrayRef], filter: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        let (times, values) = arguments(self.measure, values)?;
        let (mut points, mut lengths) = (Vec::with_capacity(times.len()), vec![0; times.len()]);
        each_row(&[&times, &values], filter, times.len(), |row| {
            points.push((times.value(row), values.value(row)));
            lengths[row] = 1;
        });
        Ok(lists(&points, &lengths))
    }

    fn size(&self) -> usize {
        self.points.capacity() * size_of::<(i64, f64)>() + self.groups.capacity() * size_of::<u32>()
    }
}

/// The points of one group, from which the oldest can be taken back: what a moving window needs.
#[derive(Debug)]
struct OneGroup {
    measure: Measure,
    points: Vec<(i64, f64)>,
    /// Points at the front that were taken back.
    gone: usize,
}

impl Accumulator for OneGroup {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let (times, values) = arguments(self.measure, values)?;
        each_row(&[&times, &values], None, times.len(), |row| self.points.push((times.value(row), values.value(row))));
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        merged(states, |_, point| self.points.push(point));
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let measure = self.measure.of_any(&mut self.points[self.gone..].to_vec());
        ScalarValue::try_from_array(&self.measure.result(vec![measure]), 0)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let points = &self.points[self.gone..];
        lists(points, &[points.len()]).iter().map(|list| ScalarValue::try_from_array(list, 0)).collect()
    }

    fn size(&self) -> usize {
        self.points.capacity() * size_of::<(i64, f64)>()
    }

    /// Windows take back the rows that they took in first.
    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let (times, values) = arguments(self.measure, values)?;
        each_row(&[&times, &values], None, times.len(), |_| self.gone += 1);
        if self.gone > self.points.len() / 2 {
            self.points.drain(..self.gone);
            self.gone = 0;
        }
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measure(measure: Measure, points: &[(i64, f64)]) -> Option<f64> {
        let points: Vec<_> = points.iter().map(|(second, value)| (second * 1_000_000, *value)).collect();
        measure.of_any(&mut points.clone())
    }

    #[test]
    fn a_counter_that_restarts_goes_on_from_zero() {
        let points = [(0, 10.0), (10, 15.0), (20, 3.0), (30, 8.0)];
        assert_eq!(measure(Measure::Increase, &points), Some(5.0 + 3.0 + 5.0));
        assert_eq!(measure(Measure::Rate, &points), Some(13.0 / 30.0));
        assert_eq!(measure(Measure::Increase, &points[..1]), Some(0.0));
        assert_eq!(measure(Measure::Rate, &points[..1]), None);
        assert_eq!(measure(Measure::Increase, &[]), None);
    }

    #[test]
    fn the_order_of_rows_does_not_matter_and_of_values_at_one_time_the_greatest_counts() {
        let points = [(20, 3.0), (0, 10.0), (10, 15.0), (0, 4.0), (30, 8.0)];
        assert_eq!(measure(Measure::Increase, &points), Some(13.0));
    }

    #[test]
    fn a_mean_over_time_weighs_values_by_how_long_they_hold() {
        let points = [(0, 1.0), (10, 1.0), (11, 11.0)];
        assert_eq!(measure(Measure::HeldAverage, &points), Some(1.0));
        assert_eq!(measure(Measure::LinearAverage, &points), Some((10.0 + 6.0) / 11.0));
        assert_eq!(measure(Measure::LinearAverage, &points[..1]), Some(1.0));
    }
}
