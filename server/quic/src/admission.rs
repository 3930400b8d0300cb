//! Admission of connections: limits of connections and handshakes, and when an address must be validated first. Pure
//! state: the endpoint asks with each Initial packet, and does what it is told.
//!
//! A handshake costs the server a signature and some kilobytes, and costs the client one packet, whose sender address
//! may be forged. So the first few of a second are accepted as they come. Beyond that a packet is answered with a Retry
//! token (RFC 9000, section 8.1), which the server need not store and which comes back only from an address that
//! exists. A validated address has limits of its own, so that only the address that asks too much is refused.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use zonelake_net::{ConnectionCounts, LimitReached};

/// Limits of connections and handshakes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdmissionLimits {
    /// Connections in all.
    pub connections_max: usize,
    /// Connections from one address.
    pub connections_per_address_max: usize,
    /// Handshakes in flight; a quarter of them with addresses that are not validated.
    pub handshakes_max: usize,
    /// Handshakes that begin in a second, from one validated address, and from all others together.
    pub handshakes_per_second_max: u32,
}

impl Default for AdmissionLimits {
    fn default() -> Self {
        Self {
            connections_max: 4_096,
            connections_per_address_max: 256,
            handshakes_max: 256,
            handshakes_per_second_max: 128,
        }
    }
}

/// Decision on the Initial packet of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AdmissionDecision {
    /// Begin the handshake; a slot is taken.
    Accept,
    /// Answer with a Retry token, which validates the address.
    Retry,
    /// Refuse, for this reason.
    Refuse(&'static str),
}

/// Counts of connections and handshakes.
#[derive(Debug)]
pub(crate) struct Admission {
    limits: AdmissionLimits,
    connections: ConnectionCounts,
    handshakes: usize,
    handshakes_unvalidated: usize,
    unvalidated: Allowance,
    addresses: HashMap<IpAddr, Allowance>,
}

/// Handshakes that may begin: as many as the limit at once, and the same number again within a second.
#[derive(Debug, Clone, Copy)]
struct Allowance {
    left: f64,
    as_of: Duration,
}

impl Admission {
    pub(crate) fn new(limits: AdmissionLimits) -> Self {
        let unvalidated = Allowance::full(&limits, Duration::ZERO);
        let connections = ConnectionCounts::new(limits.connections_max, limits.connections_per_address_max);
        Self { limits, connections, handshakes: 0, handshakes_unvalidated: 0, unvalidated, addresses: HashMap::new() }
    }

    /// Decides on an Initial packet at monotonic time `now`. `is_validated`: its sender has shown that it receives at
    /// `address`.
    pub(crate) fn decide(&mut self, address: IpAddr, is_validated: bool, now: Duration) -> AdmissionDecision {
        let address = owner_of(address);
        if !is_validated {
            // A quarter, so that forged addresses leave most handshakes to those that are validated.
            let few = self.handshakes_unvalidated < (self.limits.handshakes_max / 4).max(1);
            if !few || !self.unvalidated.take(&self.limits, now) {
                return AdmissionDecision::Retry;
            }
        }
        let limit = self.connections.limit_reached(address);
        if limit == Some(LimitReached::Total) {
            return AdmissionDecision::Refuse("too many connections are open in all");
        }
        if self.handshakes >= self.limits.handshakes_max {
            return AdmissionDecision::Refuse("too many handshakes are in flight");
        }
        if limit == Some(LimitReached::Address) {
            return AdmissionDecision::Refuse("too many connections are open from this address");
        }
        // Before the look-up below, which may add an address.
        self.forget_idle(now);
        let limits = &self.limits;
        let allowance = self.addresses.entry(address).or_insert_with(|| Allowance::full(limits, now));
        // Only packets that the address surely sent count against it: forged ones would lock it out.
        if is_validated && !allowance.take(limits, now) {
            return AdmissionDecision::Refuse("too many handshakes from this address");
        }
        // No limit is reached, as was seen above.
        self.connections.try_open(address).ok();
        self.handshakes += 1;
        self.handshakes_unvalidated += usize::from(!is_validated);
        AdmissionDecision::Accept
    }

    /// Notes the end of a handshake, good or bad. Its slot stays taken.
    pub(crate) fn handle_handshake_ended(&mut self, was_validated: bool) {
        self.handshakes -= 1;
        self.handshakes_unvalidated -= usize::from(!was_validated);
    }

    /// Notes the end of a connection, which frees its slot.
    pub(crate) fn handle_closed(&mut self, address: IpAddr) {
        self.connections.close(owner_of(address));
    }

    /// Bounds the addresses in memory: beyond the limit those go that have no connection and a full allowance.
    fn forget_idle(&mut self, now: Duration) {
        if self.addresses.len() >= 2 * self.limits.connections_max.max(ADDRESSES_KEPT) {
            let second = Duration::from_secs(1);
            let connections = &self.connections;
            self.addresses.retain(|address, allowance| {
                connections.open_from(*address) > 0 || now.saturating_sub(allowance.as_of) < second
            });
        }
    }
}

impl Allowance {
    fn full(limits: &AdmissionLimits, now: Duration) -> Self {
        Self { left: f64::from(limits.handshakes_per_second_max), as_of: now }
    }

