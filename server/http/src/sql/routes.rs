//! Requests that ask SQL.
//!
//! | request | statement | values of `$1`, `$2` and so on |
//! |---|---|---|
//! | `POST /api/v1/sql`, `Content-Type: application/json` | member `query` of the object in the body | member `parameters`, a list |
//! | `POST /api/v1/sql`, any other type | the body, UTF-8 | `parameters` in the URL, a list in JSON |
//! | `GET /api/v1/sql?q=…` | `q` | the same |
//!
//! `time_zone`, `search_path`, `statement_timeout` and `application_name` in the URL or in the object, and the headers
//! `Zonelake-Time-Zone` and so on, are settings of the session. In another zone than UTC, instants are written with its offset.
//!
//! `max_rows` in the URL, or in the object, bounds the response. A longer one is an error with `too_large`, before its rows
//! or amid them, and never a part that looks like the whole.
//!
//! `Accept` chooses among the formats of [`crate::sql::formats`]; 406 where it accepts none. `Accept-Encoding` may ask for
//! gzip or zstd. The name and password of a role are sent by Basic authentication. The token of a gateway is refused with
//! 403: it may write only.
//!
//! An error before the first rows is a JSON object with `code`, `message` and `sqlstate`, and where they are known `hint` and
//! `position` (characters of the statement, from 1): 400 for a statement that cannot be executed,
//! 401 and 403 for the client's credentials, 413 where the statement or its intermediate results are too large, 429 where
//! too many wait, 500, 503 when the server stops or cannot check the password, 504 beyond the time limit; `Retry-After`
//! stands behind 429 and 503. A later error ends the connection amid the body, so that no client takes a part of the rows
//! for all of them.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::rejection::QueryRejection;
use axum::extract::{DefaultBodyLimit, Query, State};
use axum::http::header::{ACCEPT, CONTENT_ENCODING, CONTENT_TYPE, VARY};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::Response;
use axum::routing::get;
use futures::{StreamExt, stream};
use serde_json::Value;
use zonelake_net::Authenticator;
use zonelake_query::{Interface, QueryEngine, QueryError, QueryResult, SqlSession};

use crate::peer::Peer;
use crate::sql::authentication::authenticate;
use crate::sql::compression::Encoding;
use crate::sql::error::HttpError;
use crate::sql::formats::Format;
use crate::sql::parameters::parameter_values;
use crate::sql::request::{SqlRequest, UrlParameters};
use crate::sql::response::{ResponseForm, spawn_pieces};

/// Routes of SQL.
pub fn sql_routes(engine: Arc<QueryEngine>, authenticator: Arc<Authenticator>) -> Router {
    // A statement in JSON may be twice as long as itself, by its escapes.
    let body_bytes_max = 2 * engine.options().sql_bytes_max + 1_024;
    let state = Arc::new(SqlState { engine, authenticator });
    Router::new()
        .route("/api/v1/sql", get(handle_get).post(handle_post))
        .layer(DefaultBodyLimit::max(body_bytes_max))
        .with_state(state)
}

struct SqlState {
    engine: Arc<QueryEngine>,
    authenticator: Arc<Authenticator>,
}

async fn handle_get(
    State(state): State<Arc<SqlState>>,
    peer: Peer,
    headers: HeaderMap,
    url: Result<Query<UrlParameters>, QueryRejection>,
) -> Response {
    respond(&state, &headers, peer, SqlRequest::from_url(&headers, url)).await.unwrap_or_else(HttpError::into_response)
}

async fn handle_post(
    State(state): State<Arc<SqlState>>,
    peer: Peer,
    headers: HeaderMap,
    url: Result<Query<UrlParameters>, QueryRejection>,
    body: Bytes,
) -> Response {
    let request = SqlRequest::from_body(&headers, url, &body);
    respond(&state, &headers, peer, request).await.unwrap_or_else(HttpError::into_response)
}

async fn respond(
    state: &SqlState,
    headers: &HeaderMap,
    peer: Peer,
    request: Result<SqlRequest, HttpError>,
) -> Result<Response, HttpError> {
    // Credentials come first: a client without them learns nothing about the request, not even that it is malformed.
    let caller = authenticate(&state.authenticator, headers, peer).await?;
    let accept = headers.get(ACCEPT).map(|value| value.to_str().unwrap_or("?"));
    let format = Format::accepted(accept).ok_or_else(HttpError::not_acceptable)?;
    let encoding = Encoding::accepted(headers);
    let SqlRequest { sql, parameters, rows_max, settings } = request?;
    let mut session = SqlSession::new(caller, Interface::Http);
    session.peer = peer.0;
    for (name, text) in &settings {
        session.set_outside_sql(name, text)?;
    }
    let zone = session.zone();
    let result = match parameters.is_empty() {
        true => state.engine.execute_in(&sql, &session).await?,
        false => execute_with_values(&state.engine, &sql, &parameters, &session).await?,
    };
    let mut pieces = spawn_pieces(&state.engine, result, ResponseForm { format, encoding, rows_max, zone });
    // The status is sent when the first rows are known, so that an error before them has a status of its own.
    let first = match pieces.recv().await {
        Some(first) => first?,
        None => return Err(QueryError::internal().into()),
    };
    let rest = stream::unfold(pieces, async |mut pieces| {
        let piece = pieces.recv().await?;
        Some((piece, pieces))
    });
    let body = Body::from_stream(stream::once(async { Ok::<_, QueryError>(first) }).chain(rest));
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(format.media_type()));
    headers.insert(VARY, HeaderValue::from_static("accept, accept-encoding"));
    if let Some(name) = encoding.name() {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static(name));
    }
    Ok(response)
}

/// Executes a statement whose parameters have these values.
async fn execute_with_values(
    engine: &QueryEngine,
    sql: &str,
    values: &[Value],
    session: &SqlSession,
) -> Result<QueryResult, QueryError> {
    let statement = engine.parse(sql)?;
    // No type is given: JSON says too little, so each follows from where the parameter stands.
    let named = vec![None; statement.parameter_count()?];
    let types = engine.describe(sql, statement.clone(), named, session).await?.parameters;
    let values = parameter_values(values, &types)?;
    engine.execute_parsed(sql, statement, values, session).await
}
