//! What a stop, a crash, and a crash at the worst moment leave behind.

use std::sync::atomic::Ordering;

use zonelake_schemas::{BatchNumber, Epoch, Lane, ProducerId, StreamKey};
use zonelake_storage::{OpenError, Outcome, SequenceCheck};

use crate::made::{Folder, START_US, instants, once};

#[tokio::test]
async fn acknowledged_rows_are_visible_at_once_and_after_a_crash_and_after_a_flush() {
    let folder = Folder::new();
    let mut opened = folder.open().await;
    assert_eq!(opened.append(1, 1, &[1.0, 2.0]), Outcome::Stored);
    assert_eq!(opened.append(1, 2, &[3.0]), Outcome::Stored);
    assert_eq!(opened.values(), once(1..=3));
    drop(opened);

    let opened = folder.open().await;
    assert_eq!(opened.recovered.rows, 3);
    assert_eq!(opened.values(), once(1..=3));
    assert_eq!(opened.store.flush_all().await.unwrap().rows, 3);
    assert_eq!(opened.air().view().live_rows(), 0);
    assert_eq!(opened.values(), once(1..=3));
    drop(opened);

    let mut opened = folder.open().await;
    assert_eq!(opened.recovered.rows, 0, "what is in files is not replayed, although its log is still there");
    assert_eq!(opened.values(), once(1..=3));
    assert_eq!(opened.append(1, 2, &[3.0]), Outcome::Repeated);
    assert_eq!(opened.append(1, 2, &[4.0]), Outcome::Refused(SequenceCheck::OtherContent));
    assert_eq!(opened.append(1, 4, &[4.0]), Outcome::Refused(SequenceCheck::Gap { expected: BatchNumber(3) }));
    assert_eq!(opened.append(1, 3, &[4.0]), Outcome::Stored);
    assert_eq!(opened.values(), once(1..=4));
}

#[tokio::test]
async fn rows_of_a_flush_that_failed_stay_visible_and_the_next_flush_takes_them() {
    let folder = Folder::new();
    let mut opened = folder.open().await;
    opened.append(1, 1, &[1.0]);
    let tables = folder.data().join("tables");
    let away = folder.data().join("away");
    // A file stands where the table's folder should be, so that nothing can be written below it.
    std::fs::rename(tables.join("air"), &away).unwrap();
    std::fs::write(tables.join("air"), "").unwrap();
    assert!(opened.store.flush(opened.air()).await.is_err());
    assert_eq!(opened.air().view().live_rows(), 1);
    opened.append(1, 2, &[2.0]);
    std::fs::remove_file(tables.join("air")).unwrap();
    std::fs::rename(&away, tables.join("air")).unwrap();
    assert_eq!(opened.store.flush_all().await.unwrap().rows, 2);
    assert_eq!(opened.values(), once(1..=2));
    drop(opened);
    assert_eq!(folder.open().await.values(), once(1..=2));
}

#[tokio::test]
async fn segments_go_once_their_rows_are_in_files_and_numbers_survive_them() {
    let folder = Folder::new();
    let mut opened = folder.open().await;
    let many: Vec<f64> = (0..10_000).map(f64::from).collect();
    for number in 1..=40 {
        opened.append(7, number, &many);
    }
    assert!(opened.shards[0].log_bytes() > 4 << 20);
    opened.shards[0].release().unwrap();
    assert!(opened.shards[0].log_bytes() > 4 << 20, "nothing goes that is not in files");
    assert_eq!(opened.shards[0].tables_that_hold_the_wal().len(), 1);
    opened.store.flush_all().await.unwrap();
    opened.shards[0].release().unwrap();
    assert!(opened.shards[0].log_bytes() <= 1 << 20);
    assert!(opened.shards[0].tables_that_hold_the_wal().is_empty());
    drop(opened);

    let mut opened = folder.open().await;
    assert_eq!(opened.recovered.rows, 0);
    assert_eq!(opened.append(7, 40, &many), Outcome::Repeated);
    // Its digest is forgotten: whether it is the same batch cannot be told, so it is neither stored nor called stored.
    let forgotten = opened.append(7, 1, &many);
    assert!(matches!(forgotten, Outcome::Refused(SequenceCheck::Forgotten { .. })), "{forgotten:?}");
    assert_eq!(opened.append(7, 41, &[1e9]), Outcome::Stored);
    assert_eq!(opened.air().view().file_rows(), 400_000);
}

