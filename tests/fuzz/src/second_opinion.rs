//! Second opinion on line protocol: InfluxDB's own parser (`influxdb-line-protocol`) over the same bytes.
//!
//! Either both parsers take a block of lines, with the same values, or both refuse it, or its text has one of the listed
//! [`DIFFERENCES`]. Twelve million generated blocks showed no others when this list was made, except in names of measurements
//! (`\=` is no escape to InfluxDB there, and a quote can hide the end of the line); a measurement must be the table's name here.
//!
//! Zonelake's parser is asked through the decoder of a server, which also checks names, types and devices. A block that is
//! refused for one of these says nothing about its syntax and is left out, as is one that is not UTF-8, which InfluxDB's
//! parser cannot be given.

use std::collections::BTreeMap;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{
    DataType, Decimal32Type, Decimal64Type, Float64Type, Int64Type, TimestampMicrosecondType, UInt32Type,
};
use influxdb_line_protocol::{FieldValue, ParsedLine, parse_lines};
use zonelake_ingest::{DecodedBatch, Refusal};
use zonelake_schemas::columns::{LOG_FIXED, log};
use zonelake_schemas::wire::control::RefusedCode;

/// One way in which the two parsers differ.
#[derive(Debug, Clone, Copy)]
pub struct Difference {
    /// Description of what each of them does.
    pub what: &'static str,
    /// Block of lines on which they differ.
    pub example: &'static str,
    /// Test for texts in which the difference can show.
    pub may_show: fn(&str) -> bool,
}

/// All differences.
pub const DIFFERENCES: [Difference; 9] = [
    Difference {
        what: "Zonelake takes carriage returns and tabs around the parts of a line as blanks; InfluxDB ends a name there",
        example: "t,device=a raw=1\r\n",
        may_show: |text| text.contains(['\r', '\t', '\0']),
    },
    Difference {
        what: "in names, InfluxDB escapes a backslash and a line feed by a backslash, and no name ends with one",
        example: "t,device=a,note=x\\\\y raw=1\n",
        may_show: |text| text.contains("\\\\") || text.contains("\\\n") || text.ends_with('\\'),
    },
    Difference {
        what: "a comment of Zonelake ends with its line; in InfluxDB, a quote or backslash in it can hide the end",
        example: "# x =\"\nt,device=a raw=1\n",
        may_show: |text| text.lines().any(|line| line.trim_start().starts_with('#') && line.contains(['"', '\\'])),
    },
    Difference {
        what: "Zonelake takes every number that Rust reads, NaN and infinities too, and integers of any length",
        example: "t,device=a raw=.5\n",
        may_show: |text| text.split(['=', ',', ' ', '\n']).any(is_wider_number),
    },
    Difference {
        what: "Zonelake takes blanks at the end of a line without a timestamp",
        example: "t,device=a raw=1 \n",
        may_show: |text| text.split('\n').any(|line| line.ends_with(' ')),
    },
    Difference {
        what: "Zonelake takes a timestamp with a plus sign",
        example: "t,device=a raw=1 +5\n",
        may_show: |text| text.contains(" +"),
    },
    Difference {
        what: "Zonelake takes a timestamp directly after a closing quote",
        example: "t,device=a note=\"x\"5\n",
        may_show: |text| {
            text.split('"')
                .skip(1)
                .any(|rest| rest.starts_with(|next: char| "+-".contains(next) || next.is_ascii_digit()))
        },
    },
    Difference {
        what: "InfluxDB takes a comma in a key and an equals sign in a tag's value without an escape",
        example: "t,device=a raw=1,wi,de=2\n",
        may_show: |text| parse_lines(text).flatten().any(|line| has_loose_name(&line)),
    },
    Difference {
        what: "InfluxDB takes a comma after the only field of a line",
        example: "t,device=a raw=1,\n",
        may_show: |text| text.contains(",\n") || text.contains(", ") || text.ends_with(','),
    },
];

