//! Which record each row of a chunk comes from, found row by row or run by run.

use zonelake_schemas::{RowOrigin, ShardNumber};

/// Where the rows of one chunk come from.
#[derive(Debug, Clone)]
pub struct ChunkOrigins {
    shard: ShardNumber,
    records: Vec<RowOrigin>,
    /// First row of each record within the chunk.
    starts: Vec<u32>,
}

impl ChunkOrigins {
    /// The records in the order of their rows, of one shard.
    ///
    /// # Panics
    /// Where the rows are more than a chunk can have.
    pub fn new(shard: ShardNumber, records: Vec<RowOrigin>) -> Self {
        let mut next = 0u32;
        let start = |record: &RowOrigin| {
            let start = next;
            next = next.checked_add(record.rows).expect("a chunk has fewer rows than 2^32");
            start
        };
        let starts = records.iter().map(start).collect();
        Self { shard, records, starts }
    }

    /// Shard of all its rows.
    pub(crate) fn shard(&self) -> ShardNumber {
        self.shard
    }

    /// The records, in the order of their rows.
    pub(crate) fn records(&self) -> &[RowOrigin] {
        &self.records
    }

    /// Rows of the chunk.
    pub(crate) fn rows(&self) -> usize {
        self.records.iter().map(|record| record.rows as usize).sum()
    }

    /// Record of a row, and its place there.
    pub(crate) fn of_row(&self, row: u32) -> (&RowOrigin, u32) {
        let record = self.starts.partition_point(|start| *start <= row) - 1;
        (&self.records[record], row - self.starts[record])
    }
}

#[cfg(test)]
mod tests {
    use zonelake_schemas::{GroupSequence, Lsn};

    use super::*;

    #[test]
    fn each_row_has_its_record_and_its_place_there() {
        let record = |lsn, rows| RowOrigin { lsn: Lsn(lsn), sequence: GroupSequence(lsn), rows };
        let origins = ChunkOrigins::new(ShardNumber(7), vec![record(3, 2), record(4, 1), record(9, 3)]);
        let found: Vec<_> = (0..6).map(|row| origins.of_row(row)).map(|(of, place)| (of.lsn.0, place)).collect();
        assert_eq!(found, [(3, 0), (3, 1), (4, 0), (9, 0), (9, 1), (9, 2)]);
        assert_eq!(origins.rows(), 6);
    }
}
