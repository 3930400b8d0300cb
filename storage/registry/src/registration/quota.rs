//! Quota of registrations: the devices that each gateway has registered within the last hour. A faulty gateway that makes
//! up names would fill the registry of its zone; the quota stops that gateway alone. Counted in memory, since the start of
//! the server.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use zonelake_schemas::GatewayId;

const HOUR: Duration = Duration::from_secs(3_600);
const MINUTE: Duration = Duration::from_secs(60);

/// Quotas by gateway. One that registers devices holds its own from the count to the end: calls at the same time would each count
/// without the devices of the others. No gateway waits for another one.
#[derive(Debug, Default)]
pub(crate) struct RegistrationQuotas(Mutex<HashMap<GatewayId, Arc<Mutex<RegistrationQuota>>>>);

impl RegistrationQuotas {
    /// The quota of a gateway.
    pub(crate) fn of(&self, gateway: GatewayId) -> Arc<Mutex<RegistrationQuota>> {
        let mut gateways = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(gateways.entry(gateway).or_default())
    }
}

/// Devices that one gateway has registered, minute by minute: at most 60 counts.
#[derive(Debug, Default)]
pub(crate) struct RegistrationQuota(VecDeque<(Duration, usize)>);

impl RegistrationQuota {
    /// Devices registered within the hour before `now`.
    pub(crate) fn count(&mut self, now: Duration) -> usize {
        while self.0.front().is_some_and(|(from, _)| now.saturating_sub(*from) >= HOUR) {
            self.0.pop_front();
        }
        self.0.iter().map(|(_, count)| count).sum()
    }

    /// Counts devices that were registered.
    pub(crate) fn add(&mut self, now: Duration, more: usize) {
        match self.0.back_mut() {
            // A minute is one count, so that memory does not grow with the number of calls.
            Some((from, count)) if now.saturating_sub(*from) < MINUTE => *count += more,
            _ => self.0.push_back((now, more)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_slides_and_takes_a_bounded_memory() {
        let mut quota = RegistrationQuota::default();
        for second in 0..7_200 {
            quota.add(Duration::from_secs(second), 1);
            quota.count(Duration::from_secs(second));
        }
        assert_eq!(quota.count(Duration::from_secs(7_200)), 3_540, "all but the minute that has left");
        assert!(quota.0.len() <= 60);
        assert_eq!(quota.count(Duration::from_secs(20_000)), 0);
    }
}
