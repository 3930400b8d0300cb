//! What is on the disk is not what was written: torn ends are dropped, damage is named.

use std::sync::Arc;

use zonelake_schemas::error::ErrorKind;
use zonelake_schemas::{Lsn, ShardId};
use zonelake_wal::{BlockFault, Damage, DamageKind, Disk, MemoryDisk, SegmentId, WalError, WalOptions};

use crate::fixture::{
    Placed, alter, append, append_groups, files, open, open_with, options, refusal, seal_header, segment_path,
};

/// A disk with a log of `groups` groups of two records, and where they stand.
fn log_of(groups: usize) -> (MemoryDisk, Vec<Placed>) {
    let disk = MemoryDisk::new(1);
    let placed = append_groups(&mut open(&disk).wal, groups);
    (disk, placed)
}

fn damage(error: WalError) -> Damage {
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    match error {
        WalError::Damaged(damage) => *damage,
        other => panic!("not damage: {other}"),
    }
}

#[test]
fn a_torn_last_block_is_dropped_and_the_rest_replays() {
    let (disk, placed) = log_of(3);
    let last = &placed[2];
    alter(&disk, &last.path, |content| content[last.start + 48..last.end].fill(0));
    let mut opened = open(&disk);
    assert_eq!(opened.records.len(), 4);
    let torn = opened.summary.torn.expect("it is counted");
    assert_eq!((&torn.path, torn.offset, torn.lsn), (&last.path, last.start as u64, last.lsn));
    assert_eq!(torn.bytes, Some((last.end - last.start) as u64));
    let content = disk.read(&last.path).expect("the segment");
    assert!(content[last.start..].iter().all(|byte| *byte == 0), "its space is cleared");
    // A shorter group in its place ends where the torn one went on.
    assert_eq!(append(&mut opened.wal, &[b"x"]).lsn, last.lsn);
    let again = open(&disk);
    assert_eq!((again.records.len(), again.summary.torn), (5, None));
}

#[test]
fn a_last_block_whose_header_never_reached_the_disk_is_dropped() {
    let (disk, placed) = log_of(3);
    let last = &placed[2];
    alter(&disk, &last.path, |content| content[last.start..last.start + 40].fill(0));
    assert_eq!(open(&disk).records.len(), 4);
    assert_eq!(open(&disk).summary.next_lsn, last.lsn);
}

#[test]
fn every_bit_flip_in_the_last_block_drops_that_block_alone() {
    let (disk, placed) = log_of(2);
    let last = &placed[1];
    for bit in last.start * 8..last.end * 8 {
        let disk = disk.copy();
        alter(&disk, &last.path, |content| content[bit / 8] ^= 1 << (bit % 8));
        let opened = open(&disk);
        assert_eq!(opened.records.len(), 2, "bit {bit}");
        assert!(opened.summary.torn.is_some(), "bit {bit}");
    }
}

#[test]
fn every_bit_flip_in_a_middle_block_is_found_and_names_file_offset_and_lsn() {
    let (disk, placed) = log_of(3);
    let middle = &placed[1];
    for bit in middle.start * 8..middle.end * 8 {
        let disk = disk.copy();
        alter(&disk, &middle.path, |content| content[bit / 8] ^= 1 << (bit % 8));
        let before = files(&disk);
        let error = refusal(&disk);
        let text = error.to_string();
        let found = damage(error);
        assert_eq!(
            (&found.path, found.offset, found.lsn),
            (&middle.path, middle.start as u64, middle.lsn),
            "bit {bit}"
        );
        let place = format!("{} at byte {}, LSN {}", middle.path.display(), middle.start, middle.lsn);
        assert!(text.contains(&place), "{text}");
        assert_eq!(files(&disk), before, "a log that does not open stays as it is");
    }
}

#[test]
fn a_middle_block_that_reads_as_zeros_is_damage() {
    let (disk, placed) = log_of(3);
    let middle = &placed[1];
    alter(&disk, &middle.path, |content| content[middle.start..middle.end].fill(0));
    let found = damage(refusal(&disk));
    assert_eq!((found.offset, found.lsn), (middle.start as u64, middle.lsn));
    assert_eq!(found.kind, DamageKind::Block(BlockFault::Absent));
}

#[test]
fn a_bad_block_far_before_the_end_of_a_long_segment_is_damage() {
    let disk = MemoryDisk::new(1);
    let options = WalOptions { segment_bytes: 2 << 20, ..options() };
    let mut wal = open_with(Arc::new(disk.clone()), options.clone()).expect("opens").wal;
    let first = append(&mut wal, &[&vec![1; 1_000_003]]);
    let behind = append(&mut wal, &[b"behind"]);
    assert_eq!(first.path, behind.path);
    alter(&disk, &first.path, |content| content[first.start + 20] ^= 1);
    let error = open_with(Arc::new(disk), options).expect_err("damaged");
    assert_eq!(damage(error).lsn, Lsn(1));
}

#[test]
fn the_last_block_of_an_older_segment_is_never_taken_for_torn() {
    let disk = MemoryDisk::new(1);
    let mut wal = open(&disk).wal;
    let last = append_groups(&mut wal, 2).pop().expect("two groups");
    wal.roll().expect("rolled");
    // The newer segment holds no block yet; its header alone says that the older one was complete.
    for (offset, kind) in [(last.end - 1, BlockFault::Body), (last.start, BlockFault::Header)] {
        let disk = disk.copy();
        alter(&disk, &last.path, |content| content[offset] ^= 1);
        let found = damage(refusal(&disk));
        assert_eq!((&found.path, found.offset, found.lsn), (&last.path, last.start as u64, last.lsn));
        assert_eq!(found.kind, DamageKind::Block(kind));
    }
    alter(&disk, &last.path, |content| content.truncate(last.start));
    assert_eq!(damage(refusal(&disk)).kind, DamageKind::Block(BlockFault::Absent));
}

