//! Errors of administration: an object with `code` and `message`, and the status of its kind.

use arrow::error::ArrowError;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use zonelake_alerting::{HistoryError, NotActive, TestError};
use zonelake_ingest::{Refusal, WriteError};
use zonelake_net::Cause;
use zonelake_query::QueryError;
use zonelake_registry::RegistryError;
use zonelake_reports::ReportError;
use zonelake_schemas::error::ErrorKind;
use zonelake_storage::RuleError;

use crate::administrator::refusal;

/// Request of administration that was not done.
#[derive(Debug)]
pub(crate) struct AdminError {
    cause: Cause,
    code: &'static str,
    message: String,
}

impl AdminError {
    /// Request that cannot be read.
    pub(crate) fn input(message: impl Into<String>) -> Self {
        Self { cause: Cause::Protocol, code: "bad_request", message: message.into() }
    }

    /// What was wrong, in words.
    pub(super) fn message(&self) -> &str {
        &self.message
    }

    /// Order that could not be recorded.
    pub(super) fn not_recorded(message: &str) -> Self {
        Self { cause: Cause::Unavailable, code: "not_recorded", message: message.to_owned() }
    }

    /// Request without the administrator's credentials, or with some that cannot be checked.
    pub(crate) fn not_administrator(cause: Cause) -> Self {
        let code = match cause {
            Cause::NotChecked => "unavailable",
            Cause::Limit => "limit",
            _ => "unauthorized",
        };
        Self { cause, code, message: refusal(cause).to_owned() }
    }
}

impl AdminError {
    fn of_kind(kind: ErrorKind, message: String) -> Self {
        let (cause, code) = match kind {
            ErrorKind::Input => (Cause::Protocol, "bad_request"),
            ErrorKind::Permission => (Cause::NoRight, "forbidden"),
            ErrorKind::Retry => (Cause::Unavailable, "unavailable"),
            ErrorKind::Corrupt => (Cause::Storage, "storage"),
            ErrorKind::Bug => (Cause::Internal, "internal"),
        };
        Self { cause, code, message }
    }
}

impl From<RegistryError> for AdminError {
    fn from(error: RegistryError) -> Self {
        Self::of_kind(error.kind(), error.to_string())
    }
}

impl From<ReportError> for AdminError {
    fn from(error: ReportError) -> Self {
        Self::of_kind(error.kind, error.message)
    }
}

impl From<QueryError> for AdminError {
    fn from(error: QueryError) -> Self {
        Self::of_kind(error.code.kind(), error.to_string())
    }
}

impl From<WriteError> for AdminError {
    fn from(error: WriteError) -> Self {
        Self::of_kind(error.kind(), error.to_string())
    }
}

impl From<Refusal> for AdminError {
    fn from(refusal: Refusal) -> Self {
        Self::of_kind(ErrorKind::Retry, refusal.message)
    }
}

impl From<RuleError> for AdminError {
    fn from(error: RuleError) -> Self {
        Self::of_kind(error.kind(), error.to_string())
    }
}

impl From<NotActive> for AdminError {
    fn from(error: NotActive) -> Self {
        Self::of_kind(ErrorKind::Input, error.to_string())
    }
}

impl From<TestError> for AdminError {
    fn from(error: TestError) -> Self {
        match error {
            TestError::Rule(why) => why.into(),
            TestError::History(HistoryError::Query(error)) => error.into(),
            TestError::History(HistoryError::Arrow(error)) => error.into(),
            TestError::History(many @ HistoryError::TooMany(_)) => Self::of_kind(ErrorKind::Input, many.to_string()),
        }
    }
}

impl From<ArrowError> for AdminError {
    fn from(error: ArrowError) -> Self {
        Self::of_kind(ErrorKind::Bug, error.to_string())
    }
}

impl From<tokio::task::JoinError> for AdminError {
    fn from(error: tokio::task::JoinError) -> Self {
        tracing::error!("a request of administration failed: {error}");
        let message = "a fault of the server; its log says more".to_owned();
        Self { cause: Cause::Internal, code: "internal", message }
    }
}

impl IntoResponse for AdminError {
    fn into_response(self) -> Response {
        let codes = self.cause.codes();
        let status = StatusCode::from_u16(codes.http).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::json!({"code": self.code, "message": self.message}).to_string();
        let mut response = (status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"zonelake\""));
        }
        if let Some(seconds) = codes.retry_after_s {
            headers.insert(RETRY_AFTER, seconds.into());
        }
        response
    }
}
