#![doc = include_str!("../README.md")]
//!
//! # Modules
//! In the order in which a record meets them:
//!
//! - `wal`: append, roll, release
//! - `format`: the bytes of segments, blocks and records
//! - `segment`, `segment_id`, `segment_context`: one segment and its file; its id; what its header says of its records
//! - `checkpoint`: the caller's state in a file of its own
//! - `aside`: records of a segment that are kept when it goes
//! - `folder`: the files of a WAL, their names, creation and recycling
//! - [`replaced_file`]: small files that are replaced in one step
//! - `walk`: reading a segment block by block
//! - `replay`: opening a WAL after a stop, a crash or a power loss
//! - `inspect`: reading a whole WAL without changing it
//! - `disk`: the file system, as a trait
//! - `real_disk`: the file system of the machine
//! - `memory_disk`: a file system in memory, which loses power, fills up and fails on request
//! - `error`: what can go wrong

mod aside;
mod checkpoint;
mod disk;
mod error;
mod folder;
mod format;
mod inspect;
mod memory_disk;
mod real_disk;
pub mod replaced_file;
mod replay;
mod segment;
mod segment_context;
mod segment_id;
mod wal;
mod walk;

pub use aside::{Aside, read_aside};
pub use checkpoint::{CHECKPOINT_BYTES_MAX, Checkpoint};
pub use disk::{DirEntry, Disk, DiskFile};
pub use error::{BlockFault, Damage, DamageKind, WalError};
pub use folder::{CHECKPOINT_FILE, aside_file};
pub use inspect::{SegmentReport, WalReport, inspect, inspect_records};
pub use memory_disk::MemoryDisk;
pub use real_disk::RealDisk;
pub use replay::{ReplaySummary, ReplayedRecord, TornTail};
pub use segment::SegmentInfo;
pub use segment_context::SegmentContext;
pub use segment_id::SegmentId;
pub use wal::{RecordParts, Wal, WalOptions};
