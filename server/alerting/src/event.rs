//! An alert on its way to somebody: a row of the table `alerts` that people are told of, as JSON, with the key and signature of its delivery.

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int64Type};
use arrow::error::ArrowError;
use chrono::{DateTime, SecondsFormat};
use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Map, Value};
use sha2::Sha256;
use zonelake_schemas::alerts::ALERTS;

/// An alert that is to be delivered.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Event {
    /// When its row was received, µs.
    pub(crate) received_us: i64,
    /// The same in each attempt, and no other alert's.
    pub(crate) key: String,
    /// JSON.
    pub(crate) body: String,
}

/// Rows of the table `alerts`, of a file or live, with their places.
pub(crate) struct AlertRows {
    instants: [Int64Array; 3],
    texts: Vec<StringArray>,
    numbers: [Int64Array; 2],
    values: Float64Array,
}

impl AlertRows {
    /// Reads columns by their names; `place` gives the column of a part of the place.
    pub(crate) fn new(
        rows: &RecordBatch,
        place: impl Fn(&str) -> Result<StringArray, ArrowError>,
    ) -> Result<Self, ArrowError> {
        let column = |name: &str, as_type: &DataType| -> Result<ArrayRef, ArrowError> {
            match rows.column_by_name(name) {
                Some(found) => cast(found, as_type),
                None => Err(ArrowError::SchemaError(format!("table {ALERTS} has no column {name}"))),
            }
        };
        let integers = |name: &str| -> Result<Int64Array, ArrowError> {
            Ok(column(name, &DataType::Int64)?.as_primitive::<Int64Type>().clone())
        };
        let texts = TEXTS.iter().enumerate().map(|(at, name)| match PLACE.contains(&at) {
            true => place(name),
            false => Ok(column(name, &DataType::Utf8)?.as_string().clone()),
        });
        Ok(Self {
            instants: [integers("ingested_at")?, integers("time")?, integers("since")?],
            texts: texts.collect::<Result<_, _>>()?,
            numbers: [integers("number")?, integers("rule_version")?],
            values: column("value", &DataType::Float64)?.as_primitive::<Float64Type>().clone(),
        })
    }

    /// When a row was received, µs.
    pub(crate) fn received_us(&self, row: usize) -> i64 {
        self.instants[0].value(row)
    }

    /// Event time of a row, µs.
    pub(crate) fn time_us(&self, row: usize) -> i64 {
        self.instants[1].value(row)
    }

    /// Zone and device of a row.
    pub(crate) fn place(&self, row: usize) -> (Option<&str>, Option<&str>) {
        (self.text(ZONE, row), self.text(DEVICE, row))
    }

    /// True for a row that people are told of: what fires, is silent, is normal again, or is not looked at any more. Not what is pending or
    /// recovering, and not what fires on.
    pub(crate) fn is_told(&self, row: usize) -> bool {
        let (state, from) = (self.text(STATE, row).unwrap_or_default(), self.text(FROM_STATE, row).unwrap_or_default());
        match state {
            "no_data" => true,
            "firing" => from != "recovering",
            "normal" | "stopped" => ["firing", "recovering", "no_data"].contains(&from),
            _ => false,
        }
    }

    /// What is sent of a row.
    pub(crate) fn event(&self, row: usize) -> Event {
        let mut body = Map::new();
        let (version, number) = (self.numbers[1].value(row), self.numbers[0].value(row));
        let place = [RULE, ZONE, DEVICE].map(|column| self.text(column, row).unwrap_or_default()).join("/");
        let key = format!("{place}/{version}/{number}");
        body.insert("key".into(), Value::from(key.as_str()));
        for (name, at) in ["time", "since"].into_iter().zip(&self.instants[1..]) {
            body.insert(name.into(), if at.is_valid(row) { Value::from(instant(at.value(row))) } else { Value::Null });
        }
        for (column, name) in TEXTS.iter().enumerate() {
            body.insert((*name).into(), self.text(column, row).map_or(Value::Null, Value::from));
        }
        body.insert("rule_version".into(), Value::from(version));
        body.insert("number".into(), Value::from(number));
        let value = self.values.is_valid(row).then(|| self.values.value(row));
        body.insert("value".into(), value.map_or(Value::Null, Value::from));
        Event { received_us: self.received_us(row), key, body: Value::Object(body).to_string() }
    }

    fn text(&self, column: usize, row: usize) -> Option<&str> {
        let texts = &self.texts[column];
        texts.is_valid(row).then(|| texts.value(row))
    }
}

/// The value of the header `Zonelake-Signature`: when it was signed, and HMAC-SHA256 of that second, a full stop and the body.
pub(crate) fn signature(secret: &str, second: i64, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(format!("{second}.{body}").as_bytes());
    format!("t={second},v1={}", HEXLOWER.encode(&mac.finalize().into_bytes()))
}

fn instant(us: i64) -> String {
    DateTime::from_timestamp_micros(us).unwrap_or_default().to_rfc3339_opts(SecondsFormat::Micros, true)
}

/// Columns of text, as members of the JSON too.
const TEXTS: [&str; 14] = [
    "rule",
    "province",
    "zone",
    "site",
    "device",
    "state",
    "from_state",
    "cause",
    "severity",
    "table_name",
    "field",
    "author",
    "message",
    "message_vi",
];
const RULE: usize = 0;
const ZONE: usize = 2;
const DEVICE: usize = 4;
const STATE: usize = 5;
const FROM_STATE: usize = 6;
/// Those of the place.
const PLACE: std::ops::Range<usize> = 1..5;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_what_the_rfc_says_over_the_second_and_the_body() {
        // Computed with `printf '1700000000.{}' | openssl dgst -sha256 -hmac zh_secret`.
        let signed = signature("zh_secret", 1_700_000_000, "{}");
        assert!(signed.starts_with("t=1700000000,v1=") && signed.len() == 16 + 64, "{signed}");
        assert_eq!(&signed[16..], OPENSSL);
        assert_ne!(signature("zh_other", 1_700_000_000, "{}"), signed);
        assert_ne!(signature("zh_secret", 1_700_000_001, "{}"), signed);
    }

    const OPENSSL: &str = "492888fdc33c8e2e58b7417b47569c019bb5ce5e160d854718c09dcb4fa49e49";
}
