//! Values as PostgreSQL writes them where a function takes values of any type: a truth value is `t`, and `true` only where it is cast.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field};
use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::logical_expr::expr::{BinaryExpr, ScalarFunction};
use datafusion::logical_expr::{Expr, Operator, cast, lit};

use crate::postgres::functions::array_text::is_written;
use crate::postgres::functions::cast_to::{CastTo, Target};
use crate::postgres::rules::kinds::type_of;

/// Functions that write each of their arguments.
const WRITING: [&str; 3] = ["concat", "concat_ws", "format"];
/// The function that writes the items of its first argument.
const WRITING_ITEMS: &str = "array_to_string";

/// A call whose arguments are texts.
pub(crate) fn write_arguments(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let Expr::ScalarFunction(ScalarFunction { func, mut args }) = expr else { return Ok(Transformed::no(expr)) };
    let mut is_changed = false;
    let is_writing = WRITING.contains(&func.name());
    for (at, arg) in args.iter_mut().enumerate() {
        let is_list = at == 0 && func.name() == WRITING_ITEMS;
        if !is_writing && !is_list {
            break;
        }
        let Some(of) = type_of(arg, schema) else { continue };
        let written = match &of {
            DataType::List(item) if is_list => items_written(arg, item.data_type()),
            of if is_writing => written(arg, of),
            _ => None,
        };
        if let Some(written) = written {
            *arg = written;
            is_changed = true;
        }
    }
    let call = Expr::ScalarFunction(ScalarFunction { func, args });
    Ok(if is_changed { Transformed::yes(call) } else { Transformed::no(call) })
}

/// A value as text; `None` where DataFusion writes it as PostgreSQL does.
fn written(value: &Expr, of: &DataType) -> Option<Expr> {
    Some(match of {
        DataType::Boolean => CastTo::call(Target::TruthText, value.clone()),
        DataType::Float32 | DataType::Float64 => CastTo::call(Target::FloatText, value.clone()),
        // The rules of times go on with the cast.
        DataType::Timestamp(..) | DataType::Interval(_) | DataType::Duration(_) => {
            cast(value.clone(), DataType::Utf8View)
        }
        DataType::List(item) if is_written(item.data_type()) => CastTo::call(Target::ListText, value.clone()),
        DataType::List(item) if is_time(item.data_type()) || *item.data_type() == DataType::Date32 => {
            CastTo::call(Target::ListText, cast(value.clone(), texts()))
        }
        _ => return None,
    })
}

/// An array of texts.
fn items_written(list: &Expr, item: &DataType) -> Option<Expr> {
    Some(match item {
        DataType::Boolean => CastTo::call(Target::Items(Box::new(Target::TruthText)), list.clone()),
        DataType::Float32 | DataType::Float64 => CastTo::call(Target::Items(Box::new(Target::FloatText)), list.clone()),
        of if is_time(of) => cast(list.clone(), texts()),
        _ => return None,
    })
}

fn is_time(of: &DataType) -> bool {
    matches!(of, DataType::Timestamp(..) | DataType::Interval(_) | DataType::Duration(_))
}

fn texts() -> DataType {
    DataType::List(Arc::new(Field::new_list_field(DataType::Utf8View, true)))
}

/// `to_hex` of an integer, whose negative numbers have eight digits.
pub(crate) fn write_hex(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let Expr::ScalarFunction(ScalarFunction { func, mut args }) = expr else { return Ok(Transformed::no(expr)) };
    let of_integer = |arg: &Expr| match arg {
        Expr::Negative(inner) => is_small(inner),
        other => is_small(other) || matches!(type_of(other, schema), Some(DataType::Int16 | DataType::Int32)),
    };
    let is_changed = func.name() == "to_hex" && args.len() == 1 && args.iter().all(of_integer);
    if is_changed {
        let wide = cast(args.remove(0), DataType::Int64);
        let mask = Box::new(lit(i64::from(u32::MAX)));
        args.push(Expr::BinaryExpr(BinaryExpr::new(Box::new(wide), Operator::BitwiseAnd, mask)));
    }
    let call = Expr::ScalarFunction(ScalarFunction { func, args });
    Ok(if is_changed { Transformed::yes(call) } else { Transformed::no(call) })
}

/// True for a constant that PostgreSQL takes for an integer.
fn is_small(expr: &Expr) -> bool {
    matches!(expr, Expr::Literal(ScalarValue::Int64(Some(value)), _) if i32::try_from(*value).is_ok())
}
