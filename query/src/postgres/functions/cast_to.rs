//! Casts as PostgreSQL makes them. They are functions, since DataFusion's optimizer moves its own casts from a column to a constant,
//! where they neither fail nor round (its `unwrap_cast`).

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Decimal128Array, Float32Array, Float64Array, Int64Array, ListArray,
    StringViewArray, TimestampMicrosecondArray,
};
use arrow::buffer::OffsetBuffer;
use arrow::compute::{CastOptions, cast, cast_with_options};
use arrow::datatypes::{
    DataType, Decimal128Type, Field, FieldRef, Float32Type, Float64Type, TimeUnit, TimestampMicrosecondType,
};
use arrow::util::display::FormatOptions;
use datafusion::common::{Result, ScalarValue, plan_err};
use datafusion::logical_expr::sort_properties::{ExprProperties, SortProperties};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use crate::postgres::functions::array_text::{lists_of, texts_of};
use crate::postgres::functions::number_text::{decimal_of, double_of, float_text};
use crate::postgres::value_error::ValueError;

/// What a cast makes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Target {
    /// A whole number: halves of a double go to the even neighbor.
    Whole(DataType),
    /// A whole number of a value that PostgreSQL calls numeric: halves go away from zero.
    WholeOfNumeric(DataType),
    /// A decimal of so many digits, so many of them behind the point.
    Numeric(u8, i8),
    /// A double or a float, of text or a double.
    Float(DataType),
    /// The text of a float.
    FloatText,
    /// An array of items of a type, of its text.
    List(DataType),
    /// The text of an array.
    ListText,
    /// An array of another type of items.
    Items(Box<Target>),
    /// A truth value as one letter, as PostgreSQL writes it where it is not cast.
    TruthText,
    /// At most so many characters.
    Varchar(usize),
    /// At most so many characters; blanks at the end do not count.
    Char(usize),
    /// A time with so many digits of its second, of the type of its operand.
    TimeDigits(DataType, u32),
}

/// A cast to one target.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct CastTo {
    target: Target,
    signature: Signature,
}

impl CastTo {
    /// The cast of an expression.
    pub(crate) fn call(target: Target, expr: Expr) -> Expr {
        let signature = Signature::any(1, Volatility::Immutable);
        ScalarUDF::new_from_impl(Self { target, signature }).call(vec![expr])
    }
}

impl ScalarUDFImpl for CastTo {
    fn name(&self) -> &'static str {
        match self.target {
            Target::Whole(_) | Target::WholeOfNumeric(_) => "to_whole_number",
            Target::Numeric(..) => "to_numeric",
            Target::Float(_) => "to_float",
            Target::FloatText | Target::ListText | Target::TruthText => "to_text",
            Target::List(_) | Target::Items(_) => "to_array",
            Target::Varchar(_) => "to_varchar",
            Target::Char(_) => "to_bpchar",
            Target::TimeDigits(..) => "to_time_digits",
        }
    }

    /// A cast is named as its operand, as DataFusion names it.
    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        match args {
            [operand] => Ok(operand.schema_name().to_string()),
            _ => plan_err!("a cast has one operand"),
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(self.target.data_type())
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let nullable = args.arg_fields.first().is_none_or(|field| field.is_nullable());
        Ok(Arc::new(Field::new(self.name(), self.return_type(&[])?, nullable)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let of = args.return_field.data_type();
        match args.args.as_slice() {
            [ColumnarValue::Array(values)] => Ok(ColumnarValue::Array(self.target.convert(values, of)?)),
            [ColumnarValue::Scalar(value)] => {
                let made = self.target.convert(&value.to_array()?, of)?;
                Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&made, 0)?))
            }
            _ => plan_err!("a cast has one operand"),
        }
    }

    /// Numbers keep their order when they are rounded.
    fn output_ordering(&self, inputs: &[ExprProperties]) -> Result<SortProperties> {
        let is_rounding = matches!(self.target, Target::Whole(_) | Target::WholeOfNumeric(_) | Target::TimeDigits(..));
        let is_number = |input: &ExprProperties| {
            input.range.data_type().is_numeric() || matches!(input.range.data_type(), DataType::Timestamp(..))
        };
        Ok(match inputs {
            [input] if is_rounding && is_number(input) => input.sort_properties,
            _ => SortProperties::Unordered,
        })
    }
}

