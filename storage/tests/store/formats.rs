//! Formats: the identity of rows, the registry beside the log, earlier and later versions.

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use zonelake_registry::Registry;
use zonelake_schemas::error::ErrorKind;
use zonelake_schemas::{GroupSequence, Lsn, ShardId, ShardNumber};
use zonelake_storage::record::{
    BatchHeader, KeyHeader, KeysHeader, ProducerHeader, RECORD_VERSION, RecordHeader, StreamHeader, StreamsHeader,
    encode_header,
};
use zonelake_storage::{FolderFormat, Outcome, RequestKey, Rows, SequenceCheck};
use zonelake_wal::{RealDisk, Wal, WalOptions, inspect_records};

use crate::made::{Folder, Opened, START_US, entry, log_rows, once};

/// Identity of each row in memory: shard number, LSN, row and sequence.
fn identities(opened: &Opened) -> Vec<(ShardNumber, Lsn, u32, GroupSequence)> {
    let view = opened.air().view();
    let mut all: Vec<_> = view
        .chunks()
        .flat_map(|chunk| {
            let rows: u32 = chunk.origins.iter().map(|origin| origin.rows).sum();
            assert_eq!(rows as usize, chunk.rows.num_rows());
            let of = |origin: &zonelake_schemas::RowOrigin| {
                let (number, lsn, sequence) = (chunk.shard_number, origin.lsn, origin.sequence);
                (0..origin.rows).map(move |row| (number, lsn, row, sequence))
            };
            chunk.origins.iter().flat_map(of).collect::<Vec<_>>()
        })
        .collect();
    all.sort_unstable();
    all
}

#[tokio::test]
async fn a_row_has_one_identity_in_memory_that_merging_and_a_replay_keep() {
    let folder = Folder { shards: 2, ..Folder::new() };
    let mut opened = folder.open().await;
    for number in 1..=40 {
        opened.append(1, number, &[1.0, 2.0]);
        opened.append(2, number, &[3.0]);
    }
    let group = [entry(opened.air(), 1, 41, &[4.0]), entry(opened.air(), 3, 1, &[5.0])];
    opened.shards[1].append(&group).unwrap();
    assert!(opened.air().view().chunks().count() < 82, "small chunks are merged");
    let before = identities(&opened);
    assert_eq!(before.len(), 122);
    let mut rows: Vec<_> = before.iter().map(|(number, lsn, row, _)| (number, lsn, row)).collect();
    rows.dedup();
    assert_eq!(rows.len(), 122, "no two rows are the same");
    let numbers: Vec<ShardNumber> = opened.shards.iter().map(|shard| shard.number()).collect();
    assert_eq!(numbers[0].0 + 1, numbers[1].0);
    assert!(before.iter().all(|(number, ..)| numbers.contains(number)));
    let last = before.iter().map(|(.., sequence)| *sequence).max().unwrap();
    assert_eq!(before.iter().filter(|(.., sequence)| *sequence == last).count(), 2, "a group has one sequence");
    drop(opened);
    assert_eq!(identities(&folder.open().await), before);
}

#[tokio::test]
async fn a_later_group_has_a_later_sequence_over_all_shards_restarts_releases_and_shard_counts() {
    let mut folder = Folder::new();
    let mut latest = GroupSequence(0);
    let mut number = 0;
    let wide = vec![7.0; 20_000];
    for shards in [2, 2, 3, 1, 1, 2] {
        folder.shards = shards;
        // The wall clock means nothing.
        folder.clock.wall_us.fetch_sub(3_600_000_000, Ordering::SeqCst);
        let mut opened = folder.open().await;
        for _ in 0..8 {
            number += 1;
            for producer in 1..=2 {
                assert_eq!(opened.append(producer, number, &wide), Outcome::Stored);
                let newest = identities(&opened).iter().map(|(.., sequence)| *sequence).max().unwrap();
                assert!(newest > latest, "{newest} is not after {latest}");
                latest = newest;
            }
            // Everything goes into files, and with that the records that have the sequences.
            opened.store.flush_all().await.unwrap();
            opened.shards.iter_mut().for_each(|shard| shard.release().unwrap());
        }
    }
}

