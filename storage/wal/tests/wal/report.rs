//! Inspection: it finds every planted damage, and changes nothing.

use std::path::Path;

use zonelake_schemas::{Lsn, ShardId};
use zonelake_wal::{
    BlockFault, Damage, DamageKind, Disk, MemoryDisk, SegmentId, Wal, WalError, WalOptions, WalReport, inspect,
};

use crate::fixture::{DIR, alter, append, append_groups, files, nothing, open, options, segment_path};

/// Inspects a log, and makes sure that this has changed nothing.
fn report(disk: &MemoryDisk) -> WalReport {
    let before = files(disk);
    let report = inspect(disk, Path::new(DIR)).expect("a report");
    assert_eq!(files(disk), before);
    report
}

#[test]
fn a_sound_log_is_reported_with_its_counts() {
    let disk = MemoryDisk::new(1);
    let mut wal = open(&disk).wal;
    append_groups(&mut wal, 200);
    wal.release_through(SegmentId(1)).expect("released");
    disk.plant(&Path::new(DIR).join("notes.txt"), vec![1]);
    let report = report(&disk);
    assert!(report.is_sound());
    assert_eq!(report.torn_tail, None);
    assert_eq!(report.next_lsn(), Some(Lsn(401)));
    assert_eq!(report.segments.iter().map(|it| &it.info).collect::<Vec<_>>(), wal.segments().collect::<Vec<_>>());
    let opened = open(&disk);
    assert_eq!(report.records(), opened.summary.records);
    assert_eq!(report.segments.iter().map(|it| it.blocks).sum::<u64>(), opened.summary.blocks);
    let payload_bytes = opened.records.iter().map(|(_, payload)| payload.len() as u64).sum::<u64>();
    assert_eq!(report.segments.iter().map(|it| it.payload_bytes).sum::<u64>(), payload_bytes);
    assert!(report.segments.iter().all(|it| it.shard == ShardId(3)));
    assert_eq!((report.spare_files, report.spare_bytes), (1, 8192));
    assert_eq!(report.unknown_files, ["notes.txt"]);
}

#[test]
fn every_planted_damage_is_reported_by_file_offset_and_lsn() {
    let disk = MemoryDisk::new(1);
    let mut wal = open(&disk).wal;
    let placed = append_groups(&mut wal, 200);
    let of_segment = |id| placed.iter().filter(|it| it.path == segment_path(SegmentId(id))).collect::<Vec<_>>();
    let (one, two, three) = (of_segment(1), of_segment(2), of_segment(3));
    let last = three[three.len() - 1];
    alter(&disk, &one[1].path, |content| content[one[1].start + 50] ^= 4);
    alter(&disk, &one[4].path, |content| content[one[4].start] ^= 4);
    alter(&disk, &one[5].path, |content| content[one[5].start] ^= 4);
    alter(&disk, &two[0].path, |content| content[4000] = 1);
    alter(&disk, &last.path, |content| content[last.start + 45] ^= 1);
    let report = report(&disk);
    let damage = |placed: &crate::fixture::Placed, kind| Damage {
        path: placed.path.clone(),
        offset: placed.start as u64,
        lsn: placed.lsn,
        kind: DamageKind::Block(kind),
    };
    let header = Damage { path: two[0].path.clone(), offset: 0, lsn: Lsn(0), kind: DamageKind::SegmentHeader };
    assert_eq!(
        report.damages,
        [damage(one[1], BlockFault::Body), damage(one[4], BlockFault::Header), header, damage(last, BlockFault::Body)]
    );
    assert!(!report.is_sound());
    // All other blocks of the readable segments were read.
    let readable = placed.iter().filter(|it| it.path != two[0].path).count();
    assert_eq!(report.records(), 2 * (readable as u64 - 4));
}

#[test]
fn a_torn_end_is_reported_and_is_no_damage() {
    let disk = MemoryDisk::new(1);
    let mut wal = open(&disk).wal;
    let last = append_groups(&mut wal, 3).pop().expect("three groups");
    alter(&disk, &last.path, |content| content[last.end - 1] ^= 1);
    let report = report(&disk);
    assert!(report.is_sound());
    let torn = report.torn_tail.expect("a torn end");
    assert_eq!((torn.offset, torn.lsn), (last.start as u64, last.lsn));
    assert_eq!(open(&disk).summary.torn, Some(torn));
}

#[test]
fn missing_and_foreign_segments_are_reported() {
    let disk = MemoryDisk::new(1);
    append_groups(&mut open(&disk).wal, 300);
    disk.remove(&segment_path(SegmentId(2))).expect("removed");
    let foreign = MemoryDisk::new(2);
    let options = WalOptions { shard: ShardId(8), ..options() };
    let mut wal = Wal::open(std::sync::Arc::new(foreign.clone()), options, &mut nothing).expect("opens").0;
    while wal.current_segment().id < SegmentId(4) {
        append(&mut wal, &[&[1; 3000]]);
    }
    let path = segment_path(SegmentId(4));
    disk.plant(&path, foreign.read(&path).expect("its segment"));
    let kinds = report(&disk).damages.into_iter().map(|damage| (damage.path, damage.kind)).collect::<Vec<_>>();
    let missing = DamageKind::SegmentsMissing { first: SegmentId(2), last: SegmentId(2) };
    assert!(kinds.contains(&(segment_path(SegmentId(3)), missing)), "{kinds:?}");
    assert!(kinds.contains(&(path, DamageKind::ForeignShard { found: ShardId(8) })), "{kinds:?}");
}

#[test]
fn a_missing_folder_is_an_error() {
    let error = inspect(&MemoryDisk::new(1), Path::new("/nowhere")).expect_err("no folder");
    assert!(matches!(error, WalError::Io { .. }));
    assert!(error.to_string().contains("/nowhere"));
}
