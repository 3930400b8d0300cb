//! Columns of a result: their values in the text and binary forms of PostgreSQL.

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BinaryViewArray, BooleanArray, FixedSizeBinaryArray, Float16Array,
    Float32Array, Float64Array, Int64Array, IntervalMonthDayNanoArray, LargeBinaryArray, LargeStringArray, ListArray,
    StringArray, StringViewArray, UInt64Array,
};
use arrow::compute::{CastOptions, cast, cast_with_options};
use arrow::datatypes::{DataType, IntervalMonthDayNano, IntervalUnit, TimeUnit};
use arrow::error::ArrowError;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use bytes::{BufMut, BytesMut};
use postgres_types::Type;

use crate::array::{put_array, put_array_text};
use crate::datetime::{
    days_since_2000, put_date, put_fraction, put_time, put_timestamp, put_timestamptz, us_since_2000,
};
use crate::error::ValueError;
use crate::numeric::{put_display, put_float4, put_float8, put_numeric};
use crate::sized::put_sized;
use crate::type_mapping::type_of;
use zonelake_timeseries::Zone;

/// Column of a batch, prepared for writing its values row by row.
#[derive(Debug)]
pub struct Column {
    array: ArrayRef,
    values: Values,
}

/// Values in the type as which they are written.
#[derive(Debug)]
enum Values {
    Bool(BooleanArray),
    Int2(Int64Array),
    Int4(Int64Array),
    Int8(Int64Array),
    Unsigned(UInt64Array),
    Float4(Float32Array),
    Float8(Float64Array),
    Text(StringArray),
    LargeText(LargeStringArray),
    TextView(StringViewArray),
    Bytes(BinaryArray),
    LargeBytes(LargeBinaryArray),
    BytesView(BinaryViewArray),
    FixedBytes(FixedSizeBinaryArray),
    Date(Int64Array),
    Time(Int64Array),
    Timestamp(Int64Array),
    Timestamptz(Int64Array, Zone),
    Interval(IntervalMonthDayNanoArray),
    Numeric(StringArray),
    Array(ListArray, Box<Column>, Type),
    /// Text as Arrow displays it, for types that PostgreSQL does not have.
    Displayed,
}

impl Column {
    /// Column of an array; `zone` is the zone of the session.
    ///
    /// # Errors
    /// Fails where Arrow cannot convert the array.
    pub fn new(array: &ArrayRef, zone: Zone) -> Result<Self, ValueError> {
        let whole = |array: &ArrayRef| cast(array, &DataType::Int64).map(|array| array.as_primitive().clone());
        let array = match array.data_type() {
            DataType::Dictionary(_, values) => cast(array, values)?,
            DataType::LargeList(item) | DataType::FixedSizeList(item, _) => cast(array, &DataType::List(item.clone()))?,
            DataType::Date64 => cast(array, &DataType::Date32)?,
            _ => array.clone(),
        };
        // Types are resolved once for a batch; writing a value is then one match without casts.
        let values = match array.data_type() {
            DataType::Boolean => Values::Bool(array.as_boolean().clone()),
            DataType::Int8 | DataType::Int16 | DataType::UInt8 => Values::Int2(whole(&array)?),
            DataType::Int32 | DataType::UInt16 => Values::Int4(whole(&array)?),
            DataType::Int64 | DataType::UInt32 => Values::Int8(whole(&array)?),
            DataType::UInt64 => Values::Unsigned(array.as_primitive().clone()),
            DataType::Float16 => Values::Float4(widened(array.as_primitive())),
            DataType::Float32 => Values::Float4(array.as_primitive().clone()),
            DataType::Float64 => Values::Float8(array.as_primitive().clone()),
            DataType::Utf8 => Values::Text(array.as_string().clone()),
            DataType::LargeUtf8 => Values::LargeText(array.as_string().clone()),
            DataType::Utf8View => Values::TextView(array.as_string_view().clone()),
            DataType::Binary => Values::Bytes(array.as_binary().clone()),
            DataType::LargeBinary => Values::LargeBytes(array.as_binary().clone()),
            DataType::BinaryView => Values::BytesView(array.as_binary_view().clone()),
            DataType::FixedSizeBinary(_) => Values::FixedBytes(array.as_fixed_size_binary().clone()),
            DataType::Date32 => Values::Date(whole(&cast(&array, &DataType::Int32)?)?),
            DataType::Time32(_) | DataType::Time64(_) => {
                Values::Time(whole(&cast(&array, &DataType::Time64(TimeUnit::Microsecond))?)?)
            }
            DataType::Timestamp(unit, None) => Values::Timestamp(microseconds(&array, *unit)?),
            DataType::Timestamp(unit, Some(_)) => Values::Timestamptz(microseconds(&array, *unit)?, zone),
            DataType::Interval(_) => Values::Interval(as_interval(&array)?),
            DataType::Duration(unit) => {
                let us = microseconds(&array, *unit)?;
                Values::Interval(us.unary_opt(|us| us.checked_mul(1_000).map(|ns| IntervalMonthDayNano::new(0, 0, ns))))
            }
            DataType::Decimal32(..) | DataType::Decimal64(..) | DataType::Decimal128(..) | DataType::Decimal256(..) => {
                Values::Numeric(cast(&array, &DataType::Utf8)?.as_string().clone())
            }
            DataType::List(item) => {
                let list = array.as_list::<i32>().clone();
                let items = Self::new(list.values(), zone)?;
                let of = type_of(item.data_type());
                // The items of all rows are prepared at once; a row is a range of them.
                Values::Array(list, Box::new(items), of)
            }
            _ => Values::Displayed,
        };
        Ok(Self { array, values })
    }