#[tokio::test]
async fn a_folder_keeps_its_node_number_and_two_folders_have_different_ones() {
    let (one, other) = (Folder::new(), Folder::new());
    let number = one.open().await.shards[0].number();
    assert_eq!(one.open().await.shards[0].number(), number);
    assert_ne!(other.open().await.shards[0].number(), number);
    let format = FolderFormat::read(&RealDisk, &one.data().join("wal")).unwrap().unwrap();
    assert_eq!(format.node_number.shard_number(ShardId(0)), number);
}

/// Puts another registry in the place of a folder's.
fn replace_registry(folder: &Folder, with: &Path) {
    std::fs::copy(with, folder.data().join("registry.sqlite")).unwrap();
}

fn copy_of_registry(folder: &Folder, name: &str) -> PathBuf {
    let copy = folder.folder.path().join(name);
    std::fs::copy(folder.data().join("registry.sqlite"), &copy).unwrap();
    copy
}

#[tokio::test]
async fn an_older_registry_is_refused_at_start_by_a_record_that_refers_to_more() {
    let folder = Folder::new();
    drop(folder.open().await);
    let older = copy_of_registry(&folder, "older.sqlite");
    let mut opened = folder.open().await;
    let zone = opened.store.registry().add_gateway("g4", "vung-ang").unwrap().gateway.zone;
    let key = opened.store.registry().register_devices(zone, &["new"]).unwrap()[0];
    let mut batch = entry(opened.air(), 1, 1, &[1.0]);
    batch.stored = Some(Rows::new(log_rows(opened.air(), 1, &[1.0], key.0)).unwrap());
    opened.shards[0].append(&[batch]).unwrap();
    drop(opened);
    let newer = copy_of_registry(&folder, "newer.sqlite");
    replace_registry(&folder, &older);
    for _ in 0..2 {
        let error = folder.try_open().await.err().expect("the registry is older").to_string();
        for words in [&*format!("device key {key}"), "LSN 1", "segment-", "restore registry.sqlite"] {
            assert!(error.contains(words), "{words}: {error}");
        }
    }
    replace_registry(&folder, &newer);
    assert_eq!(folder.open().await.values(), once([1]));
}

#[tokio::test]
async fn an_older_registry_is_refused_at_start_by_a_segment_that_was_made_beside_a_newer_one() {
    let folder = Folder::new();
    drop(folder.open().await);
    let older = copy_of_registry(&folder, "older.sqlite");
    let mut opened = folder.open().await;
    let zone = opened.store.registry().add_gateway("g4", "vung-ang").unwrap().gateway.zone;
    opened.store.registry().register_devices(zone, &["new"]).unwrap();
    let wide = vec![7.0; 20_000];
    for number in 1..=12 {
        opened.append(1, number, &wide);
    }
    // No record refers to the new gateway and device.
    drop(opened);
    replace_registry(&folder, &older);
    let error = folder.try_open().await.err().expect("the registry is older").to_string();
    assert!(error.contains("device key") && error.contains("made beside a registry"), "{error}");
}

#[tokio::test]
async fn a_registry_and_a_wal_of_two_folders_are_refused_together() {
    let (one, other) = (Folder::new(), Folder::new());
    drop(one.open().await);
    drop(other.open().await);
    replace_registry(&one, &other.data().join("registry.sqlite"));
    let error = one.try_open().await.err().expect("two nodes").to_string();
    assert!(error.contains("node number") && error.contains("same backup"), "{error}");

    // A WAL whose segments are of another node's shard.
    let (one, other) = (Folder::new(), Folder::new());
    drop(one.open().await);
    drop(other.open().await);
    let shard = "wal/0001/shard-0000";
    std::fs::remove_dir_all(one.data().join(shard)).unwrap();
    std::fs::rename(other.data().join(shard), one.data().join(shard)).unwrap();
    let error = one.try_open().await.err().expect("two nodes").to_string();
    assert!(error.contains("belongs to shard number"), "{error}");
}

