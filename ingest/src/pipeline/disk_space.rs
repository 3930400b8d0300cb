//! Free disk space. The shards check it themselves before they write; this check is for what comes before: decoding a
//! batch may register devices, which writes too.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use zonelake_schemas::wire::control::RefusedCode;
use zonelake_storage::Store;
use zonelake_wal::{Disk, RealDisk};

use crate::refusal::Refusal;

/// Guard of the free space of the data folder. The disk is asked twice a second at most.
#[derive(Debug)]
pub(crate) struct DiskSpaceGuard {
    store: Arc<Store>,
    /// Monotonic time of the last check, and its result.
    last: Mutex<Option<(Duration, Result<(), Refusal>)>>,
}

impl DiskSpaceGuard {
    /// A guard of the data folder of a store.
    pub(crate) fn new(store: Arc<Store>) -> Self {
        Self { store, last: Mutex::default() }
    }

    /// Refuses while fewer bytes are free than must stay so.
    ///
    /// # Errors
    /// `Unavailable`, in words for the sender.
    pub(crate) fn check(&self) -> Result<(), Refusal> {
        let now = self.store.clock().monotonic();
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, found)) = last.as_ref()
            && now.saturating_sub(*at) < CHECK_EVERY
        {
            return found.clone();
        }
        let options = self.store.options();
        let found = check_free_bytes(RealDisk.free_bytes(&options.folder), options.free_bytes_min);
        *last = Some((now, found.clone()));
        found
    }
}

/// Refuses where fewer bytes are free than `free_bytes_min`, in words for the sender.
pub(crate) fn check_free_bytes(free: std::io::Result<u64>, free_bytes_min: u64) -> Result<(), Refusal> {
    let message = match free {
        Ok(free) if free >= free_bytes_min => return Ok(()),
        Ok(free) => format!(
            "the disk is nearly full: {free} bytes are free and {free_bytes_min} must stay so; nothing of this batch is stored. Make room on the server; sending resumes automatically"
        ),
        Err(error) => format!("free space of the disk is unknown: {error}"),
    };
    Err(Refusal::new(RefusedCode::Unavailable, message))
}

/// Interval at which the disk is asked for its free space.
pub(crate) const CHECK_EVERY: Duration = Duration::from_millis(500);
