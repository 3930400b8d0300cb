//! Rows of the table `rejected`: what was not acceptable, why, and what was sent, as a JSON object.
//!
//! A row of it stands for a whole rejected row or for one rejected reading. Its device is that of the row where it is
//! registered, else none (the zone as a whole). Memory is bounded by `rejected_rows_max` and `rejected_bytes_max`: a batch
//! with more is refused whole, before anything of it is acknowledged. What is acknowledged is all here.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, Int64Array, RecordBatch, StringBuilder, TimestampMicrosecondArray, UInt8Array, UInt32Array,
};
use arrow::error::ArrowError;
use serde_json::{Map, Value};
use twox_hash::XxHash3_128;
use zonelake_registry::WritableDevice;
use zonelake_schemas::columns::{LOG_FIXED, constant_boolean, null_column, timestamp};
use zonelake_schemas::table::{DIGITS_32, DIGITS_64};
use zonelake_schemas::wire::control::{RefusedCode, Rejection};
use zonelake_schemas::{FieldDef, Lane, QualityScale, RejectReason, StorageType};

use super::checked_rows::{CheckedRows, Sent};
use super::zones::RowZone;
use crate::batch::BatchContext;
use crate::refusal::Refusal;

/// Rejected rows and readings of one batch, gathered column by column.
#[derive(Debug, Default)]
pub(crate) struct RejectedRows {
    devices: Vec<u32>,
    qualities: Vec<u8>,
    fields: StringBuilder,
    reasons: StringBuilder,
    messages: StringBuilder,
    contents: StringBuilder,
    positions: Vec<i64>,
    identities: StringBuilder,
    bytes: usize,
    readings: u64,
    tally: BTreeMap<RejectReason, (u64, String)>,
}

impl RejectedRows {
    /// Gathers what is rejected of a batch.
    ///
    /// Refuses a batch of which more would be rejected than one batch may add to the table.
    pub(crate) fn from_rows(rows: &CheckedRows, context: &BatchContext<'_>, sent: &dyn Sent) -> Result<Self, Refusal> {
        let mut rejected = Self::default();
        for (row, reason) in rows.row_faults.iter() {
            let content = sent.row(row, None);
            let message = describe_row(reason, &content, &rows.zones.of(row), context);
            rejected.push_item(row, None, reason, message, content, rows, context)?;
        }
        let Some(faults) = rows.reading_faults.all() else { return Err(rejected.too_many(context)) };
        for fault in faults {
            let row = fault.row as usize;
            // A row that is rejected whole carries its readings in its content.
            if rows.row_faults.get(row).is_some() {
                continue;
            }
            rejected.readings += 1;
            let field = &context.table.def.fields[usize::from(fault.field)];
            let content = sent.row(row, Some(&field.name));
            let message = describe_reading(fault.reason, &content, field, context);
            rejected.push_item(row, Some(&field.name), fault.reason, message, content, rows, context)?;
        }
        Ok(rejected)
    }

    /// The refusal of a batch with more rejections than are kept of one. It says why the first was rejected.
    fn too_many(&self, context: &BatchContext<'_>) -> Refusal {
        let (rows, bytes) = (context.limits.rejected_rows_max, context.limits.rejected_bytes_max);
        let first = self.tally.values().next().map_or_else(String::new, |(_, first)| format!(" The first: {first}."));
        Refusal::new(
            RefusedCode::TooLarge,
            format!(
                "more than {rows} rows and readings of the batch, or {bytes} bytes of them, are not acceptable, and nothing of it is stored: mend the source, or send smaller batches.{first}"
            ),
        )
    }

    /// Rejected readings.
    pub(crate) fn readings(&self) -> u64 {
        self.readings
    }

