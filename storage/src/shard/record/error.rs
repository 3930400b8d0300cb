//! Failures of reading a record.

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
    /// The header is not the protobuf message that it should be.
    #[error("its header cannot be read: {0}")]
    Head(#[from] prost::DecodeError),
    /// The rows are not an Arrow record batch of the table's schema.
    #[error("its rows cannot be read: {0}")]
    Rows(String),
}
