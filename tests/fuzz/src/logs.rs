//! The write-ahead log: files that anything may have happened to, and records whose checksum holds all the same.

use std::convert::Infallible;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use zonelake_schemas::{GroupSequence, Lsn, ShardId, TableDef, TableSchemas};
use zonelake_storage::Streams;
use zonelake_storage::record::{EncodedRows, decode_header, decode_rows, encode_header};
use zonelake_wal::{MemoryDisk, SegmentId, Wal, WalError, WalOptions, aside_file, inspect, read_aside};

/// Opens a WAL of one segment. With an odd first byte the rest is the file; else it is changes to a good one: position
/// (u16, little-endian, over the file and beyond) and the new byte, and what is left over cuts the file.
///
/// All records that the WAL opens with stay: a record that is appended is there at the next open behind all others, and nothing is
/// damaged then.
pub fn wal_segment(input: &[u8]) {
    let Some((mode, rest)) = input.split_first() else { return };
    let file = if mode % 2 == 1 { rest.to_vec() } else { changed(good_segment(), rest) };
    let disk = MemoryDisk::new(1);
    let path = Path::new(DIR).join("segment-00000000000000000001.wal");
    make_folder(&disk);
    disk.plant(&path, file);
    let report = inspect(&disk, Path::new(DIR));
    let opened = open(&disk);
    match (&report, &opened) {
        (Ok(report), Ok(_)) => assert!(report.damages.is_empty(), "a WAL that opens has no damage: {report:?}"),
        (Ok(report), Err(WalError::Damaged(_))) => assert!(!report.damages.is_empty(), "damage is reported"),
        _ => {}
    }
    let Ok((mut wal, before)) = opened else { return };
    if wal.must_roll(Wal::group_bytes(&[&[b"one more"]])) {
        wal.roll().expect("the disk has room");
    }
    wal.append(&[&[b"one more"]]).expect("the disk has room");
    let (_, after) = open(&disk).expect("what was opened opens again");
    assert_eq!(after.len(), before.len() + 1);
    assert_eq!(after[..before.len()], before[..]);
    assert_eq!(after[before.len()].1, b"one more");
}

/// Reads records that are set aside. With an odd first byte the rest is the file; else it is changes to a good one. What can be read
/// to its end is found sound, and all else is damaged.
pub fn wal_aside(input: &[u8]) {
    let Some((mode, rest)) = input.split_first() else { return };
    let file = if mode % 2 == 1 { rest.to_vec() } else { changed(good_aside(), rest) };
    let disk = MemoryDisk::new(1);
    make_folder(&disk);
    disk.plant(&Path::new(DIR).join(aside_file(SegmentId(1))), file);
    let (mut last, mut records) = (Lsn(0), 0);
    let read = read_aside::<WalError>(&disk, Path::new(DIR), SegmentId(1), &mut |record| {
        assert!(record.lsn > last, "LSNs grow");
        (last, records) = (record.lsn, records + 1);
        Ok(())
    });
    let report = inspect(&disk, Path::new(DIR));
    match (read, report) {
        (Ok(aside), Ok(report)) => {
            assert_eq!((aside.records, report.asides), (records, vec![aside]));
            assert!(report.damages.is_empty(), "what reads is not damaged");
        }
        (Err(WalError::Damaged(_)), Ok(report)) => assert!(!report.damages.is_empty(), "damage is reported"),
        (Err(WalError::NewerVersion { .. }), Err(WalError::NewerVersion { .. })) => {}
        other => panic!("one reads and the other does not: {other:?}"),
    }
}

/// Records of every other LSN of a segment, set aside.
pub fn good_aside() -> &'static [u8] {
    static ASIDE: OnceLock<Vec<u8>> = OnceLock::new();
    ASIDE.get_or_init(|| {
        let disk = MemoryDisk::new(7);
        let (mut wal, _) = open(&disk).expect("a new log opens");
        let first = wal.current_segment().id;
        for record in 1..=6u8 {
            wal.append(&[&[&vec![record; 11 * usize::from(record)]]]).expect("the disk has room");
        }
        wal.roll().expect("the disk has room");
        wal.set_aside(first, &mut |lsn, _| lsn.0 % 2 == 0).expect("the disk has room");
        disk.read(&Path::new(DIR).join(aside_file(first))).expect("it is there")
    })
}

