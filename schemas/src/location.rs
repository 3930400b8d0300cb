//! Locations of devices: province, zone, site. The registry fixes them; a stored row refers to one by [`DeviceKey`].

use std::sync::Arc;

use crate::ids::DeviceKey;

/// A location, down to the device. Absent parts are null in SQL.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Location {
    /// Code of the province, as `ha-tinh`.
    pub province: Option<Arc<str>>,
    /// Code of the zone, as `vung-ang`.
    pub zone: Option<Arc<str>>,
    /// Code of the site within the zone.
    pub site: Option<Arc<str>>,
    /// Name of the device within the zone; absent for a zone as a whole.
    pub device: Option<Arc<str>>,
}

/// All locations by key: an immutable snapshot. A later one has more.
///
/// Snapshots share chunks of [`CHUNK`] locations. The snapshot of one more device among a million therefore costs about a
/// thousand reference counts and not a million.
#[derive(Debug, Clone, Default)]
pub struct Locations {
    /// Every chunk but the last is full; none is empty.
    chunks: Vec<Arc<Vec<Arc<Location>>>>,
}

/// Locations in one chunk.
const CHUNK: usize = 1_024;

impl Locations {
    /// Locations in the order of their keys, which begin with 1 and have no gaps.
    pub fn new(by_key: Vec<Arc<Location>>) -> Self {
        Self::default().extended_by(by_key)
    }

    /// These locations and `more`, whose keys follow the maximum key of these.
    pub fn extended_by(&self, more: impl IntoIterator<Item = Arc<Location>>) -> Self {
        let mut chunks = self.chunks.clone();
        for location in more {
            match chunks.last_mut() {
                // Copies the last chunk once where an older snapshot shares it, and never a full one.
                Some(last) if last.len() < CHUNK => Arc::make_mut(last).push(location),
                _ => chunks.push(Arc::new(vec![location])),
            }
        }
        Self { chunks }
    }

    /// The location of a key.
    pub fn get(&self, key: DeviceKey) -> Option<&Arc<Location>> {
        // Keys begin with 1; key 0 does not exist.
        let index = (key.0 as usize).checked_sub(1)?;
        self.chunks.get(index / CHUNK)?.get(index % CHUNK)
    }

    /// Number of locations; the maximum key.
    pub fn len(&self) -> usize {
        self.chunks.last().map_or(0, |last| (self.chunks.len() - 1) * CHUNK + last.len())
    }

    /// True where there is none.
    pub fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    /// All keys and locations.
    pub fn iter(&self) -> impl Iterator<Item = (DeviceKey, &Arc<Location>)> {
        (1..).map(DeviceKey).zip(self.chunks.iter().flat_map(|chunk| chunk.iter()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(number: usize) -> Arc<Location> {
        Arc::new(Location { device: Some(format!("device-{number}").into()), ..Location::default() })
    }

    #[test]
    fn an_extended_snapshot_has_old_and_new_locations_and_the_old_one_does_not_change() {
        for (old, more) in [(0, 1), (1, 0), (CHUNK - 1, 2), (CHUNK, 1), (3 * CHUNK + 5, 2 * CHUNK)] {
            let before = Locations::new((1..=old).map(device).collect());
            let after = before.extended_by((old + 1..=old + more).map(device));
            assert_eq!((before.len(), after.len()), (old, old + more));
            assert_eq!(after.is_empty(), old + more == 0);
            assert!(after.iter().all(|(key, location)| *location == device(key.0 as usize)));
            assert_eq!(after.iter().count(), after.len());
            assert!(after.iter().all(|(key, location)| after.get(key) == Some(location)));
            assert_eq!(after.get(DeviceKey(0)), None);
            let beyond = after.iter().map(|(key, _)| key).find(|key| key.0 as usize > old);
            assert!(beyond.is_none_or(|key| before.get(key).is_none() && after.get(key).is_some()));
        }
    }
}
