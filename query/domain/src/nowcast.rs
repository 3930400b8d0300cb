//! `vn_nowcast(time, value)` and `vn_nowcast_norm(time, value)`: aggregates over the hours of a moving window.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Decimal128Array, Int64Array, ListArray};
use arrow::buffer::OffsetBuffer;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Decimal128Type, Field, FieldRef, Int64Type, TimeUnit, i256};
use datafusion::common::{Result, ScalarValue, exec_err, plan_err};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::{AggregateOrderSensitivity, format_state_name};
use datafusion::logical_expr::{Accumulator, AggregateUDFImpl, Signature, Volatility};

use crate::fixed::{FIXED, SCALE, number_argument, quotient, scaled};

/// Hours of a nowcast.
const HOURS: usize = 12;
/// Newest hours of which two must have a value.
const NEWEST: usize = 3;
const HOUR_US: i64 = 3_600_000_000;
/// Digits of a weight behind the point. With those of a value they fit into 256 bits.
const WEIGHT_DIGITS: u32 = 36;

/// What a sum of values with halving weights is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Weighting {
    /// As the Decision writes it: not divided by the weights, so that a missing value lowers it.
    Literal,
    /// Divided by the weights of the values that are there.
    Normalized,
}

/// The nowcast of Decision 1459/QĐ-TCMT over the twelve hours that end with the newest time: w* = Cmin / Cmax of the values that
/// are there; above 1/2 it is Σ w^(i−1) c / Σ w^(i−1), else Σ (1/2)^i c. At least two of the newest three hours have a value; a missing one has no
/// weight.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct Nowcast {
    weighting: Weighting,
    signature: Signature,
}

impl Nowcast {
    /// The aggregate of this weighting.
    pub(crate) fn new(weighting: Weighting) -> Self {
        Self { weighting, signature: Signature::user_defined(Volatility::Immutable) }
    }
}

impl AggregateUDFImpl for Nowcast {
    fn name(&self) -> &str {
        match self.weighting {
            Weighting::Literal => "vn_nowcast",
            Weighting::Normalized => "vn_nowcast_norm",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        match given {
            [DataType::Timestamp(_, zone), value] => {
                Ok(vec![DataType::Timestamp(TimeUnit::Microsecond, zone.clone()), number_argument(value)?])
            }
            _ => plan_err!("{} takes the end of an hour and the mean of that hour", self.name()),
        }
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(FIXED)
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let field = |name: &str, item: DataType| {
            let list = DataType::List(Arc::new(Field::new_list_field(item, true)));
            Arc::new(Field::new(format_state_name(args.name, name), list, true))
        };
        Ok(vec![field("times", DataType::Int64), field("values", FIXED)])
    }

    fn accumulator(&self, _: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(Hours { weighting: self.weighting, hours: VecDeque::new() }))
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }
}

/// Hours of a window in the order of arrival: end, and mean where there is one.
#[derive(Debug)]
struct Hours {
    weighting: Weighting,
    hours: VecDeque<(i64, Option<i128>)>,
}

impl Hours {
    fn push(&mut self, times: &Int64Array, values: &Decimal128Array) -> Result<()> {
        let DataType::Decimal128(_, scale) = *values.data_type() else { return exec_err!("a nowcast is of decimals") };
        for row in 0..times.len() {
            let value = values.is_valid(row).then(|| values.value(row));
            let value = match value.map(|value| scaled(value, scale)) {
                Some(None) => return exec_err!("a concentration is too large"),
                Some(value) => value,
                None => None,
            };
            self.hours.push_back((times.value(row), value));
        }
        Ok(())
    }

    /// The values by age in hours, the newest first.
    fn by_age(&self) -> [Option<i128>; HOURS] {
        let mut values = [None; HOURS];
        let newest = self.hours.iter().map(|(time, _)| *time).max().unwrap_or_default();
        for (time, value) in &self.hours {
            let age = usize::try_from((newest - time) / HOUR_US).unwrap_or(usize::MAX);
            if let Some(place) = values.get_mut(age) {
                *place = *value;
            }
        }
        values
    }
}

impl Accumulator for Hours {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let times = cast(&values[0], &DataType::Int64)?;
        self.push(times.as_primitive::<Int64Type>(), values[1].as_primitive::<Decimal128Type>())
    }

    /// A window drops its rows in the order in which it has taken them.
    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.hours.drain(..values[0].len().min(self.hours.len()));
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        Ok(ScalarValue::Decimal128(nowcast(&self.by_age(), self.weighting), 38, SCALE))
    }

    fn size(&self) -> usize {
        size_of::<Self>() + self.hours.capacity() * size_of::<(i64, Option<i128>)>()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let times: Int64Array = self.hours.iter().map(|(time, _)| Some(*time)).collect();
        let values: Decimal128Array = self.hours.iter().map(|(_, value)| *value).collect();
        let values = values.with_precision_and_scale(38, SCALE)?;
        let list = |items: ArrayRef| {
            let field = Arc::new(Field::new_list_field(items.data_type().clone(), true));
            ScalarValue::List(Arc::new(ListArray::new(field, OffsetBuffer::from_lengths([items.len()]), items, None)))
        };
        Ok(vec![list(Arc::new(times)), list(Arc::new(values))])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let (times, values) = (states[0].as_list::<i32>(), states[1].as_list::<i32>());
        for row in 0..times.len() {
            let (times, values) = (times.value(row), values.value(row));
            self.push(times.as_primitive::<Int64Type>(), values.as_primitive::<Decimal128Type>())?;
        }
        Ok(())
    }
}

