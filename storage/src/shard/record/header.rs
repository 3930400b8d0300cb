//! Headers of records: protobuf messages behind their length.

use prost::Message;
use prost::encoding::{WireType, decode_key, decode_varint};
use zonelake_schemas::{DeviceKey, GatewayId, Principal, ProducerId, RegistryMarks, RoleId, SchemaVersion, TableId};

use crate::shard::record::error::RecordError;
use crate::shard::record::kind::{RECORD_VERSION, RecordKind};

/// Header of a record: exactly one of its parts is there. The number of that part is the record's [`RecordKind`].
#[derive(Clone, PartialEq, Message)]
pub struct RecordHeader {
    /// A batch of rows.
    #[prost(message, optional, tag = "1")]
    pub batch: Option<BatchHeader>,
    /// State of all streams of the shard: the first record of each segment in version 1; the checkpoint has it now.
    #[prost(message, optional, tag = "2")]
    pub streams: Option<StreamsHeader>,
    /// A producer has begun a later epoch.
    #[prost(message, optional, tag = "3")]
    pub fence: Option<FenceHeader>,
    /// The batches before it in the same block are one request, of this key.
    #[prost(message, optional, tag = "4")]
    pub request: Option<KeysHeader>,
}

/// Identity of a batch, and what was decided of it once and for all.
#[derive(Clone, PartialEq, Message)]
pub struct BatchHeader {
    /// Producer; 0 where batches are not sequenced.
    #[prost(uint32, tag = "1")]
    pub producer: u32,
    /// Epoch of the producer.
    #[prost(uint64, tag = "2")]
    pub epoch: u64,
    /// Table.
    #[prost(uint32, tag = "3")]
    pub table: u32,
    /// Lane: 1 live, 2 back-fill.
    #[prost(uint32, tag = "4")]
    pub lane: u32,
    /// Sequence number in the stream.
    #[prost(uint64, tag = "5")]
    pub number: u64,
    /// Digest of what was sent.
    #[prost(fixed64, tag = "6")]
    pub digest: u64,
    /// `ingested_at` of all its rows, µs since 1970.
    #[prost(int64, tag = "7")]
    pub ingested_at_us: i64,
    /// Gateway that sent it; 0 where a role did.
    #[prost(uint32, tag = "8")]
    pub gateway: u32,
    /// Rows for the table.
    #[prost(message, optional, tag = "9")]
    pub stored: Option<RowsHeader>,
    /// Rows for the table `rejected`.
    #[prost(message, optional, tag = "10")]
    pub rejected: Option<RowsHeader>,
    /// Role that sent it; 0 where a gateway did, as in all records of version 1.
    #[prost(uint32, tag = "11")]
    pub role: u32,
    /// Sequence of the group that it was written in; 0 in records of version 1.
    #[prost(uint64, tag = "12")]
    pub sequence: u64,
}

impl BatchHeader {
    /// Who sent it.
    pub fn principal(&self) -> Principal {
        principal(self.gateway, self.role)
    }

    /// Tables that have rows in the record.
    pub(crate) fn tables(&self) -> impl Iterator<Item = TableId> + '_ {
        [&self.stored, &self.rejected].into_iter().flatten().map(|rows| TableId(rows.table))
    }

    /// The ids that the record refers to. In version 1 rows did not say theirs.
    pub fn marks(&self) -> RegistryMarks {
        let rows = [&self.stored, &self.rejected].into_iter().flatten();
        RegistryMarks {
            device_key: DeviceKey(rows.map(|rows| rows.device_key_max).max().unwrap_or(0)),
            producer: ProducerId(self.producer),
            gateway: GatewayId(self.gateway),
            role: RoleId(self.role),
        }
    }
}

/// Position and content of rows in a record.
#[derive(Clone, PartialEq, Message)]
pub struct RowsHeader {
    /// Table that they go to.
    #[prost(uint32, tag = "1")]
    pub table: u32,
    /// Version of its field list.
    #[prost(uint32, tag = "2")]
    pub schema_version: u32,
    /// Bytes in the record.
    #[prost(uint64, tag = "3")]
    pub bytes: u64,
    /// Rows.
    #[prost(uint64, tag = "4")]
    pub rows: u64,
    /// Positions, among the table's fields, of those that have a value in these rows; the others are not written.
    #[prost(uint32, repeated, tag = "5")]
    pub fields: Vec<u32>,
    /// Maximum device key in them; 0 in records of version 1.
    #[prost(uint32, tag = "6")]
    pub device_key_max: u32,
}

