//! What was sent, as the table `rejected` has it, as a line: it takes the way of every other row from there.

use std::fmt::Write;

use arrow::array::timezone::Tz;
use arrow::compute::kernels::cast_utils::string_to_datetime;
use serde_json::{Map, Value};
use zonelake_schemas::{QualityScale, StorageType, TableDef};

/// Adds the line of a row, its timestamp in microseconds and a line feed behind it.
///
/// # Errors
/// What is wrong with the content, in words. Nothing is added then.
pub(crate) fn push_line(line: &mut String, content: &str, table: &TableDef) -> Result<(), String> {
    let content: Map<String, Value> =
        serde_json::from_str(content).map_err(|error| format!("its content is no JSON object: {error}"))?;
    let time = content.get("time").and_then(Value::as_str).and_then(time_us);
    let time = time.ok_or_else(|| "its time is none".to_owned())?;
    let begin = line.len();
    line.push_str(&table.name);
    let mut separator = ' ';
    for (name, value) in content.iter().filter(|(name, _)| *name != "time") {
        line.push(separator);
        separator = ',';
        if let Err(what) = push_field(line, name, value, table) {
            line.truncate(begin);
            return Err(what);
        }
    }
    if separator == ' ' {
        line.truncate(begin);
        return Err("it has nothing but a time".to_owned());
    }
    push(line, format_args!(" {time}\n"));
    Ok(())
}

fn push_field(line: &mut String, name: &str, value: &Value, table: &TableDef) -> Result<(), String> {
    push(line, format_args!("{name}="));
    let storage = table.field(name).map(|(_, field)| field.storage_type());
    let is_header = ["device", "province", "zone", "site"].contains(&name) || QualityScale::of_column(name).is_some();
    match (storage, value) {
        (None, _) if !is_header => return Err(format!("table {} has no column {name} any more", table.name)),
        (Some(StorageType::Int64), Value::Number(number)) => push(line, format_args!("{number}i")),
        // More than 64 bits.
        (Some(StorageType::Int64), Value::String(digits)) if is_integer(digits) => {
            push(line, format_args!("{digits}i"))
        }
        (Some(StorageType::Timestamp), Value::Number(us)) => push(line, format_args!("{us}i")),
        (Some(StorageType::Timestamp), Value::String(text)) => {
            let us = time_us(text).ok_or_else(|| format!("{name} is no time"))?;
            push(line, format_args!("{us}i"));
        }
        (Some(StorageType::Boolean), Value::Bool(value)) => push(line, format_args!("{value}")),
        (Some(StorageType::Utf8) | None, Value::String(text)) => push_text(line, text),
        // A code of a quality.
        (None, Value::Number(code)) => push(line, format_args!("{code}i")),
        (Some(StorageType::Float64 | StorageType::Decimal32 { .. } | StorageType::Decimal64 { .. }), value) => {
            match value {
                Value::Number(number) => push(line, format_args!("{number}")),
                // What JSON has no number for: NaN, infinities, more digits than a double has.
                Value::String(text) if text.parse::<f64>().is_ok() => line.push_str(text),
                _ => return Err(format!("{name} is no number")),
            }
        }
        _ => return Err(format!("{name} is not of the type of its field")),
    }
    Ok(())
}

fn is_integer(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

fn push_text(line: &mut String, text: &str) {
    line.push('"');
    for char in text.chars() {
        if matches!(char, '"' | '\\') {
            line.push('\\');
        }
        line.push(char);
    }
    line.push('"');
}

fn push(line: &mut String, text: std::fmt::Arguments<'_>) {
    line.write_fmt(text).expect("a string takes all text");
}

/// Microseconds of an instant as the content has it: RFC 3339.
fn time_us(text: &str) -> Option<i64> {
    let utc: Tz = "+00:00".parse().ok()?;
    string_to_datetime(&utc, text).ok().map(|time| time.timestamp_micros())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "name = \"t\"\n[[field]]\nname = \"pm\"\ntype = \"double\"\ndecimals = 2\n[[field]]\nname = \"count\"\ntype = \"bigint\"\n[[field]]\nname = \"on\"\ntype = \"boolean\"\n[[field]]\nname = \"note\"\ntype = \"text\"\n[[field]]\nname = \"at\"\ntype = \"timestamp\"\n";

    fn line(content: &str) -> Result<String, String> {
        let mut line = String::new();
        let pushed = push_line(&mut line, content, &TableDef::from_toml(TABLE).unwrap());
        pushed.map(|()| line.clone()).inspect_err(|_| assert_eq!(line, ""))
    }

    #[test]
    fn the_content_of_a_row_is_a_line_with_every_value_as_it_was_sent() {
        let content = r#"{"time":"2025-01-01T00:00:00.000001Z","device":"Trạm \"1\"\\","quality":192,"pm":12.5,"count":-7,"on":true,"note":"a, b\nc","at":"2024-12-31T23:59:59Z"}"#;
        let expected = "t at=1735689599000000i,count=-7i,device=\"Trạm \\\"1\\\"\\\\\",note=\"a, b\nc\",on=true,pm=12.5,quality=192i 1735689600000001\n";
        let sorted = |line: &str| {
            let (fields, time) = line["t ".len()..].rsplit_once(' ').unwrap();
            let mut fields: Vec<_> = fields.split(',').map(str::to_owned).collect();
            fields.sort();
            (fields, time.to_owned())
        };
        assert_eq!(sorted(&line(content).unwrap()), sorted(expected));
        let odd = line(r#"{"time":"2025-01-01T00:00:00Z","pm":"NaN","count":"99999999999999999999"}"#).unwrap();
        assert!(odd.contains("pm=NaN") && odd.contains("count=99999999999999999999i"), "{odd}");
    }

    #[test]
    fn content_that_is_no_row_is_said_and_leaves_no_part_of_a_line() {
        for (content, words) in [
            ("[]", "no JSON object"),
            ("{\"device\":\"a\"}", "time is none"),
            ("{\"time\":9200000000000000000,\"device\":\"a\"}", "time is none"),
            ("{\"time\":\"2025-01-01T00:00:00Z\"}", "nothing but a time"),
            ("{\"time\":\"2025-01-01T00:00:00Z\",\"gone\":1}", "no column gone any more"),
            ("{\"time\":\"2025-01-01T00:00:00Z\",\"on\":1}", "on is not of the type"),
            ("{\"time\":\"2025-01-01T00:00:00Z\",\"pm\":\"1,note=x\"}", "pm is no number"),
            ("{\"time\":\"2025-01-01T00:00:00Z\",\"at\":\"soon\"}", "at is no time"),
        ] {
            let error = line(content).expect_err(content);
            assert!(error.contains(words), "{content}: {error}");
        }
    }
}
