//! Limits on guessing passwords, by account and by network. A guess that failed is a debt, which is paid off with time; beyond a limit the
//! next one is refused without a look at it, right or wrong. Tokens are not concerned: nobody can guess 256 bits.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::known_peers::KnownPeers;
use crate::networks::network;

/// Debts of accounts and networks.
#[derive(Debug)]
pub(crate) struct GuessLimits {
    debts: Mutex<Debts>,
    /// Networks from which a credential was right are not held to what others have tried at an account.
    known_peers: Arc<KnownPeers>,
}

#[derive(Debug)]
struct Debts {
    /// Of one account from one network: 20 at once, then one each 3 seconds.
    pairs: Meter<(IpAddr, Box<str>)>,
    /// Of one account from everywhere: 200 at once, then one each second.
    accounts: Meter<Box<str>>,
    /// Of one network at all accounts: as many.
    networks: Meter<IpAddr>,
}

impl GuessLimits {
    /// Limits without any debt.
    pub(crate) fn new(known_peers: Arc<KnownPeers>) -> Self {
        let debts = Debts {
            pairs: Meter::new(Duration::from_secs(3), 20),
            accounts: Meter::new(Duration::from_secs(1), 200),
            networks: Meter::new(Duration::from_secs(1), 200),
        };
        Self { debts: Mutex::new(debts), known_peers }
    }

    /// True where no more guesses are looked at. `peer` is none for clients of this machine, which have shown who they are.
    pub(crate) fn are_reached(&self, account: &str, peer: Option<IpAddr>, now: Duration) -> bool {
        let Some(peer) = peer else { return false };
        let account = key(account);
        let is_known = self.known_peers.contains(peer);
        let debts = self.debts();
        debts.pairs.is_over(&(network(peer), account.clone()), now)
            || !is_known && (debts.accounts.is_over(&account, now) || debts.networks.is_over(&network(peer), now))
    }

    /// Notes a guess that failed.
    pub(crate) fn note_failure(&self, account: &str, peer: Option<IpAddr>, now: Duration) {
        let Some(peer) = peer.map(network) else { return };
        let account = key(account);
        let mut debts = self.debts();
        debts.pairs.add((peer, account.clone()), now);
        debts.accounts.add(account, now);
        debts.networks.add(peer, now);
    }

    fn debts(&self) -> MutexGuard<'_, Debts> {
        self.debts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Name under which an account is counted, whether or not there is one. No role has a longer name.
fn key(account: &str) -> Box<str> {
    account.chars().take(NAME_CHARACTERS_MAX).collect::<String>().into()
}

/// Debts of keys of one kind. At most [`KEYS_MAX`] are remembered.
#[derive(Debug)]
struct Meter<K> {
    /// Time that pays for one guess.
    cost: Duration,
    /// Debt from which on nothing more is looked at.
    debt_max: Duration,
    /// Moment at which the debt of each key is paid off.
    paid_at: BTreeMap<K, Duration>,
}

impl<K: Ord + Clone> Meter<K> {
    fn new(cost: Duration, guesses_max: u32) -> Self {
        Self { cost, debt_max: cost * guesses_max, paid_at: BTreeMap::new() }
    }

    fn is_over(&self, key: &K, now: Duration) -> bool {
        self.paid_at.get(key).is_some_and(|paid_at| paid_at.saturating_sub(now) >= self.debt_max)
    }

    fn add(&mut self, key: K, now: Duration) {
        if self.paid_at.len() >= KEYS_MAX && !self.paid_at.contains_key(&key) {
            self.paid_at.retain(|_, paid_at| *paid_at > now);
            // All of them owe something: the one that owes least is forgotten.
            if self.paid_at.len() >= KEYS_MAX
                && let Some(least) =
                    self.paid_at.iter().min_by_key(|(_, paid_at)| **paid_at).map(|(key, _)| key.clone())
            {
                self.paid_at.remove(&least);
            }
        }
        let paid_at = self.paid_at.entry(key).or_insert(now);
        *paid_at = (*paid_at).max(now) + self.cost;
    }
}

/// Keys of one kind that are remembered.
const KEYS_MAX: usize = 4_096;
/// Characters of a name that are remembered.
const NAME_CHARACTERS_MAX: usize = 63;

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(last: u8) -> Option<IpAddr> {
        Some(IpAddr::from([192, 0, 2, last]))
    }

    #[test]
    fn guesses_of_one_network_at_one_account_end_and_begin_again_with_time_and_others_go_on() {
        let limits = GuessLimits::new(Arc::default());
        let now = Duration::from_secs(100);
        for guess in 0..20 {
            assert!(!limits.are_reached("admin", peer(1), now), "{guess}");
            limits.note_failure("admin", peer(1), now);
        }
        assert!(limits.are_reached("admin", peer(1), now));
        assert!(!limits.are_reached("grafana", peer(1), now) && !limits.are_reached("admin", peer(2), now));
        assert!(!limits.are_reached("admin", None, now), "a client of this machine is no stranger");
        assert!(!limits.are_reached("admin", peer(1), now + Duration::from_secs(3)), "one more may be tried");
        limits.note_failure("admin", peer(1), now + Duration::from_secs(3));
        assert!(limits.are_reached("admin", peer(1), now + Duration::from_secs(3)));
    }

    #[test]
    fn guesses_of_many_networks_at_one_account_end_but_for_networks_that_are_known() {
        let known = Arc::<KnownPeers>::default();
        let limits = GuessLimits::new(Arc::clone(&known));
        let now = Duration::from_secs(100);
        for guess in 0..200u8 {
            assert!(!limits.are_reached("admin", peer(guess), now));
            limits.note_failure("admin", peer(guess), now);
        }
        assert!(limits.are_reached("admin", peer(250), now));
        known.insert(IpAddr::from([192, 0, 2, 250]));
        assert!(!limits.are_reached("admin", peer(250), now));
        assert!(!limits.are_reached("grafana", peer(251), now));
    }

    #[test]
    fn guesses_of_one_network_at_many_accounts_end_and_memory_is_bounded() {
        let limits = GuessLimits::new(Arc::default());
        let now = Duration::from_secs(100);
        for guess in 0..10_000 {
            limits.note_failure(&format!("user-{guess}"), peer(1), now);
        }
        assert!(limits.are_reached("somebody", peer(1), now));
        let debts = limits.debts();
        assert!(debts.pairs.paid_at.len() <= KEYS_MAX && debts.accounts.paid_at.len() <= KEYS_MAX);
    }
}