    /// True where the value of a row is null.
    pub fn is_null(&self, row: usize) -> bool {
        self.array.is_null(row) || matches!(self.array.data_type(), DataType::Null)
    }

    /// Writes a value that is not null, as text.
    ///
    /// # Errors
    /// Fails where PostgreSQL has no such value.
    pub fn put_text(&self, row: usize, out: &mut BytesMut) -> Result<(), ValueError> {
        match &self.values {
            Values::Bool(array) => out.put_u8(if array.value(row) { b't' } else { b'f' }),
            Values::Int2(array) | Values::Int4(array) | Values::Int8(array) => put_display(out, array.value(row)),
            Values::Unsigned(array) => put_display(out, bigint(array.value(row))?),
            Values::Float4(array) => put_float4(out, array.value(row)),
            Values::Float8(array) => put_float8(out, array.value(row)),
            Values::Date(array) => put_date(out, array.value(row))?,
            Values::Time(array) => put_time(out, array.value(row)),
            Values::Timestamp(array) => put_timestamp(out, array.value(row))?,
            Values::Timestamptz(array, zone) => put_timestamptz(out, array.value(row), *zone)?,
            Values::Interval(array) => put_interval(out, array.value(row)),
            Values::Numeric(array) => out.put_slice(array.value(row).as_bytes()),
            Values::Array(list, items, _) => {
                put_array_text(list, row, out, |item, out| items.put_unless_null(item, false, out))?;
            }
            Values::Displayed => {
                let options = FormatOptions::default();
                put_display(out, ArrayFormatter::try_new(self.array.as_ref(), &options)?.value(row));
            }
            _ => match self.bytes(row) {
                (bytes, true) => out.put_slice(bytes),
                (bytes, false) => {
                    out.put_slice(b"\\x");
                    bytes.iter().for_each(|byte| put_display(out, format_args!("{byte:02x}")));
                }
            },
        }
        Ok(())
    }

    /// Writes a value that is not null, in the binary form.
    ///
    /// # Errors
    /// Fails where PostgreSQL has no such value.
    pub fn put_binary(&self, row: usize, out: &mut BytesMut) -> Result<(), ValueError> {
        match &self.values {
            Values::Bool(array) => out.put_u8(u8::from(array.value(row))),
            Values::Int2(array) => out.put_i16(narrow(array.value(row))),
            Values::Int4(array) => out.put_i32(narrow(array.value(row))),
            Values::Int8(array) | Values::Time(array) => out.put_i64(array.value(row)),
            Values::Unsigned(array) => out.put_i64(bigint(array.value(row))?),
            Values::Float4(array) => out.put_f32(array.value(row)),
            Values::Float8(array) => out.put_f64(array.value(row)),
            Values::Date(array) => out.put_i32(days_since_2000(array.value(row))?),
            Values::Timestamp(array) | Values::Timestamptz(array, _) => out.put_i64(us_since_2000(array.value(row))?),
            Values::Interval(array) => {
                let interval = array.value(row);
                // PostgreSQL has microseconds, days and months, in this order.
                out.put_i64(interval.nanoseconds / 1_000);
                out.put_i32(interval.days);
                out.put_i32(interval.months);
            }
            Values::Numeric(array) => put_numeric(out, array.value(row)),
            Values::Array(list, items, of) => {
                put_array(list, of, row, out, |item, out| items.put_unless_null(item, true, out))?;
            }
            Values::Displayed => self.put_text(row, out)?,
            _ => out.put_slice(self.bytes(row).0),
        }
        Ok(())
    }

