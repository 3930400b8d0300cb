//! A healthy log: appending, rolling, releasing, opening again.

use std::path::Path;
use std::sync::Arc;

use proptest::prelude::*;
use zonelake_schemas::Lsn;
use zonelake_schemas::error::ErrorKind;
use zonelake_wal::{Disk, MemoryDisk, RealDisk, SegmentId, Wal, WalError, WalOptions};

use crate::fixture::{DIR, append, append_groups, files, nothing, open, open_with, options, segment_path};

#[test]
fn a_missing_or_empty_folder_opens_at_the_start_lsn() {
    for made in [false, true] {
        let disk = MemoryDisk::new(1);
        if made {
            disk.create_dir_all(Path::new(DIR)).expect("made");
        }
        let options = WalOptions { start_lsn: Lsn(77), ..options() };
        let mut opened = open_with(Arc::new(disk.clone()), options).expect("opens");
        assert_eq!((opened.summary.first_lsn, opened.summary.next_lsn), (Lsn(77), Lsn(77)));
        assert_eq!((opened.summary.segments, opened.summary.records), (1, 0));
        assert!(opened.wal.current_segment().is_empty());
        assert_eq!(append(&mut opened.wal, &[b"first"]).lsn, Lsn(77));
        // The start is for a log without segments alone.
        assert_eq!(open(&disk).records, [(Lsn(77), b"first".to_vec())]);
    }
}

#[test]
fn parts_come_back_as_one_payload_each_on_the_machines_disk_too() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let disks: [Arc<dyn Disk>; 2] = [Arc::new(RealDisk), Arc::new(MemoryDisk::new(1))];
    for disk in disks {
        let options = WalOptions { dir: folder.path().join("shard-0"), segment_bytes: 1 << 16, ..options() };
        let mut opened = open_with(Arc::clone(&disk), options.clone()).expect("opens");
        // More parts than the system takes at once, an empty part, an empty record, and all lengths of padding.
        let digits = (0..2000u32).map(|n| n.to_le_bytes()).collect::<Vec<_>>();
        let many = digits.iter().map(|digits| &digits[..3]).collect::<Vec<_>>();
        let first = opened.wal.append(&[&many, &[], &[b"", b"ab", b"", b"c"]]).expect("appended");
        let second = opened.wal.append(&[&[b"1234567"], &[b"12345678"], &[b"123456789"]]).expect("appended");
        assert_eq!((first, second, opened.wal.next_lsn()), (Lsn(1), Lsn(4), Lsn(7)));
        let payloads =
            [many.concat(), vec![], b"abc".to_vec(), b"1234567".into(), b"12345678".into(), b"123456789".into()];
        let expected = (1..).map(Lsn).zip(payloads).collect::<Vec<_>>();
        for _ in 0..2 {
            let again = open_with(Arc::clone(&disk), options.clone()).expect("opens");
            assert_eq!(again.records, expected);
            assert_eq!((again.summary.blocks, again.summary.torn), (2, None));
        }
    }
}

#[test]
fn the_machines_disk_recycles_segments_and_keeps_their_length() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let options = WalOptions { dir: folder.path().to_owned(), spare_segments: 1, ..options() };
    let mut wal = open_with(Arc::clone(&disk), options.clone()).expect("opens").wal;
    for _ in 0..5 {
        append_groups(&mut wal, 40);
        wal.roll().expect("rolled");
        append_groups(&mut wal, 2);
        let before_current = SegmentId(wal.current_segment().id.0 - 1);
        wal.release_through(before_current).expect("released");
        let mut entries = disk.list(folder.path()).expect("a list");
        entries.sort();
        let lengths = entries.iter().map(|entry| entry.bytes).collect::<Vec<_>>();
        assert_eq!(lengths, [8192, 8192], "{entries:?}");
        assert!(entries[1].name.starts_with("spare-"));
    }
    assert_eq!(open_with(disk, options).expect("opens").records.len(), 4);
}

