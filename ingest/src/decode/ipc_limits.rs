//! Lengths and counts that an Arrow IPC message claims, checked against its true size and the limits before any of it
//! is reserved, decompressed or read. What passes here cannot make arrow-ipc index out of bounds or reserve more than
//! `decompressed_bytes_max`.
//!
//! One encapsulated message, little-endian:
//!
//! | offset | bytes | what |
//! |---|---|---|
//! | 0 | 4 | 0xFFFFFFFF |
//! | 4 | 4 | length of the metadata with its padding, i32; at most 1 MiB |
//! | 8 | metadata length | flatbuffer `Message`, padded |
//! | 8 + metadata length | `bodyLength` | buffers; nothing may follow |
//!
//! A compressed buffer begins with its uncompressed length (i64, -1: not compressed). arrow-ipc reserves what is
//! claimed there, and reads an LZ4 frame to its end whatever was claimed; so both the claims and what the blocks of an
//! LZ4 frame can expand to are added up here first.

use std::ops::Range;

use arrow::datatypes::DataType;
use arrow::ipc::{self, CompressionType, Message, MetadataVersion, RecordBatch};
use zonelake_schemas::wire::control::RefusedCode;

use crate::refusal::Refusal;

/// A message whose metadata is a verified flatbuffer and whose body has the length that it claims.
pub(crate) struct Encapsulated<'a> {
    pub(crate) message: Message<'a>,
    pub(crate) body: Range<usize>,
}

/// Opens one encapsulated message.
pub(crate) fn open(payload: &[u8]) -> Result<Encapsulated<'_>, Refusal> {
    if payload.len() < PREFIX_BYTES || payload[..4] != [0xFF; 4] {
        return Err(bad(
            "the payload does not begin as an encapsulated Arrow IPC message (0xFFFFFFFF, metadata length)",
        ));
    }
    let claimed = i32::from_le_bytes([payload[4], payload[5], payload[6], payload[7]]);
    // A negative length becomes one beyond every limit.
    let metadata_bytes = usize::try_from(claimed).unwrap_or(usize::MAX);
    if metadata_bytes > METADATA_BYTES_MAX || metadata_bytes > payload.len() - PREFIX_BYTES {
        return Err(bad(format!(
            "the message claims {claimed} bytes of metadata; it has {} bytes in all and the limit is {METADATA_BYTES_MAX}",
            payload.len()
        )));
    }
    let body_start = PREFIX_BYTES + metadata_bytes;
    let message = ipc::root_as_message(&payload[PREFIX_BYTES..body_start])
        .map_err(|error| bad(format!("the metadata is not an Arrow IPC message: {error}")))?;
    if !(MetadataVersion::V4..=MetadataVersion::V5).contains(&message.version()) {
        return Err(bad(format!("metadata version {:?} is not supported; V5 is", message.version())));
    }
    let body_bytes = payload.len() - body_start;
    // Both shorter and longer are refused: nothing may follow a body.
    if usize::try_from(message.bodyLength()) != Ok(body_bytes) {
        return Err(bad(format!(
            "the message claims a body of {} bytes and has one of {body_bytes}",
            message.bodyLength()
        )));
    }
    Ok(Encapsulated { message, body: body_start..payload.len() })
}

/// Checks a record batch of columns of these flat types against its body. `rows_max` and `bytes_max` are the most rows
/// and the most bytes after decompression.
pub(crate) fn check_batch(
    batch: &RecordBatch<'_>,
    body: &[u8],
    types: &[DataType],
    rows_max: usize,
    bytes_max: usize,
) -> Result<usize, Refusal> {
    let rows =
        usize::try_from(batch.length()).map_err(|_negative| bad("the batch claims a negative number of rows"))?;
    // The first check of all, since every reservation below is in proportion to the rows.
    if rows > rows_max {
        return Err(Refusal::new(RefusedCode::TooLarge, format!("the batch has {rows} rows; the limit is {rows_max}")));
    }
    let nodes = batch.nodes().ok_or_else(|| bad("the batch has no field nodes"))?;
    if nodes.len() != types.len() {
        return Err(bad(format!("the batch has {} columns and its schema {}", nodes.len(), types.len())));
    }
    let codec = batch.compression().map(|compression| compression.codec());
    if let Some(codec) = codec
        && ![CompressionType::LZ4_FRAME, CompressionType::ZSTD].contains(&codec)
    {
        return Err(bad(format!("compression {codec:?} is not known; LZ4_FRAME and ZSTD are")));
    }
    // arrow-ipc reads nodes and buffers in the order of columns, and so does this walk.
    let mut walk = Walk { batch, body, codec, next: 0, bytes_left: bytes_max, lz4_left: bytes_max, bytes_max };
    let mut variadic = batch.variadicBufferCounts().into_iter().flatten();
    for (column, (node, data_type)) in nodes.iter().zip(types).enumerate() {
        let nulls = usize::try_from(node.null_count()).unwrap_or(usize::MAX);
        if usize::try_from(node.length()) != Ok(rows) || nulls > rows {
            return Err(bad(format!(
                "column {column} claims {} values and {} nulls in a batch of {rows} rows",
                node.length(),
                node.null_count()
            )));
        }
        walk.check_column(column, data_type, rows, nulls, || variadic.next())?;
    }
    if variadic.next().is_some() {
        return Err(bad("the batch has counts of variadic buffers for columns that have none"));
    }
    let buffers = batch.buffers().map_or(0, |buffers| buffers.len());
    // Buffers that no column takes are bytes that no check has seen.
    if walk.next != buffers {
        return Err(bad(format!("the batch has {buffers} buffers and its columns take {}", walk.next)));
    }
    Ok(rows)
}