    #[expect(clippy::too_many_arguments, reason = "a rejected row has that many parts, all from one place")]
    fn push_item(
        &mut self,
        row: usize,
        field: Option<&str>,
        reason: RejectReason,
        message: String,
        content: Map<String, Value>,
        rows: &CheckedRows,
        context: &BatchContext<'_>,
    ) -> Result<(), Refusal> {
        if self.positions.len() >= context.limits.rejected_rows_max {
            return Err(self.too_many(context));
        }
        // A row that was faulty before its device was looked up may name a registered one all the same.
        let zone = rows.zones.of(row);
        let device = match rows.devices[row] {
            0 => content
                .get("device")
                .and_then(Value::as_str)
                .and_then(|name| context.registry.device(zone.id, name))
                .unwrap_or(zone.key),
            key => zonelake_schemas::DeviceKey(key),
        };
        let (count, first) = self.tally.entry(reason).or_default();
        *count += 1;
        if *count == 1 {
            *first = format!("row {row}: {message}");
        }
        let content = Value::Object(content).to_string();
        self.bytes += message.len() + content.len();
        if self.bytes > context.limits.rejected_bytes_max {
            return Err(self.too_many(context));
        }
        self.identities.append_option(field.is_none().then(|| identity(row, &content, context)));
        self.devices.push(device.0);
        self.qualities.push(rows.qualities[row]);
        self.positions.push(row.try_into().unwrap_or(i64::MAX));
        self.fields.append_option(field);
        self.reasons.append_value(reason.name());
        self.messages.append_value(message);
        self.contents.append_value(content);
        Ok(())
    }

    /// The rows in the log schema of the table, time 0, and the counts by reason.
    pub(crate) fn finish(
        mut self,
        context: &BatchContext<'_>,
    ) -> Result<(Option<RecordBatch>, Vec<Rejection>), ArrowError> {
        let rows = self.positions.len();
        if rows == 0 {
            return Ok((None, Vec::new()));
        }
        let schema = &context.rejected.schemas.log;
        let same = |text: &str| -> ArrayRef {
            let mut column = StringBuilder::with_capacity(rows, rows * text.len());
            (0..rows).for_each(|_| column.append_value(text));
            Arc::new(column.finish())
        };
        // Unsequenced batches have neither epoch nor number.
        let number = |number: Option<u64>| -> ArrayRef {
            let number = context.number.and(number).map(|number| i64::try_from(number).unwrap_or(i64::MAX));
            Arc::new(Int64Array::from(vec![number; rows]))
        };
        let mut columns: Vec<ArrayRef> = vec![
            Arc::new(TimestampMicrosecondArray::from(vec![0; rows]).with_data_type(timestamp())),
            Arc::new(UInt32Array::from(self.devices)),
            Arc::new(UInt8Array::from(self.qualities)),
            Arc::new(constant_boolean(context.lane == Lane::Backfill, rows)),
        ];
        for field in &schema.fields()[LOG_FIXED..] {
            columns.push(match field.name().as_str() {
                "table_name" => same(&context.table.def.name),
                "field" => Arc::new(self.fields.finish()),
                "reason" => Arc::new(self.reasons.finish()),
                "message" => Arc::new(self.messages.finish()),
                "content" => Arc::new(self.contents.finish()),
                "gateway" => same(&context.gateway.name),
                "producer" => same(context.producer),
                "epoch" => number(Some(context.epoch.0)),
                "batch" => number(context.number.map(|number| number.0)),
                "row" => Arc::new(Int64Array::from(std::mem::take(&mut self.positions))),
                "identity" => Arc::new(self.identities.finish()),
                _ => null_column(field.data_type(), rows),
            });
        }
        let batch = RecordBatch::try_new(Arc::clone(schema), columns)?;
        let rejections = self.tally.into_iter().take(REJECTIONS_MAX).map(|(reason, (count, first))| Rejection {
            number: 0,
            reason: reason.name().to_owned(),
            count,
            first,
        });
        Ok((Some(batch), rejections.collect()))
    }
}

