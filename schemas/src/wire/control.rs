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
