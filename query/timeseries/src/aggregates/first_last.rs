//! `first`, `last` and `delta`: the values at the first and the last time of a group.

use std::fmt::Debug;
use std::mem::size_of;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, ArrowNativeTypeOp, AsArray, BooleanArray, Int64Array, PrimitiveArray, downcast_primitive,
    new_empty_array,
};
use arrow::compute::cast;
use arrow::datatypes::{ArrowPrimitiveType, DataType, Field, FieldRef, Float64Type};
use datafusion::common::{Result, ScalarValue, plan_err};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::{AggregateOrderSensitivity, format_state_name};
use datafusion::logical_expr::{Accumulator, AggregateUDFImpl, EmitTo, GroupsAccumulator, Signature, Volatility};

use crate::aggregates::arguments::{for_each_row, time_argument};
use crate::aggregates::single_group::{Groups, SingleGroup};
use crate::time::columns::to_us;

/// The value that is taken from a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Pick {
    /// The value at the first time; of several at that time the minimum.
    First,
    /// The value at the last time; of several at that time the maximum.
    Last,
    /// The last minus the first, as a double.
    Delta,
}

/// The aggregate function.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct FirstLastFunction {
    pick: Pick,
    signature: Signature,
}

impl FirstLastFunction {
    /// The function of SQL that takes `pick`.
    pub(crate) fn new(pick: Pick) -> Self {
        Self { pick, signature: Signature::user_defined(Volatility::Immutable) }
    }

    fn groups(&self, data_type: &DataType) -> Box<dyn FirstLastGroups> {
        macro_rules! primitive {
            ($t:ty, $pick:expr, $data_type:expr) => {
                Box::new(FixedWidthGroups::<$t>::new($pick, $data_type.clone())) as Box<dyn FirstLastGroups>
            };
        }
        if self.pick == Pick::Delta {
            return Box::new(DeltaGroups {
                first: FixedWidthGroups::new(Pick::First, DataType::Float64),
                last: FixedWidthGroups::new(Pick::Last, DataType::Float64),
            });
        }
        let pick = self.pick;
        downcast_primitive! {
            data_type => (primitive, pick, data_type),
            _ => Box::new(AnyTypeGroups { last: pick == Pick::Last, data_type: data_type.clone(), best: Vec::new() }),
        }
    }
}

impl AggregateUDFImpl for FirstLastFunction {
    fn name(&self) -> &str {
        match self.pick {
            Pick::First => "first",
            Pick::Last => "last",
            Pick::Delta => "delta",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        let [value, time] = given else { return plan_err!("{} takes a value and its time", self.name()) };
        let value = if self.pick == Pick::Delta { DataType::Float64 } else { value.clone() };
        Ok(vec![value, time_argument(time)?])
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        match (self.pick, types.first()) {
            (Pick::Delta, _) => Ok(DataType::Float64),
            (_, Some(value)) => Ok(value.clone()),
            (_, None) => plan_err!("{} takes a value and its time", self.name()),
        }
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let field =
            |name: &str, data_type: DataType| Arc::new(Field::new(format_state_name(args.name, name), data_type, true));
        let value = args.return_field.data_type().clone();
        Ok(match self.pick {
            Pick::Delta => vec![
                field("first_time", DataType::Int64),
                field("first", DataType::Float64),
                field("last_time", DataType::Int64),
                field("last", DataType::Float64),
            ],
            Pick::First | Pick::Last => vec![field("time", DataType::Int64), field("value", value)],
        })
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        Ok(self.groups(args.return_field.data_type()).single())
    }

    fn groups_accumulator_supported(&self, _: AccumulatorArgs) -> bool {
        true
    }

    fn create_groups_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn GroupsAccumulator>> {
        Ok(self.groups(args.return_field.data_type()).many())
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }
}

/// Accumulators of one type of values, as an aggregate over one group or over many.
trait FirstLastGroups {
    fn single(self: Box<Self>) -> Box<dyn Accumulator>;
    fn many(self: Box<Self>) -> Box<dyn GroupsAccumulator>;
}

impl<G: Groups + 'static> FirstLastGroups for G {
    fn single(self: Box<Self>) -> Box<dyn Accumulator> {
        Box::new(SingleGroup::new(*self))
    }

    fn many(self: Box<Self>) -> Box<dyn GroupsAccumulator> {
        self
    }
}

/// The first or last values of groups, of a type of fixed width.
#[derive(Debug)]
struct FixedWidthGroups<T: ArrowPrimitiveType> {
    last: bool,
    data_type: DataType,
    times: Vec<i64>,
    values: Vec<T::Native>,
    known: Vec<bool>,
}

