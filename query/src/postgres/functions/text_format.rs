//! `format(template, values…)`: `%s` is a value as text, `%I` a name, `%L` a literal, `%%` a percent sign, `%2$s` the
//! second value. `%5s` and `%-5s` are padded with blanks in front and behind.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use datafusion::common::{Result, exec_err};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};

/// SQL function `format`.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct TextFormat(Signature);

impl Default for TextFormat {
    fn default() -> Self {
        Self(Signature::variadic_any(Volatility::Immutable))
    }
}

impl ScalarUDFImpl for TextFormat {
    fn name(&self) -> &'static str {
        "format"
    }

    fn signature(&self) -> &Signature {
        &self.0
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = args.number_rows;
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(args.args.len());
        for value in args.args {
            columns.push(cast(&value.into_array(rows)?, &DataType::Utf8)?);
        }
        let columns: Vec<&StringArray> = columns.iter().map(|column| column.as_string::<i32>()).collect();
        let Some((templates, values)) = columns.split_first() else { return exec_err!("format takes a template") };
        let mut texts = Vec::with_capacity(rows);
        for row in 0..rows {
            let of_row: Vec<Option<&str>> =
                values.iter().map(|column| column.is_valid(row).then(|| column.value(row))).collect();
            texts.push(match templates.is_valid(row) {
                true => Some(format_text(templates.value(row), &of_row)?),
                false => None,
            });
        }
        Ok(ColumnarValue::Array(Arc::new(StringArray::from(texts))))
    }
}

fn format_text(template: &str, values: &[Option<&str>]) -> Result<String> {
    let mut text = String::with_capacity(template.len());
    let mut next = 0;
    let mut rest = template;
    while let Some((before, behind)) = rest.split_once('%') {
        text.push_str(before);
        let (place, behind) = match numbered(behind) {
            Some((0, _)) => return exec_err!("format specifies argument 0, but arguments are numbered from 1"),
            Some((number, behind)) => (number - 1, behind),
            None => (next, behind),
        };
        let (width, behind) = width(behind)?;
        let mut characters = behind.chars();
        let kind = characters.next();
        rest = characters.as_str();
        if kind == Some('%') {
            text.push('%');
            continue;
        }
        let start = text.len();
        let Some(value) = values.get(place) else { return exec_err!("too few arguments for format()") };
        // A value without a position follows the one before it, whether that had a position or not.
        next = place + 1;
        match (kind, *value) {
            (Some('s'), value) => text.push_str(value.unwrap_or_default()),
            (Some('I'), Some(name)) => put_name(&mut text, name),
            (Some('I'), None) => return exec_err!("null values cannot be formatted as an SQL identifier"),
            (Some('L'), Some(value)) => {
                text.push('\'');
                text.push_str(&value.replace('\'', "''"));
                text.push('\'');
            }
            (Some('L'), None) => text.push_str("NULL"),
            _ => return exec_err!("format knows %s, %I, %L and %%"),
        }
        pad(&mut text, start, width);
    }
    text.push_str(rest);
    Ok(text)
}

/// The number of a value in front of a dollar sign, and what stands behind that.
fn numbered(rest: &str) -> Option<(usize, &str)> {
    let (number, behind) = rest.split_once('$')?;
    let is_number = !number.is_empty() && number.bytes().all(|digit| digit.is_ascii_digit());
    is_number.then(|| number.parse().ok()).flatten().map(|number| (number, behind))
}

/// Letters that a value has at least; negative where the blanks stand behind it.
fn width(rest: &str) -> Result<(i64, &str)> {
    let (sign, rest) = rest.strip_prefix('-').map_or((1, rest), |rest| (-1, rest));
    let digits = rest.len() - rest.trim_start_matches(|letter: char| letter.is_ascii_digit()).len();
    let (number, behind) = rest.split_at(digits);
    match number.parse::<i64>() {
        _ if number.is_empty() => Ok((0, behind)),
        Ok(width) if width <= WIDTH_MAX => Ok((sign * width, behind)),
        _ => exec_err!("a width of format is at most {WIDTH_MAX}"),
    }
}

/// Letters of a width: calls within calls multiply.
const WIDTH_MAX: i64 = 1_000;

/// Fills what stands behind `start` up to a width.
fn pad(text: &mut String, start: usize, width: i64) {
    let letters = i64::try_from(text[start..].chars().count()).unwrap_or(i64::MAX);
    let blanks = usize::try_from(width.abs().saturating_sub(letters)).unwrap_or(0);
    match width < 0 {
        true => text.push_str(&" ".repeat(blanks)),
        false => text.insert_str(start, &" ".repeat(blanks)),
    }
}

fn put_name(text: &mut String, name: &str) {
    let is_plain = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    if is_plain {
        text.push_str(name);
    } else {
        text.push('"');
        text.push_str(&name.replace('"', "\"\""));
        text.push('"');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_filled_as_postgresql_fills_them() {
        for (template, values, text) in [
            ("%I.%I", vec![Some("public"), Some("My table")], "public.\"My table\""),
            ("%s, %s and 100 %%", vec![Some("a"), None], "a,  and 100 %"),
            ("%2$s %1$s %s", vec![Some("a"), Some("b")], "b a b"),
            ("%L %L", vec![Some("it's"), None], "'it''s' NULL"),
            ("%5s|%-5s|%2$3s", vec![Some("a"), Some("b")], "    a|b    |  b"),
            ("none", vec![], "none"),
        ] {
            assert_eq!(format_text(template, &values).expect("a value"), text, "{template}");
        }
        for (template, values) in
            [("%s", vec![]), ("%d", vec![Some("1")]), ("%5000s", vec![Some("1")]), ("%I", vec![None])]
        {
            assert!(format_text(template, &values).is_err(), "{template}");
        }
    }
}