/// The identity of a rejected row: the same for the same row, and for no other one. What is not numbered is told apart by its
/// time; two rows of one microsecond that agree in everything are one row.
fn identity(row: usize, content: &str, context: &BatchContext<'_>) -> String {
    let mut hasher = XxHash3_128::new();
    let numbered = context.number.map(|number| number.0);
    let order = [u64::from(context.gateway.id.0), context.epoch.0, context.lane as u64, row as u64];
    order.into_iter().for_each(|part| hasher.write(&part.to_le_bytes()));
    hasher.write(&[u8::from(numbered.is_some())]);
    hasher.write(&numbered.unwrap_or(context.now_us.cast_unsigned()).to_le_bytes());
    for text in [context.producer, &context.table.def.name, content] {
        hasher.write(&(text.len() as u64).to_le_bytes());
        hasher.write(text.as_bytes());
    }
    format!("{:032x}", hasher.finish_128())
}

fn describe_row(
    reason: RejectReason,
    content: &Map<String, Value>,
    zone: &RowZone<'_>,
    context: &BatchContext<'_>,
) -> String {
    let sent = |name: &str| content.get(name).map_or_else(|| "null".to_owned(), Value::to_string);
    match reason {
        RejectReason::BadDevice => {
            format!("device {} is no name: 1 to 128 bytes of UTF-8 without control characters", sent("device"))
        }
        RejectReason::UnknownDevice => describe_unknown(content, zone, context),
        RejectReason::WrongPlace => format!(
            "province {}, zone {}, site {} of device {} contradict the registry: the row is of zone {} of {}",
            sent("province"),
            sent("zone"),
            sent("site"),
            sent("device"),
            zone.code,
            zone.province
        ),
        RejectReason::NoRight => format!(
            "gateway {} may not write rows of device {} of zone {} to table {}",
            context.gateway.name,
            sent("device"),
            content.get("zone").map_or_else(|| zone.code.to_owned(), Value::to_string),
            context.table.def.name
        ),
        RejectReason::BadTime => format!("time {} is none or before 1970", sent("time")),
        RejectReason::FutureTime => format!(
            "time {} is more than {} s ahead of the server's clock",
            sent("time"),
            context.limits.future_us_max / 1_000_000
        ),
        RejectReason::PastTime => format!(
            "time {} is before {}, the earliest that the server takes",
            sent("time"),
            content_time(context.earliest_us_of(zone.code)).as_str().unwrap_or_default()
        ),
        RejectReason::BadQuality => describe_quality(content),
        other => other.name().to_owned(),
    }
}

/// Why a row of a device is not taken that a gateway may write, and what to do about it.
fn describe_unknown(content: &Map<String, Value>, zone: &RowZone<'_>, context: &BatchContext<'_>) -> String {
    let device = content.get("device").map_or_else(|| "null".to_owned(), Value::to_string);
    let name = content.get("device").and_then(Value::as_str).unwrap_or_default();
    let code = zone.code;
    match context.registry.writable_device(zone.id, name) {
        WritableDevice::Retired => {
            format!(
                "device {device} of zone {code} is retired; its rows are stored once it is approved again (zonelake device approve)"
            )
        }
        WritableDevice::Waiting if !zone.auto_register => {
            format!(
                "device {device} waits for approval in zone {code}; its rows are stored once it is approved (zonelake device approve)"
            )
        }
        _ if !zone.auto_register => format!(
            "device {device} is not registered in zone {code}, where devices wait for approval; as many wait as may, or gateway {} has sent as many new ones within an hour as it may",
            context.gateway.name
        ),
        _ => format!(
            "device {device} is not registered in zone {code}, which has as many devices as it may, or whose gateway {} has registered as many within an hour as it may",
            context.gateway.name
        ),
    }
}

fn describe_quality(content: &Map<String, Value>) -> String {
    let stated = QualityScale::ALL.into_iter().find_map(|scale| Some((scale, content.get(scale.column())?)));
    match stated {
        Some((QualityScale::Unstated, quality)) => format!(
            "quality {quality} is no name and on no scale that is plain from it; the column quality_opc_ua, quality_opc_da or quality_circular_10 states a scale"
        ),
        Some((scale, quality)) => format!("{} {quality} is no name and no code of that scale", scale.column()),
        None => "the quality cannot be read".to_owned(),
    }
}

