//! Responses without rows: a status, and a JSON object with `code` and `message`.

use axum::http::header::{CONTENT_TYPE, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use zonelake_net::Cause;
use zonelake_query::QueryError;

use crate::sql::formats::Format;

/// Reason why a request gets no rows.
pub(crate) struct HttpError {
    status: StatusCode,
    code: &'static str,
    message: String,
}

impl HttpError {
    /// A request that is not understood.
    pub(crate) fn input(message: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, code: "bad_request", message: message.into() }
    }

    /// Credentials that are missing or wrong.
    pub(crate) fn unauthorized(message: &str) -> Self {
        Self { status: StatusCode::UNAUTHORIZED, code: "unauthorized", message: message.into() }
    }

    /// The token of a gateway, which may write only.
    pub(crate) fn gateway() -> Self {
        let message = "the token of a gateway may write only; query with the name and password of a role";
        Self { status: StatusCode::FORBIDDEN, code: "forbidden", message: message.into() }
    }

    /// An `Accept` header that allows none of the formats.
    pub(crate) fn not_acceptable() -> Self {
        let formats = Format::ALL.map(Format::media_type).join(", ");
        Self {
            status: StatusCode::NOT_ACCEPTABLE,
            code: "not_acceptable",
            message: format!("Accept allows none of the formats that there are: {formats}"),
        }
    }

    /// The response that tells the client.
    pub(crate) fn into_response(self) -> Response {
        let body = serde_json::json!({ "code": self.code, "message": self.message }).to_string();
        let mut response = (self.status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"zonelake\", charset=\"UTF-8\""));
        }
        response
    }
}

impl From<QueryError> for HttpError {
    fn from(error: QueryError) -> Self {
        let codes = Cause::from(error.code).codes();
        let status = StatusCode::from_u16(codes.http).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self { status, code: error.code.name(), message: error.message }
    }
}
