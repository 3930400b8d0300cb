//! Items of arrays: `@>`, `&&`, slices, `array_remove`, `trim_array`. DataFusion's have an item null that equals null, count from the end,
//! or are missing.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, ListArray, Scalar, new_empty_array};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::compute::kernels::cmp;
use arrow::compute::{concat, filter};
use arrow::datatypes::{DataType, Field, Int64Type};
use arrow::row::{OwnedRow, RowConverter, SortField};
use datafusion::common::{Result, plan_err};
use datafusion::logical_expr::type_coercion::binary::comparison_coercion;

use crate::postgres::function::{Call, Function};
use crate::postgres::value_error::ValueError;

/// Name of the function that `a @> b` becomes.
pub(crate) const CONTAINS: &str = "array_contains_items";
/// Name of the function that `a && b` becomes.
pub(crate) const OVERLAPS: &str = "array_overlaps_items";
/// Name of the function that `a[2:3]` becomes.
pub(crate) const SLICE: &str = "array_part";

/// The functions of this module.
pub(crate) fn functions() -> Vec<Function> {
    vec![
        Function::new(CONTAINS, two_lists, contains),
        Function::new(OVERLAPS, two_lists, overlaps),
        Function::new(SLICE, slice_typing, slice),
        Function::new("trim_array", trim_typing, trim),
        Function::new("array_remove", item_typing, remove).seeing_nulls(),
    ]
}

type Typed = Result<(Vec<DataType>, DataType)>;

/// A list of items of a type.
pub(crate) fn list_type(item: &DataType) -> DataType {
    DataType::List(Arc::new(Field::new_list_field(item.clone(), true)))
}

/// The type of the items of an array.
pub(crate) fn item_type(list: &DataType) -> Option<&DataType> {
    match list {
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => Some(item.data_type()),
        _ => None,
    }
}

fn common_type(left: &DataType, right: &DataType) -> Result<DataType> {
    match (left, right) {
        (left, right) if left == right => Ok(left.clone()),
        (DataType::Null, other) | (other, DataType::Null) => Ok(other.clone()),
        (left, right) => match comparison_coercion(left, right) {
            Some(common) => Ok(common),
            None => plan_err!("items of {left} are not compared with items of {right}"),
        },
    }
}

fn two_lists(given: &[DataType]) -> Typed {
    let [left, right] = given else { return plan_err!("two arrays are compared") };
    let (Some(left), Some(right)) = (item_type(left), item_type(right)) else {
        return plan_err!("an array is compared with an array, and not {left} with {right}");
    };
    let list = list_type(&common_type(left, right)?);
    Ok((vec![list.clone(), list], DataType::Boolean))
}

/// Whether all items of the right array are in the left one; a null is in none.
fn contains(call: &Call<'_>) -> Result<ArrayRef> {
    compared(call, |left, right, has_null| !has_null && left.is_superset(right))
}

/// Whether both arrays have an item in common.
fn overlaps(call: &Call<'_>) -> Result<ArrayRef> {
    compared(call, |left, right, _| !left.is_disjoint(right))
}

/// Compares the items that both arrays of a row have; the last argument tells whether the right one has a null.
fn compared(
    call: &Call<'_>,
    test: impl Fn(&BTreeSet<OwnedRow>, &BTreeSet<OwnedRow>, bool) -> bool,
) -> Result<ArrayRef> {
    let (left, right) = (call.args[0].as_list::<i32>(), call.args[1].as_list::<i32>());
    let converter = RowConverter::new(vec![SortField::new(left.value_type())])?;
    let items = |list: &ListArray, row: usize| -> Result<BTreeSet<OwnedRow>> {
        let items = list.value(row);
        let rows = converter.convert_columns(&[Arc::clone(&items)])?;
        Ok((0..items.len()).filter(|at| items.is_valid(*at)).map(|at| rows.row(at).owned()).collect())
    };
    let rows = (0..left.len()).map(|row| {
        if left.is_null(row) || right.is_null(row) {
            return Ok(None);
        }
        let has_null = right.value(row).null_count() > 0;
        Ok(Some(test(&items(left, row)?, &items(right, row)?, has_null)))
    });
    Ok(Arc::new(rows.collect::<Result<BooleanArray>>()?))
}

