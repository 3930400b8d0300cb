//! Records of a shard's WAL: the payloads that `zonelake-wal` keeps.
//!
//! | offset | bytes | what |
//! |---|---|---|
//! | 0 | 4 | length h of the header: u32, little-endian |
//! | 4 | h | header: protobuf [`RecordHeader`], exactly one part, whose number is the record's [`RecordKind`] |
//! | 4 + h | `stored.bytes` | rows for the table, see below; absent where 0 |
//! | … | `rejected.bytes` | rows for the table `rejected`, likewise |
//!
//! Rows are one Arrow IPC record batch without its schema: of the log schema of the table at `schema_version`, the
//! fixed columns and those fields that have any value, which the header lists. Length m of the message (u32,
//! little-endian), the message (a flatbuffer), the body. Nothing in it is compressed.
//!
//! This is version [`RECORD_VERSION`] of the records; each segment says the version of its own. Numbers of parts and
//! fields never change meaning. A new kind, or a field that must not be overlooked, is a new version: a release refuses
//! a segment of newer records, and a record of a kind that it does not know.
//!
//! In the order in which a record is read:
//!
//! - [`kind`]: which kinds there are, and in which version
//! - [`header`]: what stands in front of the rows
//! - [`bounds`]: an untrusted IPC message compared with the bytes that are there
//! - [`rows`]: rows as bytes
//! - [`check`]: a whole record, for operators
//! - [`error`]: why a record cannot be read

mod bounds;
mod check;
pub(crate) mod error;
pub(crate) mod header;
pub(crate) mod kind;
pub(crate) mod rows;

pub use check::{check_record, rows_of_table, set_aside_segments};
pub use error::RecordError;
pub use header::{
    BatchHeader, FenceHeader, KeyHeader, KeysHeader, ProducerHeader, RecordHeader, RowsHeader, StreamHeader,
    StreamsHeader, decode_header, encode_header,
};
pub use kind::{RECORD_VERSION, RecordKind};
pub use rows::{EncodedRows, decode_rows};
