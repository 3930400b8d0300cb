//! The disk fails while the log is in use.

use std::io::ErrorKind as IoKind;
use std::path::Path;

use zonelake_schemas::Lsn;
use zonelake_schemas::error::ErrorKind;
use zonelake_wal::{Disk, MemoryDisk, SegmentId, Wal, WalError};

use crate::fixture::{DIR, append, append_groups, files, open, segment_path, try_append, try_open};

/// Checks that a log takes nothing any more, and says why each time.
fn assert_poisoned(wal: &mut Wal, cause: &str) {
    for error in [
        wal.append(&[&[b"x"]]).expect_err("poisoned"),
        wal.roll().expect_err("poisoned"),
        wal.release_through(SegmentId(9)).expect_err("poisoned"),
    ] {
        assert!(matches!(error, WalError::Poisoned { .. }), "{error}");
        assert!(error.to_string().contains(cause), "{error}");
    }
}

#[test]
fn a_failed_sync_poisons_and_the_first_error_is_the_answer_from_then_on() {
    let disk = MemoryDisk::new(1);
    let mut wal = open(&disk).wal;
    append(&mut wal, &[b"kept"]);
    disk.fail_sync_after(0);
    let error = try_append(&mut wal, &[b"lost"]).expect_err("the sync fails");
    assert!(error.to_string().contains("cannot sync /log/segment-00000000000000000001.wal"), "{error}");
    assert_eq!((error.kind(), wal.next_lsn()), (ErrorKind::Retry, Lsn(2)));
    assert_poisoned(&mut wal, "cannot sync /log/segment-00000000000000000001.wal: the medium failed");
}

#[test]
fn a_restart_after_a_failed_sync_makes_durable_what_it_replays() {
    let mut replayed_unsynced = 0;
    for seed in 0..40 {
        let disk = MemoryDisk::new(seed);
        let mut wal = open(&disk).wal;
        append(&mut wal, &[&[1; 700]]);
        disk.fail_sync_after(0);
        assert!(try_append(&mut wal, &[&[2; 1500]]).is_err());
        // The process goes and comes back; the page cache still shows what the disk does not have.
        let mut opened = open(&disk);
        replayed_unsynced += opened.records.len() - 1;
        let next = append(&mut opened.wal, &[b"built upon it"]);
        disk.cut_power();
        disk.restore_power();
        let again = open(&disk);
        assert_eq!(again.records[..opened.records.len()], opened.records);
        assert_eq!(again.records.last(), Some(&(next.lsn, b"built upon it".to_vec())));
    }
    assert!(replayed_unsynced > 0);
}

#[test]
fn a_failed_write_poisons() {
    let disk = MemoryDisk::new(1);
    let mut wal = open(&disk).wal;
    disk.fail_write_after(0, IoKind::Other);
    assert!(matches!(try_append(&mut wal, &[b"x"]), Err(WalError::Io { .. })));
    assert_poisoned(&mut wal, "cannot write /log/segment-00000000000000000001.wal");
    assert_eq!(open(&disk).records, []);
}

#[test]
fn a_full_disk_does_not_poison_when_nothing_was_written() {
    let disk = MemoryDisk::new(1);
    let mut wal = open(&disk).wal;
    append(&mut wal, &[b"before"]);
    disk.fail_write_after(0, IoKind::StorageFull);
    let error = try_append(&mut wal, &[b"refused"]).expect_err("no space");
    assert!(matches!(error, WalError::NoSpace { .. }), "{error}");
    assert_eq!(error.kind(), ErrorKind::Retry);
    assert_eq!(append(&mut wal, &[b"after"]).lsn, Lsn(2));
    assert_eq!(open(&disk).records, [(Lsn(1), b"before".to_vec()), (Lsn(2), b"after".to_vec())]);
}

