//! Who may connect: limits of connections and handshakes, and when an address has to prove itself first. Pure state:
//! the endpoint asks with each first packet, and does what it is told.
//!
//! A handshake costs this side a signature and some kilobytes, and costs the other side one packet, whose sender address
//! may be forged. So the first few of a second are taken as they come; beyond that a packet is answered with a retry token,
//! which costs nothing to keep and comes back only from an address that exists. What such an address may then do is
//! limited for itself, so that who asks too much is the only one to be refused.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

/// Limits of connections and handshakes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdmissionLimits {
    /// Connections in all.
    pub connections_max: usize,
    /// Connections from one address.
    pub connections_per_address_max: usize,
    /// Handshakes in flight; a quarter of them with addresses that are not proven.
    pub handshakes_max: usize,
    /// Handshakes that begin in a second, from one proven address, and from all others together.
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

/// What to do with the first packet of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Begin the handshake; a place is taken.
    Accept,
    /// Ask for proof of the address.
    Retry,
    /// Refuse, for this reason.
    Refuse(&'static str),
}

/// Connections and handshakes as they are.
#[derive(Debug)]
pub(crate) struct Admission {
    limits: AdmissionLimits,
    connections: usize,
    handshakes: usize,
    handshakes_unproven: usize,
    unproven: Allowance,
    addresses: HashMap<IpAddr, Address>,
}

#[derive(Debug)]
struct Address {
    connections: usize,
    allowance: Allowance,
}

/// Handshakes that may begin: as many as the limit at once, and the same number again within a second.
#[derive(Debug, Clone, Copy)]
struct Allowance {
    left: f64,
    as_of: Duration,
}

impl Admission {
    pub(crate) fn new(limits: AdmissionLimits) -> Self {
        let unproven = Allowance::full(&limits, Duration::ZERO);
        Self { limits, connections: 0, handshakes: 0, handshakes_unproven: 0, unproven, addresses: HashMap::new() }
    }

    /// Judges a first packet at monotonic time `now`; `is_proven`: its sender has shown that it receives at `address`.
    pub(crate) fn judge(&mut self, address: IpAddr, is_proven: bool, now: Duration) -> Verdict {
        let address = owner_of(address);
        if !is_proven {
            let few = self.handshakes_unproven < (self.limits.handshakes_max / 4).max(1);
            if !few || !self.unproven.take(&self.limits, now) {
                return Verdict::Retry;
            }
        }
        if self.connections >= self.limits.connections_max {
            return Verdict::Refuse("too many connections are open in all");
        }
        if self.handshakes >= self.limits.handshakes_max {
            return Verdict::Refuse("too many handshakes are in flight");
        }
        self.forget_quiet(now);
        let limits = &self.limits;
        let of_address = self
            .addresses
            .entry(address)
            .or_insert_with(|| Address { connections: 0, allowance: Allowance::full(limits, now) });
        if of_address.connections >= limits.connections_per_address_max {
            return Verdict::Refuse("too many connections are open from this address");
        }
        // Only its own packets count against an address: forged ones would lock it out.
        if is_proven && !of_address.allowance.take(limits, now) {
            return Verdict::Refuse("too many handshakes from this address");
        }
        of_address.connections += 1;
        self.connections += 1;
        self.handshakes += 1;
        self.handshakes_unproven += usize::from(!is_proven);
        Verdict::Accept
    }

    /// A handshake has come to its end, good or bad. Its place stays taken.
    pub(crate) fn handle_handshake_ended(&mut self, was_proven: bool) {
        self.handshakes -= 1;
        self.handshakes_unproven -= usize::from(!was_proven);
    }

    /// A place is free again.
    pub(crate) fn handle_closed(&mut self, address: IpAddr) {
        self.connections -= 1;
        if let Some(of_address) = self.addresses.get_mut(&owner_of(address)) {
            of_address.connections -= 1;
        }
    }

    /// Bounds what is remembered of addresses: beyond the limit those go that have no connection and a full allowance.
    fn forget_quiet(&mut self, now: Duration) {
        if self.addresses.len() >= 2 * self.limits.connections_max.max(ADDRESSES_KEPT) {
            let second = Duration::from_secs(1);
            self.addresses.retain(|_, of| of.connections > 0 || now.saturating_sub(of.allowance.as_of) < second);
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
        self.left = (self.left + since * most).min(most);
        self.as_of = now;
        if self.left < 1.0 {
            return false;
        }
        self.left -= 1.0;
        true
    }
}

/// What counts as one address: of IPv6 the first 64 bits, since one machine has all of the rest.
fn owner_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
        address => address,
    }
}

