//! Inspection of a whole WAL without changing it, for operators: its content, and every damage that can be found.

use std::path::{Path, PathBuf};

use zonelake_schemas::{Lsn, ShardId};

use crate::aside::{Aside, read_aside};
use crate::checkpoint::{Checkpoint, missing_state};
use crate::disk::Disk;
use crate::error::{Damage, DamageKind, WalError};
use crate::folder::Listing;
use crate::format::{SEGMENT_HEADER_BYTES, SegmentHeader};
use crate::replay::{
    Header, ReplayedRecord, Tail, TornTail, check_successor, classify_tail, missing_between, read_header,
};
use crate::segment::{LogFile, SegmentInfo};
use crate::segment_id::SegmentId;
use crate::walk::SegmentReader;

/// Content of a WAL, and its damage.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WalReport {
    /// Segments whose headers are whole, oldest first.
    pub segments: Vec<SegmentReport>,
    /// All damage, in the order of the segments.
    pub damages: Vec<Damage>,
    /// Rest of a group that was never acknowledged. That is no damage: the next start drops it.
    pub torn_tail: Option<TornTail>,
    /// The caller's state, and the last record that it covers.
    pub checkpoint: Option<Checkpoint>,
    /// Records that are set aside, by the segments that they are of.
    pub asides: Vec<Aside>,
    /// Files kept for recycling.
    pub spare_files: u64,
    /// Length of these files.
    pub spare_bytes: u64,
    /// Files that are not the WAL's.
    pub unknown_files: Vec<String>,
}

impl WalReport {
    /// True where no damage was found.
    pub fn is_sound(&self) -> bool {
        self.damages.is_empty()
    }

    /// The damage of a WAL whose caller releases nothing that its checkpoint does not cover, and whose segments do not
    /// join the checkpoint.
    pub fn missing_state(&self) -> Option<Damage> {
        let covered = self.checkpoint.as_ref().map_or(Lsn(0), |checkpoint| checkpoint.lsn);
        let (oldest, newest) = (self.segments.first()?, self.segments.last()?);
        missing_state(covered, (&oldest.info, &oldest.path), (&newest.info, &newest.path))
    }

    /// Number of records that can be read.
    pub fn records(&self) -> u64 {
        let set_aside: u64 = self.asides.iter().map(|aside| aside.records).sum();
        set_aside + self.segments.iter().map(|segment| segment.records).sum::<u64>()
    }

    /// LSN that the next record would get; `None` where there is no segment.
    pub fn next_lsn(&self) -> Option<Lsn> {
        self.segments.last().map(|segment| Lsn(segment.info.last_lsn.0 + 1))
    }
}

/// Content of a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentReport {
    /// File of the segment.
    pub path: PathBuf,
    /// Shard that wrote it.
    pub shard: ShardId,
    /// Id, LSNs and length up to the last whole block.
    pub info: SegmentInfo,
    /// Whole blocks.
    pub blocks: u64,
    /// Records in whole blocks.
    pub records: u64,
    /// Bytes of the payloads of these records.
    pub payload_bytes: u64,
}

/// Reads all of a WAL, of any shard, and reports each damage by file, offset and LSN. Nothing is changed. After a damage
/// the next whole block follows.
///
/// # Errors
/// [`WalError::Io`] where the folder or a file cannot be read, and [`WalError::NewerVersion`].
pub fn inspect(disk: &dyn Disk, dir: &Path) -> Result<WalReport, WalError> {
    inspect_records(disk, dir, &mut |_| {})
}

