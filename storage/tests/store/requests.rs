//! Requests under a key: stored as a whole and once, through a restart, the end of their segment of the log, and a
//! change of the shard count.

use std::sync::atomic::Ordering;
use std::time::Duration;

use zonelake_schemas::{GatewayId, Principal};
use zonelake_storage::shard_key_of;
use zonelake_storage::{Entry, KeyLimits, Outcome, RequestKey, SequenceCheck, shard_for};

use crate::made::{Folder, Opened, entry, once};

fn request(gateway: u32, key: u128, digest: u64) -> RequestKey {
    RequestKey { principal: Principal::Gateway(GatewayId(gateway)), key, digest }
}

impl Opened {
    fn request(&mut self, request: &RequestKey, batches: &[&[f64]]) -> Outcome {
        let entries: Vec<Entry> = batches
            .iter()
            .map(|values| Entry { sequenced: None, principal: request.principal, ..entry(self.air(), 1, 1, values) })
            .collect();
        let shards = u16::try_from(self.shards.len()).unwrap();
        let shard = usize::from(shard_for(shard_key_of(request.principal), shards).0);
        self.shards[shard].append_request(request, &entries).unwrap()
    }
}

#[tokio::test]
async fn a_request_is_stored_once_through_restarts_and_any_change_of_the_shard_count() {
    let mut folder = Folder::new();
    for (round, shards) in [1u16, 3, 2, 2, 1].into_iter().enumerate() {
        folder.shards = shards;
        let mut opened = folder.open().await;
        assert_eq!(opened.values(), once(0..round as i64 * 6));
        for gateway in 1..=3 {
            for known in 0..round as u128 {
                assert_eq!(opened.request(&request(gateway, known, 5), &[&[-1.0]]), Outcome::Repeated);
                let other = opened.request(&request(gateway, known, 6), &[&[-1.0]]);
                assert_eq!(other, Outcome::Refused(SequenceCheck::OtherContent));
            }
            let first = (round as u32 * 6 + (gateway - 1) * 2) as f64;
            let new = request(gateway, round as u128, 5);
            assert_eq!(opened.request(&new, &[&[first], &[first + 1.0]]), Outcome::Stored);
            assert_eq!(opened.request(&new, &[&[first], &[first + 1.0]]), Outcome::Repeated);
        }
        if round % 2 == 0 {
            opened.store.flush_all().await.unwrap();
        }
    }
}

#[tokio::test]
async fn requests_of_one_group_are_each_stored_once_and_known_after_a_restart() {
    let folder = Folder::new();
    let mut opened = folder.open().await;
    let of = |opened: &Opened, value: f64| vec![Entry { sequenced: None, ..entry(opened.air(), 1, 1, &[value]) }];
    let (one, two, batch) = (of(&opened, 0.0), of(&opened, 1.0), of(&opened, 2.0));
    let (known, other) = (request(1, 1, 5), request(1, 1, 6));
    let group = [(known, one.as_slice()), (request(2, 1, 5), &two), (known, &one), (other, &one)];
    let outcomes = opened.shards[0].append_group(&batch, &group).unwrap();
    assert_eq!(outcomes.batches, [Outcome::Stored]);
    let refused = Outcome::Refused(SequenceCheck::OtherContent);
    assert_eq!(outcomes.requests, [Outcome::Stored, Outcome::Stored, Outcome::Repeated, refused]);
    assert_eq!(opened.values(), once(0..3));
    drop(opened);

    let mut opened = folder.open().await;
    assert_eq!(opened.values(), once(0..3));
    let outcomes = opened.shards[0].append_group(&[], &group).unwrap();
    assert_eq!(outcomes.requests, [Outcome::Repeated, Outcome::Repeated, Outcome::Repeated, refused]);
    assert_eq!(opened.values(), once(0..3));
}

#[tokio::test]
async fn keys_outlive_the_segment_of_the_log_that_their_request_was_in() {
    let folder = Folder::new();
    let mut opened = folder.open().await;
    let kept = request(1, 1 << 100, 5);
    assert_eq!(opened.request(&kept, &[&[0.0]]), Outcome::Stored);
    let wide = vec![7.0; 20_000];
    for number in 1..=12 {
        opened.append(1, number, &wide);
        opened.store.flush_all().await.unwrap();
        opened.shards[0].release().unwrap();
    }
    assert!(opened.shards[0].log_bytes() < 4 << 20, "its segment has gone");
    drop(opened);
    let mut opened = folder.open().await;
    assert_eq!(opened.request(&kept, &[&[0.0]]), Outcome::Repeated);
    assert_eq!(opened.values()[&0], 1);
}

#[tokio::test]
async fn a_key_is_forgotten_after_its_time_and_beyond_its_count() {
    let folder = Folder::new();
    let mut opened = folder.open().await;
    opened.shards[0].limit_keys(KeyLimits { per_principal_max: 2, age_max: Duration::from_secs(60) });
    for key in 0..3 {
        assert_eq!(opened.request(&request(1, key, 5), &[&[key as f64]]), Outcome::Stored);
    }
    assert_eq!(opened.request(&request(1, 2, 5), &[&[2.0]]), Outcome::Repeated);
    assert_eq!(opened.request(&request(1, 0, 5), &[&[3.0]]), Outcome::Stored, "two are remembered");
    folder.clock.wall_us.fetch_add(61_000_000, Ordering::SeqCst);
    assert_eq!(opened.request(&request(1, 2, 5), &[&[4.0]]), Outcome::Stored, "a minute has passed");
    assert_eq!(opened.values(), once(0..5));
}
