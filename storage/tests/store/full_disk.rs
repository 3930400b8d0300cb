//! A disk that is full for a while: what was refused is not known, and comes in once there is room.

use std::io::ErrorKind;
use std::sync::Arc;

use zonelake_schemas::{BatchNumber, Epoch, Lane, ProducerId, StreamKey};
use zonelake_storage::{Outcome, SequenceCheck, ShardError};
use zonelake_wal::{MemoryDisk, WalError};

use crate::made::{Folder, Opened, entry, once};

fn last(opened: &Opened, producer: u32) -> BatchNumber {
    let stream = StreamKey { table: opened.air().registered.id, lane: Lane::Live };
    opened.shards[0].streams().last(ProducerId(producer), Epoch(1), stream)
}

#[tokio::test]
async fn a_batch_that_found_no_space_is_not_known_and_is_stored_when_it_comes_again() {
    let disk = MemoryDisk::new(1);
    let folder = Folder { disk: Arc::new(disk.clone()), ..Folder::new() };
    let mut opened = folder.open().await;
    assert_eq!(opened.append(1, 1, &[1.0]), Outcome::Stored);

    disk.fail_write_after(0, ErrorKind::StorageFull);
    let group =
        [entry(opened.air(), 1, 2, &[2.0]), entry(opened.air(), 1, 3, &[3.0]), entry(opened.air(), 2, 1, &[4.0])];
    let refused = opened.shards[0].append(&group);
    assert!(matches!(refused, Err(ShardError::Wal(WalError::NoSpace { .. }))), "{refused:?}");
    assert_eq!((last(&opened, 1), last(&opened, 2)), (BatchNumber(1), BatchNumber(0)));
    assert_eq!(opened.values(), once([1]));

    assert_eq!(opened.append(1, 3, &[3.0]), Outcome::Refused(SequenceCheck::Gap { expected: BatchNumber(2) }));
    assert_eq!(opened.shards[0].append(&group).unwrap(), [Outcome::Stored; 3]);
    assert_eq!(opened.values(), once(1..=4));
    drop(opened);

    let mut opened = folder.open().await;
    assert_eq!((last(&opened, 1), last(&opened, 2)), (BatchNumber(3), BatchNumber(1)));
    assert_eq!(opened.values(), once(1..=4));
    assert_eq!(opened.append(1, 3, &[3.0]), Outcome::Repeated);
}

#[tokio::test]
async fn numbers_stand_where_they_stood_after_a_restart_with_the_disk_still_full() {
    let disk = MemoryDisk::new(2);
    let folder = Folder { disk: Arc::new(disk.clone()), ..Folder::new() };
    let mut opened = folder.open().await;
    opened.append(1, 1, &[1.0]);
    disk.fail_write_after(0, ErrorKind::StorageFull);
    let batch = entry(opened.air(), 1, 2, &[2.0]);
    assert!(opened.shards[0].append(&[batch]).is_err());
    drop(opened);
    let mut opened = folder.open().await;
    assert_eq!(last(&opened, 1), BatchNumber(1));
    assert_eq!(opened.append(1, 2, &[2.0]), Outcome::Stored);
    assert_eq!(opened.values(), once(1..=2));
}
