//! Opening a WAL: every record is read back, in order, and the WAL is made ready to go on.
//!
//! The end of the newest segment is classified so: zeros, or bytes that are not a whole block and behind which no later
//! block stands, are what a stop, a crash or a power loss leaves. They were never acknowledged, and are zeroed. A bad block
//! anywhere else is damage, and the WAL does not open.

use std::cmp::Ordering;
use std::error::Error;
use std::fmt;
use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use zonelake_schemas::{Lsn, ShardNumber};

use crate::disk::{Disk, DiskFile};
use crate::error::{BlockFault, Damage, DamageKind, WalError};
use crate::folder::{Folder, Listing, write_all_at};
use crate::format::{SEGMENT_HEADER_BYTES, SegmentHeader, SegmentHeaderFault, VERSION};
use crate::segment::{HeldSegment, LogFile, OpenSegment, SegmentInfo};
use crate::segment_context::SegmentContext;
use crate::segment_id::SegmentId;
use crate::walk::{ChainEnd, SegmentReader};

/// Zeros that are written at a time.
const ZEROS_BYTES: usize = 1 << 20;

/// A record as it is read back.
#[derive(Debug, Clone, Copy)]
pub struct ReplayedRecord<'a> {
    /// LSN of the record.
    pub lsn: Lsn,
    /// Segment that holds the record.
    pub segment: SegmentId,
    /// File of that segment.
    pub path: &'a Path,
    /// What the segment's header says of its records.
    pub context: &'a SegmentContext,
    /// Payload as it was appended, in one piece that starts at a multiple of 8 bytes in memory.
    pub payload: &'a [u8],
}

/// Findings of a replay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplaySummary {
    /// Segments, the empty ones too.
    pub segments: u64,
    /// Blocks, each a group that was acknowledged, or the last one that was whole.
    pub blocks: u64,
    /// Records.
    pub records: u64,
    /// Bytes of headers and blocks.
    pub bytes: u64,
    /// LSN of the oldest record; the next LSN where there is none.
    pub first_lsn: Lsn,
    /// LSN that the next record gets.
    pub next_lsn: Lsn,
    /// Rest of a group that was dropped at the end.
    pub torn: Option<TornTail>,
}

/// The rest of a group that was not acknowledged before a crash or a power loss.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TornTail {
    /// File of the newest segment.
    pub path: PathBuf,
    /// Position at which the group begins, in bytes.
    pub offset: u64,
    /// LSN that the first record of the group had; it is given out again.
    pub lsn: Lsn,
    /// Length of the group's block, where the header is whole.
    pub bytes: Option<u64>,
}

impl fmt::Display for TornTail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}, LSN {}", self.path.display(), self.offset, self.lsn)
    }
}

/// A WAL as replay leaves it, ready for the next append.
#[derive(Debug)]
pub(crate) struct Replayed {
    pub(crate) summary: ReplaySummary,
    /// Segments, oldest first; the last one is `current`.
    pub(crate) segments: Vec<HeldSegment>,
    pub(crate) current: OpenSegment,
    /// Position of the next block.
    pub(crate) end_offset: u64,
}

/// Header of a segment's file, or the damage in its place.
#[derive(Debug)]
pub(crate) enum Header {
    Whole(SegmentHeader),
    Bad(DamageKind),
}

/// Reads the header of a segment, and compares it with the file's name.
pub(crate) fn read_header(disk: &dyn Disk, file: &LogFile) -> Result<Header, WalError> {
    let opened = disk.open_read_only(&file.path).map_err(|error| WalError::io("open", &file.path, error))?;
    let mut reader = SegmentReader::new(&*opened, &file.path)?;
    Ok(match SegmentHeader::decode(reader.segment_header()?) {
        Ok(header) if header.id != file.id => Header::Bad(DamageKind::SegmentName { found: header.id }),
        Ok(header) => Header::Whole(header),
        Err(SegmentHeaderFault::Damaged) => Header::Bad(DamageKind::SegmentHeader),
        Err(SegmentHeaderFault::Newer(found)) => {
            return Err(WalError::NewerVersion { path: file.path.clone(), found, known: VERSION });
        }
    })
}

