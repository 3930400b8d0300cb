//! The form of a segment. Integers are little-endian; version 1 is in the magic bytes.
//!
//! | offset | bytes | what |
//! |---|---|---|
//! | 0 | 8 | `ZLSPOOL1` |
//! | 8 | 8 | epoch: u64 |
//! | 16 | 8 | number of the first batch: u64 |
//! | 24 | 4 | CRC-32C of bytes 0 to 24: u32 |
//! | 28 | 4 | 0 |
//! | 32 | … | blocks, one a batch |
//!
//! | offset in a block | bytes | what |
//! |---|---|---|
//! | 0 | 4 | length n of the body: u32, at most 256 MiB |
//! | 4 | 4 | CRC-32C of the length and the body: u32 |
//! | 8 | 8 | number of the batch: u64 |
//! | 16 | 8 | rows: u64 |
//! | 24 | 4 | parts p of the prelude that follow: u32 |
//! | 28 | … | p parts, each: 1 byte kind (1 schema, 2 dictionary), id i64, length u32, the message |
//! | … | … | the payload, to the end of the body |
//!
//! Only those parts of the prelude stand in a block that differ from what is in force behind the blocks before it in the
//! same segment; a schema forgets the dictionaries, as on the wire.

use std::collections::BTreeMap;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use zonelake_schemas::{BatchNumber, Epoch};

use crate::batch::{EncodedBatch, Prelude, same_bytes};

/// Bytes of a segment's header.
pub(crate) const HEADER_BYTES: usize = 32;
/// Bytes in front of a block's body.
pub(crate) const BLOCK_HEADER_BYTES: usize = 8;
/// Longest body.
pub(crate) const BODY_BYTES_MAX: usize = 256 << 20;

const MAGIC: &[u8; 8] = b"ZLSPOOL1";
const BODY_HEADER_BYTES: usize = 20;
const PART_HEADER_BYTES: usize = 13;
const SCHEMA: u8 = 1;
const DICTIONARY: u8 = 2;

/// The header of a segment.
pub(crate) fn encode_header(epoch: Epoch, first: BatchNumber) -> [u8; HEADER_BYTES] {
    let mut header = [0; HEADER_BYTES];
    header[..8].copy_from_slice(MAGIC);
    header[8..16].copy_from_slice(&epoch.0.to_le_bytes());
    header[16..24].copy_from_slice(&first.0.to_le_bytes());
    let crc = crc32c::crc32c(&header[..24]);
    header[24..28].copy_from_slice(&crc.to_le_bytes());
    header
}

/// Epoch and first number of a segment; `None` where its header is not whole.
pub(crate) fn decode_header(header: &[u8]) -> Option<(Epoch, BatchNumber)> {
    let mut rest = header.get(8..HEADER_BYTES)?;
    if &header[..8] != MAGIC || crc32c::crc32c(&header[..24]) != u32::from_le_bytes(header[24..28].try_into().ok()?) {
        return None;
    }
    Some((Epoch(rest.get_u64_le()), BatchNumber(rest.get_u64_le())))
}

/// The prelude in force at one place of a segment, for its writer and its readers.
#[derive(Debug, Default, Clone)]
pub(crate) struct InForce {
    schema: Option<Bytes>,
    dictionaries: BTreeMap<i64, Bytes>,
    prelude: Prelude,
}

/// A block as it was read.
#[derive(Debug)]
pub(crate) struct Block {
    pub(crate) number: BatchNumber,
    pub(crate) batch: EncodedBatch,
}

/// A batch as a block. What it brings into force stands in `in_force` afterwards.
pub(crate) fn encode_block(number: BatchNumber, batch: &EncodedBatch, in_force: &mut InForce) -> Bytes {
    let parts = in_force.bring(&batch.prelude);
    let parts_bytes: usize = parts.iter().map(|(_, _, message)| PART_HEADER_BYTES + message.len()).sum();
    let body_bytes = BODY_HEADER_BYTES + parts_bytes + batch.payload.len();
    let short = |bytes: usize| u32::try_from(bytes).expect("the caller has checked the length");
    let mut block = BytesMut::with_capacity(BLOCK_HEADER_BYTES + body_bytes);
    block.put_u32_le(short(body_bytes));
    block.put_u32_le(0);
    block.put_u64_le(number.0);
    block.put_u64_le(batch.rows);
    block.put_u32_le(short(parts.len()));
    for (kind, id, message) in parts {
        block.put_u8(kind);
        block.put_i64_le(id);
        block.put_u32_le(short(message.len()));
        block.put_slice(&message);
    }
    block.put_slice(&batch.payload);
    let crc = crc_of(&block[..4], &block[BLOCK_HEADER_BYTES..]);
    block[4..8].copy_from_slice(&crc.to_le_bytes());
    block.freeze()
}

/// Most bytes that a batch takes on disk.
pub(crate) fn block_bytes_max(batch: &EncodedBatch) -> usize {
    let parts = batch.prelude.dictionaries().count() + 1;
    BLOCK_HEADER_BYTES + BODY_HEADER_BYTES + parts * PART_HEADER_BYTES + batch.prelude.bytes() + batch.payload.len()
}

/// Length of the body that a block's header states; `None` where it cannot be.
pub(crate) fn body_bytes(header: &[u8; BLOCK_HEADER_BYTES]) -> Option<usize> {
    let bytes = u32::from_le_bytes(header[..4].try_into().ok()?) as usize;
    (BODY_HEADER_BYTES..=BODY_BYTES_MAX).contains(&bytes).then_some(bytes)
}

