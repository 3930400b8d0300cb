//! The bytes of the WAL. Everything is little endian. This is version 2; version 1 is read too.
//!
//! A WAL is a folder of segments. A segment is a file of a fixed length, given at its creation: one header of 4096
//! bytes, then blocks one behind the other up to the first that is not valid. A segment whose first block is larger
//! than that is as long as the block needs.
//!
//! # Segment header, 4096 bytes
//! | offset | bytes | content |
//! |---|---|---|
//! | 0 | 8 | `ZLWALSEG` |
//! | 8 | 4 | version of the format, 2 |
//! | 12 | 4 | CRC-32C of the bytes 0..12 and 16..4096 |
//! | 16 | 8 | segment id, from 1, growing by one, never used again |
//! | 24 | 8 | LSN of the first record |
//! | 32 | 8 | salt: a random number, new each time the file is put to use |
//! | 40 | 2 | shard |
//! | 42 | 2 | zero |
//! | 44 | 4 | version of the records in it |
//! | 48 | 8 | number of the shard, unique over all nodes |
//! | 56 | 4 | maximum device key of the registry when the segment was made |
//! | 60 | 4 | maximum producer |
//! | 64 | 4 | maximum gateway |
//! | 68 | 4 | maximum role |
//! | 72 | 4024 | zero |
//!
//! In version 1 everything from byte 42 on is zero, the records are of version 1, and the first record of each segment was
//! the state of all streams, which is in the checkpoint now. Blocks are the same in both versions. Records are only ever
//! added to a segment of the newest version: the first segment after an older one is a new one.
//!
//! The first 16 bytes keep their meaning in every later version, and the checksum covers 4096 bytes there too.
//!
//! # Block header, 40 bytes, at a multiple of 8
//! | offset | bytes | content |
//! |---|---|---|
//! | 0 | 4 | `ZLBK` |
//! | 4 | 2 | version of the block, 1 |
//! | 6 | 2 | zero |
//! | 8 | 8 | salt of the segment |
//! | 16 | 8 | LSN of the first record; the others follow by one |
//! | 24 | 4 | number of records, at least 1 |
//! | 28 | 4 | length of the body in bytes, a multiple of 8 |
//! | 32 | 4 | CRC-32C of the body |
//! | 36 | 4 | CRC-32C of segment id (8 bytes), salt (8 bytes) and the bytes 0..36 of this header |
//!
//! The body follows immediately: the records, each of them
//! | offset | bytes | content |
//! |---|---|---|
//! | 0 | 4 | length of the payload in bytes |
//! | 4 | 4 | zero |
//! | 8 | length | payload |
//! | | 0 to 7 | zero, up to a multiple of 8 |
//!
//! Behind the last block stand 40 zero bytes, or fewer where the file ends; the same write puts them there.
//!
//! # Why stale bytes are never taken for a block
//! A recycled file still holds the blocks of its earlier life, and payloads hold any bytes that a sender likes. The
//! checksum of a header covers the segment id and the salt, which no sender can know, and a block counts only with exactly
//! the LSN that comes next. The checksum of the header covers the one of the body, so that together they cover every byte;
//! they are two so that a length can be trusted although the body is torn.
//!
//! # Limits
//! A body has less than 4 GiB; the limit in force is [`WalOptions::block_bytes_max`](crate::WalOptions::block_bytes_max).

use zonelake_schemas::{DeviceKey, GatewayId, Lsn, ProducerId, RegistryMarks, RoleId, ShardId, ShardNumber};

use crate::segment_context::SegmentContext;
use crate::segment_id::SegmentId;

/// Version of the format that this code writes, and the newest that it reads.
pub(crate) const VERSION: u32 = 2;

/// Length of the header of a segment.
pub(crate) const SEGMENT_HEADER_BYTES: usize = 4096;

/// Length of the header of a block, and of the zeros behind the last block.
pub(crate) const BLOCK_HEADER_BYTES: usize = 40;

/// Length of the header of a record.
pub(crate) const RECORD_HEADER_BYTES: usize = 8;

/// Blocks and records start at multiples of this.
pub(crate) const ALIGN_BYTES: usize = 8;

/// The first version, whose headers say nothing of the records.
const FIRST_VERSION: u32 = 1;

/// First 4 bytes of a block.
pub(crate) const BLOCK_MAGIC: [u8; 4] = *b"ZLBK";

const SEGMENT_MAGIC: [u8; 8] = *b"ZLWALSEG";

/// Version of blocks.
const BLOCK_VERSION: u16 = 1;

/// The header of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    /// Version of the format.
    pub(crate) version: u32,
    pub(crate) id: SegmentId,
    pub(crate) first_lsn: Lsn,
    pub(crate) salt: u64,
    pub(crate) shard: ShardId,
    pub(crate) context: SegmentContext,
}

/// Fault of a segment's header that cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SegmentHeaderFault {
    /// The header is damaged.
    Damaged,
    /// The header is whole, and of a version that this code does not know.
    Newer(u32),
}

