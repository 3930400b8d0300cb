//! Items of an array by their place: the places themselves, and of sorted items the most frequent one and the one at a fraction, which
//! `mode` and `percentile_disc` are.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, ListArray, UInt32Array, make_comparator};
use arrow::buffer::OffsetBuffer;
use arrow::compute::{SortOptions, take};
use arrow::datatypes::{DataType, Field, Float64Type};
use datafusion::common::{Result, plan_err};

use crate::postgres::arrays::sets::{item_type, list_type};
use crate::postgres::function::{Call, Function};
use crate::postgres::value_error::ValueError;

/// Name of the function that has the places of an array's items, counted from 1.
pub(crate) const PLACES: &str = "array_places";
/// Name of the function that has the most frequent item of a sorted array.
pub(crate) const MOST_FREQUENT: &str = "array_most_frequent";
/// Name of the function that has the first item of a sorted array behind a fraction of all.
pub(crate) const AT_FRACTION: &str = "array_at_fraction";

/// The functions of this module.
pub(crate) fn functions() -> Vec<Function> {
    vec![
        Function::new(PLACES, places_typing, places),
        Function::new(MOST_FREQUENT, item_typing, most_frequent),
        Function::new(AT_FRACTION, fraction_typing, at_fraction),
    ]
}

type Typed = Result<(Vec<DataType>, DataType)>;

fn places_typing(given: &[DataType]) -> Typed {
    match given {
        [list] if item_type(list).is_some() => {
            let list = list_type(item_type(list).unwrap_or(&DataType::Null));
            Ok((vec![list], list_type(&DataType::Int64)))
        }
        [DataType::Null] => Ok((vec![list_type(&DataType::Null)], list_type(&DataType::Int64))),
        _ => plan_err!("an array has places"),
    }
}

fn places(call: &Call<'_>) -> Result<ArrayRef> {
    let lists = call.args[0].as_list::<i32>();
    let count = |row: usize| if lists.is_valid(row) { lists.value_length(row) } else { 0 };
    let numbers: Int64Array = (0..lists.len()).flat_map(|row| 1..=i64::from(count(row))).collect();
    let lengths = (0..lists.len()).map(|row| usize::try_from(count(row)).unwrap_or(0));
    let field = Arc::new(Field::new_list_field(DataType::Int64, true));
    let offsets = OffsetBuffer::from_lengths(lengths);
    Ok(Arc::new(ListArray::try_new(field, offsets, Arc::new(numbers), lists.nulls().cloned())?))
}

fn item_typing(given: &[DataType]) -> Typed {
    match given {
        [list] => match item_type(list) {
            Some(item) => Ok((vec![list_type(item)], item.clone())),
            None => plan_err!("an array has a most frequent item"),
        },
        _ => plan_err!("one array is wanted"),
    }
}

fn fraction_typing(given: &[DataType]) -> Typed {
    match given {
        [list, _] => match item_type(list) {
            Some(item) => Ok((vec![list_type(item), DataType::Float64], item.clone())),
            None => plan_err!("an array has an item at a fraction"),
        },
        _ => plan_err!("an array and a fraction are wanted"),
    }
}

/// Takes of each row's items the one that is chosen by their number and where the first of them is; items that are null do not count.
fn chosen(lists: &ListArray, mut choose: impl FnMut(usize, &[u32]) -> Result<Option<u32>>) -> Result<ArrayRef> {
    let (values, offsets) = (lists.values(), lists.value_offsets());
    let mut places = Vec::with_capacity(lists.len());
    for row in 0..lists.len() {
        let (first, end) = (offsets[row].unsigned_abs(), offsets[row + 1].unsigned_abs());
        let is_known = |at: &u32| usize::try_from(*at).is_ok_and(|at| values.is_valid(at));
        let own: Vec<u32> = if lists.is_valid(row) { (first..end).filter(is_known).collect() } else { Vec::new() };
        places.push(choose(row, &own)?);
    }
    Ok(take(values, &UInt32Array::from(places), None)?)
}

/// The item that is there most often, of several the first.
fn most_frequent(call: &Call<'_>) -> Result<ArrayRef> {
    let lists = call.args[0].as_list::<i32>();
    let compare = make_comparator(lists.values(), lists.values(), SortOptions::default())?;
    let at = |place: u32| usize::try_from(place).unwrap_or(0);
    chosen(lists, |_, places| {
        let (mut best, mut best_count, mut start) = (None, 0, 0);
        for end in 1..=places.len() {
            if end < places.len() && compare(at(places[start]), at(places[end])).is_eq() {
                continue;
            }
            if end - start > best_count {
                (best, best_count) = (Some(places[start]), end - start);
            }
            start = end;
        }
        Ok(best)
    })
}

fn at_fraction(call: &Call<'_>) -> Result<ArrayRef> {
    let (lists, fractions) = (call.args[0].as_list::<i32>(), call.args[1].as_primitive::<Float64Type>());
    chosen(lists, |row, places| {
        if fractions.is_null(row) {
            return Ok(None);
        }
        let fraction = fractions.value(row);
        if !(0.0..=1.0).contains(&fraction) {
            let words = format!("percentile value {fraction} is not between 0 and 1");
            return Err(ValueError::out_of_range(words));
        }
        // The first of which as many are not behind as the fraction wants.
        let count = places.len() as f64;
        let wanted = (1..=places.len()).find(|number| *number as f64 >= fraction * count);
        Ok(wanted.and_then(|number| places.get(number - 1)).copied())
    })
}
