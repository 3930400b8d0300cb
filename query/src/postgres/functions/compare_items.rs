//! `x op ANY (array)` and `x op ALL (array)` with SQL's three truth values: null where only a null could decide.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Float64Array, Scalar, UInt32Array, new_null_array};
use arrow::compute::kernels::cmp;
use arrow::compute::{concat, sort, take};
use arrow::datatypes::{DataType, Field, Float64Type};
use arrow::row::{OwnedRow, RowConverter, SortField};
use datafusion::common::{Result, ScalarValue, plan_err};
use datafusion::logical_expr::expr::InList;
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::type_coercion::binary::comparison_coercion;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility, lit,
};

/// `compare_any(x, array, op, of_rows)` and `compare_all`, which the syntax becomes. With `of_rows`, the array is that of the rows of
/// a subquery, of which null means none.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct CompareItems {
    is_all: bool,
    signature: Signature,
}

impl CompareItems {
    /// Both functions.
    pub(crate) fn both() -> [ScalarUDF; 2] {
        [false, true].map(|is_all| {
            let signature = Signature::user_defined(Volatility::Immutable);
            ScalarUDF::new_from_impl(Self { is_all, signature })
        })
    }
}

impl ScalarUDFImpl for CompareItems {
    fn name(&self) -> &'static str {
        if self.is_all { "compare_all" } else { "compare_any" }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let [value, list, DataType::Utf8 | DataType::Utf8View, DataType::Boolean] = types else {
            return plan_err!("op ANY/ALL (array) takes a value and an array");
        };
        let item = match list {
            DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => item.data_type(),
            DataType::Null => value,
            other => return plan_err!("op ANY/ALL (array) requires an array on its right side, and not {other}"),
        };
        let common = match (value, item) {
            (value, item) if value == item => Some(value.clone()),
            (DataType::Null, item) => Some(item.clone()),
            (value, DataType::Null) => Some(value.clone()),
            (value, item) => comparison_coercion(value, item),
        };
        match common {
            Some(common) => {
                let list = DataType::List(Arc::new(Field::new_list_field(common.clone(), true)));
                Ok(vec![common, list, DataType::Utf8, DataType::Boolean])
            }
            None => plan_err!("a value of {value} is not compared with items of {item}"),
        }
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    /// Membership in a constant array is IN, by which files are left out.
    fn simplify(&self, args: Vec<Expr>, _: &SimplifyContext) -> Result<ExprSimplifyResult> {
        let wanted = if self.is_all { "<>" } else { "=" };
        if let [value, Expr::Literal(ScalarValue::List(list), _), Expr::Literal(op, _), _] = args.as_slice()
            && op.try_as_str().flatten() == Some(wanted)
            && list.is_valid(0)
            && (1..=IN_LIST_MAX).contains(&list.value(0).len())
        {
            let items = list.value(0);
            let members = (0..items.len())
                .map(|at| ScalarValue::try_from_array(&items, at).map(lit))
                .collect::<Result<Vec<_>>>()?;
            let list = InList::new(Box::new(value.clone()), members, self.is_all);
            return Ok(ExprSimplifyResult::Simplified(Expr::InList(list)));
        }
        Ok(ExprSimplifyResult::Original(args))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [value, list, ColumnarValue::Scalar(op), ColumnarValue::Scalar(of_rows)] = args.args.as_slice() else {
            return plan_err!("the operator of ANY and ALL is a constant");
        };
        let Some(op) = op.try_as_str().flatten().and_then(Comparison::of) else {
            return plan_err!("ANY and ALL compare by =, <>, <, <=, > and >=");
        };
        let of_rows = *of_rows == ScalarValue::Boolean(Some(true));
        let values = value.to_array(args.number_rows)?;
        let compared = match list {
            ColumnarValue::Scalar(list) => self.compare(&values, items_of(&list.to_array()?, 0), op, of_rows)?,
            ColumnarValue::Array(lists) => {
                let rows = (0..values.len()).map(|row| {
                    self.compare(&values.slice(row, 1), items_of(lists, row), op, of_rows).map(|one| Arc::new(one) as _)
                });
                let rows = rows.collect::<Result<Vec<ArrayRef>>>()?;
                let rows: Vec<&dyn Array> = rows.iter().map(AsRef::as_ref).collect();
                match rows.is_empty() {
                    true => BooleanArray::new_null(0),
                    false => concat(&rows)?.as_boolean().clone(),
                }
            }
        };
        Ok(ColumnarValue::Array(Arc::new(compared)))
    }
}

/// Items up to which membership is written as IN.
const IN_LIST_MAX: usize = 1_000;

/// The items of the array of a row; none where it is null.
fn items_of(lists: &ArrayRef, row: usize) -> Option<ArrayRef> {
    let lists = lists.as_list_opt::<i32>()?;
    lists.is_valid(row).then(|| lists.value(row))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Eq,
    NotEq,
    Lt,
    LtEq,
    Gt,
    GtEq,
}

impl Comparison {
    fn of(written: &str) -> Option<Self> {
        Some(match written {
            "=" => Self::Eq,
            "<>" | "!=" => Self::NotEq,
            "<" => Self::Lt,
            "<=" => Self::LtEq,
            ">" => Self::Gt,
            ">=" => Self::GtEq,
            _ => return None,
        })
    }

