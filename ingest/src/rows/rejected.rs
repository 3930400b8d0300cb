//! Rows of the table `rejected`: what was not acceptable, why, and what was sent, as a JSON object.
//!
//! A row of it stands for a whole rejected row or for one rejected reading. Its device is that of the row where it is
//! registered, else none (the zone as a whole). Memory is bounded by `rejected_rows_max` and `rejected_bytes_max`; what
//! is beyond stands as one row for each field and reason that says how many there were.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, Int64Array, RecordBatch, StringBuilder, TimestampMicrosecondArray, UInt8Array, UInt32Array,
};
use arrow::error::ArrowError;
use serde_json::{Map, Value};
use zonelake_schemas::columns::{LOG_FIXED, constant_boolean, null_column, timestamp};
use zonelake_schemas::table::{DIGITS_32, DIGITS_64};
use zonelake_schemas::wire::control::Rejection;
use zonelake_schemas::{FieldDef, Lane, RejectReason, StorageType};

use super::checked_rows::{CheckedRows, Sent};
use crate::batch::BatchContext;

/// Rejected rows and readings of one batch, gathered column by column.
#[derive(Debug, Default)]
pub(crate) struct RejectedRows {
    devices: Vec<u32>,
    qualities: Vec<u8>,
    fields: StringBuilder,
    reasons: StringBuilder,
    messages: StringBuilder,
    contents: StringBuilder,
    positions: Vec<Option<i64>>,
    bytes: usize,
    readings: u64,
    tally: BTreeMap<RejectReason, (u64, String)>,
}

/// One rejected row or reading.
struct Item<'a> {
    row: Option<usize>,
    field: Option<&'a str>,
    reason: RejectReason,
    message: String,
    content: Option<String>,
    device: u32,
    quality: u8,
}

impl RejectedRows {
    /// Gathers what is rejected of a batch.
    pub(crate) fn from_rows(rows: &CheckedRows, context: &BatchContext<'_>, sent: &dyn Sent) -> Self {
        let mut rejected = Self::default();
        let table = &context.table.def;
        let mut beyond: BTreeMap<(Option<u16>, RejectReason), u64> = BTreeMap::new();
        for (row, reason) in rows.row_faults.iter() {
            if rejected.positions.len() < context.limits.rejected_rows_max {
                let content = sent.row(row, None);
                let message = describe_row(reason, &content, context);
                rejected.push_item(row, None, reason, message, content, rows, context);
            } else {
                *beyond.entry((None, reason)).or_default() += 1;
            }
        }
        for fault in &rows.reading_faults.listed {
            let row = fault.row as usize;
            // A row that is rejected whole carries its readings in its content.
            if rows.row_faults.get(row).is_some() {
                continue;
            }
            rejected.readings += 1;
            if rejected.positions.len() < context.limits.rejected_rows_max {
                let field = &table.fields[usize::from(fault.field)];
                let content = sent.row(row, Some(&field.name));
                let message = describe_reading(fault.reason, &content, field, context);
                rejected.push_item(row, Some(&field.name), fault.reason, message, content, rows, context);
            } else {
                *beyond.entry((Some(fault.field), fault.reason)).or_default() += 1;
            }
        }
        for (&(field, reason), &count) in &rows.reading_faults.beyond {
            rejected.readings += count;
            *beyond.entry((Some(field), reason)).or_default() += count;
        }
        for ((field, reason), count) in beyond {
            let field = field.map(|field| table.fields[usize::from(field)].name.as_str());
            rejected.push_beyond(field, reason, count, context);
        }
        rejected
    }

    /// Rejected readings, however many of them stand one by one.
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
    ) {
        // A row that was faulty before its device was looked up may name a registered one all the same.
        let device = match rows.devices[row] {
            0 => content
                .get("device")
                .and_then(Value::as_str)
                .and_then(|name| context.registry.device(context.gateway.zone, name))
                .unwrap_or(context.gateway.zone_key),
            key => zonelake_schemas::DeviceKey(key),
        };
        let (count, first) = self.tally.entry(reason).or_default();
        *count += 1;
        if *count == 1 {
            *first = format!("row {row}: {message}");
        }
        self.push(
            Item {
                row: Some(row),
                field,
                reason,
                message,
                content: Some(Value::Object(content).to_string()),
                device: device.0,
                quality: rows.qualities[row],
            },
            context,
        );
    }

    fn push_beyond(&mut self, field: Option<&str>, reason: RejectReason, count: u64, context: &BatchContext<'_>) {
        self.tally.entry(reason).or_default().0 += count;
        let what = if field.is_some() { "readings" } else { "rows" };
        let limit = context.limits.rejected_rows_max;
        let message = format!("{count} more {what} of this batch; {limit} are kept one by one");
        let (device, quality) = (context.gateway.zone_key.0, 0);
        self.push(Item { row: None, field, reason, message, content: None, device, quality }, context);
    }

    fn push(&mut self, item: Item<'_>, context: &BatchContext<'_>) {
        self.devices.push(item.device);
        self.qualities.push(item.quality);
        self.positions.push(item.row.map(|row| row.try_into().unwrap_or(i64::MAX)));
        self.fields.append_option(item.field);
        self.reasons.append_value(item.reason.name());
        self.bytes += item.message.len() + item.content.as_ref().map_or(0, String::len);
        // Reason and position stay beyond the limit: a row is never dropped without a trace.
        if self.bytes <= context.limits.rejected_bytes_max {
            self.messages.append_value(item.message);
            self.contents.append_option(item.content);
        } else {
            self.messages.append_null();
            self.contents.append_null();
        }
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

fn describe_row(reason: RejectReason, content: &Map<String, Value>, context: &BatchContext<'_>) -> String {
    let sent = |name: &str| content.get(name).map_or_else(|| "null".to_owned(), Value::to_string);
    let gateway = context.gateway;
    match reason {
        RejectReason::BadDevice => {
            format!("device {} is no name: 1 to 128 bytes of UTF-8 without control characters", sent("device"))
        }
        RejectReason::UnknownDevice => format!(
            "device {} is not registered in zone {}, where devices do not register themselves",
            sent("device"),
            gateway.zone_code
        ),
        RejectReason::WrongPlace => format!(
            "province {}, zone {}, site {} of device {} contradict the registry: the gateway is in zone {} of {}",
            sent("province"),
            sent("zone"),
            sent("site"),
            sent("device"),
            gateway.zone_code,
            gateway.province
        ),
        RejectReason::BadTime => format!("time {} is none or before 1970", sent("time")),
        RejectReason::FutureTime => format!(
            "time {} is more than {} s ahead of the server's clock",
            sent("time"),
            context.limits.future_us_max / 1_000_000
        ),
        RejectReason::BadQuality => format!("quality {} is on no scale that is known", sent("quality")),
        other => other.name().to_owned(),
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
        other => format!("{name}: {}", other.name()),
    }
}

/// A text for the content of a rejected row, cut where it is long.
pub(crate) fn content_text(text: &str) -> Value {
    if text.len() <= CONTENT_TEXT_BYTES_MAX {
        return Value::String(text.to_owned());
    }
    let cut = (0..=CONTENT_TEXT_BYTES_MAX).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
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
/// Longest text in the content of a rejected row.
const CONTENT_TEXT_BYTES_MAX: usize = 1_024;

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
        let Value::String(cut) = content_text(&"ạ".repeat(1_000)) else { panic!("text stays text") };
        assert!(cut.ends_with('…') && cut.len() <= CONTENT_TEXT_BYTES_MAX + 3, "{}", cut.len());
    }
}
