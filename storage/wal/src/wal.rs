//! The WAL of one shard, as its single writer sees it.

use std::collections::VecDeque;
use std::error::Error;
use std::io::IoSlice;
use std::path::PathBuf;
use std::sync::Arc;

use zonelake_schemas::{Lsn, RegistryMarks, ShardId};

use crate::aside::Aside;
use crate::checkpoint::{Checkpoint, missing_state};
use crate::disk::Disk;
use crate::error::{Damage, WalError};
use crate::folder::{Folder, write_all_at};
use crate::format::{
    ALIGN_BYTES, BLOCK_HEADER_BYTES, BlockHeader, RECORD_HEADER_BYTES, SEGMENT_HEADER_BYTES, record_bytes,
};
use crate::replay::{ReplaySummary, Replayed, ReplayedRecord, replay};
use crate::segment::{HeldSegment, OpenSegment, SegmentInfo};
use crate::segment_context::SegmentContext;
use crate::segment_id::SegmentId;

/// The payload of a record, in pieces that are written one behind the other, so that nobody has to copy them together.
pub type RecordParts<'a> = &'a [&'a [u8]];

/// Padding behind records that end unaligned, and behind the last block.
const ZEROS: [u8; BLOCK_HEADER_BYTES] = [0; BLOCK_HEADER_BYTES];

/// Settings of a WAL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WalOptions {
    /// Folder of this WAL alone; made where it does not exist.
    pub dir: PathBuf,
    /// Shard that the WAL belongs to; another shard's folder is refused.
    pub shard: ShardId,
    /// What the header of the next segment says of its records. Segments and checkpoints of another shard number or of
    /// newer records are refused.
    pub context: SegmentContext,
    /// Length of a segment's file in bytes, at least 8 KiB. A long segment rolls seldom; a short one frees its space
    /// sooner. A group that is longer than this gets a segment of its own length.
    pub segment_bytes: u64,
    /// First LSN of a WAL without segments, at least 1. A WAL that has segments goes on where they end.
    pub start_lsn: Lsn,
    /// Released segments that are kept for recycling. Each holds its space; where there is none, a roll has to make a file,
    /// and the first writes to it cost the file system more than later ones.
    pub spare_segments: usize,
    /// Length of the longest block that [`Wal::append`] accepts, in bytes, at least 64 and less than 4 GiB. Replay needs
    /// this much memory.
    pub block_bytes_max: u64,
}

impl WalOptions {
    /// Default of [`Self::segment_bytes`].
    pub const SEGMENT_BYTES: u64 = 64 << 20;
    /// Default of [`Self::spare_segments`].
    pub const SPARE_SEGMENTS: usize = 8;
    /// Default of [`Self::block_bytes_max`].
    pub const BLOCK_BYTES_MAX: u64 = 128 << 20;

    /// The defaults for a shard, starting at LSN 1, with a context that says nothing.
    pub fn new(dir: impl Into<PathBuf>, shard: ShardId) -> Self {
        Self {
            dir: dir.into(),
            shard,
            context: SegmentContext::FIRST_VERSION,
            segment_bytes: Self::SEGMENT_BYTES,
            start_lsn: Lsn(1),
            spare_segments: Self::SPARE_SEGMENTS,
            block_bytes_max: Self::BLOCK_BYTES_MAX,
        }
    }

    fn check(&self) -> Result<(), WalError> {
        let problem = |name, problem: &str| Err(WalError::Setting { name, problem: problem.to_owned() });
        // A segment has at least as many bytes for blocks as for its header.
        if self.segment_bytes < 2 * SEGMENT_HEADER_BYTES as u64 {
            return problem("segment_bytes", "must be at least 8192");
        }
        // A block header has 32 bits for the length of its body.
        if self.block_bytes_max < 64 || self.block_bytes_max > u64::from(u32::MAX) {
            return problem("block_bytes_max", "must be at least 64 and less than 4 GiB");
        }
        // An empty segment has one less than its first LSN for its last one.
        if self.start_lsn < Lsn(1) {
            return problem("start_lsn", "must be at least 1");
        }
        Ok(())
    }
}

