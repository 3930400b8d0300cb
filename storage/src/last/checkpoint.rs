//! The file from which the last rows of a table are restored: `last/TABLE.last` below the data folder. A flush writes it before it
//! commits, so that it always has the rows of all files; what is newer is in the WAL. Rows that it has and files have not are in
//! the WAL too, and taking them in once more changes nothing. Everything is little endian; this is version 1.
//!
//! | offset | bytes | content |
//! |---|---|---|
//! | 0 | 8 | `ZLLASTRW` |
//! | 8 | 4 | version of the format, 1 |
//! | 12 | 4 | zero |
//! | 16 | 8 | XXH3-64 of the bytes 0..16 and of all from 24 on |
//! | 24 | to the end | a protobuf message, [`Stored`] |
//!
//! A file that is missing, damaged, of another version or behind the files costs a scan of the table's files and nothing else.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use prost::Message;
use twox_hash::XxHash3_64;
use zonelake_schemas::{DeviceKey, Lsn, ShardId, TableSchemas};
use zonelake_wal::{Disk, replaced_file};

use crate::last::device::{DeviceLast, LastField, LastHead, LastValue, RowOrder};
use crate::last::last_rows::{LAST_ROWS_BYTES_MAX, LastRows, LastRowsState};

/// Folder of the checkpoints of a store.
#[derive(Debug)]
pub(crate) struct LastRowsFolder {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) folder: PathBuf,
}

/// What a checkpoint must fit to be used.
pub(crate) struct Wanted<'a> {
    pub(crate) schemas: &'a TableSchemas,
    /// Last LSNs of the shards whose rows are in files.
    pub(crate) committed: &'a BTreeMap<ShardId, Lsn>,
    /// Rows in files.
    pub(crate) file_rows: u64,
    /// Maximum device key of the registry.
    pub(crate) device_key_max: usize,
}

/// Content of a checkpoint.
#[derive(Clone, PartialEq, Message)]
struct Stored {
    /// Rows in files before the flush that has written it.
    #[prost(uint64, tag = "1")]
    file_rows_before: u64,
    /// Rows in files once that flush is committed.
    #[prost(uint64, tag = "2")]
    file_rows_after: u64,
    /// Arrow's names of the types of the fields.
    #[prost(string, repeated, tag = "3")]
    types: Vec<String>,
    #[prost(message, repeated, tag = "4")]
    covered: Vec<StoredShard>,
    #[prost(message, repeated, tag = "5")]
    devices: Vec<StoredDevice>,
}

/// A record of a shard.
#[derive(Clone, PartialEq, Message)]
struct StoredShard {
    #[prost(uint32, tag = "1")]
    shard: u32,
    #[prost(uint64, tag = "2")]
    lsn: u64,
}

/// The last row of a device.
#[derive(Clone, PartialEq, Message)]
struct StoredDevice {
    #[prost(uint32, tag = "1")]
    key: u32,
    #[prost(sfixed64, tag = "2")]
    time_us: i64,
    #[prost(sint64, tag = "3")]
    rank: i64,
    #[prost(sfixed64, tag = "4")]
    ingested_at_us: i64,
    #[prost(uint32, tag = "5")]
    quality: u32,
    #[prost(bool, tag = "6")]
    is_backfill: bool,
    #[prost(message, repeated, tag = "7")]
    fields: Vec<StoredField>,
    #[prost(message, repeated, tag = "8")]
    changed_by: Vec<StoredShard>,
}

/// The last value of a field.
#[derive(Clone, PartialEq, Message)]
struct StoredField {
    #[prost(uint32, tag = "1")]
    field: u32,
    #[prost(uint32, tag = "2")]
    quality: u32,
    #[prost(bool, tag = "3")]
    is_in_last_row: bool,
    #[prost(sfixed64, tag = "4")]
    time_us: i64,
    #[prost(sint64, tag = "5")]
    rank: i64,
    #[prost(fixed64, tag = "6")]
    bits: u64,
    /// Text; `bits` is 0 then.
    #[prost(string, optional, tag = "7")]
    text: Option<String>,
}

