//! What is kept of devices as a batch in the live schema, which a scan then shows as it shows live rows.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, TimestampMicrosecondArray, UInt8Array, UInt32Array};
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::record_batch::RecordBatch;
use zonelake_schemas::DeviceKey;
use zonelake_schemas::columns::{LIVE_FIXED, live, null_column};
use zonelake_storage::{DeviceLast, LastField, LastValue, column_of};

/// A device with what is kept of it.
pub(crate) type Known = (DeviceKey, Arc<DeviceLast>);

/// Which values the fields have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FieldsOf {
    /// Those of the last row.
    LastRow,
    /// Those that were not null last.
    LastValues,
}

/// Devices as rows in the live schema, with the fields at the positions that are `wanted`; the others are null.
pub(crate) fn live_rows(
    schema: &SchemaRef,
    devices: &[Known],
    fields_of: FieldsOf,
    wanted: impl Fn(usize) -> bool,
) -> Result<RecordBatch, ArrowError> {
    let heads = || devices.iter().map(|(_, device)| device.head);
    let columns = schema.fields().iter().enumerate().map(|(position, column)| -> Result<ArrayRef, ArrowError> {
        Ok(match position {
            live::TIME => instants(heads().map(|head| Some(head.order.time_us))),
            live::INGESTED_AT => instants(heads().map(|head| Some(head.ingested_at_us))),
            live::DEVICE_KEY => Arc::new(UInt32Array::from_iter_values(devices.iter().map(|(key, _)| key.0))),
            live::QUALITY => Arc::new(UInt8Array::from_iter_values(heads().map(|head| head.quality))),
            live::BACKFILL => Arc::new(BooleanArray::from_iter(heads().map(|head| Some(head.is_backfill)))),
            field if wanted(field - LIVE_FIXED) => {
                let number = field - LIVE_FIXED;
                column_of(column.data_type(), devices.iter().map(|(_, device)| value(device, number, fields_of)))?
            }
            _ => null_column(column.data_type(), devices.len()),
        })
    });
    RecordBatch::try_new(Arc::clone(schema), columns.collect::<Result<_, _>>()?)
}

/// The last value of a field, where there is one.
pub(crate) fn last_field(device: &DeviceLast, field: usize) -> Option<&LastField> {
    device.field(u16::try_from(field).ok()?)
}

fn value(device: &DeviceLast, field: usize, fields_of: FieldsOf) -> Option<&LastValue> {
    let known = last_field(device, field)?;
    (fields_of == FieldsOf::LastValues || known.is_in_last_row).then_some(&known.value)
}

/// A column of instants, µs, UTC.
pub(crate) fn instants(values: impl Iterator<Item = Option<i64>>) -> ArrayRef {
    Arc::new(values.collect::<TimestampMicrosecondArray>().with_timezone("UTC"))
}
