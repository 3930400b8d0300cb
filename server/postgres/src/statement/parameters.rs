//! Parameters: values that clients bind, in the text or binary form of their types.

use std::str;

use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, IntervalMonthDayNano, IntervalUnit, TimeUnit};
use arrow::util::display::FormatOptions;
use bytes::{Buf, Bytes};
use data_encoding::HEXLOWER_PERMISSIVE;
use datafusion::common::{DataFusionError, ScalarValue};
use postgres_types::Type;
use uuid::Uuid;
use zonelake_timeseries::{Zone, parse_day, parse_instant, parse_interval, parse_local};

use crate::error::PgError;
use zonelake_postgres_values::read_array_text;
use zonelake_postgres_values::read_numeric;
use zonelake_postgres_values::{days_since_1970, us_since_1970};

/// Reads the value of a parameter of type `of`, which the client declares as `oid`. Text of a time without a zone is in
/// `zone`.
pub(crate) fn read_value(
    bytes: Option<&Bytes>,
    is_binary: bool,
    oid: u32,
    of: &DataType,
    zone: Zone,
) -> Result<ScalarValue, PgError> {
    let Some(bytes) = bytes else {
        return ScalarValue::try_from(of).map_err(|error| PgError::new("22P02", error.to_string()));
    };
    let value = match is_binary {
        true => read_binary(bytes, oid)?,
        false => {
            let text = str::from_utf8(bytes)
                // PostgreSQL tells of the encoding and not of the place.
                .map_err(|_cause| PgError::new("22021", "a parameter is not UTF-8"))?;
            if text.contains('\0') {
                return Err(PgError::new("22021", "a parameter has a zero byte"));
            }
            return read_text(text, of, zone);
        }
    };
    convert(value, of)
}

/// Reads a value from text.
fn read_text(text: &str, of: &DataType, zone: Zone) -> Result<ScalarValue, PgError> {
    match of {
        DataType::List(item) => {
            let items = read_array_text(text).ok_or_else(|| invalid(of, text))?;
            let items = items.into_iter().map(|item_text| match item_text {
                Some(item_text) => read_text(&item_text, item.data_type(), zone),
                None => ScalarValue::try_from(item.data_type()).map_err(|_cause| invalid(of, text)),
            });
            let items: Vec<ScalarValue> = items.collect::<Result<_, _>>()?;
            Ok(ScalarValue::List(ScalarValue::new_list_nullable(&items, item.data_type())))
        }
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => {
            let bytes = read_bytea(text).ok_or_else(|| invalid(of, text))?;
            convert(ScalarValue::Binary(Some(bytes)), of)
        }
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => convert(ScalarValue::from(text), of),
        // The one reader of times and intervals: that of constants in SQL.
        DataType::Timestamp(_, Some(_)) => {
            let us = parse_instant(text, zone).map_err(|error| not_a_time(of, text, &error))?;
            convert(ScalarValue::TimestampMicrosecond(Some(us), Some("UTC".into())), of)
        }
        DataType::Timestamp(_, None) | DataType::Date32 => {
            let read = if *of == DataType::Date32 { parse_day(text) } else { parse_local(text) };
            let us = read.map_err(|error| not_a_time(of, text, &error))?;
            convert(ScalarValue::TimestampMicrosecond(Some(us), None), of)
        }
        DataType::Interval(IntervalUnit::MonthDayNano) => {
            let interval = parse_interval(text).ok_or_else(|| invalid(of, text))?;
            Ok(ScalarValue::IntervalMonthDayNano(Some(interval)))
        }
        _ => convert(ScalarValue::from(text.trim()), of),
    }
}

/// Error of a text of a time: out of range, or none.
fn not_a_time(of: &DataType, text: &str, error: &DataFusionError) -> PgError {
    if error.to_string().contains("out of range") {
        return PgError::new("22008", format!("date/time field value out of range: \"{}\"", shortened(text)));
    }
    invalid(of, text)
}

fn shortened(text: &str) -> String {
    text.chars().take(SHOWN_CHARACTERS_MAX).collect()
}

fn read_bytea(text: &str) -> Option<Vec<u8>> {
    let Some(hex) = text.strip_prefix("\\x") else { return Some(text.as_bytes().to_vec()) };
    HEXLOWER_PERMISSIVE.decode(hex.as_bytes()).ok()
}

/// Reads a value from the binary form of a type.
fn read_binary(bytes: &Bytes, oid: u32) -> Result<ScalarValue, PgError> {
    // A type that is unknown here is read as text, which is the binary form of most of them.
    let of = Type::from_oid(oid).unwrap_or(Type::TEXT);
    let mut rest = bytes.clone();
    // Bytes behind the value mean that client and server disagree on its type.
    let value = read_fixed(&mut rest, &of).filter(|_| rest.is_empty());
    value.ok_or_else(|| PgError::new("22P03", format!("incorrect binary data format of a parameter of type {of}")))
}