/// Compares what a decoder made of a block of lines with what InfluxDB's parser makes of it. `now_us` is the time of rows
/// without a timestamp.
///
/// # Panics
/// Where they differ in a way that is not listed.
pub fn compare(input: &[u8], decoded: Result<&DecodedBatch, &Refusal>, now_us: i64) {
    if let Some(difference) = difference(input, decoded, now_us) {
        let text = String::from_utf8_lossy(input);
        assert!(
            DIFFERENCES.iter().any(|known| (known.may_show)(&text)),
            "the parsers differ in a way that is not listed: {difference}\n{text:?}"
        );
    }
}

/// The difference between both parsers, listed or not; `None` where they agree or cannot be compared.
pub fn difference(input: &[u8], decoded: Result<&DecodedBatch, &Refusal>, now_us: i64) -> Option<String> {
    let text = str::from_utf8(input).ok()?;
    let theirs: Result<Vec<ParsedLine<'_>>, _> = parse_lines(text).collect();
    match (decoded, &theirs) {
        (Err(refusal), Ok(_)) if is_of_syntax(refusal) => Some(format!("only Zonelake refuses it: {refusal}")),
        (Err(_), _) => None,
        (Ok(_), Err(error)) => Some(format!("only InfluxDB refuses it: {error}")),
        (Ok(decoded), Ok(lines)) => compare_lines(decoded, lines, now_us).err(),
    }
}

/// A refusal for the form of a line. Two others have the same code: a field that stands twice, and bytes that are not UTF-8.
fn is_of_syntax(refusal: &Refusal) -> bool {
    refusal.code == RefusedCode::BadPayload && !refusal.message.ends_with("stands twice in the line")
}

fn compare_lines(decoded: &DecodedBatch, lines: &[ParsedLine<'_>], now_us: i64) -> Result<(), String> {
    let rows = decoded.rows + decoded.rejected_rows;
    if rows != lines.len() as u64 {
        return Err(format!("{rows} rows of {} lines", lines.len()));
    }
    // Where whole rows are rejected, the others no longer stand at the number of their line.
    let Some(stored) = decoded.stored.as_ref().filter(|_| decoded.rejected_rows == 0) else { return Ok(()) };
    let mut keys = BTreeMap::new();
    let mut readings = 0;
    for (row, line) in lines.iter().enumerate() {
        let time_us = line.timestamp.map_or(now_us, |time_ns| time_ns.div_euclid(1_000));
        let own_us = stored.column(log::TIME).as_primitive::<TimestampMicrosecondType>().value(row);
        if own_us != time_us {
            return Err(format!("row {row}: time {own_us} and {time_us}"));
        }
        let key = stored.column(log::DEVICE_KEY).as_primitive::<UInt32Type>().value(row);
        let device = values_of(line).filter(|(name, _)| *name == "device").last();
        let device = device.map(|(_, value)| value.to_string());
        if *keys.entry(key).or_insert_with(|| device.clone()) != device {
            return Err(format!("row {row}: device {device:?} has the key {key} of another"));
        }
        for (name, value) in values_of(line) {
            readings += compare_reading(stored, row, name, &value)?;
        }
    }
    if readings != decoded.readings {
        return Err(format!("{} readings stored, of which {readings} stand in the lines", decoded.readings));
    }
    Ok(())
}

/// A value as InfluxDB's parser gives it: a tag's is text.
#[derive(Debug, Clone, Copy)]
enum Value<'a, 'text> {
    Text(&'a str),
    Field(&'a FieldValue<'text>),
}

impl std::fmt::Display for Value<'_, '_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Field(FieldValue::String(text)) => f.write_str(text.as_str()),
            Self::Field(other) => other.fmt(f),
        }
    }
}

