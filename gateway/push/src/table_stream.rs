//! Stream of one table of a source, and the totals of all of them.

use std::collections::{BTreeMap, VecDeque};

use zonelake_gateway::{BatchStream, StreamTotals};
use zonelake_schemas::BatchNumber;

/// Stream of one table of a source.
#[derive(Debug)]
pub(crate) struct TableStream {
    pub(crate) stream: BatchStream,
    /// Batches that the source has given for it.
    pub(crate) given: u64,
    /// Sequence numbers sent and not yet durable, each with the bytes of the source read by then.
    pub(crate) sent: VecDeque<(BatchNumber, u64)>,
}

/// Totals of all streams of a source together.
pub(crate) fn totals(streams: &BTreeMap<String, TableStream>) -> StreamTotals {
    let mut sum = StreamTotals::default();
    for table in streams.values() {
        sum.merge(table.stream.totals());
    }
    sum
}
