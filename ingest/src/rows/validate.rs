//! The rules of rows and readings, and the batch split by them: the acceptable rows in the log schema, the others as
//! rows of the table `rejected`.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, PrimitiveArray, RecordBatch, UInt8Array, UInt32Array};
use arrow::buffer::{BooleanBuffer, NullBuffer, ScalarBuffer};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{TimeUnit, TimestampMicrosecondType};
use arrow::error::ArrowError;
use zonelake_schemas::columns::{LOG_FIXED, constant_boolean, null_column, timestamp};
use zonelake_schemas::{DeviceKey, INSTANTS_US, Lane, Quality, QualityScale, RejectReason};

use super::checked_rows::{CheckedRows, Sent};
use super::dictionary::TextColumn;
use super::faults::RowFaults;
use super::instant::to_us;
use super::rejected::RejectedRows;
use super::zones::RowZones;
use crate::batch::{BatchContext, DecodedBatch};
use crate::refusal::Refusal;

/// Splits a batch into what is stored and what is rejected.
pub(crate) fn split(rows: CheckedRows, context: &BatchContext<'_>, sent: &dyn Sent) -> Result<DecodedBatch, Refusal> {
    let mut decoded = DecodedBatch::default();
    if rows.row_faults.count() > 0 || rows.reading_faults.all().is_none_or(|faults| !faults.is_empty()) {
        let rejected = RejectedRows::from_rows(&rows, context, sent)?;
        decoded.rejected_rows = rows.row_faults.count() as u64;
        decoded.rejected_readings = rejected.readings();
        (decoded.rejected, decoded.rejections) =
            rejected.finish(context).map_err(|error| Refusal::schema_mismatch(&error))?;
    }
    if rows.len() > rows.row_faults.count() {
        let stored = stored(rows, context).map_err(|error| Refusal::schema_mismatch(&error))?;
        decoded.rows = stored.num_rows() as u64;
        let readings = stored.columns()[LOG_FIXED..].iter().map(|field| field.len() - field.null_count());
        decoded.readings = readings.sum::<usize>() as u64;
        decoded.stored = Some(stored);
    }
    Ok(decoded)
}

/// The acceptable rows in the log schema of the table.
fn stored(batch: CheckedRows, context: &BatchContext<'_>) -> Result<RecordBatch, ArrowError> {
    let rows = batch.len();
    // Most batches have no faulty row, and then no column is copied.
    let keep = (batch.row_faults.count() > 0)
        .then(|| BooleanArray::new(BooleanBuffer::collect_bool(rows, |row| batch.row_faults.get(row).is_none()), None));
    let times = PrimitiveArray::<TimestampMicrosecondType>::new(batch.times_us, None).with_data_type(timestamp());
    let mut columns: Vec<ArrayRef> = vec![
        Arc::new(times),
        Arc::new(UInt32Array::from(batch.devices)),
        Arc::new(UInt8Array::from(batch.qualities)),
        Arc::new(constant_boolean(context.lane == Lane::Backfill, rows)),
    ];
    let schema = &context.table.schemas.log;
    for (field, sent) in schema.fields()[LOG_FIXED..].iter().zip(batch.fields) {
        // Fields that were not sent share one array of nulls: a table has up to a hundred fields and a row fills a few.
        columns.push(sent.unwrap_or_else(|| null_column(field.data_type(), rows)));
    }
    let batch = RecordBatch::try_new(Arc::clone(schema), columns)?;
    match keep {
        None => Ok(batch),
        Some(keep) => filter_record_batch(&batch, &keep),
    }
}

/// Reads a time column to microseconds and notes the rows whose time is not acceptable: none, before 1970 or the earliest
/// that is taken, or too far ahead of the server's clock.
pub(crate) fn times(
    values: &ScalarBuffer<i64>,
    nulls: Option<&NullBuffer>,
    unit: TimeUnit,
    context: &BatchContext<'_>,
    faults: &mut RowFaults,
) -> ScalarBuffer<i64> {
    let times = match unit {
        TimeUnit::Microsecond => values.clone(),
        // An instant that does not fit is before 1970 or in the far future; both ends are faults.
        unit => {
            values.iter().map(|&value| to_us(value, unit).unwrap_or(if value < 0 { -1 } else { i64::MAX })).collect()
        }
    };
    let accepted = AcceptedTimes::new(context);
    let (earliest, latest) = (accepted.earliest_us, accepted.latest_us);
    if nulls.is_none() && times.iter().fold(true, |all, &time| all & (time >= earliest) & (time <= latest)) {
        return times;
    }
    for (row, &time) in times.iter().enumerate() {
        let is_null = nulls.is_some_and(|nulls| nulls.is_null(row));
        if let Some(reason) = accepted.fault((!is_null).then_some(time)) {
            faults.set(row, times.len(), reason);
        }
    }
    times
}

