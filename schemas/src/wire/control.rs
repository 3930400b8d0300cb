//! Protobuf messages of the control frames. `schemas/proto/zonelake.proto` is the same in the protobuf language, for
//! other implementations; `schemas/tests/proto.rs` compares the two.

/// First message of a stream, from the gateway.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Open {
    /// Minor version of the sender.
    #[prost(uint32, tag = "1")]
    pub minor_version: u32,
    /// Secret of the gateway, as `zonelake gateway add` printed it.
    #[prost(string, tag = "2")]
    pub token: String,
    /// Name of the producer: 1 to 128 bytes of UTF-8 without control characters, unique within the gateway.
    #[prost(string, tag = "3")]
    pub producer: String,
    /// Times that the producer has lost its state; 1 or more.
    #[prost(uint64, tag = "4")]
    pub epoch: u64,
    /// Table that the batches go to.
    #[prost(string, tag = "5")]
    pub table: String,
    /// 1 live, 2 back-fill.
    #[prost(uint32, tag = "6")]
    pub lane: u32,
    /// 1 Arrow, 2 line protocol.
    #[prost(enumeration = "Encoding", tag = "7")]
    pub encoding: i32,
    /// Software of the sender, for the server log; free text up to 128 bytes.
    #[prost(string, tag = "8")]
    pub software: String,
}

/// First and only frame of a stream about what was pushed: a question, a note, or both.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Pushes {
    /// Minor version of the sender.
    #[prost(uint32, tag = "1")]
    pub minor_version: u32,
    /// Secret of the gateway.
    #[prost(string, tag = "2")]
    pub token: String,
    /// Table that the rows go to.
    #[prost(string, tag = "3")]
    pub table: String,
    /// 1 live, 2 back-fill.
    #[prost(uint32, tag = "4")]
    pub lane: u32,
    /// Digest of the first row; pushes with the same one are answered.
    #[prost(bytes = "bytes", tag = "5")]
    pub head: bytes::Bytes,
    /// Digest of all rows in any order; likewise.
    #[prost(bytes = "bytes", tag = "6")]
    pub rows_set: bytes::Bytes,
    /// Digest of the file; likewise.
    #[prost(bytes = "bytes", tag = "7")]
    pub content: bytes::Bytes,
    /// Maximum number of pushes of any table to answer, the latest first; 0 where digests are stated.
    #[prost(uint32, tag = "8")]
    pub latest: u32,
    /// A push to note before its first batch is sent, or again once all of it is durable.
    #[prost(message, optional, tag = "9")]
    pub note: Option<Push>,
    /// Times of rows, of which the server counts those that the table has rows of already.
    #[prost(message, repeated, tag = "10")]
    pub times: Vec<PushTimes>,
    /// Fields of these rows: a stored row counts where it has a value of one of them.
    #[prost(string, repeated, tag = "11")]
    pub fields: Vec<String>,
}

/// Times of the rows of one device.
#[derive(Clone, PartialEq, prost::Message)]
pub struct PushTimes {
    /// Name of the device.
    #[prost(string, tag = "1")]
    pub device: String,
    /// Microseconds since 1970, UTC, in ascending order: the first one, then steps to the next one.
    #[prost(sint64, repeated, tag = "2")]
    pub steps_us: Vec<i64>,
    /// How often each step is made, so that a regular series is two of them. All questions of a frame have at most 65,536 times.
    #[prost(uint32, repeated, tag = "3")]
    pub repeats: Vec<u32>,
}

/// Answer to [`Pushes`]; the note is durable.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Pushed {
    /// Pushes that were asked for, the latest first.
    #[prost(message, repeated, tag = "1")]
    pub pushes: Vec<Push>,
    /// The table's wire schema as one encapsulated Arrow IPC schema message.
    #[prost(bytes = "bytes", tag = "2")]
    pub schema: bytes::Bytes,
    /// The push that was noted without a producer, with the one that it was lent; `begun_us` is 0 where it is new, and else it was noted before.
    #[prost(message, optional, tag = "3")]
    pub noted: Option<Push>,
    /// Of the times that were asked about, those that the table has rows of; absent where they were not counted.
    #[prost(uint64, optional, tag = "4")]
    pub times_stored: Option<u64>,
}

/// A push: rows of which those of its base were stored before, and the others are the batches of its producer.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Push {
    /// Producer of its batches. Empty in a note of a push that is new: the server lends it one, and says which.
    #[prost(string, tag = "1")]
    pub producer: String,
    /// Digest of the first row.
    #[prost(bytes = "bytes", tag = "2")]
    pub head: bytes::Bytes,
    /// Rows, those of the base among them.
    #[prost(uint64, tag = "3")]
    pub rows: u64,
    /// Digest of all rows in their order.
    #[prost(bytes = "bytes", tag = "4")]
    pub chain: bytes::Bytes,
    /// Digest of all rows in any order.
    #[prost(bytes = "bytes", tag = "5")]
    pub rows_set: bytes::Bytes,
    /// Positions of the rows that could not be read, from 0, among all rows of the file.
    #[prost(uint64, repeated, tag = "6")]
    pub left_out: Vec<u64>,
    /// Rows of the base.
    #[prost(uint64, tag = "7")]
    pub base_rows: u64,
    /// Positions of the rows that could not be read then.
    #[prost(uint64, repeated, tag = "8")]
    pub base_left_out: Vec<u64>,
    /// Rows of a batch.
    #[prost(uint64, tag = "9")]
    pub batch_rows: u64,
    /// Name of the file.
    #[prost(string, tag = "10")]
    pub file: String,
    /// Digest of the file.
    #[prost(bytes = "bytes", tag = "11")]
    pub content: bytes::Bytes,
    /// Digest of the mapping.
    #[prost(bytes = "bytes", tag = "12")]
    pub mapping: bytes::Bytes,
    /// All batches are durable.
    #[prost(bool, tag = "13")]
    pub is_done: bool,
    /// When it began, microseconds since 1970, UTC; set by the server.
    #[prost(int64, tag = "14")]
    pub begun_us: i64,
    /// Table that the rows went to; set by the server.
    #[prost(string, tag = "15")]
    pub table: String,
    /// Epoch of the producer; 0 is 1, of pushes that named their producer themselves.
    #[prost(uint64, tag = "16")]
    pub epoch: u64,
}

