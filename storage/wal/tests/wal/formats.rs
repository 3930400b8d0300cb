//! Versions of the format, what headers say of their records, and the checkpoint.

use std::path::Path;
use std::sync::Arc;

use zonelake_schemas::{DeviceKey, ErrorKind, GatewayId, Lsn, ProducerId, RegistryMarks, RoleId, ShardNumber};
use zonelake_wal::{
    Checkpoint, DamageKind, Disk, MemoryDisk, SegmentContext, SegmentId, Wal, WalError, WalOptions, inspect,
};

use crate::fixture::{
    DIR, alter, append, append_groups, files, make_first_version, open, open_with, options, segment_path,
};

fn context(shard_number: u64, record_version: u32) -> SegmentContext {
    SegmentContext { record_version, shard_number: ShardNumber(shard_number), marks: RegistryMarks::NONE }
}

fn marks(device_key: u32) -> RegistryMarks {
    RegistryMarks { device_key: DeviceKey(device_key), producer: ProducerId(2), gateway: GatewayId(3), role: RoleId(4) }
}

#[test]
fn segments_of_the_first_version_are_replayed_and_new_groups_go_into_a_new_segment() {
    let disk = MemoryDisk::new(1);
    append_groups(&mut open(&disk).wal, 3);
    make_first_version(&disk, &segment_path(SegmentId(1)));
    let mut opened = open(&disk);
    assert_eq!(opened.records.len(), 6);
    let current = *opened.wal.current_segment();
    assert!(current.is_of_earlier_format() && current.context == SegmentContext::FIRST_VERSION);
    assert!(opened.wal.must_roll(1), "it takes no group");
    let refused = opened.wal.append(&[&[b"more"]]).expect_err("nothing is added to it");
    assert!(matches!(refused, WalError::SegmentFull { .. }), "{refused}");
    let placed = append(&mut opened.wal, &[b"more"]);
    assert_eq!((placed.lsn, placed.path), (Lsn(7), segment_path(SegmentId(2))));
    let again = open(&disk);
    assert_eq!((again.records.len(), again.summary.segments), (7, 2));
    assert!(!again.wal.current_segment().is_of_earlier_format());
    assert!(inspect(&disk, Path::new(DIR)).expect("a report").is_sound());
}

#[test]
fn an_empty_segment_of_the_first_version_is_left_for_a_new_one_too() {
    let disk = MemoryDisk::new(1);
    drop(open(&disk));
    make_first_version(&disk, &segment_path(SegmentId(1)));
    let mut opened = open(&disk);
    assert_eq!(opened.wal.roll().expect("rolls"), SegmentId(2));
    assert_eq!(opened.wal.roll().expect("rolls"), SegmentId(2), "an empty one of this version stays");
    append(&mut opened.wal, &[b"first"]);
    assert_eq!(open(&disk).records, [(Lsn(1), b"first".to_vec())]);
}

#[test]
fn a_header_says_the_version_of_the_records_the_shard_and_the_marks_as_they_were() {
    let disk = MemoryDisk::new(1);
    let options = WalOptions { context: SegmentContext { marks: marks(5), ..context(77, 2) }, ..options() };
    let mut wal = open_with(Arc::new(disk.clone()), options.clone()).expect("opens").wal;
    append(&mut wal, &[b"first"]);
    wal.set_marks(marks(9));
    assert_eq!(wal.current_segment().context.marks, marks(5), "those of the time when it was made");
    wal.roll().expect("rolls");
    append(&mut wal, &[b"second"]);
    let mut seen = Vec::new();
    Wal::open::<std::convert::Infallible>(Arc::new(disk.clone()), options, &mut |record| {
        seen.push((record.path.to_owned(), *record.context));
        Ok(())
    })
    .expect("opens");
    let expected = [(1, marks(5)), (2, marks(9))]
        .map(|(id, marks)| (segment_path(SegmentId(id)), SegmentContext { marks, ..context(77, 2) }));
    assert_eq!(seen, expected);
}

