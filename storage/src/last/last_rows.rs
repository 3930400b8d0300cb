//! The last rows of all devices of a table: an immutable value that is part of the table's view, so that a statement sees
//! it together with the files and the live rows of one moment. It covers the rows of each shard up to an LSN, all rows in
//! files among them; what is live beyond that is added when it is read.

use std::collections::BTreeMap;
use std::sync::Arc;

use zonelake_schemas::{DeviceKey, Lsn, ShardId};

use crate::last::device::DeviceLast;

/// Devices of [`PAGE`] neighbouring keys.
pub(super) type Page = Vec<Option<Arc<DeviceLast>>>;

/// The last rows of a table. A copy shares all that is not changed afterwards.
#[derive(Debug, Clone)]
pub struct LastRows {
    pub(super) state: LastRowsState,
    /// Pages by device key.
    pub(super) pages: Vec<Arc<Page>>,
    /// Last LSN of each shard whose rows are in it.
    pub(super) covered: BTreeMap<ShardId, Lsn>,
    /// Memory of all devices.
    pub(super) bytes: usize,
    /// Number of times that it was begun anew.
    pub(crate) generation: u64,
}

/// What the last rows of a table can be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LastRowsState {
    /// Each row of the table up to what is covered was taken in.
    Complete,
    /// Rows of files are missing, which are read now.
    Filling,
    /// They would take more than [`LAST_ROWS_BYTES_MAX`] and are not kept.
    TooLarge,
}

impl Default for LastRows {
    fn default() -> Self {
        Self { state: LastRowsState::Filling, pages: Vec::new(), covered: BTreeMap::new(), bytes: 0, generation: 0 }
    }
}

impl LastRows {
    /// None yet, for a table whose files have rows up to `covered`; complete where there is no file.
    pub(crate) fn empty(is_complete: bool, covered: BTreeMap<ShardId, Lsn>, generation: u64) -> Self {
        let state = if is_complete { LastRowsState::Complete } else { LastRowsState::Filling };
        Self { state, covered, generation, ..Self::default() }
    }

    /// What they can be used for.
    pub fn state(&self) -> LastRowsState {
        self.state
    }

    /// The last row of a device at one location.
    pub fn device(&self, key: DeviceKey) -> Option<&Arc<DeviceLast>> {
        let key = key.0 as usize;
        self.pages.get(key / PAGE)?.get(key % PAGE)?.as_ref()
    }

    /// All devices that have a row, by key.
    pub fn devices(&self) -> impl Iterator<Item = (DeviceKey, &Arc<DeviceLast>)> {
        let pages = self.pages.iter().flat_map(|page| page.iter());
        (0..).map(DeviceKey).zip(pages).filter_map(|(key, device)| Some((key, device.as_ref()?)))
    }

    /// Devices that are not as they were in an earlier state.
    pub fn changed_since(&self, before: &Self) -> Vec<(DeviceKey, Arc<DeviceLast>)> {
        let mut changed = Vec::new();
        for (number, page) in self.pages.iter().enumerate() {
            let old = before.pages.get(number);
            if old.is_some_and(|old| Arc::ptr_eq(old, page)) {
                continue;
            }
            for (slot, device) in page.iter().enumerate() {
                let Some(device) = device else { continue };
                let old = old.and_then(|old| old[slot].as_ref());
                // A statement that folds live rows makes equal devices of its own.
                let is_same = old.is_some_and(|old| Arc::ptr_eq(old, device) || old == device);
                if !is_same {
                    let key = u32::try_from(number * PAGE + slot).expect("keys of devices are 32 bits");
                    changed.push((DeviceKey(key), Arc::clone(device)));
                }
            }
        }
        changed
    }

    /// Memory that they take, about.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Last LSN of each shard whose rows are in it.
    pub fn covered(&self) -> &BTreeMap<ShardId, Lsn> {
        &self.covered
    }

    /// True where all rows of those LSNs are in it.
    pub(crate) fn covers(&self, lsns: &BTreeMap<ShardId, Lsn>) -> bool {
        lsns.iter().all(|(shard, lsn)| self.covered.get(shard).is_some_and(|covered| covered >= lsn))
    }

    /// The device of a key, to be changed, with the page that it is in copied where another state shares it.
    pub(super) fn device_slot(&mut self, key: DeviceKey) -> &mut Option<Arc<DeviceLast>> {
        let (page, slot) = (key.0 as usize / PAGE, key.0 as usize % PAGE);
        while self.pages.len() <= page {
            self.pages.push(Arc::new(vec![None; PAGE]));
        }
        &mut Arc::make_mut(&mut self.pages[page])[slot]
    }

    /// Joins what was read of files, where it still belongs to this state.
    pub(crate) fn completed_by(&self, of_files: &Self) -> Self {
        let mut joined = self.clone();
        for (key, device) in of_files.devices() {
            let slot = joined.device_slot(key);
            let (before, after) = match slot {
                Some(known) => {
                    let before = known.bytes();
                    Arc::make_mut(known).merge(device);
                    (before, known.bytes())
                }
                None => (0, slot.insert(Arc::clone(device)).bytes()),
            };
            joined.bytes = joined.bytes + after - before;
        }
        joined.state = LastRowsState::Complete;
        joined.bounded()
    }

    /// This, or nothing where it is too large.
    pub(super) fn bounded(self) -> Self {
        if self.bytes <= LAST_ROWS_BYTES_MAX {
            return self;
        }
        Self { state: LastRowsState::TooLarge, pages: Vec::new(), bytes: 0, ..self }
    }
}

/// Devices of one page.
const PAGE: usize = 256;

/// Memory that the last rows of one table may take, about: a million devices of eight fields. Beyond it they are not kept, and
/// statements read the rows of the table.
pub const LAST_ROWS_BYTES_MAX: usize = 512 << 20;
