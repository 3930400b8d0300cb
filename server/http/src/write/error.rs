//! Responses to requests that are not stored, or not all of them, in the words of either version of the interface.

use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use zonelake_ingest::{FaultyLines, Refusal, WriteError};
use zonelake_schemas::wire::control::RefusedCode;

/// Header that counts rejected rows and readings.
pub(super) const REJECTED_HEADER: &str = "x-zonelake-rejected";

/// Version of the interface that a request is written for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ApiVersion {
    V1,
    V2,
}

/// A request that was not stored, or not all of it.
#[derive(Debug)]
pub(super) struct HttpError {
    status: StatusCode,
    /// Code of version 2.
    code: &'static str,
    message: String,
    /// Faulty lines, which version 1 counts.
    dropped: Option<usize>,
    rejected: u64,
    retry_after_s: Option<u64>,
}

impl HttpError {
    fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), dropped: None, rejected: 0, retry_after_s: None }
    }

    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid", message)
    }

    pub(super) fn no_token() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", "the request has no token that can be read")
    }

    pub(super) fn unknown_token() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", "the token is unknown or revoked")
    }

    pub(super) fn too_large(limit: usize) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "request too large", format!("the body is over {limit} bytes"))
    }

    pub(super) fn unsupported_encoding(encoding: &str) -> Self {
        let message = format!("Content-Encoding {encoding:?} is not supported; gzip is");
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported media type", message)
    }

    pub(super) fn too_slow() -> Self {
        Self::new(StatusCode::REQUEST_TIMEOUT, "request timeout", "the body did not arrive in time")
    }

    pub(super) fn busy() -> Self {
        let message = "too many bytes of requests are in flight";
        Self { retry_after_s: Some(1), ..Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", message) }
    }

    pub(super) fn internal(message: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal error", message)
    }

    pub(super) fn refused(refusal: Refusal) -> Self {
        match refusal.code {
            RefusedCode::Unavailable | RefusedCode::ShuttingDown => {
                let error = Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", refusal.message);
                Self { retry_after_s: Some(1), ..error }
            }
            RefusedCode::TooLarge => Self::new(StatusCode::PAYLOAD_TOO_LARGE, "request too large", refusal.message),
            RefusedCode::Limit => Self::new(StatusCode::UNPROCESSABLE_ENTITY, "unprocessable entity", refusal.message),
            RefusedCode::Internal => Self::internal(refusal.message),
            _ => Self::invalid(refusal.message),
        }
    }

    pub(super) fn not_written(error: WriteError) -> Self {
        let message = error.to_string();
        let retry_after_s = match error {
            WriteError::Unavailable { retry_after, .. } => retry_after.as_secs().max(1),
            WriteError::ShuttingDown => 5,
            WriteError::TooLarge(_) => return Self::new(StatusCode::PAYLOAD_TOO_LARGE, "request too large", message),
            WriteError::Internal(_) => return Self::internal(message),
            WriteError::OtherContent => {
                return Self::new(StatusCode::UNPROCESSABLE_ENTITY, "unprocessable entity", message);
            }
        };
        let error = Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", message);
        Self { retry_after_s: Some(retry_after_s), ..error }
    }

    pub(super) fn faulty_lines(faulty: &FaultyLines, rejected: u64) -> Self {
        let named: Vec<_> = faulty.named.iter().map(|(line, what)| format!("line {line}: {what}")).collect();
        let mut message = if faulty.is_partial { "partial write: " } else { "nothing written: " }.to_owned();
        message.push_str(&named.join("; "));
        if faulty.count > named.len() {
            message.push_str(&format!("; and {} more lines", faulty.count - named.len()));
        }
        Self { dropped: Some(faulty.count), rejected, ..Self::invalid(message) }
    }

    pub(super) fn response(self, version: ApiVersion) -> Response {
        let body = match (version, self.dropped) {
            (ApiVersion::V2, _) => json!({"code": self.code, "message": self.message}),
            // Clients of version 1 read the number of dropped lines from the text.
            (ApiVersion::V1, Some(dropped)) => json!({"error": format!("{} dropped={dropped}", self.message)}),
            (ApiVersion::V1, None) => json!({"error": self.message}),
        };
        let mut response = (self.status, [(CONTENT_TYPE, "application/json")], body.to_string()).into_response();
        let headers = response.headers_mut();
        if let Some(retry_after_s) = self.retry_after_s {
            headers.insert(RETRY_AFTER, retry_after_s.into());
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, axum::http::HeaderValue::from_static("Token"));
        }
        if self.rejected > 0 {
            headers.insert(REJECTED_HEADER, self.rejected.into());
        }
        response
    }
}
