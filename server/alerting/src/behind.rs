//! Alerts behind a place in the table `alerts`, in the order in which their rows were made durable.
//!
//! A place is the sequence of a group, which no clock has a part in: what was found while the clock was ahead is before what is found once
//! it is right again. Statements do not see sequences, hence files and live rows are read here.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int32Array, Int64Array, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int32Type, Int64Type, UInt32Type};
use arrow::error::ArrowError;
use zonelake_parquet::{DataFile, FileRows, ParquetFileError, StatValue};
use zonelake_schemas::columns::live;
use zonelake_schemas::{DeviceKey, GroupSequence, Location, identity};
use zonelake_storage::{Chunk, HiddenRows, Store, Table, TableView};

use crate::event::{AlertRows, Event};

/// Why the rows of `alerts` could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AlertsError {
    /// A file cannot be read.
    #[error(transparent)]
    File(#[from] ParquetFileError),
    /// Rows are not what they should be.
    #[error(transparent)]
    Arrow(#[from] ArrowError),
}

/// Where a row is in the order of all rows: sequence, shard, LSN and place in the record.
type RowPlace = (i64, i64, i64, i32);

/// From where on alerts are wanted.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Since {
    /// From a sequence on.
    Sequence(GroupSequence),
    /// Those whose rows were received from an instant on, µs: of a hook whose place is not known yet.
    Receipt(i64),
}

/// Alerts from a place on, in order.
#[derive(Debug, Default)]
pub(crate) struct Behind {
    /// The first of them, with the sequences of their groups.
    pub(crate) events: Vec<(GroupSequence, Event)>,
    /// Where whoever has all of them, or where there is none, is.
    pub(crate) end: GroupSequence,
}

/// The first `events_max` alerts from a place on that people are told of. Files that were written wholly before it are not read.
pub(crate) async fn alerts_behind(
    store: &Store,
    (table, view): (&Table, &TableView),
    from: Since,
    events_max: usize,
) -> Result<Behind, AlertsError> {
    let mut found = Found { from, events_max, events: BTreeMap::new(), last: 0 };
    for file in view.files.iter() {
        if let (Since::Sequence(from), Some(last)) = (from, last_sequence(file))
            && last < from.0.cast_signed()
        {
            found.last = found.last.max(last);
            continue;
        }
        let hidden = view.hidden.in_file(file).unwrap_or_default();
        let schema = Arc::clone(&table.registered.schemas.file);
        let mut rows = FileRows::open(Arc::clone(store.object_store()), table.root(), file, schema).await?;
        while let Some(batch) = rows.next().await? {
            found.take_file(&batch, &hidden)?;
        }
    }
    let locations = store.registry().locations();
    for chunk in view.chunks() {
        let hidden = view.hidden.in_live_rows(chunk.time_us.0).unwrap_or_default();
        found.take_live(chunk, &hidden, |key| locations.get(key).map(AsRef::as_ref))?;
    }
    let sequence = |sequence: i64| GroupSequence(sequence.unsigned_abs());
    let events = found.events.into_iter().map(|(place, event)| (sequence(place.0), event)).collect();
    Ok(Behind { events, end: GroupSequence(found.last.unsigned_abs() + 1) })
}

/// The sequence of the last group that has rows in a file.
fn last_sequence(file: &DataFile) -> Option<i64> {
    match file.stats.get(identity::SEQUENCE)?.max {
        Some(StatValue::Integer(last)) => Some(last),
        _ => None,
    }
}

struct Found {
    from: Since,
    events_max: usize,
    events: BTreeMap<RowPlace, Event>,
    /// The greatest sequence of all rows.
    last: i64,
}

impl Found {
    fn take_file(&mut self, rows: &RecordBatch, hidden: &HiddenRows) -> Result<(), ArrowError> {
        let named = |name: &str, as_type: &DataType| match rows.column_by_name(name) {
            Some(column) => cast(column, as_type),
            None => Err(ArrowError::SchemaError(format!("a file has no column {name}"))),
        };
        let alerts = AlertRows::new(rows, |name| Ok(named(name, &DataType::Utf8)?.as_string::<i32>().clone()))?;
        let wide = |name: &str| named(name, &DataType::Int64);
        let identity = [
            wide(identity::SHARD)?,
            wide(identity::LSN)?,
            named(identity::ROW, &DataType::Int32)?,
            wide(identity::SEQUENCE)?,
        ];
        self.take(&alerts, &identity, hidden);
        Ok(())
    }

    fn take_live<'l>(
        &mut self,
        chunk: &Chunk,
        hidden: &HiddenRows,
        location: impl Fn(DeviceKey) -> Option<&'l Location>,
    ) -> Result<(), ArrowError> {
        let keys = chunk.rows.column(live::DEVICE_KEY).as_primitive::<UInt32Type>().values();
        let place = |name: &str| -> Result<StringArray, ArrowError> {
            let part = |location: &'l Location| match name {
                "province" => location.province.as_deref(),
                "zone" => location.zone.as_deref(),
                "site" => location.site.as_deref(),
                _ => location.device.as_deref(),
            };
            Ok(keys.iter().map(|key| location(DeviceKey(*key)).and_then(part)).collect())
        };
        let alerts = AlertRows::new(&chunk.rows, place)?;
        self.take(&alerts, &chunk.identities(0..chunk.rows.num_rows()), hidden);
        Ok(())
    }

    /// Takes rows with the columns of their identity.
    fn take(&mut self, alerts: &AlertRows, identity: &[ArrayRef; 4], hidden: &HiddenRows) {
        let [shard, lsn, place, sequence] = identity;
        let integers = |column: &ArrayRef| -> Int64Array { column.as_primitive::<Int64Type>().clone() };
        let (shard, lsn, sequence) = (integers(shard), integers(lsn), integers(sequence));
        let place: &Int32Array = place.as_primitive::<Int32Type>();
        for row in 0..sequence.len() {
            // A row without identity, which another program has written, is older than all others.
            let of = if sequence.is_valid(row) { sequence.value(row) } else { 0 };
            self.last = self.last.max(of);
            let is_wanted = match self.from {
                Since::Sequence(from) => of >= from.0.cast_signed(),
                Since::Receipt(from_us) => alerts.received_us(row) >= from_us,
            };
            let (zone, device) = alerts.place(row);
            if !is_wanted || !alerts.is_told(row) || hidden.hides(zone, device, alerts.time_us(row)) {
                continue;
            }
            self.events.insert((of, shard.value(row), lsn.value(row), place.value(row)), alerts.event(row));
            if self.events.len() > self.events_max {
                self.events.pop_last();
            }
        }
    }
}
