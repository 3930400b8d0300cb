//! Peers that have proven who they are: places are kept for them where strangers take all others.

use std::collections::{HashSet, VecDeque};
use std::net::IpAddr;
use std::sync::{PoisonError, RwLock};

use crate::networks::network;

/// Networks of peers that a credential was right for, the last [`PEERS_MAX`] of them.
#[derive(Debug, Default)]
pub struct KnownPeers {
    peers: RwLock<Peers>,
}

#[derive(Debug, Default)]
struct Peers {
    known: HashSet<IpAddr>,
    /// In the order in which they became known.
    order: VecDeque<IpAddr>,
}

/// Networks that are remembered; beyond them the one that has been known longest is forgotten, until it proves itself again.
const PEERS_MAX: usize = 4_096;

impl KnownPeers {
    /// True where somebody at that address has proven who they are.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.peers.read().unwrap_or_else(PoisonError::into_inner).known.contains(&network(address))
    }

    /// Remembers an address whose credential was right.
    pub(crate) fn insert(&self, address: IpAddr) {
        // Thousands of requests a second come from peers that are known already: those only read.
        if self.contains(address) {
            return;
        }
        let network = network(address);
        let mut peers = self.peers.write().unwrap_or_else(PoisonError::into_inner);
        if !peers.known.insert(network) {
            return;
        }
        peers.order.push_back(network);
        if peers.order.len() > PEERS_MAX
            && let Some(oldest) = peers.order.pop_front()
        {
            peers.known.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_peers_are_remembered_and_memory_is_bounded() {
        let peers = KnownPeers::default();
        for n in 0..5_000u32 {
            peers.insert(IpAddr::from(n.to_be_bytes()));
            peers.insert(IpAddr::from(n.to_be_bytes()));
        }
        assert!(peers.contains(IpAddr::from(4_999u32.to_be_bytes())));
        assert!(!peers.contains(IpAddr::from(0u32.to_be_bytes())));
        let inner = peers.peers.read().unwrap();
        assert_eq!((inner.known.len(), inner.order.len()), (PEERS_MAX, PEERS_MAX));
    }
}