/// Class of the end of the newest segment's chain of blocks.
#[derive(Debug)]
pub(crate) enum Tail {
    /// Nothing was begun behind the last block.
    Clean,
    /// The bytes behind the last block were never acknowledged.
    Torn,
    /// The bytes behind the last block were durable once; the chain goes on at `resume`, if at all.
    Damaged { resume: Option<(u64, Lsn)> },
}

/// Classifies the end of the newest segment's chain of blocks.
pub(crate) fn classify_tail(
    reader: &mut SegmentReader<'_>,
    header: &SegmentHeader,
    end: &ChainEnd,
) -> Result<Tail, WalError> {
    let resume = reader.find_behind(&header.seal(), end)?;
    Ok(match end.fault {
        // A block is only begun when the one before it is durable: a later one proves that this one was.
        _ if resume.is_some() => Tail::Damaged { resume },
        BlockFault::Absent => Tail::Clean,
        BlockFault::Header | BlockFault::Cut | BlockFault::Body => Tail::Torn,
        // No torn write leaves a whole block of this segment that holds something else than the next records.
        BlockFault::Lsn { .. } | BlockFault::Layout => Tail::Damaged { resume },
    })
}

/// Replays a WAL, and starts one where the folder has none.
pub(crate) fn replay<E: Into<Box<dyn Error + Send + Sync>>>(
    folder: &mut Folder,
    start_lsn: Lsn,
    each: &mut dyn FnMut(ReplayedRecord<'_>) -> Result<(), E>,
) -> Result<Replayed, WalError> {
    let disk = Arc::clone(&folder.disk);
    let made = disk.create_dir_all(&folder.dir);
    made.map_err(|error| WalError::io("make the folder", &folder.dir, error))?;
    let listing = Listing::read(&*disk, &folder.dir)?;
    // All headers first: a WAL of another shard or version, or with a segment missing, hands on no record.
    let headers = check_headers(folder, &listing)?;
    let mut replay = Replay { folder, each, summary: ReplaySummary::empty(start_lsn), segments: Vec::new() };
    let mut newest = None;
    for (index, (file, header)) in listing.segments.iter().zip(&headers).enumerate() {
        let end = replay.read_segment(file, header)?;
        match headers.get(index + 1) {
            Some(next) => {
                // A segment is left only when its last block is durable, so its blocks must lead up to the next
                // segment.
                if let Some(damage) = check_successor(file, &end, next, &listing.segments[index + 1].path) {
                    return Err(WalError::Damaged(Box::new(damage)));
                }
            }
            None => newest = Some((replay.restore_tail(file, header, &end)?, end.offset)),
        }
    }
    let Replay { mut summary, mut segments, .. } = replay;
    // A spare has had the id in its name, and no id is used twice.
    let first_id = listing.spares.last().map_or(SegmentId(1), |spare| spare.id.next());
    // Only after all segments are read: a damaged WAL is left as it is, spares and all.
    folder.keep_spares(listing)?;
    let (current, end_offset) = match newest {
        Some(newest) => newest,
        None => (folder.start_segment(first_id, start_lsn)?, SEGMENT_HEADER_BYTES as u64),
    };
    if segments.is_empty() {
        segments.push(HeldSegment::empty(&current));
        summary.segments = 1;
    }
    summary.bytes = segments.iter().map(|segment| segment.info.bytes).sum();
    Ok(Replayed { summary, segments, current, end_offset })
}

impl ReplaySummary {
    fn empty(start_lsn: Lsn) -> Self {
        Self { segments: 0, blocks: 0, records: 0, bytes: 0, first_lsn: start_lsn, next_lsn: start_lsn, torn: None }
    }
}

/// The headers of all segments, which have to be whole, of this shard, and without a gap in their ids.
fn check_headers(folder: &Folder, listing: &Listing) -> Result<Vec<SegmentHeader>, WalError> {
    let mut headers = Vec::with_capacity(listing.segments.len());
    let mut previous: Option<SegmentId> = None;
    for file in &listing.segments {
        let header = match read_header(&*folder.disk, file)? {
            Header::Whole(header) => header,
            Header::Bad(kind) => return Err(WalError::damaged(&file.path, 0, Lsn(0), kind)),
        };
        // Two shards that were swapped would give their rows to the wrong streams.
        if header.shard != folder.shard {
            let path = file.path.clone();
            return Err(WalError::WrongShard { path, expected: folder.shard, found: header.shard });
        }
        check_context(folder, file, &header)?;
        if let Some(missing) = previous.and_then(|previous| missing_between(previous, file.id)) {
            return Err(WalError::damaged(&file.path, 0, header.first_lsn, missing));
        }
        previous = Some(file.id);
        headers.push(header);
    }
    Ok(headers)
}

/// Refuses a segment whose records are of another node, or newer than what the caller reads.
fn check_context(folder: &Folder, file: &LogFile, header: &SegmentHeader) -> Result<(), WalError> {
    let (found, own) = (&header.context, &folder.context);
    if found.record_version > own.record_version {
        let (found, known) = (found.record_version, own.record_version);
        return Err(WalError::NewerRecords { path: file.path.clone(), found, known });
    }
    // A segment of the first version names no node.
    if found.shard_number != ShardNumber(0) && found.shard_number != own.shard_number {
        let (found, expected) = (found.shard_number, own.shard_number);
        return Err(WalError::WrongNode { path: file.path.clone(), expected, found });
    }
    Ok(())
}

/// The damage of segments that are missing between two that follow each other in the folder.
pub(crate) fn missing_between(previous: SegmentId, following: SegmentId) -> Option<DamageKind> {
    let first = previous.next();
    (first < following).then_some(DamageKind::SegmentsMissing { first, last: SegmentId(following.0 - 1) })
}

/// The damage of a segment whose blocks do not lead up to the first LSN of the segment behind it.
pub(crate) fn check_successor(
    file: &LogFile,
    end: &ChainEnd,
    next: &SegmentHeader,
    next_path: &Path,
) -> Option<Damage> {
    let (path, offset, kind) = match end.next_lsn.cmp(&next.first_lsn) {
        Ordering::Equal => return None,
        Ordering::Less => (file.path.clone(), end.offset, DamageKind::Block(end.fault)),
        Ordering::Greater => (next_path.to_owned(), 0, DamageKind::FirstLsn { found: next.first_lsn }),
    };
    Some(Damage { path, offset, lsn: end.next_lsn, kind })
}

/// A replay under way.
struct Replay<'a, E> {
    folder: &'a Folder,
    each: &'a mut dyn FnMut(ReplayedRecord<'_>) -> Result<(), E>,
    summary: ReplaySummary,
    segments: Vec<HeldSegment>,
}

