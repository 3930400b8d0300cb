//! Batches on their way into the WAL, and what became of them.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use zonelake_registry::RegisteredTable;
use zonelake_schemas::{GroupSequence, Lane, Principal};

use crate::shard::record::header::{BatchHeader, RecordHeader, principal_ids};
use crate::shard::record::rows::EncodedRows;
use crate::shard::sequence_check::{SequenceCheck, SequencedBatch};
use crate::table::table::Table;

/// Rows on their way into the WAL: in the log schema, and encoded for the record already. The senders' tasks encode
/// them in parallel, so that the shard's thread only writes.
#[derive(Debug)]
pub struct Rows {
    pub(super) rows: RecordBatch,
    pub(super) encoded: EncodedRows,
}

impl Rows {
    /// Encodes rows in the log schema of their table.
    ///
    /// # Errors
    /// Arrow refuses to encode them: the rows are not in a log schema.
    pub fn new(rows: RecordBatch) -> Result<Self, ArrowError> {
        Ok(Self { encoded: EncodedRows::new(&rows)?, rows })
    }
}

/// One batch for the WAL.
#[derive(Debug)]
pub struct Entry {
    /// Position in its stream; absent where batches are unsequenced (HTTP).
    pub sequenced: Option<SequencedBatch>,
    /// Who sent it.
    pub principal: Principal,
    /// Lane that it came on.
    pub lane: Lane,
    /// Table that it is for.
    pub table: Arc<Table>,
    /// Rows for that table.
    pub stored: Option<Rows>,
    /// Rows for the table `rejected`.
    pub rejected: Option<Rows>,
}

impl Entry {
    /// Bytes that the entry takes in the WAL, within some hundred.
    pub fn log_bytes(&self) -> u64 {
        let rows = [&self.stored, &self.rejected].into_iter().flatten();
        HEADER_BYTES_MAX + rows.map(|rows| rows.encoded.bytes() + 2 * rows.encoded.fields() as u64).sum::<u64>()
    }

    /// Memory that the entry takes, within some hundred bytes: its rows, and what is encoded of them.
    pub fn memory_bytes(&self) -> u64 {
        2 * self.log_bytes()
    }
}

/// Most bytes of one batch in the WAL. A block takes 128 MiB at most, with the headers of all its batches.
pub const BATCH_LOG_BYTES_MAX: u64 = 96 << 20;

/// Outcome of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The batch survives a power loss and is visible to the next query.
    Stored,
    /// The batch was stored before.
    Repeated,
    /// The batch is not stored, for this reason; never [`SequenceCheck::Next`] or [`SequenceCheck::Repeated`].
    Refused(SequenceCheck),
}

/// What a group is given when it is written, the same for all its batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct GroupStamp {
    /// Time of receipt.
    pub(super) ingested_at_us: i64,
    /// Place among all groups of the store.
    pub(super) sequence: GroupSequence,
}

/// The header of an entry's record.
pub(super) fn batch_header(entry: &Entry, rejected: &RegisteredTable, stamp: GroupStamp) -> RecordHeader {
    let sequenced = entry.sequenced.as_ref();
    let (gateway, role) = principal_ids(entry.principal);
    let batch = BatchHeader {
        producer: sequenced.map_or(0, |batch| batch.producer.0),
        epoch: sequenced.map_or(0, |batch| batch.epoch.0),
        table: entry.table.registered.id.0,
        lane: entry.lane as u32,
        number: sequenced.map_or(0, |batch| batch.number.0),
        digest: sequenced.map_or(0, |batch| batch.digest),
        ingested_at_us: stamp.ingested_at_us,
        gateway,
        role,
        sequence: stamp.sequence.0,
        stored: entry
            .stored
            .as_ref()
            .map(|rows| rows.encoded.header(entry.table.registered.id, entry.table.registered.version)),
        rejected: entry.rejected.as_ref().map(|rows| rows.encoded.header(rejected.id, rejected.version)),
    };
    RecordHeader { batch: Some(batch), ..Default::default() }
}

/// Upper bound of the header of a batch's record, its length and padding included.
pub(super) const HEADER_BYTES_MAX: u64 = 512;
