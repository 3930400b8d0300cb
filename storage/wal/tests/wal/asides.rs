//! Records that are set aside: their segment may go, and they are read back as they were appended, or not at all.

use std::path::{Path, PathBuf};

use zonelake_schemas::{Lsn, ShardId, ShardNumber};
use zonelake_wal::{
    Aside, DamageKind, Disk, MemoryDisk, SegmentContext, SegmentId, Wal, WalError, aside_file, inspect, read_aside,
};

use crate::fixture::{DIR, alter, append_groups, files, open, options, try_append};

/// Records of odd LSNs.
fn is_odd(lsn: Lsn) -> bool {
    lsn.0 % 2 == 1
}

/// A log whose first segment is full, and that segment.
fn full(disk: &MemoryDisk) -> (Wal, SegmentId, Lsn) {
    let mut wal = open(disk).wal;
    let first = wal.current_segment().id;
    while wal.current_segment().id == first {
        append_groups(&mut wal, 1);
    }
    let last = wal.segments().next().expect("it is held").last_lsn;
    (wal, first, last)
}

/// A file of records that are set aside, and its records.
type ReadAside = (Aside, Vec<(Lsn, Vec<u8>)>);

fn read(disk: &MemoryDisk, id: SegmentId) -> Result<ReadAside, WalError> {
    let mut records = Vec::new();
    let aside = read_aside::<WalError>(disk, Path::new(DIR), id, &mut |record| {
        assert!(record.payload.as_ptr().addr().is_multiple_of(8), "payloads are aligned");
        records.push((record.lsn, record.payload.to_vec()));
        Ok(())
    })?;
    Ok((aside, records))
}

fn path_of(id: SegmentId) -> PathBuf {
    Path::new(DIR).join(aside_file(id))
}

#[test]
fn what_is_set_aside_is_read_back_after_its_segment_is_gone() {
    let disk = MemoryDisk::new(1);
    let (mut wal, first, last) = full(&disk);
    let all = open(&disk).records;
    let expected: Vec<_> = all.into_iter().filter(|(lsn, _)| is_odd(*lsn) && *lsn <= last).collect();
    let made = wal.set_aside(first, &mut |lsn, _| is_odd(lsn)).expect("it is set aside");
    wal.release_through(first).expect("the segment goes");
    disk.cut_power();
    disk.restore_power();
    drop(wal);
    let (aside, records) = read(&disk, first).expect("it reads");
    assert_eq!((aside, aside.records), (made, records.len() as u64));
    assert_eq!(records, expected);
    assert!(expected.len() > 10, "{}", expected.len());
    let mut wal = open(&disk).wal;
    let report = inspect(&disk, Path::new(DIR)).expect("a report");
    assert!(report.is_sound() && report.asides == [made] && report.unknown_files.is_empty(), "{report:?}");
    // The next open knows from its checkpoint which ones it wants.
    wal.keep_asides(&|id| id == first).expect("it stays");
    assert!(read(&disk, first).is_ok());
    wal.keep_asides(&|_| false).expect("it goes");
    let Err(WalError::Damaged(damage)) = read(&disk, first) else { panic!("it is gone") };
    assert_eq!((damage.kind, damage.path), (DamageKind::AsideMissing, path_of(first)));
}

