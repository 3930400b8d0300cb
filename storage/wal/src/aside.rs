//! Records that are set aside: those of one segment whose caller still needs them, in a file of their own, so that the
//! segment can go. Everything is little endian; this is version 1.
//!
//! | offset | bytes | content |
//! |---|---|---|
//! | 0 | 8 | `ZLWALASD` |
//! | 8 | 4 | version of the format, 1 |
//! | 12 | 4 | CRC-32C of the bytes 0..12 and 16..72 |
//! | 16 | 8 | id of the segment |
//! | 24 | 2 | shard |
//! | 26 | 2 | zero |
//! | 28 | 4 | version of the records |
//! | 32 | 8 | number of the shard, unique over all nodes |
//! | 40 | 4 | maximum device key of the registry when the segment was made |
//! | 44 | 4 | maximum producer |
//! | 48 | 4 | maximum gateway |
//! | 52 | 4 | maximum role |
//! | 56 | 8 | number of records |
//! | 64 | 8 | length of the file in bytes |
//!
//! The records follow, in the order of their LSNs, which may leave gaps; each of them
//! | offset | bytes | content |
//! |---|---|---|
//! | 0 | 8 | LSN |
//! | 8 | 4 | length of the payload in bytes |
//! | 12 | 4 | CRC-32C of the bytes 0..12 and of the payload |
//! | 16 | length | payload |
//! | | 0 to 7 | zero, up to a multiple of 8 |
//!
//! The first 16 bytes keep their meaning in every later version. A file is written under another name, and renamed once
//! it is synced. Which of these files count, the caller's checkpoint has to say: one that it does not name is left over.

use std::io::{self, IoSlice};
use std::path::Path;

use zonelake_schemas::{DeviceKey, GatewayId, Lsn, ProducerId, RegistryMarks, RoleId, ShardId, ShardNumber};

use crate::disk::{Disk, DiskFile, is_no_space};
use crate::error::{Damage, DamageKind, WalError};
use crate::folder::{Folder, Listing, aside_file, write_all_at};
use crate::format::{ALIGN_BYTES, SEGMENT_HEADER_BYTES, checksum_around_itself, u32_at, u64_at};
use crate::replay::{Header, ReplayedRecord, read_header};
use crate::segment::HeldSegment;
use crate::segment_context::SegmentContext;
use crate::segment_id::SegmentId;
use crate::walk::SegmentReader;

/// Version that this code writes, and the newest that it reads.
const VERSION: u32 = 1;

const MAGIC: [u8; 8] = *b"ZLWALASD";

/// Length of the header of a file.
const HEADER_BYTES: usize = 72;

/// Length of what stands in front of each payload.
const RECORD_HEADER_BYTES: usize = 16;

/// Bytes that are written at a time.
const WRITE_BYTES: usize = 1 << 20;

/// What a file of records that are set aside says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Aside {
    /// Segment that the records are of.
    pub id: SegmentId,
    /// Shard that wrote it.
    pub shard: ShardId,
    /// What the segment's header said of its records.
    pub context: SegmentContext,
    /// Records in it.
    pub records: u64,
    /// Length of the file in bytes.
    pub bytes: u64,
}

