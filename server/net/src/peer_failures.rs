//! Failed authentications, counted in all and by network of the peer.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::networks::network;

/// Counts of failed authentications. At most [`PEERS_MAX`] addresses are remembered.
#[derive(Debug, Default)]
pub(crate) struct PeerFailures {
    total: AtomicU64,
    by_peer: Mutex<HashMap<IpAddr, u64>>,
    /// Addresses in the map, so that a success, of which there are thousands a second, mostly takes no lock.
    remembered: AtomicUsize,
}

/// Addresses that are remembered. Beyond it the address with the fewest failures is forgotten.
const PEERS_MAX: usize = 1_024;

impl PeerFailures {
    /// Counts a failure; the value is the number of failures of this peer, where its address is known.
    pub(crate) fn count(&self, peer: Option<IpAddr>) -> u64 {
        // A counter of its own: nothing else is ordered by it.
        self.total.fetch_add(1, Ordering::Relaxed);
        let Some(peer) = peer.map(network) else { return 0 };
        let mut by_peer = self.by_peer.lock().unwrap_or_else(PoisonError::into_inner);
        if by_peer.len() >= PEERS_MAX && !by_peer.contains_key(&peer) {
            let fewest = by_peer.iter().min_by_key(|(_, failures)| **failures).map(|(address, _)| *address);
            if let Some(fewest) = fewest {
                by_peer.remove(&fewest);
            }
        }
        let failures = by_peer.entry(peer).or_insert(0);
        *failures += 1;
        let failures = *failures;
        self.remembered.store(by_peer.len(), Ordering::Relaxed);
        failures
    }

    /// Forgets the failures of a peer that has now proven who it is.
    pub(crate) fn clear(&self, peer: Option<IpAddr>) {
        // Relaxed: a failure that is counted at the same moment may be forgotten by the next success.
        if self.remembered.load(Ordering::Relaxed) == 0 {
            return;
        }
        if let Some(peer) = peer.map(network) {
            let mut by_peer = self.by_peer.lock().unwrap_or_else(PoisonError::into_inner);
            by_peer.remove(&peer);
            self.remembered.store(by_peer.len(), Ordering::Relaxed);
        }
    }

    /// Failures since the start.
    pub(crate) fn total(&self) -> u64 {
        self.total.load(Ordering::Relaxed)
    }

    /// Failures of a peer since its last success.
    #[cfg(test)]
    pub(crate) fn of(&self, peer: IpAddr) -> u64 {
        self.by_peer.lock().unwrap_or_else(PoisonError::into_inner).get(&peer).copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_counted_by_peer_and_memory_is_bounded() {
        let failures = PeerFailures::default();
        let one = IpAddr::from([192, 0, 2, 1]);
        assert_eq!(failures.count(Some(one)), 1);
        assert_eq!(failures.count(Some(one)), 2);
        for n in 0..5_000u32 {
            failures.count(Some(IpAddr::from(n.to_be_bytes())));
        }
        assert_eq!(failures.of(one), 2, "the address with the most failures is remembered");
        assert!(failures.by_peer.lock().unwrap().len() <= PEERS_MAX);
        failures.clear(Some(one));
        assert_eq!((failures.of(one), failures.total()), (0, 5_002));
    }
}