/// As [`inspect`], and hands on every record that can be read.
///
/// # Errors
/// As [`inspect`].
pub fn inspect_records(
    disk: &dyn Disk,
    dir: &Path,
    each: &mut dyn FnMut(ReplayedRecord<'_>),
) -> Result<WalReport, WalError> {
    let listing = Listing::read(disk, dir)?;
    let mut report = WalReport {
        spare_files: listing.spares.len() as u64,
        spare_bytes: listing.spares.iter().map(|spare| spare.bytes).sum(),
        unknown_files: listing.unknown,
        ..WalReport::default()
    };
    for file in &listing.asides {
        report.read_aside(disk, dir, file.id, each)?;
    }
    let mut headers = Vec::with_capacity(listing.segments.len());
    for file in &listing.segments {
        // All headers first: whether the end of a segment is torn or damaged depends on the next one.
        headers.push((file, read_header(disk, file)?));
    }
    let mut previous: Option<SegmentId> = None;
    for (index, (file, header)) in headers.iter().enumerate() {
        let next = headers.get(index + 1);
        let missing = previous.replace(file.id).and_then(|previous| missing_between(previous, file.id));
        let header = match header {
            Header::Whole(header) => header,
            Header::Bad(kind) => {
                report.add_damage(file, 0, Lsn(0), missing);
                report.add_damage(file, 0, Lsn(0), Some(kind.clone()));
                continue;
            }
        };
        report.add_damage(file, 0, header.first_lsn, missing);
        // The first segment decides which shard the folder belongs to.
        let shard = report.segments.first().map_or(header.shard, |first| first.shard);
        let foreign = (header.shard != shard).then_some(DamageKind::ForeignShard { found: header.shard });
        report.add_damage(file, 0, header.first_lsn, foreign);
        report.read_segment(disk, file, header, next, each)?;
    }
    report.read_checkpoint(disk, dir)?;
    Ok(report)
}

impl WalReport {
    fn add_damage(&mut self, file: &LogFile, offset: u64, lsn: Lsn, kind: Option<DamageKind>) {
        self.damages.extend(kind.map(|kind| Damage { path: file.path.clone(), offset, lsn, kind }));
    }

    /// Reads the records that are set aside of a segment.
    fn read_aside(
        &mut self,
        disk: &dyn Disk,
        dir: &Path,
        id: SegmentId,
        each: &mut dyn FnMut(ReplayedRecord<'_>),
    ) -> Result<(), WalError> {
        let read = read_aside(disk, dir, id, &mut |record| {
            each(record);
            Ok(())
        });
        match read {
            Ok(aside) => self.asides.push(aside),
            // A server that runs has removed it since the folder was listed: it was not needed any more.
            Err(WalError::Damaged(damage)) if damage.kind == DamageKind::AsideMissing => {}
            Err(WalError::Damaged(damage)) => self.damages.push(*damage),
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Reads the checkpoint.
    fn read_checkpoint(&mut self, disk: &dyn Disk, dir: &Path) -> Result<(), WalError> {
        match Checkpoint::read(disk, dir) {
            Ok(checkpoint) => self.checkpoint = checkpoint,
            Err(WalError::Damaged(damage)) => self.damages.push(*damage),
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Reads a segment to its end, over all its damage.
    fn read_segment(
        &mut self,
        disk: &dyn Disk,
        file: &LogFile,
        header: &SegmentHeader,
        next: Option<&(&LogFile, Header)>,
        each: &mut dyn FnMut(ReplayedRecord<'_>),
    ) -> Result<(), WalError> {
        let opened = disk.open_read_only(&file.path).map_err(|error| WalError::io("open", &file.path, error))?;
        let mut reader = SegmentReader::new(&*opened, &file.path)?;
        let (mut blocks, mut records, mut payload_bytes) = (0, 0, 0);
        let mut from = (SEGMENT_HEADER_BYTES as u64, header.first_lsn);
        let end = loop {
            let end = reader.read_chain(&header.seal(), from.0, from.1, &mut |block| {
                records += block.payloads.len() as u64;
                payload_bytes += block.payloads.iter().map(|payload| payload.len() as u64).sum::<u64>();
                for (lsn, payload) in (block.first_lsn.0..).map(Lsn).zip(block.payloads) {
                    let (segment, path, context) = (header.id, file.path.as_path(), &header.context);
                    each(ReplayedRecord { lsn, segment, path, context, payload });
                }
                Ok(())
            })?;
            // A chain may be found in several parts, with damage between them.
            blocks += end.blocks;
            let tail = classify_tail(&mut reader, header, &end)?;
            let damaged = Some(DamageKind::Block(end.fault));
            match (tail, next) {
                (Tail::Damaged { resume: Some(resume) }, _) => {
                    self.add_damage(file, end.offset, end.next_lsn, damaged);
                    from = resume;
                    continue;
                }
                (Tail::Damaged { resume: None }, _) => self.add_damage(file, end.offset, end.next_lsn, damaged),
                (_, Some((next_file, Header::Whole(next)))) => {
                    self.damages.extend(check_successor(file, &end, next, &next_file.path));
                }
                // A segment that has a successor was left whole, so that its end is damaged and not torn.
                (Tail::Torn, Some((_, Header::Bad(_)))) => {
                    self.add_damage(file, end.offset, end.next_lsn, damaged);
                }
                (Tail::Torn, None) => {
                    let (path, offset, lsn) = (file.path.clone(), end.offset, end.next_lsn);
                    self.torn_tail = Some(TornTail { path, offset, lsn, bytes: end.claimed_bytes });
                }
                (Tail::Clean, _) => {}
            }
            break end;
        };
        let info = SegmentInfo::read(header, end.next_lsn, end.offset);
        let (path, shard) = (file.path.clone(), header.shard);
        self.segments.push(SegmentReport { path, shard, info, blocks, records, payload_bytes });
        Ok(())
    }
}