    /// Writes a value with its length in front, as DataRow has it; the length of null is −1.
    ///
    /// # Errors
    /// Fails where PostgreSQL has no such value.
    pub fn put_sized(&self, row: usize, is_binary: bool, out: &mut BytesMut) -> Result<(), ValueError> {
        if self.is_null(row) {
            out.put_i32(-1);
            return Ok(());
        }
        let mut written = Ok(());
        put_sized(out, false, |out| {
            written = if is_binary { self.put_binary(row, out) } else { self.put_text(row, out) };
        });
        written
    }

    /// Writes an item of an array in one of the forms; `false` is null, of which nothing is written.
    fn put_unless_null(&self, row: usize, is_binary: bool, out: &mut BytesMut) -> Result<bool, ValueError> {
        if self.is_null(row) {
            return Ok(false);
        }
        let written = if is_binary { self.put_binary(row, out) } else { self.put_text(row, out) };
        written.map(|()| true)
    }

    /// Stored bytes of a value, and true where they are text.
    fn bytes(&self, row: usize) -> (&[u8], bool) {
        match &self.values {
            Values::Text(array) => (array.value(row).as_bytes(), true),
            Values::LargeText(array) => (array.value(row).as_bytes(), true),
            Values::TextView(array) => (array.value(row).as_bytes(), true),
            Values::Bytes(array) => (array.value(row), false),
            Values::LargeBytes(array) => (array.value(row), false),
            Values::BytesView(array) => (array.value(row), false),
            Values::FixedBytes(array) => (array.value(row), false),
            _ => (&[], true),
        }
    }
}

/// Number in the width of the type that it came from, so it always fits.
fn narrow<T: TryFrom<i64> + Default>(value: i64) -> T {
    T::try_from(value).unwrap_or_default()
}

fn bigint(value: u64) -> Result<i64, ValueError> {
    // The error holds the value, which is the whole cause.
    i64::try_from(value).map_err(|_cause| ValueError::Bigint(value))
}

fn widened(array: &Float16Array) -> Float32Array {
    array.unary(f32::from)
}

/// Times in microseconds. Nanoseconds are rounded down, since PostgreSQL has no finer unit.
fn microseconds(array: &ArrayRef, unit: TimeUnit) -> Result<Int64Array, ValueError> {
    let numbers = cast(array, &DataType::Int64)?;
    let numbers: &Int64Array = numbers.as_primitive();
    let times = |factor: i64| numbers.try_unary(|value| value.checked_mul(factor).ok_or(ValueError::Time));
    match unit {
        TimeUnit::Second => times(1_000_000),
        TimeUnit::Millisecond => times(1_000),
        TimeUnit::Microsecond => Ok(numbers.clone()),
        TimeUnit::Nanosecond => Ok(numbers.unary(|value| value.div_euclid(1_000))),
    }
}

fn as_interval(array: &ArrayRef) -> Result<IntervalMonthDayNanoArray, ArrowError> {
    let options = CastOptions { safe: false, format_options: FormatOptions::default() };
    let array = cast_with_options(array, &DataType::Interval(IntervalUnit::MonthDayNano), &options)?;
    Ok(array.as_primitive().clone())
}

