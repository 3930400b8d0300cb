//! Whether the disk has room for more. The shards ask for themselves before they write; this is for what comes before:
//! decoding a batch may register devices, which writes too.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use zonelake_schemas::wire::control::RefusedCode;
use zonelake_storage::Store;
use zonelake_wal::{Disk, RealDisk};

use crate::refusal::Refusal;

/// Looks at the free space of the data folder, twice a second at most.
#[derive(Debug)]
pub struct SpaceGuard {
    store: Arc<Store>,
    looked: Mutex<Option<(Duration, Result<(), Refusal>)>>,
}

impl SpaceGuard {
    /// Guards the data folder of a store.
    pub fn new(store: Arc<Store>) -> Self {
        Self { store, looked: Mutex::default() }
    }

    /// Refuses while fewer bytes are free than must stay so.
    ///
    /// # Errors
    /// `Unavailable`, in words for the sender.
    pub fn check(&self) -> Result<(), Refusal> {
        let now = self.store.clock().monotonic();
        let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, found)) = looked.as_ref()
            && now.saturating_sub(*at) < LOOK_EVERY
        {
            return found.clone();
        }
        let options = self.store.options();
        let found = enough(RealDisk.free_bytes(&options.folder), options.free_bytes_min);
        *looked = Some((now, found.clone()));
        found
    }
}

/// Whether so many free bytes are enough; if not, the words for the sender.
pub(crate) fn enough(free: std::io::Result<u64>, free_bytes_min: u64) -> Result<(), Refusal> {
    let message = match free {
        Ok(free) if free >= free_bytes_min => return Ok(()),
        Ok(free) => format!(
            "the disk is nearly full: {free} bytes are free and {free_bytes_min} must stay so; nothing of this batch is stored. Make room on the server; sending resumes by itself"
        ),
        Err(error) => format!("free space of the disk is unknown: {error}"),
    };
    Err(Refusal::new(RefusedCode::Unavailable, message))
}

/// How often the disk is asked for its free space.
pub(crate) const LOOK_EVERY: Duration = Duration::from_millis(500);
