//! Admission of connections: limits of connections and handshakes, and when an address must be validated first. Pure
//! state: the endpoint asks with each Initial packet, and does what it is told.
//!
//! A handshake costs the server a signature and some kilobytes, and costs the client one packet, whose sender address
//! may be forged. So the first few of a second are accepted as they come. Beyond that a packet is answered with a Retry
//! token (RFC 9000, section 8.1), which the server need not store and which comes back only from an address that
//! exists. A validated address has limits of its own, so that only the address that asks too much is refused.
//!
//! A place is for a gateway, and who has shown no token may be none. So once all places are taken, a new connection has
//! the place of the oldest one without a token. Addresses from which a token has come go before others: their
//! connections make room last, and a quarter of the handshakes is for them alone.

use std::collections::{BTreeSet, HashMap};
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use zonelake_net::{ConnectionCounts, LimitReached};

use super::known_peers::KnownPeers;

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

/// Number of a place, in the order in which places are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct PlaceId(u64);

/// Decision on the Initial packet of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AdmissionDecision {
    /// Begin the handshake.
    Accept {
        /// The place that is taken.
        place: PlaceId,
        /// The place whose connection is to be closed for it, and which counts no more.
        evicted: Option<PlaceId>,
    },
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
    places: HashMap<PlaceId, PlaceState>,
    next_place: u64,
    /// Places without a token, of addresses that are not known; the oldest makes room first.
    strangers: BTreeSet<PlaceId>,
    /// Those of addresses that are known.
    expected: BTreeSet<PlaceId>,
    known: KnownPeers,
    handshakes: usize,
    handshakes_unvalidated: usize,
    unvalidated: Allowance,
    addresses: HashMap<IpAddr, Address>,
}

#[derive(Debug, Clone, Copy)]
struct PlaceState {
    address: IpAddr,
    is_validated: bool,
    is_in_handshake: bool,
}

/// What counts for one address.
#[derive(Debug, Clone, Copy)]
struct Address {
    allowance: Allowance,
    /// Its handshakes in flight, of those whose packets it surely sent.
    handshakes: usize,
}

/// Handshakes that may begin: as many as the limit at once, and the same number again within a second.
#[derive(Debug, Clone, Copy)]
struct Allowance {
    left: f64,
    as_of: Duration,
}

impl Admission {
    pub(crate) fn new(limits: AdmissionLimits) -> Self {
        Self {
            connections: ConnectionCounts::new(limits.connections_max, limits.connections_per_address_max),
            places: HashMap::new(),
            next_place: 0,
            strangers: BTreeSet::new(),
            expected: BTreeSet::new(),
            known: KnownPeers::new(2 * limits.connections_max.max(ADDRESSES_KEPT)),
            handshakes: 0,
            handshakes_unvalidated: 0,
            unvalidated: Allowance::full(&limits, Duration::ZERO),
            addresses: HashMap::new(),
            limits,
        }
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
        let is_known = self.known.contains(address);
        let limit = self.connections.limit_reached(address);
        let evicted = self.strangers.first().or(self.expected.first().filter(|_| is_known)).copied();
        let evicted = evicted.filter(|_| limit == Some(LimitReached::Total));
        if evicted.is_some() && !is_validated {
            // No connection makes room for an address that may be forged.
            return AdmissionDecision::Retry;
        }
        if limit == Some(LimitReached::Total) && evicted.is_none() {
            return AdmissionDecision::Refuse("too many connections are open in all");
        }
        let kept_for_known = if is_known || self.known.is_empty() { 0 } else { self.limits.handshakes_max / 4 };
        if self.handshakes + kept_for_known >= self.limits.handshakes_max {
            return AdmissionDecision::Refuse("too many handshakes are in flight");
        }
        if self.connections.open_from(address) >= self.limits.connections_per_address_max {
            return AdmissionDecision::Refuse("too many connections are open from this address");
        }
        // Before the look-up below, which may add an address.
        self.forget_idle(now);
        let limits = &self.limits;
        let full = || Address { allowance: Allowance::full(limits, now), handshakes: 0 };
        let of_address = self.addresses.entry(address).or_insert_with(full);
        // Only packets that the address surely sent count against it: forged ones would lock it out.
        if is_validated && !of_address.allowance.take(limits, now) {
            return AdmissionDecision::Refuse("too many handshakes from this address");
        }
        if is_validated && of_address.handshakes >= (limits.handshakes_max / 2).max(1) {
            return AdmissionDecision::Refuse("too many handshakes of this address are in flight");
        }
        of_address.handshakes += usize::from(is_validated);
        if let Some(evicted) = evicted {
            self.handle_closed(evicted);
        }
        let place = self.take_place(PlaceState { address, is_validated, is_in_handshake: true }, is_known);
        AdmissionDecision::Accept { place, evicted }
    }