/// Reads a block of a body that is all there; `None` where its checksum or form is wrong.
pub(crate) fn decode_block(
    header: &[u8; BLOCK_HEADER_BYTES],
    mut body: Bytes,
    in_force: &mut InForce,
) -> Option<Block> {
    if crc_of(&header[..4], &body) != u32::from_le_bytes(header[4..].try_into().ok()?) {
        return None;
    }
    let number = BatchNumber(body.try_get_u64_le().ok()?);
    let rows = body.try_get_u64_le().ok()?;
    let parts = body.try_get_u32_le().ok()?;
    for _ in 0..parts {
        let (kind, id) = (body.try_get_u8().ok()?, body.try_get_i64_le().ok()?);
        let bytes = body.try_get_u32_le().ok()? as usize;
        if bytes > body.len() {
            return None;
        }
        in_force.take(kind, id, body.split_to(bytes))?;
    }
    Some(Block { number, batch: EncodedBatch { prelude: in_force.prelude.clone(), payload: body, rows } })
}

impl InForce {
    /// Only this schema.
    pub(crate) fn with_schema(schema: Bytes) -> Self {
        Self { schema: Some(schema), ..Self::default() }
    }

    /// The parts that make `prelude` the one in force.
    fn bring(&mut self, prelude: &Prelude) -> Vec<(u8, i64, Bytes)> {
        let mut parts = Vec::new();
        let Some(schema) = prelude.schema() else { return parts };
        if !self.schema.as_ref().is_some_and(|own| same_bytes(own, schema)) {
            parts.push((SCHEMA, 0, schema.clone()));
            *self = Self { schema: Some(schema.clone()), ..Self::default() };
        }
        for (id, message) in prelude.dictionaries() {
            if !self.dictionaries.get(&id).is_some_and(|own| same_bytes(own, message)) {
                parts.push((DICTIONARY, id, message.clone()));
                self.dictionaries.insert(id, message.clone());
            }
        }
        parts
    }

    fn take(&mut self, kind: u8, id: i64, message: Bytes) -> Option<()> {
        // The messages of a segment are kept for long; a slice would keep its whole block.
        let message = Bytes::copy_from_slice(&message);
        match kind {
            SCHEMA => *self = Self { schema: Some(message), ..Self::default() },
            DICTIONARY => drop(self.dictionaries.insert(id, message)),
            _ => return None,
        }
        self.prelude = Prelude::new(self.schema.clone()?, self.dictionaries.clone());
        Some(())
    }
}

fn crc_of(length: &[u8], body: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(length), body)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(schema: &'static str, dictionaries: &[(i64, &'static str)], payload: &'static str) -> EncodedBatch {
        let dictionaries = dictionaries.iter().map(|(id, text)| (*id, Bytes::from_static(text.as_bytes())));
        let prelude = Prelude::new(Bytes::from_static(schema.as_bytes()), dictionaries.collect());
        EncodedBatch { prelude, payload: Bytes::from_static(payload.as_bytes()), rows: 7 }
    }

    fn decode(block: &Bytes, in_force: &mut InForce) -> Option<Block> {
        let header = block[..BLOCK_HEADER_BYTES].try_into().unwrap();
        let bytes = body_bytes(&header)?;
        decode_block(&header, block.get(BLOCK_HEADER_BYTES..BLOCK_HEADER_BYTES + bytes)?.to_vec().into(), in_force)
    }

    #[test]
    fn batches_read_back_with_the_prelude_that_they_were_encoded_under() {
        let batches = [
            batch("s", &[(1, "a"), (2, "b")], "one"),
            batch("s", &[(1, "a"), (2, "b")], "two"),
            batch("s", &[(1, "a"), (2, "c")], "three"),
            batch("t", &[(1, "a")], "four"),
        ];
        let (mut writer, mut reader) = (InForce::default(), InForce::default());
        let (mut segment, mut lengths) = (encode_header(Epoch(3), BatchNumber(1)).to_vec(), Vec::new());
        for (n, batch) in (1..).zip(&batches) {
            let block = encode_block(BatchNumber(n), batch, &mut writer);
            lengths.push(block.len() - batch.payload.len());
            segment.extend_from_slice(&block);
            let read = decode(&block, &mut reader).unwrap();
            assert_eq!((read.number.0, read.batch.rows), (n, 7));
            assert_eq!(read.batch.payload, batch.payload);
            assert_eq!(read.batch.prelude.schema(), batch.prelude.schema());
            assert!(read.batch.prelude.dictionaries().eq(batch.prelude.dictionaries()));
        }
        assert_eq!(lengths, [28 + 3 * 14, 28, 28 + 14, 28 + 2 * 14], "only what differs is written again");
        let shared = include_bytes!("../../tests/fixtures/spool/00000000000000000001.spool");
        assert_eq!(segment, shared, "the Python client writes and reads the same bytes");
    }

    #[test]
    fn no_flipped_bit_and_no_cut_is_taken_for_a_block() {
        let block = encode_block(BatchNumber(3), &batch("s", &[(1, "a")], "payload"), &mut InForce::default());
        for bit in 0..block.len() * 8 {
            let mut flipped = block.to_vec();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(decode(&flipped.into(), &mut InForce::default()).is_none(), "bit {bit}");
        }
        for end in BLOCK_HEADER_BYTES..block.len() {
            assert!(decode(&block.slice(..end), &mut InForce::default()).is_none(), "cut at {end}");
        }
        let header = encode_header(Epoch(5), BatchNumber(9));
        assert_eq!(decode_header(&header), Some((Epoch(5), BatchNumber(9))));
        for bit in 0..28 * 8 {
            let mut flipped = header;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(decode_header(&flipped), None, "bit {bit}");
        }
    }
}
