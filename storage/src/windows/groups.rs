//! The places whose readings are kept together: province, zone, and each value of the columns by which rights may choose rows. Rights are
//! judged on these alone, so that nothing of two owners is ever summed up before it is known who asks.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use zonelake_schemas::DeviceKey;

/// A place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct WindowKey {
    /// Code of the province.
    pub province: Option<Arc<str>>,
    /// Code of the zone.
    pub zone: Option<Arc<str>>,
    /// Values of the columns of `rights_by`, in their declared order.
    pub by: Vec<Option<Arc<str>>>,
}

/// Places by number.
#[derive(Debug, Clone, Default)]
pub(super) struct WindowGroups {
    keys: Vec<Arc<WindowKey>>,
    numbers: BTreeMap<Arc<WindowKey>, u32>,
    /// Numbers of devices whose rows are not told apart further, by device key.
    of_devices: Vec<Option<u32>>,
}

impl WindowGroups {
    /// Places in the order of their numbers.
    pub(super) fn keys(&self) -> &[Arc<WindowKey>] {
        &self.keys
    }

    /// The number of a place that has one.
    pub(super) fn known(&self, key: &WindowKey) -> Option<u32> {
        self.numbers.get(key).copied()
    }

    /// The number of a place, which gets one where it has none yet.
    pub(super) fn number(&mut self, key: WindowKey) -> u32 {
        if let Some(known) = self.known(&key) {
            return known;
        }
        let number = u32::try_from(self.keys.len()).expect("places are dropped long before they are so many");
        let key = Arc::new(key);
        self.keys.push(Arc::clone(&key));
        self.numbers.insert(key, number);
        number
    }

    /// Forgets the places that are not among `kept`, and gives the numbers that the others have now, in their order.
    pub(super) fn retain(&mut self, kept: &BTreeSet<u32>) -> BTreeMap<u32, u32> {
        let numbers: BTreeMap<u32, u32> = kept.iter().copied().zip(0..).collect();
        self.keys = kept.iter().map(|number| Arc::clone(&self.keys[*number as usize])).collect();
        self.numbers = self.keys.iter().cloned().zip(0..).collect();
        self.of_devices.iter_mut().for_each(|number| *number = number.and_then(|number| numbers.get(&number).copied()));
        numbers
    }

    /// The number of a device, where it is known.
    pub(super) fn of_device(&self, key: DeviceKey) -> Option<u32> {
        self.of_devices.get(key.0 as usize).copied().flatten()
    }

    /// Remembers the number of a device.
    pub(super) fn note_device(&mut self, key: DeviceKey, number: u32) {
        let at = key.0 as usize;
        if self.of_devices.len() <= at {
            self.of_devices.resize(at + 1, None);
        }
        self.of_devices[at] = Some(number);
    }
}

/// Places that are kept of a table; those without a reading in the last hour are forgotten then. An hour of so many takes more memory than there may be, and values of a text field can be any number.
pub(super) const GROUPS_MAX: usize = 16_384;
