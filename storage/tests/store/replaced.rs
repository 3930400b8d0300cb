//! Files that are replaced in one step: what a start has read of them is what a loss of power leaves, also where the process before was killed
//! between the renaming and the sync of the folder. A sync that fails leaves the same: of the names some are on the medium, and all are seen.

use std::collections::HashSet;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use zonelake_schemas::audit::{AuditEntry, AuditOutcome};
use zonelake_storage::{
    CompactionOptions, DeletionOrder, MergeControl, PendingOrders, Retention, RuleError, Selection,
};
use zonelake_wal::{MemoryDisk, replaced_file};

use crate::made::{Folder, Opened, TestClock, once};

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
    let path = Path::new("/data/file");
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
        leave_in_doubt(&disk);
        let error = opened.store.remove_retention("air", None).unwrap_err();
        assert!(matches!(error, RuleError::InDoubt { .. }), "{error}");
        drop(opened);
        let opened = folder.open().await;
        let read = opened.store.ledger();
        assert!(read.retention.is_empty());
        drop(opened);
        lose_power(&disk);
        assert_eq!(folder.open().await.store.ledger(), read, "seed {seed}");
    }
}

/// Lets the next change of a file fail behind its renaming, and the attempt to take it back as well.
fn leave_in_doubt(disk: &MemoryDisk) {
    disk.fail_sync_after(1);
    disk.fail_write_after(1, ErrorKind::Other);
}

#[tokio::test]
async fn a_change_of_rules_whose_sync_fails_is_taken_back_and_no_restart_or_loss_of_power_brings_it() {
    for seed in 0..LOSSES {
        let disk = MemoryDisk::new(seed);
        let folder = folder(&disk);
        let opened = folder.open().await;
        opened.store.set_retention(Retention { table: "air".into(), zone: None, days: 5 }).unwrap();
        let before = opened.store.ledger();
        let number = opened.store.backup_hold().begin(Duration::ZERO);
        disk.fail_sync_after(1);
        let error = opened.store.remove_retention("air", None).unwrap_err();
        assert!(matches!(error, RuleError::NotWritten { .. }), "{error}");
        assert!(error.to_string().starts_with("nothing is changed"), "{error}");
        assert_eq!(opened.store.ledger(), before);
        // A back-up under way may have copied the file in the moment between.
        assert!(!opened.store.backup_hold().end(number, Duration::ZERO));
        drop(opened);
        if seed % 2 == 0 {
            lose_power(&disk);
        }
        assert_eq!(folder.open().await.store.ledger(), before, "seed {seed}");
    }
}

#[test]
fn orders_on_their_way_into_audit_are_after_a_loss_of_power_what_a_start_has_read_of_them() {
    let mut lost = 0;
    for seed in 0..LOSSES {
        let disk = MemoryDisk::new(seed);
        let open = || PendingOrders::of(Arc::new(disk.clone()), Path::new("/data"), Arc::<TestClock>::default());
        let all = || open().all().unwrap().into_iter().map(|(id, order)| (id, order.unwrap())).collect::<Vec<_>>();
        let orders = open();
        let begun = AuditEntry::new("folder", "role_add", AuditOutcome::Unknown);
        let id = orders.add(begun.clone(), false).unwrap();
        // The file itself is synced, and then its folder is not.
        disk.fail_sync_after(1);
        orders.end(id, AuditEntry { outcome: AuditOutcome::Allowed, ..begun }).unwrap_err();
        let before = disk.copy();
        let read = all();
        assert!(read.len() == 1 && read[0].1.is_ended);
        lose_power(&disk);
        assert_eq!(all(), read, "seed {seed}: an order was recorded as ended and is not");
        lose_power(&before);
        let unread = PendingOrders::of(Arc::new(before), Path::new("/data"), Arc::<TestClock>::default());
        lost += usize::from(unread.all().unwrap().iter().any(|(_, order)| !order.as_ref().unwrap().is_ended));
    }
    assert!(lost > 0, "the disk loses names that nobody has made durable");
}

async fn flush_values(opened: &mut Opened, numbers: std::ops::RangeInclusive<u64>) {
    for number in numbers {
        opened.append(1, number, &[number as f64]);
        opened.store.flush_all().await.unwrap();
    }
}