#[test]
fn a_segment_finds_a_file_that_was_made_ahead_of_it() {
    use std::os::unix::fs::MetadataExt;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let options = WalOptions { dir: folder.path().to_owned(), segment_bytes: 2 << 20, ..options() };
    let opened = open_with(Arc::clone(&disk), options.clone()).expect("opens");
    let mut wal = opened.wal;
    let in_folder = |ending: &str| {
        let names = disk.list(folder.path()).expect("a list").into_iter();
        names.filter(|entry| entry.name.ends_with(ending)).collect::<Vec<_>>()
    };
    append(&mut wal, &[&vec![1; 900 << 10]]);
    assert_eq!(in_folder(".new"), [], "nothing is made before half of the segment is used");
    append(&mut wal, &[&vec![2; 900 << 10]]);
    let mut made = in_folder(".new");
    for _ in 0..500 {
        if !made.is_empty() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
        made = in_folder(".new");
    }
    assert_eq!(made.len(), 1, "half of the segment is used");
    let inode_of = |name: &str| std::fs::metadata(folder.path().join(name)).expect("the file is there").ino();
    let inode = inode_of(&made[0].name);
    // It is taken by the first segment that begins after it is there.
    let mut numbers = vec![1, 2];
    while inode_of(&format!("segment-{:020}.wal", wal.current_segment().id.0)) != inode {
        assert!(numbers.len() < 100, "what was made ahead is not used");
        std::thread::sleep(std::time::Duration::from_millis(20));
        let number = u8::try_from(numbers.len() + 1).expect("below 100");
        numbers.push(number);
        append(&mut wal, &[&vec![number; 900 << 10]]);
    }
    assert_eq!(in_folder(".new"), []);
    drop(wal);
    // What a crash leaves of one being made is removed by the next opening.
    std::fs::write(folder.path().join("spare-00000000000000000099.new"), b"half").expect("written");
    let again = open_with(Arc::clone(&disk), options).expect("opens");
    assert_eq!(again.records.iter().map(|(_, payload)| payload[0]).collect::<Vec<_>>(), numbers);
    assert!(!folder.path().join("spare-00000000000000000099.new").exists());
}

#[test]
fn a_group_that_does_not_fit_is_refused_until_the_caller_rolls() {
    let disk = MemoryDisk::new(1);
    let mut wal = open(&disk).wal;
    let big = vec![7; 3000];
    let record: [&[u8]; 1] = [&big];
    let bytes = Wal::group_bytes(&[&record]);
    assert_eq!(bytes, 40 + 8 + 3000);
    assert!(!wal.must_roll(bytes));
    wal.append(&[&record]).expect("fits");
    assert!(wal.must_roll(bytes));
    assert!(!wal.must_roll(8192 - 4096 - bytes));
    let error = wal.append(&[&record]).expect_err("does not fit");
    assert!(matches!(error, WalError::SegmentFull { bytes: 3048, left_bytes: 1048 }), "{error}");
    assert_eq!(error.kind(), ErrorKind::Input);
    assert_eq!(wal.roll().expect("rolls"), SegmentId(2));
    assert_eq!(wal.roll().expect("an empty segment stays"), SegmentId(2));
    assert_eq!(wal.append(&[&record]).expect("fits"), Lsn(2));
    assert_eq!(open(&disk).records.len(), 2);
}

#[test]
fn a_group_may_fill_a_segment_to_the_last_byte() {
    let disk = MemoryDisk::new(1);
    let mut wal = open(&disk).wal;
    let all = vec![7; 4096 - 48];
    append(&mut wal, &[&all]);
    assert_eq!(wal.current_segment().bytes, 8192);
    assert!(wal.must_roll(48));
    append(&mut wal, &[b"next"]);
    assert_eq!(wal.current_segment().id, SegmentId(2));
    assert_eq!(open(&disk).records, [(Lsn(1), all), (Lsn(2), b"next".to_vec())]);
}

