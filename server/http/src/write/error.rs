//! Responses to requests that are not stored, or not all of them, as either version of the interface says it.

use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use zonelake_ingest::{FaultyLines, Refusal, WriteError};
use zonelake_net::{AuthenticationError, Cause};

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
    /// Error of a cause, with the status and the code that version 2 has for it.
    fn new(cause: Cause, message: impl Into<String>) -> Self {
        let codes = cause.codes();
        let status = StatusCode::from_u16(codes.http).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let retry_after_s = codes.retry_after_s;
        Self { status, code: code_of(status), message: message.into(), dropped: None, rejected: 0, retry_after_s }
    }

    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::new(Cause::BadPayload, message)
    }

    pub(super) fn no_token() -> Self {
        Self::new(Cause::NoCredential, "the request has no token that can be read")
    }

    pub(super) fn not_authenticated(error: AuthenticationError) -> Self {
        Self::new(error.into(), error.to_string())
    }

    pub(super) fn not_supported(message: impl Into<String>) -> Self {
        Self::new(Cause::NotSupported, message)
    }

    pub(super) fn too_large(limit: usize) -> Self {
        Self::new(Cause::TooLarge, format!("the body is over {limit} bytes"))
    }

    pub(super) fn unsupported_encoding(encoding: &str) -> Self {
        Self::new(Cause::UnsupportedEncoding, format!("Content-Encoding {encoding:?} is not supported; gzip is"))
    }

    pub(super) fn too_slow() -> Self {
        Self::new(Cause::TooSlow, "the body did not arrive in time")
    }

    pub(super) fn busy() -> Self {
        Self::new(Cause::TooManyBytes, "too many bytes of requests are in flight")
    }

    pub(super) fn internal(message: impl Into<String>) -> Self {
        Self::new(Cause::Internal, message)
    }

    pub(super) fn refused(refusal: Refusal) -> Self {
        Self::new(refusal.code.into(), refusal.message)
    }

    pub(super) fn not_written(error: WriteError) -> Self {
        let message = error.to_string();
        match error {
            WriteError::Unavailable { retry_after, .. } => {
                let retry_after_s = Some(retry_after.as_secs().max(1));
                Self { retry_after_s, ..Self::new(Cause::Unavailable, message) }
            }
            WriteError::ShuttingDown => {
                Self { retry_after_s: Some(RESTART_S), ..Self::new(Cause::ShuttingDown, message) }
            }
            WriteError::TooLarge(_) => Self::new(Cause::RecordTooLarge, message),
            WriteError::Internal(_) => Self::internal(message),
            WriteError::OtherContent => Self::new(Cause::KeyReused, message),
        }
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

/// Seconds that a restart of the server takes, as a rule.
const RESTART_S: u64 = 5;

/// Code of version 2 for a status.
fn code_of(status: StatusCode) -> &'static str {
    match status {
        StatusCode::BAD_REQUEST => "invalid",
        StatusCode::UNAUTHORIZED => "unauthorized",
        StatusCode::FORBIDDEN => "forbidden",
        StatusCode::REQUEST_TIMEOUT => "request timeout",
        StatusCode::PAYLOAD_TOO_LARGE => "request too large",
        StatusCode::UNSUPPORTED_MEDIA_TYPE => "unsupported media type",
        StatusCode::UNPROCESSABLE_ENTITY => "unprocessable entity",
        StatusCode::TOO_MANY_REQUESTS => "too many requests",
        StatusCode::NOT_IMPLEMENTED => "not implemented",
        StatusCode::SERVICE_UNAVAILABLE => "unavailable",
        _ => "internal error",
    }
}
