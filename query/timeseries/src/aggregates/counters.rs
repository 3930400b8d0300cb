//! Aggregates over the values of a group in the order of their times: `increase`, `rate`, `time_weighted_average` and
//! `state_duration`.
//!
//! Rows come in any order and parts of a group are aggregated apart. Summaries of parts cannot be for_each_state_sample where their times
//! overlap, so all samples of a group are held until its end: 20 bytes each, counted against the memory of the statement.

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

use crate::aggregates::arguments::{for_each_row, time_argument};
use crate::time::columns::{interval_type, is_text, to_us};
use crate::time::rounding::trunc_i64;

/// A result that is computed from the samples of a group in the order of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum CounterAggregate {
    /// Growth of a counter. A value below the one before it is a restart at 0.
    Increase,
    /// [`CounterAggregate::Increase`] per second between the first sample and the last.
    Rate,
    /// The mean over time of straight lines from sample to sample.
    LinearAverage,
    /// The mean over time where each value holds until the next.
    HeldAverage,
    /// Time in which a state holds, each from its sample to the next.
    StateDuration,
}

impl CounterAggregate {
    /// Result for samples in the order of time, one for each time.
    fn of_ordered(self, samples: &[(i64, f64)]) -> Option<f64> {
        let (first, last) = (samples.first()?, samples.last()?);
        let span_us = (last.0 - first.0) as f64;
        let increase = || -> f64 {
            let growth = |pair: &[(i64, f64)]| match (pair[0].1, pair[1].1) {
                (before, after) if after < before => after,
                (before, after) => after - before,
            };
            samples.windows(2).map(growth).fold(0.0, |sum, growth| sum + growth)
        };
        let held_area = samples.windows(2).map(|pair| (pair[1].0 - pair[0].0) as f64 * pair[0].1);
        // `sum` of nothing is −0, which SQL would show, so the fold begins at +0.
        let held = || held_area.fold(0.0, |sum: f64, area| sum + area);
        match self {
            Self::Increase => Some(increase()),
            Self::Rate => (span_us > 0.0).then(|| increase() / (span_us / 1e6)),
            Self::LinearAverage | Self::HeldAverage if samples.len() == 1 => Some(first.1),
            Self::LinearAverage => {
                let area =
                    samples.windows(2).map(|pair| (pair[1].0 - pair[0].0) as f64 * (pair[0].1 + pair[1].1) / 2.0);
                Some(area.sum::<f64>() / span_us)
            }
            Self::HeldAverage => Some(held() / span_us),
            Self::StateDuration => Some(held()),
        }
    }

    /// Result for samples in any order. They are in the order of time afterwards.
    fn of_unordered(self, samples: &mut Vec<(i64, f64)>) -> Option<f64> {
        let sorted = samples.windows(2).all(|pair| pair[0].0 < pair[1].0);
        if !sorted {
            samples.sort_unstable_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
            // Of several values at one time the maximum counts, which is the last of them. Deduplication keeps the
            // first, hence the two reversals.
            samples.reverse();
            samples.dedup_by_key(|sample| sample.0);
            samples.reverse();
        }
        self.of_ordered(samples)
    }

    fn result(self, results: Vec<Option<f64>>) -> ArrayRef {
        if self == Self::StateDuration {
            let interval = |us: f64| IntervalMonthDayNano::new(0, 0, trunc_i64(us) * 1_000);
            let durations = results.into_iter().map(|aggregate| aggregate.map(interval));
            return Arc::new(durations.collect::<IntervalMonthDayNanoArray>());
        }
        Arc::new(Float64Array::from(results))
    }
}

/// The aggregate function.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct CounterFunction {
    aggregate: CounterAggregate,
    signature: Signature,
}

impl CounterFunction {
    /// The function of SQL that computes an aggregate.
    pub(crate) fn new(aggregate: CounterAggregate) -> Self {
        Self { aggregate, signature: Signature::user_defined(Volatility::Immutable) }
    }

    /// The aggregate that the arguments choose: the mean over time takes its method as a constant.
    fn aggregate(&self, args: &AccumulatorArgs<'_>) -> Result<CounterAggregate> {
        let (CounterAggregate::LinearAverage, Some(method)) = (self.aggregate, args.exprs.get(2)) else {
            return Ok(self.aggregate);
        };
        let method = method.downcast_ref::<Literal>().and_then(|method| method.value().try_as_str().flatten());
        match method.map(str::to_ascii_lowercase).as_deref() {
            Some("linear") => Ok(CounterAggregate::LinearAverage),
            Some("locf") => Ok(CounterAggregate::HeldAverage),
            _ => exec_err!("the method of time_weighted_average is 'linear' or 'locf'"),
        }
    }
}