impl LastRowsFolder {
    /// Replaces the checkpoint of a table, durably. `file_rows` are the rows of its files before and after the commit that follows.
    pub(crate) fn write(
        &self,
        table: &str,
        schemas: &TableSchemas,
        last: &LastRows,
        file_rows: (u64, u64),
    ) -> io::Result<()> {
        assert!(last.state == LastRowsState::Complete, "what is written has all rows");
        self.disk.create_dir_all(&self.folder)?;
        let bytes = encode(&stored(schemas, last, file_rows));
        replaced_file::replace(self.disk.as_ref(), &self.path(table), &bytes).map_err(io::Error::from)
    }

    /// The last rows of a table as its checkpoint has them; the error says why they cannot be used.
    pub(crate) fn read(&self, table: &str, wanted: &Wanted<'_>) -> Result<LastRows, String> {
        let bytes = match replaced_file::adopt(self.disk.as_ref(), &self.path(table), FILE_BYTES_MAX) {
            // A longer file is none of ours: what fits is read, and its checksum is wrong.
            Ok(Some(bytes)) => bytes,
            Ok(None) => return Err("there is no checkpoint of them".into()),
            Err(error) => return Err(format!("{} cannot be read: {error}", self.path(table).display())),
        };
        let stored = decode(&bytes).map_err(|what| format!("{} {what}", self.path(table).display()))?;
        restored(stored, wanted).map_err(|what| format!("{} {what}", self.path(table).display()))
    }

    /// Removes the checkpoint of a table, durably.
    pub(crate) fn remove(&self, table: &str) -> io::Result<()> {
        match self.disk.remove(&self.path(table)) {
            // That it is gone may be known to this machine's memory only: an earlier attempt may have failed behind the removal.
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        replaced_file::adopt_names(self.disk.as_ref(), &self.folder)
    }

    fn path(&self, table: &str) -> PathBuf {
        self.folder.join(format!("{table}.last"))
    }
}

fn encode(stored: &Stored) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER_BYTES + stored.encoded_len());
    bytes.extend_from_slice(&MAGIC);
    bytes.extend_from_slice(&VERSION.to_le_bytes());
    bytes.extend_from_slice(&[0; 12]);
    stored.encode(&mut bytes).expect("a vector grows as it is needed");
    let checksum = checksum(&bytes);
    bytes[16..24].copy_from_slice(&checksum.to_le_bytes());
    bytes
}

fn decode(bytes: &[u8]) -> Result<Stored, String> {
    let is_whole = bytes.len() >= HEADER_BYTES && bytes[..8] == MAGIC && bytes[16..24] == checksum(bytes).to_le_bytes();
    if !is_whole {
        return Err("is damaged".into());
    }
    if bytes[8..12] != VERSION.to_le_bytes() {
        return Err("is of another version".into());
    }
    Stored::decode(&bytes[HEADER_BYTES..]).map_err(|error| format!("cannot be decoded: {error}"))
}

fn checksum(bytes: &[u8]) -> u64 {
    let mut hasher = XxHash3_64::new();
    std::hash::Hasher::write(&mut hasher, &bytes[..16]);
    std::hash::Hasher::write(&mut hasher, &bytes[HEADER_BYTES..]);
    std::hash::Hasher::finish(&hasher)
}

fn stored(schemas: &TableSchemas, last: &LastRows, (before, after): (u64, u64)) -> Stored {
    Stored {
        file_rows_before: before,
        file_rows_after: after,
        types: types(schemas),
        covered: last.covered.iter().map(|(&shard, &lsn)| stored_shard(shard, lsn)).collect(),
        devices: last.devices().map(|(key, device)| stored_device(key, device)).collect(),
    }
}

fn stored_shard(shard: ShardId, lsn: Lsn) -> StoredShard {
    StoredShard { shard: shard.0.into(), lsn: lsn.0 }
}