/// Bytes of all buffers of a record batch after decompression, as they claim. Nothing is checked: what is false is
/// refused when the batch is decoded.
pub(crate) fn claimed_bytes(batch: &RecordBatch<'_>, body: &[u8]) -> usize {
    let is_compressed = batch.compression().is_some();
    let claimed = |buffer: &ipc::Buffer| {
        let offset = usize::try_from(buffer.offset()).ok()?;
        let length = usize::try_from(buffer.length()).ok()?;
        let claim = body.get(offset..)?.first_chunk::<8>().filter(|_| is_compressed && length > 0);
        // -1 marks a buffer that is stored as it is.
        claim.and_then(|claim| usize::try_from(i64::from_le_bytes(*claim)).ok()).or(Some(length))
    };
    let buffers = batch.buffers().into_iter().flatten();
    buffers.filter_map(claimed).fold(0, usize::saturating_add)
}

struct Walk<'a> {
    batch: &'a RecordBatch<'a>,
    body: &'a [u8],
    codec: Option<CompressionType>,
    next: usize,
    bytes_left: usize,
    lz4_left: usize,
    bytes_max: usize,
}

impl Walk<'_> {
    fn check_column(
        &mut self,
        column: usize,
        data_type: &DataType,
        rows: usize,
        nulls: usize,
        mut variadic: impl FnMut() -> Option<i64>,
    ) -> Result<(), Refusal> {
        if *data_type == DataType::Null {
            return if nulls == rows {
                Ok(())
            } else {
                Err(bad(format!("column {column} is null and counts {nulls}")))
            };
        }
        // arrow-ipc reads the validity only where the node counts nulls.
        self.check_buffer(column, if nulls > 0 { rows.div_ceil(8) } else { 0 }, 1)?;
        // Without rows the format allows an empty offsets buffer.
        let offsets = if rows > 0 { rows + 1 } else { 0 };
        match data_type {
            DataType::Utf8 => self.check_buffer(column, offsets * 4, 4)?,
            DataType::LargeUtf8 => self.check_buffer(column, offsets * 8, 8)?,
            DataType::Utf8View => {
                self.check_buffer(column, rows * 16, 16)?;
                let count = variadic().and_then(|count| usize::try_from(count).ok());
                let count = count.ok_or_else(|| bad(format!("column {column} lacks its count of variadic buffers")))?;
                for _ in 0..count {
                    self.check_buffer(column, 0, 1)?;
                }
                return Ok(());
            }
            DataType::Boolean => return self.check_buffer(column, rows.div_ceil(8), 1),
            fixed => {
                let width = fixed.primitive_width().expect("the schema's check lets only flat types pass");
                return self.check_buffer(column, rows * width, width);
            }
        }
        self.check_buffer(column, 0, 1)
    }

    /// Checks the next buffer, which must hold at least `needed` bytes after decompression, in whole units of `width`
    /// bytes (arrow-rs asserts that of offsets).
    fn check_buffer(&mut self, column: usize, needed: usize, width: usize) -> Result<(), Refusal> {
        let buffers = self.batch.buffers();
        let buffer = buffers.filter(|buffers| self.next < buffers.len()).map(|buffers| *buffers.get(self.next));
        let buffer = buffer.ok_or_else(|| bad(format!("column {column} lacks a buffer")))?;
        self.next += 1;
        let range = usize::try_from(buffer.offset()).ok().zip(usize::try_from(buffer.length()).ok());
        let bytes =
            range.and_then(|(offset, length)| self.body.get(offset..offset.checked_add(length)?)).ok_or_else(|| {
                bad(format!(
                    "a buffer of column {column} claims {} bytes at {} in a body of {}",
                    buffer.length(),
                    buffer.offset(),
                    self.body.len()
                ))
            })?;
        let length = if bytes.is_empty() { 0 } else { self.uncompressed_length(column, bytes)? };
        // Added up before anything is decompressed: arrow-ipc reserves what is claimed here.
        self.bytes_left = self.bytes_left.checked_sub(length).ok_or_else(|| self.too_large())?;
        if length < needed || length % width != 0 {
            return Err(bad(format!(
                "a buffer of column {column} has {length} bytes and needs {needed}, in units of {width}"
            )));
        }
        Ok(())
    }

    fn uncompressed_length(&mut self, column: usize, bytes: &[u8]) -> Result<usize, Refusal> {
        let Some(codec) = self.codec else { return Ok(bytes.len()) };
        let Some((claim, compressed)) = bytes.split_first_chunk::<8>() else {
            return Err(bad(format!("a compressed buffer of column {column} is too short for its length")));
        };
        let claim = i64::from_le_bytes(*claim);
        // By the format the buffer is stored as it is, although the batch is compressed.
        if claim == -1 {
            return Ok(compressed.len());
        }
        let claimed = usize::try_from(claim)
            .map_err(|_negative| bad(format!("a buffer of column {column} claims {claim} bytes uncompressed")))?;
        if claimed > 0 && codec == CompressionType::LZ4_FRAME {
            let bound = lz4_expansion_bound(compressed)
                .ok_or_else(|| bad(format!("a buffer of column {column} is not one whole LZ4 frame")))?;
            self.lz4_left = self.lz4_left.checked_sub(bound).ok_or_else(|| self.too_large())?;
        }
        Ok(claimed)
    }

    fn too_large(&self) -> Refusal {
        Refusal::new(
            RefusedCode::TooLarge,
            format!("the batch has more than {} bytes after decompression", self.bytes_max),
        )
    }
}

