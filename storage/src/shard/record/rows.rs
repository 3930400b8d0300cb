//! Records of a shard's log: what stands in the payloads that `zonelake-wal` keeps.
//!
//! | offset | bytes | what |
//! |---|---|---|
//! | 0 | 4 | length h of the head: u32, little-endian |
//! | 4 | h | head: protobuf [`RecordHead`]; fields may be added, numbers never change meaning |
//! | 4 + h | `stored.bytes` | rows for the table, see below; absent where 0 |
//! | … | `rejected.bytes` | rows for the table `rejected`, likewise |
//!
//! Rows are one Arrow IPC record batch without its schema: of the log schema of the table at `schema_version`, the fixed
//! columns and those fields that have any value, which the head lists. Length m of the message (u32, little-endian), the message (a flatbuffer), the body. Nothing in it is compressed.
//! Version 1: the log's own file header carries it.

mod layout;

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::buffer::Buffer;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::ipc::reader::read_record_batch;
use arrow::ipc::writer::{DictionaryTracker, IpcDataGenerator, IpcWriteContext, IpcWriteOptions};
use prost::Message;
use zonelake_schemas::columns::{LOG_FIXED, is_null_column, null_column};
use zonelake_schemas::{SchemaVersion, TableId};

/// Head of a record: exactly one of its parts is there.
#[derive(Clone, PartialEq, Message)]
pub struct RecordHead {
    /// A batch of rows.
    #[prost(message, optional, tag = "1")]
    pub batch: Option<BatchHead>,
    /// State of all streams of the shard: the first record of each segment, and after a change of the shard count.
    #[prost(message, optional, tag = "2")]
    pub streams: Option<StreamsHead>,
    /// A producer has begun a later epoch.
    #[prost(message, optional, tag = "3")]
    pub fence: Option<FenceHead>,
    /// The batches before it in the same block are one request, of this key.
    #[prost(message, optional, tag = "4")]
    pub request: Option<GatewayKeysHead>,
}

/// What a batch is, and what was decided of it once and for all.
#[derive(Clone, PartialEq, Message)]
pub struct BatchHead {
    /// Producer; 0 where batches are not numbered.
    #[prost(uint32, tag = "1")]
    pub producer: u32,
    /// Its epoch.
    #[prost(uint64, tag = "2")]
    pub epoch: u64,
    /// Table.
    #[prost(uint32, tag = "3")]
    pub table: u32,
    /// Lane: 1 live, 2 back-fill.
    #[prost(uint32, tag = "4")]
    pub lane: u32,
    /// Number in its stream.
    #[prost(uint64, tag = "5")]
    pub number: u64,
    /// Digest of what was sent.
    #[prost(fixed64, tag = "6")]
    pub digest: u64,
    /// `ingested_at` of all its rows, µs since 1970.
    #[prost(int64, tag = "7")]
    pub ingested_at_us: i64,
    /// Gateway that sent it.
    #[prost(uint32, tag = "8")]
    pub gateway: u32,
    /// Rows for the table.
    #[prost(message, optional, tag = "9")]
    pub stored: Option<RowsHead>,
    /// Rows for the table `rejected`.
    #[prost(message, optional, tag = "10")]
    pub rejected: Option<RowsHead>,
}

/// Where rows stand in a record.
#[derive(Clone, PartialEq, Message)]
pub struct RowsHead {
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
}

/// State of every stream of a shard.
#[derive(Clone, PartialEq, Message)]
pub struct StreamsHead {
    /// Producers.
    #[prost(message, repeated, tag = "1")]
    pub producers: Vec<ProducerHead>,
    /// The latest `ingested_at` given out, µs since 1970.
    #[prost(int64, tag = "2")]
    pub ingested_at_us: i64,
    /// Keys of requests that are remembered, by gateway.
    #[prost(message, repeated, tag = "3")]
    pub keys: Vec<GatewayKeysHead>,
}

/// Keys of a gateway's requests, the newest last.
#[derive(Clone, PartialEq, Message)]
pub struct GatewayKeysHead {
    /// Gateway.
    #[prost(uint32, tag = "1")]
    pub gateway: u32,
    /// Keys.
    #[prost(message, repeated, tag = "2")]
    pub keys: Vec<KeyHead>,
}

