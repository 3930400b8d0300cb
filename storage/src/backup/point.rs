//! The moment that a back-up copies: a version of each table, and of each WAL the files up to a durable end.
//!
//! The parts are taken in an order that makes them one moment. The hold comes first, then a turn of each shard, so that no release is
//! under way. Tables come next: whatever they lack is in WALs that nothing is removed from. The ends of the WALs come last, so that no
//! table has rows beyond them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What is to be copied while the hold lasts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupPoint {
    /// Number of the hold.
    pub hold: u64,
    /// Version of each table's log, by name.
    pub tables: BTreeMap<String, i64>,
    /// WALs of the shards.
    pub wals: Vec<WalPoint>,
}

/// One shard's WAL up to a durable end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WalPoint {
    /// Folder of the WAL, below the data folder.
    pub folder: String,
    /// Its segments, oldest first, and in front of them the files of what is set aside of earlier ones.
    pub segments: Vec<SegmentPoint>,
}

/// One segment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegmentPoint {
    /// Name of the file in the folder.
    pub name: String,
    /// Bytes that are durable; behind them a group may be in the middle of being written.
    pub bytes: u64,
}
