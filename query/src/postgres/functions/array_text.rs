//! Arrays as text, in PostgreSQL's form: `{a,"b c",NULL}`.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, ListArray, StringViewArray, new_empty_array};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::compute::{CastOptions, cast, cast_with_options, concat};
use arrow::datatypes::{DataType, Field, Float32Type, Float64Type};
use arrow::util::display::FormatOptions;
use datafusion::common::{Result, plan_err};

use crate::postgres::functions::number_text::float_text;
use crate::postgres::value_error::ValueError;

/// Items of an array of one dimension that is written as text.
pub(crate) fn parse(text: &str) -> Result<Vec<Option<String>>> {
    let malformed = |why: &str| ValueError::error("22P02", format!("malformed array literal: \"{text}\": {why}"));
    let inner = text.trim();
    let Some(inner) = inner.strip_prefix('{').and_then(|inner| inner.strip_suffix('}')) else {
        return Err(malformed("it is written in braces"));
    };
    let mut items = Vec::new();
    let mut rest = inner.trim_start();
    if rest.is_empty() {
        return Ok(items);
    }
    loop {
        let (item, behind) = match rest.strip_prefix('"') {
            Some(quoted) => {
                let (item, behind) = quoted_item(quoted).ok_or_else(|| malformed("a quote is not closed"))?;
                (Some(item), behind.trim_start())
            }
            None => bare_item(rest).map_err(malformed)?,
        };
        items.push(item);
        if behind.is_empty() {
            return Ok(items);
        }
        let Some(next) = behind.strip_prefix(',') else { return Err(malformed("items are separated by commas")) };
        rest = next.trim_start();
    }
}

/// The item up to the closing quote, and what stands behind it.
fn quoted_item(quoted: &str) -> Option<(String, &str)> {
    let mut item = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((item, &quoted[at + 1..])),
            '\\' => item.push(characters.next()?.1),
            other => item.push(other),
        }
    }
    None
}

/// The item up to the next comma, and what stands behind it.
fn bare_item(rest: &str) -> std::result::Result<(Option<String>, &str), &'static str> {
    let mut item = String::new();
    let mut end = rest.len();
    let mut is_escaped = false;
    let mut characters = rest.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            ',' => {
                end = at;
                break;
            }
            '{' | '}' => return Err("arrays of more than one dimension are not possible here"),
            '"' => return Err("a quote stands within an item"),
            '\\' => {
                is_escaped = true;
                item.push(characters.next().ok_or("nothing follows a backslash")?.1);
            }
            other => item.push(other),
        }
    }
    let item = item.trim_end();
    match item {
        "" => Err("an item is empty: write \"\" for an empty text"),
        null if null.eq_ignore_ascii_case("null") && !is_escaped => Ok((None, &rest[end..])),
        item => Ok((Some(item.to_owned()), &rest[end..])),
    }
}

/// Arrays of a type that are written as texts.
pub(crate) fn lists_of(texts: &StringViewArray, item: &DataType) -> Result<ListArray> {
    let options = CastOptions { safe: false, format_options: FormatOptions::default() };
    let mut parts: Vec<ArrayRef> = Vec::new();
    let mut lengths = Vec::with_capacity(texts.len());
    for text in texts {
        let items = text.map(parse).transpose()?.unwrap_or_default();
        lengths.push(items.len());
        let words: StringViewArray = items.iter().map(Option::as_deref).collect();
        parts.push(cast_with_options(&words, item, &options)?);
    }
    let parts: Vec<&dyn Array> = parts.iter().map(AsRef::as_ref).collect();
    let values = if parts.is_empty() { new_empty_array(item) } else { concat(&parts)? };
    let nulls = NullBuffer::from_iter(texts.iter().map(|text| text.is_some()));
    let field = Arc::new(Field::new_list_field(item.clone(), true));
    Ok(ListArray::try_new(field, OffsetBuffer::from_lengths(lengths), values, Some(nulls))?)
}

/// True where arrays of such items can be written.
pub(crate) fn is_written(item: &DataType) -> bool {
    match item {
        DataType::List(inner) => is_written(inner.data_type()),
        DataType::Boolean | DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Null => true,
        other => other.is_numeric(),
    }
}

/// The text of each array.
pub(crate) fn texts_of(lists: &ListArray) -> Result<StringViewArray> {
    let texts = (0..lists.len()).map(|row| match lists.is_valid(row) {
        true => text_of(&lists.value(row)).map(Some),
        false => Ok(None),
    });
    texts.collect()
}

fn text_of(items: &ArrayRef) -> Result<String> {
    let mut written = Vec::with_capacity(items.len());
    if let Some(lists) = items.as_list_opt::<i32>() {
        for row in 0..lists.len() {
            written.push(if lists.is_valid(row) { text_of(&lists.value(row))? } else { "NULL".to_owned() });
        }
        return Ok(format!("{{{}}}", written.join(",")));
    }
    let texts = item_texts(items)?;
    for text in &texts {
        written.push(match text {
            None => "NULL".to_owned(),
            Some(text) if is_plain(text) => text.to_owned(),
            Some(text) => format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")),
        });
    }
    Ok(format!("{{{}}}", written.join(",")))
}

fn item_texts(items: &ArrayRef) -> Result<StringViewArray> {
    Ok(match items.data_type() {
        DataType::Boolean => {
            let letter = |value: bool| if value { "t" } else { "f" };
            items.as_boolean().iter().map(|value| value.map(letter)).collect()
        }
        DataType::Float64 => {
            let text = |value: f64| float_text(value, 15);
            items.as_primitive::<Float64Type>().iter().map(|value| value.map(text)).collect()
        }
        DataType::Float32 => {
            let text = |value: f32| float_text(value, 6);
            items.as_primitive::<Float32Type>().iter().map(|value| value.map(text)).collect()
        }
        of if is_written(of) => cast(items, &DataType::Utf8View)?.as_string_view().clone(),
        of => return plan_err!("an array of {of} has no text here"),
    })
}

fn is_plain(text: &str) -> bool {
    let is_special = |c: char| matches!(c, '{' | '}' | ',' | '"' | '\\') || c.is_ascii_whitespace() || c == '\u{b}';
    !text.is_empty() && !text.eq_ignore_ascii_case("null") && !text.contains(is_special)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_are_read_as_they_are_written() {
        let items = |text: &str| parse(text).map(|items| items.join_texts());
        for (text, wanted) in [
            ("{}", ""),
            ("{a,b}", "a|b"),
            (" { a , \"b c\" ,NULL } ", "a|b c|-"),
            ("{\"a,b\",\"NULL\",\"x\\\"y\"}", "a,b|NULL|x\"y"),
            ("{a\\,b}", "a,b"),
        ] {
            assert_eq!(items(text).unwrap(), wanted, "{text}");
        }
        for text in ["", "a", "{a", "{a,}", "{{a}}", "{\"a}", "{a\"b}", "{a}b"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    trait JoinTexts {
        fn join_texts(&self) -> String;
    }

    impl JoinTexts for Vec<Option<String>> {
        fn join_texts(&self) -> String {
            self.iter().map(|item| item.as_deref().unwrap_or("-")).collect::<Vec<_>>().join("|")
        }
    }
}
