//! Keys of requests: which unsequenced requests have been stored, so that one that comes again is not stored again.
//! Pure state, the same whether it is fed by the network or by a replay of the WAL.
//!
//! A key is a gateway's own word for one request, kept as its 128-bit hash. It is remembered for a time and up to a
//! count ([`KeyLimits`]); the oldest go first. The key stands in the same block of the WAL as the request's batches,
//! and at the beginning of each new segment, as the sequence numbers of streams do.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use zonelake_schemas::GatewayId;

use crate::shard::record::header::{GatewayKeysHeader, KeyHeader};

/// A request by the key that its gateway gave it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestKey {
    /// Gateway that gave the key.
    pub gateway: GatewayId,
    /// Hash of the key.
    pub key: u128,
    /// Digest of what was sent.
    pub digest: u64,
}

/// Limits of the keys that are remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyLimits {
    /// Keys of one gateway.
    pub per_gateway_max: usize,
    /// Time since the request was stored.
    pub age_max: Duration,
}

impl Default for KeyLimits {
    fn default() -> Self {
        Self { per_gateway_max: 10_000, age_max: Duration::from_secs(86_400) }
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

/// Keys of all gateways of one shard.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Keys {
    gateways: BTreeMap<GatewayId, KeysOfGateway>,
    count: usize,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct KeysOfGateway {
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
        let known = self.gateways.get(&request.gateway).and_then(|keys| keys.known.get(&request.key));
        match known.filter(|known| !is_old(known.at_us, limits, now_us)) {
            None => KeyCheck::New,
            Some(known) if known.digest == request.digest => KeyCheck::Repeated,
            Some(_) => KeyCheck::OtherContent,
        }
    }

    /// Takes in a request that was stored at `at_us`, and forgets what is beyond the limits.
    pub(crate) fn remember(&mut self, request: &RequestKey, limits: &KeyLimits, at_us: i64) {
        self.insert(request, at_us);
        let keys = self.gateways.get_mut(&request.gateway).expect("the key was just inserted");
        while keys.known.len() > limits.per_gateway_max || keys.oldest_us().is_some_and(|at| is_old(at, limits, at_us))
        {
            keys.forget_oldest();
            self.count -= 1;
        }
        // The gateway with the most keys pays, so that one that floods does not push out the keys of others.
        while self.count > KEYS_MAX {
            let most = self.gateways.values_mut().max_by_key(|keys| keys.known.len()).expect("there are keys");
            most.forget_oldest();
            self.count -= 1;
        }
    }

    /// Takes in a request from the WAL, which holds nothing that was beyond the limits when it was written.
    pub(crate) fn replay(&mut self, request: &RequestKey, at_us: i64) {
        self.insert(request, at_us);
    }

    /// Takes over a state from the WAL, which replaces what is known.
    pub(crate) fn restore(&mut self, headers: &[GatewayKeysHeader]) {
        *self = Self::default();
        for (gateway, key) in
            headers.iter().flat_map(|header| header.keys.iter().map(|key| (GatewayId(header.gateway), key)))
        {
            let request = RequestKey { gateway, key: key.key(), digest: key.digest };
            self.insert(&request, key.at_us);
        }
    }

    /// The state as the WAL holds it, of the gateways that `keep` wants.
    pub(crate) fn headers(&self, keep: impl Fn(GatewayId) -> bool) -> Vec<GatewayKeysHeader> {
        let kept = self.gateways.iter().filter(|(id, keys)| keep(**id) && !keys.order.is_empty());
        kept.map(|(id, keys)| GatewayKeysHeader {
            gateway: id.0,
            keys: keys
                .order
                .iter()
                .filter_map(|key| Some(KeyHeader::new(*key, keys.known.get(key)?.digest, keys.known.get(key)?.at_us)))
                .collect(),
        })
        .collect()
    }

    /// Adds the keys of another shard; no gateway is in both.
    pub(crate) fn merge(&mut self, other: Self) {
        self.count += other.count;
        self.gateways.extend(other.gateways);
    }

    fn insert(&mut self, request: &RequestKey, at_us: i64) {
        let keys = self.gateways.entry(request.gateway).or_default();
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

impl KeysOfGateway {
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

/// Keys that one shard remembers of all its gateways, about 4 MB at the beginning of each segment of its WAL. Beyond it
/// the gateway that has the most forgets its oldest.
pub(crate) const KEYS_MAX: usize = 100_000;

#[cfg(test)]
#[expect(clippy::cast_possible_truncation, reason = "keys are small numbers here")]
mod tests {
    use super::*;

    const LIMITS: KeyLimits = KeyLimits { per_gateway_max: 3, age_max: Duration::from_secs(60) };

    fn request(gateway: u32, key: u128, digest: u64) -> RequestKey {
        RequestKey { gateway: GatewayId(gateway), key, digest }
    }

    #[test]
    fn a_key_counts_for_its_gateway_and_its_content() {
        let mut keys = Keys::default();
        assert_eq!(keys.classify(&request(1, 7, 1), &LIMITS, 0), KeyCheck::New);
        keys.remember(&request(1, 7, 1), &LIMITS, 0);
        assert_eq!(keys.classify(&request(1, 7, 1), &LIMITS, 0), KeyCheck::Repeated);
        assert_eq!(keys.classify(&request(1, 7, 2), &LIMITS, 0), KeyCheck::OtherContent);
        assert_eq!(keys.classify(&request(2, 7, 2), &LIMITS, 0), KeyCheck::New);
        assert_eq!(keys.classify(&request(1, 8, 1), &LIMITS, 0), KeyCheck::New);
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
        assert_eq!((keys.gateways[&GatewayId(1)].order.len(), keys.count), (1, 2));
    }

    #[test]
    fn in_all_no_more_are_kept_than_the_log_can_carry() {
        let mut keys = Keys::default();
        let wide = KeyLimits { per_gateway_max: usize::MAX, ..LIMITS };
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
    fn state_survives_the_way_through_the_log() {
        let mut keys = Keys::default();
        for key in 0..3 {
            keys.remember(&request(1, key << 100, key as u64), &LIMITS, key as i64);
            keys.remember(&request(2, key, 1), &LIMITS, key as i64);
        }
        let mut restored = Keys::default();
        restored.remember(&request(3, 1, 1), &LIMITS, 0);
        restored.restore(&keys.headers(|_| true));
        assert_eq!(restored, keys);
        let only_one = keys.headers(|gateway| gateway == GatewayId(2));
        assert_eq!((only_one.len(), only_one[0].keys.len()), (1, 3));
    }
}
