//! `format(template, values…)`: `%s` is a value as text, `%I` a name, `%L` a literal, `%%` a percent sign, `%2$s` the
//! second value. Widths are refused.

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
        let digits = behind.len() - behind.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, behind_number) = behind.split_at(digits);
        let (place, behind) = match (number, behind_number.strip_prefix('$')) {
            ("", _) => (next, behind),
            (_, None) => return exec_err!("widths are not possible in format"),
            (number, Some(behind)) => match number.parse::<usize>().ok().and_then(|number| number.checked_sub(1)) {
                Some(place) => (place, behind),
                None => return exec_err!("format specifies argument 0, but arguments are numbered from 1"),
            },
        };
        let mut characters = behind.chars();
        let kind = characters.next();
        rest = characters.as_str();
        if kind == Some('%') {
            text.push('%');
            continue;
        }
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
    }
    text.push_str(rest);
    Ok(text)
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
            ("none", vec![], "none"),
        ] {
            assert_eq!(format_text(template, &values).expect("a value"), text, "{template}");
        }
        for (template, values) in
            [("%s", vec![]), ("%d", vec![Some("1")]), ("%5s", vec![Some("1")]), ("%I", vec![None])]
        {
            assert!(format_text(template, &values).is_err(), "{template}");
        }
    }
}
