//! Errors as gRPC statuses.

use arrow::error::ArrowError;
use arrow_flight::error::FlightError;
use tonic::{Code, Status};
use zonelake_ingest::Refusal;
use zonelake_ingest::http_write::WriteError;
use zonelake_query::{QueryError, QueryErrorCode};
use zonelake_schemas::wire::control::RefusedCode;

/// A statement that failed.
pub(crate) fn of_query(error: QueryError) -> Status {
    let code = match error.code {
        QueryErrorCode::Sql | QueryErrorCode::NotAllowed | QueryErrorCode::Execution => Code::InvalidArgument,
        QueryErrorCode::TooLarge | QueryErrorCode::Busy => Code::ResourceExhausted,
        QueryErrorCode::TimeLimit => Code::DeadlineExceeded,
        QueryErrorCode::Stopping => Code::Unavailable,
        QueryErrorCode::Storage | QueryErrorCode::Internal => Code::Internal,
    };
    Status::new(code, error.message)
}

/// The same, in the middle of an answer.
pub(crate) fn in_stream(error: QueryError) -> FlightError {
    FlightError::Tonic(Box::new(of_query(error)))
}

/// What Flight could not encode.
pub(crate) fn of_flight(error: FlightError) -> Status {
    Status::from(error)
}

/// A batch that cannot be taken as it is.
pub(crate) fn of_refusal(refusal: Refusal) -> Status {
    let code = match refusal.code {
        RefusedCode::Unavailable | RefusedCode::ShuttingDown => Code::Unavailable,
        RefusedCode::TooLarge | RefusedCode::Limit => Code::ResourceExhausted,
        RefusedCode::Internal => Code::Internal,
        _ => Code::InvalidArgument,
    };
    Status::new(code, refusal.message)
}

/// A batch that could not be made durable.
pub(crate) fn of_write(error: &WriteError) -> Status {
    let code = match error {
        WriteError::Unavailable { .. } | WriteError::ShuttingDown => Code::Unavailable,
        WriteError::OtherContent | WriteError::TooLarge(_) => Code::InvalidArgument,
        WriteError::Internal(_) => Code::Internal,
    };
    Status::new(code, error.to_string())
}

/// What a client has sent and Arrow cannot read.
pub(crate) fn of_input(error: &ArrowError) -> Status {
    Status::invalid_argument(error.to_string())
}

/// A fault of ours.
pub(crate) fn internal(error: &dyn std::fmt::Display) -> Status {
    tracing::error!("Flight SQL: {error}");
    Status::internal("a fault of the server; its log says more")
}
