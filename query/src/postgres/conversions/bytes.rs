//! Bytes and their texts: the form with escapes of `encode` and `decode`, `convert_from` and `convert_to`, and the number of bytes.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BinaryArray, Int64Array, StringArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use datafusion::common::{Result, plan_err};

use crate::postgres::function::{Call, Function};
use crate::postgres::functions::array_functions::strings;
use crate::postgres::rules::kinds::is_text;
use crate::postgres::value_error::ValueError;

/// Name of the function that `encode(bytes, 'escape')` becomes.
pub(crate) const ESCAPED: &str = "bytes_escaped";
/// Name of the function that `decode(text, 'escape')` becomes.
pub(crate) const UNESCAPED: &str = "bytes_unescaped";
/// Name of the function that has the number of bytes of bytes.
pub(crate) const LENGTH: &str = "bytes_length";

/// The functions of this module.
pub(crate) fn functions() -> Vec<Function> {
    vec![
        Function::new(ESCAPED, |given| one(given, DataType::Binary, DataType::Utf8), escape),
        Function::new(UNESCAPED, |given| one(given, DataType::Utf8, DataType::Binary), unescape),
        Function::new(LENGTH, |given| one(given, DataType::Binary, DataType::Int64), length),
        Function::new("convert_from", |given| in_encoding(given, DataType::Binary, DataType::Utf8), from_utf8),
        Function::new("convert_to", |given| in_encoding(given, DataType::Utf8, DataType::Binary), to_utf8),
    ]
}

type Typed = Result<(Vec<DataType>, DataType)>;

fn is_bytes(given: &DataType) -> bool {
    given.is_binary() || is_text(given) || *given == DataType::Null
}

fn one(given: &[DataType], wanted: DataType, result: DataType) -> Typed {
    match given {
        [only] if is_bytes(only) => Ok((vec![wanted], result)),
        _ => plan_err!("bytes or a text are wanted"),
    }
}

fn in_encoding(given: &[DataType], wanted: DataType, result: DataType) -> Typed {
    match given {
        [value, encoding] if is_bytes(value) && is_text(encoding) => Ok((vec![wanted, DataType::Utf8], result)),
        _ => plan_err!("a value and the name of its encoding are wanted"),
    }
}

/// Bytes that are no plain letters in three octal digits, and a backslash twice.
fn escape(call: &Call<'_>) -> Result<ArrayRef> {
    let texts = call.args[0].as_binary::<i32>().iter().map(|bytes| {
        bytes.map(|bytes| {
            let one = |byte: &u8| match byte {
                b'\\' => "\\\\".to_owned(),
                0 | 0x80.. => format!("\\{byte:03o}"),
                plain => char::from(*plain).to_string(),
            };
            bytes.iter().map(one).collect::<String>()
        })
    });
    Ok(Arc::new(texts.collect::<StringArray>()))
}

fn unescape(call: &Call<'_>) -> Result<ArrayRef> {
    let invalid = || ValueError::error("22P02", "invalid input syntax for type bytea");
    let rows = strings(&call.args[0])?;
    let rows = rows.iter().map(|text| text.map(|text| unescaped(text).ok_or_else(invalid)).transpose());
    Ok(Arc::new(BinaryArray::from_iter(rows.collect::<Result<Vec<_>>>()?)))
}

fn unescaped(text: &str) -> Option<Vec<u8>> {
    let (mut bytes, mut rest) = (Vec::with_capacity(text.len()), text.bytes());
    let digit = |byte: u8| (b'0'..=b'7').contains(&byte).then(|| u16::from(byte - b'0'));
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'\\' => match rest.next()? {
                b'\\' => b'\\',
                first => u8::try_from(digit(first)? * 64 + digit(rest.next()?)? * 8 + digit(rest.next()?)?).ok()?,
            },
            plain => plain,
        });
    }
    Some(bytes)
}

fn length(call: &Call<'_>) -> Result<ArrayRef> {
    let lengths = call.args[0].as_binary::<i32>().iter();
    let lengths = lengths.map(|bytes| bytes.and_then(|bytes| i64::try_from(bytes.len()).ok()));
    Ok(Arc::new(lengths.collect::<Int64Array>()))
}

/// The one encoding that texts have here.
fn check_encoding(call: &Call<'_>) -> Result<()> {
    for name in strings(&call.args[1])?.iter().flatten() {
        let plain: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
        if !["utf8", "unicode"].contains(&plain.to_lowercase().as_str()) {
            return Err(ValueError::unsupported(format!("not supported: encoding {name}; texts are UTF8")));
        }
    }
    Ok(())
}

fn from_utf8(call: &Call<'_>) -> Result<ArrayRef> {
    check_encoding(call)?;
    let rows = call.args[0].as_binary::<i32>().iter().map(|bytes| match bytes.map(std::str::from_utf8) {
        Some(Err(_)) => Err(ValueError::error("22021", "invalid byte sequence for encoding \"UTF8\"")),
        Some(Ok(text)) => Ok(Some(text)),
        None => Ok(None),
    });
    Ok(Arc::new(rows.collect::<Result<StringArray>>()?))
}

fn to_utf8(call: &Call<'_>) -> Result<ArrayRef> {
    check_encoding(call)?;
    Ok(cast(&call.args[0], &DataType::Binary)?)
}
