//! One column of a source into the values of one field: texts are read, typed columns are cast without loss.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanBuilder, Float64Array, Float64Builder, Int64Builder, StringArray, StringBuilder,
    TimestampMicrosecondBuilder,
};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Float64Type, TimeUnit};
use arrow::error::ArrowError;
use zonelake_schemas::columns::timestamp;

use crate::columns::instant::TimeReader;
use crate::columns::number::{NumberForm, whole};
use crate::columns::units::Linear;
use crate::mapping::declaration::Mapping;
use crate::mapping::time::TimeMapping;

/// Kind of value that a column becomes.
#[derive(Debug, Clone)]
pub(crate) enum CellKind {
    Double(Linear),
    Bigint,
    Boolean,
    Text,
    Timestamp(TimeReader),
}

/// A cell that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BadCell {
    pub(crate) row: usize,
    pub(crate) value: String,
    pub(crate) reason: String,
}

impl CellKind {
    /// Kind of the values of a wire type; `None` for a type that the wire does not have.
    pub(crate) fn of(wire: &DataType, linear: Linear) -> Option<Self> {
        Some(match wire {
            DataType::Float64 | DataType::Decimal32(..) | DataType::Decimal64(..) => Self::Double(linear),
            DataType::Int64 => Self::Bigint,
            DataType::Boolean => Self::Boolean,
            DataType::Utf8 => Self::Text,
            DataType::Timestamp(..) => {
                Self::Timestamp(TimeReader::new(&TimeMapping::default()).expect("RFC 3339 states its offset"))
            }
            _ => return None,
        })
    }

    /// The type in which the values are sent. A double is sent as such even where the table keeps decimals, so that a
    /// value that does not fit is rejected by the server, and kept by it with its reason.
    pub(crate) fn wire_type(&self) -> DataType {
        match self {
            Self::Double(_) => DataType::Float64,
            Self::Bigint => DataType::Int64,
            Self::Boolean => DataType::Boolean,
            Self::Text => DataType::Utf8,
            Self::Timestamp(_) => timestamp(),
        }
    }

    /// Whether a cell that cannot be read leaves the rest of its row, and is sent as the text that it is: the server keeps it with
    /// its reason.
    pub(crate) fn may_be_text(&self) -> bool {
        matches!(self, Self::Double(_) | Self::Bigint | Self::Boolean)
    }

    /// Reads a column of texts, or casts a typed one. Bad cells are null and told.
    pub(crate) fn read(
        &self,
        column: &ArrayRef,
        form: &CellForm<'_>,
        bad: &mut Vec<BadCell>,
    ) -> Result<ArrayRef, ArrowError> {
        match texts(column)? {
            Some(texts) => Ok(self.read_texts(&texts, form, bad)),
            None => self.cast(column, form.numbers, bad),
        }
    }

    fn read_texts(&self, texts: &StringArray, form: &CellForm<'_>, bad: &mut Vec<BadCell>) -> ArrayRef {
        let cells = Cells { texts, mapping: form.mapping };
        match self {
            Self::Double(linear) => {
                let mut values = Float64Builder::with_capacity(texts.len());
                cells.each(bad, |text| form.numbers.read(text), |value| values.append_option(value));
                converted(values.finish(), *linear)
            }
            Self::Bigint => {
                let mut values = Int64Builder::with_capacity(texts.len());
                cells.each(bad, |text| form.numbers.read_whole(text), |value| values.append_option(value));
                Arc::new(values.finish())
            }
            Self::Boolean => {
                let mut values = BooleanBuilder::with_capacity(texts.len());
                cells.each(bad, |text| boolean(text).map(Some), |value| values.append_option(value));
                Arc::new(values.finish())
            }
            Self::Text => {
                let mut values = StringBuilder::new();
                cells.each(bad, |text| Ok(Some(text.to_owned())), |value| values.append_option(value));
                Arc::new(values.finish())
            }
            Self::Timestamp(reader) => {
                let mut values = TimestampMicrosecondBuilder::with_capacity(texts.len()).with_timezone("UTC");
                cells.each(bad, |text| reader.read(text, None).map(Some), |value| values.append_option(value));
                Arc::new(values.finish())
            }
        }
    }