    fn take(&mut self, limits: &AdmissionLimits, now: Duration) -> bool {
        let most = f64::from(limits.handshakes_per_second_max);
        let since = now.saturating_sub(self.as_of).as_secs_f64();
        // A token bucket: refilled in proportion to the time, never above the limit.
        self.left = (self.left + since * most).min(most);
        self.as_of = now;
        if self.left < 1.0 {
            return false;
        }
        self.left -= 1.0;
        true
    }
}

/// The address that is counted: of IPv6 the first 64 bits, since one machine has all of the rest.
fn owner_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
        address => address,
    }
}

/// Addresses that are kept without a look for idle ones.
const ADDRESSES_KEPT: usize = 1_024;

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: AdmissionLimits = AdmissionLimits {
        connections_max: 10,
        connections_per_address_max: 4,
        handshakes_max: 8,
        handshakes_per_second_max: 3,
    };

    fn address(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    #[test]
    fn the_first_unvalidated_ones_are_accepted_and_further_ones_get_a_retry_token() {
        let mut admission = Admission::new(LIMITS);
        let now = Duration::from_secs(5);
        assert_eq!(admission.decide(address(1), false, now), AdmissionDecision::Accept);
        assert_eq!(admission.decide(address(2), false, now), AdmissionDecision::Accept);
        assert_eq!(
            admission.decide(address(3), false, now),
            AdmissionDecision::Retry,
            "a quarter of eight is in flight"
        );
        admission.handle_handshake_ended(false);
        assert_eq!(admission.decide(address(3), false, now), AdmissionDecision::Accept);
        admission.handle_handshake_ended(false);
        assert_eq!(admission.decide(address(4), false, now), AdmissionDecision::Retry, "three in this second");
        assert_eq!(admission.decide(address(4), true, now), AdmissionDecision::Accept);
        assert_eq!(admission.decide(address(4), false, now + Duration::from_millis(400)), AdmissionDecision::Accept);
    }

    #[test]
    fn an_address_is_refused_for_what_it_does_itself_and_others_are_not() {
        let mut admission = Admission::new(LIMITS);
        for _ in 0..3 {
            assert_eq!(admission.decide(address(1), true, Duration::ZERO), AdmissionDecision::Accept);
            admission.handle_handshake_ended(true);
        }
        let fast = AdmissionDecision::Refuse("too many handshakes from this address");
        assert_eq!(admission.decide(address(1), true, Duration::ZERO), fast);
        assert_eq!(admission.decide(address(2), true, Duration::ZERO), AdmissionDecision::Accept);
        let later = Duration::from_secs(1);
        assert_eq!(admission.decide(address(1), true, later), AdmissionDecision::Accept);
        let many = AdmissionDecision::Refuse("too many connections are open from this address");
        assert_eq!(admission.decide(address(1), true, later), many);
        admission.handle_closed(address(1));
        assert_eq!(admission.decide(address(1), true, later), AdmissionDecision::Accept);
    }

    #[test]
    fn a_network_of_ipv6_counts_as_one_address() {
        let mut admission = Admission::new(LIMITS);
        for n in 0..3u16 {
            let address = IpAddr::from([0x2001, 0xdb8, 0, 7, n, n, n, n]);
            assert_eq!(admission.decide(address, true, Duration::ZERO), AdmissionDecision::Accept);
        }
        let fast = AdmissionDecision::Refuse("too many handshakes from this address");
        assert_eq!(admission.decide(IpAddr::from([0x2001, 0xdb8, 0, 7, 9, 9, 9, 9]), true, Duration::ZERO), fast);
        let other = IpAddr::from([0x2001, 0xdb8, 0, 8, 0, 0, 0, 1]);
        assert_eq!(admission.decide(other, true, Duration::ZERO), AdmissionDecision::Accept);
        admission.handle_closed(IpAddr::from([0x2001, 0xdb8, 0, 7, 0, 0, 0, 0]));
        assert_eq!(admission.connections.open_from(owner_of(IpAddr::from([0x2001, 0xdb8, 0, 7, 1, 1, 1, 1]))), 2);
    }

    #[test]
    fn handshakes_in_flight_and_connections_are_limited_in_all() {
        let mut admission = Admission::new(LIMITS);
        for n in 0..8 {
            assert_eq!(admission.decide(address(n), true, Duration::ZERO), AdmissionDecision::Accept);
        }
        let in_flight = AdmissionDecision::Refuse("too many handshakes are in flight");
        assert_eq!(admission.decide(address(8), true, Duration::ZERO), in_flight);
        (0..8).for_each(|_| admission.handle_handshake_ended(true));
        for n in 8..10 {
            assert_eq!(admission.decide(address(n), true, Duration::ZERO), AdmissionDecision::Accept);
        }
        let in_all = AdmissionDecision::Refuse("too many connections are open in all");
        assert_eq!(admission.decide(address(10), true, Duration::ZERO), in_all);
    }

    #[test]
    fn what_is_remembered_of_addresses_is_bounded() {
        let mut admission = Admission::new(LIMITS);
        for n in 0..100_000u32 {
            let at = Duration::from_millis(n.into());
            assert_eq!(admission.decide(IpAddr::from(n.to_be_bytes()), true, at), AdmissionDecision::Accept);
            admission.handle_handshake_ended(true);
            admission.handle_closed(IpAddr::from(n.to_be_bytes()));
            assert!(admission.addresses.len() <= 2 * ADDRESSES_KEPT);
        }
        assert_eq!((admission.connections.open(), admission.handshakes), (0, 0));
    }
}
