//! What each gateway may hold of the bytes in flight: no more than half of them, so that one gateway that sends slowly or
//! faster than the disk, on however many connections, leaves the other half to all others.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use zonelake_schemas::GatewayId;

/// Shares of all gateways; one small entry for each gateway that has sent since the start.
#[derive(Debug)]
pub struct GatewayShares {
    share_kib: u32,
    shares: Mutex<HashMap<GatewayId, Arc<Semaphore>>>,
}

impl GatewayShares {
    /// Shares of a budget of so many bytes; each has room for one frame of `frame_bytes_max`.
    pub fn new(budget_bytes: u64, frame_bytes_max: usize) -> Self {
        let share_kib = (budget_bytes / 2).max(frame_bytes_max as u64).div_ceil(1024);
        Self { share_kib: u32::try_from(share_kib).unwrap_or(u32::MAX >> 3), shares: Mutex::default() }
    }

    /// Reserves room in the share of a gateway; waits while it is used up.
    pub async fn reserve(&self, gateway: GatewayId, bytes: usize) -> OwnedSemaphorePermit {
        let share = {
            let mut shares = self.shares.lock().unwrap_or_else(PoisonError::into_inner);
            let full = || Arc::new(Semaphore::new(self.share_kib as usize));
            Arc::clone(shares.entry(gateway).or_insert_with(full))
        };
        let kib = u32::try_from(bytes.div_ceil(1024)).unwrap_or(u32::MAX).clamp(1, self.share_kib);
        share.acquire_many_owned(kib).await.expect("a share is never closed")
    }
}
