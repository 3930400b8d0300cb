//! Errors of administration: an object with `code` and `message`, and the status of its kind.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use zonelake_registry::RegistryError;
use zonelake_schemas::error::ErrorKind;

/// Request of administration that was not done.
#[derive(Debug)]
pub(super) struct AdminError {
    kind: ErrorKind,
    message: String,
}

impl From<RegistryError> for AdminError {
    fn from(error: RegistryError) -> Self {
        Self { kind: error.kind(), message: error.to_string() }
    }
}

impl From<tokio::task::JoinError> for AdminError {
    fn from(error: tokio::task::JoinError) -> Self {
        tracing::error!("a request of administration failed: {error}");
        Self { kind: ErrorKind::Bug, message: "a fault of the server; its log says more".to_owned() }
    }
}

impl AdminError {
    fn status_and_code(&self) -> (StatusCode, &'static str) {
        match self.kind {
            ErrorKind::Input => (StatusCode::BAD_REQUEST, "bad_request"),
            ErrorKind::Permission => (StatusCode::FORBIDDEN, "forbidden"),
            ErrorKind::Retry => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
            ErrorKind::Corrupt => (StatusCode::INTERNAL_SERVER_ERROR, "storage"),
            ErrorKind::Bug => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
        }
    }
}

impl IntoResponse for AdminError {
    fn into_response(self) -> Response {
        let (status, code) = self.status_and_code();
        (status, Json(serde_json::json!({"code": code, "message": self.message}))).into_response()
    }
}