#[test]
fn a_disk_that_fills_up_in_the_middle_of_a_write_poisons() {
    let disk = MemoryDisk::new(1);
    let mut wal = open(&disk).wal;
    append(&mut wal, &[b"before"]);
    disk.set_short_writes(true);
    disk.fail_write_after(1, IoKind::StorageFull);
    let error = try_append(&mut wal, &[&[1; 2000]]).expect_err("no space");
    assert!(matches!(error, WalError::Io { .. }), "{error}");
    assert_poisoned(&mut wal, "cannot write");
    assert_eq!(open(&disk).records, [(Lsn(1), b"before".to_vec())]);
}

#[test]
fn a_full_disk_stops_a_roll_and_the_log_goes_on_once_there_is_space() {
    let disk = MemoryDisk::new(1);
    let mut wal = open(&disk).wal;
    append(&mut wal, &[&[1; 3000]]);
    disk.set_capacity_bytes(10_000);
    let error = try_append(&mut wal, &[&[2; 3000]]).expect_err("no space for a segment");
    let text = "no space for 8192 bytes of /log/segment-00000000000000000002.new: 1808 bytes are free";
    assert_eq!(error.to_string(), text);
    assert_eq!(files(&disk).len(), 1, "nothing is left of the attempt");
    append(&mut wal, &[b"small groups still fit"]);
    disk.set_capacity_bytes(20_000);
    assert_eq!(append(&mut wal, &[&[2; 3000]]).path, segment_path(SegmentId(2)));
    assert_eq!(open(&disk).records.len(), 3);
}

#[test]
fn a_full_disk_refuses_a_group_larger_than_a_segment_and_harms_nothing() {
    let disk = MemoryDisk::new(1);
    let mut wal = open(&disk).wal;
    disk.set_capacity_bytes(10_000);
    let error = try_append(&mut wal, &[&[1; 30_000]]).expect_err("no space");
    assert!(matches!(error, WalError::NoSpace { .. }), "{error}");
    append(&mut wal, &[b"small"]);
    assert_eq!(open(&disk).records.len(), 1);
}

#[test]
fn a_full_disk_refuses_a_new_log_in_words() {
    let disk = MemoryDisk::new(1);
    disk.set_capacity_bytes(8191);
    let error = try_open(&disk).expect_err("no space");
    assert!(matches!(error, WalError::NoSpace { needed_bytes: 8192, free_bytes: 8191, .. }), "{error}");
}

#[test]
fn a_spare_needs_no_more_space() {
    let disk = MemoryDisk::new(1);
    let mut wal = open(&disk).wal;
    append_groups(&mut wal, 100);
    wal.release_through(SegmentId(u64::MAX)).expect("released");
    disk.set_capacity_bytes(0);
    wal.roll().expect("a spare is there");
    append_groups(&mut wal, 1);
}

#[test]
fn a_roll_or_release_whose_sync_fails_poisons_and_loses_nothing() {
    for syncs in 0..2 {
        let disk = MemoryDisk::new(1);
        let mut wal = open(&disk).wal;
        append_groups(&mut wal, 3);
        disk.fail_sync_after(syncs);
        assert!(matches!(wal.roll(), Err(WalError::Io { .. })));
        assert_poisoned(&mut wal, "the medium failed");
        let mut opened = open(&disk);
        assert_eq!(opened.records.len(), 6);
        append_groups(&mut opened.wal, 50);
        disk.fail_sync_after(0);
        assert!(opened.wal.release_through(SegmentId(1)).is_err());
        assert_poisoned(&mut opened.wal, "cannot sync the folder /log");
        assert_eq!(open(&disk).summary.next_lsn, Lsn(107));
    }
}

#[test]
fn writes_that_take_a_few_bytes_at_a_time_make_whole_groups() {
    let disk = MemoryDisk::new(1);
    disk.set_short_writes(true);
    let mut wal = open(&disk).wal;
    append_groups(&mut wal, 60);
    assert_eq!(open(&disk).records.len(), 120);
}

#[test]
fn a_folder_that_cannot_be_listed_is_an_error_with_its_path() {
    let disk = MemoryDisk::new(1);
    disk.create_dir_all(Path::new(DIR)).expect("made");
    disk.cut_power();
    let error = try_open(&disk).expect_err("no power");
    assert_eq!(error.to_string(), "cannot make the folder /log: the power is off");
}
