//! Values of an answer.

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Date32Type, Float64Type, Int64Type, TimeUnit, TimestampMicrosecondType};
use chrono::{DateTime, Days, FixedOffset, NaiveDate, NaiveDateTime};

use super::declaration::{Column, Show};
use super::language::Language;
use crate::error::ReportError;

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Cell {
    /// None.
    Empty,
    /// A text, or a code.
    Text(String),
    /// A number.
    Number(f64),
    /// A whole number.
    Integer(i64),
    /// A truth.
    Truth(bool),
    /// A day.
    Date(NaiveDate),
    /// An instant, in the time of the report.
    Instant(DateTime<FixedOffset>),
    /// A time of a station's own clock.
    Local(NaiveDateTime),
}

impl Cell {
    /// As people read it.
    pub(crate) fn shown(&self, column: &Column, language: Language) -> String {
        match self {
            Self::Empty => String::new(),
            Self::Text(text) if column.show == Show::Code => language.code_words(text).to_owned(),
            Self::Text(text) => text.clone(),
            Self::Number(number) => language.number(*number, column.decimals),
            Self::Integer(number) => number.to_string(),
            Self::Truth(is_true) => language.truth(*is_true).to_owned(),
            Self::Date(day) if column.show == Show::Month => language.month(*day),
            Self::Date(day) => language.date(*day),
            Self::Instant(time) => language.time(time.naive_local()),
            Self::Local(time) => language.time(*time),
        }
    }

    /// Its number.
    pub(crate) fn number(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(*number).filter(|number| number.is_finite()),
            Self::Integer(number) => Some(*number as f64),
            _ => None,
        }
    }
}

/// Rows of an answer, whose columns have to be those that are declared.
///
/// # Errors
/// Where they are not, or a value has a type that no report has.
pub(crate) fn rows(answer: &[RecordBatch], columns: &[Column]) -> Result<Vec<Vec<Cell>>, ReportError> {
    let mut rows = Vec::new();
    for batch in answer {
        let schema = batch.schema();
        let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
        let declared: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
        if names != declared {
            return Err(ReportError::failed(format!(
                "the answer has the columns {names:?}, and {declared:?} are declared"
            )));
        }
        let values = batch.columns().iter().map(cells).collect::<Result<Vec<_>, _>>()?;
        let cell = |row: usize, (values, column): (&Vec<Cell>, &Column)| match &values[row] {
            Cell::Number(number) if column.decimals.is_some() => Cell::Number(significant(*number)),
            cell => cell.clone(),
        };
        let of_row = |row| values.iter().zip(columns).map(|column| cell(row, column)).collect();
        rows.extend((0..batch.num_rows()).map(of_row));
    }
    Ok(rows)
}

/// A figure in twelve significant digits. Sums of doubles may be added in any order, and differ in the last of seventeen: the same rows
/// give the same report. What was measured has no declared decimals, and stays as it was sent.
fn significant(number: f64) -> f64 {
    format!("{number:.11e}").parse().unwrap_or(number)
}