    fn cast(&self, column: &ArrayRef, numbers: &NumberForm, bad: &mut Vec<BadCell>) -> Result<ArrayRef, ArrowError> {
        let from = column.data_type();
        if matches!(self, Self::Bigint) && from.is_floating() {
            let doubles = cast_strictly(column, &DataType::Float64)?;
            return Ok(whole_numbers(doubles.as_primitive::<Float64Type>(), bad));
        }
        let fits = match self {
            Self::Double(_) => from.is_numeric(),
            Self::Bigint => from.is_integer(),
            Self::Boolean => *from == DataType::Boolean,
            Self::Text => true,
            Self::Timestamp(_) => matches!(from, DataType::Timestamp(_, Some(_))),
        };
        if !fits {
            return Err(ArrowError::CastError(format!("{from} cannot become {}", self.wire_type())));
        }
        let values = cast_strictly(column, &self.wire_type())?;
        match self {
            Self::Double(linear) => {
                let values = values.as_primitive::<Float64Type>();
                Ok(converted(numbers.without_sentinels(values), *linear))
            }
            _ => Ok(values),
        }
    }
}

/// The column as texts where it is one of texts.
pub(crate) fn texts(column: &ArrayRef) -> Result<Option<StringArray>, ArrowError> {
    let is_text = match column.data_type() {
        DataType::Dictionary(_, values) => values.is_string(),
        other => other.is_string(),
    };
    is_text.then(|| as_texts(column)).transpose()
}

/// The column as texts, whatever it is of.
pub(crate) fn as_texts(column: &ArrayRef) -> Result<StringArray, ArrowError> {
    Ok(cast_strictly(column, &DataType::Utf8)?.as_string::<i32>().clone())
}

/// The column as instants where it is one of local times.
pub(crate) fn local_times(column: &ArrayRef) -> Result<Option<ArrayRef>, ArrowError> {
    let is_local = matches!(column.data_type(), DataType::Timestamp(_, None));
    is_local.then(|| cast_strictly(column, &DataType::Timestamp(TimeUnit::Microsecond, None))).transpose()
}

/// Casts; an error where a value does not fit.
pub(crate) fn cast_strictly(column: &ArrayRef, to: &DataType) -> Result<ArrayRef, ArrowError> {
    if column.data_type() == to {
        return Ok(column.clone());
    }
    cast_with_options(column, to, &CastOptions { safe: false, ..CastOptions::default() })
}

/// Form of the cells of a source.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CellForm<'a> {
    pub(crate) mapping: &'a Mapping,
    pub(crate) numbers: &'a NumberForm,
}

struct Cells<'a> {
    texts: &'a StringArray,
    mapping: &'a Mapping,
}

impl Cells<'_> {
    fn each<T>(
        &self,
        bad: &mut Vec<BadCell>,
        read: impl Fn(&str) -> Result<Option<T>, String>,
        mut take: impl FnMut(Option<T>),
    ) {
        for (row, text) in self.texts.iter().enumerate() {
            let text = text.unwrap_or_default();
            let trimmed = text.trim();
            if trimmed.is_empty() || self.mapping.is_null(trimmed) {
                take(None);
                continue;
            }
            match read(trimmed) {
                Ok(value) => take(value),
                Err(reason) => {
                    bad.push(BadCell { row, value: text.to_owned(), reason });
                    take(None);
                }
            }
        }
    }
}

fn whole_numbers(doubles: &Float64Array, bad: &mut Vec<BadCell>) -> ArrayRef {
    let mut values = Int64Builder::with_capacity(doubles.len());
    for (row, double) in doubles.iter().enumerate() {
        let value = double.and_then(whole);
        if let (Some(double), None) = (double, value) {
            bad.push(BadCell { row, value: double.to_string(), reason: "it is no whole number".into() });
        }
        values.append_option(value);
    }
    Arc::new(values.finish())
}

fn boolean(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "t" | "yes" | "1" | "1.0" => Ok(true),
        "false" | "f" | "no" | "0" | "0.0" => Ok(false),
        _ => Err("it is neither true nor false".into()),
    }
}