fn restored_shard(stored: &StoredShard) -> Option<(ShardId, Lsn)> {
    Some((ShardId(u16::try_from(stored.shard).ok()?), Lsn(stored.lsn)))
}

fn stored_device(key: DeviceKey, device: &DeviceLast) -> StoredDevice {
    let head = &device.head;
    let fields = device.fields.iter().map(|field| {
        let (bits, text) = match &field.value {
            LastValue::Bits(bits) => (*bits, None),
            LastValue::Text(text) => (0, Some(text.to_string())),
        };
        StoredField {
            field: field.field.into(),
            quality: field.quality.into(),
            is_in_last_row: field.is_in_last_row,
            time_us: field.order.time_us,
            rank: field.order.rank,
            bits,
            text,
        }
    });
    StoredDevice {
        key: key.0,
        time_us: head.order.time_us,
        rank: head.order.rank,
        ingested_at_us: head.ingested_at_us,
        quality: head.quality.into(),
        is_backfill: head.is_backfill,
        fields: fields.collect(),
        changed_by: device.changed_by.iter().map(|&(shard, lsn)| stored_shard(shard, lsn)).collect(),
    }
}

fn restored(stored: Stored, wanted: &Wanted<'_>) -> Result<LastRows, String> {
    let covered: BTreeMap<ShardId, Lsn> = stored.covered.iter().filter_map(restored_shard).collect();
    let mut last = LastRows::empty(true, covered, 0);
    if !last.covers(wanted.committed) {
        return Err("is behind the files".into());
    }
    if ![stored.file_rows_before, stored.file_rows_after].contains(&wanted.file_rows) {
        return Err("was made beside other files".into());
    }
    // Fields are only ever added, at the end.
    if !types(wanted.schemas).starts_with(&stored.types) {
        return Err("has fields of other types".into());
    }
    let fields = stored.types.len();
    for device in stored.devices {
        let key = device.key as usize;
        if key == 0 || key > wanted.device_key_max {
            return Err("has a device that the registry does not know".into());
        }
        let device = restored_device(device, fields).ok_or("has values that no device can have")?;
        last.bytes += device.bytes();
        let slot = last.device_slot(DeviceKey(u32::try_from(key).unwrap_or_default()));
        if slot.replace(Arc::new(device)).is_some() {
            return Err("has a device twice".into());
        }
    }
    Ok(last.bounded())
}

fn restored_device(stored: StoredDevice, fields: usize) -> Option<DeviceLast> {
    let order = RowOrder { time_us: stored.time_us, rank: stored.rank };
    let quality = u8::try_from(stored.quality).ok()?;
    let head = LastHead { order, ingested_at_us: stored.ingested_at_us, quality, is_backfill: stored.is_backfill };
    let mut device = DeviceLast::new(head);
    device.changed_by = stored.changed_by.iter().map(restored_shard).collect::<Option<_>>()?;
    for field in stored.fields {
        let value = field.text.map_or(LastValue::Bits(field.bits), |text| LastValue::Text(text.into()));
        device.fields.push(LastField {
            field: u16::try_from(field.field).ok().filter(|&field| usize::from(field) < fields)?,
            quality: u8::try_from(field.quality).ok()?,
            is_in_last_row: field.is_in_last_row,
            order: RowOrder { time_us: field.time_us, rank: field.rank },
            value,
        });
    }
    device.fields.is_sorted_by(|a, b| a.field < b.field).then_some(device)
}

fn types(schemas: &TableSchemas) -> Vec<String> {
    let fields = schemas.live.fields().iter().skip(zonelake_schemas::columns::LIVE_FIXED);
    fields.map(|field| format!("{} {}", field.name(), field.data_type())).collect()
}

const MAGIC: [u8; 8] = *b"ZLLASTRW";
const VERSION: u32 = 1;
const HEADER_BYTES: usize = 24;
/// Longest file: what the memory of last rows may take, and as much again.
const FILE_BYTES_MAX: u64 = 2 * LAST_ROWS_BYTES_MAX as u64;
