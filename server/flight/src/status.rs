//! Errors as statuses of gRPC.

use arrow::error::ArrowError;
use arrow_flight::error::FlightError;
use tonic::metadata::{MetadataMap, MetadataValue};
use tonic::{Code, Status};
use zonelake_ingest::Refusal;
use zonelake_ingest::WriteError;
use zonelake_net::{AuthenticationError, Cause};
use zonelake_query::QueryError;

/// Status of an error with this cause.
pub(crate) fn status(cause: Cause, message: impl Into<String>) -> Status {
    Status::new(Code::from_i32(cause.codes().grpc.into()), message.into())
}

/// Status of a statement that failed, with its SQLSTATE in the metadata `sqlstate`.
pub(crate) fn from_query_error(error: QueryError) -> Status {
    let cause = Cause::from(error.code);
    let sqlstate = error.narrow_sqlstate().unwrap_or(cause.codes().sqlstate);
    let mut metadata = MetadataMap::new();
    metadata.insert("sqlstate", MetadataValue::from_static(sqlstate));
    let message = match error.hint() {
        Some(hint) => format!("{}. {hint}", error.message),
        None => error.message,
    };
    Status::with_metadata(Code::from_i32(cause.codes().grpc.into()), message, metadata)
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
    status(refusal.code.into(), refusal.message)
}

/// Status of a batch that could not be made durable.
pub(crate) fn from_write_error(error: &WriteError) -> Status {
    let cause = match error {
        WriteError::Unavailable { .. } => Cause::Unavailable,
        WriteError::ShuttingDown => Cause::ShuttingDown,
        WriteError::OtherContent => Cause::KeyReused,
        WriteError::TooLarge(_) => Cause::RecordTooLarge,
        WriteError::Internal(_) => Cause::Internal,
    };
    status(cause, error.to_string())
}

/// Status of credentials that prove nothing.
pub(crate) fn from_authentication_error(error: AuthenticationError) -> Status {
    let message = match error {
        AuthenticationError::UnknownToken => {
            "the token is unknown or revoked, has expired, or is from before a restart of the server: shake hands again"
                .to_owned()
        }
        error => error.to_string(),
    };
    status(error.into(), message)
}

/// Status of input that Arrow cannot read.
pub(crate) fn from_input_error(error: &ArrowError) -> Status {
    status(Cause::BadPayload, error.to_string())
}

/// Status of an error of the server, which the server log gets whole and the client does not.
pub(crate) fn internal(error: &dyn std::fmt::Display) -> Status {
    tracing::error!("Flight SQL: {error}");
    status(Cause::Internal, "a fault of the server; its log says more")
}
