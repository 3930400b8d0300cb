//! Keys of requests: which unsequenced requests have been stored, so that one that comes again is not stored again.
//! Pure state, the same whether it is fed by the network or by a replay of the WAL.
//!
//! A key is a principal's own word for one request, kept as its 128-bit hash. It is remembered for a time and up to a
//! count ([`KeyLimits`]); the oldest go first. The key stands in the same block of the WAL as the request's batches,
//! and in the shard's checkpoint, as the sequence numbers of streams do.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;

use zonelake_schemas::Principal;

use crate::shard::record::header::{KeyHeader, KeysHeader};

/// A request by the key that its principal gave it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestKey {
    /// Who gave the key.
    pub principal: Principal,
    /// Hash of the key.
    pub key: u128,
    /// Digest of what was sent.
    pub digest: u64,
}

/// Limits of the keys that are remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyLimits {
    /// Keys of one principal.
    pub per_principal_max: usize,
    /// Time since the request was stored.
    pub age_max: Duration,
}

impl Default for KeyLimits {
    fn default() -> Self {
        Self { per_principal_max: 10_000, age_max: Duration::from_secs(86_400) }
    }
}

/// Result of checking a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyCheck {
    /// The request is new: store it.
    New,
    /// The request is stored already.
    Repeated,
    /// The key was used for other content.
    OtherContent,
}

