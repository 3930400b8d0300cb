//! What places have measured in a window up to now.
//!
//! | request | answer |
//! |---|---|
//! | `GET /api/v1/live/TABLE?window=5m` | a row for each place: count, sums, extremes, first and last of each field in the last 5 minutes |
//! | the same with `bucket=10s` | a row for each place and 10 seconds in which it has measured anything |
//! | the same with `If-None-Match`, `wait=SECONDS` | as for last values |
//! | the same with `Accept: text/event-stream` | an event `window` with all rows, whenever they are others, once a second at most |
//!
//! `province`, `zone` and `field` choose. A window moves with the clock, so it is looked at once a second, whatever comes in.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, HeaderValue};
use axum::response::Response;
use futures::stream;
use tokio::time::{sleep, timeout};
use zonelake_query::{QueryError, ShownTag, WindowSpan, Zone};

use super::event_text::{end_event, event, stream_of};
use super::role_places::RolePlace;
use super::state::{Asked, LiveState, check_rows, live_error, set_headers};
use crate::sql::error::HttpError;
use crate::sql::formats::Format;

/// A window as it is now, for one client.
struct Looked {
    rows: arrow::record_batch::RecordBatch,
    tag: String,
}

fn look(state: &LiveState, asked: &Asked, span: WindowSpan) -> Result<Looked, HttpError> {
    let window = state.tables.window(&asked.table, &asked.caller, span).map_err(live_error)?;
    let words = "buckets may be in this window; choose a zone or wider buckets, or ask SQL for live_windows";
    check_rows(window.rows_max(&asked.request.selection), words)?;
    let rows = window.rows(&asked.request.selection)?;
    let mut tag = ShownTag::default();
    tag.add_bytes(&encoded(&window.without_clock(&rows), Format::NdJson)?);
    Ok(Looked { rows, tag: format!("W/\"{:016x}\"", tag.value()) })
}

fn encoded(rows: &arrow::record_batch::RecordBatch, format: Format) -> Result<Vec<u8>, HttpError> {
    let mut writer = format.writer(&rows.schema(), Zone::UTC).map_err(QueryError::from)?;
    let mut bytes = writer.batch(rows).map_err(QueryError::from)?.to_vec();
    bytes.extend_from_slice(&writer.end().map_err(QueryError::from)?);
    Ok(bytes)
}

/// Answers at once, or once the window is another one than the client has.
pub(super) async fn pull(
    state: &Arc<LiveState>,
    asked: &Arc<Asked>,
    span: WindowSpan,
    format: Format,
) -> Result<Response, HttpError> {
    let look = move |state: &LiveState, asked: &Asked| look(state, asked, span);
    let mut now = state.make(asked, look).await?;
    if asked.request.knows(&now.tag) && !asked.request.wait.is_zero() {
        let _permit = state.permit(&asked.caller)?;
        let changed = async {
            while asked.request.knows(&now.tag) {
                sleep(LOOK_EVERY).await;
                now = state.make(asked, look).await?;
            }
            Ok::<(), HttpError>(())
        };
        // Where the time is over the client has what there is.
        timeout(asked.request.wait, changed).await.unwrap_or(Ok(()))?;
    }
    let mut response = if asked.request.knows(&now.tag) {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        response
    } else {
        let rows = now.rows;
        let body = state.make(asked, move |_, _| encoded(&rows, format)).await?;
        let mut response = Response::new(Body::from(body));
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(format.media_type()));
        response
    };
    set_headers(&mut response, &now.tag, None);
    Ok(response)
}

/// Begins a stream of windows.
pub(super) async fn follow(
    state: &Arc<LiveState>,
    asked: Arc<Asked>,
    span: WindowSpan,
    permit: RolePlace,
    headers: &HeaderMap,
) -> Result<Response, HttpError> {
    // What cannot be shown at all is refused before the stream begins.
    state.make(&asked, move |state, asked| look(state, asked, span)).await?;
    let sent = headers.get("last-event-id").and_then(|id| id.to_str().ok()).unwrap_or_default().to_owned();
    let follower = Follower { state: Arc::clone(state), asked, span, sent, quiet: 0, is_over: false, _permit: permit };
    Ok(stream_of(stream::unfold(follower, async |mut follower| Some((follower.next().await?, follower)))))
}

/// A client that follows windows.
struct Follower {
    state: Arc<LiveState>,
    asked: Arc<Asked>,
    span: WindowSpan,
    /// Id of what the client has.
    sent: String,
    /// Looks since anything was sent.
    quiet: u32,
    is_over: bool,
    _permit: RolePlace,
}

impl Follower {
    async fn next(&mut self) -> Option<Bytes> {
        if self.is_over {
            return None;
        }
        loop {
            if self.quiet > 0 {
                sleep(LOOK_EVERY).await;
            }
            self.quiet += 1;
            // Each look is a request of its own, rights included.
            match self.look().await {
                Ok(None) if self.quiet < QUIET_MAX => {}
                Ok(None) => {
                    self.quiet = 1;
                    return Some(Bytes::from_static(b": alive\n\n"));
                }
                Ok(Some(event)) => {
                    self.quiet = 1;
                    return Some(event);
                }
                Err(error) => {
                    self.is_over = true;
                    let (code, message) = error.into_words();
                    return Some(end_event(code, &message));
                }
            }
        }
    }

    /// The next event, where the window is another one than the client has.
    async fn look(&mut self) -> Result<Option<Bytes>, HttpError> {
        if self.state.tables.is_stopping() {
            return Err(QueryError::stopping().into());
        }
        let (span, sent) = (self.span, self.sent.clone());
        let made = self.state.make(&self.asked, move |state, asked| {
            let now = look(state, asked, span)?;
            let id = now.tag.trim_start_matches("W/").trim_matches('"').to_owned();
            if id == sent {
                return Ok(None);
            }
            let event = event("window", Some(&id), &encoded(&now.rows, Format::NdJson)?);
            Ok(Some((id, event)))
        });
        let Some((id, event)) = made.await? else { return Ok(None) };
        self.sent = id;
        Ok(Some(event))
    }
}

/// Interval at which windows are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Looks without a change after which a stream shows that it lives.
const QUIET_MAX: u32 = 15;