/// One key of a request.
#[derive(Clone, PartialEq, Message)]
pub struct KeyHead {
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

impl KeyHead {
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
pub struct ProducerHead {
    /// Producer.
    #[prost(uint32, tag = "1")]
    pub producer: u32,
    /// Its epoch.
    #[prost(uint64, tag = "2")]
    pub epoch: u64,
    /// Its streams in that epoch.
    #[prost(message, repeated, tag = "3")]
    pub streams: Vec<StreamHead>,
}

/// State of one stream.
#[derive(Clone, PartialEq, Message)]
pub struct StreamHead {
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
pub struct FenceHead {
    /// Producer.
    #[prost(uint32, tag = "1")]
    pub producer: u32,
    /// Epoch that it has begun.
    #[prost(uint64, tag = "2")]
    pub epoch: u64,
}

/// Why a record cannot be read although its checksum holds.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The record ends before what its head promises.
    #[error("the record ends early: {need} bytes needed, {have} there")]
    Short {
        /// Bytes that should be there.
        need: u64,
        /// Bytes that are.
        have: u64,
    },
    /// The head is not the protobuf message that it should be.
    #[error("its head cannot be read: {0}")]
    Head(#[from] prost::DecodeError),
    /// The rows are not an Arrow record batch of the table's schema.
    #[error("its rows cannot be read: {0}")]
    Rows(String),
}

/// Length and head, as they stand at the front of a record.
pub fn encode_head(head: &RecordHead) -> Vec<u8> {
    let length = head.encoded_len();
    let mut bytes = Vec::with_capacity(4 + length);
    bytes.extend_from_slice(&u32::try_from(length).expect("a head is far below 4 GiB").to_le_bytes());
    head.encode(&mut bytes).expect("a Vec grows as needed");
    bytes
}

/// Splits a record into head and rest.
pub fn decode_head(record: &[u8]) -> Result<(RecordHead, &[u8]), RecordError> {
    let (head, rest) = split_by_length(record)?;
    Ok((RecordHead::decode(head)?, rest))
}

thread_local! {
    /// Buffers in which this thread encodes rows.
    static WRITE_CONTEXT: RefCell<IpcWriteContext> = RefCell::default();
}

/// The parts in which rows are written: message with its length, then body.
#[derive(Debug, Clone, Default)]
pub struct EncodedRows {
    message: Vec<u8>,
    body: Vec<u8>,
    rows: u64,
    fields: Vec<u32>,
}

impl EncodedRows {
    /// Encodes rows in a log schema.
    pub fn new(rows: &RecordBatch) -> Result<Self, ArrowError> {
        let fields: Vec<usize> =
            (LOG_FIXED..rows.num_columns()).filter(|&index| !is_null_column(rows.column(index))).collect();
        let written = if LOG_FIXED + fields.len() == rows.num_columns() {
            Cow::Borrowed(rows)
        } else {
            Cow::Owned(rows.project(&(0..LOG_FIXED).chain(fields.iter().copied()).collect::<Vec<_>>())?)
        };
        let (dictionaries, mut data) = WRITE_CONTEXT.with_borrow_mut(|context| {
            // The next batch begins with as much room as this one took.
            context.set_reserve_scratch(true);
            IpcDataGenerator::default().encode(
                &written,
                &mut DictionaryTracker::new(true),
                &IpcWriteOptions::default(),
                context,
            )
        })?;
        if data.arrow_data.capacity() > data.arrow_data.len() * 2 {
            data.arrow_data.shrink_to_fit();
        }
        assert!(dictionaries.is_empty(), "a log schema has no dictionaries");
        let length = u32::try_from(data.ipc_message.len()).expect("a flatbuffer is below 2 GiB");
        let mut message = Vec::with_capacity(4 + data.ipc_message.len());
        message.extend_from_slice(&length.to_le_bytes());
        message.extend_from_slice(&data.ipc_message);
        let position = |index: usize| u32::try_from(index - LOG_FIXED).expect("a table has at most 1,000 fields");
        let fields = fields.into_iter().map(position).collect();
        Ok(Self { message, body: data.arrow_data, rows: rows.num_rows() as u64, fields })
    }

    /// What the head says of them.
    pub fn head(&self, table: TableId, version: SchemaVersion) -> RowsHead {
        RowsHead {
            table: table.0,
            schema_version: version.0,
            bytes: self.bytes(),
            rows: self.rows,
            fields: self.fields.clone(),
        }
    }

    /// Bytes in the record.
    pub fn bytes(&self) -> u64 {
        (self.message.len() + self.body.len()) as u64
    }

