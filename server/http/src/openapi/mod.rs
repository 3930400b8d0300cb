//! The API as an OpenAPI 3.1 document, made from one table of its operations and one of its bodies:
//!
//! - [`operations`]: each method of each path
//! - [`bodies`]: objects that are sent and answered
//! - [`document`]: the document
//!
//! `GET /api/v1/openapi.json` is for administrators, as the routes that most of it is about. Why it is by hand: decision 0085.

mod bodies;
mod document;
mod operations;

use std::sync::OnceLock;

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;

/// Route of the document.
pub(crate) fn openapi_routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new().route("/api/v1/openapi.json", get(serve))
}

async fn serve() -> Response {
    static TEXT: OnceLock<String> = OnceLock::new();
    let text = TEXT.get_or_init(|| document::document().to_string());
    ([(CONTENT_TYPE, "application/json")], text.as_str()).into_response()
}