/// The values in the unit of their field.
fn converted(values: Float64Array, linear: Linear) -> ArrayRef {
    if linear.offset.to_bits() == 0.0f64.to_bits() {
        return scaled(values, linear.scale);
    }
    // Offsets are those of temperatures: what a conversion adds to their digits is below any sensor's resolution.
    Arc::new(values.unary::<_, Float64Type>(|value| ((value * linear.scale + linear.offset) * 1e9).round() / 1e9))
}

/// The values times the scale. A scale of 1/10, 1/100 and so on divides: 1.5 / 10 is the nearest double to 0.15, and
/// 1.5 * 0.1 is not.
fn scaled(values: Float64Array, scale: f64) -> ArrayRef {
    #[expect(clippy::float_cmp, reason = "only what is exactly such a fraction divides")]
    let divides = {
        let divisor = scale.recip().round();
        divisor > 1.0 && divisor.recip() == scale
    };
    if scale.to_bits() == 1.0f64.to_bits() {
        Arc::new(values)
    } else if divides {
        let divisor = scale.recip().round();
        Arc::new(values.unary::<_, Float64Type>(|value| value / divisor))
    } else {
        Arc::new(values.unary::<_, Float64Type>(|value| value * scale))
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::Int32Array;
    use arrow::datatypes::Int64Type;

    use super::*;

    fn read(kind: &CellKind, texts: &[&str]) -> (ArrayRef, Vec<BadCell>) {
        let mapping = Mapping { nulls: Some(vec!["NA".into()]), ..Mapping::default() };
        let numbers = mapping.number_form().unwrap();
        let column: ArrayRef = Arc::new(StringArray::from(texts.to_vec()));
        let mut bad = Vec::new();
        (kind.read(&column, &CellForm { mapping: &mapping, numbers: &numbers }, &mut bad).unwrap(), bad)
    }

    #[test]
    fn nulls_are_null_and_what_cannot_be_read_is_told_by_row_and_value() {
        let (values, bad) = read(&CellKind::Double(Linear::SAME), &["1.5", "NA", "", " 2 ", "two"]);
        assert_eq!(values.as_ref(), &Float64Array::from(vec![Some(1.5), None, None, Some(2.0), None]));
        assert_eq!(bad, [BadCell { row: 4, value: "two".into(), reason: "it is no number".into() }]);
    }

    #[test]
    fn whole_numbers_may_be_written_with_a_zero_behind_the_point_only() {
        let (values, bad) = read(&CellKind::Bigint, &["12", "12.0", "9007199254740993", "12.5"]);
        assert_eq!(values.as_primitive::<Int64Type>().values()[..3], [12, 12, 9_007_199_254_740_993]);
        assert_eq!(bad.len(), 1);
    }

    #[test]
    fn a_scale_of_a_tenth_divides_so_that_decimals_stay_exact() {
        let (values, _) = read(&CellKind::Double(Linear::scaled(0.001)), &["7", "251152", "1.5"]);
        assert_eq!(values.as_primitive::<Float64Type>().values()[..], [0.007, 251.152, 0.0015]);
        let (values, _) = read(&CellKind::Double(Linear::scaled(0.06)), &["100"]);
        assert_eq!(values.as_primitive::<Float64Type>().values()[..], [6.0]);
    }

    #[test]
    fn typed_columns_are_cast_only_where_nothing_is_lost() {
        let mapping = Mapping { sentinels: vec![-9_999.0], ..Mapping::default() };
        let numbers = mapping.number_form().unwrap();
        let form = CellForm { mapping: &mapping, numbers: &numbers };
        let integers: ArrayRef = Arc::new(Int32Array::from(vec![Some(3), None, Some(-9_999)]));
        let doubles: ArrayRef = Arc::new(Float64Array::from(vec![3.0, 3.5]));
        let mut bad = Vec::new();
        let cast = CellKind::Double(Linear::SAME).read(&integers, &form, &mut bad).unwrap();
        assert_eq!(cast.as_ref(), &Float64Array::from(vec![Some(3.0), None, None]));
        CellKind::Bigint.read(&doubles, &form, &mut bad).unwrap();
        assert_eq!(bad, [BadCell { row: 1, value: "3.5".into(), reason: "it is no whole number".into() }]);
        assert!(CellKind::Boolean.read(&doubles, &form, &mut bad).is_err());
    }
}
