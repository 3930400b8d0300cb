//! Errors as gRPC statuses.

use arrow::error::ArrowError;
use arrow_flight::error::FlightError;
use tonic::{Code, Status};
use zonelake_ingest::Refusal;
use zonelake_ingest::WriteError;
use zonelake_query::{QueryError, QueryErrorCode};
use zonelake_schemas::wire::control::RefusedCode;

/// Status of a statement that failed.
pub(crate) fn from_query_error(error: QueryError) -> Status {
    let code = match error.code {
        QueryErrorCode::Sql | QueryErrorCode::NotAllowed | QueryErrorCode::Execution => Code::InvalidArgument,
        // RESOURCE_EXHAUSTED tells clients to retry later, INVALID_ARGUMENT not to.
        QueryErrorCode::TooLarge | QueryErrorCode::Busy => Code::ResourceExhausted,
        QueryErrorCode::TimeLimit => Code::DeadlineExceeded,
        QueryErrorCode::Stopping => Code::Unavailable,
        QueryErrorCode::Storage | QueryErrorCode::Internal => Code::Internal,
    };
    Status::new(code, error.message)
}

/// Error of a statement that fails between two batches of its result.
pub(crate) fn in_stream(error: QueryError) -> FlightError {
    FlightError::Tonic(Box::new(from_query_error(error)))
}

/// Status of a result that Flight could not encode.
pub(crate) fn from_flight_error(error: FlightError) -> Status {
    Status::from(error)
}

/// Status of a batch that is refused.
pub(crate) fn from_refusal(refusal: Refusal) -> Status {
    let code = match refusal.code {
        RefusedCode::Unavailable | RefusedCode::ShuttingDown => Code::Unavailable,
        RefusedCode::TooLarge | RefusedCode::Limit => Code::ResourceExhausted,
        RefusedCode::Internal => Code::Internal,
        _ => Code::InvalidArgument,
    };
    Status::new(code, refusal.message)
}

/// Status of a batch that could not be made durable.
pub(crate) fn from_write_error(error: &WriteError) -> Status {
    let code = match error {
        WriteError::Unavailable { .. } | WriteError::ShuttingDown => Code::Unavailable,
        WriteError::OtherContent | WriteError::TooLarge(_) => Code::InvalidArgument,
        WriteError::Internal(_) => Code::Internal,
    };
    Status::new(code, error.to_string())
}

/// Status of input that Arrow cannot read.
pub(crate) fn from_input_error(error: &ArrowError) -> Status {
    Status::invalid_argument(error.to_string())
}

/// Status of an error of the server, which the server log gets whole and the client does not.
pub(crate) fn internal(error: &dyn std::fmt::Display) -> Status {
    tracing::error!("Flight SQL: {error}");
    Status::internal("a fault of the server; its log says more")
}
