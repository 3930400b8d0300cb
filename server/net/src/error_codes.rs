//! Codes of errors: one table from the cause of an error to what each interface tells its client.
//!
//! An interface that never has a cause of its own still has a code for it, so that a cause may reach a new interface without a
//! new decision. *Retry* says whether the same request may succeed later without a change.

use zonelake_schemas::error::QueryErrorCode;
use zonelake_schemas::wire::control::RefusedCode;

/// Cause of an error that a client is told about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cause {
    /// Frame, message or request that cannot be read, or not at this point.
    Protocol,
    /// Version that the server does not speak.
    Version,
    /// Credential that is missing or cannot be read.
    NoCredential,
    /// Token that is unknown or revoked.
    UnknownToken,
    /// Name and password that do not belong together.
    WrongPassword,
    /// Credential that does not allow the request.
    NoRight,
    /// Table that does not exist.
    UnknownTable,
    /// Column that the table does not have.
    UnknownColumn,
    /// Column of a type that the field cannot take.
    WrongType,
    /// Payload that is not valid Arrow or line protocol.
    BadPayload,
    /// Frame, body or batch over its limit.
    TooLarge,
    /// Batch that needs more room in a WAL record than one batch may have.
    RecordTooLarge,
    /// Stream that a later epoch or connection has taken over.
    Fenced,
    /// Batch whose predecessors are missing.
    Gap,
    /// Batch number that was stored with other content.
    OtherContent,
    /// Request key that was stored with other content.
    KeyReused,
    /// Limit on connections, streams or devices.
    Limit,
    /// Connections at their limit.
    TooManyConnections,
    /// Bytes of requests in flight at their limit.
    TooManyBytes,
    /// Body that did not arrive in time.
    TooSlow,
    /// Content coding that is not supported.
    UnsupportedEncoding,
    /// Result formats of which the client accepts none.
    NotAcceptable,
    /// Server that stops.
    ShuttingDown,
    /// Server that cannot store at the moment.
    Unavailable,
    /// Text that is not SQL, or names a table or column that does not exist.
    Sql,
    /// Statement that would change something, or reads what is not a table.
    NotAllowed,
    /// Values that do not allow the operation.
    Execution,
    /// Statement that needs more memory or disk space than it may have.
    StatementTooLarge,
    /// Statement beyond its time limit.
    TimeLimit,
    /// Statements that wait at their limit.
    Busy,
    /// Statement that ends because the server stops or its client cancelled it.
    Cancelled,
    /// Stored file that cannot be read.
    Storage,
    /// Defect of the server.
    Internal,
}

/// Codes of one cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ErrorCodes {
    /// Code of a refusal of the gateway protocol.
    pub quic: RefusedCode,
    /// Status of HTTP.
    pub http: u16,
    /// SQLSTATE of PostgreSQL.
    pub sqlstate: &'static str,
    /// Status code of gRPC.
    pub grpc: GrpcCode,
    /// True where the same request may succeed later. QUIC tells when; HTTP tells with the status 503.
    pub retry: bool,
}

/// Status codes of gRPC, by their numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i32)]
#[expect(missing_docs, reason = "the names are those of the gRPC specification")]
pub enum GrpcCode {
    InvalidArgument = 3,
    DeadlineExceeded = 4,
    NotFound = 5,
    PermissionDenied = 7,
    ResourceExhausted = 8,
    Internal = 13,
    Unavailable = 14,
    Unauthenticated = 16,
}

impl From<GrpcCode> for i32 {
    fn from(code: GrpcCode) -> Self {
        code as Self
    }
}