impl Target {
    /// The type of what is made.
    fn data_type(&self) -> DataType {
        match self {
            Self::Whole(to) | Self::WholeOfNumeric(to) | Self::Float(to) => to.clone(),
            Self::Numeric(precision, scale) => DataType::Decimal128(*precision, *scale),
            Self::FloatText | Self::ListText | Self::TruthText | Self::Varchar(_) | Self::Char(_) => DataType::Utf8View,
            Self::List(item) => DataType::List(Arc::new(Field::new_list_field(item.clone(), true))),
            Self::Items(item) => DataType::List(Arc::new(Field::new_list_field(item.data_type(), true))),
            Self::TimeDigits(of, _) => of.clone(),
        }
    }

    fn convert(&self, values: &ArrayRef, of: &DataType) -> Result<ArrayRef> {
        match self {
            Self::Whole(_) => whole(values, of, f64::round_ties_even),
            Self::WholeOfNumeric(_) => whole(values, of, f64::round),
            Self::Numeric(precision, scale) => numeric(values, *precision, *scale),
            Self::Float(_) => float(values, of),
            Self::FloatText => Ok(Arc::new(float_texts(values)?)),
            Self::List(item) => Ok(Arc::new(lists_of(cast(values, &DataType::Utf8View)?.as_string_view(), item)?)),
            Self::ListText => Ok(Arc::new(texts_of(values.as_list::<i32>())?)),
            Self::Items(item) => items(values.as_list::<i32>(), item),
            Self::TruthText => Ok(Arc::new(truth_texts(values.as_boolean()))),
            Self::Varchar(length) => texts(values, |text| first_characters(text, *length)),
            Self::Char(length) => texts(values, |text| first_characters(text, *length).trim_end_matches(' ')),
            Self::TimeDigits(_, digits) => time_digits(values, of, *digits),
        }
    }
}

/// Arrays whose items are converted.
fn items(lists: &ListArray, item: &Target) -> Result<ArrayRef> {
    // What lies beside the arrays, as in a part of a column, is not looked at.
    let offsets = lists.offsets();
    let (first, last) = (offsets.first().copied().unwrap_or(0), offsets.last().copied().unwrap_or(0));
    let within = |offset: i32| usize::try_from(offset).unwrap_or(0);
    let values = lists.values().slice(within(first), within(last - first));
    let values = item.convert(&values, &item.data_type())?;
    let field = Arc::new(Field::new_list_field(item.data_type(), true));
    let offsets = OffsetBuffer::from_lengths(offsets.lengths());
    Ok(Arc::new(ListArray::try_new(field, offsets, values, lists.nulls().cloned())?))
}

/// `t` and `f`.
fn truth_texts(values: &BooleanArray) -> StringViewArray {
    values.iter().map(|value| value.map(|value| if value { "t" } else { "f" })).collect()
}

fn strict(values: &ArrayRef, to: &DataType) -> Result<ArrayRef> {
    let options = CastOptions { safe: false, format_options: FormatOptions::default() };
    Ok(cast_with_options(values, to, &options)?)
}

