//! Objects of JSON: their values, those without nulls, and those made of arrays or of rows.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, LargeStringArray};
use arrow::datatypes::DataType;
use datafusion::common::{Result, plan_err};
use zonelake_timeseries::Zone;

use crate::postgres::arrays::sets::{item_type, list_type};
use crate::postgres::function::{Call, Function};
use crate::postgres::functions::array_functions::strings;
use crate::postgres::json::functions::{canonical, each, list_column, part};
use crate::postgres::json::value::{Json, Kind, push_text};
use crate::postgres::json::written::Writer;
use crate::postgres::rules::kinds::is_text;
use crate::postgres::value_error::ValueError;

/// Values of an object as JSON, of which relations are made.
pub(crate) const VALUES: &str = "json_values";
/// Values of an object as texts.
pub(crate) const VALUE_TEXTS: &str = "json_value_texts";
/// The object of the rows that `json_object_agg` puts together: an array of names, and one of values.
pub(crate) const OF_ROWS: &str = "json_object_of_rows";

/// The functions of this module.
pub(crate) fn functions() -> Vec<Function> {
    vec![
        Function::new(VALUES, |given| of_json(given, list_type(&DataType::LargeUtf8)), |call| values(call, false)),
        Function::new(VALUE_TEXTS, |given| of_json(given, list_type(&DataType::Utf8)), |call| values(call, true)),
        Function::new("json_strip_nulls", |given| of_json(given, DataType::LargeUtf8), |call| strip(call, false)),
        Function::new("jsonb_strip_nulls", |given| of_json(given, DataType::LargeUtf8), |call| strip(call, true)),
        Function::new("json_object", texts_typing, |call| object(call, false)),
        Function::new("jsonb_object", texts_typing, |call| object(call, true)),
        Function::new(OF_ROWS, rows_typing, of_rows).depending_on_session(),
    ]
}

type Typed = Result<(Vec<DataType>, DataType)>;

fn of_json(given: &[DataType], result: DataType) -> Typed {
    match given {
        [only] if is_text(only) || *only == DataType::Null => Ok((vec![DataType::LargeUtf8], result)),
        _ => plan_err!("one value of json is wanted"),
    }
}

fn texts_typing(given: &[DataType]) -> Typed {
    match given.len() {
        1 | 2 if given.iter().all(|list| item_type(list).is_some()) => {
            Ok((vec![list_type(&DataType::Utf8); given.len()], DataType::LargeUtf8))
        }
        _ => plan_err!("json_object takes an array of texts, or one of names and one of values"),
    }
}

fn rows_typing(given: &[DataType]) -> Typed {
    match given {
        [names, values] => match (item_type(names), item_type(values)) {
            (Some(_), Some(item)) => Ok((vec![list_type(&DataType::Utf8), list_type(item)], DataType::LargeUtf8)),
            _ => plan_err!("names and values are wanted"),
        },
        _ => plan_err!("names and values are wanted"),
    }
}

fn values(call: &Call<'_>, as_text: bool) -> Result<ArrayRef> {
    let lists = each(call, |_, json| match &json.kind {
        Kind::Object(members) => Ok(Some(members.iter().map(|(_, value)| part(Some(value), as_text)).collect())),
        _ => Err(ValueError::error("22023", "cannot take the values of a value that is no object")),
    })?;
    list_column(call, lists)
}

fn strip(call: &Call<'_>, is_binary: bool) -> Result<ArrayRef> {
    let texts = each(call, |_, json| {
        let mut text = String::new();
        push_stripped(&mut text, json);
        Ok(Some(text))
    })?;
    Ok(Arc::new(LargeStringArray::from(if is_binary { canonical(texts)? } else { texts })))
}

/// Writes a value without the members that are null.
fn push_stripped(out: &mut String, json: &Json<'_>) {
    match &json.kind {
        Kind::Object(members) => {
            out.push('{');
            for (at, (name, value)) in members.iter().filter(|(_, value)| value.kind != Kind::Null).enumerate() {
                out.push_str(if at > 0 { "," } else { "" });
                push_text(out, name);
                out.push(':');
                push_stripped(out, value);
            }
            out.push('}');
        }
        Kind::Array(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                out.push_str(if at > 0 { "," } else { "" });
                push_stripped(out, item);
            }
            out.push(']');
        }
        _ => out.push_str(json.written),
    }
}

fn object(call: &Call<'_>, is_binary: bool) -> Result<ArrayRef> {
    let names_of = call.args[0].as_list::<i32>();
    let texts = (0..names_of.len()).map(|row| {
        if call.args.iter().any(|arg| arg.is_null(row)) {
            return Ok(None);
        }
        let first = strings(&names_of.value(row))?;
        let all: Vec<Option<&str>> = first.iter().collect();
        let second = call.args.get(1).map(|values| strings(&values.as_list::<i32>().value(row))).transpose()?;
        let members: Vec<(Option<&str>, Option<&str>)> = match &second {
            None if all.len() % 2 == 1 => {
                return Err(ValueError::error("2202E", "array must have even number of elements"));
            }
            None => all.chunks(2).map(|pair| (pair[0], pair[1])).collect(),
            Some(values) if values.len() != all.len() => {
                return Err(ValueError::error("2202E", "mismatched array dimensions"));
            }
            Some(values) => all.iter().copied().zip(values).collect(),
        };
        let written = members.into_iter().map(|(name, value)| {
            let text = value.map(|value| {
                let mut text = String::new();
                push_text(&mut text, value);
                text
            });
            (name, text)
        });
        pairs(written, ["{", " : ", ", ", "}"]).map(Some)
    });
    let texts = texts.collect::<Result<Vec<_>>>()?;
    Ok(Arc::new(LargeStringArray::from(if is_binary { canonical(texts)? } else { texts })))
}

/// An object of names and written values, with what stands around and between them.
fn pairs<'a>(
    members: impl Iterator<Item = (Option<&'a str>, Option<String>)>,
    [start, colon, comma, end]: [&str; 4],
) -> Result<String> {
    let mut text = String::from(start);
    for (at, (name, value)) in members.enumerate() {
        let Some(name) = name else {
            return Err(ValueError::error("22004", "null value not allowed for object key"));
        };
        text.push_str(if at > 0 { comma } else { "" });
        push_text(&mut text, name);
        text.push_str(colon);
        text.push_str(value.as_deref().unwrap_or("null"));
    }
    text.push_str(end);
    Ok(text)
}

fn of_rows(call: &Call<'_>) -> Result<ArrayRef> {
    let writer = Writer { zone: Zone::from_session(call.config)?, comma: "," };
    let (names_of, values_of) = (call.args[0].as_list::<i32>(), call.args[1].as_list::<i32>());
    let texts = (0..names_of.len()).map(|row| {
        if names_of.is_null(row) || values_of.is_null(row) {
            return Ok(None);
        }
        let (names, values) = (strings(&names_of.value(row))?, writer.texts(&values_of.value(row))?);
        pairs(names.iter().zip(values), ["{ ", " : ", ", ", " }"]).map(Some)
    });
    Ok(Arc::new(LargeStringArray::from(texts.collect::<Result<Vec<_>>>()?)))
}
