//! Functions over arrays: reading them, their length, one of their items.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, ListArray, StringArray, UInt32Array};
use arrow::buffer::OffsetBuffer;
use arrow::compute::{cast, take};
use arrow::datatypes::{DataType, Field, Int64Type};
use datafusion::common::{DFSchema, Result, plan_err};
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawFieldAccessExpr};
use datafusion::logical_expr::{Expr, ExprSchemable, GetFieldAccess, ScalarUDF};
use std::sync::LazyLock;

use crate::postgres::function::{Call, Function};
use crate::postgres::functions::array_text::lists_of;
use crate::postgres::functions::compare_items::subscript;
use crate::postgres::rules::kinds::is_text;

type Typed = Result<(Vec<DataType>, DataType)>;

/// The functions of this module.
pub(crate) fn functions() -> Vec<Function> {
    vec![
        Function::new("array_of_text", of_text_typing, of_text).seeing_nulls(),
        Function::new("array_length", length_typing, length),
        Function::new(ARRAY_OR_EMPTY, or_empty_typing, or_empty).seeing_nulls(),
    ]
}

/// Name of the function that makes an empty array of null.
pub(crate) const ARRAY_OR_EMPTY: &str = "array_or_empty";

fn or_empty_typing(given: &[DataType]) -> Typed {
    match given {
        [DataType::List(item)] => Ok((vec![list_type(item.data_type())], list_type(item.data_type()))),
        _ => plan_err!("an array is wanted"),
    }
}

/// The rows of a subquery as an array: `array_agg` has null for no rows.
fn or_empty(call: &Call<'_>) -> Result<ArrayRef> {
    let lists = call.args[0].as_list::<i32>();
    let DataType::List(item) = call.result else { return plan_err!("an array is made") };
    let known: UInt32Array =
        (0..).zip(0..lists.len()).filter(|(_, row)| lists.is_valid(*row)).map(|(at, _)| at).collect();
    let items = take(lists, &known, None)?.as_list::<i32>().clone();
    let length =
        |row: usize| if lists.is_valid(row) { usize::try_from(lists.value_length(row)).unwrap_or(0) } else { 0 };
    let offsets = OffsetBuffer::from_lengths((0..lists.len()).map(length));
    // What was taken begins with its first item and ends with its last one.
    Ok(Arc::new(ListArray::try_new(Arc::clone(item), offsets, Arc::clone(items.values()), None)?))
}

static SUBSCRIPT: LazyLock<Arc<ScalarUDF>> =
    LazyLock::new(|| Function::new("array_subscript", subscript_typing, subscripts).udf());

fn list_type(item: &DataType) -> DataType {
    DataType::List(Arc::new(Field::new_list_field(item.clone(), true)))
}

/// `array_of_text('{…}', x)`: the array of items of the type of `x`.
fn of_text_typing(given: &[DataType]) -> Typed {
    match given {
        [text, item] if is_text(text) || *text == DataType::Null => {
            Ok((vec![DataType::Utf8View, item.clone()], list_type(item)))
        }
        _ => plan_err!("an array is read from a text"),
    }
}

fn of_text(call: &Call<'_>) -> Result<ArrayRef> {
    let DataType::List(item) = call.result else { return plan_err!("an array is made") };
    Ok(Arc::new(lists_of(call.args[0].as_string_view(), item.data_type())?))
}

fn length_typing(given: &[DataType]) -> Typed {
    let list = match given.first() {
        Some(DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _)) => {
            list_type(item.data_type())
        }
        Some(DataType::Null) => list_type(&DataType::Utf8View),
        _ => return plan_err!("array_length takes an array and the number of a dimension"),
    };
    match given.len() {
        1 => Ok((vec![list], DataType::Int64)),
        2 => Ok((vec![list, DataType::Int64], DataType::Int64)),
        _ => plan_err!("array_length takes an array and the number of a dimension"),
    }
}

/// Null for an empty array, and for a dimension that it has not.
fn length(call: &Call<'_>) -> Result<ArrayRef> {
    let lists = call.args[0].as_list::<i32>();
    let dimension = |row: usize| {
        call.args.get(1).map_or(Some(1), |numbers| {
            let numbers = numbers.as_primitive::<Int64Type>();
            numbers.is_valid(row).then(|| numbers.value(row))
        })
    };
    let lengths = (0..lists.len()).map(|row| {
        let mut items = lists.is_valid(row).then(|| lists.value(row))?;
        for _ in 1..dimension(row).filter(|wanted| (1..=6).contains(wanted))? {
            let inner = items.as_list_opt::<i32>().filter(|inner| !inner.is_empty() && inner.is_valid(0))?.value(0);
            items = inner;
        }
        i64::try_from(items.len()).ok().filter(|length| *length > 0)
    });
    Ok(Arc::new(lengths.collect::<Int64Array>()))
}

fn subscript_typing(given: &[DataType]) -> Typed {
    match given {
        [DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _), _] => {
            Ok((vec![list_type(item.data_type()), DataType::Int64], item.data_type().clone()))
        }
        _ => plan_err!("an item is taken of an array"),
    }
}

fn subscripts(call: &Call<'_>) -> Result<ArrayRef> {
    subscript(&call.args[0], &call.args[1], call.result)
}

/// Plans `array[n]`.
#[derive(Debug)]
pub(crate) struct Subscripts;

impl ExprPlanner for Subscripts {
    fn plan_field_access(
        &self,
        expr: RawFieldAccessExpr,
        schema: &DFSchema,
    ) -> Result<PlannerResult<RawFieldAccessExpr>> {
        let GetFieldAccess::ListIndex { key } = &expr.field_access else { return Ok(PlannerResult::Original(expr)) };
        if !matches!(expr.expr.get_type(schema), Ok(DataType::List(_) | DataType::LargeList(_))) {
            return Ok(PlannerResult::Original(expr));
        }
        let args: Vec<Expr> = vec![expr.expr.clone(), key.as_ref().clone()];
        Ok(PlannerResult::Planned(SUBSCRIPT.call(args)))
    }
}

/// The texts of an argument, as plain strings.
pub(crate) fn strings(array: &ArrayRef) -> Result<StringArray> {
    Ok(cast(array, &DataType::Utf8)?.as_string::<i32>().clone())
}
