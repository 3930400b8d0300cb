//! Stream of one table of a source, and the totals of all of them.

use std::collections::{BTreeMap, VecDeque};

use zonelake_gateway::{BatchStream, StreamTotals};
use zonelake_schemas::BatchNumber;
use zonelake_schemas::wire::control::Rejection;

use crate::columns::position::BatchPositions;

/// Stream of one table of a source.
#[derive(Debug)]
pub(crate) struct TableStream {
    pub(crate) stream: BatchStream,
    /// Batches that the source has given for it.
    pub(crate) given: u64,
    /// Sequence numbers sent and not yet durable, each with the bytes of the source read by then.
    pub(crate) sent: VecDeque<(BatchNumber, u64)>,
    /// Where the rows of batches stand in the source: of those that are not durable, and of those with a rejection that is told.
    pub(crate) positions: BTreeMap<BatchNumber, BatchPositions>,
}

impl TableStream {
    /// A stream on which nothing was sent yet.
    pub(crate) fn new(stream: BatchStream) -> Self {
        Self { stream, given: 0, sent: VecDeque::new(), positions: BTreeMap::new() }
    }

    /// Forgets the positions that no report will name.
    pub(crate) fn forget_positions(&mut self) {
        let (durable, told) = (self.stream.durable(), self.stream.totals().rejections);
        let is_told = |number: BatchNumber| told.iter().any(|rejection| rejection.number == number.0);
        self.positions.retain(|number, _| *number > durable || is_told(*number));
    }
}

/// Says where the first row of a rejection stands in the source: the server counts the rows of a batch from 0.
fn in_source(rejection: &mut Rejection, positions: &BTreeMap<BatchNumber, BatchPositions>) {
    let row = rejection.first.strip_prefix("row ").and_then(|rest| rest.split_once(": "));
    let Some((Ok(row), words)) = row.map(|(row, words)| (row.parse(), words)) else { return };
    let Some(position) = positions.get(&BatchNumber(rejection.number)).and_then(|batch| batch.position(row)) else {
        return;
    };
    rejection.first = format!("{position}: {words}");
}

/// Totals of all streams of a source together.
pub(crate) fn totals(streams: &BTreeMap<String, TableStream>) -> StreamTotals {
    let mut sum = StreamTotals::default();
    for table in streams.values() {
        let mut totals = table.stream.totals();
        totals.rejections.iter_mut().for_each(|rejection| in_source(rejection, &table.positions));
        sum.merge(totals);
    }
    sum
}
