//! The checkpoint of a WAL: the state that the caller's records have led to, in a file of its own, so that segments whose
//! records it covers can be released. Each one replaces the one before it in one step. Everything is little endian; this
//! is version 1.
//!
//! | offset | bytes | content |
//! |---|---|---|
//! | 0 | 8 | `ZLWALCKP` |
//! | 8 | 4 | version of the format, 1 |
//! | 12 | 4 | CRC-32C of the bytes 0..12 and of all from 16 on |
//! | 16 | 4 | version of the records that the state was made from |
//! | 20 | 4 | zero |
//! | 24 | 8 | number of the shard, unique over all nodes |
//! | 32 | 8 | LSN of the last record that the state covers; 0 where it covers none |
//! | 40 | 8 | length of the state in bytes |
//! | 48 | length | state |
//!
//! The first 16 bytes keep their meaning in every later version. A checkpoint has at most [`CHECKPOINT_BYTES_MAX`] bytes.

use std::io;
use std::path::Path;

use zonelake_schemas::{Lsn, ShardNumber};

use crate::disk::{Disk, is_no_space};
use crate::error::{Damage, DamageKind, WalError};
use crate::folder::{CHECKPOINT_FILE, Folder};
use crate::format::{checksum_around_itself, u32_at, u64_at};
use crate::replaced_file::{self, ReplaceError};
use crate::segment::SegmentInfo;
use crate::segment_context::SegmentContext;

/// Longest checkpoint, in bytes: more than any state that fits into a server's memory beside its other work.
pub const CHECKPOINT_BYTES_MAX: u64 = 1 << 30;

/// Length of what stands in front of the state.
const HEADER_BYTES: usize = 48;

/// Version that this code writes, and the newest that it reads.
const VERSION: u32 = 1;

const MAGIC: [u8; 8] = *b"ZLWALCKP";

/// The state of a WAL's caller, as of one record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Version of the records that the state was made from.
    pub record_version: u32,
    /// Shard that wrote it.
    pub shard_number: ShardNumber,
    /// Last record that the state covers.
    pub lsn: Lsn,
    /// The state, as the caller made it.
    pub state: Vec<u8>,
}

impl Checkpoint {
    /// Reads the checkpoint of a WAL to go on from it: a loss of power from now on leaves this one. `None` where there is none.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn adopt(disk: &dyn Disk, dir: &Path) -> Result<Option<Self>, WalError> {
        let path = dir.join(CHECKPOINT_FILE);
        Self::from_file(&path, replaced_file::adopt(disk, &path, CHECKPOINT_BYTES_MAX))
    }

    /// Reads the checkpoint of a WAL without changing anything; `None` where it has none.
    ///
    /// # Errors
    /// [`WalError::Damaged`], [`WalError::NewerVersion`] and [`WalError::Io`].
    pub fn read(disk: &dyn Disk, dir: &Path) -> Result<Option<Self>, WalError> {
        let path = dir.join(CHECKPOINT_FILE);
        Self::from_file(&path, replaced_file::read(disk, &path, CHECKPOINT_BYTES_MAX))
    }

    fn from_file(path: &Path, read: io::Result<Option<Vec<u8>>>) -> Result<Option<Self>, WalError> {
        // Of a file beyond the limit, which is no checkpoint, what fits is read, and its checksum is wrong.
        let Some(bytes) = read.map_err(|error| WalError::io("read", path, error))? else { return Ok(None) };
        match Self::decode(&bytes) {
            Ok(checkpoint) => Ok(Some(checkpoint)),
            Err(CheckpointFault::Damaged) => Err(WalError::damaged(path, 0, Lsn(0), DamageKind::Checkpoint)),
            Err(CheckpointFault::Newer(found)) => {
                Err(WalError::NewerVersion { path: path.to_owned(), found, known: VERSION })
            }
        }
    }

    /// Refuses a checkpoint of another node's shard, or of newer records than the caller reads.
    ///
    /// # Errors
    /// [`WalError::WrongNode`] and [`WalError::NewerRecords`].
    pub fn check(&self, dir: &Path, own: &SegmentContext) -> Result<(), WalError> {
        let path = dir.join(CHECKPOINT_FILE);
        if self.record_version > own.record_version {
            return Err(WalError::NewerRecords { path, found: self.record_version, known: own.record_version });
        }
        if self.shard_number != own.shard_number {
            return Err(WalError::WrongNode { path, expected: own.shard_number, found: self.shard_number });
        }
        Ok(())
    }

    fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![0; HEADER_BYTES];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
        bytes[16..20].copy_from_slice(&self.record_version.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.shard_number.0.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.lsn.0.to_le_bytes());
        bytes[40..48].copy_from_slice(&(self.state.len() as u64).to_le_bytes());
        bytes.extend_from_slice(&self.state);
        let checksum = checksum_around_itself(&bytes);
        bytes[12..16].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    fn decode(bytes: &[u8]) -> Result<Self, CheckpointFault> {
        if bytes.len() < HEADER_BYTES || bytes[..8] != MAGIC || u32_at(bytes, 12) != checksum_around_itself(bytes) {
            return Err(CheckpointFault::Damaged);
        }
        // The version counts only with a right checksum: a newer version is then known not to be damage.
        match u32_at(bytes, 8) {
            VERSION => {}
            newer if newer > VERSION => return Err(CheckpointFault::Newer(newer)),
            _ => return Err(CheckpointFault::Damaged),
        }
        let state = &bytes[HEADER_BYTES..];
        if state.len() as u64 != u64_at(bytes, 40) {
            return Err(CheckpointFault::Damaged);
        }
        Ok(Self {
            record_version: u32_at(bytes, 16),
            shard_number: ShardNumber(u64_at(bytes, 24)),
            lsn: Lsn(u64_at(bytes, 32)),
            state: state.to_vec(),
        })
    }
}

