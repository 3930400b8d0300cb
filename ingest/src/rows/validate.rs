//! What a row and a reading must satisfy, and what becomes of a batch when some do not: the acceptable rows in the log
//! schema, the others as rows of the table `rejected`.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, PrimitiveArray, RecordBatch, UInt8Array, UInt32Array};
use arrow::buffer::{BooleanBuffer, NullBuffer, ScalarBuffer};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{TimeUnit, TimestampMicrosecondType};
use arrow::error::ArrowError;
use zonelake_schemas::columns::{LOG_FIXED, null_column, timestamp};
use zonelake_schemas::wire::control::RefusedCode;
use zonelake_schemas::{DeviceKey, Lane, Quality, RejectReason};

use crate::decode::columns::to_us;
use crate::rows::dictionary::{TextColumn, constant_boolean};
use crate::rows::rejected::RejectedRows;
use crate::{Decoded, Refusal, Source};

/// Rows that are rejected whole, each for the first reason that was found.
#[derive(Debug, Default)]
pub(crate) struct RowFaults {
    /// Empty as long as there is none.
    by_row: Vec<Option<RejectReason>>,
    count: usize,
}

impl RowFaults {
    /// Notes a fault of one of `rows` rows, unless it has one already.
    pub(crate) fn set(&mut self, row: usize, rows: usize, reason: RejectReason) {
        if self.by_row.len() < rows {
            self.by_row.resize(rows, None);
        }
        if self.by_row[row].is_none() {
            self.by_row[row] = Some(reason);
            self.count += 1;
        }
    }

    pub(crate) fn get(&self, row: usize) -> Option<RejectReason> {
        self.by_row.get(row).copied().flatten()
    }

    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// Rows and reasons, in the order of rows.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (usize, RejectReason)> {
        self.by_row.iter().enumerate().filter_map(|(row, reason)| reason.map(|reason| (row, reason)))
    }
}

/// A single value that is no reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ReadingFault {
    pub(crate) row: u32,
    pub(crate) field: u16,
    pub(crate) reason: RejectReason,
}

/// Values that are no readings: so many one by one, the others counted.
#[derive(Debug)]
pub(crate) struct ReadingFaults {
    pub(crate) kept: Vec<ReadingFault>,
    kept_max: usize,
    /// Those beyond, by field and reason.
    pub(crate) beyond: BTreeMap<(u16, RejectReason), u64>,
}

impl ReadingFaults {
    pub(crate) fn new(kept_max: usize) -> Self {
        Self { kept: Vec::new(), kept_max, beyond: BTreeMap::new() }
    }

    pub(crate) fn push(&mut self, row: usize, field: u16, reason: RejectReason) {
        if self.kept.len() < self.kept_max {
            let row = u32::try_from(row).expect("a batch has fewer rows than 2^32");
            self.kept.push(ReadingFault { row, field, reason });
        } else {
            *self.beyond.entry((field, reason)).or_default() += 1;
        }
    }
}

/// What was sent, for the table `rejected`.
pub(crate) trait Sent {
    /// The row as a JSON object by column name, nulls left out; with `field`, only its time, device and that field.
    fn row(&self, row: usize, field: Option<&str>) -> serde_json::Map<String, serde_json::Value>;
}

/// A batch whose columns have been read and checked.
#[derive(Debug)]
pub(crate) struct Rows {
    /// Event times. Those of faulty rows may be anything.
    pub(crate) times_us: ScalarBuffer<i64>,
    /// Device keys; 0 in faulty rows.
    pub(crate) devices: Vec<u32>,
    /// Numbers of qualities.
    pub(crate) qualities: Vec<u8>,
    /// Fields in the table's order and their kept types; none where a field was not sent.
    pub(crate) fields: Vec<Option<ArrayRef>>,
    pub(crate) row_faults: RowFaults,
    pub(crate) reading_faults: ReadingFaults,
}

impl Rows {
    pub(crate) fn len(&self) -> usize {
        self.times_us.len()
    }

    /// Splits the batch into what is stored and what is rejected.
    pub(crate) fn finish(self, source: &Source<'_>, sent: &dyn Sent) -> Result<Decoded, Refusal> {
        let mut decoded = Decoded::default();
        if self.row_faults.count() > 0 || !self.reading_faults.kept.is_empty() {
            let rejected = RejectedRows::of(&self, source, sent);
            decoded.rejected_rows = self.row_faults.count() as u64;
            decoded.rejected_readings = rejected.readings();
            (decoded.rejected, decoded.rejections) = rejected.finish(source).map_err(|error| internal(&error))?;
        }
        if self.len() > self.row_faults.count() {
            let stored = self.stored(source).map_err(|error| internal(&error))?;
            decoded.rows = stored.num_rows() as u64;
            let readings = stored.columns()[LOG_FIXED..].iter().map(|field| field.len() - field.null_count());
            decoded.readings = readings.sum::<usize>() as u64;
            decoded.stored = Some(stored);
        }
        Ok(decoded)
    }

    fn stored(self, source: &Source<'_>) -> Result<RecordBatch, ArrowError> {
        let rows = self.len();
        let keep = (self.row_faults.count() > 0).then(|| {
            BooleanArray::new(BooleanBuffer::collect_bool(rows, |row| self.row_faults.get(row).is_none()), None)
        });
        let times = PrimitiveArray::<TimestampMicrosecondType>::new(self.times_us, None).with_data_type(timestamp());
        let mut columns: Vec<ArrayRef> = vec![
            Arc::new(times),
            Arc::new(UInt32Array::from(self.devices)),
            Arc::new(UInt8Array::from(self.qualities)),
            Arc::new(constant_boolean(source.lane == Lane::Backfill, rows)),
        ];
        let schema = &source.table.schemas.log;
        for (field, sent) in schema.fields()[LOG_FIXED..].iter().zip(self.fields) {
            columns.push(sent.unwrap_or_else(|| null_column(field.data_type(), rows)));
        }
        let batch = RecordBatch::try_new(Arc::clone(schema), columns)?;
        match keep {
            None => Ok(batch),
            Some(keep) => filter_record_batch(&batch, &keep),
        }
    }
}

