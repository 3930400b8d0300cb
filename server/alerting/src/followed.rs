//! A table whose live rows are followed by position.
//!
//! Live rows are the queue: whatever is behind the position is in memory until a flush has ended, so that ingest never waits. Where a flush has
//! taken rows that nobody has looked at, the states are read anew, from `alerts` and the rows since.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, AsArray, BooleanArray};
use arrow::datatypes::{TimestampMicrosecondType, UInt8Type, UInt32Type};
use zonelake_schemas::columns::{LIVE_FIXED, live};
use zonelake_schemas::{DeviceKey, Locations, Lsn, Quality, ShardId};
use zonelake_storage::{Chunk, Table, TableView};

use crate::found::Found;
use crate::values::FieldValues;
use crate::watched::{DeviceRow, Watched};

/// A table that has rules.
#[derive(Debug)]
pub(crate) struct Followed {
    pub(crate) table: Arc<Table>,
    pub(crate) watched: Watched,
    pub(crate) position: Position,
}

/// How far the live rows of a table were looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Position(BTreeMap<ShardId, Lsn>);

impl Position {
    /// The end of a view.
    pub(crate) fn behind(view: &TableView) -> Self {
        let mut covered = view.flushed.clone();
        for chunk in view.chunks() {
            let last = covered.entry(chunk.shard).or_default();
            *last = chunk.last_lsn.max(*last);
        }
        Self(covered)
    }

    /// Whether a flush has taken rows that were not looked at.
    pub(crate) fn has_missed(&self, view: &TableView) -> bool {
        view.flushed.iter().any(|(shard, lsn)| self.0.get(shard).copied().unwrap_or_default() < *lsn)
    }

    /// Goes to the end of a view, and gives the rows on the way, record by record.
    fn advance(&mut self, view: &TableView, mut take: impl FnMut(&Chunk, &[Range<usize>])) {
        for chunk in view.chunks() {
            let covered = self.0.entry(chunk.shard).or_default();
            if chunk.last_lsn <= *covered {
                continue;
            }
            let mut start = 0;
            let mut records = Vec::with_capacity(chunk.origins.len());
            for origin in &chunk.origins {
                let end = start + origin.rows as usize;
                if origin.lsn > *covered {
                    records.push(start..end);
                }
                start = end;
            }
            take(chunk, &records);
            *covered = chunk.last_lsn;
        }
    }
}

impl Followed {
    /// Looks at what was published since. `locations` were taken after the view, so that they have the device of every row.
    pub(crate) fn follow(&mut self, view: &TableView, locations: &Locations, found: &mut Vec<Found>) {
        let watched = &mut self.watched;
        self.position.advance(view, |chunk, records| {
            let rows = LiveRows::new(chunk, watched.fields());
            for record in records {
                rows.runs(record.clone()).for_each(|run| watched.take_run(&rows, run, locations, found));
            }
        });
    }
}

/// Rows of a chunk, with the fields that rules read.
struct LiveRows<'a> {
    times: &'a [i64],
    receipts: &'a [i64],
    keys: &'a [u32],
    qualities: &'a [u8],
    backfill: &'a BooleanArray,
    fields: Vec<Option<FieldValues<'a>>>,
}

impl<'a> LiveRows<'a> {
    fn new(chunk: &'a Chunk, fields: &[usize]) -> Self {
        let rows = &chunk.rows;
        Self {
            times: rows.column(live::TIME).as_primitive::<TimestampMicrosecondType>().values(),
            receipts: rows.column(live::INGESTED_AT).as_primitive::<TimestampMicrosecondType>().values(),
            keys: rows.column(live::DEVICE_KEY).as_primitive::<UInt32Type>().values(),
            qualities: rows.column(live::QUALITY).as_primitive::<UInt8Type>().values(),
            backfill: rows.column(live::BACKFILL).as_boolean(),
            fields: fields.iter().map(|field| FieldValues::new(rows.column(LIVE_FIXED + field))).collect(),
        }
    }

    /// Neighbouring rows of one device within a range.
    fn runs(&self, range: Range<usize>) -> impl Iterator<Item = Range<usize>> {
        let mut at = range.start;
        self.keys[range].chunk_by(|a, b| a == b).map(move |run| {
            let start = at;
            at += run.len();
            start..at
        })
    }
}

