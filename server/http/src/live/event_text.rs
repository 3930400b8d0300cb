//! The text of events, and the answer that they are sent in.

use axum::body::{Body, Bytes};
use axum::http::HeaderValue;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::Response;
use futures::{Stream, StreamExt};

/// Media type of a stream of events.
pub(super) const MEDIA_TYPE: &str = "text/event-stream";

/// The answer that consists of events.
pub(super) fn stream_of(events: impl Stream<Item = Bytes> + Send + 'static) -> Response {
    let mut response = Response::new(Body::from_stream(events.map(Ok::<_, std::convert::Infallible>)));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // Proxies that collect what they pass on would hold events back.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

/// An event whose data are lines.
pub(super) fn event(name: &str, id: Option<&str>, lines: &[u8]) -> Bytes {
    let mut event = format!("event: {name}\n").into_bytes();
    if let Some(id) = id {
        event.extend_from_slice(format!("id: {id}\n").as_bytes());
    }
    for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        event.extend_from_slice(b"data: ");
        event.extend_from_slice(line);
        event.push(b'\n');
    }
    if lines.is_empty() {
        event.extend_from_slice(b"data:\n");
    }
    event.push(b'\n');
    event.into()
}

/// The last event of a stream.
pub(super) fn end_event(code: &str, message: &str) -> Bytes {
    let data = serde_json::json!({ "code": code, "message": message });
    format!("event: end\ndata: {data}\n\n").into()
}
