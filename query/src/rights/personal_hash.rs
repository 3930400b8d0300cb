//! Personal data as keyed hashes: what a role that sees them hashed has in place of the values.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringViewBuilder};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef};
use arrow::error::ArrowError;
use zonelake_registry::PersonalKey;
use zonelake_schemas::Personal;

/// Column of the hashes of a column.
pub(crate) fn hashed_field(field: &Field) -> FieldRef {
    let hashed = Field::new(field.name(), DataType::Utf8View, field.is_nullable());
    Arc::new(hashed.with_metadata(field.metadata().clone()))
}

/// Hashes of the values of a column; a value that is null has none.
///
/// # Errors
/// Where the values have no text.
pub(crate) fn hashes(key: &PersonalKey, kind: Personal, values: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    // The text of a number is the shortest one that reads back as the same number.
    let texts = cast(values, &DataType::Utf8)?;
    let texts = texts.as_string::<i32>();
    // Rows repeat values, as those of one device do, and a hash costs more than a lookup.
    let mut known: HashMap<&str, String> = HashMap::new();
    let mut hashed = StringViewBuilder::with_capacity(texts.len());
    for text in texts {
        match text {
            Some(text) => hashed.append_value(known.entry(text).or_insert_with(|| key.hash(kind, text))),
            None => hashed.append_null(),
        }
    }
    Ok(Arc::new(hashed.finish()))
}