/// Writes an interval in PostgreSQL's own style: `1 year 2 mons 3 days 04:05:06.789`.
fn put_interval(out: &mut BytesMut, interval: IntervalMonthDayNano) {
    let start = out.len();
    let mut is_after_negative = false;
    let years = interval.months / 12;
    for (value, one, many) in
        [(years, "year", "years"), (interval.months % 12, "mon", "mons"), (interval.days, "day", "days")]
    {
        if value != 0 {
            let space = if out.len() == start { "" } else { " " };
            let plus = if is_after_negative && value > 0 { "+" } else { "" };
            put_display(out, format_args!("{space}{plus}{value} {}", if value == 1 { one } else { many }));
            is_after_negative = value < 0;
        }
    }
    let us = interval.nanoseconds / 1_000;
    // An interval without a time shows none, unless nothing else is shown.
    if us == 0 && out.len() > start {
        return;
    }
    if out.len() > start {
        out.put_u8(b' ');
    }
    if us < 0 {
        out.put_u8(b'-');
    } else if is_after_negative {
        out.put_u8(b'+');
    }
    // The sign is written already, and the absolute value of the smallest number has no signed form.
    let us = us.unsigned_abs();
    let seconds = us / 1_000_000;
    put_display(out, format_args!("{:02}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60));
    put_fraction(out, i64::try_from(us % 1_000_000).unwrap_or(0));
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{
        Decimal64Array, DictionaryArray, Int16Array, TimestampMicrosecondArray, TimestampNanosecondArray,
    };
    use arrow::datatypes::Int32Type;

    use super::*;

    fn shown(array: impl Array + 'static) -> Vec<String> {
        let array: ArrayRef = Arc::new(array);
        let column = Column::new(&array, Zone::of_setting("Asia/Ho_Chi_Minh").unwrap().0).unwrap();
        let text = |row| {
            if column.is_null(row) {
                return "null".to_owned();
            }
            let mut out = BytesMut::new();
            column.put_text(row, &mut out).unwrap();
            String::from_utf8(out.to_vec()).unwrap()
        };
        (0..array.len()).map(text).collect()
    }

    #[test]
    fn each_type_is_shown_as_postgresql_shows_it() {
        assert_eq!(shown(BooleanArray::from(vec![Some(true), Some(false), None])), ["t", "f", "null"]);
        assert_eq!(shown(Int16Array::from(vec![i16::MIN, i16::MAX])), ["-32768", "32767"]);
        assert_eq!(shown(DictionaryArray::<Int32Type>::from_iter([Some("a"), None, Some("b")])), ["a", "null", "b"]);
        assert_eq!(shown(BinaryArray::from(vec![&b"\x00\xffa"[..]])), ["\\x00ff61"]);
        let decimals = Decimal64Array::from(vec![Some(-5), Some(999_999_999), None]).with_precision_and_scale(9, 2);
        assert_eq!(shown(decimals.unwrap()), ["-0.05", "9999999.99", "null"]);
        let times = TimestampMicrosecondArray::from(vec![1_764_032_400_000_001]).with_timezone("UTC");
        assert_eq!(shown(times), ["2025-11-25 08:00:00.000001+07"]);
        assert_eq!(shown(TimestampNanosecondArray::from(vec![-1])), ["1969-12-31 23:59:59.999999"]);
        let intervals = [(14, 3, 14_706_789_000_000), (0, 0, 0), (0, -1, 0), (0, 1, -1_000), (-1, 0, 0)];
        let intervals: Vec<_> = intervals.map(|(months, days, ns)| IntervalMonthDayNano::new(months, days, ns)).into();
        assert_eq!(
            shown(IntervalMonthDayNanoArray::from(intervals)),
            ["1 year 2 mons 3 days 04:05:06.789", "00:00:00", "-1 days", "1 day -00:00:00.000001", "-1 mons",]
        );
        let lists = ListArray::from_iter_primitive::<Int32Type, _, _>([Some(vec![Some(1), None]), Some(vec![]), None]);
        assert_eq!(shown(lists), ["{1,NULL}", "{}", "null"]);
    }

    #[test]
    fn a_number_beyond_bigint_is_an_error_and_no_other_number() {
        let array: ArrayRef = Arc::new(UInt64Array::from(vec![u64::MAX]));
        let column = Column::new(&array, Zone::UTC).unwrap();
        assert!(matches!(column.put_binary(0, &mut BytesMut::new()), Err(ValueError::Bigint(u64::MAX))));
    }
}
