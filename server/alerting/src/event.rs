//! An alert on its way to somebody: a row of the table `alerts` that people are told of, as JSON, with the key and signature of its delivery.

use arrow::array::{Array, AsArray, Int64Array, RecordBatch, StringArray};
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

/// Rows that people are told of: what fires, is silent, is normal again, or is not looked at any more. Not what is pending or recovering,
/// and not what fires on. The first `events_max` of them.
pub(crate) fn events_statement(from_us: i64, events_max: usize) -> String {
    let from = DateTime::from_timestamp_micros(from_us.max(0)).unwrap_or_default();
    let from = from.to_rfc3339_opts(SecondsFormat::Micros, true);
    format!(
        "SELECT ingested_at, \"time\", since, {}, number, rule_version, value FROM {ALERTS} \
         WHERE ingested_at >= timestamptz '{from}' AND (state = 'no_data' \
         OR state = 'firing' AND from_state <> 'recovering' \
         OR state = 'normal' AND from_state IN ('firing', 'recovering', 'no_data') \
         OR state = 'stopped' AND from_state IN ('firing', 'recovering', 'no_data')) \
         ORDER BY ingested_at, rule, zone, device, number LIMIT {events_max}",
        TEXTS.join(", ")
    )
}

/// The rows of [`events_statement`].
pub(crate) fn read_events(batch: &RecordBatch) -> Result<Vec<Event>, ArrowError> {
    let integers = |column: usize| -> Result<Int64Array, ArrowError> {
        Ok(cast(batch.column(column), &DataType::Int64)?.as_primitive::<Int64Type>().clone())
    };
    let instants = [integers(0)?, integers(1)?, integers(2)?];
    let texts = (3..3 + TEXTS.len()).map(|column| Ok(cast(batch.column(column), &DataType::Utf8)?.as_string().clone()));
    let texts: Vec<StringArray> = texts.collect::<Result<_, ArrowError>>()?;
    let numbers = [integers(3 + TEXTS.len())?, integers(4 + TEXTS.len())?];
    let values = cast(batch.column(5 + TEXTS.len()), &DataType::Float64)?;
    let values = values.as_primitive::<Float64Type>();
    let event = |row: usize| {
        let mut body = Map::new();
        let text = |column: usize| texts[column].is_valid(row).then(|| texts[column].value(row));
        let (version, number) = (numbers[1].value(row), numbers[0].value(row));
        let place = [text(RULE), text(ZONE), text(DEVICE)].map(Option::unwrap_or_default).join("/");
        let key = format!("{place}/{version}/{number}");
        body.insert("key".into(), Value::from(key.as_str()));
        for (name, at) in ["time", "since"].into_iter().zip(&instants[1..]) {
            body.insert(name.into(), if at.is_valid(row) { Value::from(instant(at.value(row))) } else { Value::Null });
        }
        for (column, name) in TEXTS.iter().enumerate() {
            body.insert((*name).into(), text(column).map_or(Value::Null, Value::from));
        }
        body.insert("rule_version".into(), Value::from(version));
        body.insert("number".into(), Value::from(number));
        let value = values.is_valid(row).then(|| values.value(row));
        body.insert("value".into(), value.map_or(Value::Null, Value::from));
        Event { received_us: instants[0].value(row), key, body: Value::Object(body).to_string() }
    };
    Ok((0..batch.num_rows()).map(event).collect())
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

/// Alerts that are read at a time.
pub(crate) const EVENTS_MAX: usize = 20_000;

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
