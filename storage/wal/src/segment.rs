//! Segments: their files, what they hold, and the one that blocks are written to.

use std::path::PathBuf;

use zonelake_schemas::Lsn;

use crate::disk::DiskFile;
use crate::format::{SEGMENT_HEADER_BYTES, SegmentHeader, VERSION};
use crate::segment_context::SegmentContext;
use crate::segment_id::SegmentId;

/// Content of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentInfo {
    /// Id of the segment.
    pub id: SegmentId,
    /// LSN of the first record.
    pub first_lsn: Lsn,
    /// LSN of the last record; one less than the first where the segment is empty.
    pub last_lsn: Lsn,
    /// Bytes of header and blocks: what a replay reads. The file may be longer.
    pub bytes: u64,
    /// Version of the format that the segment has.
    pub version: u32,
    /// What its header says of its records.
    pub context: SegmentContext,
}

impl SegmentInfo {
    /// True where the segment holds no record.
    pub fn is_empty(&self) -> bool {
        self.last_lsn < self.first_lsn
    }

    /// True for a segment of an earlier format: it is read, and nothing is added to it.
    pub fn is_of_earlier_format(&self) -> bool {
        self.version < VERSION
    }

    /// What is in a segment up to the end of its chain of blocks.
    pub(crate) fn read(header: &SegmentHeader, next_lsn: Lsn, bytes: u64) -> Self {
        let SegmentHeader { version, id, first_lsn, context, .. } = *header;
        // One less than the first LSN where there is no record: then the last one is below the first.
        Self { id, first_lsn, last_lsn: Lsn(next_lsn.0 - 1), bytes, version, context }
    }
}

/// A file of a segment or a spare.
#[derive(Debug, Clone)]
pub(crate) struct LogFile {
    pub(crate) id: SegmentId,
    pub(crate) path: PathBuf,
    pub(crate) bytes: u64,
}

/// A segment that blocks can be written to.
#[derive(Debug)]
pub(crate) struct OpenSegment {
    pub(crate) file: Box<dyn DiskFile>,
    pub(crate) path: PathBuf,
    pub(crate) header: SegmentHeader,
    /// Length of the file.
    pub(crate) file_bytes: u64,
}

/// A segment and its file.
#[derive(Debug)]
pub(crate) struct HeldSegment {
    pub(crate) info: SegmentInfo,
    pub(crate) file: LogFile,
}

impl HeldSegment {
    pub(crate) fn empty(open: &OpenSegment) -> Self {
        let (id, first_lsn) = (open.header.id, open.header.first_lsn);
        Self {
            info: SegmentInfo::read(&open.header, first_lsn, SEGMENT_HEADER_BYTES as u64),
            file: LogFile { id, path: open.path.clone(), bytes: open.file_bytes },
        }
    }
}
