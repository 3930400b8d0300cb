//! Small files become large ones while rows come in, and no row is lost, seen twice, or back after a restart.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use zonelake_storage::{Compacted, CompactionError, CompactionOptions, MergeControl, Store};

use crate::made::{Folder, Opened, once};

fn options() -> CompactionOptions {
    CompactionOptions { files_max: 4, keep_removed: Duration::from_secs(60), ..CompactionOptions::default() }
}

pub(crate) async fn compact(store: &Store) -> Option<Compacted> {
    let (options, skipped, is_stopping) = (options(), HashSet::new(), Arc::default());
    let control = MergeControl { options: &options, skipped: &skipped, is_stopping: &is_stopping };
    store.compact(&store.tables()["air"], control).await.unwrap()
}

/// So many files of one row each, with the values from `first` on.
async fn make_files(opened: &mut Opened, first: u64, count: u64) {
    for number in first..first + count {
        opened.append(1, number, &[number as f64]);
        opened.store.flush_all().await.unwrap();
    }
}

fn files_on_disk(folder: &Folder) -> usize {
    let mut found = 0;
    let mut folders = vec![folder.data().join("tables/air")];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found += usize::from(path.extension().is_some_and(|ending| ending == "parquet"));
            }
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_of_a_date_are_merged_once_there_is_one_too_many_and_a_restart_finds_the_merged_one() {
    let folder = Folder::new();
    let mut opened = folder.open().await;
    make_files(&mut opened, 1, 4).await;
    assert_eq!(compact(&opened.store).await, None);
    make_files(&mut opened, 5, 1).await;
    let pinned = opened.air().view();
    let merged = compact(&opened.store).await.unwrap();
    assert_eq!((merged.files, merged.rows), (5, 5));
    assert_eq!(opened.air().view().files.len(), 1);
    assert_eq!(opened.values(), once(1..=5));
    assert_eq!(compact(&opened.store).await, None);
    // A statement that has begun before still finds its files.
    for file in pinned.files.iter() {
        assert!(folder.data().join("tables/air").join(&file.path).exists());
    }
    drop(opened);
    let opened = folder.open().await;
    assert_eq!((opened.air().view().files.len(), opened.values()), (1, once(1..=5)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn merged_files_are_deleted_after_their_time_and_no_other_file_is() {
    let folder = Folder::new();
    let mut opened = folder.open().await;
    make_files(&mut opened, 1, 5).await;
    compact(&opened.store).await.unwrap();
    let table = Arc::clone(opened.air());
    assert_eq!((table.retired_files(), files_on_disk(&folder)), (5, 6));
    folder.clock.monotonic_us.fetch_add(59_000_000, Ordering::SeqCst);
    assert_eq!(opened.store.delete_retired(&table, &options()).await, 0);
    folder.clock.monotonic_us.fetch_add(2_000_000, Ordering::SeqCst);
    assert_eq!(opened.store.delete_retired(&table, &options()).await, 5);
    assert_eq!((table.retired_files(), files_on_disk(&folder)), (0, 1));
    assert_eq!(opened.values(), once(1..=5));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_merged_file_stays_on_disk_as_long_as_a_statement_has_it() {
    let folder = Folder::new();
    let mut opened = folder.open().await;
    make_files(&mut opened, 1, 5).await;
    let pinned = opened.air().view();
    compact(&opened.store).await.unwrap();
    let table = Arc::clone(opened.air());
    folder.clock.monotonic_us.fetch_add(3_600_000_000, Ordering::SeqCst);
    assert_eq!(opened.store.delete_retired(&table, &options()).await, 0);
    assert_eq!((table.retired_files(), files_on_disk(&folder)), (5, 6));
    drop(pinned);
    assert_eq!(opened.store.delete_retired(&table, &options()).await, 5);
    assert_eq!((table.retired_files(), files_on_disk(&folder)), (0, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_that_were_merged_before_a_restart_are_deleted_after_it_and_no_other_file_is() {
    let folder = Folder::new();
    let mut opened = folder.open().await;
    make_files(&mut opened, 1, 5).await;
    compact(&opened.store).await.unwrap();
    make_files(&mut opened, 6, 1).await;
    // One has gone already: the process ended between two deletions.
    let gone = opened.air().view().files[0].path.clone();
    drop(opened);
    let removed = removed_files(&folder, &gone);
    std::fs::remove_file(&removed[0]).unwrap();
    for _ in 0..2 {
        let opened = folder.open().await;
        let table = Arc::clone(opened.air());
        assert_eq!(opened.store.delete_retired(&table, &options()).await, 0, "their time begins with the start");
        assert_eq!((table.retired_files(), files_on_disk(&folder)), (4, 6));
        folder.clock.monotonic_us.fetch_add(59_000_000, Ordering::SeqCst);
        assert_eq!(opened.store.delete_retired(&table, &options()).await, 0);
    }
    let opened = folder.open().await;
    let table = Arc::clone(opened.air());
    opened.store.delete_retired(&table, &options()).await;
    folder.clock.monotonic_us.fetch_add(61_000_000, Ordering::SeqCst);
    assert_eq!(opened.store.delete_retired(&table, &options()).await, 4);
    assert_eq!((table.retired_files(), files_on_disk(&folder)), (0, 2));
    assert_eq!(opened.values(), once(1..=6));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_nothing_lists_is_deleted_once_it_is_old_and_files_of_others_are_not() {
    let folder = Folder::new();
    let mut opened = folder.open().await;
    make_files(&mut opened, 1, 2).await;
    let listed = folder.data().join("tables/air").join(&opened.air().view().files[0].path);
    drop(opened);
    let of_a_flush = listed.with_file_name("part-0-of-a-flush-that-was-killed.parquet");
    let foreign = listed.with_file_name("notes.parquet");
    std::fs::copy(&listed, &of_a_flush).unwrap();
    std::fs::copy(&listed, &foreign).unwrap();
    let written = std::fs::metadata(&of_a_flush).unwrap().modified().unwrap();
    let written_us = written.duration_since(std::time::UNIX_EPOCH).unwrap().as_micros() as i64;
    for (age_us, deleted) in [(3_500_000_000, 0), (3_700_000_000, 1)] {
        folder.clock.wall_us.store(written_us + age_us, Ordering::SeqCst);
        let opened = folder.open().await;
        let table = Arc::clone(opened.air());
        opened.store.delete_retired(&table, &options()).await;
        folder.clock.monotonic_us.fetch_add(61_000_000, Ordering::SeqCst);
        assert_eq!(opened.store.delete_retired(&table, &options()).await, deleted, "{age_us} µs old");
        assert_eq!(of_a_flush.exists(), deleted == 0);
        assert!(foreign.exists() && listed.exists());
        assert_eq!(opened.values(), once(1..=2));
    }
}

/// Files of the date that the table does not list.
fn removed_files(folder: &Folder, listed: &str) -> Vec<std::path::PathBuf> {
    let date = folder.data().join("tables/air").join(listed);
    let all = std::fs::read_dir(date.parent().unwrap()).unwrap().map(|entry| entry.unwrap().path());
    let log = std::fs::read_dir(folder.data().join("tables/air/_delta_log")).unwrap();
    let entries: String = log.map(|entry| std::fs::read_to_string(entry.unwrap().path()).unwrap_or_default()).collect();
    let is_removed = |path: &std::path::PathBuf| {
        let name = path.file_name().unwrap().to_str().unwrap();
        entries.lines().any(|line| line.starts_with("{\"remove\"") && line.contains(name))
    };
    all.filter(is_removed).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn rows_come_in_are_flushed_and_merged_at_the_same_time_and_each_is_seen_once() {
    let folder = Folder::new();
    let mut opened = folder.open().await;
    let done = Arc::new(AtomicBool::new(false));
    let (store, stop) = (Arc::clone(&opened.store), Arc::clone(&done));
    let flusher = tokio::spawn(async move {
        while !stop.load(Ordering::SeqCst) {
            store.flush_all().await.unwrap();
        }
    });
    let (store, stop) = (Arc::clone(&opened.store), Arc::clone(&done));
    let compactor = tokio::spawn(async move {
        let mut merges = 0;
        while !stop.load(Ordering::SeqCst) {
            merges += u32::from(compact(&store).await.is_some());
            tokio::task::yield_now().await;
        }
        merges
    });
    for number in 1..=300 {
        opened.append(1, number, &[number as f64]);
        let view = opened.air().view();
        assert_eq!(view.live_rows() as u64 + view.file_rows(), number);
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    done.store(true, Ordering::SeqCst);
    flusher.await.unwrap();
    assert!(compactor.await.unwrap() > 1, "several merges ran meanwhile");
    assert_eq!(opened.values(), once(1..=300));
    drop(opened);
    assert_eq!(folder.open().await.values(), once(1..=300));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_merge_that_is_told_to_stop_leaves_the_table_and_the_disk_as_they_were() {
    let folder = Folder::new();
    let mut opened = folder.open().await;
    make_files(&mut opened, 1, 5).await;
    let (options, skipped, is_stopping) =
        (CompactionOptions { memory_bytes_max: 0, ..options() }, HashSet::new(), Arc::new(AtomicBool::new(true)));
    let control = MergeControl { options: &options, skipped: &skipped, is_stopping: &is_stopping };
    let error = opened.store.compact(opened.air(), control).await.unwrap_err();
    assert!(error.to_string().contains("ended before it was done"), "{error}");
    assert_eq!((opened.air().view().files.len(), files_on_disk(&folder)), (5, 5));
    assert_eq!(opened.values(), once(1..=5));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_merge_of_a_file_whose_rows_are_not_what_the_table_lists_fails_and_leaves_the_table_as_it_was() {
    let folder = Folder::new();
    let mut opened = folder.open().await;
    make_files(&mut opened, 1, 5).await;
    let path = opened.air().view().files[2].path.clone();
    drop(opened);
    // Another program has written the entry of this file anew, with a number of its own.
    let log = std::fs::read_dir(folder.data().join("tables/air/_delta_log")).unwrap();
    let entries = log.map(|entry| entry.unwrap().path());
    let of_file = |entry: &std::path::PathBuf| std::fs::read_to_string(entry).is_ok_and(|text| text.contains(&path));
    let entry = entries.into_iter().find(of_file).unwrap();
    let text = std::fs::read_to_string(&entry).unwrap();
    let changed = text.replace("\\\"numRecords\\\":1", "\\\"numRecords\\\":2");
    assert_ne!(text, changed);
    std::fs::write(&entry, changed).unwrap();

    let opened = folder.open().await;
    let (options, mut skipped, is_stopping) = (options(), HashSet::new(), Arc::default());
    let control = MergeControl { options: &options, skipped: &skipped, is_stopping: &is_stopping };
    let error = opened.store.compact(opened.air(), control).await.unwrap_err();
    assert!(error.to_string().contains(&format!("{path} has 1 rows where 2 were expected")), "{error}");
    assert_eq!((opened.air().view().files.len(), files_on_disk(&folder)), (5, 5));
    assert_eq!(opened.values(), once(1..=5));
    // The inputs are named, so that merges of other files go on.
    let CompactionError::Merge { inputs, .. } = error else { panic!("{error}") };
    skipped.extend(inputs);
    let control = MergeControl { options: &options, skipped: &skipped, is_stopping: &is_stopping };
    assert_eq!(opened.store.compact(opened.air(), control).await.unwrap(), None);
}