    /// Fields that have a value.
    pub fn fields(&self) -> usize {
        self.fields.len()
    }

    /// The parts, in order.
    pub fn parts(&self) -> [&[u8]; 2] {
        [&self.message, &self.body]
    }
}

/// Reads rows into `schema`, the log schema of the table as it is now. Versions of a table only add fields at the end, so
/// that a field keeps its position; a field that was added since reads as null.
pub fn decode_rows(bytes: &[u8], head: &RowsHead, schema: &SchemaRef) -> Result<RecordBatch, RecordError> {
    let unreadable = |what: String| RecordError::Rows(what);
    let written: Vec<usize> =
        (0..LOG_FIXED).chain(head.fields.iter().map(|&field| LOG_FIXED + field as usize)).collect();
    let written_schema = Arc::new(schema.project(&written).map_err(|error| unreadable(error.to_string()))?);
    let (message, body) = split_by_length(bytes)?;
    let message = arrow::ipc::root_as_message(message).map_err(|error| unreadable(error.to_string()))?;
    let batch = message.header_as_record_batch().ok_or_else(|| unreadable("not a record batch".into()))?;
    let rows = layout::check_layout(&batch, body, &written_schema).map_err(unreadable)?;
    if rows != head.rows {
        return Err(unreadable(format!("{rows} rows, and its head says {}", head.rows)));
    }
    let read = read_record_batch(&Buffer::from(body), batch, written_schema, &HashMap::new(), None, &message.version())
        .map_err(|error| unreadable(error.to_string()))?;
    let mut columns: Vec<ArrayRef> =
        schema.fields().iter().map(|field| null_column(field.data_type(), read.num_rows())).collect();
    for (column, index) in read.columns().iter().zip(written) {
        columns[index] = Arc::clone(column);
    }
    RecordBatch::try_new(Arc::clone(schema), columns).map_err(|error| unreadable(error.to_string()))
}

fn split_by_length(bytes: &[u8]) -> Result<(&[u8], &[u8]), RecordError> {
    let short = |need: u64| RecordError::Short { need, have: bytes.len() as u64 };
    let (length, rest) = bytes.split_first_chunk::<4>().ok_or_else(|| short(4))?;
    let length = u32::from_le_bytes(*length) as usize;
    rest.split_at_checked(length).ok_or_else(|| short(4 + length as u64))
}

#[cfg(test)]
mod tests {
    use zonelake_schemas::TableSchemas;
    use zonelake_schemas::reject::rejected_table;

    use super::*;

    #[test]
    fn rows_read_back_and_cut_ones_are_refused() {
        let schema = TableSchemas::new(&rejected_table()).log;
        let columns = schema
            .fields()
            .iter()
            .map(|field| match field.is_nullable() {
                true => arrow::array::new_null_array(field.data_type(), 3),
                false => arrow::compute::cast(
                    &arrow::array::Int32Array::from(vec![0, 1, 0]),
                    &match field.data_type() {
                        arrow::datatypes::DataType::Timestamp(_, _) => arrow::datatypes::DataType::Int64,
                        other => other.clone(),
                    },
                )
                .and_then(|column| arrow::compute::cast(&column, field.data_type()))
                .unwrap(),
            })
            .collect();
        let rows = RecordBatch::try_new(Arc::clone(&schema), columns).unwrap();
        let encoded = EncodedRows::new(&rows).unwrap();
        let bytes = encoded.parts().concat();
        assert_eq!(bytes.len() as u64, encoded.bytes());
        let head = encoded.head(TableId(1), SchemaVersion(1));
        assert!(head.fields.is_empty(), "columns without values are not written");
        assert_eq!(decode_rows(&bytes, &head, &schema).unwrap(), rows);
        for end in 0..bytes.len().min(200) {
            assert!(decode_rows(&bytes[..end], &head, &schema).is_err(), "cut at {end}");
        }
        let beyond = RowsHead { fields: vec![99], ..head };
        assert!(decode_rows(&bytes, &beyond, &schema).is_err());
    }

    #[test]
    fn heads_read_back() {
        let head = RecordHead { fence: Some(FenceHead { producer: 7, epoch: 3 }), ..Default::default() };
        let mut record = encode_head(&head);
        record.extend_from_slice(b"rest");
        let (read, rest) = decode_head(&record).unwrap();
        assert_eq!((read, rest), (head, &b"rest"[..]));
        assert!(decode_head(&record[..3]).is_err());
    }
}
