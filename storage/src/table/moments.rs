//! Moments at which several tables are read together. A view is one value for one table; what a group adds to several tables
//! becomes visible table by table, and nobody may look in between.

use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// The order of groups that become visible and of looks at all tables. Writers of different shards do not wait for each other; a look
/// waits for those that are under way, and takes one atomic load for each table.
#[derive(Debug, Default)]
pub(crate) struct Moments(RwLock<()>);

impl Moments {
    /// Held while the rows of one group become visible in all their tables.
    pub(crate) fn publishing(&self) -> RwLockReadGuard<'_, ()> {
        // It guards no data that a panic could leave half-done: each view is replaced in one step.
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Held while views of several tables are taken.
    pub(crate) fn looking(&self) -> RwLockWriteGuard<'_, ()> {
        // As above.
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}
