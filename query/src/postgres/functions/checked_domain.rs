//! Functions of DataFusion with the errors that PostgreSQL has: a logarithm of nothing, a root of a negative number, a result beyond a
//! double.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, FieldRef, Float64Type};
use datafusion::common::{DataFusionError, Result};
use datafusion::logical_expr::interval_arithmetic::Interval;
use datafusion::logical_expr::sort_properties::{ExprProperties, SortProperties};
use datafusion::logical_expr::{
    ColumnarValue, Documentation, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
};

use crate::postgres::value_error::ValueError;

/// What is wrong with arguments and their result; `None` where nothing is.
pub(crate) type Check = fn(&[f64], f64) -> Option<DataFusionError>;

/// Functions that are checked, each with its check.
pub(crate) const CHECKED: [(&str, Check); 14] = [
    ("ln", logarithm),
    ("log", logarithm),
    ("log10", logarithm),
    ("log2", logarithm),
    ("sqrt", root),
    ("power", power),
    ("exp", overflow),
    ("acos", domain),
    ("asin", domain),
    ("acosh", domain),
    ("atanh", domain),
    ("sin", domain),
    ("cos", domain),
    ("tan", domain),
];

/// A result that is no number, of arguments that are.
fn domain(args: &[f64], result: f64) -> Option<DataFusionError> {
    let is_beyond = result.is_nan() && args.iter().all(|arg| !arg.is_nan());
    is_beyond.then(|| ValueError::out_of_range("input is out of range"))
}

fn logarithm(args: &[f64], _: f64) -> Option<DataFusionError> {
    if args.contains(&0.0) {
        return Some(ValueError::error("2201E", "cannot take logarithm of zero"));
    }
    let is_negative = args.iter().any(|arg| *arg < 0.0);
    is_negative.then(|| ValueError::error("2201E", "cannot take logarithm of a negative number"))
}

fn root(args: &[f64], _: f64) -> Option<DataFusionError> {
    let is_negative = args.iter().any(|arg| *arg < 0.0);
    is_negative.then(|| ValueError::error("2201F", "cannot take square root of a negative number"))
}

fn power(args: &[f64], result: f64) -> Option<DataFusionError> {
    let [base, exponent] = args else { return None };
    if *base == 0.0 && *exponent < 0.0 {
        return Some(ValueError::error("2201F", "zero raised to a negative power is undefined"));
    }
    if *base < 0.0 && base.is_finite() && exponent.is_finite() && exponent.fract() != 0.0 {
        let words = "a negative number raised to a non-integer power yields a complex result";
        return Some(ValueError::error("2201F", words));
    }
    overflow(args, result)
}

fn overflow(args: &[f64], result: f64) -> Option<DataFusionError> {
    let is_beyond = result.is_infinite() && args.iter().all(|arg| arg.is_finite());
    is_beyond.then(|| ValueError::out_of_range("value out of range: overflow of double precision"))
}

/// A function with its check.
#[derive(Debug)]
pub(crate) struct CheckedDomain {
    function: Arc<ScalarUDF>,
    check: Check,
}

impl CheckedDomain {
    /// The function that takes the place of another one.
    pub(crate) fn of(function: Arc<ScalarUDF>, check: Check) -> Arc<ScalarUDF> {
        Arc::new(ScalarUDF::new_from_impl(Self { function, check }))
    }
}

impl PartialEq for CheckedDomain {
    fn eq(&self, other: &Self) -> bool {
        self.function == other.function
    }
}

impl Eq for CheckedDomain {}

impl std::hash::Hash for CheckedDomain {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.function.hash(state);
    }
}

impl ScalarUDFImpl for CheckedDomain {
    fn name(&self) -> &str {
        self.function.name()
    }

    fn aliases(&self) -> &[String] {
        self.function.aliases()
    }

    fn signature(&self) -> &Signature {
        self.function.signature()
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        self.function.coerce_types(types)
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.function.return_type(types)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        self.function.return_field_from_args(args)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = args.number_rows;
        let given = args.args.iter().map(|arg| doubles(arg, rows)).collect::<Result<Vec<_>>>()?;
        let result = self.function.invoke_with_args(args)?;
        let found = doubles(&result, rows)?;
        // A result that is a plain number needs no look at the arguments: those of all refused arguments are not.
        for row in (0..found.len()).filter(|&row| found.is_valid(row)) {
            let value = found.as_primitive::<Float64Type>().value(row);
            if value.is_finite() {
                continue;
            }
            let of_row: Vec<f64> = given
                .iter()
                .map(|array| array.as_primitive::<Float64Type>().value(if array.len() == 1 { 0 } else { row }))
                .collect();
            if let Some(error) = (self.check)(&of_row, value) {
                return Err(error);
            }
        }
        Ok(result)
    }

    /// DataFusion's functions fail where values may lie beyond their domain; there they keep no order, and a sort by them is one all the same.
    fn output_ordering(&self, inputs: &[ExprProperties]) -> Result<SortProperties> {
        Ok(self.function.output_ordering(inputs).unwrap_or(SortProperties::Unordered))
    }

    /// Of an argument without bounds DataFusion's functions know no bounds, and fail.
    fn evaluate_bounds(&self, inputs: &[&Interval]) -> Result<Interval> {
        self.function.evaluate_bounds(inputs).or_else(|_unknown| Interval::make_unbounded(&DataType::Null))
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.function.documentation()
    }
}

fn doubles(value: &ColumnarValue, rows: usize) -> Result<ArrayRef> {
    let array = match value {
        ColumnarValue::Array(array) => Arc::clone(array),
        ColumnarValue::Scalar(scalar) => scalar.to_array_of_size(if rows == 0 { 0 } else { 1 })?,
    };
    Ok(cast(&array, &DataType::Float64)?)
}