impl SegmentHeader {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![0; SEGMENT_HEADER_BYTES];
        bytes[..8].copy_from_slice(&SEGMENT_MAGIC);
        bytes[8..12].copy_from_slice(&self.version.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.id.0.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.first_lsn.0.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.salt.to_le_bytes());
        bytes[40..42].copy_from_slice(&self.shard.0.to_le_bytes());
        if self.version > FIRST_VERSION {
            let SegmentContext { record_version, shard_number, marks } = self.context;
            bytes[44..48].copy_from_slice(&record_version.to_le_bytes());
            bytes[48..56].copy_from_slice(&shard_number.0.to_le_bytes());
            bytes[56..60].copy_from_slice(&marks.device_key.0.to_le_bytes());
            bytes[60..64].copy_from_slice(&marks.producer.0.to_le_bytes());
            bytes[64..68].copy_from_slice(&marks.gateway.0.to_le_bytes());
            bytes[68..72].copy_from_slice(&marks.role.0.to_le_bytes());
        }
        let checksum = checksum_around_itself(&bytes);
        bytes[12..16].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, SegmentHeaderFault> {
        if bytes.len() != SEGMENT_HEADER_BYTES
            || bytes[..8] != SEGMENT_MAGIC
            || u32_at(bytes, 12) != checksum_around_itself(bytes)
        {
            return Err(SegmentHeaderFault::Damaged);
        }
        // The version counts only with a right checksum: a newer version is then known not to be damage.
        let version = u32_at(bytes, 8);
        let context = match version {
            FIRST_VERSION => SegmentContext::FIRST_VERSION,
            VERSION => SegmentContext {
                record_version: u32_at(bytes, 44),
                shard_number: ShardNumber(u64_at(bytes, 48)),
                marks: RegistryMarks {
                    device_key: DeviceKey(u32_at(bytes, 56)),
                    producer: ProducerId(u32_at(bytes, 60)),
                    gateway: GatewayId(u32_at(bytes, 64)),
                    role: RoleId(u32_at(bytes, 68)),
                },
            },
            newer if newer > VERSION => return Err(SegmentHeaderFault::Newer(newer)),
            _ => return Err(SegmentHeaderFault::Damaged),
        };
        Ok(Self {
            version,
            id: SegmentId(u64_at(bytes, 16)),
            first_lsn: Lsn(u64_at(bytes, 24)),
            salt: u64_at(bytes, 32),
            shard: ShardId(u16::from_le_bytes([bytes[40], bytes[41]])),
            context,
        })
    }

    pub(crate) fn seal(&self) -> Seal {
        Seal::new(self.id, self.salt)
    }
}

/// Seal of the blocks of one life of one segment: a block of another segment, or of the file's earlier life, does not fit.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seal {
    salt: u64,
    /// Checksum of segment id and salt, from which the checksum of each block header goes on.
    seed: u32,
}

impl Seal {
    fn new(segment: SegmentId, salt: u64) -> Self {
        let seed = crc32c::crc32c_append(crc32c::crc32c(&segment.0.to_le_bytes()), &salt.to_le_bytes());
        Self { salt, seed }
    }
}

/// The header of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BlockHeader {
    pub(crate) first_lsn: Lsn,
    pub(crate) record_count: u32,
    pub(crate) body_bytes: u32,
    pub(crate) body_checksum: u32,
}

impl BlockHeader {
    pub(crate) fn encode(&self, seal: &Seal) -> [u8; BLOCK_HEADER_BYTES] {
        let mut bytes = [0; BLOCK_HEADER_BYTES];
        bytes[..4].copy_from_slice(&BLOCK_MAGIC);
        bytes[4..6].copy_from_slice(&BLOCK_VERSION.to_le_bytes());
        bytes[8..16].copy_from_slice(&seal.salt.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.first_lsn.0.to_le_bytes());
        bytes[24..28].copy_from_slice(&self.record_count.to_le_bytes());
        bytes[28..32].copy_from_slice(&self.body_bytes.to_le_bytes());
        bytes[32..36].copy_from_slice(&self.body_checksum.to_le_bytes());
        let checksum = crc32c::crc32c_append(seal.seed, &bytes[..36]);
        bytes[36..].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// The header in these bytes, where they are a whole one of this segment.
    pub(crate) fn decode(bytes: &[u8], seal: &Seal) -> Option<Self> {
        // The cheap comparisons first: a search for blocks asks at every multiple of 8.
        if bytes.len() < BLOCK_HEADER_BYTES
            || bytes[..4] != BLOCK_MAGIC
            || u64_at(bytes, 8) != seal.salt
            || u32_at(bytes, 36) != crc32c::crc32c_append(seal.seed, &bytes[..36])
        {
            return None;
        }
        Some(Self {
            first_lsn: Lsn(u64_at(bytes, 16)),
            record_count: u32_at(bytes, 24),
            body_bytes: u32_at(bytes, 28),
            body_checksum: u32_at(bytes, 32),
        })
    }

    /// Length of the whole block.
    pub(crate) fn block_bytes(&self) -> u64 {
        BLOCK_HEADER_BYTES as u64 + u64::from(self.body_bytes)
    }

    /// The LSN behind the last record.
    pub(crate) fn next_lsn(&self) -> Lsn {
        Lsn(self.first_lsn.0 + u64::from(self.record_count))
    }
}

/// Bytes of a record of this payload, with its header and the zeros behind it.
pub(crate) fn record_bytes(payload_bytes: usize) -> u64 {
    (RECORD_HEADER_BYTES + payload_bytes.next_multiple_of(ALIGN_BYTES)) as u64
}

/// The payloads of a body whose checksum is right; `None` where their lengths do not add up to it.
pub(crate) fn payloads(body: &[u8], record_count: u32) -> Option<Vec<&[u8]>> {
    // A record has at least its header, so that an absurd count reserves no more than the body has bytes.
    let mut payloads = Vec::with_capacity((record_count as usize).min(body.len() / RECORD_HEADER_BYTES));
    let mut rest = body;
    for _ in 0..record_count {
        let (header, behind) = rest.split_at_checked(RECORD_HEADER_BYTES)?;
        let length = u32_at(header, 0) as usize;
        // The checksum covers the padding, which is therefore not looked at again.
        let (padded, behind) = behind.split_at_checked(length.next_multiple_of(ALIGN_BYTES))?;
        payloads.push(&padded[..length]);
        rest = behind;
    }
    (rest.is_empty() && record_count > 0).then_some(payloads)
}

/// Checksum of a header or file whose bytes 12 to 16 hold it.
pub(crate) fn checksum_around_itself(bytes: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&bytes[..12]), &bytes[16..])
}