impl Watched {
    /// Takes neighbouring rows of one device in, by their times: within a message they may be in any order.
    fn take_run(&mut self, rows: &LiveRows<'_>, run: Range<usize>, locations: &Locations, found: &mut Vec<Found>) {
        let Some(device) = self.device_of(DeviceKey(rows.keys[run.start]), locations) else { return };
        if rows.times[run.clone()].is_sorted() {
            return run.for_each(|row| self.take_live(device, rows, row, found));
        }
        let mut ordered: Vec<usize> = run.collect();
        ordered.sort_by_key(|row| rows.times[*row]);
        ordered.into_iter().for_each(|row| self.take_live(device, rows, row, found));
    }

    fn take_live(&mut self, device: usize, rows: &LiveRows<'_>, row: usize, found: &mut Vec<Found>) {
        // What is not to be relied on is no value, and no sign of life either.
        if rows.qualities[row] != Quality::Good as u8 {
            return;
        }
        let row = DeviceRow {
            time_us: rows.times[row],
            ingested_at_us: rows.receipts[row],
            is_backfill: rows.backfill.is_valid(row) && rows.backfill.value(row),
            value: &|field| rows.fields[field].as_ref().and_then(|values| values.value(row)),
        };
        self.take(device, &row, found);
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{ArrayRef, RecordBatch, TimestampMicrosecondArray, UInt8Array, UInt32Array};
    use zonelake_schemas::columns::{constant_boolean, null_column, timestamp};
    use zonelake_schemas::{GroupSequence, ShardNumber, TableDef, TableSchemas};

    use super::*;

    fn chunk(shard: u16, lsn: u64, rows: usize) -> Chunk {
        let table = "name = \"t\"\n[[field]]\nname = \"a\"\ntype = \"double\"";
        let schemas = TableSchemas::new(&TableDef::from_toml(table).expect("the declaration is good"));
        let times =
            || -> ArrayRef { Arc::new(TimestampMicrosecondArray::from_value(7, rows).with_data_type(timestamp())) };
        let columns: Vec<ArrayRef> = vec![
            times(),
            times(),
            Arc::new(UInt32Array::from_value(1, rows)),
            Arc::new(UInt8Array::from_value(0, rows)),
            Arc::new(constant_boolean(false, rows)),
            null_column(schemas.live.field(LIVE_FIXED).data_type(), rows),
        ];
        let batch = RecordBatch::try_new(schemas.live, columns).expect("they are in the live schema");
        Chunk::new(batch, (ShardId(shard), ShardNumber(1)), Lsn(lsn), GroupSequence(lsn))
    }

    fn publish(view: &mut TableView, chunk: Chunk) {
        let schema = chunk.rows.schema();
        let live = view.live.entry(chunk.shard).or_default();
        Arc::make_mut(live).push(&schema, chunk).expect("chunks are of one schema");
    }

    fn rows(position: &mut Position, view: &TableView) -> usize {
        let mut count = 0;
        position.advance(view, |_, records| count += records.iter().map(Range::len).sum::<usize>());
        count
    }

    #[test]
    fn every_live_row_is_looked_at_once_though_chunks_are_merged_meanwhile() {
        let mut view = TableView::default();
        let mut position = Position::behind(&view);
        let mut looked_at = 0;
        for lsn in 1..200 {
            publish(&mut view, chunk(u16::try_from(lsn % 2).expect("small"), lsn, 3));
            // Not behind each record: some are merged before they are looked at.
            if lsn % 7 == 0 {
                looked_at += rows(&mut position, &view);
            }
        }
        looked_at += rows(&mut position, &view);
        assert_eq!(looked_at, 199 * 3);
        assert_eq!(rows(&mut position, &view), 0);
        assert_eq!(position, Position::behind(&view));
    }

    #[test]
    fn rows_that_a_flush_takes_before_they_are_looked_at_are_missed_and_others_are_not() {
        let mut view = TableView::default();
        publish(&mut view, chunk(0, 5, 1));
        let mut position = Position::behind(&view);
        let flushed = |shard: u16, lsn: u64| {
            let mut view = TableView::default();
            view.flushed.insert(ShardId(shard), Lsn(lsn));
            view
        };
        assert!(!position.has_missed(&flushed(0, 5)));
        assert!(position.has_missed(&flushed(0, 6)));
        // What comes behind does not hide it.
        let mut later = flushed(0, 6);
        publish(&mut later, chunk(0, 9, 1));
        assert!(position.has_missed(&later));
        assert_eq!(rows(&mut position, &later), 1);
        assert!(position.has_missed(&flushed(1, 1)), "a shard that nothing was known of");
    }
}
