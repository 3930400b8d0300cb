//! Addresses from which a valid token has come.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

/// Addresses from which a valid token has come, up to a number of them; the one whose last token is oldest goes first.
#[derive(Debug)]
pub(crate) struct KnownPeers {
    peers_max: usize,
    /// Number of the last token of each.
    last: HashMap<IpAddr, u64>,
    by_number: BTreeMap<u64, IpAddr>,
    next: u64,
}

impl KnownPeers {
    /// None, of at most `peers_max`.
    pub(crate) fn new(peers_max: usize) -> Self {
        Self { peers_max, last: HashMap::new(), by_number: BTreeMap::new(), next: 0 }
    }

    /// Notes a valid token.
    pub(crate) fn insert(&mut self, address: IpAddr) {
        self.next += 1;
        if let Some(before) = self.last.insert(address, self.next) {
            self.by_number.remove(&before);
        }
        self.by_number.insert(self.next, address);
        if self.last.len() > self.peers_max
            && let Some((_, oldest)) = self.by_number.pop_first()
        {
            self.last.remove(&oldest);
        }
    }

    /// True for an address that is known.
    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        self.last.contains_key(&address)
    }

    /// True where none is known.
    pub(crate) fn is_empty(&self) -> bool {
        self.last.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_whose_last_token_is_oldest_is_forgotten_first() {
        let address = |last: u8| IpAddr::from([192, 0, 2, last]);
        let mut known = KnownPeers::new(3);
        assert!(known.is_empty());
        for last in [1, 2, 3, 1, 4] {
            known.insert(address(last));
        }
        assert!(known.contains(address(1)) && known.contains(address(3)) && known.contains(address(4)));
        assert!(!known.contains(address(2)));
        assert_eq!((known.last.len(), known.by_number.len()), (3, 3));
    }
}