#[tokio::test]
async fn a_folder_of_a_later_release_is_refused_with_both_versions_and_left_as_it_is() {
    let folder = Folder::new();
    drop(folder.open().await);
    let format = folder.data().join("wal/format");
    std::fs::write(&format, r#"{"version":6,"node_number":5}"#).unwrap();
    let registry = std::fs::read(folder.data().join("registry.sqlite")).unwrap();
    let error = folder.try_open().await.err().expect("it is newer");
    assert_eq!(error.kind(), ErrorKind::Input);
    let words = "the data folder has format version 6, and this release reads versions up to 5";
    assert!(error.to_string().contains(words), "{error}");
    assert_eq!(std::fs::read(folder.data().join("registry.sqlite")).unwrap(), registry);
}

#[tokio::test]
async fn a_record_of_a_kind_that_is_not_known_is_an_error_and_not_skipped() {
    let folder = Folder::new();
    let mut opened = folder.open().await;
    opened.append(1, 1, &[1.0]);
    let number = opened.shards[0].number();
    drop(opened);
    let dir = folder.data().join("wal/0001/shard-0000");
    let options = options(&dir, number);
    let open = |record: zonelake_wal::ReplayedRecord<'_>| -> Result<(), Infallible> {
        assert_eq!(record.context.record_version, RECORD_VERSION);
        Ok(())
    };
    let (mut wal, _) = Wal::open(Arc::new(RealDisk), options, &mut { open }).unwrap();
    // A tombstone of no content.
    wal.append(&[&[b"\x02\0\0\0\x2a\0"]]).unwrap();
    drop(wal);
    let error = folder.try_open().await.err().expect("nobody knows what it says").to_string();
    for words in ["segment-00000000000000000001.wal", "LSN 2", "kind 5 (tombstone)", "version 2", "up to version 2"] {
        assert!(error.contains(words), "{words}: {error}");
    }
}

fn options(dir: &Path, number: ShardNumber) -> WalOptions {
    let mut options = WalOptions { segment_bytes: 1 << 20, ..WalOptions::new(dir, ShardId(0)) };
    options.context.shard_number = number;
    options.context.record_version = RECORD_VERSION;
    options
}

/// CRC-32C, bit by bit.
fn crc32c(parts: &[&[u8]]) -> u32 {
    let mut crc = u32::MAX;
    for byte in parts.iter().flat_map(|part| part.iter()) {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0x82f6_3b78 } else { crc >> 1 };
        }
    }
    !crc
}

/// Makes the segments of a WAL ones of the first version, whose headers say less; their blocks are the same.
fn make_first_version(dir: &Path) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[8] = 1;
        bytes[42..4096].fill(0);
        let checksum = crc32c(&[&bytes[..12], &bytes[16..4096]]);
        bytes[12..16].copy_from_slice(&checksum.to_le_bytes());
        std::fs::write(&path, bytes).unwrap();
    }
}

/// A batch as the first version logged it: without a sequence, and without the keys of its rows.
fn first_version_batch(opened: &Opened, number: u64, values: &[f64]) -> Vec<u8> {
    let table = opened.air();
    let rows = zonelake_storage::record::EncodedRows::new(&log_rows(table, number, values, 1)).unwrap();
    let mut stored = rows.header(table.registered.id, table.registered.version);
    stored.device_key_max = 0;
    let batch = BatchHeader {
        producer: 1,
        epoch: 1,
        table: table.registered.id.0,
        lane: 1,
        number,
        digest: values.iter().map(|value| value.to_bits()).fold(0, u64::wrapping_add),
        ingested_at_us: START_US,
        gateway: 1,
        stored: Some(stored),
        ..BatchHeader::default()
    };
    let header = encode_header(&RecordHeader { batch: Some(batch), ..RecordHeader::default() });
    [header, rows.parts().concat()].concat()
}

/// A folder whose WAL is of the first version: its segment begins with the state of the streams.
async fn first_version_folder() -> Folder {
    let folder = Folder::new();
    let opened = folder.open().await;
    let table = opened.air().registered.id.0;
    let streams = StreamsHeader {
        producers: vec![ProducerHeader {
            producer: 1,
            epoch: 1,
            streams: vec![StreamHeader { table, lane: 1, last_number: 7, recent_digests: vec![] }],
        }],
        ingested_at_us: START_US,
        keys: vec![KeysHeader { gateway: 2, keys: vec![KeyHeader::new(99, 5, START_US)], role: 0 }],
        ..StreamsHeader::default()
    };
    let state = encode_header(&RecordHeader { streams: Some(streams), ..RecordHeader::default() });
    let batches = [first_version_batch(&opened, 8, &[1.0, 2.0]), first_version_batch(&opened, 9, &[3.0])];
    drop(opened);
    let dir = folder.data().join("wal/0001/shard-0000");
    std::fs::remove_dir_all(&dir).unwrap();
    std::fs::remove_file(folder.data().join("wal/format")).unwrap();
    let nothing = |_: zonelake_wal::ReplayedRecord<'_>| Ok::<(), Infallible>(());
    let (mut wal, _) = Wal::open(Arc::new(RealDisk), options(&dir, ShardNumber(0)), &mut { nothing }).unwrap();
    wal.append(&[&[&state], &[&batches[0]], &[&batches[1]]]).unwrap();
    drop(wal);
    make_first_version(&dir);
    folder
}

