//! Reading a segment block by block, as far as its blocks are whole, and looking for blocks behind that end.

use std::path::Path;

use zonelake_schemas::Lsn;

use crate::disk::DiskFile;
use crate::error::{BlockFault, WalError};
use crate::format::{ALIGN_BYTES, BLOCK_HEADER_BYTES, BLOCK_MAGIC, BlockHeader, SEGMENT_HEADER_BYTES, Seal, payloads};

/// Bytes that are read at a time, at least: blocks are often small.
const READ_AHEAD_BYTES: usize = 1 << 18;

/// A whole block.
#[derive(Debug)]
pub(crate) struct Block<'a> {
    pub(crate) first_lsn: Lsn,
    pub(crate) payloads: Vec<&'a [u8]>,
}

/// A whole block, or the fault, with the block's header where that is whole.
type Found<'a> = Result<(BlockHeader, Block<'a>), (BlockFault, Option<BlockHeader>)>;

/// End of the chain of whole blocks.
#[derive(Debug, Clone)]
pub(crate) struct ChainEnd {
    /// LSN that the next block would start with.
    pub(crate) next_lsn: Lsn,
    /// Position of the next block.
    pub(crate) offset: u64,
    /// Position of the last whole block, if there is one.
    pub(crate) last_block: Option<u64>,
    /// Number of whole blocks.
    pub(crate) blocks: u64,
    /// Fault that ends the chain; [`BlockFault::Absent`] where there are zeros or nothing at all.
    pub(crate) fault: BlockFault,
    /// Length of the block at the end of the chain, as its header says, where that is whole.
    pub(crate) claimed_bytes: Option<u64>,
}

/// Reads one segment through a buffer that grows to the largest block that the segment holds.
#[derive(Debug)]
pub(crate) struct SegmentReader<'a> {
    file: &'a dyn DiskFile,
    path: &'a Path,
    file_bytes: u64,
    buffer: Vec<u8>,
    /// Position in the file of the buffer's first byte.
    buffer_offset: u64,
}

impl<'a> SegmentReader<'a> {
    pub(crate) fn new(file: &'a dyn DiskFile, path: &'a Path) -> Result<Self, WalError> {
        let file_bytes = file.len_bytes().map_err(|error| WalError::io("find the length of", path, error))?;
        Ok(Self { file, path, file_bytes, buffer: Vec::new(), buffer_offset: 0 })
    }

    /// The bytes at a position: fewer than asked for where the file ends.
    pub(crate) fn bytes_at(&mut self, offset: u64, length: usize) -> Result<&[u8], WalError> {
        let length = usize::try_from(self.file_bytes.saturating_sub(offset)).map_or(length, |rest| rest.min(length));
        let buffered = offset.checked_sub(self.buffer_offset).and_then(|skip| usize::try_from(skip).ok());
        let buffered = buffered.filter(|skip| skip.checked_add(length).is_some_and(|end| end <= self.buffer.len()));
        // Small blocks are mostly in the buffer already.
        if let Some(skip) = buffered {
            return Ok(&self.buffer[skip..skip + length]);
        }
        // The buffer begins at the position that is asked for, so that payloads in it stay aligned to 8 bytes.
        self.buffer.resize(length.max(READ_AHEAD_BYTES), 0);
        let read = self.file.read_at(&mut self.buffer, offset);
        let read = read.map_err(|error| WalError::io("read", self.path, error))?;
        self.buffer.truncate(read);
        self.buffer_offset = offset;
        Ok(&self.buffer[..length.min(read)])
    }

    /// The bytes of the segment's header; fewer where the file is shorter.
    pub(crate) fn segment_header(&mut self) -> Result<&[u8], WalError> {
        self.bytes_at(0, SEGMENT_HEADER_BYTES)
    }

