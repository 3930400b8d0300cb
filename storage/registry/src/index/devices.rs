//! Devices by zone and name, as shared snapshots. A lookup is a few loads and never waits for a writer; adding a device
//! copies one bucket of names and not all of them.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use zonelake_schemas::{DeviceKey, ZoneId};

/// Devices that one zone may have, so that a faulty gateway cannot fill memory; more are refused.
pub const DEVICES_PER_ZONE_MAX: usize = 1_000_000;

/// Devices in each zone.
pub(crate) type DevicesPerZone = HashMap<ZoneId, usize>;

/// Devices in buckets by the hash of zone and name. A reader loads one bucket; a writer replaces it.
#[derive(Debug)]
pub(crate) struct DeviceIndex {
    /// Keyed at random: names come from outside.
    hasher: RandomState,
    buckets: Box<[ArcSwap<Vec<Entry>>]>,
    moves: AtomicU64,
}

/// Bits of the hash that choose the bucket, at most 16: of a million devices, 244 are in one.
const BUCKET_BITS: u32 = 12;

/// A device's name and key. A bucket is sorted by hash.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    hash: u64,
    pub(crate) zone: ZoneId,
    pub(crate) key: DeviceKey,
    pub(crate) name: Arc<str>,
    pub(crate) registered_us: i64,
}

impl Default for DeviceIndex {
    fn default() -> Self {
        Self {
            hasher: RandomState::new(),
            buckets: (0..1 << BUCKET_BITS).map(|_| ArcSwap::default()).collect(),
            moves: AtomicU64::new(0),
        }
    }
}

impl DeviceIndex {
    /// The entry of a device for [`DeviceIndex::insert`].
    pub(crate) fn entry(&self, zone: ZoneId, name: Arc<str>, key: DeviceKey, registered_us: i64) -> Entry {
        Entry { hash: self.hash(zone, &name), zone, key, name, registered_us }
    }

    /// The current key of a device.
    pub(crate) fn get(&self, zone: ZoneId, name: &str) -> Option<DeviceKey> {
        let hash = self.hash(zone, name);
        let bucket = self.bucket(hash).load();
        position(&bucket, hash, zone, name).ok().map(|index| bucket[index].key)
    }

    /// The current key of a device, and the time since which it holds.
    pub(crate) fn placed(&self, zone: ZoneId, name: &str) -> Option<(DeviceKey, i64)> {
        let hash = self.hash(zone, name);
        let bucket = self.bucket(hash).load();
        position(&bucket, hash, zone, name).ok().map(|index| (bucket[index].key, bucket[index].registered_us))
    }

    /// The current keys of several devices; `None` where one of them is unknown.
    pub(crate) fn get_all(&self, zone: ZoneId, names: &[&str]) -> Option<Vec<DeviceKey>> {
        names.iter().map(|name| self.get(zone, name)).collect()
    }

    /// Adds devices; one of a known name replaces it where its key is greater. Returns the zone of each that is new.
    /// Only one caller at a time, since buckets are read, changed and replaced without a lock: the caller holds the writer.
    pub(crate) fn insert(&self, mut entries: Vec<Entry>) -> Vec<ZoneId> {
        let mut added = Vec::new();
        let mut moves = 0;
        // The first bits of the hash choose the bucket, so entries of one bucket are neighbours.
        entries.sort_unstable_by_key(|entry| (entry.hash, entry.key));
        for group in entries.chunk_by(|a, b| bucket_index(a.hash) == bucket_index(b.hash)) {
            let slot = self.bucket(group[0].hash);
            let mut bucket = Vec::clone(&slot.load());
            for entry in group {
                match position(&bucket, entry.hash, entry.zone, &entry.name) {
                    Ok(index) => {
                        moves += 1;
                        bucket[index] = entry.clone();
                    }
                    Err(index) => {
                        added.push(entry.zone);
                        bucket.insert(index, entry.clone());
                    }
                }
            }
            slot.store(Arc::new(bucket));
        }
        if moves > 0 {
            // Released after the buckets are stored: a reader that sees the count grow finds the new keys.
            self.moves.fetch_add(moves, Ordering::Release);
        }
        added
    }

    /// Counts a device that was retired, or came back: whoever caches keys by name looks them up again.
    pub(crate) fn note_retired(&self) {
        self.moves.fetch_add(1, Ordering::Release);
    }

    /// Number of moves inserted so far, and of retirements noted.
    pub(crate) fn moves(&self) -> u64 {
        // Pairs with the release in `insert`.
        self.moves.load(Ordering::Acquire)
    }

    /// All devices, in no particular order.
    pub(crate) fn entries(&self) -> Vec<Entry> {
        let mut entries = Vec::new();
        for bucket in &self.buckets {
            entries.extend(bucket.load().iter().cloned());
        }
        entries
    }

    /// Looks at all devices, in no particular order.
    pub(crate) fn visit(&self, mut look: impl FnMut(&Entry)) {
        for bucket in &self.buckets {
            bucket.load().iter().for_each(&mut look);
        }
    }

    fn hash(&self, zone: ZoneId, name: &str) -> u64 {
        self.hasher.hash_one((zone, name))
    }

    fn bucket(&self, hash: u64) -> &ArcSwap<Vec<Entry>> {
        &self.buckets[bucket_index(hash)]
    }
}

/// The first [`BUCKET_BITS`] bits of the hash.
fn bucket_index(hash: u64) -> usize {
    let [first, second, ..] = hash.to_be_bytes();
    usize::from(u16::from_be_bytes([first, second]) >> (u16::BITS - BUCKET_BITS))
}

/// The index of a device in its bucket, or the index at which it would be inserted.
fn position(bucket: &[Entry], hash: u64, zone: ZoneId, name: &str) -> Result<usize, usize> {
    let first = bucket.partition_point(|entry| entry.hash < hash);
    let same_hash = bucket[first..].iter().take_while(|entry| entry.hash == hash);
    for (index, entry) in (first..).zip(same_hash) {
        // Two devices may share a hash, so the name decides.
        if entry.zone == zone && &*entry.name == name {
            return Ok(index);
        }
    }
    Err(first)
}
