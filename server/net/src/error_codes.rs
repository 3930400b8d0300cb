//! Codes of errors: one table from the cause of an error to what each interface tells its client. The gateway protocol has its causes as
//! codes of its own ([`RefusedCode`]), and takes from the table whether a gateway may send again.
//!
//! An interface that never has a cause of its own still has a code for it, so that a cause may reach a new interface without a
//! new decision. *Retry* says whether the same request may succeed later without a change.

use zonelake_schemas::error::QueryErrorCode;
use zonelake_schemas::wire::control::RefusedCode;

use crate::authenticator::AuthenticationError;

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
    /// Credential that could not be checked: the registry cannot be read at the moment.
    NotChecked,
    /// Credential that does not allow the request.
    NoRight,
    /// Feature that the server does not have.
    NotSupported,
    /// Database that does not exist.
    UnknownDatabase,
    /// Prepared statement that is closed, or was never opened.
    UnknownStatement,
    /// Prepared statement whose parameters have no values yet.
    NotBound,
    /// Table that does not exist.
    UnknownTable,
    /// Table that exists, where the client asks for a new one.
    TableExists,
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
    /// Status of HTTP.
    pub http: u16,
    /// SQLSTATE of PostgreSQL.
    pub sqlstate: &'static str,
    /// Status code of gRPC.
    pub grpc: GrpcCode,
    /// True where the same request may succeed later. QUIC tells when.
    pub retry: bool,
    /// Seconds for `Retry-After`, where HTTP has a status that goes with it.
    pub retry_after_s: Option<u64>,
}

/// Seconds after which a server that was busy may be asked again.
const BUSY_RETRY_S: u64 = 1;
/// Seconds after which a sender over a limit that passes with time may try again. The limits count by the hour.
const LIMIT_RETRY_S: u64 = 60;

/// Status codes of gRPC, by their numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i32)]
#[expect(missing_docs, reason = "the names are those of the gRPC specification")]
pub enum GrpcCode {
    InvalidArgument = 3,
    DeadlineExceeded = 4,
    NotFound = 5,
    AlreadyExists = 6,
    PermissionDenied = 7,
    ResourceExhausted = 8,
    FailedPrecondition = 9,
    Unimplemented = 12,
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
        let (http, sqlstate, grpc, retry) = match self {
            Self::Protocol => (400, "08P01", Grpc::InvalidArgument, false),
            Self::Version => (400, "0A000", Grpc::InvalidArgument, false),
            Self::NoCredential => (401, "28000", Grpc::Unauthenticated, false),
            Self::UnknownToken => (401, "28000", Grpc::Unauthenticated, false),
            Self::WrongPassword => (401, "28P01", Grpc::Unauthenticated, false),
            Self::NotChecked => (503, "57P03", Grpc::Unavailable, true),
            Self::NoRight => (403, "42501", Grpc::PermissionDenied, false),
            Self::NotSupported => (501, "0A000", Grpc::Unimplemented, false),
            Self::UnknownDatabase => (404, "3D000", Grpc::NotFound, false),
            Self::UnknownStatement => (404, "26000", Grpc::NotFound, false),
            Self::NotBound => (400, "07001", Grpc::FailedPrecondition, false),
            Self::UnknownTable => (400, "42P01", Grpc::NotFound, false),
            Self::TableExists => (409, "42P07", Grpc::AlreadyExists, false),
            Self::UnknownColumn => (400, "42703", Grpc::InvalidArgument, false),
            Self::WrongType => (400, "42804", Grpc::InvalidArgument, false),
            Self::BadPayload => (400, "22000", Grpc::InvalidArgument, false),
            Self::TooLarge => (413, "54000", Grpc::ResourceExhausted, false),
            Self::RecordTooLarge => (413, "54000", Grpc::InvalidArgument, false),
            Self::Fenced => (400, "55006", Grpc::InvalidArgument, false),
            Self::Gap => (400, "55000", Grpc::InvalidArgument, true),
            Self::OtherContent => (400, "23505", Grpc::InvalidArgument, false),
            Self::KeyReused => (422, "23505", Grpc::InvalidArgument, false),
            Self::Limit => (429, "54000", Grpc::ResourceExhausted, true),
            Self::TooManyConnections => (503, "53300", Grpc::Unavailable, true),
            Self::TooManyBytes => (503, "53400", Grpc::ResourceExhausted, true),
            Self::TooSlow => (408, "08006", Grpc::DeadlineExceeded, false),
            Self::UnsupportedEncoding => (415, "0A000", Grpc::InvalidArgument, false),
            Self::NotAcceptable => (406, "0A000", Grpc::InvalidArgument, false),
            Self::ShuttingDown => (503, "57P01", Grpc::Unavailable, true),
            Self::Unavailable => (503, "53100", Grpc::Unavailable, true),
            Self::Sql => (400, "42601", Grpc::InvalidArgument, false),
            Self::NotAllowed => (400, "25006", Grpc::InvalidArgument, false),
            Self::Execution => (400, "22000", Grpc::InvalidArgument, false),
            Self::StatementTooLarge => (413, "53200", Grpc::ResourceExhausted, false),
            Self::TimeLimit => (504, "57014", Grpc::DeadlineExceeded, false),
            Self::Busy => (429, "53300", Grpc::ResourceExhausted, true),
            Self::Cancelled => (503, "57P01", Grpc::Unavailable, true),
            Self::Storage => (500, "XX001", Grpc::Internal, false),
            Self::Internal => (500, "XX000", Grpc::Internal, true),
        };
        let retry_after_s = match http {
            _ if !retry => None,
            429 if self == Self::Limit => Some(LIMIT_RETRY_S),
            429 | 503 => Some(BUSY_RETRY_S),
            _ => None,
        };
        ErrorCodes { http, sqlstate, grpc, retry, retry_after_s }
    }
}

impl From<AuthenticationError> for Cause {
    fn from(error: AuthenticationError) -> Self {
        match error {
            AuthenticationError::WrongPassword => Self::WrongPassword,
            AuthenticationError::UnknownToken => Self::UnknownToken,
            AuthenticationError::TooManyGuesses => Self::Limit,
            AuthenticationError::NotChecked => Self::NotChecked,
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_succeed_later_has_a_status_after_which_clients_send_again() {
        for cause in [
            Cause::Limit,
            Cause::TooManyConnections,
            Cause::TooManyBytes,
            Cause::NotChecked,
            Cause::ShuttingDown,
            Cause::Unavailable,
            Cause::Busy,
            Cause::Cancelled,
        ] {
            let codes = cause.codes();
            assert!(codes.retry && matches!(codes.http, 429 | 503), "{cause:?}: {codes:?}");
            assert!(codes.retry_after_s.is_some(), "{cause:?}");
        }
        for cause in [Cause::NoCredential, Cause::UnknownToken, Cause::KeyReused, Cause::TooLarge, Cause::BadPayload] {
            assert_eq!(cause.codes().retry_after_s, None, "{cause:?}");
        }
    }
}
