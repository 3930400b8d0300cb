//! The part of the bytes in flight that one gateway may hold: at most half. So a gateway that sends slowly, or faster
//! than the disk, on however many connections, leaves the other half to all others.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use zonelake_schemas::GatewayId;

/// Quotas of all gateways; one small entry for each gateway that has sent since the start.
#[derive(Debug)]
pub struct GatewayQuota {
    quota_kib: u32,
    free: Mutex<HashMap<GatewayId, Arc<Semaphore>>>,
}

impl GatewayQuota {
    /// Quotas within a budget of so many bytes; each holds at least one frame of `frame_bytes_max`.
    pub fn new(budget_bytes: u64, frame_bytes_max: usize) -> Self {
        let quota_kib = (budget_bytes / 2).max(frame_bytes_max as u64).div_ceil(1024);
        // No semaphore of a 32-bit machine has more permits, and 512 GiB in flight are more than any machine has.
        Self { quota_kib: u32::try_from(quota_kib).unwrap_or(u32::MAX >> 3), free: Mutex::default() }
    }

    /// Bytes of the quota of one gateway.
    pub fn bytes(&self) -> usize {
        1024 * self.quota_kib as usize
    }

    /// Reserves bytes in the quota of a gateway; waits while it is used up.
    pub async fn reserve(&self, gateway: GatewayId, bytes: usize) -> OwnedSemaphorePermit {
        let kib = u32::try_from(bytes.div_ceil(1024)).unwrap_or(u32::MAX).clamp(1, self.quota_kib);
        self.of(gateway).acquire_many_owned(kib).await.expect("a quota is never closed")
    }

    /// Reserves KiB beyond those that a holder has; `None` where the quota is used up. A holder must not wait for more:
    /// two of one gateway could wait for each other.
    pub fn try_reserve_kib(&self, gateway: GatewayId, kib: u32) -> Option<OwnedSemaphorePermit> {
        self.of(gateway).try_acquire_many_owned(kib).ok()
    }

    fn of(&self, gateway: GatewayId) -> Arc<Semaphore> {
        // The lock is released before any wait: a gateway over its quota must not hold up the others.
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let full = || Arc::new(Semaphore::new(self.quota_kib as usize));
        Arc::clone(free.entry(gateway).or_insert_with(full))
    }
}
