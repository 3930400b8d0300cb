//! Rows on their way into the last rows of their devices. It is done beside the path of an acknowledgement: on the thread
//! `last-rows` every few milliseconds, before a flush is committed, and by a statement for what is live beyond that.

use std::sync::Arc;

use arrow::array::{Array, AsArray, Int64Array, RecordBatch};
use arrow::datatypes::{TimestampMicrosecondType, UInt8Type, UInt32Type};
use arrow::error::ArrowError;
use zonelake_schemas::columns::{LIVE_FIXED, live};
use zonelake_schemas::{DeviceKey, GroupSequence, Lsn, ShardId};

use crate::last::device::{DEVICE_BYTES, DeviceLast, LastHead, RowOrder};
use crate::last::fields::FieldColumn;
use crate::last::last_rows::{LastRows, LastRowsState};
use crate::table::chunks::Chunk;

impl LastRows {
    /// These with the rows of live chunks that they do not cover yet; chunks of a shard come oldest first. `None` where they cover
    /// all of them.
    ///
    /// # Errors
    /// For rows that are not in the live schema.
    pub(crate) fn folded<'a>(&self, chunks: impl Iterator<Item = &'a Arc<Chunk>>) -> Result<Option<Self>, ArrowError> {
        let mut folded: Option<Self> = None;
        for chunk in chunks {
            let covered = folded.as_ref().unwrap_or(self).covered.get(&chunk.shard).copied().unwrap_or_default();
            if chunk.last_lsn <= covered {
                continue;
            }
            let folded = folded.get_or_insert_with(|| self.clone());
            if folded.state != LastRowsState::TooLarge {
                folded.take_chunk(chunk, covered)?;
            }
            folded.covered.insert(chunk.shard, chunk.last_lsn);
        }
        Ok(folded.map(Self::bounded))
    }

    fn take_chunk(&mut self, chunk: &Chunk, covered: Lsn) -> Result<(), ArrowError> {
        let mut row = 0;
        let mut pieces = Vec::with_capacity(chunk.origins.len());
        for origin in &chunk.origins {
            let end = row + origin.rows as usize;
            if origin.lsn > covered {
                pieces.push((row..end, Origin { sequence: origin.sequence, record: Some((chunk.shard, origin.lsn)) }));
            }
            row = end;
        }
        let rows = LiveRowReader::new(&chunk.rows)?;
        for (range, origin) in pieces {
            rows.runs(range).for_each(|run| self.take_run(&rows, run, origin));
        }
        Ok(())
    }

    /// Takes rows of a file in, which were given device keys. `sequences` are those of their groups, where the file has them.
    pub(super) fn take_rows(&mut self, rows: &RecordBatch, sequences: &Int64Array) -> Result<(), ArrowError> {
        let reader = LiveRowReader { sequences: Some(sequences), ..LiveRowReader::new(rows)? };
        reader.runs(0..rows.num_rows()).for_each(|run| self.take_run(&reader, run, Origin::default()));
        Ok(())
    }

    /// Takes neighbouring rows of one device in.
    fn take_run(&mut self, rows: &LiveRowReader<'_>, run: std::ops::Range<usize>, origin: Origin) {
        let key = DeviceKey(rows.keys[run.start]);
        let slot = self.device_slot(key);
        let mut growth = 0_isize;
        let mut has_changed = false;
        if slot.is_none() {
            growth += DEVICE_BYTES.cast_signed();
            *slot = Some(Arc::new(DeviceLast::new(rows.head(run.start, origin.sequence))));
        }
        let Some(device) = slot else { unreachable!("the device is there now") };
        let device = Arc::make_mut(device);
        for row in run {
            let head = rows.head(row, origin.sequence);
            let is_last = device.offer_head(&head);
            for field in rows.fields.iter().filter(|field| field.has(row)) {
                if let Some(bytes) = device.offer_value(field.field, &head, is_last, || field.value(row)) {
                    growth += bytes;
                    has_changed = true;
                }
            }
            has_changed |= is_last;
        }
        if let (true, Some((shard, lsn))) = (has_changed, origin.record) {
            device.note_change(shard, lsn);
        }
        self.bytes = self.bytes.saturating_add_signed(growth);
    }
}

/// Where rows come from.
#[derive(Debug, Clone, Copy, Default)]
struct Origin {
    sequence: GroupSequence,
    /// Record of a shard that has them, where that is known.
    record: Option<(ShardId, Lsn)>,
}

/// Rows in the live schema, read row by row.
struct LiveRowReader<'a> {
    times: &'a [i64],
    receipts: &'a [i64],
    keys: &'a [u32],
    qualities: &'a [u8],
    backfill: &'a arrow::array::BooleanArray,
    fields: Vec<FieldColumn<'a>>,
    /// Sequence of each row, for rows that do not all have one; null where it is not known.
    sequences: Option<&'a Int64Array>,
}

impl<'a> LiveRowReader<'a> {
    fn new(rows: &'a RecordBatch) -> Result<Self, ArrowError> {
        let fields = rows.columns()[LIVE_FIXED..].iter().enumerate();
        let fields = fields.map(|(field, column)| FieldColumn::new(field, column));
        Ok(Self {
            times: rows.column(live::TIME).as_primitive::<TimestampMicrosecondType>().values(),
            receipts: rows.column(live::INGESTED_AT).as_primitive::<TimestampMicrosecondType>().values(),
            keys: rows.column(live::DEVICE_KEY).as_primitive::<UInt32Type>().values(),
            qualities: rows.column(live::QUALITY).as_primitive::<UInt8Type>().values(),
            backfill: rows.column(live::BACKFILL).as_boolean(),
            fields: fields.filter_map(Result::transpose).collect::<Result<_, _>>()?,
            sequences: None,
        })
    }

    fn head(&self, row: usize, sequence: GroupSequence) -> LastHead {
        let of_row = self.sequences.filter(|sequences| sequences.is_valid(row)).map(|sequences| sequences.value(row));
        let of_row = of_row.and_then(|sequence| u64::try_from(sequence).ok()).map(GroupSequence);
        let sequence = of_row.unwrap_or(sequence);
        LastHead {
            order: RowOrder::new(self.times[row], sequence, self.receipts[row]),
            ingested_at_us: self.receipts[row],
            quality: self.qualities[row],
            is_backfill: self.backfill.is_valid(row) && self.backfill.value(row),
        }
    }

    /// Neighbouring rows of one device within a range.
    fn runs(&self, range: std::ops::Range<usize>) -> impl Iterator<Item = std::ops::Range<usize>> {
        let mut at = range.start;
        self.keys[range].chunk_by(|a, b| a == b).map(move |run| {
            let start = at;
            at += run.len();
            start..at
        })
    }
}