impl<T: ArrowPrimitiveType> FixedWidthGroups<T> {
    fn new(pick: Pick, data_type: DataType) -> Self {
        Self { last: pick == Pick::Last, data_type, times: Vec::new(), values: Vec::new(), known: Vec::new() }
    }

    fn grow(&mut self, groups: usize) {
        self.times.resize(groups, 0);
        self.values.resize(groups, T::Native::default());
        self.known.resize(groups, false);
    }

    /// Takes a value in where its time is better. Ties go by the value, so that the order of rows does not matter.
    fn offer(&mut self, group: usize, time: i64, value: T::Native) {
        let (known_time, known_value) = (self.times[group], self.values[group]);
        let better = !self.known[group]
            || if self.last {
                time > known_time || (time == known_time && value.is_gt(known_value))
            } else {
                time < known_time || (time == known_time && value.is_lt(known_value))
            };
        if better {
            (self.times[group], self.values[group], self.known[group]) = (time, value, true);
        }
    }

    fn rows(&mut self, values: &ArrayRef, times: &Int64Array, groups: &[usize], filter: Option<&BooleanArray>) {
        let values = values.as_primitive::<T>();
        for_each_row(&[values, times], filter, groups.len(), |row| {
            self.offer(groups[row], times.value(row), values.value(row));
        });
    }

    fn array(&self, values: Vec<T::Native>, known: &[bool]) -> ArrayRef {
        let values = PrimitiveArray::<T>::new(values.into(), Some(known.to_vec().into()));
        Arc::new(values.with_data_type(self.data_type.clone()))
    }

    fn emit(&mut self, emit_to: EmitTo) -> (ArrayRef, ArrayRef) {
        let times = emit_to.take_needed(&mut self.times);
        let values = emit_to.take_needed(&mut self.values);
        let known = emit_to.take_needed(&mut self.known);
        let times = Int64Array::new(times.into(), Some(known.clone().into()));
        (Arc::new(times), self.array(values, &known))
    }

    fn bytes(&self) -> usize {
        self.times.capacity() * 8 + self.values.capacity() * size_of::<T::Native>() + self.known.capacity()
    }

    fn state_of(&self, values: &[ArrayRef], filter: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        let [value, time] = values else {
            return Ok(vec![new_empty_array(&DataType::Int64), new_empty_array(&self.data_type)]);
        };
        let times = to_us(time)?;
        let known_times = (0..times.len()).map(|at| {
            let passes = filter.is_none_or(|filter| filter.is_valid(at) && filter.value(at));
            (passes && value.is_valid(at) && times.is_valid(at)).then(|| times.value(at))
        });
        Ok(vec![Arc::new(known_times.collect::<Int64Array>()), Arc::clone(value)])
    }
}

impl<T: ArrowPrimitiveType + Debug> GroupsAccumulator for FixedWidthGroups<T> {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        total: usize,
    ) -> Result<()> {
        self.grow(total);
        self.rows(&values[0], &to_us(&values[1])?, groups, filter);
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef], groups: &[usize], total: usize) -> Result<()> {
        self.grow(total);
        self.rows(&states[1], states[0].as_primitive(), groups, None);
        Ok(())
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        Ok(self.emit(emit_to).1)
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        let (times, values) = self.emit(emit_to);
        Ok(vec![times, values])
    }

    fn convert_to_state(&self, values: &[ArrayRef], filter: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        self.state_of(values, filter)
    }

    fn size(&self) -> usize {
        self.bytes()
    }
}

impl<T: ArrowPrimitiveType + Debug> Groups for FixedWidthGroups<T> {
    fn peek(&self) -> Result<ScalarValue> {
        match (self.values.first(), self.known.first()) {
            (Some(value), Some(true)) => ScalarValue::try_from_array(&self.array(vec![*value], &[true]), 0),
            _ => ScalarValue::try_from(&self.data_type),
        }
    }
}

/// The first or last values of groups, of any type.
#[derive(Debug)]
struct AnyTypeGroups {
    last: bool,
    data_type: DataType,
    best: Vec<Option<(i64, ScalarValue)>>,
}

