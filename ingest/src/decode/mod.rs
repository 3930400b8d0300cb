//! From an untrusted Arrow IPC message to rows in the table's log schema, in the order in which a message passes:
//!
//! - [`ipc_limits`]: lengths and counts that the message claims, checked before anything is reserved or read
//! - [`wire_schema`]: the sent schema, bound to the declared fields by name
//! - [`dictionary`]: dictionaries of a stream
//! - [`arrow`]: the decoder of a stream
//! - [`columns`]: columns brought to the types in which they are kept
//! - [`numbers`]: what a field accepts as a number, in loops over whole columns
//! - [`sharing`]: how much of a message its rows hold on to
//! - [`sent_arrow`]: what was sent, for the table `rejected`

pub mod arrow;
pub(crate) mod columns;
pub(crate) mod dictionary;
pub(crate) mod ipc_limits;
pub(crate) mod numbers;
pub(crate) mod sent_arrow;
pub(crate) mod sharing;
pub(crate) mod wire_schema;

use ::arrow::array::RecordBatch;
use zonelake_registry::{Gateway, RegisteredTable, Registry};
use zonelake_schemas::wire::control::Rejection;
use zonelake_schemas::{BatchNumber, Epoch, Lane};

use crate::limits::DecodeLimits;

/// Where a batch comes from and what it is measured against.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    /// Registry of devices and places. Decoding may register devices there, which writes to disk and blocks.
    pub registry: &'a Registry,
    /// The gateway that sent it; its zone is the place of every row.
    pub gateway: &'a Gateway,
    /// Name of the producer.
    pub producer: &'a str,
    /// Epoch of the producer.
    pub epoch: Epoch,
    /// Number of the batch; none where batches are not numbered (HTTP).
    pub number: Option<BatchNumber>,
    /// Lane that it came on.
    pub lane: Lane,
    /// The server's clock, microseconds since 1970, UTC.
    pub now_us: i64,
    /// Table that the rows are for.
    pub table: &'a RegisteredTable,
    /// The table `rejected`.
    pub rejected: &'a RegisteredTable,
    /// Limits.
    pub limits: &'a DecodeLimits,
}

impl std::fmt::Debug for Source<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Source")
            .field("gateway", &self.gateway.name)
            .field("producer", &self.producer)
            .field("number", &self.number)
            .field("table", &self.table.def.name)
            .finish_non_exhaustive()
    }
}

/// A decoded batch. Both parts go into one record of the log.
///
/// A row without any reading is stored too: it is a heartbeat with a quality, or what remains of a row whose readings
/// were all rejected.
#[derive(Debug, Clone, Default)]
pub struct Decoded {
    /// Rows in the log schema of the table; none where no row is acceptable.
    pub stored: Option<RecordBatch>,
    /// Rows in the log schema of the table `rejected`. Their time is 0: the shard sets it to the time of receipt.
    pub rejected: Option<RecordBatch>,
    /// Rows in `stored`.
    pub rows: u64,
    /// Non-null values of fields in `stored`.
    pub readings: u64,
    /// Rows that were rejected whole.
    pub rejected_rows: u64,
    /// Single readings that were rejected.
    pub rejected_readings: u64,
    /// Rejections by reason, at most 16; their batch number is left 0.
    pub rejections: Vec<Rejection>,
}