/// Addresses that are remembered without looking for quiet ones.
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
    fn the_first_unproven_ones_are_taken_and_further_ones_are_asked_for_proof() {
        let mut admission = Admission::new(LIMITS);
        let now = Duration::from_secs(5);
        assert_eq!(admission.judge(address(1), false, now), Verdict::Accept);
        assert_eq!(admission.judge(address(2), false, now), Verdict::Accept);
        assert_eq!(admission.judge(address(3), false, now), Verdict::Retry, "a quarter of eight is in flight");
        admission.handle_handshake_ended(false);
        assert_eq!(admission.judge(address(3), false, now), Verdict::Accept);
        admission.handle_handshake_ended(false);
        assert_eq!(admission.judge(address(4), false, now), Verdict::Retry, "three in this second");
        assert_eq!(admission.judge(address(4), true, now), Verdict::Accept);
        assert_eq!(admission.judge(address(4), false, now + Duration::from_millis(400)), Verdict::Accept);
    }

    #[test]
    fn an_address_is_refused_for_what_it_does_itself_and_others_are_not() {
        let mut admission = Admission::new(LIMITS);
        for _ in 0..3 {
            assert_eq!(admission.judge(address(1), true, Duration::ZERO), Verdict::Accept);
            admission.handle_handshake_ended(true);
        }
        let fast = Verdict::Refuse("too many handshakes from this address");
        assert_eq!(admission.judge(address(1), true, Duration::ZERO), fast);
        assert_eq!(admission.judge(address(2), true, Duration::ZERO), Verdict::Accept);
        let later = Duration::from_secs(1);
        assert_eq!(admission.judge(address(1), true, later), Verdict::Accept);
        let many = Verdict::Refuse("too many connections are open from this address");
        assert_eq!(admission.judge(address(1), true, later), many);
        admission.handle_closed(address(1));
        assert_eq!(admission.judge(address(1), true, later), Verdict::Accept);
    }

    #[test]
    fn a_network_of_ipv6_counts_as_one_address() {
        let mut admission = Admission::new(LIMITS);
        for n in 0..3u16 {
            let address = IpAddr::from([0x2001, 0xdb8, 0, 7, n, n, n, n]);
            assert_eq!(admission.judge(address, true, Duration::ZERO), Verdict::Accept);
        }
        let fast = Verdict::Refuse("too many handshakes from this address");
        assert_eq!(admission.judge(IpAddr::from([0x2001, 0xdb8, 0, 7, 9, 9, 9, 9]), true, Duration::ZERO), fast);
        let other = IpAddr::from([0x2001, 0xdb8, 0, 8, 0, 0, 0, 1]);
        assert_eq!(admission.judge(other, true, Duration::ZERO), Verdict::Accept);
        admission.handle_closed(IpAddr::from([0x2001, 0xdb8, 0, 7, 0, 0, 0, 0]));
        assert_eq!(admission.addresses[&owner_of(IpAddr::from([0x2001, 0xdb8, 0, 7, 1, 1, 1, 1]))].connections, 2);
    }

    #[test]
    fn handshakes_in_flight_and_connections_are_limited_in_all() {
        let mut admission = Admission::new(LIMITS);
        for n in 0..8 {
            assert_eq!(admission.judge(address(n), true, Duration::ZERO), Verdict::Accept);
        }
        let in_flight = Verdict::Refuse("too many handshakes are in flight");
        assert_eq!(admission.judge(address(8), true, Duration::ZERO), in_flight);
        (0..8).for_each(|_| admission.handle_handshake_ended(true));
        for n in 8..10 {
            assert_eq!(admission.judge(address(n), true, Duration::ZERO), Verdict::Accept);
        }
        let in_all = Verdict::Refuse("too many connections are open in all");
        assert_eq!(admission.judge(address(10), true, Duration::ZERO), in_all);
    }

    #[test]
    fn what_is_remembered_of_addresses_is_bounded() {
        let mut admission = Admission::new(LIMITS);
        for n in 0..100_000u32 {
            let at = Duration::from_millis(n.into());
            assert_eq!(admission.judge(IpAddr::from(n.to_be_bytes()), true, at), Verdict::Accept);
            admission.handle_handshake_ended(true);
            admission.handle_closed(IpAddr::from(n.to_be_bytes()));
            assert!(admission.addresses.len() <= 2 * ADDRESSES_KEPT);
        }
        assert_eq!((admission.connections, admission.handshakes), (0, 0));
    }
}