/// Whole numbers of numbers.
fn whole(values: &ArrayRef, to: &DataType, rounded: fn(f64) -> f64) -> Result<ArrayRef> {
    let out_of_range = |value: &dyn std::fmt::Display| {
        ValueError::out_of_range(format!("{} out of range: {value} does not fit", whole_name(to)))
    };
    let whole: ArrayRef = match values.data_type() {
        DataType::Float16 | DataType::Float32 | DataType::Float64 => {
            let doubles = cast(values, &DataType::Float64)?;
            // The ends of 64 bits, which are doubles; the upper one is just beyond.
            let fits = |value: f64| (-TWO_TO_63..TWO_TO_63).contains(&value);
            #[expect(clippy::cast_possible_truncation, reason = "the value is whole and fits")]
            let one = |value: f64| match rounded(value) {
                whole if fits(whole) => Ok(whole as i64),
                _ => Err(out_of_range(&value)),
            };
            let all = doubles.as_primitive::<Float64Type>();
            Arc::new(all.iter().map(|value| value.map(one).transpose()).collect::<Result<Int64Array>>()?)
        }
        DataType::Decimal32(_, scale) | DataType::Decimal64(_, scale) | DataType::Decimal128(_, scale) => {
            let decimals = cast(values, &DataType::Decimal128(38, *scale))?;
            let one = |value: i128| {
                let rounded = rescaled(value, *scale, 0)?;
                i64::try_from(rounded).map_err(|_too_large| out_of_range(&rounded))
            };
            let all = decimals.as_primitive::<Decimal128Type>();
            Arc::new(all.iter().map(|value| value.map(one).transpose()).collect::<Result<Int64Array>>()?)
        }
        _ => Arc::clone(values),
    };
    if whole.data_type() == to {
        return Ok(whole);
    }
    let narrow = cast(&whole, to)?;
    // A value that does not fit is null in the narrower type.
    match (0..whole.len()).find(|&row| whole.is_valid(row) && narrow.is_null(row)) {
        None => Ok(narrow),
        Some(row) => Err(out_of_range(&ScalarValue::try_from_array(&whole, row)?)),
    }
}

const TWO_TO_63: f64 = 9_223_372_036_854_775_808.0;

/// PostgreSQL's name of a type of whole numbers.
fn whole_name(of: &DataType) -> &'static str {
    match of {
        DataType::Int8 | DataType::Int16 | DataType::UInt8 => "smallint",
        DataType::Int32 | DataType::UInt16 => "integer",
        _ => "bigint",
    }
}

/// A decimal with another number of digits behind the point; halves go away from zero.
fn rescaled(value: i128, from: i8, to: i8) -> Result<i128> {
    let power = |digits: i8| 10_i128.checked_pow(u32::from(digits.unsigned_abs()));
    let scaled = match to - from {
        0 => Some(value),
        more @ 1.. => power(more).and_then(|power| value.checked_mul(power)),
        fewer => match power(fewer) {
            Some(power) => {
                let (quotient, rest) = (value / power, value % power);
                Some(if rest.abs() >= power - rest.abs() { quotient + value.signum() } else { quotient })
            }
            None => Some(0),
        },
    };
    scaled.ok_or_else(|| ValueError::out_of_range("numeric field overflow: the value has too many digits"))
}

fn numeric(values: &ArrayRef, precision: u8, scale: i8) -> Result<ArrayRef> {
    let limit = 10_i128.pow(u32::from(precision));
    let fitting = |value: i128| match value {
        value if value.abs() < limit => Ok(value),
        _ => Err(ValueError::out_of_range(format!(
            "numeric field overflow: a numeric({precision}, {scale}) has at most {} digits in front of the point",
            i16::from(precision) - i16::from(scale)
        ))),
    };
    let made: Decimal128Array = match values.data_type() {
        DataType::Float16 | DataType::Float32 | DataType::Float64 => {
            // A float of four bytes has six digits that are surely its own, a double 15.
            let digits = if *values.data_type() == DataType::Float64 { 15 } else { 6 };
            let doubles = cast(values, &DataType::Float64)?;
            let one = |value: f64| decimal_of(value, digits, scale).and_then(fitting);
            let all = doubles.as_primitive::<Float64Type>();
            all.iter().map(|value| value.map(one).transpose()).collect::<Result<_>>()?
        }
        DataType::Decimal32(_, from) | DataType::Decimal64(_, from) | DataType::Decimal128(_, from) => {
            let decimals = cast(values, &DataType::Decimal128(38, *from))?;
            let one = |value: i128| rescaled(value, *from, scale).and_then(fitting);
            let all = decimals.as_primitive::<Decimal128Type>();
            all.iter().map(|value| value.map(one).transpose()).collect::<Result<_>>()?
        }
        from if from.is_integer() => {
            let decimals = cast(values, &DataType::Decimal128(38, 0))?;
            let one = |value: i128| rescaled(value, 0, scale).and_then(fitting);
            let all = decimals.as_primitive::<Decimal128Type>();
            all.iter().map(|value| value.map(one).transpose()).collect::<Result<_>>()?
        }
        _ => return strict(values, &DataType::Decimal128(precision, scale)),
    };
    Ok(Arc::new(made.with_precision_and_scale(precision, scale)?))
}

