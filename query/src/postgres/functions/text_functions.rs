//! Functions over texts that DataFusion lacks.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, StringArray};
use arrow::datatypes::{DataType, Int64Type};
use datafusion::common::{Result, plan_err};

use crate::postgres::function::{Call, Function};
use crate::postgres::functions::array_functions::strings;
use crate::postgres::value_error::ValueError;

/// The functions of this module.
pub(crate) fn functions() -> Vec<Function> {
    vec![
        Function::new("repeat", repeat_typing, repeat),
        Function::new("quote_literal", one_text, |call| quote(call, None)),
        Function::new("quote_nullable", one_text, |call| quote(call, Some("NULL"))).seeing_nulls(),
    ]
}

type Typed = Result<(Vec<DataType>, DataType)>;

fn repeat_typing(given: &[DataType]) -> Typed {
    match given.len() {
        2 => Ok((vec![DataType::Utf8, DataType::Int64], DataType::Utf8)),
        _ => plan_err!("repeat takes a text and how often it is repeated"),
    }
}

fn repeat(call: &Call<'_>) -> Result<ArrayRef> {
    let (texts, counts) = (strings(&call.args[0])?, call.args[1].as_primitive::<Int64Type>());
    let mut bytes = 0_usize;
    let rows = texts.iter().zip(counts).map(|(text, count)| {
        let Some((text, count)) = text.zip(count) else { return Ok(None) };
        let count = usize::try_from(count).unwrap_or(0);
        let length = text.len().saturating_mul(count);
        bytes = bytes.saturating_add(length);
        if length > TEXT_BYTES_MAX || bytes > BATCH_BYTES_MAX {
            let words = format!("repeat makes at most {TEXT_BYTES_MAX} bytes");
            return Err(ValueError::error("54000", words));
        }
        Ok(Some(text.repeat(count)))
    });
    Ok(Arc::new(rows.collect::<Result<StringArray>>()?))
}

/// Bytes of one repeated text. Calls within calls multiply, and their memory is not counted against that of the statement.
const TEXT_BYTES_MAX: usize = 10_000;
/// Bytes of the repeated texts of a batch of rows.
const BATCH_BYTES_MAX: usize = 16 << 20;

fn one_text(given: &[DataType]) -> Typed {
    match given.len() {
        1 => Ok((vec![DataType::Utf8], DataType::Utf8)),
        _ => plan_err!("one text is wanted"),
    }
}

/// Texts as constants of SQL.
fn quote(call: &Call<'_>, null: Option<&str>) -> Result<ArrayRef> {
    let quoted = |text: &str| {
        let plain = text.replace('\'', "''");
        if plain.contains('\\') { format!("E'{}'", plain.replace('\\', "\\\\")) } else { format!("'{plain}'") }
    };
    let texts = strings(&call.args[0])?;
    let rows = texts.iter().map(|text| text.map(quoted).or_else(|| null.map(str::to_owned)));
    Ok(Arc::new(rows.collect::<StringArray>()))
}