impl Aside {
    fn encode(&self) -> [u8; HEADER_BYTES] {
        let SegmentContext { record_version, shard_number, marks } = self.context;
        let mut bytes = [0; HEADER_BYTES];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.id.0.to_le_bytes());
        bytes[24..26].copy_from_slice(&self.shard.0.to_le_bytes());
        bytes[28..32].copy_from_slice(&record_version.to_le_bytes());
        bytes[32..40].copy_from_slice(&shard_number.0.to_le_bytes());
        bytes[40..44].copy_from_slice(&marks.device_key.0.to_le_bytes());
        bytes[44..48].copy_from_slice(&marks.producer.0.to_le_bytes());
        bytes[48..52].copy_from_slice(&marks.gateway.0.to_le_bytes());
        bytes[52..56].copy_from_slice(&marks.role.0.to_le_bytes());
        bytes[56..64].copy_from_slice(&self.records.to_le_bytes());
        bytes[64..72].copy_from_slice(&self.bytes.to_le_bytes());
        let checksum = checksum_around_itself(&bytes);
        bytes[12..16].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    fn decode(bytes: &[u8]) -> Result<Self, AsideFault> {
        if bytes.len() != HEADER_BYTES || bytes[..8] != MAGIC || u32_at(bytes, 12) != checksum_around_itself(bytes) {
            return Err(AsideFault::Damaged);
        }
        // The version counts only with a right checksum: a newer version is then known not to be damage.
        match u32_at(bytes, 8) {
            VERSION => {}
            newer if newer > VERSION => return Err(AsideFault::Newer(newer)),
            _ => return Err(AsideFault::Damaged),
        }
        let marks = RegistryMarks {
            device_key: DeviceKey(u32_at(bytes, 40)),
            producer: ProducerId(u32_at(bytes, 44)),
            gateway: GatewayId(u32_at(bytes, 48)),
            role: RoleId(u32_at(bytes, 52)),
        };
        let (record_version, shard_number) = (u32_at(bytes, 28), ShardNumber(u64_at(bytes, 32)));
        Ok(Self {
            id: SegmentId(u64_at(bytes, 16)),
            shard: ShardId(u16::from_le_bytes([bytes[24], bytes[25]])),
            context: SegmentContext { record_version, shard_number, marks },
            records: u64_at(bytes, 56),
            bytes: u64_at(bytes, 64),
        })
    }

    /// Refuses records of another shard, or newer ones than the caller reads.
    ///
    /// # Errors
    /// [`WalError::WrongShard`], [`WalError::WrongNode`] and [`WalError::NewerRecords`].
    pub fn check(&self, dir: &Path, shard: ShardId, own: &SegmentContext) -> Result<(), WalError> {
        let path = dir.join(aside_file(self.id));
        let SegmentContext { record_version, shard_number, .. } = self.context;
        if self.shard != shard {
            return Err(WalError::WrongShard { path, expected: shard, found: self.shard });
        }
        if record_version > own.record_version {
            return Err(WalError::NewerRecords { path, found: record_version, known: own.record_version });
        }
        // Segments of the first version named no node.
        if shard_number != ShardNumber(0) && shard_number != own.shard_number {
            return Err(WalError::WrongNode { path, expected: own.shard_number, found: shard_number });
        }
        Ok(())
    }
}

/// Fault of a header that cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum AsideFault {
    Damaged,
    Newer(u32),
}

/// Reads the records that are set aside of a segment, oldest first, and hands on each. No more than one is in memory.
///
/// # Errors
/// [`WalError::Damaged`], also where there is no such file, [`WalError::NewerVersion`], [`WalError::Io`], and the error of
/// `each`.
pub fn read_aside<E: From<WalError>>(
    disk: &dyn Disk,
    dir: &Path,
    id: SegmentId,
    each: &mut dyn FnMut(ReplayedRecord<'_>) -> Result<(), E>,
) -> Result<Aside, E> {
    let path = dir.join(aside_file(id));
    let damaged = |offset, lsn, kind| E::from(WalError::damaged(&path, offset, lsn, kind));
    let opened = match disk.open_read_only(&path) {
        Ok(opened) => opened,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(damaged(0, Lsn(0), DamageKind::AsideMissing));
        }
        Err(error) => return Err(WalError::io("open", &path, error).into()),
    };
    let mut reader = SegmentReader::new(&*opened, &path)?;
    let aside = match Aside::decode(reader.bytes_at(0, HEADER_BYTES)?) {
        Ok(aside) if aside.id == id => aside,
        Ok(_) | Err(AsideFault::Damaged) => return Err(damaged(0, Lsn(0), DamageKind::Aside)),
        Err(AsideFault::Newer(found)) => {
            return Err(WalError::NewerVersion { path: path.clone(), found, known: VERSION }.into());
        }
    };
    let (mut offset, mut last) = (HEADER_BYTES as u64, Lsn(0));
    for _ in 0..aside.records {
        let broken = || damaged(offset, Lsn(last.0 + 1), DamageKind::Aside);
        let Some(&header) = reader.bytes_at(offset, RECORD_HEADER_BYTES)?.first_chunk::<RECORD_HEADER_BYTES>() else {
            return Err(broken());
        };
        let (lsn, length) = (Lsn(u64_at(&header, 0)), u32_at(&header, 8) as usize);
        let payload = reader.bytes_at(offset + RECORD_HEADER_BYTES as u64, length)?;
        let checksum = crc32c::crc32c_append(crc32c::crc32c(&header[..12]), payload);
        if payload.len() != length || checksum != u32_at(&header, 12) || lsn <= last {
            return Err(broken());
        }
        each(ReplayedRecord { lsn, segment: id, path: &path, context: &aside.context, payload })?;
        offset += padded_bytes(length);
        last = lsn;
    }
    if offset == aside.bytes { Ok(aside) } else { Err(damaged(offset, Lsn(last.0 + 1), DamageKind::Aside)) }
}