/// Reads a time column to microseconds and notes the rows whose time is not acceptable: none, before 1970, or too far
/// ahead of the server's clock.
pub(crate) fn times(
    values: &ScalarBuffer<i64>,
    nulls: Option<&NullBuffer>,
    unit: TimeUnit,
    source: &Source<'_>,
    faults: &mut RowFaults,
) -> ScalarBuffer<i64> {
    let times = match unit {
        TimeUnit::Microsecond => values.clone(),
        // What does not fit is before 1970 or in the far future; both ends are faults.
        unit => {
            values.iter().map(|&value| to_us(value, unit).unwrap_or(if value < 0 { -1 } else { i64::MAX })).collect()
        }
    };
    let latest = latest_us(source);
    if nulls.is_none() && times.iter().fold(true, |all, &time| all & (time >= 0) & (time <= latest)) {
        return times;
    }
    for (row, &time) in times.iter().enumerate() {
        let is_null = nulls.is_some_and(|nulls| nulls.is_null(row));
        if let Some(reason) = time_fault((!is_null).then_some(time), latest) {
            faults.set(row, times.len(), reason);
        }
    }
    times
}

/// What is wrong with an event time.
pub(crate) fn time_fault(time_us: Option<i64>, latest_us: i64) -> Option<RejectReason> {
    match time_us {
        None | Some(i64::MIN..0) => Some(RejectReason::BadTime),
        Some(time) if time > latest_us => Some(RejectReason::FutureTime),
        Some(_) => None,
    }
}

/// The latest event time that is acceptable.
pub(crate) fn latest_us(source: &Source<'_>) -> i64 {
    source.now_us.saturating_add(source.limits.future_us_max)
}

/// Reads qualities sent as text; null is good.
pub(crate) fn qualities_of_text(column: &TextColumn<'_>, faults: &mut RowFaults) -> Vec<u8> {
    let rows = column.len();
    let mut qualities = vec![Quality::Good as u8; rows];
    for (row, kept) in qualities.iter_mut().enumerate() {
        let quality = match column {
            TextColumn::Indexed(indexed) if indexed.get(row).is_some() => {
                indexed.dictionary.quality(indexed.indices[row].cast_unsigned() as usize).flatten()
            }
            column => column.get(row).map_or(Some(Quality::Good), quality_of_text),
        };
        match quality {
            Some(quality) => *kept = quality as u8,
            None => faults.set(row, rows, RejectReason::BadQuality),
        }
    }
    qualities
}

/// A quality by name, status of Circular 10/2021, or OPC code in decimal digits.
pub(crate) fn quality_of_text(text: &str) -> Option<Quality> {
    Quality::from_text(text).or_else(|| quality_of_code(text.parse().ok()?))
}

/// A quality by OPC code, as any integer type carries it.
pub(crate) fn quality_of_code(code: i128) -> Option<Quality> {
    // A signed 32-bit integer shows the codes of bad qualities as negative numbers.
    let code = if (i128::from(i32::MIN)..0).contains(&code) { code + (1 << 32) } else { code };
    Quality::from_code(u32::try_from(code).ok()?)
}

/// Checks a stated province or zone against that of the gateway.
pub(crate) fn check_place(column: &TextColumn<'_>, registered: &str, faults: &mut RowFaults) {
    for row in 0..column.len() {
        if column.get(row).is_some_and(|stated| !stated.is_empty() && stated != registered) {
            faults.set(row, column.len(), RejectReason::WrongPlace);
        }
    }
}

/// Checks stated sites against those of the devices. A device that is at no site contradicts none.
pub(crate) fn check_sites<'s>(
    stated: impl Iterator<Item = (usize, &'s str)>,
    devices: &[u32],
    source: &Source<'_>,
    faults: &mut RowFaults,
) {
    let places = source.registry.places();
    for (row, stated) in stated {
        let place = places.get(DeviceKey(devices[row]));
        let registered = place.and_then(|place| place.site.as_deref());
        if !stated.is_empty() && registered.is_some_and(|site| site != stated) {
            faults.set(row, devices.len(), RejectReason::WrongPlace);
        }
    }
}

pub(crate) fn internal(error: &ArrowError) -> Refusal {
    Refusal::new(RefusedCode::Internal, format!("a checked batch does not fit its schema: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quality_is_read_by_name_status_and_code_of_any_sign() {
        assert_eq!(quality_of_text("uncertain"), Some(Quality::Uncertain));
        assert_eq!(quality_of_text("02"), Some(Quality::BadSensorFailure));
        assert_eq!(quality_of_text("192"), Some(Quality::Good));
        assert_eq!(quality_of_text("2156593152"), Some(Quality::BadDeviceFailure));
        assert_eq!(quality_of_code(i128::from(0x808C_0000_u32.cast_signed())), Some(Quality::BadSensorFailure));
        for text in ["", "ok", "7", "-1", "99999999999999999999"] {
            assert_eq!(quality_of_text(text), None, "{text}");
        }
    }

    #[test]
    fn the_first_fault_of_a_row_stays() {
        let mut faults = RowFaults::default();
        faults.set(1, 3, RejectReason::BadTime);
        faults.set(1, 3, RejectReason::WrongPlace);
        assert_eq!((faults.get(0), faults.get(1), faults.count()), (None, Some(RejectReason::BadTime), 1));
    }
}