/// Values of a column.
fn cells(column: &ArrayRef) -> Result<Vec<Cell>, ReportError> {
    let cast_to = |kind: &DataType| cast(column, kind).map_err(ReportError::failed);
    let rows = 0..column.len();
    Ok(match column.data_type() {
        DataType::Null => rows.map(|_| Cell::Empty).collect(),
        DataType::Boolean => {
            let values = column.as_boolean();
            values.iter().map(|value| value.map_or(Cell::Empty, Cell::Truth)).collect()
        }
        kind if kind.is_integer() => {
            let values = cast_to(&DataType::Int64)?;
            values.as_primitive::<Int64Type>().iter().map(|value| value.map_or(Cell::Empty, Cell::Integer)).collect()
        }
        kind if kind.is_floating() => {
            let values = cast_to(&DataType::Float64)?;
            values.as_primitive::<Float64Type>().iter().map(|value| value.map_or(Cell::Empty, Cell::Number)).collect()
        }
        kind if kind.is_decimal() => {
            // By way of its digits, which are rounded once.
            let digits = cast_to(&DataType::Utf8)?;
            let number = |text: &str| text.parse().map_or(Cell::Empty, Cell::Number);
            digits.as_string::<i32>().iter().map(|text| text.map_or(Cell::Empty, number)).collect()
        }
        DataType::Date32 => {
            let epoch = NaiveDate::default();
            let day = |days: i32| match u64::try_from(days) {
                Ok(days) => epoch.checked_add_days(Days::new(days)),
                Err(_negative) => epoch.checked_sub_days(Days::new(days.unsigned_abs().into())),
            };
            let values = column.as_primitive::<Date32Type>();
            values.iter().map(|value| value.and_then(day).map_or(Cell::Empty, Cell::Date)).collect()
        }
        DataType::Timestamp(_, zone) => {
            let is_instant = zone.is_some();
            let values = cast_to(&DataType::Timestamp(TimeUnit::Microsecond, zone.clone()))?;
            let time = |us: i64| {
                let time = DateTime::from_timestamp_micros(us)?;
                Some(match is_instant {
                    true => Cell::Instant(time.with_timezone(&report_time())),
                    false => Cell::Local(time.naive_utc()),
                })
            };
            let values = values.as_primitive::<TimestampMicrosecondType>();
            values.iter().map(|value| value.and_then(time).unwrap_or(Cell::Empty)).collect()
        }
        DataType::Utf8 | DataType::Utf8View | DataType::LargeUtf8 | DataType::Dictionary(..) => {
            let values = cast_to(&DataType::Utf8)?;
            let text = |text: &str| Cell::Text(text.to_owned());
            values.as_string::<i32>().iter().map(|value| value.map_or(Cell::Empty, text)).collect()
        }
        other => return Err(ReportError::failed(format!("a report has no values of type {other}"))),
    })
}

/// Time of reports: Asia/Ho_Chi_Minh, which has had no other since 1975.
pub(crate) fn report_time() -> FixedOffset {
    FixedOffset::east_opt(7 * 3_600).expect("it is less than a day")
}

/// Name of that time.
pub(crate) const TIME_ZONE: &str = "Asia/Ho_Chi_Minh";

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Date32Array, Decimal128Array, Int32Array, StringViewArray, TimestampMicrosecondArray};

    use super::*;

    fn one(column: impl Array + 'static) -> Vec<Cell> {
        let column: ArrayRef = Arc::new(column);
        cells(&column).unwrap()
    }

    #[test]
    fn a_figure_has_twelve_digits_whatever_order_its_sum_was_added_in() {
        assert_eq!(significant(1.4264081632653063).to_bits(), significant(1.4264081632653058).to_bits());
        assert_eq!(significant(-123_456.0).to_bits(), (-123_456.0_f64).to_bits());
        assert!(significant(f64::NAN).is_nan() && significant(f64::INFINITY).is_infinite());
    }

    #[test]
    fn values_of_every_type_are_read_and_none_stays_none() {
        let decimals = Decimal128Array::from(vec![Some(12_345), None]).with_precision_and_scale(20, 3).unwrap();
        assert_eq!(one(decimals), [Cell::Number(12.345), Cell::Empty]);
        assert_eq!(one(Int32Array::from(vec![-3])), [Cell::Integer(-3)]);
        assert_eq!(one(StringViewArray::from(vec!["ộ"])), [Cell::Text("ộ".into())]);
        let day = NaiveDate::from_ymd_opt(1969, 12, 31).unwrap();
        assert_eq!(one(Date32Array::from(vec![-1])), [Cell::Date(day)]);
        let [Cell::Instant(time)] = one(TimestampMicrosecondArray::from(vec![0]).with_timezone("UTC"))[..] else {
            panic!("it is an instant")
        };
        assert_eq!(time.to_rfc3339(), "1970-01-01T07:00:00+07:00");
    }
}
