//! Failures of reading a record.

use zonelake_schemas::{SchemaVersion, TableId};

use crate::shard::record::kind::RecordKind;

/// Reasons why a record cannot be read although its checksum holds.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The record ends before what its header promises.
    #[error("the record ends early: {need} bytes needed, {have} there")]
    Short {
        /// Bytes that should be there.
        need: u64,
        /// Bytes that are.
        have: u64,
    },
    /// The record is of a kind that this release does not read.
    #[error(
        "it is a record of kind {kind}, and this release reads records up to version {known}: start the newer release"
    )]
    UnknownKind {
        /// Kind of the record.
        kind: RecordKind,
        /// Newest version of records that this release reads.
        known: u32,
    },
    /// The header has several parts or none, and is to have one.
    #[error("its header has not exactly one part")]
    Parts,
    /// The record refers to what the registry has never given out.
    #[error(
        "it refers to {0}: the registry is older than the WAL; restore registry.sqlite from the same backup as the WAL"
    )]
    OlderRegistry(String),
    /// The rows are of a table or version that the registry does not have.
    #[error(
        "it has rows of table number {table}, version {version}, which the registry does not have; restore registry.sqlite from the same backup as the WAL"
    )]
    UnknownTable {
        /// Table.
        table: TableId,
        /// Version of it.
        version: SchemaVersion,
    },
    /// The header is not the protobuf message that it should be.
    #[error("its header cannot be read: {0}")]
    Head(#[from] prost::DecodeError),
    /// The rows are not an Arrow record batch of the table's schema.
    #[error("its rows cannot be read: {0}")]
    Rows(String),
}
