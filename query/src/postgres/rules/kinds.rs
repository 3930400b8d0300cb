//! Kinds of expressions by their type in PostgreSQL, where Arrow's type does not tell.

use arrow::datatypes::DataType;
use datafusion::common::{DFSchema, ExprSchema, ScalarValue};
use datafusion::logical_expr::expr::{BinaryExpr, Cast};
use datafusion::logical_expr::{Expr, ExprSchemable, Operator};

/// Type of an expression, where it has one.
pub(crate) fn type_of(expr: &Expr, schema: &DFSchema) -> Option<DataType> {
    expr.get_type(schema as &dyn ExprSchema).ok()
}

/// True for types of text.
pub(crate) fn is_text(of: &DataType) -> bool {
    matches!(of, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

/// True for the decimals that SQL can have here.
pub(crate) fn is_decimal(of: &DataType) -> bool {
    matches!(of, DataType::Decimal32(..) | DataType::Decimal64(..) | DataType::Decimal128(..))
}

/// True where PostgreSQL takes a double of ours for a numeric: a constant such as `2.5`, and what is computed of such constants and whole
/// numbers alone. Halves are rounded away from zero then.
pub(crate) fn is_numeric_constant(expr: &Expr, schema: &DFSchema) -> bool {
    kind_of(expr, schema, DEPTH_MAX) == Some(Kind::Numeric)
}

/// Levels of an expression that are looked through.
const DEPTH_MAX: usize = 32;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Whole,
    Numeric,
}

fn kind_of(expr: &Expr, schema: &DFSchema, depth: usize) -> Option<Kind> {
    let depth = depth.checked_sub(1)?;
    match expr {
        Expr::Literal(ScalarValue::Float64(Some(_)), _) => Some(Kind::Numeric),
        Expr::Negative(operand) => kind_of(operand, schema, depth),
        // The items of an array that is written out.
        Expr::ScalarFunction(call) if call.name() == "make_array" => {
            let items = call.args.iter().map(|item| kind_of(item, schema, depth)).collect::<Option<Vec<_>>>()?;
            Some(if items.contains(&Kind::Numeric) { Kind::Numeric } else { Kind::Whole })
        }
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
            let is_arithmetic = matches!(
                op,
                Operator::Plus | Operator::Minus | Operator::Multiply | Operator::Divide | Operator::Modulo
            );
            let (left, right) = (kind_of(left, schema, depth)?, kind_of(right, schema, depth)?);
            match (left, right) {
                _ if !is_arithmetic => None,
                (Kind::Whole, Kind::Whole) => Some(Kind::Whole),
                _ => Some(Kind::Numeric),
            }
        }
        other => match type_of(other, schema)? {
            of if of.is_integer() => Some(Kind::Whole),
            of if is_decimal(&of) => Some(Kind::Numeric),
            _ => None,
        },
    }
}

/// The operand of a cast that only widens whole numbers, else the expression itself.
pub(crate) fn without_widening<'a>(expr: &'a Expr, schema: &DFSchema) -> &'a Expr {
    match expr {
        Expr::Cast(Cast { expr: inner, field })
            if field.data_type().is_integer() && type_of(inner, schema).is_some_and(|of| of.is_integer()) =>
        {
            inner
        }
        _ => expr,
    }
}
