//! Arithmetic that fails where DataFusion's goes round: `+`, `-`, `*` and the minus sign of whole numbers, the division of doubles, and
//! that of decimals, which DataFusion ends four digits behind those of the dividend. That of doubles has one NaN, without a sign.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Datum, Decimal128Array, Float64Array};
use arrow::compute::kernels::numeric::{add, div, mul, neg, sub};
use arrow::datatypes::{DECIMAL128_MAX_PRECISION, DataType, Decimal128Type, Float64Type, i256};
use arrow::error::ArrowError;
use datafusion::common::{DataFusionError, Result, plan_err};
use datafusion::logical_expr::sort_properties::{ExprProperties, SortProperties};
use datafusion::logical_expr::{
    ColumnarValue, Expr, Operator, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::physical_expr_common::datum::apply;

use crate::postgres::value_error::ValueError;

/// An operation and how it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Operation {
    /// `a + b`.
    Add,
    /// `a - b`.
    Subtract,
    /// `a * b`.
    Multiply,
    /// `a / b` of doubles, or of decimals.
    Divide,
    /// `-a`.
    Negate,
}

impl Operation {
    /// The operation that an operator of whole numbers means.
    pub(crate) fn of(op: Operator) -> Option<Self> {
        match op {
            Operator::Plus => Some(Self::Add),
            Operator::Minus => Some(Self::Subtract),
            Operator::Multiply => Some(Self::Multiply),
            _ => None,
        }
    }
}

/// The checked form of an operation.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct Checked {
    operation: Operation,
    signature: Signature,
}

impl Checked {
    /// A call of the operation, whose operands have one type.
    pub(crate) fn call(operation: Operation, args: Vec<Expr>) -> Expr {
        let signature = Signature::user_defined(Volatility::Immutable);
        ScalarUDF::new_from_impl(Self { operation, signature }).call(args)
    }
}

impl ScalarUDFImpl for Checked {
    fn name(&self) -> &'static str {
        match self.operation {
            Operation::Add => "checked_add",
            Operation::Subtract => "checked_subtract",
            Operation::Multiply => "checked_multiply",
            Operation::Divide => "checked_divide",
            Operation::Negate => "checked_negate",
        }
    }

    /// As DataFusion names the operator, so that a column keeps its name.
    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        let sign = match self.operation {
            Operation::Add => "+",
            Operation::Subtract | Operation::Negate => "-",
            Operation::Multiply => "*",
            Operation::Divide => "/",
        };
        Ok(match args {
            [operand] => format!("(- {})", operand.schema_name()),
            [left, right] => format!("{} {sign} {}", left.schema_name(), right.schema_name()),
            _ => return plan_err!("{} takes one or two operands", self.name()),
        })
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        Ok(given.to_vec())
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        match (self.operation, types) {
            (Operation::Divide, [DataType::Decimal128(_, a), DataType::Decimal128(_, b)]) => {
                Ok(DataType::Decimal128(DECIMAL128_MAX_PRECISION, QUOTIENT_SCALE.max(*a).max(*b)))
            }
            (_, [first, ..]) => Ok(first.clone()),
            _ => plan_err!("{} takes operands", self.name()),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let of = args.return_field.data_type();
        let made = match (self.operation, args.args.as_slice()) {
            (Operation::Negate, [ColumnarValue::Array(operand)]) => {
                neg(operand).map(|negated| ColumnarValue::Array(without_signed_nan(negated)))
            }
            (Operation::Negate, [ColumnarValue::Scalar(operand)]) => {
                return negated(operand.to_array()?, of);
            }
            (Operation::Add, [left, right]) => return apply(left, right, sum).map_err(|error| explained(error, of)),
            (Operation::Subtract, [left, right]) => {
                return apply(left, right, difference).map_err(|error| explained(error, of));
            }
            (Operation::Multiply, [left, right]) => {
                return apply(left, right, product).map_err(|error| explained(error, of));
            }
            (Operation::Divide, [left, right]) if of.is_decimal() => {
                let arrays = [left.to_array(args.number_rows)?, right.to_array(args.number_rows)?];
                return Ok(ColumnarValue::Array(Arc::new(divide_decimals(&arrays[0], &arrays[1], of)?)));
            }
            (Operation::Divide, [left, right]) => return apply(left, right, divide),
            _ => return plan_err!("{} takes other operands", self.name()),
        };
        made.map_err(|error| explained(error.into(), of))
    }

    /// Sums and differences keep the order of an operand where the other is constant; beyond the type there is an error, and no row.
    fn output_ordering(&self, inputs: &[ExprProperties]) -> Result<SortProperties> {
        let of = |at: usize| inputs.get(at).map_or(SortProperties::Unordered, |input| input.sort_properties);
        // Of two infinities there comes a NaN, which is greater than all numbers.
        if inputs.iter().any(|input| input.range.data_type().is_floating()) {
            return Ok(SortProperties::Unordered);
        }
        Ok(match (self.operation, of(0), of(1)) {
            (Operation::Add, SortProperties::Singleton, other) | (Operation::Add, other, SortProperties::Singleton) => {
                other
            }
            (Operation::Subtract, other, SortProperties::Singleton) => other,
            _ => SortProperties::Unordered,
        })
    }
}

