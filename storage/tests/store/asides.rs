//! A table that cannot be flushed while the WAL has a bound: its records are set aside, and none is lost or double whatever breaks.

use std::collections::BTreeMap;
use std::sync::Arc;

use zonelake_schemas::{Lsn, ShardNumber};
use zonelake_storage::{Outcome, Table};
use zonelake_wal::{Disk, MemoryDisk, aside_file, inspect};

use crate::made::{Folder, Opened, instants, once};

/// Rows of a batch: some thirteen batches fill a segment of 64 KiB.
const ROWS: i64 = 200;

fn folder(disk: &MemoryDisk) -> Folder {
    Folder { disk: Arc::new(disk.clone()), segment_bytes: 64 << 10, ..Folder::new() }
}

/// Appends these batches, each with values of its own.
fn append(opened: &mut Opened, numbers: std::ops::RangeInclusive<u64>) {
    for number in numbers {
        let first = number as i64 * ROWS;
        let values: Vec<f64> = (first..first + ROWS).map(|value| value as f64).collect();
        assert_eq!(opened.append(1, number, &values), Outcome::Stored);
    }
}

/// The values of these batches, each once.
fn values(last: u64) -> BTreeMap<i64, usize> {
    once(ROWS..(last as i64 + 1) * ROWS)
}

/// The identity of every record in memory.
fn identities(table: &Table) -> Vec<(ShardNumber, Lsn, u32)> {
    let view = table.view();
    let chunks = view.chunks().flat_map(|chunk| chunk.origins.iter().map(|it| (chunk.shard_number, it.lsn, it.rows)));
    chunks.collect()
}

fn wal_files(disk: &MemoryDisk, folder: &Folder) -> Vec<String> {
    let entries = disk.list(&folder.data().join("wal/0001/shard-0000")).unwrap();
    entries.into_iter().map(|entry| entry.name).collect()
}

#[tokio::test]
async fn what_is_set_aside_lets_segments_go_and_is_there_after_a_restart_with_its_identity() {
    let disk = MemoryDisk::new(1);
    let folder = folder(&disk);
    let mut opened = folder.open().await;
    append(&mut opened, 1..=80);
    let (before, segments) = (opened.shards[0].log_bytes(), wal_files(&disk, &folder).len());
    assert!(before > 256 << 10, "{before}");
    while opened.shards[0].set_aside_oldest().unwrap() {}
    opened.shards[0].release().unwrap();
    assert!(opened.shards[0].log_bytes() <= 64 << 10, "the current segment is left");
    assert!(opened.shards[0].set_aside_bytes() > 0 && wal_files(&disk, &folder).len() > segments / 2);
    assert!(!opened.shards[0].set_aside_oldest().unwrap(), "there is nothing more");
    append(&mut opened, 81..=90);
    assert_eq!(opened.values(), values(90));
    let (seen, stamps) = (identities(opened.air()), instants(opened.air(), "ingested_at"));
    drop(opened);

    let mut opened = folder.open().await;
    assert_eq!(opened.values(), values(90));
    assert_eq!(instants(opened.air(), "ingested_at"), stamps);
    let again: Vec<_> = identities(opened.air());
    assert_eq!(again, seen);
    assert_eq!(opened.append(1, 80, &[0.0]), Outcome::Refused(zonelake_storage::SequenceCheck::OtherContent));

    // Once its rows are in files, nothing is left of it.
    opened.store.flush_all().await.unwrap();
    opened.shards[0].release().unwrap();
    assert_eq!(opened.shards[0].set_aside_bytes(), 0);
    assert!(wal_files(&disk, &folder).iter().all(|name| !name.starts_with("aside")));
    drop(opened);
    let opened = folder.open().await;
    assert_eq!(opened.values(), values(90));
    assert_eq!(opened.recovered.rows, 0);
}

#[tokio::test]
async fn a_part_of_what_is_set_aside_may_be_in_files_already() {
    let disk = MemoryDisk::new(1);
    let folder = folder(&disk);
    let mut opened = folder.open().await;
    // Several flushes of 1 MiB.
    append(&mut opened, 1..=400);
    while opened.shards[0].set_aside_oldest().unwrap() {}
    opened.shards[0].release().unwrap();
    let air = Arc::clone(opened.air());
    assert!(opened.store.flush(&air).await.unwrap().rows > 0);
    let set_aside = opened.shards[0].set_aside_bytes();
    opened.shards[0].release().unwrap();
    let left = opened.shards[0].set_aside_bytes();
    assert!(0 < left && left < set_aside, "some files go with the first flush: {left} of {set_aside}");
    drop((opened, air));
    let mut opened = folder.open().await;
    assert_eq!(opened.values(), values(400));
    append(&mut opened, 401..=402);
    opened.store.flush_all().await.unwrap();
    opened.shards[0].release().unwrap();
    drop(opened);
    assert_eq!(folder.open().await.values(), values(402));
}

