//! Failures of reading a record.

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