#[test]
fn no_bit_flip_and_no_cut_of_what_is_set_aside_goes_unnoticed() {
    let disk = MemoryDisk::new(1);
    let (mut wal, first, last) = full(&disk);
    wal.set_aside(first, &mut |lsn, _| lsn.0 + 6 > last.0).expect("it is set aside");
    let whole = disk.read(&path_of(first)).expect("it is there");
    let records = read(&disk, first).expect("it reads").1;
    let refused = |content: Vec<u8>, what: &str| {
        disk.plant(&path_of(first), content);
        match read(&disk, first) {
            Err(WalError::Damaged(damage)) => assert_eq!(damage.kind, DamageKind::Aside, "{what}"),
            Err(WalError::NewerVersion { .. }) => {}
            // Zeros behind a payload mean nothing.
            Ok((_, read)) if read == records => {}
            other => panic!("{what}: {other:?}"),
        }
    };
    let mut unnoticed = 0;
    for bit in 0..whole.len() * 8 {
        let mut flipped = whole.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        refused(flipped, &format!("bit {bit}"));
        unnoticed += usize::from(read(&disk, first).is_ok());
    }
    assert!(unnoticed <= records.len() * 7 * 8, "{unnoticed} bits of padding");
    for end in 0..whole.len() - 8 {
        disk.plant(&path_of(first), whole[..end].to_vec());
        assert!(read(&disk, first).is_err(), "cut at {end}");
    }
}

#[test]
fn a_power_loss_at_any_moment_leaves_the_segment_or_the_whole_file() {
    for after in 0..12 {
        let disk = MemoryDisk::new(after);
        let (mut wal, first, _) = full(&disk);
        let expected = open(&disk).records.len();
        disk.cut_power_after(after);
        let made = wal.set_aside(first, &mut |_, _| true);
        let is_made = made.is_ok();
        disk.cut_power();
        drop(wal);
        disk.restore_power();
        assert_eq!(open(&disk).records.len(), expected, "after {after}: the log is as it was");
        match read(&disk, first) {
            Ok((aside, records)) => assert_eq!(aside.records, records.len() as u64),
            Err(WalError::Damaged(damage)) => {
                assert_eq!((is_made, damage.kind), (false, DamageKind::AsideMissing), "after {after}");
            }
            Err(error) => panic!("after {after}: {error}"),
        }
        let left = files(&disk).into_iter().filter(|(name, _)| name.ends_with(".new"));
        assert_eq!(left.count(), 0, "after {after}");
    }
}

#[test]
fn a_full_disk_or_a_damaged_segment_leaves_the_log_as_it_was() {
    let disk = MemoryDisk::new(1);
    let (mut wal, first, _) = full(&disk);
    disk.fail_write_after(0, std::io::ErrorKind::StorageFull);
    let error = wal.set_aside(first, &mut |_, _| true).expect_err("there is no space");
    assert!(matches!(error, WalError::NoSpace { .. }), "{error}");
    try_append(&mut wal, &[b"it goes on"]).expect("there is space again");
    let segment = crate::fixture::segment_path(first);
    alter(&disk, &segment, |content| content[4_500] ^= 1);
    let error = wal.set_aside(first, &mut |_, _| true).expect_err("the segment is damaged");
    assert!(matches!(&error, WalError::Damaged(damage) if damage.path == segment), "{error}");
    try_append(&mut wal, &[b"it goes on"]).expect("nothing was written");
    assert!(matches!(read(&disk, first), Err(WalError::Damaged(_))), "there is no file");
    assert!(disk.list(Path::new(DIR)).expect("listed").iter().all(|entry| !entry.name.starts_with("aside")));
}

#[test]
fn what_is_set_aside_by_another_shard_or_a_newer_release_is_refused() {
    let disk = MemoryDisk::new(1);
    let (mut wal, first, _) = full(&disk);
    let aside = wal.set_aside(first, &mut |_, _| true).expect("it is set aside");
    let own = options().context;
    let check = |shard, context: SegmentContext| aside.check(Path::new(DIR), shard, &context);
    assert!(check(ShardId(3), own).is_ok());
    assert!(matches!(check(ShardId(4), own), Err(WalError::WrongShard { .. })));
    let other = Aside { context: SegmentContext { shard_number: ShardNumber(9), ..own }, ..aside };
    assert!(matches!(other.check(Path::new(DIR), ShardId(3), &own), Err(WalError::WrongNode { .. })));
    let newer = Aside { context: SegmentContext { record_version: own.record_version + 1, ..own }, ..aside };
    assert!(matches!(newer.check(Path::new(DIR), ShardId(3), &own), Err(WalError::NewerRecords { .. })));
}