/// Keys of all principals of one shard.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Keys {
    principals: BTreeMap<Principal, KeysOfPrincipal>,
    count: usize,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct KeysOfPrincipal {
    known: BTreeMap<u128, Known>,
    /// Keys in the order in which they came.
    order: VecDeque<u128>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Known {
    digest: u64,
    at_us: i64,
}

impl Keys {
    /// Checks a request that comes at `now_us`.
    pub(crate) fn classify(&self, request: &RequestKey, limits: &KeyLimits, now_us: i64) -> KeyCheck {
        let known = self.principals.get(&request.principal).and_then(|keys| keys.known.get(&request.key));
        match known.filter(|known| !is_old(known.at_us, limits, now_us)) {
            None => KeyCheck::New,
            Some(known) if known.digest == request.digest => KeyCheck::Repeated,
            Some(_) => KeyCheck::OtherContent,
        }
    }

    /// Takes in a request that was stored at `at_us`, and forgets what is beyond the limits.
    pub(crate) fn remember(&mut self, request: &RequestKey, limits: &KeyLimits, at_us: i64) {
        self.insert(request, at_us);
        let keys = self.principals.get_mut(&request.principal).expect("the key was just inserted");
        while keys.known.len() > limits.per_principal_max
            || keys.oldest_us().is_some_and(|at| is_old(at, limits, at_us))
        {
            keys.forget_oldest();
            self.count -= 1;
        }
        // The principal with the most keys pays, so that one that floods does not push out the keys of others.
        while self.count > KEYS_MAX {
            let most = self.principals.values_mut().max_by_key(|keys| keys.known.len()).expect("there are keys");
            most.forget_oldest();
            self.count -= 1;
        }
    }

    /// Takes in a request from the WAL, which holds nothing that was beyond the limits when it was written.
    pub(crate) fn replay(&mut self, request: &RequestKey, at_us: i64) {
        self.insert(request, at_us);
    }

    /// Takes over a state from the WAL or its checkpoint, which replaces what is known.
    pub(crate) fn restore(&mut self, headers: &[KeysHeader]) {
        *self = Self::default();
        for (principal, key) in
            headers.iter().flat_map(|header| header.keys.iter().map(|key| (header.principal(), key)))
        {
            let request = RequestKey { principal, key: key.key(), digest: key.digest };
            self.insert(&request, key.at_us);
        }
    }

    /// The state as the checkpoint holds it, of the principals that `keep` wants.
    pub(crate) fn headers(&self, keep: impl Fn(Principal) -> bool) -> Vec<KeysHeader> {
        let kept = self.principals.iter().filter(|(id, keys)| keep(**id) && !keys.order.is_empty());
        kept.map(|(id, keys)| {
            let known = keys.order.iter().filter_map(|key| Some((key, keys.known.get(key)?)));
            KeysHeader::new(*id, known.map(|(key, known)| KeyHeader::new(*key, known.digest, known.at_us)).collect())
        })
        .collect()
    }

    /// Adds the keys of another shard; no principal is in both.
    pub(crate) fn merge(&mut self, other: Self) {
        self.count += other.count;
        self.principals.extend(other.principals);
    }

    fn insert(&mut self, request: &RequestKey, at_us: i64) {
        let keys = self.principals.entry(request.principal).or_default();
        let known = Known { digest: request.digest, at_us };
        if keys.known.insert(request.key, known).is_some() {
            // The key was too old to count and is used again: it moves to the newest end.
            keys.order.retain(|key| *key != request.key);
            self.count -= 1;
        }
        keys.order.push_back(request.key);
        self.count += 1;
    }
}

/// The requests that a group takes in once it is durable; they count for those behind them in the group.
#[derive(Debug, Default)]
pub(crate) struct GroupKeys {
    taken: Vec<RequestKey>,
    digests: HashMap<(Principal, u128), u64>,
}

impl GroupKeys {
    /// Checks a request behind those that were taken; a new one is taken too.
    pub(crate) fn classify(&mut self, keys: &Keys, request: &RequestKey, limits: &KeyLimits, now_us: i64) -> KeyCheck {
        match self.digests.get(&(request.principal, request.key)) {
            Some(digest) if *digest == request.digest => return KeyCheck::Repeated,
            Some(_) => return KeyCheck::OtherContent,
            None => {}
        }
        let check = keys.classify(request, limits, now_us);
        if check == KeyCheck::New {
            self.digests.insert((request.principal, request.key), request.digest);
            self.taken.push(*request);
        }
        check
    }

    /// The requests that were taken, in order.
    pub(crate) fn taken(&self) -> impl Iterator<Item = &RequestKey> {
        self.taken.iter()
    }

    /// Makes the requests part of the state, once they are durable.
    pub(crate) fn apply(self, keys: &mut Keys, limits: &KeyLimits, at_us: i64) {
        self.taken.iter().for_each(|request| keys.remember(request, limits, at_us));
    }
}

impl KeysOfPrincipal {
    fn oldest_us(&self) -> Option<i64> {
        self.known.get(self.order.front()?).map(|known| known.at_us)
    }

    fn forget_oldest(&mut self) {
        if let Some(key) = self.order.pop_front() {
            self.known.remove(&key);
        }
    }
}

fn is_old(at_us: i64, limits: &KeyLimits, now_us: i64) -> bool {
    let age_us = i64::try_from(limits.age_max.as_micros()).unwrap_or(i64::MAX);
    now_us.saturating_sub(at_us) > age_us
}

/// Keys that one shard remembers of all its principals, about 4 MB of its checkpoint. Beyond it the principal that has the
/// most forgets its oldest.
pub(crate) const KEYS_MAX: usize = 100_000;

#[cfg(test)]
#[expect(clippy::cast_possible_truncation, reason = "keys are small numbers here")]
mod tests {
    use zonelake_schemas::{GatewayId, RoleId};

    use super::*;

    const LIMITS: KeyLimits = KeyLimits { per_principal_max: 3, age_max: Duration::from_secs(60) };

    fn gateway(id: u32) -> Principal {
        Principal::Gateway(GatewayId(id))
    }

    fn request(id: u32, key: u128, digest: u64) -> RequestKey {
        RequestKey { principal: gateway(id), key, digest }
    }

    #[test]
    fn a_key_counts_for_its_principal_and_its_content() {
        let mut keys = Keys::default();
        assert_eq!(keys.classify(&request(1, 7, 1), &LIMITS, 0), KeyCheck::New);
        keys.remember(&request(1, 7, 1), &LIMITS, 0);
        assert_eq!(keys.classify(&request(1, 7, 1), &LIMITS, 0), KeyCheck::Repeated);
        assert_eq!(keys.classify(&request(1, 7, 2), &LIMITS, 0), KeyCheck::OtherContent);
        assert_eq!(keys.classify(&request(2, 7, 2), &LIMITS, 0), KeyCheck::New);
        assert_eq!(keys.classify(&request(1, 8, 1), &LIMITS, 0), KeyCheck::New);
        let role = RequestKey { principal: Principal::Role(RoleId(1)), key: 7, digest: 2 };
        assert_eq!(keys.classify(&role, &LIMITS, 0), KeyCheck::New, "a role of the same number is another");
    }

    #[test]
    fn keys_are_forgotten_by_age_and_by_count_the_oldest_first() {
        let mut keys = Keys::default();
        for key in 0..4 {
            keys.remember(&request(1, key, 1), &LIMITS, key as i64);
        }
        keys.remember(&request(2, 9, 1), &LIMITS, 0);
        assert_eq!(keys.classify(&request(1, 0, 1), &LIMITS, 4), KeyCheck::New, "three are kept");
        assert_eq!(keys.classify(&request(1, 1, 1), &LIMITS, 4), KeyCheck::Repeated);
        assert_eq!(keys.classify(&request(2, 9, 1), &LIMITS, 4), KeyCheck::Repeated, "another's keys push none out");
        let later = 61_000_000;
        assert_eq!(keys.classify(&request(1, 3, 1), &LIMITS, later), KeyCheck::New);
        keys.remember(&request(1, 3, 5), &LIMITS, later);
        assert_eq!(keys.classify(&request(1, 3, 5), &LIMITS, later), KeyCheck::Repeated);
        assert_eq!((keys.principals[&gateway(1)].order.len(), keys.count), (1, 2));
    }

    #[test]
    fn in_all_no_more_are_kept_than_the_checkpoint_can_carry() {
        let mut keys = Keys::default();
        let wide = KeyLimits { per_principal_max: usize::MAX, ..LIMITS };
        keys.remember(&request(2, 1, 1), &wide, 0);
        for key in 0..KEYS_MAX as u128 + 50 {
            keys.remember(&request(1, key, 1), &wide, 0);
        }
        assert_eq!(keys.count, KEYS_MAX);
        assert_eq!(keys.classify(&request(2, 1, 1), &wide, 0), KeyCheck::Repeated);
        assert_eq!(keys.classify(&request(1, 50, 1), &wide, 0), KeyCheck::New);
        assert_eq!(keys.classify(&request(1, 51, 1), &wide, 0), KeyCheck::Repeated);
    }

    #[test]
    fn a_request_counts_for_those_behind_it_in_its_group_and_changes_nothing_before_the_group_is_applied() {
        let mut keys = Keys::default();
        keys.remember(&request(1, 1, 1), &LIMITS, 0);
        let before = keys.clone();
        let mut group = GroupKeys::default();
        assert_eq!(group.classify(&keys, &request(1, 1, 1), &LIMITS, 0), KeyCheck::Repeated);
        assert_eq!(group.classify(&keys, &request(1, 2, 1), &LIMITS, 0), KeyCheck::New);
        assert_eq!(group.classify(&keys, &request(1, 2, 1), &LIMITS, 0), KeyCheck::Repeated);
        assert_eq!(group.classify(&keys, &request(1, 2, 9), &LIMITS, 0), KeyCheck::OtherContent);
        assert_eq!(group.classify(&keys, &request(2, 2, 9), &LIMITS, 0), KeyCheck::New);
        assert_eq!(keys, before);
        assert_eq!(group.taken().count(), 2);
        group.apply(&mut keys, &LIMITS, 0);
        assert_eq!(keys.classify(&request(2, 2, 9), &LIMITS, 0), KeyCheck::Repeated);
    }

    #[test]
    fn state_survives_the_way_through_the_checkpoint() {
        let mut keys = Keys::default();
        for key in 0..3 {
            keys.remember(&request(1, key << 100, key as u64), &LIMITS, key as i64);
            keys.remember(&request(2, key, 1), &LIMITS, key as i64);
        }
        keys.remember(&RequestKey { principal: Principal::Role(RoleId(2)), key: 1, digest: 1 }, &LIMITS, 0);
        let mut restored = Keys::default();
        restored.remember(&request(3, 1, 1), &LIMITS, 0);
        restored.restore(&keys.headers(|_| true));
        assert_eq!(restored, keys);
        let only_one = keys.headers(|principal| principal == gateway(2));
        assert_eq!((only_one.len(), only_one[0].keys.len()), (1, 3));
    }
}
