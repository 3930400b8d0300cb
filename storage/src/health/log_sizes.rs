//! Length of each shard's WAL, as its thread has last seen it.

use std::sync::atomic::{AtomicU64, Ordering};

use zonelake_schemas::ShardId;

/// Bytes of the WALs of a store.
#[derive(Debug)]
pub struct LogSizes(Vec<AtomicU64>);

impl LogSizes {
    /// Those of so many shards, all empty.
    pub(crate) fn new(shards: u16) -> Self {
        Self((0..shards).map(|_| AtomicU64::new(0)).collect())
    }

    /// Notes the length of a shard's WAL.
    pub fn set(&self, shard: ShardId, bytes: u64) {
        // A figure for people: no other memory is read on the strength of it.
        if let Some(size) = self.0.get(usize::from(shard.0)) {
            size.store(bytes, Ordering::Relaxed);
        }
    }

    /// Bytes by shard.
    pub fn bytes(&self) -> impl Iterator<Item = (ShardId, u64)> + '_ {
        (0..).map(ShardId).zip(self.0.iter().map(|size| size.load(Ordering::Relaxed)))
    }
}