/// The most bytes that an LZ4 frame can expand to, from its blocks' lengths; `None` where it is not exactly one frame
/// without a dictionary. Source: LZ4 frame format 1.6; a block's byte expands to at most 255.
fn lz4_expansion_bound(frame: &[u8]) -> Option<usize> {
    let (magic, rest) = frame.split_first_chunk::<4>()?;
    let (&[flags, block_descriptor], _) = rest.split_first_chunk::<2>()?;
    let has = |bit: u8| flags & (1 << bit) != 0;
    if u32::from_le_bytes(*magic) != LZ4_MAGIC || flags >> 6 != 1 || has(0) {
        return None;
    }
    let block_bytes_max = match (block_descriptor >> 4) & 7 {
        size @ 4..=7 => 1usize << (2 * size + 8),
        _ => return None,
    };
    // Behind the descriptor: a content size of 8 bytes where flag 3 says so, and a checksum of one byte.
    let mut rest = rest.get(2 + if has(3) { 8 } else { 0 } + 1..)?;
    let mut bound = 0usize;
    loop {
        let (size, after) = rest.split_first_chunk::<4>()?;
        let size = u32::from_le_bytes(*size);
        if size == 0 {
            // The end mark. Only the checksum of the content may follow.
            return (after.len() == if has(2) { 4 } else { 0 }).then_some(bound);
        }
        // The highest bit marks a block that is not compressed.
        let (bytes, is_raw) = ((size & 0x7FFF_FFFF) as usize, size >> 31 == 1);
        if bytes > block_bytes_max {
            return None;
        }
        bound = bound.checked_add(if is_raw { bytes } else { block_bytes_max.min(bytes.saturating_mul(255)) })?;
        rest = after.get(bytes + if has(4) { 4 } else { 0 }..)?;
    }
}

fn bad(message: impl Into<String>) -> Refusal {
    Refusal::new(RefusedCode::BadPayload, message)
}

const PREFIX_BYTES: usize = 8;
const METADATA_BYTES_MAX: usize = 1 << 20;
const LZ4_MAGIC: u32 = 0x184D_2204;

#[cfg(test)]
mod tests {
    use super::*;

    /// An LZ4 frame of one compressed block of `bytes` bytes, blocks of at most 64 KiB.
    fn frame(bytes: u32) -> Vec<u8> {
        let mut frame = LZ4_MAGIC.to_le_bytes().to_vec();
        frame.extend([0b0110_0000, 0b0100_0000, 0]);
        frame.extend(bytes.to_le_bytes());
        frame.extend(vec![0; bytes as usize]);
        frame.extend([0; 4]);
        frame
    }

    #[test]
    fn an_lz4_frame_is_bounded_by_its_blocks() {
        assert_eq!(lz4_expansion_bound(&frame(100)), Some(25_500));
        assert_eq!(lz4_expansion_bound(&frame(1_000)), Some(65_536));
        assert_eq!(lz4_expansion_bound(&frame(70_000)), None, "a block over the frame's block size");
        assert_eq!(lz4_expansion_bound(&frame(100)[..50]), None, "a frame that is cut off");
        let mut two = frame(100);
        two.extend(frame(100));
        assert_eq!(lz4_expansion_bound(&two), None, "a second frame behind the first");
    }

    #[test]
    fn a_payload_too_short_or_with_a_wrong_marker_is_refused() {
        for payload in [&[][..], &[0xFF; 7], &[0; 64], &[0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F, 1, 2]] {
            assert_eq!(open(payload).err().map(|refusal| refusal.code), Some(RefusedCode::BadPayload));
        }
    }
}