#[tokio::test]
async fn the_time_of_receipt_is_fixed_in_the_log_and_never_goes_back() {
    let folder = Folder::new();
    let mut opened = folder.open().await;
    opened.append(1, 1, &[1.0]);
    folder.clock.wall_us.store(START_US + 5_000_000, Ordering::SeqCst);
    opened.append(1, 2, &[2.0]);
    folder.clock.wall_us.store(START_US - 9_000_000, Ordering::SeqCst);
    opened.append(1, 3, &[3.0]);
    let stamped = vec![START_US, START_US + 5_000_000, START_US + 5_000_000];
    assert_eq!(instants(opened.air(), "ingested_at"), stamped);
    drop(opened);
    let mut opened = folder.open().await;
    assert_eq!(instants(opened.air(), "ingested_at"), stamped, "a replay gives the same instants");
    opened.append(1, 4, &[4.0]);
    assert_eq!(instants(opened.air(), "ingested_at")[3], START_US + 5_000_000, "nor does it go back after a restart");
    opened.store.flush_all().await.unwrap();
    assert_eq!(instants(opened.air(), "ingested_at").len(), 4);
}

#[tokio::test]
async fn a_fence_survives_a_crash() {
    let folder = Folder::new();
    let mut opened = folder.open().await;
    opened.append(1, 1, &[1.0]);
    let stream = StreamKey { table: opened.air().registered.id, lane: Lane::Live };
    let last = opened.shards[0].open_stream(ProducerId(1), Epoch(2), stream).unwrap();
    assert_eq!(last, Ok(BatchNumber(0)));
    drop(opened);
    let mut opened = folder.open().await;
    assert_eq!(opened.shards[0].open_stream(ProducerId(1), Epoch(1), stream).unwrap(), Err(Epoch(2)));
    assert_eq!(opened.append(1, 2, &[2.0]), Outcome::Refused(SequenceCheck::Fenced { epoch: Epoch(2) }));
}

#[tokio::test]
async fn an_epoch_that_was_the_first_to_arrive_fences_earlier_ones_after_a_crash_too() {
    let folder = Folder::new();
    let mut opened = folder.open().await;
    let stream = StreamKey { table: opened.air().registered.id, lane: Lane::Live };
    assert_eq!(opened.shards[0].open_stream(ProducerId(1), Epoch(2), stream).unwrap(), Ok(BatchNumber(0)));
    drop(opened);
    let mut opened = folder.open().await;
    assert_eq!(opened.shards[0].open_stream(ProducerId(1), Epoch(1), stream).unwrap(), Err(Epoch(2)));
}

#[tokio::test]
async fn one_process_alone_has_a_folder_open() {
    let folder = Folder::new();
    let opened = folder.open().await;
    assert!(matches!(folder.try_open().await, Err(OpenError::InUse(_))));
    drop(opened);
    folder.open().await;
}

#[tokio::test]
async fn a_log_that_lacks_segments_is_refused_and_nothing_is_numbered_anew() {
    let folder = Folder::new();
    let mut opened = folder.open().await;
    opened.append(1, 1, &[1.0]);
    opened.store.flush_all().await.unwrap();
    drop(opened);
    std::fs::remove_dir_all(folder.data().join("wal/0001/shard-0000")).unwrap();
    let error = folder.try_open().await.err().expect("the log is gone").to_string();
    assert!(error.contains("segments are missing") && error.contains("air"), "{error}");
}

#[tokio::test]
async fn a_folder_of_another_node_is_refused_by_name_and_nothing_is_doubled() {
    let mut folder = Folder::new();
    let mut opened = folder.open().await;
    opened.append(1, 1, &[1.0]);
    opened.store.flush_all().await.unwrap();
    opened.append(1, 2, &[2.0]);
    drop(opened);
    folder.node = "node-2";
    let error = folder.try_open().await.err().expect("it belongs to another node").to_string();
    assert!(error.contains("node-1") && error.contains("node-2"), "{error}");
    folder.node = "node-1";
    assert_eq!(folder.open().await.values(), once(1..=2));
}
