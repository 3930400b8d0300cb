//! Instants as text in JSON and CSV: RFC 3339 in the zone of the session.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringArray};
use arrow::compute::{CastOptions, cast, cast_with_options};
use arrow::datatypes::{DataType, Field, FieldRef, Schema, TimeUnit, TimestampMicrosecondType};
use arrow::error::ArrowError;
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use arrow::util::display::FormatOptions;
use zonelake_query::Zone;

const UTC_FORMAT: &str = "%Y-%m-%dT%H:%M:%S%.6fZ";
/// Form of an instant with its offset.
pub(crate) const OFFSET_FORMAT: &str = "%Y-%m-%dT%H:%M:%S%.6f%:z";
/// Form of a time without a zone.
pub(crate) const NO_ZONE_FORMAT: &str = "%Y-%m-%dT%H:%M:%S%.6f";

/// The batch with its times as text.
pub(crate) fn times_as_text(batch: &RecordBatch, zone: Zone) -> Result<RecordBatch, ArrowError> {
    if !batch.columns().iter().any(|column| matches!(column.data_type(), DataType::Timestamp(..))) {
        return Ok(batch.clone());
    }
    let mut fields: Vec<FieldRef> = Vec::with_capacity(batch.num_columns());
    let mut columns: Vec<ArrayRef> = Vec::with_capacity(batch.num_columns());
    for (field, column) in batch.schema_ref().fields().iter().zip(batch.columns()) {
        let DataType::Timestamp(_, of) = column.data_type() else {
            fields.push(Arc::clone(field));
            columns.push(Arc::clone(column));
            continue;
        };
        fields.push(Arc::new(Field::new(field.name(), DataType::Utf8, true)));
        columns.push(match of.as_deref() {
            None => formatted(column, NO_ZONE_FORMAT)?,
            Some(_) if zone != Zone::UTC => in_zone(column, zone)?,
            Some("UTC" | "Z" | "+00" | "+00:00") => formatted(column, UTC_FORMAT)?,
            Some(_) => formatted(column, OFFSET_FORMAT)?,
        });
    }
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options)
}

fn formatted(column: &ArrayRef, format: &str) -> Result<ArrayRef, ArrowError> {
    let format = FormatOptions::new().with_timestamp_format(Some(format)).with_timestamp_tz_format(Some(format));
    cast_with_options(column, &DataType::Utf8, &CastOptions { safe: false, format_options: format })
}

/// What the clocks of a zone show, with their offset. Zones are those of the engine, whatever the type of the column says.
fn in_zone(column: &ArrayRef, zone: Zone) -> Result<ArrayRef, ArrowError> {
    let instants = cast(column, &DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())))?;
    let instants = instants.as_primitive::<TimestampMicrosecondType>();
    let ahead = |instant: i64| zone.offset_seconds_in_all_years(instant.div_euclid(1_000_000));
    let local = instants
        .unary::<_, TimestampMicrosecondType>(|instant| instant.saturating_add(ahead(instant) * 1_000_000))
        .with_data_type(DataType::Timestamp(TimeUnit::Microsecond, None));
    let local: ArrayRef = Arc::new(local);
    let shown = formatted(&local, NO_ZONE_FORMAT)?;
    let shown = shown.as_string::<i32>();
    let texts = (0..shown.len())
        .map(|row| shown.is_valid(row).then(|| format!("{}{}", shown.value(row), offset(ahead(instants.value(row))))));
    Ok(Arc::new(texts.collect::<StringArray>()))
}

fn offset(seconds: i64) -> String {
    let (sign, minutes) = (if seconds < 0 { '-' } else { '+' }, seconds.abs() / 60);
    format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60)
}