/// Reads a value from the front of the bytes; `None` where they are too few or no value of the type.
fn read_fixed(rest: &mut Bytes, of: &Type) -> Option<ScalarValue> {
    Some(match *of {
        Type::BOOL => ScalarValue::from(rest.try_get_u8().ok()? != 0),
        Type::INT2 => ScalarValue::from(rest.try_get_i16().ok()?),
        Type::INT4 => ScalarValue::from(rest.try_get_i32().ok()?),
        Type::OID => ScalarValue::from(i64::from(rest.try_get_u32().ok()?)),
        Type::INT8 => ScalarValue::from(rest.try_get_i64().ok()?),
        Type::FLOAT4 => ScalarValue::from(rest.try_get_f32().ok()?),
        Type::FLOAT8 => ScalarValue::from(rest.try_get_f64().ok()?),
        Type::BYTEA => ScalarValue::Binary(Some(std::mem::take(rest).to_vec())),
        Type::DATE => ScalarValue::Date32(Some(days_since_1970(rest.try_get_i32().ok()?)?)),
        Type::TIME => ScalarValue::Time64Microsecond(Some(rest.try_get_i64().ok()?)),
        Type::TIMESTAMP => ScalarValue::TimestampMicrosecond(Some(us_since_1970(rest.try_get_i64().ok()?)?), None),
        Type::TIMESTAMPTZ => {
            ScalarValue::TimestampMicrosecond(Some(us_since_1970(rest.try_get_i64().ok()?)?), Some("UTC".into()))
        }
        Type::INTERVAL => {
            let us = rest.try_get_i64().ok()?;
            let (days, months) = (rest.try_get_i32().ok()?, rest.try_get_i32().ok()?);
            ScalarValue::IntervalMonthDayNano(Some(IntervalMonthDayNano::new(months, days, us.checked_mul(1_000)?)))
        }
        Type::NUMERIC => {
            let text = read_numeric(&std::mem::take(rest))?;
            ScalarValue::from(text.as_str())
        }
        Type::UUID => {
            let uuid = Uuid::from_slice(std::mem::take(rest).get(..16)?).ok()?;
            ScalarValue::from(uuid.to_string().as_str())
        }
        Type::JSONB => {
            rest.try_get_u8().ok().filter(|version| *version == 1)?;
            ScalarValue::from(str::from_utf8(&std::mem::take(rest)).ok()?)
        }
        Type::BOOL_ARRAY => read_array(rest, &Type::BOOL, &DataType::Boolean)?,
        Type::INT2_ARRAY => read_array(rest, &Type::INT2, &DataType::Int16)?,
        Type::INT4_ARRAY => read_array(rest, &Type::INT4, &DataType::Int32)?,
        Type::INT8_ARRAY => read_array(rest, &Type::INT8, &DataType::Int64)?,
        Type::OID_ARRAY => read_array(rest, &Type::OID, &DataType::Int64)?,
        Type::FLOAT4_ARRAY => read_array(rest, &Type::FLOAT4, &DataType::Float32)?,
        Type::FLOAT8_ARRAY => read_array(rest, &Type::FLOAT8, &DataType::Float64)?,
        Type::TEXT_ARRAY | Type::VARCHAR_ARRAY | Type::NAME_ARRAY | Type::BPCHAR_ARRAY => {
            read_array(rest, &Type::TEXT, &DataType::Utf8)?
        }
        _ => ScalarValue::from(str::from_utf8(&std::mem::take(rest)).ok()?),
    })
}

/// Reads an array of one dimension; others are refused, since an Arrow list has one.
fn read_array(rest: &mut Bytes, of: &Type, item: &DataType) -> Option<ScalarValue> {
    let dimensions = rest.try_get_i32().ok()?;
    let (_has_null, _type) = (rest.try_get_i32().ok()?, rest.try_get_i32().ok()?);
    let mut items = Vec::new();
    match dimensions {
        0 => {}
        1 => {
            let length = rest.try_get_i32().ok()?;
            let _first_index = rest.try_get_i32().ok()?;
            // Each item takes bytes of the message, so a length that lies ends the loop early.
            for _ in 0..length {
                items.push(match rest.try_get_i32().ok()? {
                    -1 => ScalarValue::try_from(item).ok()?,
                    bytes => {
                        let bytes = usize::try_from(bytes).ok().filter(|bytes| *bytes <= rest.len())?;
                        let mut value = rest.split_to(bytes);
                        read_fixed(&mut value, of).filter(|_| value.is_empty())?
                    }
                });
            }
        }
        _ => return None,
    }
    Some(ScalarValue::List(ScalarValue::new_list_nullable(&items, item)))
}

/// Casts a value to another type; a value that does not fit is an error.
fn convert(value: ScalarValue, of: &DataType) -> Result<ScalarValue, PgError> {
    if value.data_type() == *of {
        return Ok(value);
    }
    let shown = value.to_string();
    let options = CastOptions { safe: false, format_options: FormatOptions::default() };
    // As in PostgreSQL the message names type and value, which is all that the causes would add.
    let array = value.to_array().map_err(|_cause| invalid(of, &shown))?;
    let array = cast_with_options(&array, of, &options).map_err(|_cause| invalid(of, &shown))?;
    ScalarValue::try_from_array(&array, 0).map_err(|_cause| invalid(of, &shown))
}