impl AnyTypeGroups {
    fn rows(
        &mut self,
        values: &ArrayRef,
        times: &Int64Array,
        groups: &[usize],
        filter: Option<&BooleanArray>,
    ) -> Result<()> {
        // A closure over rows cannot return an error, so the last one is remembered.
        let mut wrong = Ok(());
        for_each_row(&[values, times], filter, groups.len(), |row| {
            let (best, time) = (&mut self.best[groups[row]], times.value(row));
            let order = best.as_ref().map(|(known, _)| time.cmp(known));
            let wanted = if self.last { std::cmp::Ordering::Greater } else { std::cmp::Ordering::Less };
            if order.is_some_and(|order| order != wanted && order.is_ne()) {
                return;
            }
            match ScalarValue::try_from_array(values, row) {
                Err(error) => wrong = Err(error),
                Ok(value) => {
                    let tie = order.is_some_and(std::cmp::Ordering::is_eq);
                    let better = !tie || best.as_ref().and_then(|(_, known)| value.partial_cmp(known)) == Some(wanted);
                    if better {
                        // The value is copied out of its batch, which would stay in memory for it otherwise.
                        *best = Some((time, value.compacted()));
                    }
                }
            }
        });
        wrong
    }

    fn emit(&mut self, emit_to: EmitTo) -> Result<(ArrayRef, ArrayRef)> {
        let best = emit_to.take_needed(&mut self.best);
        let times: Int64Array = best.iter().map(|best| best.as_ref().map(|(time, _)| *time)).collect();
        let null = ScalarValue::try_from(&self.data_type)?;
        let values = best.into_iter().map(|best| best.map_or_else(|| null.clone(), |(_, value)| value));
        let values: Vec<ScalarValue> = values.collect();
        let values =
            if values.is_empty() { new_empty_array(&self.data_type) } else { ScalarValue::iter_to_array(values)? };
        Ok((Arc::new(times), cast(&values, &self.data_type)?))
    }
}

impl GroupsAccumulator for AnyTypeGroups {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        total: usize,
    ) -> Result<()> {
        self.best.resize(total, None);
        self.rows(&values[0], &to_us(&values[1])?, groups, filter)
    }

    fn merge_batch(&mut self, states: &[ArrayRef], groups: &[usize], total: usize) -> Result<()> {
        self.best.resize(total, None);
        self.rows(&states[1], states[0].as_primitive(), groups, None)
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        Ok(self.emit(emit_to)?.1)
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        let (times, values) = self.emit(emit_to)?;
        Ok(vec![times, values])
    }

    fn convert_to_state(&self, values: &[ArrayRef], filter: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        // Only the times are computed there; the values pass as they are, whatever their type.
        let mut states =
            FixedWidthGroups::<Float64Type>::new(Pick::First, DataType::Float64).state_of(values, filter)?;
        if values.is_empty() {
            states[1] = new_empty_array(&self.data_type);
        }
        Ok(states)
    }

    fn size(&self) -> usize {
        let values: usize = self.best.iter().flatten().map(|(_, value)| value.size()).sum();
        values + self.best.capacity() * size_of::<Option<(i64, ScalarValue)>>()
    }
}

impl Groups for AnyTypeGroups {
    fn peek(&self) -> Result<ScalarValue> {
        match self.best.first() {
            Some(Some((_, value))) => Ok(value.clone()),
            _ => ScalarValue::try_from(&self.data_type),
        }
    }
}

/// The first and last values of groups, of which the difference is the result.
#[derive(Debug)]
struct DeltaGroups {
    first: FixedWidthGroups<Float64Type>,
    last: FixedWidthGroups<Float64Type>,
}

impl GroupsAccumulator for DeltaGroups {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        total: usize,
    ) -> Result<()> {
        self.first.update_batch(values, groups, filter, total)?;
        self.last.update_batch(values, groups, filter, total)
    }

    fn merge_batch(&mut self, states: &[ArrayRef], groups: &[usize], total: usize) -> Result<()> {
        self.first.merge_batch(&states[..2], groups, total)?;
        self.last.merge_batch(&states[2..], groups, total)
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let (first, last) = (self.first.evaluate(emit_to)?, self.last.evaluate(emit_to)?);
        let (first, last) = (first.as_primitive::<Float64Type>(), last.as_primitive::<Float64Type>());
        let delta: PrimitiveArray<Float64Type> = arrow::compute::binary(last, first, |last, first| last - first)?;
        Ok(Arc::new(delta))
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        let mut state = self.first.state(emit_to)?;
        state.extend(self.last.state(emit_to)?);
        Ok(state)
    }

    fn convert_to_state(&self, values: &[ArrayRef], filter: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        let mut state = self.first.state_of(values, filter)?;
        state.extend(self.last.state_of(values, filter)?);
        Ok(state)
    }

    fn size(&self) -> usize {
        self.first.bytes() + self.last.bytes()
    }
}

impl Groups for DeltaGroups {
    fn peek(&self) -> Result<ScalarValue> {
        let known = self.first.known.first() == Some(&true);
        Ok(ScalarValue::Float64(known.then(|| self.last.values[0] - self.first.values[0])))
    }
}