fn describe_reading(
    reason: RejectReason,
    content: &Map<String, Value>,
    field: &FieldDef,
    context: &BatchContext<'_>,
) -> String {
    let name = &field.name;
    let sent = content.get(name).map_or_else(|| "null".to_owned(), Value::to_string);
    match reason {
        RejectReason::NotFinite => format!("{name}: {sent} is no reading"),
        RejectReason::OutOfRange if field.storage_type() == StorageType::Timestamp => {
            format!("{name}: {sent} is outside of the years 1 to 9999")
        }
        RejectReason::OutOfRange => {
            let bound = |bound: Option<f64>| bound.map_or_else(|| "any".to_owned(), |bound| bound.to_string());
            let range = format!("{} to {} {}", bound(field.min), bound(field.max), field.unit);
            format!("{name}: {sent} is outside of {}", range.trim_end())
        }
        RejectReason::TooManyDigits => match field.storage_type() {
            StorageType::Decimal32 { decimals } => {
                format!("{name}: {sent} has over {DIGITS_32} digits with {decimals} decimals")
            }
            StorageType::Decimal64 { decimals } => {
                format!("{name}: {sent} has over {DIGITS_64} digits with {decimals} decimals")
            }
            _ => format!("{name}: {sent} has more digits than a double holds"),
        },
        RejectReason::TooLong => format!("{name}: text of over {} bytes", context.limits.text_bytes_max),
        RejectReason::Unreadable => {
            format!("{name}: {sent} is no value of type {}", format!("{:?}", field.kind).to_lowercase())
        }
        other => format!("{name}: {}", other.name()),
    }
}

/// Longest text in the content of what is rejected: a whole row keeps every text that its table would have stored, a single
/// reading the beginning of one.
pub(crate) fn content_text_bytes_max(field: Option<&str>) -> usize {
    if field.is_some() { READING_TEXT_BYTES_MAX } else { ROW_TEXT_BYTES_MAX }
}

/// A text for the content of a rejected row, cut where it is longer than `bytes_max`.
pub(crate) fn content_text(text: &str, bytes_max: usize) -> Value {
    if text.len() <= bytes_max {
        return Value::String(text.to_owned());
    }
    let cut = (0..=bytes_max).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
    Value::String(format!("{}…", &text[..cut]))
}

/// A double for the content of a rejected row; what JSON has no number for becomes its name.
pub(crate) fn content_number(value: f64) -> Value {
    serde_json::Number::from_f64(value).map_or_else(|| Value::String(value.to_string()), Value::Number)
}

/// An instant for the content of a rejected row: RFC 3339, or the microseconds where no such date exists.
pub(crate) fn content_time(time_us: i64) -> Value {
    let array = TimestampMicrosecondArray::from(vec![time_us]).with_data_type(timestamp());
    match arrow::util::display::array_value_to_string(&array, 0) {
        Ok(text) if array.is_valid(0) && !text.starts_with("ERROR") => Value::String(text),
        _ => Value::from(time_us),
    }
}

/// Entries of `DecodedBatch::rejections`.
const REJECTIONS_MAX: usize = 16;
/// Longest text in the content of a rejected reading.
const READING_TEXT_BYTES_MAX: usize = 1_024;
/// Longest text in the content of a rejected row: the longest text of a reading.
const ROW_TEXT_BYTES_MAX: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_names_what_json_has_no_number_for() {
        assert_eq!(content_number(f64::NAN), Value::from("NaN"));
        assert_eq!(content_number(f64::NEG_INFINITY), Value::from("-inf"));
        assert_eq!(content_number(1.5), Value::from(1.5));
        assert_eq!(content_time(0), Value::from("1970-01-01T00:00:00Z"));
        assert_eq!(content_time(i64::MAX), Value::from(i64::MAX));
    }

    #[test]
    fn long_text_is_cut_at_a_character() {
        let Value::String(cut) = content_text(&"ạ".repeat(1_000), READING_TEXT_BYTES_MAX) else {
            panic!("text stays text")
        };
        assert!(cut.ends_with('…') && cut.len() <= READING_TEXT_BYTES_MAX + 3, "{}", cut.len());
    }
}
