//! A text as a value of a field, in the type that files have.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Decimal32Array, Decimal64Array, Float64Array, Int64Array, StringArray,
    TimestampMicrosecondArray,
};
use arrow::compute::cast;
use arrow::datatypes::TimestampMicrosecondType;
use arrow::error::ArrowError;
use zonelake_schemas::columns::{arrow_type, null_column, timestamp};
use zonelake_schemas::decimal::{from_f64, to_f64};
use zonelake_schemas::table::{DIGITS_32, DIGITS_64};
use zonelake_schemas::{FieldDef, INSTANTS_US, StorageType};

/// Reads a value as a column of one row; null where there is no text. The message of an error says what is wrong with it.
pub(super) fn column_of_value(field: &FieldDef, text: Option<&str>) -> Result<ArrayRef, String> {
    let stored = field.storage_type();
    let Some(text) = text else { return Ok(null_column(&arrow_type(stored), 1)) };
    let failed = |error: ArrowError| error.to_string();
    Ok(match stored {
        StorageType::Float64 => Arc::new(Float64Array::from(vec![in_range(field, number(text)?, text)?])),
        StorageType::Decimal32 { decimals } => {
            let n = decimal(field, text, decimals, DIGITS_32)?;
            let n = i32::try_from(n).map_err(|error| format!("{text:?}: {error}"))?;
            let column = Decimal32Array::from(vec![n]);
            Arc::new(column.with_precision_and_scale(DIGITS_32, decimals.cast_signed()).map_err(failed)?)
        }
        StorageType::Decimal64 { decimals } => {
            let column = Decimal64Array::from(vec![decimal(field, text, decimals, DIGITS_64)?]);
            Arc::new(column.with_precision_and_scale(DIGITS_64, decimals.cast_signed()).map_err(failed)?)
        }
        StorageType::Int64 => {
            let n = text.parse::<i64>().map_err(|error| format!("{text:?} is no whole number: {error}"))?;
            in_range(field, n as f64, text)?;
            Arc::new(Int64Array::from(vec![n]))
        }
        StorageType::Boolean => Arc::new(BooleanArray::from(vec![truth(text)?])),
        StorageType::Utf8 => Arc::new(StringArray::from(vec![text])),
        StorageType::Timestamp => {
            Arc::new(TimestampMicrosecondArray::from(vec![instant_us(text)?]).with_data_type(timestamp()))
        }
    })
}

/// Reads an instant with its offset, microseconds since 1970, UTC.
pub(super) fn instant_us(text: &str) -> Result<i64, String> {
    let wanted = || format!("{text:?} is no instant with its offset, as 2026-01-31T08:00:00+07:00");
    // Without an offset it would be taken as UTC, which an agency may not mean.
    let (date, clock) = text.split_at_checked(DATE_BYTES).ok_or_else(wanted)?;
    if date.contains([':', '+', 'Z', 'z']) || !clock.contains(['Z', 'z', '+', '-']) {
        return Err(wanted());
    }
    let column: ArrayRef = Arc::new(StringArray::from(vec![text]));
    // What is no instant is null.
    let read = cast(&column, &timestamp()).map_err(|error| error.to_string())?;
    let read = read.as_primitive::<TimestampMicrosecondType>();
    let us = read.is_valid(0).then(|| read.value(0)).filter(|us| INSTANTS_US.contains(us));
    us.ok_or_else(wanted)
}

fn number(text: &str) -> Result<f64, String> {
    let read = text.parse::<f64>().ok().filter(|number| number.is_finite());
    read.ok_or_else(|| format!("{text:?} is no number"))
}

fn decimal(field: &FieldDef, text: &str, decimals: u8, digits: u8) -> Result<i64, String> {
    let n = from_f64(number(text)?, decimals, digits);
    let n = n.ok_or_else(|| format!("{text:?} has more than the {digits} digits that the field has"))?;
    in_range(field, to_f64(n, decimals), text)?;
    Ok(n)
}

fn in_range(field: &FieldDef, value: f64, text: &str) -> Result<f64, String> {
    match (field.min, field.max) {
        (Some(min), _) if value < min => Err(format!("{text} is below {min}, the minimum of the field")),
        (_, Some(max)) if value > max => Err(format!("{text} is above {max}, the maximum of the field")),
        _ => Ok(value),
    }
}

fn truth(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(format!("{text:?} is neither true nor false")),
    }
}

/// Bytes of a date, as 2026-01-31.
const DATE_BYTES: usize = 10;

#[cfg(test)]
mod tests {
    use arrow::util::display::array_value_to_string;
    use zonelake_schemas::TableDef;

    use super::*;

    fn field(rest: &str) -> FieldDef {
        let text = format!("name = \"t\"\n[[field]]\nname = \"f\"\n{rest}");
        TableDef::from_toml(&text).unwrap().fields[0].clone()
    }

    #[test]
    fn a_text_becomes_a_value_of_its_field_or_says_why_it_is_none() {
        let double = "type = \"double\"\nmin = 0.0\nmax = 100.0";
        let cents = "type = \"double\"\ndecimals = 2";
        let wide = "type = \"double\"\ndecimals = 3\ndigits = 15";
        for (declared, text, wanted) in [
            (double, "12.5", Ok("12.5")),
            (double, "100.1", Err("above 100, the maximum")),
            (double, "-0.5", Err("below 0, the minimum")),
            (double, "NaN", Err("no number")),
            (double, "12,5", Err("no number")),
            (cents, "1.005", Ok("1.01")),
            (cents, "12345678", Err("9 digits")),
            (wide, "-12345678901.5", Ok("-12345678901.500")),
            ("type = \"bigint\"\nmax = 9.0", "9", Ok("9")),
            ("type = \"bigint\"\nmax = 9.0", "10", Err("above 9, the maximum")),
            ("type = \"bigint\"", "9223372036854775807", Ok("9223372036854775807")),
            ("type = \"bigint\"", "1.5", Err("no whole number")),
            ("type = \"boolean\"", "TRUE", Ok("true")),
            ("type = \"boolean\"", "yes", Err("neither true nor false")),
            ("type = \"text\"", "xin chào", Ok("xin chào")),
            ("type = \"timestamp\"", "2026-01-01T07:00:00+07:00", Ok("2026-01-01T00:00:00Z")),
            ("type = \"timestamp\"", "2026-01-01T07:00:00", Err("with its offset")),
        ] {
            let field = field(declared);
            match (column_of_value(&field, Some(text)), wanted) {
                (Ok(column), Ok(wanted)) => {
                    assert_eq!(column.data_type(), &arrow_type(field.storage_type()), "{declared}");
                    assert_eq!(array_value_to_string(&column, 0).unwrap(), wanted, "{declared}");
                }
                (Err(error), Err(words)) => assert!(error.contains(words), "{error}"),
                (other, _) => panic!("{declared}, {text}: {other:?}"),
            }
            assert_eq!(column_of_value(&field, None).unwrap().null_count(), 1);
        }
    }

    #[test]
    fn an_instant_has_its_offset() {
        let midnight = 1_767_225_600_000_000;
        for text in ["2026-01-01T00:00:00Z", "2026-01-01T07:00:00+07:00", "2025-12-31 19:00:00.000000-05:00"] {
            assert_eq!(instant_us(text), Ok(midnight), "{text}");
        }
        assert_eq!(instant_us("2026-01-01T00:00:00.000001Z"), Ok(midnight + 1));
        for text in ["", "2026-01-01", "2026-01-01T00:00:00", "2026-13-01T00:00:00Z", "today", "ngày hôm nay+07"] {
            assert!(instant_us(text).is_err(), "{text}");
        }
    }
}