/// Encoding of the payloads of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum Encoding {
    /// Not stated: an error.
    Unstated = 0,
    /// Arrow IPC messages.
    Arrow = 1,
    /// Line protocol.
    Line = 2,
}

/// The stream is open: what the gateway needs to go on.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Opened {
    /// Minor version of the server.
    #[prost(uint32, tag = "1")]
    pub minor_version: u32,
    /// Number of the last durable batch of this stream; the next is one more. 0: none yet.
    #[prost(uint64, tag = "2")]
    pub last_number: u64,
    /// Maximum length of a frame that the server takes.
    #[prost(uint64, tag = "3")]
    pub frame_bytes_max: u64,
    /// Maximum number of rows of a batch.
    #[prost(uint64, tag = "4")]
    pub batch_rows_max: u64,
    /// Version of the table's field list.
    #[prost(uint32, tag = "5")]
    pub schema_version: u32,
    /// The table's wire schema as one encapsulated Arrow IPC schema message.
    #[prost(bytes = "bytes", tag = "6")]
    pub schema: bytes::Bytes,
    /// The server's clock, microseconds since 1970, UTC.
    #[prost(int64, tag = "7")]
    pub server_time_us: i64,
    /// Maximum bytes of batches that may wait for their acknowledgement.
    #[prost(uint64, tag = "8")]
    pub unacked_bytes_max: u64,
}

/// The stream is refused, at its opening or later. Nothing behind the last acknowledged batch is stored.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Refused {
    /// Kind of refusal.
    #[prost(enumeration = "RefusedCode", tag = "1")]
    pub code: i32,
    /// Cause, position and remedy, in words.
    #[prost(string, tag = "2")]
    pub message: String,
    /// Batch that was at fault; 0 where none was.
    #[prost(uint64, tag = "3")]
    pub number: u64,
    /// Number of the last durable batch; 0 where none is known.
    #[prost(uint64, tag = "4")]
    pub last_number: u64,
    /// Milliseconds after which to try again; 0: trying again does not help until the cause is fixed.
    #[prost(uint32, tag = "5")]
    pub retry_after_ms: u32,
}

/// Kinds of refusal. `docs/protocol.md` has the remedy for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum RefusedCode {
    /// Not stated.
    Unstated = 0,
    /// A frame or message that cannot be read, or not at this point.
    Protocol = 1,
    /// A version that the server does not speak.
    Version = 2,
    /// Unknown or revoked token.
    Token = 3,
    /// The token does not allow this.
    Right = 4,
    /// No such table.
    UnknownTable = 5,
    /// A column that the table does not have.
    UnknownColumn = 6,
    /// A column of a type that the field cannot take.
    WrongType = 7,
    /// A payload that is not valid Arrow or line protocol.
    BadPayload = 8,
    /// A frame or batch over the limit.
    TooLarge = 9,
    /// A later epoch of this producer, or a later connection for this stream, has taken over.
    Fenced = 10,
    /// The number is not the next one: batches between are missing.
    Gap = 11,
    /// The number was stored with other content.
    OtherContent = 12,
    /// A limit on connections, streams or devices is reached.
    Limit = 13,
    /// The server stops; try again later.
    ShuttingDown = 14,
    /// The server cannot store at the moment (disk full or failed); try again later.
    Unavailable = 15,
    /// A fault in the server; the server log says more.
    Internal = 16,
}

/// Everything up to `number` is durable and visible to queries.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Ack {
    /// Number of the last durable batch.
    #[prost(uint64, tag = "1")]
    pub number: u64,
    /// Rows stored in the table since the previous acknowledgement on this stream.
    #[prost(uint64, tag = "2")]
    pub rows: u64,
    /// Readings stored in the table since then.
    #[prost(uint64, tag = "3")]
    pub readings: u64,
    /// Rows that went whole to `rejected` since then.
    #[prost(uint64, tag = "4")]
    pub rejected_rows: u64,
    /// Single readings that went to `rejected` since then.
    #[prost(uint64, tag = "5")]
    pub rejected_readings: u64,
    /// Rejections by batch and reason; at most 16 entries, the counts above are always whole.
    #[prost(message, repeated, tag = "6")]
    pub rejections: Vec<Rejection>,
    /// Batches that were known already and not stored again since then.
    #[prost(uint64, tag = "7")]
    pub repeated_batches: u64,
    /// Bytes that may wait for their acknowledgement on this stream from now on; 0: as before.
    #[prost(uint64, tag = "8")]
    pub unacked_bytes_max: u64,
}

/// Rejections of one batch for one reason.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Rejection {
    /// Batch.
    #[prost(uint64, tag = "1")]
    pub number: u64,
    /// Reason, as `rejected.reason` has it.
    #[prost(string, tag = "2")]
    pub reason: String,
    /// Rows or readings.
    #[prost(uint64, tag = "3")]
    pub count: u64,
    /// The first one in words.
    #[prost(string, tag = "4")]
    pub first: String,
}