#[test]
fn segments_and_checkpoints_of_another_node_or_of_newer_records_are_refused_and_left_as_they_are() {
    let disk = MemoryDisk::new(1);
    let own = WalOptions { context: context(77, 2), ..options() };
    let mut wal = open_with(Arc::new(disk.clone()), own.clone()).expect("opens").wal;
    append(&mut wal, &[b"first"]);
    wal.write_checkpoint(b"state".to_vec()).expect("written");
    let before = files(&disk);
    let checkpoint = Checkpoint::read(&disk, Path::new(DIR)).expect("read").expect("there is one");
    for (other, words) in
        [(context(78, 2), "shard number 77"), (context(77, 1), "version 2, and this release reads versions up to 1")]
    {
        let refused = open_with(Arc::new(disk.clone()), WalOptions { context: other, ..own.clone() });
        let refused = refused.expect_err("refused");
        assert!(refused.to_string().contains(words), "{refused}");
        assert_eq!(refused.kind(), ErrorKind::Input);
        let refused = checkpoint.check(Path::new(DIR), &other).expect_err("refused");
        assert!(refused.to_string().contains(words) && refused.to_string().contains("state.checkpoint"), "{refused}");
    }
    assert_eq!(files(&disk), before);
    checkpoint.check(Path::new(DIR), &own.context).expect("its own");
}

#[test]
fn a_checkpoint_replaces_the_one_before_it_and_covers_all_records_so_far() {
    let disk = MemoryDisk::new(1);
    let mut wal = open(&disk).wal;
    assert_eq!(Checkpoint::read(&disk, Path::new(DIR)).expect("read"), None);
    append_groups(&mut wal, 2);
    assert_eq!(wal.write_checkpoint(vec![1; 10_000]).expect("written"), Lsn(4));
    append_groups(&mut wal, 1);
    assert_eq!(wal.write_checkpoint(b"later".to_vec()).expect("written"), Lsn(6));
    drop(wal);
    let read = Checkpoint::read(&disk, Path::new(DIR)).expect("read").expect("there is one");
    assert_eq!((read.lsn, read.state), (Lsn(6), b"later".to_vec()));
    assert!(inspect(&disk, Path::new(DIR)).expect("a report").unknown_files.is_empty());
}

#[test]
fn a_full_disk_leaves_the_earlier_checkpoint_in_force_and_the_log_goes_on() {
    let disk = MemoryDisk::new(1);
    let mut wal = open(&disk).wal;
    append_groups(&mut wal, 1);
    wal.write_checkpoint(b"earlier".to_vec()).expect("written");
    disk.fail_write_after(0, std::io::ErrorKind::StorageFull);
    let full = wal.write_checkpoint(b"later".to_vec()).expect_err("the disk is full");
    assert!(matches!(full, WalError::NoSpace { .. }), "{full}");
    append_groups(&mut wal, 1);
    let read = Checkpoint::read(&disk, Path::new(DIR)).expect("read").expect("there is one");
    assert_eq!((read.lsn, read.state), (Lsn(2), b"earlier".to_vec()));
    assert_eq!(wal.write_checkpoint(b"later".to_vec()).expect("there is space again"), Lsn(4));
}

#[test]
fn after_a_failed_sync_of_a_checkpoint_nothing_is_released_or_written() {
    for syncs in 0..2 {
        let disk = MemoryDisk::new(1);
        let mut wal = open(&disk).wal;
        append_groups(&mut wal, 200);
        disk.fail_sync_after(syncs);
        wal.write_checkpoint(b"state".to_vec()).expect_err("the sync fails");
        let refused = wal.release_through(SegmentId(1)).expect_err("its state may be lost");
        assert!(matches!(refused, WalError::Poisoned { .. }), "{refused}");
    }
}

#[test]
fn a_state_that_does_not_join_the_segments_is_named() {
    let disk = MemoryDisk::new(1);
    let mut wal = open(&disk).wal;
    append_groups(&mut wal, 200);
    let covered = wal.write_checkpoint(b"state".to_vec()).expect("written");
    wal.release_through(SegmentId(1)).expect("released");
    assert_eq!(wal.missing_state(covered), None);
    let found = wal.missing_state(Lsn(0)).expect("its state is missing");
    assert_eq!(found.path, segment_path(SegmentId(2)));
    assert!(found.to_string().contains("the checkpoint that has their state is missing"), "{found}");
    let report = || inspect(&disk, Path::new(DIR)).expect("a report");
    assert_eq!(report().missing_state(), None);

    let path = Path::new(DIR).join("state.checkpoint");
    let whole = disk.read(&path).expect("the file is there");
    disk.remove(&path).expect("removed");
    assert!(matches!(report().missing_state().expect("found").kind, DamageKind::StateMissing { covered: Lsn(0) }));
    disk.plant(&path, whole);
    // The newest segments are missing.
    let newest = wal.current_segment().id;
    disk.remove(&segment_path(newest)).expect("removed");
    assert!(matches!(report().missing_state().expect("found").kind, DamageKind::StateAhead { .. }));
    alter(&disk, &path, |content| content[50] ^= 1);
    let damages = report().damages;
    assert!(damages.iter().any(|damage| damage.kind == DamageKind::Checkpoint && damage.path == path), "{damages:?}");
}
