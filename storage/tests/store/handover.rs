//! What a reader sees while rows go from memory to files.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::made::{Folder, once};

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn every_row_is_seen_exactly_once_at_every_moment() {
    let folder = Folder::new();
    let mut opened = folder.open().await;
    let table = Arc::clone(opened.air());
    let acknowledged = Arc::new(AtomicU64::new(0));
    let done = Arc::new(AtomicBool::new(false));
    let reader = {
        let (table, acknowledged, done) = (Arc::clone(&table), Arc::clone(&acknowledged), Arc::clone(&done));
        std::thread::spawn(move || {
            let mut looks = 0;
            while !done.load(Ordering::SeqCst) {
                let before = acknowledged.load(Ordering::SeqCst);
                let view = table.view();
                let rows = view.live_rows() as u64 + view.file_rows();
                let after = acknowledged.load(Ordering::SeqCst);
                assert!(rows >= before, "{rows} rows seen of {before} acknowledged");
                assert!(rows <= after + 1, "{rows} rows seen, {after} acknowledged and one under way");
                looks += 1;
            }
            looks
        })
    };
    let flusher = {
        let (store, done) = (Arc::clone(&opened.store), Arc::clone(&done));
        tokio::spawn(async move {
            let mut flushes = 0;
            while !done.load(Ordering::SeqCst) {
                if store.flush(&store.tables()["air"]).await.unwrap().rows > 0 {
                    flushes += 1;
                }
            }
            flushes
        })
    };
    for number in 1..=400 {
        opened.append(1, number, &[number as f64]);
        acknowledged.store(number, Ordering::SeqCst);
        if number % 50 == 0 {
            opened.shards[0].release().unwrap();
            tokio::task::yield_now().await;
        }
    }
    done.store(true, Ordering::SeqCst);
    assert!(flusher.await.unwrap() > 1, "several flushes ran meanwhile");
    assert!(reader.join().unwrap() > 100);
    assert_eq!(opened.values(), once(1..=400));
    drop(opened);
    drop(table);
    assert_eq!(folder.open().await.values(), once(1..=400));
}

#[tokio::test]
async fn a_view_that_a_query_has_pinned_does_not_change() {
    let folder = Folder::new();
    let mut opened = folder.open().await;
    opened.append(1, 1, &[1.0]);
    let pinned = opened.air().view();
    opened.append(1, 2, &[2.0]);
    opened.store.flush_all().await.unwrap();
    assert_eq!((pinned.live_rows(), pinned.files.len()), (1, 0));
    assert_eq!(opened.values(), once(1..=2));
}

#[tokio::test]
async fn a_flush_is_due_by_age_by_size_and_on_demand() {
    let folder = Folder::new();
    let mut opened = folder.open().await;
    assert!(opened.store.flush_due().await.is_empty());
    opened.append(1, 1, &[1.0]);
    assert!(opened.store.flush_due().await.is_empty());
    folder.clock.monotonic_us.store(61_000_000, Ordering::SeqCst);
    assert_eq!(opened.store.flush_due().await.len(), 1, "by age");
    opened.append(1, 2, &[2.0]);
    assert!(opened.store.flush_due().await.is_empty());
    opened.air().force_flush();
    assert_eq!(opened.store.flush_due().await.len(), 1, "on demand");
    opened.append(1, 3, &vec![3.0; 100_000]);
    assert_eq!(opened.store.flush_due().await.len(), 1, "by size");
    assert_eq!(opened.air().live_bytes(), 0);
}

#[tokio::test]
async fn a_flush_takes_the_oldest_part_and_the_rest_stays_due_whatever_comes_between() {
    let folder = Folder::new();
    let mut opened = folder.open().await;
    let rows = 100_000;
    for number in 1..=5 {
        opened.append(1, number, &vec![number as f64; rows]);
    }
    let first = opened.store.flush_due().await.pop().expect("five times the size is due").1.unwrap();
    assert!(first.rows > 0 && first.rows < 5 * rows as u64, "{first:?}");
    assert_eq!(first.rows % rows as u64, 0, "batches are taken from the front and whole");
    let all: BTreeMap<i64, usize> = (1..=5).map(|value| (value, rows)).collect();
    assert_eq!(opened.values(), all);
    drop(opened);
    let opened = folder.open().await;
    assert_eq!(opened.values(), all, "a replay begins behind the part that was flushed");
    let mut left = 5 * rows as u64 - first.rows;
    while let Some((_, flushed)) = opened.store.flush_due().await.pop() {
        left -= flushed.unwrap().rows;
    }
    assert!(left < rows as u64 * 2, "less than the size may wait for its age: {left}");
    opened.store.flush_all().await.unwrap();
    assert_eq!((opened.air().live_bytes(), opened.values()), (0, all));
}

#[tokio::test]
async fn many_small_batches_become_few_chunks() {
    let folder = Folder::new();
    let mut opened = folder.open().await;
    for number in 1..=3_000 {
        opened.append(1, number, &[number as f64]);
    }
    assert!(opened.air().view().chunks().count() < 64);
    assert_eq!(opened.values(), once(1..=3_000));
}