impl AggregateUDFImpl for CounterFunction {
    fn name(&self) -> &str {
        match self.aggregate {
            CounterAggregate::Increase => "increase",
            CounterAggregate::Rate => "rate",
            CounterAggregate::LinearAverage | CounterAggregate::HeldAverage => "time_weighted_average",
            CounterAggregate::StateDuration => "state_duration",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        match (self.aggregate, given) {
            (CounterAggregate::StateDuration, [state, time, wanted]) => {
                let state = if state.is_null() { wanted } else { state };
                Ok(vec![state.clone(), time_argument(time)?, state.clone()])
            }
            (CounterAggregate::StateDuration, _) => {
                plan_err!("state_duration takes a state, its time and the state that is wanted")
            }
            (_, [_, time]) => Ok(vec![DataType::Float64, time_argument(time)?]),
            (CounterAggregate::LinearAverage, [_, time, method]) if is_text(method) => {
                Ok(vec![DataType::Float64, time_argument(time)?, DataType::Utf8])
            }
            _ => plan_err!("{} takes a value and its time", self.name()),
        }
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(if self.aggregate == CounterAggregate::StateDuration { interval_type() } else { DataType::Float64 })
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let field = |name: &str, item: DataType| {
            let list = DataType::List(Arc::new(Field::new_list_field(item, false)));
            Arc::new(Field::new(format_state_name(args.name, name), list, true))
        };
        Ok(vec![field("times", DataType::Int64), field("values", DataType::Float64)])
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(WindowSamples { aggregate: self.aggregate(&args)?, samples: Vec::new(), retracted: 0 }))
    }

    fn groups_accumulator_supported(&self, _: AccumulatorArgs) -> bool {
        true
    }

    fn create_groups_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn GroupsAccumulator>> {
        Ok(Box::new(GroupSamples {
            aggregate: self.aggregate(&args)?,
            total: 0,
            groups: Vec::new(),
            samples: Vec::new(),
        }))
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }
}