/// Reads a record: its head, the state of streams in it, and its rows in the schema of a table.
pub fn wal_record(input: &[u8]) {
    let Ok((head, mut rest)) = decode_header(input) else { return };
    let encoded = encode_header(&head);
    let (again, _) = decode_header(&encoded).expect("a head reads back");
    assert_eq!(again, head);
    if let Some(streams) = &head.streams {
        let mut restored = Streams::default();
        restored.restore(streams);
        let mut twice = Streams::default();
        twice.restore(&restored.header(streams.ingested_at_us, GroupSequence(streams.sequence), |_| true));
        assert_eq!(twice, restored);
    }
    let batch = head.batch.unwrap_or_default();
    for rows in [&batch.stored, &batch.rejected].into_iter().flatten() {
        let Some((own, behind)) = rest.split_at_checked(usize::try_from(rows.bytes).unwrap_or(usize::MAX)) else {
            return;
        };
        rest = behind;
        if let Ok(read) = decode_rows(own, rows, &schemas().log) {
            let encoded = EncodedRows::new(&read).expect("what was read can be written");
            let head = encoded.header(zonelake_schemas::TableId(1), zonelake_schemas::SchemaVersion(1));
            let again = decode_rows(&encoded.parts().concat(), &head, &schemas().log).expect("it reads back");
            assert_eq!(again.num_rows(), read.num_rows());
        }
    }
}

/// The schemas of the table that records are read into.
pub fn schemas() -> &'static TableSchemas {
    static SCHEMAS: OnceLock<TableSchemas> = OnceLock::new();
    SCHEMAS.get_or_init(|| {
        TableSchemas::new(&TableDef::from_toml(crate::payloads::TABLE).expect("the declaration is good"))
    })
}

/// A WAL as it was opened, with its records.
type Opened = (Wal, Vec<(Lsn, Vec<u8>)>);

fn open(disk: &MemoryDisk) -> Result<Opened, WalError> {
    let mut records = Vec::new();
    let options = WalOptions { segment_bytes: SEGMENT_BYTES, ..WalOptions::new(DIR, ShardId(0)) };
    let (wal, _) = Wal::open::<Infallible>(Arc::new(disk.clone()), options, &mut |record| {
        records.push((record.lsn, record.payload.to_vec()));
        Ok(())
    })?;
    Ok((wal, records))
}

fn make_folder(disk: &MemoryDisk) {
    use zonelake_wal::Disk as _;
    disk.create_dir_all(Path::new(DIR)).expect("a folder in memory can be made");
}

/// A segment of three groups.
pub fn good_segment() -> &'static [u8] {
    static SEGMENT: OnceLock<Vec<u8>> = OnceLock::new();
    SEGMENT.get_or_init(|| {
        let disk = MemoryDisk::new(7);
        let (mut wal, _) = open(&disk).expect("a new log opens");
        for group in 1..=3u8 {
            let payload = vec![group; 40 * usize::from(group)];
            wal.append(&[&[&payload], &[b"second", &payload]]).expect("the disk has room");
        }
        disk.read(&Path::new(DIR).join("segment-00000000000000000001.wal")).expect("it is there")
    })
}

/// A good file with changes: position (u16, little-endian, over the file and beyond) and the new byte; what is left over cuts it.
pub(crate) fn changed(good: &[u8], mut changes: &[u8]) -> Vec<u8> {
    let mut file = good.to_vec();
    while let [low, high, byte, rest @ ..] = changes {
        let at = usize::from(u16::from_le_bytes([*low, *high]));
        let length = file.len();
        file[at % length] = *byte;
        changes = rest;
    }
    if let [cut, ..] = changes {
        file.truncate(file.len() * usize::from(*cut) / 256);
    }
    file
}

const DIR: &str = "/log";
/// The shortest that there is.
const SEGMENT_BYTES: u64 = 8_192;
