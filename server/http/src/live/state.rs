//! What requests that pull and streams of events share: the tables, the places of those that wait, and what a client has chosen.

use std::sync::Arc;

use axum::http::header::{CACHE_CONTROL, ETAG, VARY};
use axum::http::{HeaderName, HeaderValue};
use axum::response::Response;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use zonelake_net::{Authenticator, Cause};
use zonelake_query::{Caller, LiveDevices, LiveError, LivePosition, LiveTable, LiveTables};

use super::request::LiveRequest;
use crate::sql::error::HttpError;

/// What all requests share.
pub(super) struct LiveState {
    pub(super) tables: Arc<LiveTables>,
    pub(super) authenticator: Arc<Authenticator>,
    pub(super) waiting: Arc<Semaphore>,
}

/// A request whose client is known.
pub(super) struct Asked {
    pub(super) table: String,
    pub(super) request: LiveRequest,
    pub(super) caller: Caller,
}

/// The devices of a client's choice at one moment.
pub(super) struct Looked {
    pub(super) table: Arc<LiveTable>,
    pub(super) devices: LiveDevices,
    pub(super) now_us: i64,
    pub(super) tag: String,
}

impl LiveState {
    /// The place of a request that waits.
    pub(super) fn permit(&self) -> Result<OwnedSemaphorePermit, HttpError> {
        let message = "too many clients follow changes; http.live_streams_max sets how many may";
        let full = |_no_permit| HttpError::of_cause(Cause::TooManyConnections, "busy", message);
        Arc::clone(&self.waiting).try_acquire_owned().map_err(full)
    }

    pub(super) fn look(&self, asked: &Asked) -> Result<Looked, HttpError> {
        self.looked(asked, Arc::new(self.tables.table(&asked.table, &asked.caller).map_err(live_error)?))
    }

    pub(super) fn looked(&self, asked: &Asked, table: Arc<LiveTable>) -> Result<Looked, HttpError> {
        let now_us = self.tables.now_us();
        let devices = table.chosen(&asked.request.selection, now_us);
        check_count(&devices)?;
        let tag = format!("W/\"{:016x}\"", table.tag(&devices, &asked.request.selection)?);
        Ok(Looked { table, devices, now_us, tag })
    }
}

/// Headers of an answer of a client's own. `position` says how far the shards had come, where the client may know.
pub(super) fn set_headers(response: &mut Response, tag: &str, position: Option<&LivePosition>) {
    let headers = response.headers_mut();
    headers.insert(VARY, HeaderValue::from_static("accept, authorization"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    let position = position.map(|position| (POSITION, position.to_string()));
    for (name, value) in [(ETAG, tag.to_owned())].into_iter().chain(position) {
        // Digits and punctuation, which any header may have.
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(name, value);
        }
    }
}

pub(super) fn check_count(devices: &LiveDevices) -> Result<(), HttpError> {
    let words = "devices are chosen; choose a zone or devices, or ask SQL for last_values";
    check_rows(devices.len(), words)
}

/// Refuses an answer of more rows than it may have; `words` say what to do.
pub(super) fn check_rows(count: usize, words: &str) -> Result<(), HttpError> {
    if count <= ROWS_MAX {
        return Ok(());
    }
    Err(HttpError::of_cause(Cause::TooLarge, "too_large", format!("{ROWS_MAX} rows are possible; {count} {words}")))
}

pub(super) fn live_error(error: LiveError) -> HttpError {
    match error {
        LiveError::UnknownTable => HttpError::not_found(error.to_string()),
        LiveError::NotKnown => HttpError::of_cause(Cause::Unavailable, "unavailable", error.to_string()),
        LiveError::InPart => HttpError::of_cause(Cause::NoRight, "forbidden", error.to_string()),
        LiveError::Repeats => HttpError::of_cause(Cause::NotSupported, "not_supported", error.to_string()),
        LiveError::Query(error) => error.into(),
    }
}

const POSITION: HeaderName = HeaderName::from_static("zonelake-position");
/// Rows of one answer or one event, which is made whole before it is sent.
const ROWS_MAX: usize = 10_000;