impl Folder {
    /// Sets records of a segment aside, durably: those that `keep` wants. After an error the segment is as it was, and
    /// what may be left of the file means nothing.
    pub(crate) fn set_aside(
        &self,
        segment: &HeldSegment,
        keep: &mut dyn FnMut(Lsn, &[u8]) -> bool,
    ) -> Result<Aside, WalError> {
        let path = self.dir.join(aside_file(segment.info.id));
        let written = path.with_extension("new");
        let file = self.disk.create(&written).map_err(|error| self.space_or_io("make", &written, 0, error))?;
        let made = self.write_aside(&*file, &written, segment, keep).inspect_err(|_| {
            // Best effort: what is left holds space that others need, and the next open removes it.
            self.disk.remove(&written).ok();
        })?;
        self.disk.rename(&written, &path).map_err(|error| WalError::io("rename to", &path, error))?;
        self.sync()?;
        Ok(made)
    }

    fn write_aside(
        &self,
        file: &dyn DiskFile,
        path: &Path,
        segment: &HeldSegment,
        keep: &mut dyn FnMut(Lsn, &[u8]) -> bool,
    ) -> Result<Aside, WalError> {
        let held = &segment.file;
        let header = match read_header(&*self.disk, held)? {
            Header::Whole(header) => header,
            Header::Bad(kind) => return Err(WalError::damaged(&held.path, 0, Lsn(0), kind)),
        };
        let opened = self.disk.open_read_only(&held.path).map_err(|error| WalError::io("open", &held.path, error))?;
        let mut reader = SegmentReader::new(&*opened, &held.path)?;
        let mut writer = AsideWriter { file, buffer: Vec::new(), offset: HEADER_BYTES as u64, records: 0 };
        let failed = |error: io::Error, offset| match is_no_space(&error) {
            true => self.space_or_io("write", path, offset, error),
            false => WalError::io("write", path, error),
        };
        let from = SEGMENT_HEADER_BYTES as u64;
        let end = reader.read_chain(&header.seal(), from, header.first_lsn, &mut |block| {
            for (lsn, payload) in (block.first_lsn.0..).map(Lsn).zip(block.payloads) {
                if keep(lsn, payload) {
                    writer.add(lsn, payload).map_err(|error| failed(error, writer.offset))?;
                }
            }
            Ok(())
        })?;
        // The segment was left whole: what it lacks now would be lost with it.
        if end.next_lsn.0 != segment.info.last_lsn.0 + 1 {
            let kind = DamageKind::Block(end.fault);
            let damage = Damage { path: held.path.clone(), offset: end.offset, lsn: end.next_lsn, kind };
            return Err(WalError::Damaged(Box::new(damage)));
        }
        writer.write().map_err(|error| failed(error, writer.offset))?;
        let (records, bytes) = (writer.records, writer.offset);
        let aside = Aside { id: header.id, shard: header.shard, context: header.context, records, bytes };
        let written = write_all_at(file, &mut [IoSlice::new(&aside.encode())], 0);
        written.map_err(|(_, error)| failed(error, bytes))?;
        file.sync_data().map_err(|error| WalError::io("sync", path, error))?;
        Ok(aside)
    }

