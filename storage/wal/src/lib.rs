//! Write-ahead log of one shard: opaque records, appended in groups, each group durable before it is acknowledged.
//!
//! The modules, in the order in which a record meets them:
//!
//! - [`wal`](Wal): append, roll, release
//! - `format`: the bytes of segments, blocks and records
//! - `folder`: the files of a log, their names, creation and recycling
//! - `walk`: reading a segment block by block
//! - `replay`: opening a log after a stop, a crash or a power loss
//! - `inspect`: reading a whole log without changing it
//! - [`disk`]: the file system, as a trait, with the machine's implementation
//! - [`memory_disk`]: its twin in memory, which loses power, fills up and fails on request
//! - `error`: what can go wrong
//!
//! What [`Wal::append`] acknowledges survives a crash of the process and a loss of power, as far as the disk keeps its
//! promise that synced data stays. It does not survive the loss of the disk.

pub mod disk;
mod error;
mod folder;
mod format;
mod inspect;
pub mod memory_disk;
mod replay;
mod wal;
mod walk;

pub use disk::{Disk, DiskFile, RealDisk};
pub use error::{BlockFault, Damage, DamageKind, WalError};
pub use folder::SegmentId;
pub use inspect::{SegmentReport, WalReport, inspect};
pub use memory_disk::MemoryDisk;
pub use replay::{ReplaySummary, ReplayedRecord, TornTail};
pub use wal::{RecordParts, SegmentInfo, Wal, WalOptions};