fn float(values: &ArrayRef, to: &DataType) -> Result<ArrayRef> {
    let doubles: Float64Array = match values.data_type() {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
            let texts = cast(values, &DataType::Utf8View)?;
            texts.as_string_view().iter().map(|text| text.map(double_of).transpose()).collect::<Result<_>>()?
        }
        _ => strict(values, &DataType::Float64)?.as_primitive::<Float64Type>().clone(),
    };
    if *to == DataType::Float64 {
        return Ok(Arc::new(doubles));
    }
    #[expect(clippy::cast_possible_truncation, reason = "a float is meant, and an infinite one is found")]
    let one = |value: f64| match value as f32 {
        float if float.is_infinite() && value.is_finite() => {
            Err(ValueError::out_of_range(format!("real out of range: {value} does not fit")))
        }
        float => Ok(float),
    };
    Ok(Arc::new(doubles.iter().map(|value| value.map(one).transpose()).collect::<Result<Float32Array>>()?))
}

fn float_texts(values: &ArrayRef) -> Result<StringViewArray> {
    if *values.data_type() == DataType::Float32 {
        let floats = values.as_primitive::<Float32Type>();
        return Ok(floats.iter().map(|value| value.map(|value| float_text(value, 6))).collect());
    }
    let doubles = cast(values, &DataType::Float64)?;
    Ok(doubles.as_primitive::<Float64Type>().iter().map(|value| value.map(|value| float_text(value, 15))).collect())
}

fn texts(values: &ArrayRef, cut: impl Fn(&str) -> &str) -> Result<ArrayRef> {
    let texts = cast(values, &DataType::Utf8View)?;
    Ok(Arc::new(texts.as_string_view().iter().map(|text| text.map(&cut)).collect::<StringViewArray>()))
}

fn first_characters(text: &str, count: usize) -> &str {
    text.char_indices().nth(count).map_or(text, |(end, _)| &text[..end])
}

/// Times with fewer digits; halves go to the even neighbor only where PostgreSQL's doubles did: today they go up, away from zero.
fn time_digits(values: &ArrayRef, of: &DataType, digits: u32) -> Result<ArrayRef> {
    let step = 10_i64.pow(6_u32.saturating_sub(digits));
    let DataType::Timestamp(_, zone) = of else { return plan_err!("{of} has no digits of a second") };
    let times = cast(values, &DataType::Timestamp(TimeUnit::Microsecond, zone.clone()))?;
    let half = step / 2;
    let one = |us: i64| {
        let nearest = if us >= 0 { us.saturating_add(half) / step } else { us.saturating_sub(half) / step };
        nearest.saturating_mul(step)
    };
    let rounded: TimestampMicrosecondArray = times.as_primitive::<TimestampMicrosecondType>().unary(one);
    Ok(Arc::new(rounded.with_data_type(of.clone())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_that_are_left_out_are_rounded_away_from_zero() {
        for (value, from, to, wanted) in
            [(15, 1, 0, 2), (-15, 1, 0, -2), (14, 1, 0, 1), (25, 1, 0, 3), (5, 0, 2, 500), (4, 38, 0, 0), (49, 2, 0, 0)]
        {
            assert_eq!(rescaled(value, from, to).unwrap(), wanted, "{value} of {from} digits with {to}");
        }
        assert!(rescaled(i128::MAX, 0, 1).is_err());
    }
}