/// Times and values of the arguments. A state is 1 where it is the wanted one, else 0.
fn arguments(aggregate: CounterAggregate, values: &[ArrayRef]) -> Result<(Int64Array, Float64Array)> {
    let times = to_us(&values[1])?;
    let values = match aggregate {
        CounterAggregate::StateDuration => {
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

fn lists(samples: &[(i64, f64)], lengths: &[usize]) -> Vec<ArrayRef> {
    let times: Int64Array = samples.iter().map(|sample| sample.0).collect::<Vec<_>>().into();
    let values: Float64Array = samples.iter().map(|sample| sample.1).collect::<Vec<_>>().into();
    vec![list(times, lengths.iter().copied(), None), list(values, lengths.iter().copied(), None)]
}

/// Calls `sample` with each sample in states of other partitions, and with the row of its state.
fn for_each_state_sample(states: &[ArrayRef], mut sample: impl FnMut(usize, (i64, f64))) {
    let (times, values) = (states[0].as_list::<i32>(), states[1].as_list::<i32>());
    for row in 0..times.len() {
        if times.is_null(row) || values.is_null(row) {
            continue;
        }
        let (times, values) = (times.value(row), values.value(row));
        let (times, values): (&Int64Array, &Float64Array) = (times.as_primitive(), values.as_primitive());
        for (&time, &value) in times.values().iter().zip(values.values()) {
            sample(row, (time, value));
        }
    }
}

/// The samples of many groups, in the order of arrival.
#[derive(Debug)]
struct GroupSamples {
    aggregate: CounterAggregate,
    /// Groups so far.
    total: usize,
    /// The group of each sample.
    groups: Vec<u32>,
    samples: Vec<(i64, f64)>,
}

impl GroupSamples {
    fn push(&mut self, group: usize, sample: (i64, f64)) {
        // The index of a group always fits: memory ends long before 2^32 groups.
        self.groups.push(u32::try_from(group).unwrap_or(u32::MAX));
        self.samples.push(sample);
    }

    /// The samples of the groups that are emitted, group by group, and how many each has.
    fn emit(&mut self, emit_to: EmitTo) -> (Vec<(i64, f64)>, Vec<usize>) {
        let count = match emit_to {
            EmitTo::All => self.total,
            EmitTo::First(count) => count,
        };
        // A counting sort by group: lengths, then the start of each group, then one pass that places samples. It needs no
        // second copy of the samples that stay.
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
        let mut remaining = 0;
        for at in 0..self.samples.len() {
            let (group, sample) = (self.groups[at] as usize, self.samples[at]);
            if group < count {
                emitted[next[group]] = sample;
                next[group] += 1;
            } else {
                self.groups[remaining] = self.groups[at] - u32::try_from(count).unwrap_or(u32::MAX);
                self.samples[remaining] = sample;
                remaining += 1;
            }
        }
        self.groups.truncate(remaining);
        self.samples.truncate(remaining);
        self.total -= count;
        (emitted, lengths)
    }
}

impl GroupsAccumulator for GroupSamples {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        total: usize,
    ) -> Result<()> {
        self.total = self.total.max(total);
        let (times, values) = arguments(self.aggregate, values)?;
        for_each_row(&[&times, &values], filter, groups.len(), |row| {
            self.push(groups[row], (times.value(row), values.value(row)));
        });
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef], groups: &[usize], total: usize) -> Result<()> {
        self.total = self.total.max(total);
        for_each_state_sample(states, |row, sample| self.push(groups[row], sample));
        Ok(())
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let (samples, lengths) = self.emit(emit_to);
        let mut rest = samples.as_slice();
        let mut group = Vec::new();
        let results = lengths.into_iter().map(|length| {
            let (of_group, after) = rest.split_at(length);
            rest = after;
            group.clear();
            group.extend_from_slice(of_group);
            self.aggregate.of_unordered(&mut group)
        });
        Ok(self.aggregate.result(results.collect()))
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        let (samples, lengths) = self.emit(emit_to);
        Ok(lists(&samples, &lengths))
    }

    fn convert_to_state(&self, values: &[ArrayRef], filter: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        let (times, values) = arguments(self.aggregate, values)?;
        let (mut samples, mut lengths) = (Vec::with_capacity(times.len()), vec![0; times.len()]);
        for_each_row(&[&times, &values], filter, times.len(), |row| {
            samples.push((times.value(row), values.value(row)));
            lengths[row] = 1;
        });
        Ok(lists(&samples, &lengths))
    }

    fn size(&self) -> usize {
        self.samples.capacity() * size_of::<(i64, f64)>() + self.groups.capacity() * size_of::<u32>()
    }
}

/// The samples of one group, of which the oldest can be retracted, as a moving window needs.
#[derive(Debug)]
struct WindowSamples {
    aggregate: CounterAggregate,
    samples: Vec<(i64, f64)>,
    /// Samples at the front that were retracted.
    retracted: usize,
}

impl Accumulator for WindowSamples {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let (times, values) = arguments(self.aggregate, values)?;
        for_each_row(&[&times, &values], None, times.len(), |row| {
            self.samples.push((times.value(row), values.value(row)))
        });
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        for_each_state_sample(states, |_, sample| self.samples.push(sample));
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let aggregate = self.aggregate.of_unordered(&mut self.samples[self.retracted..].to_vec());
        ScalarValue::try_from_array(&self.aggregate.result(vec![aggregate]), 0)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let samples = &self.samples[self.retracted..];
        lists(samples, &[samples.len()]).iter().map(|list| ScalarValue::try_from_array(list, 0)).collect()
    }

    fn size(&self) -> usize {
        self.samples.capacity() * size_of::<(i64, f64)>()
    }

    /// Windows retract rows in the order in which they added them, so the front of the samples goes.
    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let (times, values) = arguments(self.aggregate, values)?;
        for_each_row(&[&times, &values], None, times.len(), |_| self.retracted += 1);
        // Draining by halves keeps the cost of a retraction constant on average.
        if self.retracted > self.samples.len() / 2 {
            self.samples.drain(..self.retracted);
            self.retracted = 0;
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

    fn aggregate(aggregate: CounterAggregate, samples: &[(i64, f64)]) -> Option<f64> {
        let samples: Vec<_> = samples.iter().map(|(second, value)| (second * 1_000_000, *value)).collect();
        aggregate.of_unordered(&mut samples.clone())
    }

    #[test]
    fn a_counter_that_restarts_goes_on_from_zero() {
        let samples = [(0, 10.0), (10, 15.0), (20, 3.0), (30, 8.0)];
        assert_eq!(aggregate(CounterAggregate::Increase, &samples), Some(5.0 + 3.0 + 5.0));
        assert_eq!(aggregate(CounterAggregate::Rate, &samples), Some(13.0 / 30.0));
        assert_eq!(aggregate(CounterAggregate::Increase, &samples[..1]), Some(0.0));
        assert_eq!(aggregate(CounterAggregate::Rate, &samples[..1]), None);
        assert_eq!(aggregate(CounterAggregate::Increase, &[]), None);
    }

    #[test]
    fn the_order_of_rows_does_not_matter_and_of_values_at_one_time_the_greatest_counts() {
        let samples = [(20, 3.0), (0, 10.0), (10, 15.0), (0, 4.0), (30, 8.0)];
        assert_eq!(aggregate(CounterAggregate::Increase, &samples), Some(13.0));
    }

    #[test]
    fn a_mean_over_time_weighs_values_by_how_long_they_hold() {
        let samples = [(0, 1.0), (10, 1.0), (11, 11.0)];
        assert_eq!(aggregate(CounterAggregate::HeldAverage, &samples), Some(1.0));
        assert_eq!(aggregate(CounterAggregate::LinearAverage, &samples), Some((10.0 + 6.0) / 11.0));
        assert_eq!(aggregate(CounterAggregate::LinearAverage, &samples[..1]), Some(1.0));
    }
}
