//! One file of the disk in memory, as programs see it and as the medium has it.

use std::ops::Range;

/// Bytes that the medium writes as a whole or not at all.
const SECTOR_BYTES: usize = 512;

/// Numbers that look random and follow from a seed (SplitMix64, Steele, Lea and Flood 2014).
#[derive(Debug, Clone)]
pub(super) struct Chance {
    state: u64,
}

impl Chance {
    pub(super) fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    pub(super) fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(super) fn coin(&mut self) -> bool {
        self.next() >> 63 == 1
    }

    /// A number from 0 up to, and without, the limit.
    pub(super) fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit as u64).expect("it is less than a usize")
    }
}

/// A file.
#[derive(Debug, Clone, Default)]
pub(super) struct Inode {
    seen: Vec<u8>,
    durable: Vec<u8>,
    /// What was written since the last sync.
    dirty: Vec<Range<usize>>,
    /// Whether the length has changed since the last sync.
    length_is_dirty: bool,
}

impl Inode {
    /// A file whose content is on the medium.
    pub(super) fn durable(content: Vec<u8>) -> Self {
        Self { durable: content.clone(), seen: content, ..Self::default() }
    }

    /// What programs see.
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
        if std::mem::take(&mut self.length_is_dirty) {
            self.durable.resize(self.seen.len(), 0);
        }
        for range in std::mem::take(&mut self.dirty) {
            self.store(range);
        }
    }

    /// Of what was written, some sectors get to the medium, and the others never will.
    pub(super) fn tear(&mut self, chance: &mut Chance) {
        if std::mem::take(&mut self.length_is_dirty) && chance.coin() {
            self.durable.resize(self.seen.len(), 0);
        }
        for range in std::mem::take(&mut self.dirty) {
            let mut start = range.start;
            while start < range.end {
                let end = (start / SECTOR_BYTES + 1) * SECTOR_BYTES;
                if chance.coin() {
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