impl RowsHeader {
    /// Version of the table that they were written in.
    pub(crate) fn version(&self) -> SchemaVersion {
        SchemaVersion(self.schema_version)
    }

    /// The error where the registry does not have the table in that version.
    pub(crate) fn unknown_table(&self) -> RecordError {
        RecordError::UnknownTable { table: TableId(self.table), version: self.version() }
    }
}

/// State of every stream of a shard, and of its requests' keys.
#[derive(Clone, PartialEq, Message)]
pub struct StreamsHeader {
    /// Producers.
    #[prost(message, repeated, tag = "1")]
    pub producers: Vec<ProducerHeader>,
    /// The latest `ingested_at` given out, µs since 1970.
    #[prost(int64, tag = "2")]
    pub ingested_at_us: i64,
    /// Keys of requests that are remembered, by principal.
    #[prost(message, repeated, tag = "3")]
    pub keys: Vec<KeysHeader>,
    /// The latest group sequence given out or seen; 0 in records of version 1.
    #[prost(uint64, tag = "4")]
    pub sequence: u64,
    /// Segments of which records are set aside, in a file each.
    #[prost(uint64, repeated, tag = "5")]
    pub asides: Vec<u64>,
}

/// Keys of a principal's requests, the newest last.
#[derive(Clone, PartialEq, Message)]
pub struct KeysHeader {
    /// Gateway; 0 where they are a role's.
    #[prost(uint32, tag = "1")]
    pub gateway: u32,
    /// Keys.
    #[prost(message, repeated, tag = "2")]
    pub keys: Vec<KeyHeader>,
    /// Role; 0 where they are a gateway's, as in all records of version 1.
    #[prost(uint32, tag = "3")]
    pub role: u32,
}

impl KeysHeader {
    /// Keys of a principal.
    pub fn new(principal: Principal, keys: Vec<KeyHeader>) -> Self {
        let (gateway, role) = principal_ids(principal);
        Self { gateway, keys, role }
    }

    /// Whose keys they are.
    pub fn principal(&self) -> Principal {
        principal(self.gateway, self.role)
    }
}

/// One key of a request.
#[derive(Clone, PartialEq, Message)]
pub struct KeyHeader {
    /// Upper half of its hash.
    #[prost(fixed64, tag = "1")]
    pub high: u64,
    /// Lower half.
    #[prost(fixed64, tag = "2")]
    pub low: u64,
    /// Digest of what was sent.
    #[prost(fixed64, tag = "3")]
    pub digest: u64,
    /// When it was stored: `ingested_at` of its rows, µs since 1970.
    #[prost(sfixed64, tag = "4")]
    pub at_us: i64,
}

impl KeyHeader {
    /// A key by its hash.
    pub fn new(key: u128, digest: u64, at_us: i64) -> Self {
        let [high, low] = [key >> 64, key & u128::from(u64::MAX)];
        let half = |half: u128| u64::try_from(half).expect("half of 128 bits");
        Self { high: half(high), low: half(low), digest, at_us }
    }

    /// The hash.
    pub fn key(&self) -> u128 {
        u128::from(self.high) << 64 | u128::from(self.low)
    }
}

/// State of one producer.
#[derive(Clone, PartialEq, Message)]
pub struct ProducerHeader {
    /// Producer.
    #[prost(uint32, tag = "1")]
    pub producer: u32,
    /// Epoch of the producer.
    #[prost(uint64, tag = "2")]
    pub epoch: u64,
    /// Streams of the producer in that epoch.
    #[prost(message, repeated, tag = "3")]
    pub streams: Vec<StreamHeader>,
}

/// State of one stream.
#[derive(Clone, PartialEq, Message)]
pub struct StreamHeader {
    /// Table.
    #[prost(uint32, tag = "1")]
    pub table: u32,
    /// Lane.
    #[prost(uint32, tag = "2")]
    pub lane: u32,
    /// Number of the last durable batch.
    #[prost(uint64, tag = "3")]
    pub last_number: u64,
    /// Digests of the last batches, the newest last.
    #[prost(fixed64, repeated, tag = "4")]
    pub recent_digests: Vec<u64>,
}

/// A later epoch of a producer.
#[derive(Clone, PartialEq, Message)]
pub struct FenceHeader {
    /// Producer.
    #[prost(uint32, tag = "1")]
    pub producer: u32,
    /// Epoch that it has begun.
    #[prost(uint64, tag = "2")]
    pub epoch: u64,
}

