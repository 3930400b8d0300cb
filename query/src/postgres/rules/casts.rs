//! Casts that round, fail or shorten. DataFusion's cut halves off, keep every character, and are removed from comparisons.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field};
use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchema, Result, plan_err};
use datafusion::logical_expr::expr::Cast;
use datafusion::logical_expr::{Expr, cast};

use crate::postgres::functions::array_text::is_written;
use crate::postgres::functions::cast_to::{CastTo, Target};
use crate::postgres::rules::kinds::{is_decimal, is_numeric_constant, is_text, type_of};
use crate::postgres::types::{CHAR_LENGTH, TIME_DIGITS, VARCHAR_LENGTH, limit_of};

/// A cast as a function, where DataFusion's own is another than PostgreSQL's.
pub(crate) fn correct_cast(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let Expr::Cast(Cast { expr: operand, field }) = &expr else { return Ok(Transformed::no(expr)) };
    let to = field.data_type();
    let text_limit = |key: &str| limit_of(field, key).map(|limit| usize::try_from(limit).unwrap_or(usize::MAX));
    if let Some(length) = text_limit(VARCHAR_LENGTH) {
        return Ok(Transformed::yes(CastTo::call(Target::Varchar(length), as_type(operand, to))));
    }
    if let Some(length) = text_limit(CHAR_LENGTH) {
        return Ok(Transformed::yes(CastTo::call(Target::Char(length), as_type(operand, to))));
    }
    if let Some(digits) = limit_of(field, TIME_DIGITS) {
        let Ok(digits) = u32::try_from(digits) else { return plan_err!("a second has at most 6 digits") };
        return Ok(Transformed::yes(CastTo::call(Target::TimeDigits(to.clone(), digits), as_type(operand, to))));
    }
    let Some(from) = type_of(operand, schema) else { return Ok(Transformed::no(expr)) };
    if let DataType::List(item) = &from
        && is_text(to)
        && is_time(item.data_type())
    {
        // The items first, of which the rules of times know the zone.
        let items = DataType::List(Arc::new(Field::new_list_field(DataType::Utf8View, true)));
        return Ok(Transformed::yes(CastTo::call(Target::ListText, as_type(operand, &items))));
    }
    let is_constant = || is_numeric_constant(operand, schema);
    let Some(target) = target(&is_constant, &from, to) else { return Ok(Transformed::no(expr)) };
    Ok(Transformed::yes(CastTo::call(target, operand.as_ref().clone())))
}

fn as_type(operand: &Expr, to: &DataType) -> Expr {
    cast(operand.clone(), to.clone())
}

/// True for times, days and intervals.
fn is_time(of: &DataType) -> bool {
    matches!(of, DataType::Timestamp(..) | DataType::Date32 | DataType::Interval(_) | DataType::Duration(_))
}

fn target(is_constant: &dyn Fn() -> bool, from: &DataType, to: &DataType) -> Option<Target> {
    match (from, to) {
        (from, to) if to.is_signed_integer() && is_float(from) => Some(match is_constant() {
            true => Target::WholeOfNumeric(to.clone()),
            false => Target::Whole(to.clone()),
        }),
        (from, to) if to.is_signed_integer() && is_decimal(from) => Some(Target::Whole(to.clone())),
        (from, to) if to.is_signed_integer() && from.is_integer() && bits(from) > bits(to) => {
            Some(Target::Whole(to.clone()))
        }
        (from, DataType::Decimal128(precision, scale)) if is_float(from) || is_decimal(from) || from.is_integer() => {
            let keeps_all = match from {
                DataType::Decimal32(p, s) | DataType::Decimal64(p, s) | DataType::Decimal128(p, s) => {
                    scale >= s && i16::from(*precision) - i16::from(*scale) >= i16::from(*p) - i16::from(*s)
                }
                from if from.is_integer() => i16::from(*precision) - i16::from(*scale) >= 20,
                _ => false,
            };
            (!keeps_all).then_some(Target::Numeric(*precision, *scale))
        }
        (from, DataType::Float64 | DataType::Float32) if is_text(from) => Some(Target::Float(to.clone())),
        (from, DataType::List(item)) if is_text(from) && is_written(item.data_type()) => {
            Some(Target::List(item.data_type().clone()))
        }
        (DataType::List(item), to) if is_text(to) && is_written(item.data_type()) => Some(Target::ListText),
        (DataType::List(from), DataType::List(to)) => {
            let item = match (from.data_type(), to.data_type()) {
                (from, to) if is_float(from) && is_text(to) => Target::FloatText,
                (from, to) => target(is_constant, from, to)?,
            };
            Some(Target::Items(Box::new(item)))
        }
        (DataType::Float64, DataType::Float32) => Some(Target::Float(DataType::Float32)),
        _ => None,
    }
}

fn is_float(of: &DataType) -> bool {
    matches!(of, DataType::Float16 | DataType::Float32 | DataType::Float64)
}

/// Bits that a type's positive numbers take, and one for its sign.
fn bits(of: &DataType) -> u32 {
    match of {
        DataType::Int8 => 8,
        DataType::UInt8 => 9,
        DataType::Int16 => 16,
        DataType::UInt16 => 17,
        DataType::Int32 => 32,
        DataType::UInt32 => 33,
        DataType::Int64 => 64,
        _ => 65,
    }
}

/// The text of a float, also where DataFusion has added the cast itself.
pub(crate) fn correct_text(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let Expr::Cast(Cast { expr: operand, field }) = &expr else { return Ok(Transformed::no(expr)) };
    if !is_text(field.data_type()) || !type_of(operand, schema).is_some_and(|from| is_float(&from)) {
        return Ok(Transformed::no(expr));
    }
    let text = CastTo::call(Target::FloatText, operand.as_ref().clone());
    let text = if *field.data_type() == DataType::Utf8View { text } else { cast(text, field.data_type().clone()) };
    Ok(Transformed::yes(text))
}