    /// Removes the files of records that are set aside, but those that `keep` wants.
    pub(crate) fn remove_asides(&self, keep: &dyn Fn(SegmentId) -> bool) -> Result<(), WalError> {
        let listing = Listing::read(&*self.disk, &self.dir)?;
        let mut removed = false;
        for file in listing.asides.iter().filter(|file| !keep(file.id)) {
            self.remove(&file.path)?;
            removed = true;
        }
        if removed { self.sync() } else { Ok(()) }
    }
}

/// Writes records behind the place of the header.
struct AsideWriter<'a> {
    file: &'a dyn DiskFile,
    buffer: Vec<u8>,
    /// Length of what was added so far, the header included.
    offset: u64,
    records: u64,
}

impl AsideWriter<'_> {
    fn add(&mut self, lsn: Lsn, payload: &[u8]) -> io::Result<()> {
        let mut header = [0; RECORD_HEADER_BYTES];
        header[..8].copy_from_slice(&lsn.0.to_le_bytes());
        let length = u32::try_from(payload.len()).expect("records are smaller than their block");
        header[8..12].copy_from_slice(&length.to_le_bytes());
        let checksum = crc32c::crc32c_append(crc32c::crc32c(&header[..12]), payload);
        header[12..].copy_from_slice(&checksum.to_le_bytes());
        self.buffer.extend_from_slice(&header);
        self.buffer.extend_from_slice(payload);
        self.buffer.resize(self.buffer.len().next_multiple_of(ALIGN_BYTES), 0);
        self.offset += padded_bytes(payload.len());
        self.records += 1;
        if self.buffer.len() >= WRITE_BYTES { self.write() } else { Ok(()) }
    }

    fn write(&mut self) -> io::Result<()> {
        let at = self.offset - self.buffer.len() as u64;
        write_all_at(self.file, &mut [IoSlice::new(&self.buffer)], at).map_err(|(_, error)| error)?;
        self.buffer.clear();
        Ok(())
    }
}

/// Bytes of a record of this payload, with its header and the zeros behind it.
fn padded_bytes(payload_bytes: usize) -> u64 {
    (RECORD_HEADER_BYTES + payload_bytes.next_multiple_of(ALIGN_BYTES)) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_stands_at_the_documented_bytes_and_every_bit_flip_is_found() {
        let marks = RegistryMarks {
            device_key: DeviceKey(0x11),
            producer: ProducerId(0x22),
            gateway: GatewayId(0x33),
            role: RoleId(0x44),
        };
        let context = SegmentContext { record_version: 5, shard_number: ShardNumber(0x77_0003), marks };
        let aside = Aside { id: SegmentId(7), shard: ShardId(3), context, records: 2, bytes: 120 };
        let bytes = aside.encode();
        assert_eq!(&bytes[..12], b"ZLWALASD\x01\0\0\0");
        assert_eq!(&bytes[16..40], b"\x07\0\0\0\0\0\0\0\x03\0\0\0\x05\0\0\0\x03\0\x77\0\0\0\0\0");
        assert_eq!(&bytes[40..56], b"\x11\0\0\0\x22\0\0\0\x33\0\0\0\x44\0\0\0");
        assert_eq!(&bytes[56..], b"\x02\0\0\0\0\0\0\0\x78\0\0\0\0\0\0\0");
        assert_eq!(Aside::decode(&bytes), Ok(aside));
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(Aside::decode(&flipped).is_err(), "bit {bit}");
        }
        let mut newer = bytes;
        newer[8] = 2;
        let checksum = checksum_around_itself(&newer);
        newer[12..16].copy_from_slice(&checksum.to_le_bytes());
        assert_eq!(Aside::decode(&newer), Err(AsideFault::Newer(2)));
    }
}
