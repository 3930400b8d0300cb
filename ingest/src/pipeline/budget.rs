//! Bytes that may be in flight; senders wait for them.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A half of the bytes in flight, counted in KiB.
#[derive(Debug)]
pub(crate) struct Budget {
    kib: u32,
    free: Arc<Semaphore>,
}

impl Budget {
    pub(crate) fn new(bytes: u64) -> Self {
        let kib = u32::try_from(bytes / 1024).unwrap_or(u32::MAX).max(1);
        Self { kib, free: Arc::new(Semaphore::new(kib as usize)) }
    }

    /// Bytes of the whole budget.
    pub(crate) fn bytes(&self) -> u64 {
        1024 * u64::from(self.kib)
    }

    /// Waits until so many bytes are free. A request larger than the whole budget waits until it is alone.
    pub(crate) async fn acquire(&self, bytes: u64) -> OwnedSemaphorePermit {
        Arc::clone(&self.free).acquire_many_owned(self.kib_of(bytes)).await.expect("a budget is never closed")
    }

    /// The bytes, where they are free and nobody waits for them.
    pub(crate) fn try_acquire(&self, bytes: u64) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.free).try_acquire_many_owned(self.kib_of(bytes)).ok()
    }

    /// Nothing counts as less than 4 KiB, so that the number of tiny batches in flight is bounded too.
    fn kib_of(&self, bytes: u64) -> u32 {
        u32::try_from(bytes.div_ceil(1024)).unwrap_or(u32::MAX).max(4).min(self.kib)
    }

    pub(crate) fn acquired_bytes(&self) -> u64 {
        1024 * (self.kib as usize - self.free.available_permits()) as u64
    }
}