#[test]
fn a_group_larger_than_a_segment_gets_one_of_its_own_length_which_is_not_recycled() {
    let disk = MemoryDisk::new(1);
    let mut wal = open(&disk).wal;
    append(&mut wal, &[b"small"]);
    let huge = vec![5; 50_000];
    append(&mut wal, &[&huge]);
    assert_eq!(disk.read(&segment_path(SegmentId(2))).map(|content| content.len()), Some(4096 + 48 + 50_000));
    append(&mut wal, &[b"small"]);
    assert_eq!(wal.current_segment().id, SegmentId(3));
    assert_eq!(open(&disk).records.iter().map(|(_, payload)| payload.len()).collect::<Vec<_>>(), [5, 50_000, 5]);
    wal.release_through(SegmentId(2)).expect("released");
    let names = files(&disk).into_iter().map(|(name, content)| (name, content.len())).collect::<Vec<_>>();
    assert_eq!(
        names,
        [("segment-00000000000000000003.wal".to_owned(), 8192), ("spare-00000000000000000001.wal".to_owned(), 8192)]
    );
}

#[test]
fn a_group_over_the_limit_or_without_records_is_refused_and_harms_nothing() {
    let disk = MemoryDisk::new(1);
    let options = WalOptions { block_bytes_max: 1000, ..options() };
    let mut wal = open_with(Arc::new(disk.clone()), options).expect("opens").wal;
    let record: [&[u8]; 1] = [&[1; 953]];
    let error = wal.append(&[&record]).expect_err("too large");
    assert!(matches!(error, WalError::GroupTooLarge { bytes: 1008, limit_bytes: 1000 }), "{error}");
    assert_eq!(error.kind(), ErrorKind::Input);
    assert!(matches!(wal.append(&[]), Err(WalError::EmptyGroup)));
    append(&mut wal, &[&[1; 952]]);
    // A lower limit in later settings does not make what was acknowledged unreadable.
    let options = WalOptions { block_bytes_max: 64, ..self::options() };
    assert_eq!(open_with(Arc::new(disk), options).expect("opens").records.len(), 1);
}

#[test]
fn replay_after_a_release_starts_at_the_first_kept_lsn_and_has_no_gap() {
    let disk = MemoryDisk::new(1);
    let mut wal = open(&disk).wal;
    append_groups(&mut wal, 200);
    let kept = wal.segments().nth(2).copied().expect("many segments");
    wal.release_through(SegmentId(2)).expect("released");
    assert_eq!(wal.segments().next(), Some(&kept));
    let opened = open(&disk);
    assert_eq!(opened.summary.first_lsn, kept.first_lsn);
    assert!(opened.summary.first_lsn > Lsn(1));
    let lsns = opened.records.iter().map(|(lsn, _)| *lsn).collect::<Vec<_>>();
    assert_eq!(lsns, (kept.first_lsn.0..=400).map(Lsn).collect::<Vec<_>>());
    assert_eq!(opened.wal.segments().collect::<Vec<_>>(), wal.segments().collect::<Vec<_>>());
}

#[test]
fn the_current_segment_is_never_released() {
    let disk = MemoryDisk::new(1);
    let mut wal = open(&disk).wal;
    append_groups(&mut wal, 100);
    wal.release_through(SegmentId(u64::MAX)).expect("released");
    let current = *wal.current_segment();
    assert_eq!(wal.segments().collect::<Vec<_>>(), [&current]);
    assert_eq!(open(&disk).summary.first_lsn, current.first_lsn);
}

#[test]
fn recycled_segments_never_bring_stale_records_back() {
    let disk = MemoryDisk::new(1);
    let mut wal = open(&disk).wal;
    let mut recycled = 0;
    for round in 0..30u8 {
        // Groups of equal size put the new blocks exactly where the stale ones begin.
        append_groups(&mut wal, 9);
        wal.roll().expect("rolled");
        let current = wal.current_segment().id;
        let path = segment_path(current);
        let stale = disk.read(&path).expect("the segment").windows(5).any(|bytes| bytes == b"group");
        recycled += usize::from(stale);
        let crashed = open(&disk.copy());
        assert_eq!(crashed.summary.torn, None, "round {round}");
        assert_eq!(crashed.records.last().map(|(lsn, _)| Lsn(lsn.0 + 1)), Some(wal.next_lsn()), "round {round}");
        append_groups(&mut wal, 1);
        let crashed = open(&disk.copy());
        assert_eq!(crashed.records.last().map(|(lsn, _)| Lsn(lsn.0 + 1)), Some(wal.next_lsn()), "round {round}");
        if round % 3 == 2 {
            wal.release_through(SegmentId(current.0 - 1)).expect("released");
        }
    }
    assert!(recycled > 10, "the files of {recycled} segments held stale blocks");
}

