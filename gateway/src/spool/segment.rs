//! Files of segments: found, scanned up to the last whole block, read and made.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use zonelake_schemas::{BatchNumber, Epoch};

use super::error::{SpoolError, at};
use super::format::{
    BLOCK_HEADER_BYTES, Block, HEADER_BYTES, InForce, body_bytes, decode_block, decode_header, encode_header,
};
use super::identity::sync_folder;

/// A segment: its numbers go from `first` to before the next one's first.
#[derive(Debug, Clone)]
pub(crate) struct Segment {
    pub(crate) path: PathBuf,
    pub(crate) first: u64,
    /// Bytes that are synced.
    pub(crate) bytes: u64,
    /// It could not be read to its end. It keeps its place: its numbers are gone, and no other segment has them.
    pub(crate) is_apart: bool,
}

/// The segments in a folder, in the order of their numbers.
pub(super) fn list(folder: &Path, epoch: Epoch) -> Result<VecDeque<Segment>, SpoolError> {
    let mut segments = Vec::new();
    for entry in fs::read_dir(folder).map_err(at(folder))? {
        let path = entry.map_err(at(folder))?.path();
        let number = path.file_stem().and_then(|name| name.to_str()).and_then(|name| name.parse().ok());
        let is_apart = path.extension().is_some_and(|end| end == DAMAGED);
        let (Some(first), true) = (number, is_apart || path.extension().is_some_and(|end| end == ENDING)) else {
            continue;
        };
        if is_apart {
            segments.push(Segment { path, first, bytes: 0, is_apart });
            continue;
        }
        let mut file = File::open(&path).map_err(at(&path))?;
        let bytes = file.metadata().map_err(at(&path))?.len();
        let mut head = [0; HEADER_BYTES];
        let is_whole = file.read_exact(&mut head).is_ok() && decode_header(&head) == Some((epoch, BatchNumber(first)));
        // A length of 0 marks a head that cannot be read.
        segments.push(Segment { path, first, bytes: if is_whole { bytes } else { 0 }, is_apart });
    }
    segments.sort_unstable_by_key(|segment| segment.first);
    Ok(segments.into())
}

pub(super) struct Scanned {
    pub(super) bytes: u64,
    pub(super) batches: u64,
    pub(super) in_force: InForce,
    /// A block cannot be read that has a readable one behind it: not the tail of a crash.
    pub(super) is_damaged: bool,
}

/// Reads a segment up to its last whole block; `None` where its head is not whole.
pub(super) fn scan(segment: &Segment) -> Result<Option<Scanned>, SpoolError> {
    if segment.bytes < HEADER_BYTES as u64 {
        return Ok(None);
    }
    let file = File::open(&segment.path).map_err(at(&segment.path))?;
    let mut found = Scanned { bytes: HEADER_BYTES as u64, batches: 0, in_force: InForce::default(), is_damaged: false };
    loop {
        let mut in_force = found.in_force.clone();
        let block = read_block(&file, found.bytes, segment.bytes, &mut in_force).map_err(at(&segment.path))?;
        match block.filter(|(block, _)| block.number.0 == segment.first + found.batches) {
            Some((_, bytes)) => {
                found = Scanned { bytes: found.bytes + bytes, batches: found.batches + 1, in_force, ..found };
            }
            None => {
                if let Some(last) = last_behind(&file, segment, &found)? {
                    found =
                        Scanned { bytes: segment.bytes, batches: last + 1 - segment.first, is_damaged: true, ..found };
                }
                return Ok(Some(found));
            }
        }
    }
}

/// Number of the last batch that can be read behind a block that cannot; `None` where there is none. Blocks are looked for
/// at every byte, since the length of the bad one may be what is bad in it.
fn last_behind(file: &File, segment: &Segment, found: &Scanned) -> Result<Option<u64>, SpoolError> {
    let expected = segment.first + found.batches;
    let mut rest = vec![0; usize::try_from(segment.bytes - found.bytes).unwrap_or(0)];
    file.read_exact_at(&mut rest, found.bytes).map_err(at(&segment.path))?;
    let mut last = None;
    let mut offset = 1;
    while let Some(head) = rest.get(offset..offset + BLOCK_HEADER_BYTES + 8) {
        let number = u64::from_le_bytes(head[BLOCK_HEADER_BYTES..].try_into().expect("8 bytes"));
        let is_likely = number > expected && number - expected <= segment.bytes;
        let block = if is_likely {
            let end = segment.bytes;
            read_block(file, found.bytes + offset as u64, end, &mut any_prelude()).map_err(at(&segment.path))?
        } else {
            None
        };
        match block {
            Some((block, bytes)) => {
                last = Some(block.number.0);
                offset += usize::try_from(bytes).unwrap_or(usize::MAX);
            }
            None => offset += 1,
        }
    }
    Ok(last)
}

/// A prelude under which any dictionary can be read.
fn any_prelude() -> InForce {
    InForce::with_schema(Bytes::new())
}

/// Reads the block at a place of a segment of so many bytes; `None` where no whole block is there.
pub(crate) fn read_block(
    file: &File,
    offset: u64,
    end: u64,
    in_force: &mut InForce,
) -> std::io::Result<Option<(Block, u64)>> {
    if end.saturating_sub(offset) < BLOCK_HEADER_BYTES as u64 {
        return Ok(None);
    }
    let mut head = [0; BLOCK_HEADER_BYTES];
    file.read_exact_at(&mut head, offset)?;
    let Some(bytes) = body_bytes(&head) else { return Ok(None) };
    if end - offset < (BLOCK_HEADER_BYTES + bytes) as u64 {
        return Ok(None);
    }
    let mut body = vec![0; bytes];
    file.read_exact_at(&mut body, offset + BLOCK_HEADER_BYTES as u64)?;
    let block = decode_block(&head, Bytes::from(body), in_force);
    Ok(block.map(|block| (block, (BLOCK_HEADER_BYTES + bytes) as u64)))
}

pub(super) fn make_segment(folder: &Path, epoch: Epoch, first: u64) -> Result<(Segment, File), SpoolError> {
    let path = folder.join(format!("{first:020}.{ENDING}"));
    let options = || File::options().create(true).truncate(true).read(true).write(true).open(&path);
    let file = options().map_err(at(&path))?;
    let head = encode_header(epoch, BatchNumber(first));
    file.write_all_at(&head, 0).and_then(|()| file.sync_all()).map_err(at(&path))?;
    sync_folder(folder)?;
    Ok((Segment { path, first, bytes: HEADER_BYTES as u64, is_apart: false }, file))
}

/// Ending of the names of segments.
pub(super) const ENDING: &str = "spool";
/// Ending of the names of segments that are set apart.
pub(super) const DAMAGED: &str = "damaged";
