//! Patterns that are no constants: they are translated for each row.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, StringArray};
use arrow::datatypes::DataType;
use datafusion::common::{Result, plan_err};

use crate::postgres::function::{Call, Function};
use crate::postgres::functions::array_functions::strings;
use crate::postgres::patterns::translate;

/// Name of the function that translates a pattern, and flags behind it.
pub(crate) const PATTERN: &str = "regular_expression";
/// Name of the function that translates what replaces a match.
pub(crate) const REPLACEMENT: &str = "regular_replacement";

/// The functions of this module.
pub(crate) fn functions() -> Vec<Function> {
    vec![Function::new(PATTERN, texts, patterns), Function::new(REPLACEMENT, texts, replacements)]
}

fn texts(given: &[DataType]) -> Result<(Vec<DataType>, DataType)> {
    match given.len() {
        1 | 2 => Ok((vec![DataType::Utf8; given.len()], DataType::Utf8)),
        _ => plan_err!("a regular expression is made of a text and of flags"),
    }
}

fn patterns(call: &Call<'_>) -> Result<ArrayRef> {
    let written = strings(&call.args[0])?;
    let flags = call.args.get(1).map(strings).transpose()?;
    let rows = (0..written.len()).map(|row| {
        let flags_of_row = match &flags {
            Some(flags) if flags.is_null(row) => return Ok(None),
            Some(flags) => flags.value(row),
            None => "",
        };
        let text = written.is_valid(row).then(|| written.value(row));
        text.map(|text| translate::pattern(text, flags_of_row)).transpose()
    });
    Ok(Arc::new(rows.collect::<Result<StringArray>>()?))
}

fn replacements(call: &Call<'_>) -> Result<ArrayRef> {
    let written = strings(&call.args[0])?;
    Ok(Arc::new(written.iter().map(|text| text.map(translate::replacement)).collect::<StringArray>()))
}