fn negated(operand: ArrayRef, of: &DataType) -> Result<ColumnarValue> {
    let negated = without_signed_nan(neg(&operand).map_err(|error| explained(error.into(), of))?);
    Ok(ColumnarValue::Scalar(datafusion::common::ScalarValue::try_from_array(&negated, 0)?))
}

/// `a + b`; infinity less infinity is a NaN whose sign is that of the machine.
fn sum(left: &dyn Datum, right: &dyn Datum) -> Result<ArrayRef, ArrowError> {
    add(left, right).map(without_signed_nan)
}

fn difference(left: &dyn Datum, right: &dyn Datum) -> Result<ArrayRef, ArrowError> {
    sub(left, right).map(without_signed_nan)
}

fn product(left: &dyn Datum, right: &dyn Datum) -> Result<ArrayRef, ArrowError> {
    mul(left, right).map(without_signed_nan)
}

/// Doubles of which each NaN is the same one.
fn without_signed_nan(values: ArrayRef) -> ArrayRef {
    match values.as_primitive_opt::<Float64Type>() {
        Some(doubles) if doubles.values().iter().any(|value| value.is_nan()) => {
            let plain: Float64Array = doubles.unary(|value| if value.is_nan() { f64::NAN } else { value });
            Arc::new(plain)
        }
        _ => values,
    }
}

/// PostgreSQL's `float8div`: a number by zero is an error, and NaN by zero is NaN.
fn divide(left: &dyn Datum, right: &dyn Datum) -> Result<ArrayRef, ArrowError> {
    let quotients = div(left, right)?;
    let found = quotients.as_primitive::<Float64Type>();
    // A quotient that is infinite, or not a number, is rare: only then are the divisors looked at.
    if found.values().iter().all(|quotient| quotient.is_finite()) {
        return Ok(quotients);
    }
    let ((left, one_left), (right, one_right)) = (left.get(), right.get());
    let (left, right) = (left.as_primitive::<Float64Type>(), right.as_primitive::<Float64Type>());
    for row in (0..found.len()).filter(|&row| found.is_valid(row) && !found.value(row).is_finite()) {
        let dividend = left.value(if one_left { 0 } else { row });
        let divisor = right.value(if one_right { 0 } else { row });
        if divisor == 0.0 && !dividend.is_nan() {
            return Err(ArrowError::DivideByZero);
        }
    }
    Ok(without_signed_nan(Arc::clone(&quotients)))
}

/// Digits behind the point of a quotient, as many as PostgreSQL gives at least where its whole part has one digit.
const QUOTIENT_SCALE: i8 = 16;

/// Quotients of decimals; halves of the last digit go away from zero.
fn divide_decimals(left: &ArrayRef, right: &ArrayRef, of: &DataType) -> Result<Decimal128Array> {
    let (DataType::Decimal128(_, a), DataType::Decimal128(_, b), DataType::Decimal128(precision, scale)) =
        (left.data_type(), right.data_type(), of)
    else {
        return plan_err!("a decimal is divided by a decimal");
    };
    let power = i256::from_i128(10).checked_pow(u32::from((scale + b - a).unsigned_abs()));
    let out_of_range = || ValueError::out_of_range("numeric field overflow: the quotient has too many digits");
    let limit = 10_i128.pow(u32::from(*precision));
    let one = |dividend: i128, divisor: i128| -> Result<i128> {
        if divisor == 0 {
            return Err(ArrowError::DivideByZero.into());
        }
        let (divisor, scaled) = (i256::from_i128(divisor), i256::from_i128(dividend));
        let scaled = power.and_then(|power| scaled.checked_mul(power)).ok_or_else(out_of_range)?;
        let quotient = scaled.checked_div(divisor).and_then(i256::to_i128).ok_or_else(out_of_range)?;
        let rest = scaled.wrapping_sub(i256::from_i128(quotient).wrapping_mul(divisor));
        // A half or more of the divisor is left.
        let is_half = rest.wrapping_abs() >= divisor.wrapping_abs().wrapping_sub(rest.wrapping_abs());
        let is_negative = (dividend < 0) != (divisor < i256::ZERO);
        let rounded = quotient
            + if !is_half {
                0
            } else if is_negative {
                -1
            } else {
                1
            };
        if rounded.abs() < limit { Ok(rounded) } else { Err(out_of_range()) }
    };
    let pairs = left.as_primitive::<Decimal128Type>().iter().zip(right.as_primitive::<Decimal128Type>());
    let quotients = pairs.map(|(dividend, divisor)| dividend.zip(divisor).map(|(a, b)| one(a, b)).transpose());
    let quotients: Decimal128Array = quotients.collect::<Result<_>>()?;
    Ok(quotients.with_precision_and_scale(*precision, *scale)?)
}

/// The error of a result beyond its type, with the name of the type and a way out.
fn explained(error: DataFusionError, of: &DataType) -> DataFusionError {
    let DataFusionError::ArrowError(arrow, _) = &error else { return error };
    if !matches!(**arrow, ArrowError::ArithmeticOverflow(_)) {
        return error;
    }
    ValueError::out_of_range(match of {
        DataType::Int8 | DataType::Int16 => {
            "smallint out of range: cast an operand to integer, bigint or numeric".to_owned()
        }
        DataType::Int32 => "integer out of range: cast an operand to bigint or numeric".to_owned(),
        DataType::Int64 => "bigint out of range: cast an operand to numeric or double precision".to_owned(),
        other => format!("{other} out of range: cast an operand to numeric or double precision"),
    })
}