/// Fault of a checkpoint that cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CheckpointFault {
    Damaged,
    Newer(u32),
}

/// The damage of a WAL whose checkpoint covers the records up to `covered` and whose segments do not join it.
pub(crate) fn missing_state(
    covered: Lsn,
    (oldest, oldest_path): (&SegmentInfo, &Path),
    (newest, newest_path): (&SegmentInfo, &Path),
) -> Option<Damage> {
    let damage = |path: &Path, lsn, kind| Some(Damage { path: path.to_owned(), offset: 0, lsn, kind });
    // Segments of the first version began with the state, so that there was no checkpoint.
    if !oldest.is_of_earlier_format() && oldest.first_lsn.0 > covered.0 + 1 {
        return damage(oldest_path, oldest.first_lsn, DamageKind::StateMissing { covered });
    }
    if newest.last_lsn < covered {
        return damage(newest_path, Lsn(newest.last_lsn.0 + 1), DamageKind::StateAhead { covered });
    }
    None
}

impl Folder {
    /// Replaces the checkpoint, durably.
    ///
    /// After [`WalError::NoSpace`] and [`WalError::CheckpointTooLarge`] the earlier one is in force; after another error it
    /// is unknown which one is.
    pub(crate) fn replace_checkpoint(&self, checkpoint: &Checkpoint) -> Result<(), WalError> {
        let bytes = checkpoint.encode();
        if bytes.len() as u64 > CHECKPOINT_BYTES_MAX {
            let (bytes, limit_bytes) = (bytes.len() as u64, CHECKPOINT_BYTES_MAX);
            return Err(WalError::CheckpointTooLarge { bytes, limit_bytes });
        }
        let path = self.dir.join(CHECKPOINT_FILE);
        match replaced_file::replace(&*self.disk, &path, &bytes) {
            Ok(()) => Ok(()),
            Err(ReplaceError::Written { path: written, source }) => {
                if is_no_space(&source) {
                    // Best effort: what is left holds space that others need, and the next open removes it.
                    self.disk.remove(&written).ok();
                }
                Err(self.space_or_io("write", &written, bytes.len() as u64, source))
            }
            Err(ReplaceError::Named(source)) => Err(WalError::io("rename to", &path, source)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checkpoint() -> Checkpoint {
        Checkpoint { record_version: 2, shard_number: ShardNumber(0x77_0003), lsn: Lsn(9), state: b"state".to_vec() }
    }

    #[test]
    fn a_checkpoint_stands_at_the_documented_bytes() {
        let bytes = checkpoint().encode();
        assert_eq!(&bytes[..12], b"ZLWALCKP\x01\0\0\0");
        assert_eq!(&bytes[16..32], b"\x02\0\0\0\0\0\0\0\x03\0\x77\0\0\0\0\0");
        assert_eq!(&bytes[32..], b"\x09\0\0\0\0\0\0\0\x05\0\0\0\0\0\0\0state");
        assert_eq!(Checkpoint::decode(&bytes), Ok(checkpoint()));
    }

    #[test]
    fn every_bit_flip_and_every_cut_of_a_checkpoint_is_found() {
        let bytes = checkpoint().encode();
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(Checkpoint::decode(&flipped).is_err(), "bit {bit}");
        }
        for end in 0..bytes.len() {
            assert_eq!(Checkpoint::decode(&bytes[..end]), Err(CheckpointFault::Damaged), "cut at {end}");
        }
    }

    #[test]
    fn a_checkpoint_of_a_newer_version_is_no_damage() {
        let mut bytes = checkpoint().encode();
        bytes[8] = 2;
        let checksum = checksum_around_itself(&bytes);
        bytes[12..16].copy_from_slice(&checksum.to_le_bytes());
        assert_eq!(Checkpoint::decode(&bytes), Err(CheckpointFault::Newer(2)));
    }
}