#[tokio::test]
async fn a_loss_of_power_at_any_moment_of_it_loses_and_doubles_nothing() {
    for after in 0..40 {
        let disk = MemoryDisk::new(after);
        let folder = folder(&disk);
        let mut opened = folder.open().await;
        append(&mut opened, 1..=60);
        disk.cut_power_after(after);
        let mut broken = false;
        for _ in 0..2 {
            broken |= opened.shards[0].set_aside_oldest().is_err();
            broken |= opened.shards[0].release().is_err();
        }
        disk.cut_power();
        drop(opened);
        disk.restore_power();
        let mut opened = folder.open().await;
        assert_eq!(opened.values(), values(60), "after {after}");
        append(&mut opened, 61..=62);
        opened.store.flush_all().await.unwrap();
        // What was set aside goes, and the power with it.
        disk.cut_power_after(after);
        broken |= opened.shards[0].release().is_err();
        disk.cut_power();
        drop(opened);
        disk.restore_power();
        let opened = folder.open().await;
        assert_eq!(opened.values(), values(62), "after {after}");
        assert!(broken || after > 4, "the power goes in the midst of it");
    }
}

#[tokio::test]
async fn a_table_of_which_as_much_is_set_aside_as_the_bound_of_the_wal_is_full_until_it_is_flushed() {
    let disk = MemoryDisk::new(1);
    let folder = folder(&disk);
    let mut opened = folder.open().await;
    let mut number = 0;
    let mut fill = |opened: &mut Opened| {
        append(opened, number + 1..=number + 100);
        number += 100;
        while opened.shards[0].set_aside_oldest().unwrap() {}
        opened.shards[0].release().unwrap();
    };
    fill(&mut opened);
    let air = Arc::clone(opened.air());
    assert!(!opened.shards[0].is_full(&air));
    while opened.shards[0].set_aside_bytes() <= 9 << 20 {
        fill(&mut opened);
    }
    assert!(opened.shards[0].is_full(&air));
    assert!(!opened.shards[0].is_full(opened.store.rejected()), "no other table is");
    opened.store.flush_all().await.unwrap();
    assert!(!opened.shards[0].is_full(&air), "before the files of it are gone");
}

#[tokio::test]
async fn a_file_of_what_is_set_aside_that_is_missing_or_damaged_is_named_and_one_that_is_left_over_is_removed() {
    let disk = MemoryDisk::new(1);
    let folder = folder(&disk);
    let mut opened = folder.open().await;
    append(&mut opened, 1..=40);
    assert!(opened.shards[0].set_aside_oldest().unwrap());
    opened.shards[0].release().unwrap();
    drop(opened);
    let dir = folder.data().join("wal/0001/shard-0000");
    let report = inspect(&disk, &dir).unwrap();
    let [aside] = report.asides.as_slice() else { panic!("{report:?}") };
    let path = dir.join(aside_file(aside.id));
    let whole = disk.read(&path).unwrap();
    disk.remove(&path).unwrap();
    let error = folder.try_open().await.err().expect("its rows are nowhere else").to_string();
    assert!(error.contains("aside-") && error.contains("missing"), "{error}");
    let mut damaged = whole.clone();
    damaged[200] ^= 1;
    disk.plant(&path, damaged);
    let error = folder.try_open().await.err().expect("it is damaged").to_string();
    assert!(error.contains("aside-") && error.contains("not as they were written"), "{error}");
    disk.plant(&path, whole.clone());
    let left_over = dir.join(aside_file(zonelake_wal::SegmentId(77)));
    disk.plant(&left_over, whole);
    let opened = folder.open().await;
    assert_eq!(opened.values(), values(40));
    assert!(disk.read(&left_over).is_none() && disk.read(&path).is_some());
}

#[tokio::test]
async fn what_is_set_aside_goes_to_files_before_the_number_of_shards_changes() {
    let disk = MemoryDisk::new(1);
    let mut folder = folder(&disk);
    let mut opened = folder.open().await;
    append(&mut opened, 1..=60);
    while opened.shards[0].set_aside_oldest().unwrap() {}
    opened.shards[0].release().unwrap();
    drop(opened);
    folder.shards = 3;
    let opened = folder.open().await;
    assert_eq!(opened.values(), values(60));
    assert_eq!(opened.shards.iter().map(zonelake_storage::Shard::set_aside_bytes).sum::<u64>(), 0);
}
