//! Errors of administration: an object with `code` and `message`, and the status of its kind.

use axum::http::header::{CONTENT_TYPE, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use zonelake_registry::RegistryError;
use zonelake_schemas::error::ErrorKind;

/// Request of administration that was not done.
#[derive(Debug)]
pub(super) struct AdminError {
    status: StatusCode,
    code: &'static str,
    message: String,
}

impl AdminError {
    /// Request that cannot be read.
    pub(super) fn input(message: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, code: "bad_request", message: message.into() }
    }

    /// Request without the administrator's credentials.
    pub(super) fn unauthorized() -> Self {
        let message = "the user admin and its password are needed".to_owned();
        Self { status: StatusCode::UNAUTHORIZED, code: "unauthorized", message }
    }
}

impl From<RegistryError> for AdminError {
    fn from(error: RegistryError) -> Self {
        let (status, code) = match error.kind() {
            ErrorKind::Input => (StatusCode::BAD_REQUEST, "bad_request"),
            ErrorKind::Permission => (StatusCode::FORBIDDEN, "forbidden"),
            ErrorKind::Retry => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
            ErrorKind::Corrupt => (StatusCode::INTERNAL_SERVER_ERROR, "storage"),
            ErrorKind::Bug => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
        };
        Self { status, code, message: error.to_string() }
    }
}

impl From<tokio::task::JoinError> for AdminError {
    fn from(error: tokio::task::JoinError) -> Self {
        tracing::error!("a request of administration failed: {error}");
        let message = "a fault of the server; its log says more".to_owned();
        Self { status: StatusCode::INTERNAL_SERVER_ERROR, code: "internal", message }
    }
}

impl IntoResponse for AdminError {
    fn into_response(self) -> Response {
        let body = serde_json::json!({"code": self.code, "message": self.message}).to_string();
        let mut response = (self.status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"zonelake\""));
        }
        response
    }
}
