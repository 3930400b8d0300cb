//! Requests for what devices measure now.
//!
//! | request | answer |
//! |---|---|
//! | `GET /api/v1/live/TABLE` | the last values of devices, in a format of [`crate::sql::formats`], with `ETag` |
//! | the same with `If-None-Match` | 304 where nothing has changed but ages |
//! | the same with `wait=SECONDS` | waits for a change before it says 304 |
//! | the same with `Accept: text/event-stream` | [`super::events`] |
//! | the same with `window=5m` | [`super::windows`] |
//!
//! `province`, `zone`, `device` and `field` choose, as lists with commas or by standing several times; `age=SECONDS` leaves out devices
//! whose last row is older. Columns are province, zone, site, device, time of the last row, `age_seconds`, and for each field `FIELD`,
//! `FIELD_time`, `FIELD_quality`. The header `Zonelake-Position` says how far the shards had come.
//!
//! Credentials and errors are those of SQL; besides, 404 for a table that there is not, 413 for more than 10 000 devices, 403 for a
//! role whose rows are chosen by more than their place, and 503 where the last values of the table are not known yet or too many wait.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use axum::routing::get;
use tokio::time::timeout;
use zonelake_net::Authenticator;
use zonelake_query::{LiveTables, QueryError, Zone};

use super::event_text::MEDIA_TYPE;
use super::request::{LiveRequest, Parameters};
use super::state::{Asked, LiveState, Looked, live_error, set_headers};
use super::{events, windows};
use crate::peer::Peer;
use crate::sql::authentication::authenticate;
use crate::sql::error::HttpError;
use crate::sql::formats::Format;

/// Parts of the routes.
#[derive(Debug)]
pub struct LiveArgs {
    /// The tables.
    pub tables: Arc<LiveTables>,
    /// Check of credentials.
    pub authenticator: Arc<Authenticator>,
    /// Requests that may wait for changes at once, as streams or not.
    pub waiting_max: usize,
}

/// Routes of what devices measure now.
pub fn live_routes(args: LiveArgs) -> Router {
    let LiveArgs { tables, authenticator, waiting_max } = args;
    let state = Arc::new(LiveState::new(tables, authenticator, waiting_max));
    Router::new().route("/api/v1/live/{table}", get(handle)).with_state(state)
}

async fn handle(
    State(state): State<Arc<LiveState>>,
    Path(table): Path<String>,
    peer: Peer,
    headers: HeaderMap,
    parameters: Parameters,
) -> Response {
    respond(state, table, &headers, peer, parameters).await.unwrap_or_else(HttpError::into_response)
}

async fn respond(
    state: Arc<LiveState>,
    table: String,
    headers: &HeaderMap,
    peer: Peer,
    parameters: Parameters,
) -> Result<Response, HttpError> {
    // Credentials come first: a client without them learns nothing, not even which tables there are.
    let caller = authenticate(&state.authenticator, headers, peer).await?;
    let accept = headers.get(ACCEPT).map(|value| value.to_str().unwrap_or("?"));
    let request = LiveRequest::new(parameters, headers)?;
    let asked = Arc::new(Asked { table, request, caller });
    if accept.is_some_and(wants_events) {
        let permit = state.permit(&asked.caller)?;
        return match asked.request.span {
            Some(span) => windows::follow(&state, asked, span, permit, headers).await,
            None => events::respond(&state, asked, permit).await,
        };
    }
    let format = Format::accepted(accept).ok_or_else(HttpError::not_acceptable)?;
    if let Some(span) = asked.request.span {
        return windows::pull(&state, &asked, span, format).await;
    }
    pull(&state, &asked, format).await
}

fn wants_events(accept: &str) -> bool {
    let mut types = accept.split(',').map(|item| item.split(';').next().unwrap_or_default().trim());
    types.any(|media| media.eq_ignore_ascii_case(MEDIA_TYPE))
}

/// What a first look has found.
enum First {
    Answer(Response),
    /// What the client has already.
    Known(Looked),
}

async fn pull(state: &Arc<LiveState>, asked: &Arc<Asked>, format: Format) -> Result<Response, HttpError> {
    let look = |state: &LiveState, asked: &Asked| state.look(asked);
    let first = state.make(asked, move |state, asked| {
        let now = state.look(asked)?;
        match asked.request.knows(&now.tag) {
            true => Ok(First::Known(now)),
            false => answer(asked, format, &now).map(First::Answer),
        }
    });
    let now = match first.await? {
        First::Answer(response) => return Ok(response),
        First::Known(now) => now,
    };
    let not_modified = |looked: &Looked| {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        set_headers(&mut response, &looked.tag, looked.table.shown_position().as_ref());
        response
    };
    if asked.request.wait.is_zero() {
        return Ok(not_modified(&now));
    }
    let _permit = state.permit(&asked.caller)?;
    // Followed first and looked at afterwards, so that no change falls between.
    let mut changes = state.tables.follow(&asked.table).map_err(live_error)?;
    let mut now = state.make(asked, look).await?;
    let mut role = state.tables.role(&asked.caller);
    let changed = async {
        while asked.request.knows(&now.tag) {
            use tokio::sync::broadcast::error::RecvError;
            match changes.recv().await {
                Ok(table) if state.tables.may_go_on(&asked.table, &asked.caller, &mut role, now.table.rights()) => {
                    let rights = now.table.rights().cloned();
                    let seen = state.make(asked, move |state, asked| {
                        state.looked(asked, Arc::new(table.seen_with(rights.as_ref())?))
                    });
                    now = seen.await?;
                }
                // The refusal is that of a request that would come now.
                Ok(_) => now = state.make(asked, look).await?,
                Err(RecvError::Lagged(_)) => now = state.make(asked, look).await?,
                Err(RecvError::Closed) => return Err(QueryError::stopping().into()),
            }
        }
        Ok::<(), HttpError>(())
    };
    match timeout(asked.request.wait, changed).await {
        Ok(changed) => changed?,
        Err(_elapsed) => return Ok(not_modified(&now)),
    }
    state.make(asked, move |_, asked| answer(asked, format, &now)).await
}

fn answer(asked: &Asked, format: Format, looked: &Looked) -> Result<Response, HttpError> {
    let rows = looked.table.rows(&looked.devices, &asked.request.selection, looked.now_us)?;
    let mut writer = format.writer(&rows.schema(), Zone::UTC).map_err(QueryError::from)?;
    let mut body = writer.batch(&rows).map_err(QueryError::from)?.to_vec();
    body.extend_from_slice(&writer.end().map_err(QueryError::from)?);
    let mut response = Response::new(Body::from(body));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(format.media_type()));
    set_headers(&mut response, &looked.tag, looked.table.shown_position().as_ref());
    Ok(response)
}