    /// Reads whole blocks from `offset` on, the first of which has to start with `lsn`, and stops at the first position
    /// where there is none.
    pub(crate) fn read_chain(
        &mut self,
        seal: &Seal,
        offset: u64,
        lsn: Lsn,
        each: &mut dyn FnMut(Block<'_>) -> Result<(), WalError>,
    ) -> Result<ChainEnd, WalError> {
        let mut end = ChainEnd {
            next_lsn: lsn,
            offset,
            last_block: None,
            blocks: 0,
            fault: BlockFault::Absent,
            claimed_bytes: None,
        };
        loop {
            match self.read_block(seal, &end)? {
                Ok((header, block)) => {
                    each(block)?;
                    end.last_block = Some(end.offset);
                    end.offset += header.block_bytes();
                    end.next_lsn = header.next_lsn();
                    end.blocks += 1;
                }
                Err((fault, claimed)) => {
                    end.fault = fault;
                    end.claimed_bytes = claimed.map(|header| header.block_bytes());
                    return Ok(end);
                }
            }
        }
    }

    /// Position and first LSN of the first block behind the end of a chain that was written after that end was synced.
    /// With such a block, the bytes at the end are damage; without one, they are what a power loss left of the last write.
    ///
    /// A header is enough: a block is only begun when the one before it is durable.
    pub(crate) fn find_behind(&mut self, seal: &Seal, end: &ChainEnd) -> Result<Option<(u64, Lsn)>, WalError> {
        let mut offset = end.offset;
        loop {
            let bytes = self.bytes_at(offset, READ_AHEAD_BYTES)?;
            if bytes.len() < BLOCK_HEADER_BYTES {
                return Ok(None);
            }
            for at in (0..=bytes.len() - BLOCK_HEADER_BYTES).step_by(ALIGN_BYTES) {
                if bytes[at..at + 4] == BLOCK_MAGIC
                    && let Some(header) = BlockHeader::decode(&bytes[at..at + BLOCK_HEADER_BYTES], seal)
                    && header.first_lsn > end.next_lsn
                {
                    return Ok(Some((offset + at as u64, header.first_lsn)));
                }
            }
            // Goes on at the next aligned position that the buffer did not hold a whole header for.
            let searched = (bytes.len() - BLOCK_HEADER_BYTES) / ALIGN_BYTES * ALIGN_BYTES + ALIGN_BYTES;
            offset += searched as u64;
        }
    }

    /// The block at the end of the chain so far, or the fault, with the block's header where that is whole.
    fn read_block(&mut self, seal: &Seal, end: &ChainEnd) -> Result<Found<'_>, WalError> {
        let bytes = self.bytes_at(end.offset, BLOCK_HEADER_BYTES)?;
        // Zeros are what a write leaves behind its block, and what a new file consists of.
        if bytes.iter().all(|byte| *byte == 0) {
            return Ok(Err((BlockFault::Absent, None)));
        }
        let Some(header) = BlockHeader::decode(bytes, seal) else {
            return Ok(Err((BlockFault::Header, None)));
        };
        // A whole block with another LSN was written by nobody who followed the protocol; the caller decides what it
        // means.
        if header.first_lsn != end.next_lsn {
            return Ok(Err((BlockFault::Lsn { found: header.first_lsn }, Some(header))));
        }
        // A torn write can leave a header whose body the file never got.
        if end.offset + header.block_bytes() > self.file_bytes {
            return Ok(Err((BlockFault::Cut, Some(header))));
        }
        let body_bytes = header.body_bytes as usize;
        let body = self.bytes_at(end.offset + BLOCK_HEADER_BYTES as u64, body_bytes)?;
        if body.len() != body_bytes || crc32c::crc32c(body) != header.body_checksum {
            return Ok(Err((BlockFault::Body, Some(header))));
        }
        Ok(match payloads(body, header.record_count) {
            Some(payloads) => Ok((header, Block { first_lsn: header.first_lsn, payloads })),
            None => Err((BlockFault::Layout, Some(header))),
        })
    }
}