/// Gateway and role of a principal as headers have them: one of the two is 0.
pub(crate) fn principal_ids(principal: Principal) -> (u32, u32) {
    match principal {
        Principal::Gateway(id) => (id.0, 0),
        Principal::Role(id) => (0, id.0),
    }
}

/// Roles are counted from 1, so that 0 leaves the gateway, which may be 0.
fn principal(gateway: u32, role: u32) -> Principal {
    match role {
        0 => Principal::Gateway(GatewayId(gateway)),
        id => Principal::Role(RoleId(id)),
    }
}

/// Length and header, as they stand at the front of a record.
pub fn encode_header(header: &RecordHeader) -> Vec<u8> {
    let length = header.encoded_len();
    let mut bytes = Vec::with_capacity(4 + length);
    bytes.extend_from_slice(&u32::try_from(length).expect("a header is far below 4 GiB").to_le_bytes());
    header.encode(&mut bytes).expect("a Vec grows as needed");
    bytes
}

/// Splits a record into header and rest.
///
/// # Errors
/// The record is shorter than its header says, its kind is not one that this release reads, or the header is not the
/// protobuf message.
pub fn decode_header(record: &[u8]) -> Result<(RecordHeader, &[u8]), RecordError> {
    let (header, rest) = split_by_length(record)?;
    kind_of(header)?;
    Ok((RecordHeader::decode(header)?, rest))
}

/// Splits off the part whose length stands in front of it as a `u32`, little-endian.
pub(super) fn split_by_length(bytes: &[u8]) -> Result<(&[u8], &[u8]), RecordError> {
    let short = |need: u64| RecordError::Short { need, have: bytes.len() as u64 };
    let (length, rest) = bytes.split_first_chunk::<4>().ok_or_else(|| short(4))?;
    let length = u32::from_le_bytes(*length) as usize;
    rest.split_at_checked(length).ok_or_else(|| short(4 + length as u64))
}

/// The kind of a header, which has exactly one part.
fn kind_of(header: &[u8]) -> Result<RecordKind, RecordError> {
    let mut rest = header;
    let (number, wire_type) = decode_key(&mut rest)?;
    let kind = RecordKind(number);
    if !matches!(kind, RecordKind::BATCH | RecordKind::STREAMS | RecordKind::FENCE | RecordKind::REQUEST) {
        return Err(RecordError::UnknownKind { kind, known: RECORD_VERSION });
    }
    let length = match wire_type {
        WireType::LengthDelimited => decode_varint(&mut rest)?,
        _ => return Err(RecordError::Parts),
    };
    // A second part would be of a meaning that this release cannot know, so that it may not be left out.
    if length == rest.len() as u64 { Ok(kind) } else { Err(RecordError::Parts) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_read_back() {
        let header = RecordHeader { fence: Some(FenceHeader { producer: 7, epoch: 3 }), ..Default::default() };
        let mut record = encode_header(&header);
        record.extend_from_slice(b"rest");
        let (read, rest) = decode_header(&record).unwrap();
        assert_eq!((read, rest), (header, &b"rest"[..]));
        assert!(decode_header(&record[..3]).is_err());
    }

    fn framed(header: &[u8]) -> Vec<u8> {
        [&u32::try_from(header.len()).unwrap().to_le_bytes(), header].concat()
    }

    #[test]
    fn a_kind_that_is_not_known_is_named_and_never_skipped() {
        // Part 5 with one byte, part 200 with none.
        for (header, words) in [(&b"\x2a\x01\x00"[..], "kind 5 (tombstone)"), (&b"\xc2\x0c\x00"[..], "kind 200")] {
            let error = decode_header(&framed(header)).unwrap_err();
            assert!(matches!(error, RecordError::UnknownKind { .. }), "{error}");
            assert!(error.to_string().contains(words), "{error}");
        }
    }

    #[test]
    fn a_record_of_no_part_or_of_two_is_refused() {
        let fence = RecordHeader { fence: Some(FenceHeader { producer: 1, epoch: 2 }), ..RecordHeader::default() };
        let fence = encode_header(&fence);
        assert!(decode_header(&fence).is_ok());
        assert!(decode_header(&framed(b"")).is_err());
        // A known part with an unknown one behind it.
        let both = [&fence[4..], b"\x2a\x00"].concat();
        assert!(matches!(decode_header(&framed(&both)), Err(RecordError::Parts)));
    }
}