/// Event times that are acceptable at one moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AcceptedTimes {
    earliest_us: i64,
    latest_us: i64,
}

impl AcceptedTimes {
    /// The event times that a batch may have.
    pub(crate) fn new(context: &BatchContext<'_>) -> Self {
        let latest_us = context.now_us.saturating_add(context.limits.future_us_max);
        Self {
            earliest_us: context.earliest_us().max(0),
            // Whatever the server's clock says, what is stored can be read.
            latest_us: latest_us.min(*INSTANTS_US.end()),
        }
    }

    /// The fault of an event time.
    pub(crate) fn fault(self, time_us: Option<i64>) -> Option<RejectReason> {
        match time_us {
            None | Some(i64::MIN..0) => Some(RejectReason::BadTime),
            Some(time) if time > self.latest_us => Some(RejectReason::FutureTime),
            Some(time) if time < self.earliest_us => Some(RejectReason::PastTime),
            Some(_) => None,
        }
    }
}

/// Reads qualities sent as text; null is good.
pub(crate) fn qualities_of_text(column: &TextColumn<'_>, scale: QualityScale, faults: &mut RowFaults) -> Vec<u8> {
    let rows = column.len();
    let mut qualities = vec![Quality::Good as u8; rows];
    for (row, quality) in qualities.iter_mut().enumerate() {
        let sent = match column {
            TextColumn::Indexed(indexed) if indexed.get(row).is_some() => {
                indexed.dictionary.quality(indexed.indices[row].cast_unsigned() as usize).flatten()
            }
            column => column.get(row).map_or(Some(Quality::Good), |text| scale.quality_of_text(text)),
        };
        match sent {
            Some(sent) => *quality = sent as u8,
            None => faults.set(row, rows, RejectReason::BadQuality),
        }
    }
    qualities
}

/// Takes the stated zones of `rows` rows, and checks the stated provinces against them.
pub(crate) fn check_locations(
    rows: usize,
    zone: Option<&TextColumn<'_>>,
    province: Option<&TextColumn<'_>>,
    zones: &mut RowZones,
    context: &BatchContext<'_>,
    faults: &mut RowFaults,
) {
    let none = zones.own_fault();
    if zone.is_none() && province.is_none() && none.is_none() {
        return;
    }
    for row in 0..rows {
        let fault = zones.state_zone(row, zone.and_then(|column| column.get(row)), context);
        let fault = fault.or_else(|| zones.province_fault(row, province.and_then(|column| column.get(row))));
        if let Some(reason) = fault {
            faults.set(row, rows, reason);
        }
    }
}

/// Checks stated sites against those of the devices. A device that is at no site contradicts none that its zone has; a zone of which no site is
/// registered contradicts none at all.
pub(crate) fn check_sites<'s>(
    stated: impl Iterator<Item = (usize, &'s str)>,
    devices: &[u32],
    context: &BatchContext<'_>,
    faults: &mut RowFaults,
) {
    let locations = context.registry.locations();
    // The same site stands in many rows one after the other.
    let mut known: Option<(&str, &str, bool)> = None;
    for (row, stated) in stated {
        if stated.is_empty() {
            continue;
        }
        // A row without a device that there is has a fault of its own.
        let Some(location) = locations.get(DeviceKey(devices[row])) else { continue };
        let zone = location.zone.as_deref().unwrap_or_default();
        let is_wrong = match location.site.as_deref() {
            Some(site) => site != stated,
            None => match known.filter(|(of, site, _)| *of == zone && *site == stated) {
                Some((_, _, is_known)) => !is_known,
                None => {
                    let is_known = context.registry.may_be_at(zone, stated);
                    known = Some((zone, stated, is_known));
                    !is_known
                }
            },
        };
        if is_wrong {
            faults.set(row, devices.len(), RejectReason::WrongPlace);
        }
    }
}
