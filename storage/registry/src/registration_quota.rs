//! Quota of registrations: the devices that each gateway has registered within the last hour. A faulty gateway that makes
//! up names would fill the registry of its zone; the quota stops that gateway alone. Counted in memory, since the start of
//! the server.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use zonelake_schemas::GatewayId;

const HOUR: Duration = Duration::from_secs(3_600);
const MINUTE: Duration = Duration::from_secs(60);

/// Devices registered by gateway, minute by minute: at most 60 counts for each gateway.
#[derive(Debug, Default)]
pub(crate) struct RegistrationQuota {
    gateways: HashMap<GatewayId, VecDeque<(Duration, usize)>>,
}

impl RegistrationQuota {
    /// Devices that a gateway has registered within the hour before `now`.
    pub(crate) fn count(&mut self, gateway: GatewayId, now: Duration) -> usize {
        let Some(minutes) = self.gateways.get_mut(&gateway) else { return 0 };
        while minutes.front().is_some_and(|(from, _)| now.saturating_sub(*from) >= HOUR) {
            minutes.pop_front();
        }
        minutes.iter().map(|(_, count)| count).sum()
    }

    /// Counts devices that a gateway has registered.
    pub(crate) fn add(&mut self, gateway: GatewayId, now: Duration, more: usize) {
        let minutes = self.gateways.entry(gateway).or_default();
        match minutes.back_mut() {
            // A minute is one count, so that memory does not grow with the number of calls.
            Some((from, count)) if now.saturating_sub(*from) < MINUTE => *count += more,
            _ => minutes.push_back((now, more)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_slides_and_takes_a_bounded_memory() {
        let mut quota = RegistrationQuota::default();
        let gateway = GatewayId(1);
        for second in 0..7_200 {
            quota.add(gateway, Duration::from_secs(second), 1);
            quota.count(gateway, Duration::from_secs(second));
        }
        assert_eq!(quota.count(gateway, Duration::from_secs(7_200)), 3_540, "all but the minute that has left");
        assert!(quota.gateways[&gateway].len() <= 60);
        assert_eq!(quota.count(gateway, Duration::from_secs(20_000)), 0);
        assert_eq!(quota.count(GatewayId(2), Duration::from_secs(7_200)), 0);
    }
}
