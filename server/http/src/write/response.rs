//! Responses to requests that are stored.

use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

use super::error::{ApiVersion, HttpError, REJECTED_HEADER};

/// Result of a request whose lines are all stored.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stored {
    /// Rows and readings that were rejected.
    pub(super) rejected: u64,
    /// True where the request had been stored before, under its key.
    pub(super) is_repeated: bool,
}

/// The response of either version of the interface.
pub(super) fn response(version: ApiVersion, result: Result<Stored, HttpError>) -> Response {
    let stored = match result {
        Ok(stored) => stored,
        Err(error) => return error.response(version),
    };
    let mut response = StatusCode::NO_CONTENT.into_response();
    if stored.rejected > 0 {
        response.headers_mut().insert(REJECTED_HEADER, stored.rejected.into());
    }
    if stored.is_repeated {
        response.headers_mut().insert(REPLAYED_HEADER, HeaderValue::from_static("true"));
    }
    response
}

/// Header of a response to a request that had been stored before.
const REPLAYED_HEADER: &str = "idempotency-replayed";