fn all_rows() -> DeletionOrder {
    let selection = Selection { from_us: Some(0), until_us: Some(i64::MAX), ..Selection::default() };
    DeletionOrder { table: "air".into(), selection, who: "tester".into(), why: "a test".into() }
}

/// Files of the table whose rows are all hidden, and files without hidden rows.
fn hidden_and_not(opened: &Opened) -> (usize, usize) {
    let view = opened.air().view();
    let hidden = view.files.iter().filter(|file| view.hidden.in_file(file).is_some()).count();
    (hidden, view.files.len() - hidden)
}

/// Takes out what is hidden, and merges once. False where it was refused because of a doubt.
async fn tidy(opened: &Opened) -> bool {
    let options = CompactionOptions { files_max: 2, keep_removed: Duration::ZERO, ..CompactionOptions::default() };
    let (skipped, is_stopping) = (HashSet::new(), Arc::default());
    let control = MergeControl { options: &options, skipped: &skipped, is_stopping: &is_stopping };
    let is_settled = match opened.store.erase_hidden(opened.air(), &options, &is_stopping).await {
        Ok(_) => true,
        Err(RuleError::InDoubt { .. }) => false,
        Err(error) => panic!("{error}"),
    };
    let merged = opened.store.compact(opened.air(), control).await.unwrap();
    assert!(is_settled || merged.is_none(), "no file goes while an order may name it");
    is_settled
}

#[tokio::test]
async fn a_deletion_in_doubt_keeps_its_files_and_is_either_taken_back_or_found_whole_by_a_restart() {
    for is_killed in [true, false] {
        let disk = MemoryDisk::new(1);
        let folder = folder(&disk);
        let mut opened = folder.open().await;
        flush_values(&mut opened, 1..=4).await;
        leave_in_doubt(&disk);
        let error = opened.store.delete_rows(all_rows()).await.unwrap_err();
        assert!(matches!(error, RuleError::InDoubt { .. }), "{error}");
        disk.set_capacity_bytes(0);
        assert!(opened.store.settle_rules().is_err());
        assert!(!tidy(&opened).await);
        assert_eq!(hidden_and_not(&opened), (0, 4), "statements go by what was in force");
        assert!(opened.store.ledger().deletions.is_empty());
        disk.set_capacity_bytes(u64::MAX);
        if is_killed {
            drop(opened);
            let opened = folder.open().await;
            assert_eq!(opened.store.ledger().deletions[0].pending.len(), 4, "and none of its rows is forgotten");
            assert_eq!(hidden_and_not(&opened), (4, 0));
        } else {
            assert!(tidy(&opened).await);
            assert_eq!(opened.values(), once(1..=4));
            drop(opened);
            lose_power(&disk);
            let opened = folder.open().await;
            assert!(opened.store.ledger().deletions.is_empty());
            assert_eq!(opened.values(), once(1..=4));
        }
    }
}

#[tokio::test]
async fn a_merge_that_is_under_way_when_a_deletion_comes_into_doubt_takes_no_file_from_it() {
    let disk = MemoryDisk::new(1);
    let folder = folder(&disk);
    let mut opened = folder.open().await;
    flush_values(&mut opened, 1..=4).await;
    leave_in_doubt(&disk);
    let options = CompactionOptions { files_max: 2, keep_removed: Duration::ZERO, ..CompactionOptions::default() };
    let (skipped, is_stopping) = (HashSet::new(), Arc::default());
    let control = MergeControl { options: &options, skipped: &skipped, is_stopping: &is_stopping };
    let merge = opened.store.compact(opened.air(), control);
    let delete = async {
        let deleted = opened.store.delete_rows(all_rows()).await;
        disk.set_capacity_bytes(0);
        deleted
    };
    // Whichever comes first, the order names the files that the table has.
    let (merged, deleted) = tokio::join!(merge, delete);
    merged.unwrap();
    assert!(matches!(deleted, Err(RuleError::InDoubt { .. })));
    drop(opened);
    disk.set_capacity_bytes(u64::MAX);
    let opened = folder.open().await;
    let (hidden, others) = hidden_and_not(&opened);
    assert_eq!((opened.store.ledger().deletions[0].pending.len(), others), (hidden, 0));
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