/// Nowcast of twelve values of 20 digits, the newest first.
fn nowcast(values: &[Option<i128>; HOURS], weighting: Weighting) -> Option<i128> {
    if values[..NEWEST].iter().flatten().count() < 2 {
        return None;
    }
    let known = || values.iter().flatten().copied();
    let (least, most) = (known().min()?, known().max()?);
    if most == 0 {
        return Some(0);
    }
    if least.checked_mul(2)? > most {
        return by_ratio(values, least, most);
    }
    // All twelve weights over 2^12.
    let weights = || (0..HOURS).map(|age| 1_i128 << (HOURS - 1 - age));
    let mut sum = i256::ZERO;
    let mut weight_sum = 0_i128;
    for (value, weight) in values.iter().zip(weights()) {
        if let Some(value) = value {
            sum = sum.checked_add(i256::from_i128(*value).checked_mul(i256::from_i128(weight))?)?;
            weight_sum += weight;
        }
    }
    let by = match weighting {
        Weighting::Literal => 1 << HOURS,
        Weighting::Normalized => weight_sum,
    };
    quotient(sum, i256::from_i128(by))
}

/// Σ w^i c / Σ w^i with w = least / most.
fn by_ratio(values: &[Option<i128>; HOURS], least: i128, most: i128) -> Option<i128> {
    let (least, most) = (i256::from_i128(least), i256::from_i128(most));
    let mut weight = i256::from_i128(10_i128.pow(WEIGHT_DIGITS));
    let (mut sum, mut weight_sum) = (i256::ZERO, i256::ZERO);
    for value in values {
        if let Some(value) = value {
            sum = sum.checked_add(weight.checked_mul(i256::from_i128(*value))?)?;
            weight_sum = weight_sum.checked_add(weight)?;
        }
        weight = weight.checked_mul(least)?.checked_div(most)?;
    }
    quotient(sum, weight_sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNIT: i128 = 10_i128.pow(20);

    /// Tenths, the newest first, with -1 for a value that is missing.
    fn of(tenths: [i128; HOURS], weighting: Weighting) -> Option<f64> {
        let values = tenths.map(|value| (value >= 0).then_some(value * UNIT / 10));
        nowcast(&values, weighting).map(|value| value as f64 / UNIT as f64)
    }

    #[test]
    fn the_example_of_the_decision_gives_its_nowcast() {
        let oldest_first = [269, 247, 205, 235, 195, 165, 190, 165, 203, 224, 196, 206];
        let mut newest_first = oldest_first;
        newest_first.reverse();
        let found = of(newest_first, Weighting::Literal).unwrap();
        assert!((found - 20.3).abs() < 0.05, "{found}");
        assert_eq!(of(newest_first, Weighting::Normalized), Some(found));
    }

    #[test]
    fn two_of_the_newest_three_are_needed_and_two_are_enough() {
        let two = [-1, 100, 100, -1, -1, -1, -1, -1, -1, -1, -1, -1];
        assert_eq!(of(two, Weighting::Literal), Some(10.0), "w = 1 divides by the weights that are there");
        for one in [[100, -1, -1, 100, 100, 100, 100, 100, 100, 100, 100, 100], [-1; HOURS]] {
            assert_eq!(of(one, Weighting::Literal), None);
        }
    }

    #[test]
    fn with_halving_weights_a_missing_value_lowers_the_literal_nowcast_alone() {
        let all = [400, 100, 100, 100, 100, 100, 100, 100, 100, 100, 100, 100];
        let sum = 20.0 + 10.0 * (0.5 - 1.0 / 4096.0);
        assert_eq!(of(all, Weighting::Literal), Some(sum));
        assert!((of(all, Weighting::Normalized).unwrap() - sum / (1.0 - 1.0 / 4096.0)).abs() < 1e-12);
        let newest_missing = [-1, 400, 100, -1, -1, -1, -1, -1, -1, -1, -1, -1];
        assert_eq!(of(newest_missing, Weighting::Literal), Some(10.0 + 1.25));
        assert_eq!(of(newest_missing, Weighting::Normalized), Some(30.0));
    }

    #[test]
    fn a_ratio_of_one_half_is_not_above_it_and_zeros_give_zero() {
        let half = [200, 100, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200];
        assert_eq!(of(half, Weighting::Literal), Some(20.0 * (1.0 - 1.0 / 4096.0) - 2.5));
        assert_eq!(of([0; HOURS], Weighting::Literal), Some(0.0));
    }

    #[test]
    fn equal_values_are_their_nowcast_to_the_last_digit() {
        let third = UNIT / 3;
        assert_eq!(nowcast(&[Some(third); HOURS], Weighting::Literal), Some(third));
    }
}