/// The number of 4 bytes at a position.
pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

/// The number of 8 bytes at a position.
pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> SegmentHeader {
        let marks = RegistryMarks {
            device_key: DeviceKey(0x11),
            producer: ProducerId(0x22),
            gateway: GatewayId(0x33),
            role: RoleId(0x44),
        };
        SegmentHeader {
            version: VERSION,
            id: SegmentId(7),
            first_lsn: Lsn(1234),
            salt: 0x0123_4567_89ab_cdef,
            shard: ShardId(3),
            context: SegmentContext { record_version: 5, shard_number: ShardNumber(0x77_0003), marks },
        }
    }

    #[test]
    fn a_segment_header_stands_at_the_documented_bytes() {
        let bytes = header().encode();
        assert_eq!(&bytes[..12], b"ZLWALSEG\x02\0\0\0");
        assert_eq!(&bytes[16..24], &7u64.to_le_bytes());
        assert_eq!(&bytes[24..32], &1234u64.to_le_bytes());
        assert_eq!(&bytes[32..42], &[0xef, 0xcd, 0xab, 0x89, 0x67, 0x45, 0x23, 0x01, 3, 0]);
        assert_eq!(&bytes[42..56], b"\0\0\x05\0\0\0\x03\0\x77\0\0\0\0\0");
        assert_eq!(&bytes[56..72], b"\x11\0\0\0\x22\0\0\0\x33\0\0\0\x44\0\0\0");
        assert!(bytes[72..].iter().all(|byte| *byte == 0));
        assert_eq!(SegmentHeader::decode(&bytes), Ok(header()));
    }

    #[test]
    fn a_header_of_the_first_version_is_read_and_says_nothing_of_its_records() {
        let first = SegmentHeader { version: FIRST_VERSION, context: SegmentContext::FIRST_VERSION, ..header() };
        let bytes = first.encode();
        assert_eq!(&bytes[..12], b"ZLWALSEG\x01\0\0\0");
        assert!(bytes[42..].iter().all(|byte| *byte == 0));
        assert_eq!(SegmentHeader::decode(&bytes), Ok(first));
    }

    #[test]
    fn a_block_header_stands_at_the_documented_bytes_and_belongs_to_one_life_of_one_segment() {
        let block = BlockHeader { first_lsn: Lsn(9), record_count: 2, body_bytes: 48, body_checksum: 0xdead_beef };
        let bytes = block.encode(&header().seal());
        assert_eq!(&bytes[..8], b"ZLBK\x01\0\0\0");
        assert_eq!(&bytes[16..36], b"\x09\0\0\0\0\0\0\0\x02\0\0\0\x30\0\0\0\xef\xbe\xad\xde");
        assert_eq!(BlockHeader::decode(&bytes, &header().seal()), Some(block));
        let another_segment = SegmentHeader { id: SegmentId(8), ..header() };
        let another_life = SegmentHeader { salt: 1, ..header() };
        assert_eq!(BlockHeader::decode(&bytes, &another_segment.seal()), None);
        assert_eq!(BlockHeader::decode(&bytes, &another_life.seal()), None);
    }

    #[test]
    fn a_body_whose_lengths_do_not_add_up_has_no_payloads() {
        let mut body = vec![3, 0, 0, 0, 0, 0, 0, 0, b'a', b'b', b'c', 0, 0, 0, 0, 0];
        assert_eq!(payloads(&body, 1), Some(vec![b"abc".as_slice()]));
        assert_eq!(payloads(&body, 2), None);
        assert_eq!(payloads(&body, u32::MAX), None);
        assert_eq!(payloads(&[], 0), None);
        body[0] = 9;
        assert_eq!(payloads(&body, 1), None);
    }
}