fn slice_typing(given: &[DataType]) -> Typed {
    match given {
        [list, _, _] if item_type(list).is_some() => {
            let list = list_type(item_type(list).unwrap_or(&DataType::Null));
            Ok((vec![list.clone(), DataType::Int64, DataType::Int64], list))
        }
        _ => plan_err!("an array has a part"),
    }
}

/// Items from one place to another, counted from 1; places beyond the array have none.
fn slice(call: &Call<'_>) -> Result<ArrayRef> {
    let lists = call.args[0].as_list::<i32>();
    let (first, last) = (call.args[1].as_primitive::<Int64Type>(), call.args[2].as_primitive::<Int64Type>());
    parts(lists, |row, items| {
        if first.is_null(row) || last.is_null(row) {
            return Ok(None);
        }
        let count = i64::try_from(items.len()).unwrap_or(i64::MAX);
        let (first, last) = (first.value(row).max(1), last.value(row).min(count));
        Ok(Some(between(items, first - 1, last)))
    })
}

/// Items behind the first `before` ones, up to the one at `end`.
fn between(items: &ArrayRef, before: i64, end: i64) -> ArrayRef {
    match (usize::try_from(before), usize::try_from(end)) {
        (Ok(before), Ok(end)) if before < end => items.slice(before, end - before),
        _ => items.slice(0, 0),
    }
}

fn trim_typing(given: &[DataType]) -> Typed {
    match given {
        [list, _] if item_type(list).is_some() => {
            let list = list_type(item_type(list).unwrap_or(&DataType::Null));
            Ok((vec![list.clone(), DataType::Int64], list))
        }
        _ => plan_err!("trim_array takes an array and a number of items"),
    }
}

/// An array without so many items at its end.
fn trim(call: &Call<'_>) -> Result<ArrayRef> {
    let (lists, counts) = (call.args[0].as_list::<i32>(), call.args[1].as_primitive::<Int64Type>());
    parts(lists, |row, items| {
        if counts.is_null(row) {
            return Ok(None);
        }
        let count = i64::try_from(items.len()).unwrap_or(i64::MAX);
        match counts.value(row) {
            left_out if (0..=count).contains(&left_out) => Ok(Some(between(items, 0, count - left_out))),
            _ => Err(ValueError::error("2202E", format!("number of elements to trim must be between 0 and {count}"))),
        }
    })
}

fn item_typing(given: &[DataType]) -> Typed {
    match given {
        [DataType::Null, item] => Ok((vec![list_type(item), item.clone()], list_type(item))),
        [list, item] => match item_type(list) {
            Some(own) => {
                let common = common_type(own, item)?;
                Ok((vec![list_type(&common), common.clone()], list_type(&common)))
            }
            None => plan_err!("array_remove takes an array and an item"),
        },
        _ => plan_err!("array_remove takes an array and an item"),
    }
}

/// An array without an item, which may be null.
fn remove(call: &Call<'_>) -> Result<ArrayRef> {
    let lists = call.args[0].as_list::<i32>();
    parts(lists, |row, items| {
        let item = Scalar::new(call.args[1].slice(row, 1));
        Ok(Some(filter(items, &cmp::distinct(items, &item)?)?))
    })
}

/// Arrays that are made of the items of each; null where an array is, and where nothing is made.
fn parts(lists: &ListArray, mut part: impl FnMut(usize, &ArrayRef) -> Result<Option<ArrayRef>>) -> Result<ArrayRef> {
    let mut made = Vec::with_capacity(lists.len());
    for row in 0..lists.len() {
        made.push(if lists.is_valid(row) { part(row, &lists.value(row))? } else { None });
    }
    let nulls = NullBuffer::from_iter(made.iter().map(Option::is_some));
    let offsets = OffsetBuffer::from_lengths(made.iter().map(|items| items.as_ref().map_or(0, |items| items.len())));
    let present: Vec<&dyn Array> = made.iter().flatten().map(AsRef::as_ref).collect();
    let values = if present.is_empty() { new_empty_array(&lists.value_type()) } else { concat(&present)? };
    let field = Arc::new(Field::new_list_field(lists.value_type(), true));
    Ok(Arc::new(ListArray::try_new(field, offsets, values, Some(nulls))?))
}