#[test]
fn leftovers_of_a_crash_are_removed_and_foreign_files_stay() {
    let disk = MemoryDisk::new(1);
    let mut wal = open(&disk).wal;
    append_groups(&mut wal, 1);
    let dir = Path::new(DIR);
    disk.plant(&dir.join("segment-00000000000000000002.new"), vec![1; 100]);
    disk.plant(&dir.join("segment-2.wal"), vec![2; 100]);
    disk.plant(&dir.join("notes.txt"), vec![3; 100]);
    // More than are kept.
    let kept = 10..10 + WalOptions::SPARE_SEGMENTS;
    for id in kept.start..kept.end + 3 {
        disk.plant(&dir.join(format!("spare-{id:020}.wal")), vec![4; 8192]);
    }
    assert_eq!(open(&disk).records.len(), 2);
    let names = files(&disk).into_iter().map(|(name, _)| name).collect::<Vec<_>>();
    let others = ["notes.txt", "segment-00000000000000000001.wal", "segment-2.wal"].map(str::to_owned);
    let spares = kept.map(|id| format!("spare-{id:020}.wal"));
    assert_eq!(names, others.into_iter().chain(spares).collect::<Vec<_>>());
}

#[test]
fn a_changed_segment_length_takes_effect_with_the_next_segment() {
    let disk = MemoryDisk::new(1);
    let mut wal = open(&disk).wal;
    append_groups(&mut wal, 100);
    wal.release_through(SegmentId(1)).expect("released");
    let longer = WalOptions { segment_bytes: 20_000, ..options() };
    let mut opened = open_with(Arc::new(disk.clone()), longer).expect("opens");
    append_groups(&mut opened.wal, 300);
    assert_eq!(open(&disk).records.len(), opened.records.len() + 600);
    let longest = files(&disk).into_iter().map(|(_, content)| content.len()).max();
    assert_eq!(longest, Some(20_000));
}

#[test]
fn what_refuses_a_record_is_named_with_its_place() {
    let disk = MemoryDisk::new(1);
    append_groups(&mut open(&disk).wal, 3);
    let error = Wal::open(Arc::new(disk), options(), &mut |record| match record.lsn {
        Lsn(4) => Err("no such table"),
        _ => Ok(()),
    });
    let error = error.expect_err("refused").to_string();
    assert_eq!(error, "record with LSN 4 in segment 1 was refused at replay: no such table");
}

#[test]
fn a_setting_that_cannot_be_used_is_refused_by_name() {
    for (options, name) in [
        (WalOptions { segment_bytes: 8191, ..options() }, "segment_bytes"),
        (WalOptions { block_bytes_max: 63, ..options() }, "block_bytes_max"),
        (WalOptions { block_bytes_max: 1 << 32, ..options() }, "block_bytes_max"),
        (WalOptions { start_lsn: Lsn(0), ..options() }, "start_lsn"),
    ] {
        let error = Wal::open(Arc::new(MemoryDisk::new(1)), options, &mut nothing).expect_err("refused");
        assert_eq!(error.kind(), ErrorKind::Input);
        assert!(error.to_string().contains(name), "{error}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_groups_of_any_parts_come_back_as_they_were(
        groups in prop::collection::vec(
            prop::collection::vec(prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..4), 1..6), 1..40,
        ),
    ) {
        let disk = MemoryDisk::new(1);
        disk.set_short_writes(true);
        let mut wal = open(&disk).wal;
        let mut expected = Vec::new();
        for group in &groups {
            let parts = group.iter().map(|parts| parts.iter().map(Vec::as_slice).collect()).collect::<Vec<Vec<_>>>();
            let records = parts.iter().map(Vec::as_slice).collect::<Vec<_>>();
            if wal.must_roll(Wal::group_bytes(&records)) {
                wal.roll().expect("rolls");
            }
            let first = wal.append(&records).expect("appends");
            expected.extend((first.0..).map(Lsn).zip(group.iter().map(|parts| parts.concat())));
        }
        prop_assert_eq!(open(&disk).records, expected);
    }
}
