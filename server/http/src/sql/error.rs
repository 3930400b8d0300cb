//! Responses without rows: a status, and a JSON object with `code` and `message`.

use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use zonelake_net::{AuthenticationError, Cause};
use zonelake_query::QueryError;

use crate::administrator::TOO_MANY_GUESSES;
use crate::sql::formats::Format;

/// Reason why a request gets no rows.
pub(crate) struct HttpError {
    cause: Cause,
    code: &'static str,
    message: String,
    /// The reason as the engine has it, where it is the engine's.
    query: Option<Box<QueryError>>,
}

impl HttpError {
    /// A request that is not understood.
    pub(crate) fn input(message: impl Into<String>) -> Self {
        Self { cause: Cause::Protocol, code: "bad_request", message: message.into(), query: None }
    }

    /// Credentials that are missing or cannot be read.
    pub(crate) fn no_credential() -> Self {
        let message =
            "send the name and password of a role by Basic authentication, or a token of it as a bearer token"
                .to_owned();
        Self { cause: Cause::NoCredential, code: "unauthorized", message, query: None }
    }

    /// Credentials that prove nothing.
    pub(crate) fn not_authenticated(error: AuthenticationError) -> Self {
        let (code, message) = match error {
            AuthenticationError::UnknownToken => ("unauthorized", "the token is unknown or revoked, or has expired"),
            AuthenticationError::WrongPassword => ("unauthorized", "the user name or password is wrong"),
            AuthenticationError::TooManyGuesses => ("limit", TOO_MANY_GUESSES),
            AuthenticationError::NotChecked => {
                ("unavailable", "the password cannot be checked at the moment; try again later")
            }
        };
        Self { cause: error.into(), code, message: message.to_owned(), query: None }
    }

    /// The token of a gateway, which may write only.
    pub(crate) fn gateway() -> Self {
        let message = "the token of a gateway may write only; query with the name and password of a role";
        Self { cause: Cause::NoRight, code: "forbidden", message: message.into(), query: None }
    }

    /// A cause of another interface's own, in its words.
    pub(crate) fn of_cause(cause: Cause, code: &'static str, message: impl Into<String>) -> Self {
        Self { cause, code, message: message.into(), query: None }
    }

    /// Something that the URL names and that there is not.
    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self { cause: Cause::UnknownTable, code: NOT_FOUND, message: message.into(), query: None }
    }

    /// Code and message, for an answer that has begun.
    pub(crate) fn into_words(self) -> (&'static str, String) {
        (self.code, self.message)
    }

    /// An `Accept` header that allows none of the formats.
    pub(crate) fn not_acceptable() -> Self {
        let formats = Format::ALL.map(Format::media_type).join(", ");
        let message = format!("Accept allows none of the formats that there are: {formats}");
        Self { cause: Cause::NotAcceptable, code: "not_acceptable", message, query: None }
    }

    /// The response that tells the client.
    pub(crate) fn into_response(self) -> Response {
        let codes = self.cause.codes();
        let status = match self.code {
            // The URL itself names it.
            NOT_FOUND => StatusCode::NOT_FOUND,
            _ => StatusCode::from_u16(codes.http).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
        };
        let mut body = serde_json::json!({ "code": self.code, "message": self.message });
        if let Some(error) = self.query {
            body["sqlstate"] = error.narrow_sqlstate().unwrap_or(codes.sqlstate).into();
            if let Some(hint) = error.hint() {
                body["hint"] = hint.into();
            }
            if let Some(position) = error.position() {
                body["position"] = position.into();
            }
        }
        let mut response = (status, body.to_string()).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"zonelake\", charset=\"UTF-8\""));
        }
        if let Some(seconds) = codes.retry_after_s {
            headers.insert(RETRY_AFTER, seconds.into());
        }
        response
    }
}

/// Code of what the URL names and there is not.
const NOT_FOUND: &str = "not_found";

impl From<QueryError> for HttpError {
    fn from(error: QueryError) -> Self {
        let (cause, code, message) = (error.code.into(), error.code.name(), error.message.clone());
        Self { cause, code, message, query: Some(Box::new(error)) }
    }
}
