//! The routes, and the way of a request through them.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Query, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use zonelake_ingest::{DecodedBatch, LINE_GROWTH, Precision, WriteError, WriteState, Written};
use zonelake_net::Authenticator;
use zonelake_registry::{Gateway, RegisteredTable};
use zonelake_storage::RequestKey;

use crate::peer::Peer;

use super::decoding::{Decoded, Decoding, WaitingClient};
use super::error::{ApiVersion, HttpError};
use super::memory::RequestMemory;
use super::response::{Stored, response};
use super::{body, idempotency, tags, token};

/// The routes of writes. They check the token of every request themselves and need no other layer.
pub fn write_routes(write: Arc<WriteState>, authenticator: Arc<Authenticator>) -> Router {
    let state = Arc::new(HttpWrite { write, authenticator });
    Router::new()
        .route("/api/v2/write", post(write_v2))
        .route("/write", post(write_v1))
        .route("/ping", get(ping))
        .route("/api/v2/ping", get(ping))
        .route("/query", any(query_v1))
        .route("/api/v2/query", any(query_v2))
        .with_state(state)
}

/// State of the routes.
struct HttpWrite {
    write: Arc<WriteState>,
    authenticator: Arc<Authenticator>,
}

type Parameters = Query<HashMap<String, String>>;

async fn write_v2(
    State(state): State<Arc<HttpWrite>>,
    peer: Peer,
    Query(parameters): Parameters,
    request: Request,
) -> Response {
    let precision = match parameters.get("precision").map_or("ns", String::as_str) {
        "" | "ns" => Ok(Precision::Nanoseconds),
        "us" => Ok(Precision::Microseconds),
        "ms" => Ok(Precision::Milliseconds),
        "s" => Ok(Precision::Seconds),
        other => Err(HttpError::invalid(format!("precision {other:?}: ns, us, ms or s are possible"))),
    };
    response(ApiVersion::V2, write(&state, precision, &parameters, peer, request).await)
}

async fn write_v1(
    State(state): State<Arc<HttpWrite>>,
    peer: Peer,
    Query(parameters): Parameters,
    request: Request,
) -> Response {
    let precision = match parameters.get("precision").map_or("ns", String::as_str) {
        "" | "n" | "ns" => Ok(Precision::Nanoseconds),
        "u" | "us" | "µ" => Ok(Precision::Microseconds),
        "ms" => Ok(Precision::Milliseconds),
        "s" => Ok(Precision::Seconds),
        "m" => Ok(Precision::Minutes),
        "h" => Ok(Precision::Hours),
        other => Err(HttpError::invalid(format!("precision {other:?}: n, ns, u, us, ms, s, m or h are possible"))),
    };
    response(ApiVersion::V1, write(&state, precision, &parameters, peer, request).await)
}

async fn ping() -> Response {
    let version = concat!("zonelake-", env!("CARGO_PKG_VERSION"));
    (StatusCode::NO_CONTENT, [("x-influxdb-version", version), ("x-influxdb-build", "zonelake")]).into_response()
}

/// Clients of version 1 ask in InfluxQL here, and make their database by it.
async fn query_v1() -> Response {
    HttpError::not_supported(NO_INFLUXQL).response(ApiVersion::V1)
}

async fn query_v2() -> Response {
    HttpError::not_supported(NO_INFLUXQL).response(ApiVersion::V2)
}

const NO_INFLUXQL: &str = "InfluxQL and Flux are not spoken here: ask SQL at /api/v1/sql, with the name and password of a \
                           role. Databases and buckets need not be made: the table is named by the measurement";

/// Stores the lines of a request.
async fn write(
    http: &HttpWrite,
    precision: Result<Precision, HttpError>,
    parameters: &HashMap<String, String>,
    peer: Peer,
    request: Request,
) -> Result<Stored, HttpError> {
    let token = token::find(request.headers(), parameters).ok_or_else(HttpError::no_token)?;
    let state = &http.write;
    let gateway = http.authenticator.gateway(&token, peer.0).await;
    let gateway = gateway.map_err(HttpError::not_authenticated)?;
    let precision = precision?;
    let header = idempotency::key(request.headers())?;
    let tags = tags::rules(request.headers())?;
    // Before the body is read: decoding may register devices, which writes to the disk too.
    state.sink.check_free_space().map_err(HttpError::not_written)?;
    body::is_gzip(&request)?;
    let stated = body::stated_bytes(&request, &state.limits)?;
    let memory = RequestMemory::reserve(state, gateway.id, stated).await?;
    let body = body::read(request, stated, &state.limits).await?;
    // Registering devices and decompressing block, which the runtime's own threads must not.
    let client = WaitingClient::default();
    let decoding = Decoding {
        state: Arc::clone(state),
        gateway: Arc::clone(&gateway),
        memory,
        has_gone: Arc::clone(&client.has_gone),
        precision,
        tags,
    };
    let queue = state.decoders.queue(gateway.id);
    let decoded = queue.run(LINE_GROWTH * stated as u64, move |place| decoding.run(body, header, &place));
    let Decoded { decoded, key, memory } =
        decoded.await.map_err(|error| HttpError::internal(format!("decoding failed: {error}")))??;
    let rejected = decoded.batches.iter().map(|(_, batch)| batch.rejected_rows + batch.rejected_readings).sum();
    let is_repeated = store(state, &gateway, decoded.batches, key, header.is_some()).await?;
    // The rows are in memory until they are stored.
    drop(memory);
    match decoded.faulty {
        None => Ok(Stored { rejected, is_repeated }),
        Some(faulty) => Err(HttpError::faulty_lines(&faulty, rejected)),
    }
}

/// Stores the batches of a request; true where they were stored before.
async fn store(
    state: &WriteState,
    gateway: &Arc<Gateway>,
    batches: Vec<(Arc<RegisteredTable>, DecodedBatch)>,
    key: Option<RequestKey>,
    has_header: bool,
) -> Result<bool, HttpError> {
    if let Some(key) = key.filter(|_| !batches.is_empty()) {
        // The arrays are shared, so that a copy takes no memory.
        match state.sink.write_once(key, batches.clone()).await {
            Ok(written) => return Ok(written == Written::Before),
            // Only who asks for one step by the header is held to it.
            Err(WriteError::TooLarge(_)) if !has_header => {}
            Err(error) => return Err(HttpError::not_written(error)),
        }
    }
    for (table, batch) in batches {
        state.sink.write(gateway, &table, batch).await.map_err(HttpError::not_written)?;
    }
    Ok(false)
}