    fn take_place(&mut self, state: PlaceState, is_known: bool) -> PlaceId {
        // No limit is reached, as was seen before.
        self.connections.try_open(state.address).ok();
        self.handshakes += 1;
        self.handshakes_unvalidated += usize::from(!state.is_validated);
        let place = PlaceId(self.next_place);
        self.next_place += 1;
        self.places.insert(place, state);
        if is_known {
            self.expected.insert(place)
        } else {
            self.strangers.insert(place)
        };
        place
    }

    /// Notes the end of a handshake, good or bad. Its place stays taken.
    pub(crate) fn handle_handshake_ended(&mut self, place: PlaceId) {
        let Some(state) = self.places.get_mut(&place).filter(|state| state.is_in_handshake) else { return };
        state.is_in_handshake = false;
        self.handshakes -= 1;
        self.handshakes_unvalidated -= usize::from(!state.is_validated);
        if let Some(of_address) = self.addresses.get_mut(&state.address).filter(|_| state.is_validated) {
            of_address.handshakes -= 1;
        }
    }

    /// Notes a valid token: the place makes room for nobody, and its address is known.
    pub(crate) fn handle_authenticated(&mut self, place: PlaceId) {
        let Some(state) = self.places.get(&place) else { return };
        self.strangers.remove(&place);
        self.expected.remove(&place);
        self.known.insert(state.address);
    }

    /// Notes the end of a connection, which frees its place; nothing where that was given to another one before.
    pub(crate) fn handle_closed(&mut self, place: PlaceId) {
        self.handle_handshake_ended(place);
        if let Some(state) = self.places.remove(&place) {
            self.strangers.remove(&place);
            self.expected.remove(&place);
            self.connections.close(state.address);
        }
    }

