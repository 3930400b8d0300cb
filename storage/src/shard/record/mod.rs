//! Records of a shard's WAL: the payloads that `zonelake-wal` keeps.
//!
//! | offset | bytes | what |
//! |---|---|---|
//! | 0 | 4 | length h of the header: u32, little-endian |
//! | 4 | h | header: protobuf [`RecordHeader`]; fields may be added, numbers never change meaning |
//! | 4 + h | `stored.bytes` | rows for the table, see below; absent where 0 |
//! | … | `rejected.bytes` | rows for the table `rejected`, likewise |
//!
//! Rows are one Arrow IPC record batch without its schema: of the log schema of the table at `schema_version`, the
//! fixed columns and those fields that have any value, which the header lists. Length m of the message (u32,
//! little-endian), the message (a flatbuffer), the body. Nothing in it is compressed. Version 1: the file header of the
//! WAL carries it.
//!
//! In the order in which a record is read:
//!
//! - [`header`]: what stands in front of the rows
//! - [`bounds`]: an untrusted IPC message compared with the bytes that are there
//! - [`rows`]: rows as bytes
//! - [`error`]: why a record cannot be read

mod bounds;
pub(crate) mod error;
pub(crate) mod header;
pub(crate) mod rows;

pub use error::RecordError;
pub use header::{
    BatchHeader, FenceHeader, GatewayKeysHeader, KeyHeader, ProducerHeader, RecordHeader, RowsHeader, StreamHeader,
    StreamsHeader, decode_header, encode_header,
};
pub use rows::{EncodedRows, decode_rows};