fn request(key: u128) -> RequestKey {
    let principal = zonelake_schemas::Principal::Gateway(zonelake_schemas::GatewayId(2));
    RequestKey { principal, key, digest: 5 }
}

#[tokio::test]
async fn a_wal_of_the_first_version_is_replayed_and_goes_on_in_segments_that_an_earlier_release_refuses() {
    let folder = first_version_folder().await;
    for round in 0..2 {
        let mut opened = folder.open().await;
        assert_eq!(opened.values(), once(1..=3));
        let identities = identities(&opened);
        assert!(identities.iter().all(|(number, ..)| *number == opened.shards[0].number()));
        assert!(identities.iter().all(|(.., sequence)| *sequence == GroupSequence(0)), "{identities:?}");
        assert_eq!(opened.append(1, 9, &[3.0]), Outcome::Repeated, "round {round}");
        let forgotten = opened.append(1, 7, &[0.5]);
        assert!(matches!(forgotten, Outcome::Refused(SequenceCheck::Forgotten { .. })), "round {round}: {forgotten:?}");
        assert_eq!(opened.shards[0].append_request(&request(99), &[]).unwrap(), Outcome::Repeated);
        drop(opened);
        let mut versions = Vec::new();
        let dir = folder.data().join("wal/0001/shard-0000");
        let report = inspect_records(&RealDisk, &dir, &mut |_| {}).unwrap();
        versions.extend(report.segments.iter().map(|segment| segment.info.version));
        assert_eq!(versions, [1, 2], "round {round}: although nothing was written");
    }
    let mut opened = folder.open().await;
    assert_eq!(opened.append(1, 10, &[4.0]), Outcome::Stored);
    opened.store.flush_all().await.unwrap();
    opened.shards[0].release().unwrap();
    drop(opened);
    let mut opened = folder.open().await;
    assert_eq!(opened.append(1, 10, &[4.0]), Outcome::Repeated, "its segment has gone, the state has not");
    assert_eq!(opened.shards[0].append_request(&request(99), &[]).unwrap(), Outcome::Repeated);
    assert_eq!(opened.values(), once(1..=4));
}

#[tokio::test]
async fn keys_in_rows_of_the_first_version_are_compared_with_the_registry_too() {
    let folder = first_version_folder().await;
    let path = folder.data().join("registry.sqlite");
    // The registry has one location only for each zone; a key beyond all of them is planted by an empty registry.
    let keys = Registry::open(&path, Arc::clone(&folder.clock) as _).unwrap().marks().device_key;
    assert!(keys.0 >= 1);
    let opened = folder.open().await;
    let table = Arc::clone(opened.air());
    let rows = log_rows(&table, 11, &[1.0], keys.0 + 1);
    let encoded = zonelake_storage::record::EncodedRows::new(&rows).unwrap();
    let mut stored = encoded.header(table.registered.id, table.registered.version);
    assert_eq!(stored.device_key_max, keys.0 + 1);
    stored.device_key_max = 0;
    let number = opened.shards[0].number();
    drop((opened, table));
    let batch = BatchHeader { stored: Some(stored), ..BatchHeader::default() };
    let header = encode_header(&RecordHeader { batch: Some(batch), ..RecordHeader::default() });
    let dir = folder.data().join("wal/0001/shard-0000");
    let nothing = |_: zonelake_wal::ReplayedRecord<'_>| Ok::<(), Infallible>(());
    let (mut wal, _) = Wal::open(Arc::new(RealDisk), options(&dir, number), &mut { nothing }).unwrap();
    let parts = encoded.parts();
    wal.append(&[&[&header, parts[0], parts[1]]]).unwrap();
    drop(wal);
    let error = folder.try_open().await.err().expect("no such device").to_string();
    assert!(error.contains(&format!("device key {}", keys.0 + 1)), "{error}");
}