    /// Bounds the addresses in memory: beyond the limit those go that have no connection and a full allowance.
    fn forget_idle(&mut self, now: Duration) {
        if self.addresses.len() >= 2 * self.limits.connections_max.max(ADDRESSES_KEPT) {
            let second = Duration::from_secs(1);
            let connections = &self.connections;
            self.addresses.retain(|address, state| {
                connections.open_from(*address) > 0 || now.saturating_sub(state.allowance.as_of) < second
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

    /// The place that an address is given.
    fn accepted(decision: AdmissionDecision) -> PlaceId {
        match decision {
            AdmissionDecision::Accept { place, evicted: None } => place,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_first_unvalidated_ones_are_accepted_and_further_ones_get_a_retry_token() {
        let mut admission = Admission::new(LIMITS);
        let now = Duration::from_secs(5);
        let first = accepted(admission.decide(address(1), false, now));
        let second = accepted(admission.decide(address(2), false, now));
        assert_eq!(
            admission.decide(address(3), false, now),
            AdmissionDecision::Retry,
            "a quarter of eight is in flight"
        );
        admission.handle_handshake_ended(first);
        accepted(admission.decide(address(3), false, now));
        admission.handle_handshake_ended(second);
        assert_eq!(admission.decide(address(4), false, now), AdmissionDecision::Retry, "three in this second");
        accepted(admission.decide(address(4), true, now));
        accepted(admission.decide(address(4), false, now + Duration::from_millis(400)));
    }

    #[test]
    fn an_address_is_refused_for_what_it_does_itself_and_others_are_not() {
        let mut admission = Admission::new(LIMITS);
        for _ in 0..3 {
            let place = accepted(admission.decide(address(1), true, Duration::ZERO));
            admission.handle_handshake_ended(place);
        }
        let fast = AdmissionDecision::Refuse("too many handshakes from this address");
        assert_eq!(admission.decide(address(1), true, Duration::ZERO), fast);
        accepted(admission.decide(address(2), true, Duration::ZERO));
        let later = Duration::from_secs(1);
        let fourth = accepted(admission.decide(address(1), true, later));
        let many = AdmissionDecision::Refuse("too many connections are open from this address");
        assert_eq!(admission.decide(address(1), true, later), many);
        admission.handle_closed(fourth);
        accepted(admission.decide(address(1), true, later));
    }

    #[test]
    fn a_network_of_ipv6_counts_as_one_address() {
        let mut admission = Admission::new(LIMITS);
        let places = [0u16, 1, 2].map(|n| {
            let address = IpAddr::from([0x2001, 0xdb8, 0, 7, n, n, n, n]);
            accepted(admission.decide(address, true, Duration::ZERO))
        });
        let fast = AdmissionDecision::Refuse("too many handshakes from this address");
        assert_eq!(admission.decide(IpAddr::from([0x2001, 0xdb8, 0, 7, 9, 9, 9, 9]), true, Duration::ZERO), fast);
        let other = IpAddr::from([0x2001, 0xdb8, 0, 8, 0, 0, 0, 1]);
        accepted(admission.decide(other, true, Duration::ZERO));
        admission.handle_closed(places[0]);
        assert_eq!(admission.connections.open_from(owner_of(IpAddr::from([0x2001, 0xdb8, 0, 7, 1, 1, 1, 1]))), 2);
    }

    #[test]
    fn handshakes_in_flight_and_connections_are_limited_in_all() {
        let mut admission = Admission::new(LIMITS);
        let mut places: Vec<PlaceId> =
            (0..8).map(|n| accepted(admission.decide(address(n), true, Duration::ZERO))).collect();
        let in_flight = AdmissionDecision::Refuse("too many handshakes are in flight");
        assert_eq!(admission.decide(address(8), true, Duration::ZERO), in_flight);
        places.iter().for_each(|place| admission.handle_handshake_ended(*place));
        places.extend((8..10).map(|n| accepted(admission.decide(address(n), true, Duration::ZERO))));
        places.iter().for_each(|place| admission.handle_authenticated(*place));
        let in_all = AdmissionDecision::Refuse("too many connections are open in all");
        assert_eq!(admission.decide(address(10), true, Duration::ZERO), in_all);
    }

    #[test]
    fn an_address_that_never_ends_its_handshakes_leaves_half_of_them_to_others() {
        let mut admission = Admission::new(AdmissionLimits {
            handshakes_per_second_max: 100,
            connections_per_address_max: 10,
            ..LIMITS
        });
        let places: Vec<PlaceId> =
            (0..4).map(|_| accepted(admission.decide(address(1), true, Duration::ZERO))).collect();
        let many = AdmissionDecision::Refuse("too many handshakes of this address are in flight");
        assert_eq!(admission.decide(address(1), true, Duration::ZERO), many);
        accepted(admission.decide(address(2), true, Duration::ZERO));
        admission.handle_handshake_ended(places[0]);
        accepted(admission.decide(address(1), true, Duration::ZERO));
    }

    #[test]
    fn once_all_places_are_taken_the_oldest_without_a_token_makes_room_and_those_with_one_stay() {
        let mut admission = Admission::new(LIMITS);
        let mut places = Vec::new();
        for n in 0..10 {
            places.push(accepted(admission.decide(address(n), true, Duration::ZERO)));
            admission.handle_handshake_ended(places[usize::from(n)]);
        }
        admission.handle_authenticated(places[0]);
        assert_eq!(admission.decide(address(10), false, Duration::ZERO), AdmissionDecision::Retry);
        let AdmissionDecision::Accept { place, evicted } = admission.decide(address(10), true, Duration::ZERO) else {
            panic!("it has the place of another")
        };
        assert_eq!((evicted, admission.connections.open()), (Some(places[1]), 10));
        admission.handle_authenticated(place);
        // Its task notes the end of what was evicted a moment later.
        admission.handle_handshake_ended(places[1]);
        admission.handle_closed(places[1]);
        assert_eq!(admission.connections.open(), 10);
        places[2..].iter().for_each(|place| admission.handle_authenticated(*place));
        let in_all = AdmissionDecision::Refuse("too many connections are open in all");
        assert_eq!(admission.decide(address(11), true, Duration::ZERO), in_all);
    }

    #[test]
    fn an_address_from_which_a_token_has_come_goes_before_others() {
        let mut admission = Admission::new(LIMITS);
        let first = accepted(admission.decide(address(1), true, Duration::ZERO));
        admission.handle_authenticated(first);
        admission.handle_closed(first);
        // It comes again, and is older than all others that have shown no token.
        accepted(admission.decide(address(1), true, Duration::ZERO));
        for n in 2..7 {
            accepted(admission.decide(address(n), true, Duration::ZERO));
        }
        let in_flight = AdmissionDecision::Refuse("too many handshakes are in flight");
        assert_eq!(admission.decide(address(7), true, Duration::ZERO), in_flight, "a quarter is kept");
        accepted(admission.decide(address(1), true, Duration::from_secs(1)));
        accepted(admission.decide(address(1), true, Duration::from_secs(1)));
        let all: Vec<PlaceId> = admission.places.keys().copied().collect();
        all.iter().for_each(|place| admission.handle_handshake_ended(*place));
        for n in 7..9 {
            accepted(admission.decide(address(n), true, Duration::ZERO));
        }
        let AdmissionDecision::Accept { evicted: Some(evicted), .. } =
            admission.decide(address(9), true, Duration::ZERO)
        else {
            panic!("an unauthenticated connection makes room")
        };
        assert!(!admission.places.contains_key(&evicted));
        assert_eq!(admission.connections.open_from(address(1)), 3, "the known one has kept its places");
    }

    #[test]
    fn what_is_remembered_of_addresses_is_bounded() {
        let mut admission = Admission::new(LIMITS);
        for n in 0..100_000u32 {
            let at = Duration::from_millis(n.into());
            let place = accepted(admission.decide(IpAddr::from(n.to_be_bytes()), true, at));
            admission.handle_handshake_ended(place);
            admission.handle_closed(place);
            assert!(admission.addresses.len() <= 2 * ADDRESSES_KEPT);
        }
        assert_eq!((admission.connections.open(), admission.handshakes), (0, 0));
        assert!(admission.places.is_empty() && admission.strangers.is_empty() && admission.expected.is_empty());
    }
}
