//! Several shards, and a change of their number.

use zonelake_schemas::{BatchNumber, ProducerId, ShardId};
use zonelake_storage::{Outcome, SequenceCheck, shard_for};

use crate::made::{Folder, once};

#[tokio::test]
async fn rows_and_numbers_survive_any_change_of_the_shard_count() {
    let mut folder = Folder::new();
    let mut values = 0..;
    let mut next = || values.next().unwrap();
    for (round, shards) in [1, 3, 2, 2, 4, 1].into_iter().enumerate() {
        folder.shards = shards;
        let mut opened = folder.open().await;
        assert_eq!(opened.shards.len(), usize::from(shards));
        assert_eq!(opened.values(), once(0..round as i64 * 5));
        let number = round as u64 + 1;
        for producer in 1..=5 {
            let value = next() as f64;
            assert_eq!(
                opened.append(producer, number + 1, &[value]),
                Outcome::Refused(SequenceCheck::Gap { expected: BatchNumber(number) })
            );
            assert_eq!(opened.append(producer, number, &[value]), Outcome::Stored);
            assert_eq!(opened.append(producer, number, &[value]), Outcome::Repeated);
        }
        if round % 2 == 0 {
            opened.store.flush_all().await.unwrap();
        }
    }
}

#[test]
fn a_producer_always_goes_to_the_same_shard() {
    for producer in 0..100 {
        let shard = shard_for(ProducerId(producer), 3);
        assert!(shard < ShardId(3));
        assert_eq!(shard, shard_for(ProducerId(producer), 3));
    }
}
