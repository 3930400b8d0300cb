//! Limits on open connections, in all and by network: one implementation for every interface.
//!
//! [`ConnectionCounts`] is the plain state, for an endpoint that owns it (QUIC's admission). [`ConnectionLimits`] shares it
//! among tasks and gives out permits that free themselves.
//!
//! A part of the places may be kept for [known peers](KnownPeers): strangers who take all others keep out no one who has
//! proven who they are.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use crate::known_peers::KnownPeers;
use crate::networks::network;

/// Limit that refused a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LimitReached {
    /// Connections in all, or those that are not kept for others.
    Total,
    /// Connections from one network.
    Address,
}

/// Connections that are open, in all and by network.
#[derive(Debug)]
pub struct ConnectionCounts {
    connections_max: usize,
    connections_per_address_max: usize,
    open: usize,
    by_network: HashMap<IpAddr, usize>,
    kept: Option<(Arc<KnownPeers>, usize)>,
}

impl ConnectionCounts {
    /// Counts of an endpoint without connections.
    pub fn new(connections_max: usize, connections_per_address_max: usize) -> Self {
        Self { connections_max, connections_per_address_max, open: 0, by_network: HashMap::new(), kept: None }
    }

    /// The same with a quarter of all places kept for peers that are known.
    #[must_use]
    pub fn keeping_for(mut self, known: Arc<KnownPeers>) -> Self {
        self.kept = Some((known, self.connections_max / KEPT_PART));
        self
    }

    /// Limit that a further connection from `address` would exceed, if any.
    pub fn limit_reached(&self, address: IpAddr) -> Option<LimitReached> {
        if self.open >= self.connections_max || !self.has_place_for(address) {
            return Some(LimitReached::Total);
        }
        (self.open_from(address) >= self.connections_per_address_max).then_some(LimitReached::Address)
    }

    /// Counts a connection from `address`, unless a limit is reached.
    ///
    /// # Errors
    /// Where a limit is reached; nothing is counted then.
    pub fn try_open(&mut self, address: IpAddr) -> Result<(), LimitReached> {
        if let Some(limit) = self.limit_reached(address) {
            return Err(limit);
        }
        self.open += 1;
        *self.by_network.entry(network(address)).or_insert(0) += 1;
        Ok(())
    }

    /// Frees what [`Self::try_open`] counted.
    pub fn close(&mut self, address: IpAddr) {
        self.open -= 1;
        // A network without connections is forgotten, so that the map is as large as the number of connections at most.
        if let Entry::Occupied(mut count) = self.by_network.entry(network(address)) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }

    /// Connections that are open.
    pub fn open(&self) -> usize {
        self.open
    }

    /// Connections that are open from the network of `address`.
    pub fn open_from(&self, address: IpAddr) -> usize {
        self.by_network.get(&network(address)).copied().unwrap_or(0)
    }

    /// Whether there is a place that is not kept for others.
    fn has_place_for(&self, address: IpAddr) -> bool {
        let Some((known, kept)) = &self.kept else { return true };
        let of_strangers = self.connections_max - kept;
        if self.open < of_strangers || known.contains(address) {
            return true;
        }
        // Whoever has become known since it came takes no place of the strangers any more.
        let strangers = self.by_network.iter().filter(|(network, _)| !known.contains(**network));
        strangers.map(|(_, open)| open).sum::<usize>() < of_strangers
    }
}

/// Part of all places that is kept for known peers: one of so many.
const KEPT_PART: usize = 4;

/// Connection limits that the tasks of a listener share.
#[derive(Debug, Clone)]
pub struct ConnectionLimits {
    counts: Arc<Mutex<ConnectionCounts>>,
}

/// Permit of one connection, freed when dropped.
#[derive(Debug)]
pub struct ConnectionPermit {
    counts: Arc<Mutex<ConnectionCounts>>,
    address: IpAddr,
}

impl ConnectionLimits {
    /// Limits of one listener.
    pub fn new(connections_max: usize, connections_per_address_max: usize) -> Self {
        Self::of(ConnectionCounts::new(connections_max, connections_per_address_max))
    }

    /// Limits of one listener, which begins with these counts.
    pub fn of(counts: ConnectionCounts) -> Self {
        Self { counts: Arc::new(Mutex::new(counts)) }
    }

    /// Permit for a connection from `address`.
    ///
    /// # Errors
    /// Where a limit is reached.
    pub fn try_acquire(&self, address: IpAddr) -> Result<ConnectionPermit, LimitReached> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).try_open(address)?;
        Ok(ConnectionPermit { counts: Arc::clone(&self.counts), address })
    }
}

impl ConnectionPermit {
    /// Address that the connection comes from.
    pub fn address(&self) -> IpAddr {
        self.address
    }
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).close(self.address);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    #[test]
    fn an_address_is_refused_beyond_its_limit_and_others_are_not() {
        let limits = ConnectionLimits::new(3, 2);
        let first = limits.try_acquire(address(1)).unwrap();
        let _second = limits.try_acquire(address(1)).unwrap();
        assert_eq!(limits.try_acquire(address(1)).unwrap_err(), LimitReached::Address);
        let _other = limits.try_acquire(address(2)).unwrap();
        assert_eq!(limits.try_acquire(address(3)).unwrap_err(), LimitReached::Total);
        drop(first);
        assert!(limits.try_acquire(address(1)).is_ok(), "a permit frees itself");
    }

    #[test]
    fn a_refused_connection_takes_no_permit_and_quiet_addresses_are_forgotten() {
        let limits = ConnectionLimits::new(2, 1);
        let held = limits.try_acquire(address(1)).unwrap();
        for _ in 0..10 {
            assert_eq!(limits.try_acquire(address(1)).unwrap_err(), LimitReached::Address);
        }
        drop(limits.try_acquire(address(2)).unwrap());
        drop(held);
        let counts = limits.counts.lock().unwrap();
        assert_eq!((counts.open(), counts.by_network.len()), (0, 0));
    }

    #[test]
    fn strangers_take_no_place_that_is_kept_for_those_who_have_proven_who_they_are() {
        let known = Arc::<KnownPeers>::default();
        let limits = ConnectionLimits::of(ConnectionCounts::new(8, 8).keeping_for(Arc::clone(&known)));
        let mut open: Vec<_> = (1..=6).map(|last| limits.try_acquire(address(last)).unwrap()).collect();
        assert_eq!(limits.try_acquire(address(7)).unwrap_err(), LimitReached::Total);
        known.insert(address(8));
        open.push(limits.try_acquire(address(8)).unwrap());
        assert_eq!(limits.try_acquire(address(7)).unwrap_err(), LimitReached::Total);
        // One of the six logs in, and its place is no longer one of the strangers'.
        known.insert(address(1));
        open.push(limits.try_acquire(address(7)).unwrap());
        assert_eq!(limits.try_acquire(address(8)).unwrap_err(), LimitReached::Total, "all places are taken");
    }

    #[test]
    fn a_host_that_changes_its_address_within_its_ipv6_network_is_counted_once() {
        let limits = ConnectionLimits::new(10, 2);
        let of = |host: u16| IpAddr::from([0x2001, 0xdb8, 0, 1, 0, 0, 0, host]);
        let _held = [limits.try_acquire(of(1)).unwrap(), limits.try_acquire(of(2)).unwrap()];
        assert_eq!(limits.try_acquire(of(3)).unwrap_err(), LimitReached::Address);
        assert!(limits.try_acquire(IpAddr::from([0x2001, 0xdb8, 0, 2, 0, 0, 0, 3])).is_ok());
    }
}
