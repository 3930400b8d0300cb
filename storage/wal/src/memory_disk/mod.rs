//! A file system in memory that behaves as badly as a real one may: it loses power, tears writes, fails and fills up when told
//! to, and always in the same way for the same seed.
//!
//! It keeps two states of everything: what programs see, and what is on the medium. A sync carries the one over to the other.
//! At a loss of power the medium is all that is left, and of what was not synced some is there and some is not: each 512-byte
//! sector of a write, each length, and each name of a folder for itself.
//!
//! - `file_system`: the disk and its files, as [`crate::Disk`] and [`crate::DiskFile`]
//! - `state`: names and files in both states, and how they change
//! - `inode`: one file in both states
//! - `rng`: random numbers that follow from the seed

mod file_system;
mod inode;
mod rng;
mod state;

pub use file_system::MemoryDisk;
