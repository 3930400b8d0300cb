//! Names, tags and versions of the Delta format, as this program writes it.
//!
//! | what | value |
//! |---|---|
//! | folder of the Delta log | `_delta_log` |
//! | protocol | reader 1, writer 2 |
//! | tag of an `add` action with the file's checksum | `zonelake.xxh3_64`, 16 hexadecimal digits |
//! | checkpoint | when the entries behind the last one have its size, see `checkpoint.rs` |
//! | entries that a checkpoint covers | stay for 30 days |

/// A version as commits and snapshots count it.
pub(super) fn version(version: u64) -> i64 {
    i64::try_from(version).expect("deltalake writes versions of at most 20 digits, one commit at a time")
}

/// Folder of the Delta log below the root of its table.
pub(super) const LOG_FOLDER: &str = "_delta_log";
/// Reader version of the protocol, which every Delta program knows.
pub(super) const READER_VERSION: i32 = 1;
/// Writer version of the protocol.
pub(super) const WRITER_VERSION: i32 = 2;
/// Tag of an `add` action that holds the checksum of the file, as 16 hexadecimal digits.
pub(super) const CHECKSUM_TAG: &str = "zonelake.xxh3_64";
/// Commits from one checkpoint to the next, as the table's properties tell other writers. This program goes by bytes.
pub(super) const CHECKPOINT_COMMITS: i64 = 100;