#[test]
fn truncation_at_every_byte_of_the_last_block_loses_no_earlier_block_and_gives_no_part_of_it() {
    let (disk, placed) = log_of(3);
    let last = &placed[2];
    let whole = open(&disk.copy()).records;
    for length in last.start..=last.end {
        let disk = disk.copy();
        alter(&disk, &last.path, |content| content.truncate(length));
        let mut opened = open(&disk);
        let expected = if length == last.end { &whole[..] } else { &whole[..4] };
        assert_eq!(opened.records, expected, "{length}");
        assert_eq!(opened.summary.torn.is_some(), length > last.start && length < last.end, "{length}");
        append(&mut opened.wal, &[b"goes on"]);
        assert_eq!(open(&disk).records.len(), expected.len() + 1, "{length}");
        assert_eq!(disk.read(&last.path).map(|content| content.len()), Some(8192), "its length is restored");
    }
}

#[test]
fn a_damaged_segment_header_is_named() {
    let (disk, placed) = log_of(3);
    let path = &placed[0].path;
    for bit in (0..64 * 8).chain([1000 * 8, 4095 * 8 + 7]) {
        let disk = disk.copy();
        alter(&disk, path, |content| content[bit / 8] ^= 1 << (bit % 8));
        let found = damage(refusal(&disk));
        assert_eq!((&found.path, found.offset, &found.kind), (path, 0, &DamageKind::SegmentHeader), "bit {bit}");
    }
    for length in [0, 1, 4095] {
        let disk = disk.copy();
        alter(&disk, path, |content| content.truncate(length));
        assert_eq!(damage(refusal(&disk)).kind, DamageKind::SegmentHeader);
    }
}

#[test]
fn a_missing_segment_in_the_middle_is_damage_that_names_it() {
    let (disk, _) = log_of(200);
    disk.remove(&segment_path(SegmentId(2))).expect("removed");
    let found = damage(refusal(&disk));
    assert_eq!(found.path, segment_path(SegmentId(3)));
    assert_eq!(found.kind, DamageKind::SegmentsMissing { first: SegmentId(2), last: SegmentId(2) });
    assert!(found.to_string().contains("segment 2 is missing"), "{found}");
    disk.remove(&segment_path(SegmentId(3))).expect("removed");
    assert!(damage(refusal(&disk)).to_string().contains("segments 2 to 3 are missing"));
}

#[test]
fn a_segment_under_another_ones_name_is_damage() {
    let (disk, _) = log_of(200);
    disk.rename(&segment_path(SegmentId(3)), &segment_path(SegmentId(2))).expect("renamed");
    assert_eq!(damage(refusal(&disk)).kind, DamageKind::SegmentName { found: SegmentId(3) });
}

#[test]
fn another_shards_segment_is_refused() {
    let (disk, placed) = log_of(1);
    let options = WalOptions { shard: ShardId(4), ..options() };
    let before = files(&disk);
    let error = open_with(Arc::new(disk.clone()), options).expect_err("refused");
    assert_eq!(error.to_string(), format!("{} belongs to shard 3, not to shard 4", placed[0].path.display()));
    assert_eq!(files(&disk), before);
}

#[test]
fn a_newer_version_of_the_format_is_refused_with_words() {
    let (disk, placed) = log_of(1);
    let path = &placed[0].path;
    alter(&disk, path, |content| {
        content[8] = 3;
        seal_header(content);
    });
    let text = refusal(&disk).to_string();
    assert!(text.contains("WAL format version 3, and this release reads versions up to 2"), "{text}");
}

#[test]
fn a_block_that_a_sender_made_up_does_not_pass_for_one_without_the_salt() {
    let disk = MemoryDisk::new(1);
    let mut wal = open(&disk).wal;
    let stale = append(&mut wal, &[b"acknowledged long ago"]);
    let content = disk.read(&stale.path).expect("the segment");
    let (stale_block, stale_salt) = (&content[stale.start..stale.end], content[32..40].to_vec());
    wal.roll().expect("rolled");
    wal.release_through(SegmentId(1)).expect("released");
    let current = *wal.current_segment();
    let path = segment_path(current.id);
    let salt = disk.read(&path).expect("the segment")[32..40].to_vec();
    assert_ne!(salt, stale_salt);
    let replayed = |salt: &[u8]| {
        // All that can be known or guessed is right: segment, LSN, and every checksum over this salt.
        let mut forged = stale_block.to_vec();
        forged[8..16].copy_from_slice(salt);
        forged[16..24].copy_from_slice(&wal.next_lsn().0.to_le_bytes());
        let seed = crc32c::crc32c_append(crc32c::crc32c(&current.id.0.to_le_bytes()), salt);
        let checksum = crc32c::crc32c_append(seed, &forged[..36]);
        forged[36..40].copy_from_slice(&checksum.to_le_bytes());
        let disk = disk.copy();
        let at = usize::try_from(current.bytes).expect("small");
        alter(&disk, &path, |content| content[at..at + forged.len()].copy_from_slice(&forged));
        open(&disk).records.len()
    };
    assert_eq!(replayed(&stale_salt), 0);
    assert_eq!(replayed(&salt), 1, "the salt is what the forged block lacks");
}
