//! A batch on both sides of decoding: the context that it is checked against, and the rows that come of it.

use arrow::array::{Array, RecordBatch};
use zonelake_registry::{Gateway, RegisteredTable, Registry};
use zonelake_schemas::wire::control::Rejection;
use zonelake_schemas::{BatchNumber, Epoch, Lane};

use crate::limits::DecodeLimits;

/// Origin of a batch, and everything that it is checked against.
#[derive(Clone, Copy)]
pub struct BatchContext<'a> {
    /// Registry of devices and locations. Decoding may register devices there, which writes to disk and blocks.
    pub registry: &'a Registry,
    /// The gateway that sent the batch, as it is now. Rows that state no zone are of its own.
    pub gateway: &'a Gateway,
    /// Name of the producer.
    pub producer: &'a str,
    /// Epoch of the producer.
    pub epoch: Epoch,
    /// Sequence number of the batch; none where batches are unsequenced (HTTP).
    pub number: Option<BatchNumber>,
    /// Lane that the batch came on.
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

impl BatchContext<'_> {
    /// The earliest time of a row of a zone: that of the settings, or a later one where retention has removed what was before it.
    pub(crate) fn earliest_us_of(&self, zone: &str) -> i64 {
        let of_retention = self.table.earliest.of(zone).unwrap_or_default();
        self.limits.oldest_us.max(of_retention)
    }

    /// The earliest time of a row, of whichever of the gateway's zones.
    pub(crate) fn earliest_us(&self) -> i64 {
        let own = self.earliest_us_of(&self.gateway.zone_code);
        let of_others = self.other_zones().map(|zone| self.earliest_us_of(zone));
        of_others.fold(own, i64::min)
    }

    /// True where the earliest time is the same for all zones of the gateway.
    pub(crate) fn has_one_earliest(&self) -> bool {
        let own = self.earliest_us_of(&self.gateway.zone_code);
        self.other_zones().all(|zone| self.earliest_us_of(zone) == own)
    }

    /// Codes of the zones besides its own that the gateway may write rows of the table for.
    fn other_zones(&self) -> impl Iterator<Item = &str> {
        let zones = self.gateway.rights.zones(&self.table.def.name).iter();
        zones.filter(|zone| zone.id != self.gateway.zone).map(|zone| &*zone.code)
    }
}

impl std::fmt::Debug for BatchContext<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BatchContext")
            .field("gateway", &self.gateway.name)
            .field("producer", &self.producer)
            .field("number", &self.number)
            .field("table", &self.table.def.name)
            .finish_non_exhaustive()
    }
}

/// A decoded batch. Both parts go into one record of the WAL.
///
/// A row without any reading is stored too: it is a heartbeat with a quality, or what remains of a row whose readings
/// were all rejected.
#[derive(Debug, Clone, Default)]
pub struct DecodedBatch {
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

impl DecodedBatch {
    /// Bytes of memory that its rows take, about. Columns without a value take none: they share one array of nulls.
    pub fn memory_bytes(&self) -> usize {
        let columns = self.stored.iter().chain(&self.rejected).flat_map(RecordBatch::columns);
        let columns = columns.filter(|column| column.null_count() < column.len());
        columns.map(|column| column.to_data().get_slice_memory_size().unwrap_or(column.get_array_memory_size())).sum()
    }
}
