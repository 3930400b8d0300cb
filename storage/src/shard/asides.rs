//! What is set aside of the segments of a WAL, by segment and table: see [`set_aside`](crate::shard::set_aside).

use std::collections::BTreeMap;

use zonelake_schemas::{Lsn, TableId};
use zonelake_wal::{Aside, SegmentId, aside_file};

/// What is set aside, by segment.
#[derive(Debug, Default)]
pub(super) struct Asides {
    by_segment: BTreeMap<SegmentId, OfSegment>,
    /// The last record that is set aside. Rows of a segment up to it are in these files, or in those of tables.
    through: Lsn,
}

/// What is set aside of one segment.
#[derive(Debug, Default)]
pub(super) struct OfSegment {
    /// Length of the file.
    pub(super) file_bytes: u64,
    /// Last record of each table, and bytes of its records.
    tables: BTreeMap<TableId, (Lsn, u64)>,
}

impl OfSegment {
    /// Notes a record of a table.
    pub(super) fn note(&mut self, table: TableId, lsn: Lsn, bytes: u64) {
        let (last, of_table) = self.tables.entry(table).or_default();
        *last = lsn;
        *of_table += bytes;
    }

    /// True where a table has rows that are not in files yet; `committed` is its last record that is.
    fn is_needed(&self, committed: impl Fn(TableId) -> Lsn) -> bool {
        self.tables.iter().any(|(table, (last, _))| committed(*table) < *last)
    }

    fn last(&self) -> Lsn {
        self.tables.values().map(|(last, _)| *last).max().unwrap_or_default()
    }
}

impl Asides {
    /// Notes a record that was read back.
    pub(super) fn note(&mut self, segment: SegmentId, table: TableId, lsn: Lsn, bytes: u64) {
        self.by_segment.entry(segment).or_default().note(table, lsn, bytes);
        self.through = self.through.max(lsn);
    }

    /// Notes a file that was read back.
    pub(super) fn note_file(&mut self, aside: &Aside) {
        self.by_segment.entry(aside.id).or_default().file_bytes = aside.bytes;
    }

    /// Adds what is set aside of a segment.
    pub(super) fn add(&mut self, segment: SegmentId, of_segment: OfSegment) {
        self.through = self.through.max(of_segment.last());
        self.by_segment.insert(segment, of_segment);
    }

    /// Takes out what is set aside of a segment.
    pub(super) fn remove(&mut self, segment: SegmentId) -> Option<OfSegment> {
        self.by_segment.remove(&segment)
    }

    /// True where the rows of a record of a segment are set aside, or in files of tables.
    pub(super) fn covers(&self, lsn: Lsn) -> bool {
        lsn <= self.through
    }

    /// True where a segment is set aside.
    pub(super) fn contains(&self, segment: SegmentId) -> bool {
        self.by_segment.contains_key(&segment)
    }

    /// Segments of which all rows are in files of tables.
    pub(super) fn done(&self, committed: impl Fn(TableId) -> Lsn) -> Vec<SegmentId> {
        let done = self.by_segment.iter().filter(|(_, of_segment)| !of_segment.is_needed(&committed));
        done.map(|(id, _)| *id).collect()
    }

    /// Names of the files, each with its length in bytes.
    pub(super) fn files(&self) -> impl Iterator<Item = (String, u64)> + '_ {
        self.by_segment.iter().map(|(id, of_segment)| (aside_file(*id), of_segment.file_bytes))
    }

    /// Segments that are set aside, as the checkpoint names them.
    pub(super) fn numbers(&self) -> Vec<u64> {
        self.by_segment.keys().map(|id| id.0).collect()
    }

    /// Bytes of a table's records of which rows are not in files yet.
    pub(super) fn bytes_of(&self, table: TableId, committed: Lsn) -> u64 {
        let of_table = self.by_segment.values().filter_map(|of_segment| of_segment.tables.get(&table));
        of_table.filter(|(last, _)| *last > committed).map(|(_, bytes)| bytes).sum()
    }
}