impl<E: Into<Box<dyn Error + Send + Sync>>> Replay<'_, E> {
    /// Hands on the records of a segment, up to the end of its chain of blocks.
    fn read_segment(&mut self, file: &LogFile, header: &SegmentHeader) -> Result<ChainEnd, WalError> {
        let opened = self.folder.disk.open_read_only(&file.path);
        let opened = opened.map_err(|error| WalError::io("open", &file.path, error))?;
        let mut reader = SegmentReader::new(&*opened, &file.path)?;
        // The blocks of a segment are handed on while it is read: a replay holds one block in memory, and not the
        // segment.
        let each = &mut self.each;
        let end =
            reader.read_chain(&header.seal(), SEGMENT_HEADER_BYTES as u64, header.first_lsn, &mut |block| {
                for (lsn, payload) in (block.first_lsn.0..).map(Lsn).zip(block.payloads) {
                    let (segment, path, context) = (header.id, file.path.as_path(), &header.context);
                    each(ReplayedRecord { lsn, segment, path, context, payload })
                        .map_err(|error| WalError::Refused { lsn, segment, cause: Arc::from(error.into()) })?;
                }
                Ok(())
            })?;
        // Earlier segments were released, so the first LSN is that of the oldest one left.
        if self.segments.is_empty() {
            self.summary.first_lsn = header.first_lsn;
        }
        self.summary.segments += 1;
        self.summary.blocks += end.blocks;
        self.summary.records += end.next_lsn.0 - header.first_lsn.0;
        self.summary.next_lsn = end.next_lsn;
        let info = SegmentInfo::read(header, end.next_lsn, end.offset);
        self.segments.push(HeldSegment { info, file: file.clone() });
        Ok(end)
    }

    /// Makes sure that the newest segment ends with its last whole block, durably, and leaves it ready to be written.
    fn restore_tail(
        &mut self,
        file: &LogFile,
        header: &SegmentHeader,
        end: &ChainEnd,
    ) -> Result<OpenSegment, WalError> {
        let path = &file.path;
        let io = |action| move |error| WalError::io(action, path, error);
        let opened = self.folder.disk.open(path).map_err(io("open"))?;
        let mut reader = SegmentReader::new(&*opened, path)?;
        let torn = match classify_tail(&mut reader, header, end)? {
            Tail::Damaged { .. } => {
                return Err(WalError::damaged(path, end.offset, end.next_lsn, DamageKind::Block(end.fault)));
            }
            Tail::Torn => true,
            Tail::Clean => false,
        };
        let last_block = match end.last_block {
            Some(offset) => {
                let bytes = usize::try_from(end.offset - offset).expect("a block that was read fits into memory");
                Some((offset, reader.bytes_at(offset, bytes)?.to_vec()))
            }
            None => None,
        };
        // A file that is shorter than a segment gets its length back, so that appends find the space reserved.
        let wanted_bytes = self.folder.segment_bytes;
        let grown = opened.preallocate(wanted_bytes);
        grown.map_err(|error| self.folder.space_or_io("restore the length of", path, wanted_bytes, error))?;
        let file_bytes = opened.len_bytes().map_err(io("find the length of"))?;
        if torn {
            let tail = TornTail { path: path.clone(), offset: end.offset, lsn: end.next_lsn, bytes: end.claimed_bytes };
            tracing::warn!(%tail, bytes = tail.bytes, "dropped the rest of a group that was never acknowledged");
            self.summary.torn = Some(tail);
            // Zeroed before anything is written there, so that no rest of the torn group stands behind later blocks.
            zero(&*opened, end.offset, file_bytes).map_err(io("clear the torn end of"))?;
        }
        // The last block may be one whose sync failed: then memory holds it, the disk does not, and a sync alone would
        // not write it again. Blocks before it were durable before it was begun.
        if let Some((offset, bytes)) = last_block {
            let written = write_all_at(&*opened, &mut [IoSlice::new(&bytes)], offset);
            written.map_err(|(_, error)| WalError::io("write the last block again of", path, error))?;
        }
        opened.sync_data().map_err(io("sync"))?;
        if let Some(held) = self.segments.last_mut() {
            // The length decides later whether the file can be a spare.
            held.file.bytes = file_bytes;
        }
        Ok(OpenSegment { file: opened, path: path.clone(), header: *header, file_bytes })
    }
}

/// Writes zeros from one position up to another.
fn zero(file: &dyn DiskFile, from: u64, to: u64) -> io::Result<()> {
    let zeros = vec![0; ZEROS_BYTES];
    let mut offset = from;
    while offset < to {
        let bytes = usize::try_from(to - offset).map_or(ZEROS_BYTES, |rest| rest.min(ZEROS_BYTES));
        write_all_at(file, &mut [IoSlice::new(&zeros[..bytes])], offset).map_err(|(_, error)| error)?;
        offset += bytes as u64;
    }
    Ok(())
}
