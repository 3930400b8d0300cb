//! The content of a line, as JSON for the table `rejected`. The line is read again, so that lines without a fault cost
//! nothing.

use serde_json::{Map, Value};
use zonelake_schemas::{StorageType, TableDef};

use super::parse::{FieldValue, Line, Lines};
use super::precision::Precision;
use super::tags::TagRules;
use crate::rows::checked_rows::Sent;
use crate::rows::rejected::{content_number, content_text, content_text_bytes_max, content_time};

/// The lines of a batch: where each row's line begins in the payload.
pub(crate) struct SentLines<'a> {
    pub(crate) payload: &'a [u8],
    pub(crate) starts: &'a [usize],
    pub(crate) precision: Precision,
    pub(crate) now_us: i64,
    /// The table that the lines are for.
    pub(crate) def: &'a TableDef,
    /// Rules that the lines were brought through.
    pub(crate) tags: &'a TagRules,
}

impl Sent for SentLines<'_> {
    fn row(&self, row: usize, field: Option<&str>) -> Map<String, Value> {
        let mut line = Line::default();
        let mut content = Map::new();
        if Lines::new(self.payload, self.starts[row]).next(&mut line).is_none() {
            return content;
        }
        self.tags.apply(&mut line, self.def);
        let time = line.timestamp.map_or(Some(self.now_us), |timestamp| self.precision.to_us(timestamp));
        let time = time.map_or_else(|| Value::from(line.timestamp), content_time);
        content.insert("time".to_owned(), time);
        let names = line.tags.iter().map(|&(name, value)| (name, FieldValue::String(value)));
        for (name, value) in names.chain(line.fields.iter().copied()) {
            let Some(name) = name.text() else { continue };
            if field.is_none_or(|field| *name == *field || *name == *"device")
                && let Some(value) = self.content_value(&name, value, content_text_bytes_max(field))
            {
                content.insert(name.into_owned(), value);
            }
        }
        content
    }
}

impl SentLines<'_> {
    /// A value as the content has it. Instants are in the unit of the request, which nobody knows later, so they are written out.
    fn content_value(&self, name: &str, value: FieldValue<'_>, text_bytes_max: usize) -> Option<Value> {
        let is_instant = |def: &TableDef| {
            def.fields.iter().any(|field| field.name == name && field.storage_type() == StorageType::Timestamp)
        };
        match value {
            FieldValue::Integer(n) if is_instant(self.def) => {
                Some(self.precision.to_us(n).map_or_else(|| Value::from(n), content_time))
            }
            other => content_value(other, text_bytes_max),
        }
    }
}

fn content_value(value: FieldValue<'_>, text_bytes_max: usize) -> Option<Value> {
    Some(match value {
        FieldValue::Decimal { raw, .. } => content_number(std::str::from_utf8(raw).ok()?.parse().ok()?),
        FieldValue::Double(value) => content_number(value),
        FieldValue::Integer(n) => Value::from(n),
        FieldValue::BigInteger(digits) => {
            digits.parse::<u64>().map_or_else(|_too_large| content_text(digits, text_bytes_max), Value::from)
        }
        FieldValue::Boolean(value) => Value::from(value),
        FieldValue::String(raw) => content_text(&raw.text()?, text_bytes_max),
    })
}
