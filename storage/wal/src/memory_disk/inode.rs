//! One file of the disk in memory, as programs see it and as the medium has it.

use std::mem;
use std::ops::Range;

use crate::memory_disk::rng::Rng;

/// Bytes that the medium writes as a whole or not at all.
const SECTOR_BYTES: usize = 512;

/// A file.
#[derive(Debug, Clone, Default)]
pub(super) struct Inode {
    seen: Vec<u8>,
    durable: Vec<u8>,
    /// Ranges written since the last sync.
    dirty: Vec<Range<usize>>,
    /// True where the length has changed since the last sync.
    length_is_dirty: bool,
}

impl Inode {
    /// A file whose content is on the medium.
    pub(super) fn durable(content: Vec<u8>) -> Self {
        Self { durable: content.clone(), seen: content, ..Self::default() }
    }

    /// Content as programs see it.
    pub(super) fn seen(&self) -> &[u8] {
        &self.seen
    }

    pub(super) fn write(&mut self, offset: usize, bytes: &[u8]) {
        let range = offset..offset + bytes.len();
        self.lengthen(range.end);
        self.seen[range.clone()].copy_from_slice(bytes);
        self.dirty.push(range);
    }

    pub(super) fn lengthen(&mut self, bytes: usize) {
        if bytes > self.seen.len() {
            self.seen.resize(bytes, 0);
            self.length_is_dirty = true;
        }
    }

    /// Everything written gets to the medium.
    pub(super) fn sync(&mut self) {
        if mem::take(&mut self.length_is_dirty) {
            self.durable.resize(self.seen.len(), 0);
        }
        for range in mem::take(&mut self.dirty) {
            self.store(range);
        }
    }

    /// Of what was written, some sectors get to the medium, and the others never will.
    pub(super) fn tear(&mut self, rng: &mut Rng) {
        if mem::take(&mut self.length_is_dirty) && rng.coin() {
            self.durable.resize(self.seen.len(), 0);
        }
        for range in mem::take(&mut self.dirty) {
            let mut start = range.start;
            while start < range.end {
                let end = (start / SECTOR_BYTES + 1) * SECTOR_BYTES;
                if rng.coin() {
                    self.store(start..end.min(range.end));
                }
                start = end;
            }
        }
    }

    /// Only what is on the medium is left.
    pub(super) fn forget(&mut self) {
        self.seen.clone_from(&self.durable);
    }

    fn store(&mut self, range: Range<usize>) {
        if self.durable.len() < range.end {
            self.durable.resize(range.end, 0);
        }
        self.durable[range.clone()].copy_from_slice(&self.seen[range]);
    }
}