    fn with(self, values: &ArrayRef, one: &ArrayRef) -> Result<BooleanArray> {
        let one = Scalar::new(one);
        Ok(match self {
            Self::Eq => cmp::eq(values, &one)?,
            Self::NotEq => cmp::neq(values, &one)?,
            Self::Lt => cmp::lt(values, &one)?,
            Self::LtEq => cmp::lt_eq(values, &one)?,
            Self::Gt => cmp::gt(values, &one)?,
            Self::GtEq => cmp::gt_eq(values, &one)?,
        })
    }
}

impl CompareItems {
    /// Values compared with all items of one array.
    fn compare(
        &self,
        values: &ArrayRef,
        items: Option<ArrayRef>,
        op: Comparison,
        of_rows: bool,
    ) -> Result<BooleanArray> {
        let empty = |values: &ArrayRef| BooleanArray::from(vec![self.is_all; values.len()]);
        let Some(items) = items else {
            return Ok(if of_rows { empty(values) } else { BooleanArray::new_null(values.len()) });
        };
        if items.is_empty() {
            return Ok(empty(values));
        }
        let has_nulls = items.null_count() > 0;
        let (values, items) = (without_negative_zero(values), sort(&without_negative_zero(&items), None)?);
        // Nulls are first in the order.
        let items = items.slice(items.null_count(), items.len() - items.null_count());
        let decided = self.against_items(&values, &items, op)?;
        let row = |(value, decided): (bool, Option<bool>)| match decided {
            _ if !value => None,
            Some(decided) if decided != self.is_all => Some(decided),
            _ if has_nulls => None,
            _ => Some(self.is_all),
        };
        let present = (0..values.len()).map(|row| values.is_valid(row));
        Ok(present.zip(&decided).map(row).collect())
    }

    /// Values compared with items in their order, none of which is null: for ANY whether one matches, for ALL whether all do.
    fn against_items(&self, values: &ArrayRef, items: &ArrayRef, op: Comparison) -> Result<BooleanArray> {
        let Some(last) = items.len().checked_sub(1) else {
            return Ok(BooleanArray::from(vec![self.is_all; values.len()]));
        };
        let item = |at: usize| items.slice(at, 1);
        let is_one = || Ok::<bool, datafusion::common::DataFusionError>(cmp::eq(&item(0), &item(last))?.value(0));
        match (op, self.is_all) {
            (Comparison::Eq, false) => membership(values, items, false),
            (Comparison::NotEq, true) => membership(values, items, true),
            // Two different items: one of them is another, and not both are the same.
            (Comparison::NotEq, false) if !is_one()? => Ok(BooleanArray::from(vec![true; values.len()])),
            (Comparison::Eq, true) if !is_one()? => Ok(BooleanArray::from(vec![false; values.len()])),
            (Comparison::Lt | Comparison::LtEq, false) | (Comparison::Gt | Comparison::GtEq, true) => {
                op.with(values, &item(last))
            }
            _ => op.with(values, &item(0)),
        }
    }
}

fn membership(values: &ArrayRef, items: &ArrayRef, is_absent: bool) -> Result<BooleanArray> {
    let converter = RowConverter::new(vec![SortField::new(items.data_type().clone())])?;
    let of_items = converter.convert_columns(&[Arc::clone(items)])?;
    let known: HashSet<OwnedRow> = of_items.iter().map(|row| row.owned()).collect();
    let of_values = converter.convert_columns(&[Arc::clone(values)])?;
    Ok(of_values.iter().map(|row| Some(known.contains(&row.owned()) != is_absent)).collect())
}

/// Doubles in which no zero has a sign, since zeros are equal in SQL.
fn without_negative_zero(values: &ArrayRef) -> ArrayRef {
    match values.as_primitive_opt::<Float64Type>() {
        Some(doubles) => {
            let plain: Float64Array = doubles.unary(|value| value + 0.0);
            Arc::new(plain)
        }
        None => Arc::clone(values),
    }
}

/// `list[n]`: null outside of the array. DataFusion counts negative numbers from its end.
pub(crate) fn subscript(lists: &ArrayRef, numbers: &ArrayRef, of: &DataType) -> Result<ArrayRef> {
    let Some(lists) = lists.as_list_opt::<i32>() else { return Ok(new_null_array(of, numbers.len())) };
    let numbers = numbers.as_primitive::<arrow::datatypes::Int64Type>();
    let offsets = lists.value_offsets();
    let at = (0..lists.len()).map(|row| {
        let (start, end) = (i64::from(offsets[row]), i64::from(offsets[row + 1]));
        let wanted = numbers.is_valid(row).then(|| numbers.value(row)).filter(|wanted| *wanted >= 1);
        let place = wanted.and_then(|wanted| start.checked_add(wanted - 1)).filter(|place| *place < end);
        place.filter(|_| lists.is_valid(row)).and_then(|place| u32::try_from(place).ok())
    });
    let places: UInt32Array = at.collect();
    Ok(take(lists.values(), &places, None)?)
}
