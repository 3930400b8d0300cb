//! What requests that pull and streams of events share: the tables, the places of those that wait, the threads on which answers are made, and what
//! a client has chosen.

use std::sync::Arc;

use axum::http::header::{CACHE_CONTROL, ETAG, VARY};
use axum::http::{HeaderName, HeaderValue};
use axum::response::Response;
use tokio::task::spawn_blocking;
use zonelake_net::{Authenticator, Cause};
use zonelake_query::{Caller, LiveDevices, LiveError, LivePosition, LiveTable, LiveTables};

use super::request::LiveRequest;
use super::role_places::{RolePlace, RolePlaces, Taken};
use crate::sql::error::HttpError;

/// What all requests share.
pub(super) struct LiveState {
    pub(super) tables: Arc<LiveTables>,
    pub(super) authenticator: Arc<Authenticator>,
    /// Of those that wait for changes.
    pub(super) waiting: RolePlaces,
    /// Of answers that are being made.
    pub(super) making: RolePlaces,
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
    /// What all requests share, with places for so many that wait. A quarter of them is kept from each role, for the others.
    pub(super) fn new(tables: Arc<LiveTables>, authenticator: Arc<Authenticator>, waiting_max: usize) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        // One core is left to readings that come in.
        let making_max = cores.saturating_sub(1).max(1);
        Self {
            tables,
            authenticator,
            waiting: RolePlaces::new(waiting_max, waiting_max - waiting_max / 4),
            making: RolePlaces::new(making_max, making_max.div_ceil(2)),
        }
    }

    /// The place of a request that waits.
    pub(super) fn permit(&self, caller: &Caller) -> Result<RolePlace, HttpError> {
        self.waiting.try_take(&caller.name).map_err(|taken| {
            let message = match taken {
                Taken::ByAll => "too many clients follow changes; http.live_streams_max sets how many may",
                Taken::ByRole => {
                    "too many clients of this role follow changes; it may have three quarters of http.live_streams_max"
                }
            };
            HttpError::of_cause(Cause::TooManyConnections, "busy", message)
        })
    }

    /// Makes what may be an answer of many rows, in turn, and never on the threads that take in readings: these would stand still for the time of
    /// it.
    pub(super) async fn make<T: Send + 'static>(
        self: &Arc<Self>,
        asked: &Arc<Asked>,
        work: impl FnOnce(&Self, &Asked) -> Result<T, HttpError> + Send + 'static,
    ) -> Result<T, HttpError> {
        let place = self.making.take(&asked.caller.name).await;
        let (state, asked) = (Arc::clone(self), Arc::clone(asked));
        let made = spawn_blocking(move || {
            let made = work(&state, &asked);
            drop(place);
            made
        });
        made.await.unwrap_or_else(|error| {
            tracing::error!("live values could not be made into an answer: {error}");
            Err(HttpError::of_cause(Cause::Internal, "internal", "a fault of the server; its log says more"))
        })
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
