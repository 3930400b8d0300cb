//! The earliest time that a row of a table may have: what retention has removed does not come in again.

use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock};

/// Earliest times of a table, microseconds since 1970, UTC. They are set while the store is open and are nowhere kept.
#[derive(Debug, Default)]
pub struct EarliestTimes(RwLock<Floors>);

#[derive(Debug, Default)]
struct Floors {
    all_us: Option<i64>,
    zones_us: BTreeMap<String, i64>,
}

impl EarliestTimes {
    /// Sets that of all zones, and of those that have one of their own.
    pub fn set(&self, all_us: Option<i64>, zones_us: BTreeMap<String, i64>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Floors { all_us, zones_us };
    }

    /// That of a zone; `None` where rows of any time are taken.
    pub fn of(&self, zone: &str) -> Option<i64> {
        let floors = self.0.read().unwrap_or_else(PoisonError::into_inner);
        floors.zones_us.get(zone).copied().or(floors.all_us)
    }
}
