//! Memory of one request, charged by what it takes now: its body as it came, then decompressed, then as rows.

use std::sync::Arc;

use tokio::sync::OwnedSemaphorePermit;
use zonelake_ingest::{Refusal, WriteError, WriteState};
use zonelake_schemas::GatewayId;
use zonelake_schemas::wire::control::RefusedCode;

use super::error::HttpError;

/// Share of a request in the quota of its gateway and in the budget of all requests.
#[derive(Debug)]
pub(super) struct RequestMemory {
    state: Arc<WriteState>,
    gateway: GatewayId,
    quota: OwnedSemaphorePermit,
    budget: OwnedSemaphorePermit,
}

impl RequestMemory {
    /// Reserves so many bytes before the body is read. The quota comes first, so that one gateway does not take the
    /// budget of all.
    pub(super) async fn reserve(state: &Arc<WriteState>, gateway: GatewayId, bytes: usize) -> Result<Self, HttpError> {
        let reserve = async {
            let quota = state.gateway_quota.reserve(gateway, bytes).await;
            let budget = Arc::clone(&state.body_budget).acquire_many_owned(kib(bytes)).await;
            let budget = budget.map_err(|_closed| HttpError::not_written(WriteError::ShuttingDown))?;
            Ok(Self { state: Arc::clone(state), gateway, quota, budget })
        };
        // A wait for our own room is no fault of the client: it is told to come again.
        tokio::time::timeout(state.limits.body_timeout, reserve).await.map_err(|_elapsed| HttpError::busy())?
    }

    /// Holds so many bytes from now on, more or fewer than before. More are taken without waiting: with bytes in hand,
    /// requests could wait for one another for ever.
    ///
    /// # Errors
    /// `TooLarge` where no gateway may ever hold so many, `Unavailable` where others hold them at the moment.
    pub(super) fn hold(&mut self, bytes: usize) -> Result<(), Refusal> {
        let bytes_max = self.state.gateway_quota.bytes();
        if bytes > bytes_max {
            let message = format!(
                "the request takes {bytes} bytes of memory, and a gateway may hold {bytes_max}: send fewer lines in one"
            );
            return Err(Refusal::new(RefusedCode::TooLarge, message));
        }
        let (wanted, held) = (kib(bytes) as usize, self.budget.num_permits());
        if wanted <= held {
            drop(self.budget.split(held - wanted));
            drop(self.quota.split(self.quota.num_permits().saturating_sub(wanted)));
            return Ok(());
        }
        let more = kib(bytes) - u32::try_from(held).unwrap_or(u32::MAX);
        let quota = self.state.gateway_quota.try_reserve_kib(self.gateway, more).ok_or_else(busy)?;
        let budget = Arc::clone(&self.state.body_budget).try_acquire_many_owned(more);
        self.quota.merge(quota);
        self.budget.merge(budget.map_err(|_used_up| busy())?);
        Ok(())
    }
}

fn busy() -> Refusal {
    Refusal::new(RefusedCode::Unavailable, "too many bytes of requests are in flight")
}

fn kib(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(1_024)).unwrap_or(u32::MAX).max(1)
}