/// The write-ahead log of one shard. It has one writer and no lock; the folder must not be open twice.
///
/// Records that [`Wal::append`] has acknowledged survive a process crash and a power loss, as far as the disk keeps synced
/// data. They do not survive the loss of the disk.
///
/// After an error of a write or a sync the content of the disk is unknown. Every later call that would write then fails
/// with that first error, until the WAL is opened again.
#[derive(Debug)]
pub struct Wal {
    folder: Folder,
    block_bytes_max: u64,
    /// Segments, oldest first, never empty; the last one is `current`.
    segments: VecDeque<HeldSegment>,
    current: OpenSegment,
    /// Position of the next block in the current segment.
    end_offset: u64,
    next_lsn: Lsn,
    failure: Option<Arc<WalError>>,
    /// Headers of the records of one group; held only so that their memory is used again.
    record_headers: Vec<[u8; RECORD_HEADER_BYTES]>,
}

impl Wal {
    /// Opens a WAL and hands every record to `each`, oldest first and without a gap. What a power loss has left of a group
    /// that was never acknowledged is dropped. The next record follows behind the last one.
    ///
    /// Records that were handed to `each` are durable when this returns, and not before.
    ///
    /// # Errors
    /// [`WalError::Damaged`], [`WalError::WrongShard`] and [`WalError::NewerVersion`], which leave the folder as it was;
    /// [`WalError::Refused`] with the error of `each`; [`WalError::Setting`], [`WalError::NoSpace`] and [`WalError::Io`].
    pub fn open<E: Into<Box<dyn Error + Send + Sync>>>(
        disk: Arc<dyn Disk>,
        options: WalOptions,
        each: &mut dyn FnMut(ReplayedRecord<'_>) -> Result<(), E>,
    ) -> Result<(Self, ReplaySummary), WalError> {
        options.check()?;
        let mut folder = Folder {
            disk,
            dir: options.dir,
            shard: options.shard,
            context: options.context,
            segment_bytes: options.segment_bytes,
            spare_segments_max: options.spare_segments,
            spares: Vec::new(),
            preparing: None,
        };
        let Replayed { summary, segments, current, end_offset } = replay(&mut folder, options.start_lsn, each)?;
        let wal = Self {
            folder,
            block_bytes_max: options.block_bytes_max,
            segments: segments.into(),
            current,
            end_offset,
            next_lsn: summary.next_lsn,
            failure: None,
            record_headers: Vec::new(),
        };
        Ok((wal, summary))
    }

    /// The LSN that the next record gets.
    pub fn next_lsn(&self) -> Lsn {
        self.next_lsn
    }

    /// Bytes that a group takes in the WAL, as [`Self::must_roll`] wants them.
    pub fn group_bytes(records: &[RecordParts<'_>]) -> u64 {
        let payload_bytes = |parts: &RecordParts<'_>| parts.iter().map(|part| part.len()).sum();
        BLOCK_HEADER_BYTES as u64 + records.iter().map(|parts| record_bytes(payload_bytes(parts))).sum::<u64>()
    }

    /// True where a group of this size, as [`Self::group_bytes`] counts it, needs a new segment. An empty segment takes any
    /// group; one of an earlier format takes none.
    pub fn must_roll(&self, group_bytes: u64) -> bool {
        let current = self.current_segment();
        current.is_of_earlier_format() || !current.is_empty() && group_bytes > self.left_bytes()
    }

    /// Sets the marks that the header of the next segment has.
    pub fn set_marks(&mut self, marks: RegistryMarks) {
        self.folder.context.marks = marks;
    }

    /// The segment that the next group goes to.
    pub fn current_segment(&self) -> &SegmentInfo {
        &self.segments.back().expect("a WAL always has a current segment").info
    }

    /// Starts a new segment, durably. An empty current segment of this format is as good as new and stays.
    ///
    /// # Errors
    /// [`WalError::NoSpace`], after which the WAL goes on with the current segment; [`WalError::Io`], which poisons;
    /// [`WalError::Poisoned`].
    pub fn roll(&mut self) -> Result<SegmentId, WalError> {
        self.check_usable()?;
        let current = self.current_segment();
        if current.is_empty() && !current.is_of_earlier_format() {
            return Ok(current.id);
        }
        let id = current.id.next();
        // A failure leaves the current segment as it is; only one that may have left a half-made segment poisons.
        let started = self.folder.start_segment(id, self.next_lsn);
        self.current = started.map_err(|error| self.fail(error))?;
        self.end_offset = SEGMENT_HEADER_BYTES as u64;
        self.segments.push_back(HeldSegment::empty(&self.current));
        Ok(id)
    }

    /// Appends the records as one group: with one write and one sync, all of them or none. On return they survive a process
    /// crash and a power loss. Returns the LSN of the first; the others follow by one.
    ///
    /// # Errors
    /// [`WalError::SegmentFull`] where [`Self::must_roll`] says so, [`WalError::GroupTooLarge`], [`WalError::EmptyGroup`] and
    /// [`WalError::NoSpace`], all of which have written nothing; [`WalError::Io`], which poisons; [`WalError::Poisoned`].
    pub fn append(&mut self, records: &[RecordParts<'_>]) -> Result<Lsn, WalError> {
        self.check_usable()?;
        let bytes = Self::group_bytes(records);
        self.ensure_capacity(records.len(), bytes)?;
        let first_lsn = self.next_lsn;
        self.write_block(records, bytes)?;
        // The next block is only begun once this one is synced: replay takes a block behind a bad one for proof of damage.
        let synced = self.current.file.sync_data();
        synced.map_err(|error| self.fail(WalError::io("sync", &self.current.path, error)))?;
        // Only now: with a failed write or sync neither LSNs nor space are taken.
        self.end_offset += bytes;
        self.next_lsn = Lsn(first_lsn.0 + records.len() as u64);
        let info = &mut self.segments.back_mut().expect("a WAL always has a current segment").info;
        info.last_lsn = Lsn(self.next_lsn.0 - 1);
        info.bytes = self.end_offset;
        // Early enough that the file is there when the segment is full, late enough that an idle shard makes none.
        if self.end_offset > self.current.file_bytes / 2 {
            self.folder.prepare_for_next(self.current.header.id);
        }
        Ok(first_lsn)
    }

    /// All segments, oldest first; the last one is the current one.
    pub fn segments(&self) -> impl Iterator<Item = &SegmentInfo> {
        self.segments.iter().map(|segment| &segment.info)
    }

    /// Names of the segments' files in the folder, oldest first, each with the bytes up to the end of its last durable block.
    pub fn segment_files(&self) -> impl Iterator<Item = (String, u64)> + '_ {
        self.segments.iter().map(|segment| {
            let name = segment.file.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            (name, segment.info.bytes)
        })
    }

    /// Releases the segments up to this one, oldest first, each durably. Their files are kept for recycling, or removed.
    /// The current segment always stays.
    ///
    /// # Errors
    /// [`WalError::Io`], which poisons; [`WalError::Poisoned`].
    pub fn release_through(&mut self, id: SegmentId) -> Result<(), WalError> {
        self.check_usable()?;
        while self.segments.len() > 1 && self.segments[0].info.id <= id {
            // Released one by one and in order: whatever a power loss leaves begins without a gap.
            let retired = self.folder.retire(&self.segments[0].file);
            retired.map_err(|error| self.fail(error))?;
            // Dropped from the list once its file is gone.
            self.segments.pop_front();
        }
        Ok(())
    }

    /// Replaces the checkpoint by the caller's state as of the last record, in one step. When this returns, it survives a
    /// process crash and a power loss, and segments up to that record may be released.
    ///
    /// # Errors
    /// [`WalError::NoSpace`] and [`WalError::CheckpointTooLarge`], after which the earlier one is in force;
    /// [`WalError::Io`], which poisons; [`WalError::Poisoned`].
    pub fn write_checkpoint(&mut self, state: Vec<u8>) -> Result<Lsn, WalError> {
        self.check_usable()?;
        let SegmentContext { record_version, shard_number, .. } = self.folder.context;
        let lsn = Lsn(self.next_lsn.0 - 1);
        let replaced = self.folder.replace_checkpoint(&Checkpoint { record_version, shard_number, lsn, state });
        replaced.map_err(|error| self.fail(error))?;
        Ok(lsn)
    }

    /// Copies the records of a segment that `keep` wants into a file of their own, durably. The segment stays until it is
    /// released; which of these files count after the next open is up to the caller's checkpoint.
    ///
    /// # Errors
    /// [`WalError::NoSpace`], [`WalError::Damaged`], [`WalError::NewerVersion`] and [`WalError::Io`], after which the segment
    /// is as it was and the WAL goes on; [`WalError::Poisoned`].
    ///
    /// # Panics
    /// For the current segment, and for one that is not there.
    pub fn set_aside(&mut self, id: SegmentId, keep: &mut dyn FnMut(Lsn, &[u8]) -> bool) -> Result<Aside, WalError> {
        self.check_usable()?;
        assert!(id != self.current_segment().id, "the current segment still grows");
        let segment = self.segments.iter().find(|segment| segment.info.id == id).expect("the segment is held");
        self.folder.set_aside(segment, keep)
    }

    /// Removes the files of records that are set aside, but those of segments that `keep` wants.
    ///
    /// # Errors
    /// [`WalError::Io`], which poisons; [`WalError::Poisoned`].
    pub fn keep_asides(&mut self, keep: &dyn Fn(SegmentId) -> bool) -> Result<(), WalError> {
        self.check_usable()?;
        let removed = self.folder.remove_asides(keep);
        removed.map_err(|error| self.fail(error))
    }

    /// The damage of a WAL whose segments do not join a checkpoint that covers the records up to `covered`.
    pub fn missing_state(&self, covered: Lsn) -> Option<Damage> {
        let (oldest, newest) = (self.segments.front()?, self.segments.back()?);
        missing_state(covered, (&oldest.info, &oldest.file.path), (&newest.info, &newest.file.path))
    }

    /// Bytes left in the current segment's file.
    fn left_bytes(&self) -> u64 {
        self.current.file_bytes.saturating_sub(self.end_offset)
    }

    /// True once a failure has left it in doubt what is durable: nothing more is written until the WAL is opened again.
    pub fn is_poisoned(&self) -> bool {
        self.failure.is_some()
    }

    fn check_usable(&self) -> Result<(), WalError> {
        match &self.failure {
            Some(first) => Err(WalError::Poisoned { first: Arc::clone(first) }),
            None => Ok(()),
        }
    }

    /// Remembers the first failure, unless it has left nothing behind.
    fn fail(&mut self, error: WalError) -> WalError {
        if !matches!(error, WalError::NoSpace { .. } | WalError::CheckpointTooLarge { .. }) {
            // After a failed sync the kernel may report success for pages that it has dropped, so nothing may be
            // written behind them.
            self.failure.get_or_insert_with(|| Arc::new(error.clone()));
        }
        error
    }

    /// Checks that a group may be written at the end of the current segment, which grows where it is empty.
    fn ensure_capacity(&mut self, records: usize, bytes: u64) -> Result<(), WalError> {
        if records == 0 {
            return Err(WalError::EmptyGroup);
        }
        if bytes > self.block_bytes_max {
            return Err(WalError::GroupTooLarge { bytes, limit_bytes: self.block_bytes_max });
        }
        let current = self.current_segment();
        if current.is_of_earlier_format() {
            return Err(WalError::SegmentFull { bytes, left_bytes: 0 });
        }
        if bytes <= self.left_bytes() {
            return Ok(());
        }
        if !current.is_empty() {
            return Err(WalError::SegmentFull { bytes, left_bytes: self.left_bytes() });
        }
        // An empty segment takes any group, also one longer than a segment: it then gets the length that the group needs.
        let wanted_bytes = self.end_offset + bytes;
        if let Err(error) = self.current.file.preallocate(wanted_bytes) {
            let error = self.folder.space_or_io("lengthen", &self.current.path, wanted_bytes, error);
            return Err(self.fail(error));
        }
        self.current.file_bytes = wanted_bytes;
        self.segments.back_mut().expect("a WAL always has a current segment").file.bytes = wanted_bytes;
        Ok(())
    }

    /// Writes a group as a block, unsynced, with the zeros behind it that end the WAL.
    fn write_block(&mut self, records: &[RecordParts<'_>], bytes: u64) -> Result<(), WalError> {
        assert!(self.end_offset.is_multiple_of(ALIGN_BYTES as u64), "blocks start at multiples of {ALIGN_BYTES}");
        // Payloads are written from where they are, without a copy.
        let part_count = self.make_record_headers(records);
        let mut slices = Vec::with_capacity(part_count + 2);
        // The first part is the header of the block, which is known last: it has the checksum of the others.
        slices.push(IoSlice::new(&[]));
        for (header, parts) in self.record_headers.iter().zip(records) {
            slices.push(IoSlice::new(header));
            slices.extend(parts.iter().map(|part| IoSlice::new(part)));
            let unaligned_bytes = parts.iter().map(|part| part.len()).sum::<usize>() % ALIGN_BYTES;
            if unaligned_bytes > 0 {
                slices.push(IoSlice::new(&ZEROS[unaligned_bytes..ALIGN_BYTES]));
            }
        }
        let block_header = BlockHeader {
            first_lsn: self.next_lsn,
            record_count: u32::try_from(records.len()).expect("each record takes 8 bytes of a block below 4 GiB"),
            body_bytes: u32::try_from(bytes - BLOCK_HEADER_BYTES as u64).expect("blocks are below 4 GiB"),
            // The first slice is still empty, so this is the checksum of the body alone.
            body_checksum: slices.iter().fold(0, |checksum, slice| crc32c::crc32c_append(checksum, slice)),
        }
        .encode(&self.current.header.seal());
        // All of the group goes out in one write: header, body, and the zeros that end the chain.
        slices[0] = IoSlice::new(&block_header);
        // Zeros end the chain of blocks, also in a recycled file; where the file ends there, it ends the chain itself.
        let behind_bytes = usize::try_from(self.left_bytes() - bytes).unwrap_or(usize::MAX);
        slices.push(IoSlice::new(&ZEROS[..ZEROS.len().min(behind_bytes)]));
        let written = write_all_at(&*self.current.file, &mut slices, self.end_offset);
        written.map_err(|(written_bytes, error)| {
            let path = &self.current.path;
            // A full disk that has taken nothing leaves the WAL as it was, and the caller may go on later.
            let error = match written_bytes {
                0 => self.folder.space_or_io("write", path, bytes, error),
                _ => WalError::io("write", path, error),
            };
            self.fail(error)
        })
    }

    /// Fills `record_headers` for a group, and returns its number of parts, headers and padding included.
    fn make_record_headers(&mut self, records: &[RecordParts<'_>]) -> usize {
        self.record_headers.clear();
        let mut part_count = 0;
        for parts in records {
            let payload_bytes = parts.iter().map(|part| part.len()).sum::<usize>();
            let payload_bytes = u32::try_from(payload_bytes).expect("records are smaller than their block");
            let mut header = [0; RECORD_HEADER_BYTES];
            header[..4].copy_from_slice(&payload_bytes.to_le_bytes());
            self.record_headers.push(header);
            part_count += parts.len() + 2;
        }
        part_count
    }
}
