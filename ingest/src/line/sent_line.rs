//! The content of a line, as JSON for the table `rejected`. The line is read again, so that lines without a fault cost
//! nothing.

use serde_json::{Map, Value};

use super::parse::{FieldValue, Line, Lines};
use super::precision::Precision;
use crate::rows::checked_rows::Sent;
use crate::rows::rejected::{content_number, content_text, content_time};

/// The lines of a batch: where each row's line begins in the payload.
pub(crate) struct SentLines<'a> {
    pub(crate) payload: &'a [u8],
    pub(crate) starts: &'a [usize],
    pub(crate) precision: Precision,
    pub(crate) now_us: i64,
}

impl Sent for SentLines<'_> {
    fn row(&self, row: usize, field: Option<&str>) -> Map<String, Value> {
        let mut line = Line::default();
        let mut content = Map::new();
        if Lines::new(self.payload, self.starts[row]).next(&mut line).is_none() {
            return content;
        }
        let time = line.timestamp.map_or(Some(self.now_us), |timestamp| self.precision.to_us(timestamp));
        let time = time.map_or_else(|| Value::from(line.timestamp), content_time);
        content.insert("time".to_owned(), time);
        let names = line.tags.iter().map(|&(name, value)| (name, FieldValue::String(value)));
        for (name, value) in names.chain(line.fields.iter().copied()) {
            let Some(name) = name.text() else { continue };
            if field.is_none_or(|field| *name == *field || *name == *"device")
                && let Some(value) = content_value(value)
            {
                content.insert(name.into_owned(), value);
            }
        }
        content
    }
}

fn content_value(value: FieldValue<'_>) -> Option<Value> {
    Some(match value {
        FieldValue::Decimal { raw, .. } => content_number(std::str::from_utf8(raw).ok()?.parse().ok()?),
        FieldValue::Double(value) => content_number(value),
        FieldValue::Integer(n) => Value::from(n),
        FieldValue::BigInteger(digits) => {
            digits.parse::<u64>().map_or_else(|_too_large| content_text(digits), Value::from)
        }
        FieldValue::Boolean(value) => Value::from(value),
        FieldValue::String(raw) => content_text(&raw.text()?),
    })
}
