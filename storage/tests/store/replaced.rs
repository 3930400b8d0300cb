//! Files that are replaced in one step: what a start has read of them is what a loss of power leaves, also where the process before was killed
//! between the renaming and the sync of the folder. A sync that fails leaves the same: of the names some are on the medium, and all are seen.

use std::sync::Arc;

use zonelake_storage::Retention;
use zonelake_wal::{MemoryDisk, replaced_file};

use crate::made::{Folder, once};

/// Losses of power, each of which decides anew which unsynced names are kept.
const LOSSES: u64 = 24;

fn folder(disk: &MemoryDisk) -> Folder {
    Folder { disk: Arc::new(disk.clone()), segment_bytes: 64 << 10, ..Folder::new() }
}

fn lose_power(disk: &MemoryDisk) {
    disk.cut_power();
    disk.restore_power();
}

#[test]
fn what_is_adopted_is_there_after_a_loss_of_power_and_what_is_only_read_may_not_be() {
    let path = std::path::Path::new("/data/file");
    let mut lost = 0;
    for seed in 0..LOSSES {
        for is_adopted in [true, false] {
            let disk = MemoryDisk::new(seed);
            zonelake_wal::Disk::create_dir_all(&disk, path.parent().unwrap()).unwrap();
            replaced_file::replace(&disk, path, b"old").unwrap();
            // The file itself is synced, and then its folder is not.
            disk.fail_sync_after(1);
            replaced_file::replace(&disk, path, b"new").unwrap_err();
            let read = match is_adopted {
                true => replaced_file::adopt(&disk, path, 100).unwrap(),
                false => replaced_file::read(&disk, path, 100).unwrap(),
            };
            assert_eq!(read.as_deref(), Some(b"new".as_slice()));
            lose_power(&disk);
            let after = replaced_file::read(&disk, path, 100).unwrap();
            assert!(!is_adopted || after == read, "seed {seed}");
            lost += usize::from(after != read);
        }
    }
    assert!(lost > 0, "the disk loses names that nobody has made durable");
}

#[tokio::test]
async fn rules_that_a_start_has_read_are_those_after_a_loss_of_power_also_where_there_are_none_any_more() {
    for seed in 0..LOSSES {
        let disk = MemoryDisk::new(seed);
        let folder = folder(&disk);
        let opened = folder.open().await;
        opened.store.set_retention(Retention { table: "air".into(), zone: None, days: 5 }).unwrap();
        disk.fail_sync_after(1);
        opened.store.remove_retention("air", None).unwrap_err();
        drop(opened);
        let opened = folder.open().await;
        let read = opened.store.ledger();
        assert!(read.retention.is_empty());
        drop(opened);
        lose_power(&disk);
        assert_eq!(folder.open().await.store.ledger(), read, "seed {seed}");
    }
}

#[tokio::test]
async fn last_rows_that_are_forgotten_are_so_after_a_loss_of_power_also_where_the_first_attempt_has_failed() {
    for seed in 0..LOSSES {
        let disk = MemoryDisk::new(seed);
        let folder = folder(&disk);
        let mut opened = folder.open().await;
        opened.append(1, 1, &[1.0]);
        opened.store.flush_all().await.unwrap();
        let path = folder.data().join("last/air.last");
        assert!(disk.read(&path).is_some());
        disk.fail_sync_after(0);
        opened.store.forget_last_rows(opened.air()).unwrap_err();
        opened.store.forget_last_rows(opened.air()).unwrap();
        drop(opened);
        lose_power(&disk);
        assert!(disk.read(&path).is_none(), "seed {seed}");
    }
}

#[tokio::test]
async fn a_change_of_the_shards_that_was_cut_off_by_a_failed_sync_loses_nothing_to_a_later_loss_of_power() {
    for after in 0..LOSSES {
        let disk = MemoryDisk::new(after);
        let mut folder = folder(&disk);
        let mut opened = folder.open().await;
        opened.append(1, 1, &[1.0]);
        drop(opened);
        folder.shards = 2;
        disk.fail_sync_after(after);
        drop(folder.try_open().await);
        disk.fail_sync_after(u64::MAX);
        let mut opened = folder.open().await;
        opened.append(1, 2, &[2.0]);
        drop(opened);
        lose_power(&disk);
        assert_eq!(folder.open().await.values(), once([1, 2]), "after {after}");
    }
}