impl Cause {
    /// Codes that the interfaces give for this cause.
    pub fn codes(self) -> ErrorCodes {
        use GrpcCode as Grpc;
        use RefusedCode as Quic;
        let (quic, http, sqlstate, grpc, retry) = match self {
            Self::Protocol => (Quic::Protocol, 400, "08P01", Grpc::InvalidArgument, false),
            Self::Version => (Quic::Version, 400, "0A000", Grpc::InvalidArgument, false),
            Self::NoCredential => (Quic::Token, 401, "28000", Grpc::Unauthenticated, false),
            Self::UnknownToken => (Quic::Token, 401, "28000", Grpc::Unauthenticated, false),
            Self::WrongPassword => (Quic::Token, 401, "28P01", Grpc::Unauthenticated, false),
            Self::NoRight => (Quic::Right, 403, "42501", Grpc::PermissionDenied, false),
            Self::UnknownTable => (Quic::UnknownTable, 400, "42P01", Grpc::InvalidArgument, false),
            Self::UnknownColumn => (Quic::UnknownColumn, 400, "42703", Grpc::InvalidArgument, false),
            Self::WrongType => (Quic::WrongType, 400, "42804", Grpc::InvalidArgument, false),
            Self::BadPayload => (Quic::BadPayload, 400, "22000", Grpc::InvalidArgument, false),
            Self::TooLarge => (Quic::TooLarge, 413, "54000", Grpc::ResourceExhausted, false),
            Self::RecordTooLarge => (Quic::TooLarge, 413, "54000", Grpc::InvalidArgument, false),
            Self::Fenced => (Quic::Fenced, 400, "55006", Grpc::InvalidArgument, false),
            Self::Gap => (Quic::Gap, 400, "55000", Grpc::InvalidArgument, true),
            Self::OtherContent => (Quic::OtherContent, 400, "23505", Grpc::InvalidArgument, false),
            Self::KeyReused => (Quic::OtherContent, 422, "23505", Grpc::InvalidArgument, false),
            Self::Limit => (Quic::Limit, 422, "54000", Grpc::ResourceExhausted, true),
            Self::TooManyConnections => (Quic::Limit, 503, "53300", Grpc::Unavailable, true),
            Self::TooManyBytes => (Quic::Limit, 503, "53400", Grpc::ResourceExhausted, true),
            Self::TooSlow => (Quic::Protocol, 408, "08006", Grpc::DeadlineExceeded, false),
            Self::UnsupportedEncoding => (Quic::BadPayload, 415, "0A000", Grpc::InvalidArgument, false),
            Self::NotAcceptable => (Quic::Protocol, 406, "0A000", Grpc::InvalidArgument, false),
            Self::ShuttingDown => (Quic::ShuttingDown, 503, "57P01", Grpc::Unavailable, true),
            Self::Unavailable => (Quic::Unavailable, 503, "53100", Grpc::Unavailable, true),
            Self::Sql => (Quic::BadPayload, 400, "42601", Grpc::InvalidArgument, false),
            Self::NotAllowed => (Quic::Right, 400, "25006", Grpc::InvalidArgument, false),
            Self::Execution => (Quic::BadPayload, 400, "22000", Grpc::InvalidArgument, false),
            Self::StatementTooLarge => (Quic::TooLarge, 413, "53200", Grpc::ResourceExhausted, false),
            Self::TimeLimit => (Quic::Limit, 504, "57014", Grpc::DeadlineExceeded, false),
            Self::Busy => (Quic::Unavailable, 429, "53300", Grpc::ResourceExhausted, true),
            Self::Cancelled => (Quic::ShuttingDown, 503, "57P01", Grpc::Unavailable, true),
            Self::Storage => (Quic::Internal, 500, "XX001", Grpc::Internal, false),
            Self::Internal => (Quic::Internal, 500, "XX000", Grpc::Internal, true),
        };
        ErrorCodes { quic, http, sqlstate, grpc, retry }
    }
}

impl From<RefusedCode> for Cause {
    fn from(code: RefusedCode) -> Self {
        match code {
            RefusedCode::Unstated | RefusedCode::Protocol => Self::Protocol,
            RefusedCode::Version => Self::Version,
            RefusedCode::Token => Self::UnknownToken,
            RefusedCode::Right => Self::NoRight,
            RefusedCode::UnknownTable => Self::UnknownTable,
            RefusedCode::UnknownColumn => Self::UnknownColumn,
            RefusedCode::WrongType => Self::WrongType,
            RefusedCode::BadPayload => Self::BadPayload,
            RefusedCode::TooLarge => Self::TooLarge,
            RefusedCode::Fenced => Self::Fenced,
            RefusedCode::Gap => Self::Gap,
            RefusedCode::OtherContent => Self::OtherContent,
            RefusedCode::Limit => Self::Limit,
            RefusedCode::ShuttingDown => Self::ShuttingDown,
            RefusedCode::Unavailable => Self::Unavailable,
            RefusedCode::Internal => Self::Internal,
        }
    }
}

impl From<QueryErrorCode> for Cause {
    fn from(code: QueryErrorCode) -> Self {
        match code {
            QueryErrorCode::Sql => Self::Sql,
            QueryErrorCode::NotAllowed => Self::NotAllowed,
            QueryErrorCode::Execution => Self::Execution,
            QueryErrorCode::TooLarge => Self::StatementTooLarge,
            QueryErrorCode::TimeLimit => Self::TimeLimit,
            QueryErrorCode::Busy => Self::Busy,
            QueryErrorCode::Stopping => Self::Cancelled,
            QueryErrorCode::Storage => Self::Storage,
            QueryErrorCode::Internal => Self::Internal,
        }
    }
}