/// Tags and fields of a line by name, in their order.
fn values_of<'a, 'text>(line: &'a ParsedLine<'text>) -> impl Iterator<Item = (&'a str, Value<'a, 'text>)> {
    let tags = line.series.tag_set.iter().flatten().map(|(name, value)| (name.as_str(), Value::Text(value.as_str())));
    tags.chain(line.field_set.iter().map(|(name, value)| (name.as_str(), Value::Field(value))))
}

/// Compares one value with the stored one; gives the number of readings that it is. A value that was rejected is null.
fn compare_reading(stored: &RecordBatch, row: usize, name: &str, value: &Value<'_, '_>) -> Result<u64, String> {
    let schema = stored.schema();
    let Some((index, field)) = schema.column_with_name(name).filter(|(index, _)| *index >= LOG_FIXED) else {
        return Ok(0);
    };
    let column = stored.column(index);
    if column.is_null(row) {
        return Ok(0);
    }
    let own = match field.data_type() {
        DataType::Decimal32(_, scale) => {
            let scaled = f64::from(column.as_primitive::<Decimal32Type>().value(row));
            return near(scaled, *scale, value).map_err(|difference| format!("row {row}, {name}: {difference}"));
        }
        DataType::Decimal64(_, scale) => {
            let scaled = column.as_primitive::<Decimal64Type>().value(row) as f64;
            return near(scaled, *scale, value).map_err(|difference| format!("row {row}, {name}: {difference}"));
        }
        DataType::Float64 => {
            number(value).is_some_and(|value| column.as_primitive::<Float64Type>().value(row) == value)
        }
        DataType::Int64 => integer(value) == Some(i128::from(column.as_primitive::<Int64Type>().value(row))),
        DataType::Timestamp(..) => {
            let us = column.as_primitive::<TimestampMicrosecondType>().value(row);
            integer(value).map(|ns| ns.div_euclid(1_000)) == Some(i128::from(us))
        }
        DataType::Boolean => {
            matches!(value, Value::Field(FieldValue::Boolean(on)) if *on == column.as_boolean().value(row))
        }
        _ => column.as_string::<i32>().value(row) == value.to_string(),
    };
    if own { Ok(1) } else { Err(format!("row {row}, {name}: InfluxDB has {value}")) }
}

/// A stored decimal is the sent number rounded to its places.
fn near(scaled: f64, scale: i8, value: &Value<'_, '_>) -> Result<u64, String> {
    let power = 10f64.powi(i32::from(scale));
    let sent = number(value).unwrap_or(f64::NAN);
    let difference = (scaled - sent * power).abs();
    // Half a unit for the rounding, and what a double of 53 bits is off by.
    if difference <= 0.5 + 1e-15 * scaled.abs() { Ok(1) } else { Err(format!("{scaled} / {power} and {sent}")) }
}

fn number(value: &Value<'_, '_>) -> Option<f64> {
    match value {
        Value::Field(FieldValue::F64(value)) => Some(*value),
        other => integer(other).map(|value| value as f64),
    }
}

fn integer(value: &Value<'_, '_>) -> Option<i128> {
    match value {
        Value::Field(FieldValue::I64(value)) => Some(i128::from(*value)),
        Value::Field(FieldValue::U64(value)) => Some(i128::from(*value)),
        _ => None,
    }
}

/// A number that only Zonelake takes: of a form that line protocol does not describe, or of more than 64 bits.
fn is_wider_number(token: &str) -> bool {
    let all_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let integer = token.strip_suffix(['i', 'u']);
    let number = integer.unwrap_or(token);
    let number = number.strip_prefix('-').unwrap_or(number);
    if all_digits(number) {
        return integer.is_some() && number.len() > 18;
    }
    let (mantissa, exponent) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, "0"));
    let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
    token.parse::<f64>().is_ok() && !(all_digits(whole) && all_digits(fraction) && all_digits(exponent))
}

fn has_loose_name(line: &ParsedLine<'_>) -> bool {
    line.series.tag_set.iter().flatten().any(|(key, value)| key.contains(',') || value.contains('='))
        || line.field_set.iter().any(|(key, _)| key.contains(','))
}