fn invalid(of: &DataType, text: &str) -> PgError {
    let sqlstate = match of {
        DataType::Date32 | DataType::Timestamp(..) | DataType::Time64(_) | DataType::Interval(_) => "22007",
        _ => "22P02",
    };
    PgError::new(sqlstate, format!("invalid input syntax for type {}: \"{}\"", name_of(of), shortened(text)))
}

/// Characters of a value in a message: a value may be as long as a message of the protocol.
const SHOWN_CHARACTERS_MAX: usize = 100;

fn name_of(of: &DataType) -> &'static str {
    match of {
        DataType::Boolean => "boolean",
        DataType::Int16 => "smallint",
        DataType::Int32 => "integer",
        DataType::Int64 => "bigint",
        DataType::Float32 => "real",
        DataType::Float64 => "double precision",
        DataType::Date32 => "date",
        DataType::Time64(TimeUnit::Microsecond) => "time",
        DataType::Timestamp(_, None) => "timestamp",
        DataType::Timestamp(_, Some(_)) => "timestamp with time zone",
        DataType::Interval(IntervalUnit::MonthDayNano) => "interval",
        DataType::Decimal128(..) => "numeric",
        DataType::List(_) => "array",
        _ => "text",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use zonelake_postgres_values::parameter_type;

    fn text(text: &'static str, of: &Type) -> Result<ScalarValue, PgError> {
        let data_type = parameter_type(of.oid()).unwrap();
        read_value(Some(&Bytes::from_static(text.as_bytes())), false, of.oid(), &data_type, Zone::Fixed(7 * 3_600))
    }

    #[test]
    fn values_are_read_from_text() {
        assert_eq!(text("t", &Type::BOOL).unwrap(), ScalarValue::from(true));
        assert_eq!(text("-9223372036854775808", &Type::INT8).unwrap(), ScalarValue::from(i64::MIN));
        assert_eq!(text("Infinity", &Type::FLOAT8).unwrap(), ScalarValue::from(f64::INFINITY));
        assert_eq!(text("\\x00ff", &Type::BYTEA).unwrap(), ScalarValue::Binary(Some(vec![0, 255])));
        let us = |value: ScalarValue| match value {
            ScalarValue::TimestampMicrosecond(us, _) => us,
            other => panic!("{other:?}"),
        };
        assert_eq!(us(text("2025-11-25 08:00:00", &Type::TIMESTAMPTZ).unwrap()), Some(1_764_032_400_000_000));
        assert_eq!(us(text("2025-11-25 08:00:00+00", &Type::TIMESTAMPTZ).unwrap()), Some(1_764_057_600_000_000));
        assert_eq!(us(text("2025-11-25 08:00:00", &Type::TIMESTAMP).unwrap()), Some(1_764_057_600_000_000));
        assert_eq!(us(text("2026-01-01 00:00", &Type::TIMESTAMP).unwrap()), Some(1_767_225_600_000_000));
        assert_eq!(text("1/2/2026", &Type::DATE).unwrap(), ScalarValue::Date32(Some(20_455)));
        let span =
            |months, days, ns| ScalarValue::IntervalMonthDayNano(Some(IntervalMonthDayNano::new(months, days, ns)));
        for (value, interval) in [
            ("1 day 02:00:00", span(0, 1, 7_200_000_000_000)),
            ("P1DT2H", span(0, 1, 7_200_000_000_000)),
            ("1 mon", span(1, 0, 0)),
        ] {
            assert_eq!(text(value, &Type::INTERVAL).unwrap(), interval, "{value}");
        }
        let list = text("{1,NULL}", &Type::INT4_ARRAY).unwrap();
        assert_eq!(list.to_string(), "[1, ]");
    }

    #[test]
    fn what_is_no_value_of_its_type_is_refused() {
        for (value, of, sqlstate) in [
            ("x", Type::INT4, "22P02"),
            ("99999999999", Type::INT4, "22P02"),
            ("yesterday", Type::DATE, "22007"),
            ("2026-02-30", Type::DATE, "22008"),
            ("soon", Type::INTERVAL, "22007"),
            ("\\x0", Type::BYTEA, "22P02"),
            ("{1", Type::INT4_ARRAY, "22P02"),
        ] {
            assert_eq!(text(value, &of).unwrap_err().sqlstate, sqlstate, "{value}");
        }
        let short = read_value(Some(&Bytes::from_static(&[0, 1])), true, Type::INT4.oid(), &DataType::Int32, Zone::UTC);
        assert_eq!(short.unwrap_err().sqlstate, "22P03");
        let long = read_value(Some(&Bytes::from_static(&[0; 5])), true, Type::INT4.oid(), &DataType::Int32, Zone::UTC);
        assert_eq!(long.unwrap_err().sqlstate, "22P03");
    }
}
