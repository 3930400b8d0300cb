//! Setting records aside: where a table cannot be flushed, it would hold every segment from its oldest record on, and the
//! WAL would grow with whatever other tables get. Beyond twice its bound the records of such a table are copied from the
//! oldest segment into a file of their own, and the segment goes (docs/decisions/0057).
//!
//! The checkpoint names these files: one that it does not name is left over from a crash, and is removed by the next open.
//! It is written between the file and the release of the segment, and again before a file is removed.

use std::collections::BTreeMap;

use zonelake_schemas::{Lsn, TableId};
use zonelake_wal::{SegmentId, aside_file};

use crate::shard::asides::OfSegment;
use crate::shard::error::ShardError;
use crate::shard::record::header::{BatchHeader, decode_header};
use crate::shard::record::kind::RECORD_VERSION;
use crate::shard::shard::Shard;
use crate::table::table::Table;

impl Shard {
    /// Sets aside what tables still need of the oldest segment that is not in files. The next [`release`](Shard::release)
    /// then lets it go. False where there is no such segment but the current one.
    ///
    /// # Errors
    /// The segment cannot be read, or the file or the checkpoint cannot be written.
    pub fn set_aside_oldest(&mut self) -> Result<bool, ShardError> {
        let Some(segment) = self.oldest_held() else { return Ok(false) };
        let held = self.held_in(segment);
        let (mut of_segment, mut unreadable) = (OfSegment::default(), None);
        let aside = self.wal.set_aside(segment, &mut |lsn, payload| {
            let header = match decode_header(payload) {
                Ok((header, _)) => header,
                Err(error) => {
                    unreadable.get_or_insert((lsn, error));
                    return true;
                }
            };
            let tables = header.batch.iter().flat_map(BatchHeader::tables);
            let mut is_wanted = false;
            for table in tables.filter(|table| held.get(table).is_some_and(|committed| lsn > *committed)) {
                of_segment.note(table, lsn, payload.len() as u64);
                is_wanted = true;
            }
            is_wanted
        })?;
        if let Some((lsn, source)) = unreadable {
            let (shard, path, version) = (self.shard, self.dir.join(aside_file(segment)), RECORD_VERSION);
            return Err(ShardError::Record { shard, path, lsn, version, source });
        }
        of_segment.file_bytes = aside.bytes;
        let names: Vec<&str> = held.keys().filter_map(|id| self.tables.get(id)).map(|table| table.name()).collect();
        tracing::error!(
            shard = %self.shard,
            tables = names.join(", "),
            records = aside.records,
            bytes = aside.bytes,
            "the WAL is over twice its bound, since these tables cannot be flushed: their records of segment {segment} are set aside, so that the segment can go. See what their flushes fail with"
        );
        self.asides.add(segment, of_segment);
        if let Err(error) = self.write_checkpoint() {
            // The checkpoint in force does not name the file, so that the segment has to stay.
            self.asides.remove(segment);
            return Err(error);
        }
        Ok(true)
    }

    /// Tables that hold a segment, each with its last record that is in files.
    fn held_in(&self, segment: SegmentId) -> BTreeMap<TableId, Lsn> {
        let tables = self.segment_tables.get(&segment).into_iter().flatten();
        let held = tables.map(|(id, &last)| (*id, last, self.committed_of(*id)));
        held.filter(|(_, last, committed)| committed < last).map(|(id, _, committed)| (id, committed)).collect()
    }

    /// The oldest segment but the current one that is not in files.
    fn oldest_held(&self) -> Option<SegmentId> {
        let current = self.wal.current_segment().id;
        let mut full = self.wal.segments().map(|segment| segment.id).take_while(|id| *id != current);
        full.find(|id| !self.is_committed(*id))
    }

    fn committed_of(&self, table: TableId) -> Lsn {
        self.tables.get(&table).map_or(Lsn(0), |table| table.committed(self.shard))
    }

    /// True once a failure has left the WAL in doubt: the shard takes nothing more until a restart.
    pub fn is_poisoned(&self) -> bool {
        self.wal.is_poisoned()
    }

    /// Bytes of the files of records that are set aside.
    pub fn set_aside_bytes(&self) -> u64 {
        self.asides.files().map(|(_, bytes)| bytes).sum()
    }

    /// True where so much of a table is set aside that it may take no more until it is flushed: as much as the bound of the WAL.
    pub fn is_full(&self, table: &Table) -> bool {
        self.asides.bytes_of(table.registered.id, table.committed(self.shard)) >= self.log_bytes_max
    }

    /// Removes the files whose rows are all in files of tables.
    pub(super) fn drop_asides(&mut self) -> Result<(), ShardError> {
        let done = self.asides.done(|table| self.committed_of(table));
        if done.is_empty() {
            return Ok(());
        }
        let dropped: Vec<_> = done.into_iter().filter_map(|id| Some((id, self.asides.remove(id)?))).collect();
        if let Err(error) = self.write_checkpoint() {
            // Still named by the checkpoint in force: the next open wants them.
            dropped.into_iter().for_each(|(id, of_segment)| self.asides.add(id, of_segment));
            return Err(error);
        }
        let asides = &self.asides;
        self.wal.keep_asides(&|id| asides.contains(id))?;
        Ok(())
    }
}
