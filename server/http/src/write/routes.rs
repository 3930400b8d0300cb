//! The routes, and the way of a request through them.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Query, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use zonelake_ingest::{LinesArgs, Precision, WriteSink, WriteState, Written, decode_lines};
use zonelake_net::Authenticator;
use zonelake_storage::RequestKey;

use crate::peer::Peer;

use super::error::{ApiVersion, HttpError};
use super::response::{Stored, response};
use super::{body, idempotency, token};

/// The routes of writes. They check the token of every request themselves and need no other layer.
pub fn write_routes<S: WriteSink>(write: Arc<WriteState<S>>, authenticator: Arc<Authenticator>) -> Router {
    let state = Arc::new(HttpWrite { write, authenticator });
    Router::new()
        .route("/api/v2/write", post(write_v2::<S>))
        .route("/write", post(write_v1::<S>))
        .route("/ping", get(ping))
        .route("/api/v2/ping", get(ping))
        .with_state(state)
}

/// State of the routes.
struct HttpWrite<S> {
    write: Arc<WriteState<S>>,
    authenticator: Arc<Authenticator>,
}

type Parameters = Query<HashMap<String, String>>;

async fn write_v2<S: WriteSink>(
    State(state): State<Arc<HttpWrite<S>>>,
    peer: Peer,
    Query(parameters): Parameters,
    request: Request,
) -> Response {
    let precision = match parameters.get("precision").map_or("ns", String::as_str) {
        "ns" => Ok(Precision::Nanoseconds),
        "us" => Ok(Precision::Microseconds),
        "ms" => Ok(Precision::Milliseconds),
        "s" => Ok(Precision::Seconds),
        other => Err(HttpError::invalid(format!("precision {other:?}: ns, us, ms or s are possible"))),
    };
    response(ApiVersion::V2, write(&state, precision, &parameters, peer, request).await)
}

async fn write_v1<S: WriteSink>(
    State(state): State<Arc<HttpWrite<S>>>,
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

/// Stores the lines of a request.
async fn write<S: WriteSink>(
    http: &HttpWrite<S>,
    precision: Result<Precision, HttpError>,
    parameters: &HashMap<String, String>,
    peer: Peer,
    request: Request,
) -> Result<Stored, HttpError> {
    let token = token::find(request.headers(), parameters).ok_or_else(HttpError::no_token)?;
    let state = &http.write;
    let gateway = http.authenticator.gateway(&token, peer.0).await.map_err(|_unknown| HttpError::unknown_token())?;
    let precision = precision?;
    let key = idempotency::key(request.headers())?;
    // Before the body is read: decoding may register devices, which writes to the disk too.
    state.sink.check_free_space().map_err(HttpError::not_written)?;
    let stated = body::stated_bytes(&request, &state.limits)?;
    let quota = tokio::time::timeout(state.limits.body_timeout, state.gateway_quota.reserve(gateway.id, stated)).await;
    let _quota = quota.map_err(|_elapsed| HttpError::busy())?;
    let body = body::read(request, &state.limits, &state.body_budget).await?;
    // Registering devices and decompressing block, which the runtime's own threads must not.
    let (decoding, writer) = (Arc::clone(state), Arc::clone(&gateway));
    let decoded = tokio::task::spawn_blocking(move || {
        let (lines, permit) = body::decompress(body, &decoding.limits, &decoding.body_budget)?;
        let args = LinesArgs {
            registry: &decoding.registry,
            tables: &decoding.tables,
            rejected: &decoding.rejected,
            gateway: &writer,
            limits: &decoding.limits,
            precision,
            now_us: decoding.clock.wall_us(),
        };
        let decoded = decode_lines(&lines, &args).map_err(HttpError::refused)?;
        let key = key.map(|key| RequestKey { gateway: writer.id, key, digest: idempotency::digest(&lines, precision) });
        Ok((decoded, key, permit))
    });
    let (decoded, key, permit) =
        decoded.await.map_err(|error| HttpError::internal(format!("decoding failed: {error}")))??;
    let rejected = decoded.batches.iter().map(|(_, batch)| batch.rejected_rows + batch.rejected_readings).sum();
    let is_repeated = match key.filter(|_| !decoded.batches.is_empty()) {
        Some(key) => {
            let written = state.sink.write_once(key, decoded.batches).await.map_err(HttpError::not_written)?;
            written == Written::Before
        }
        None => {
            for (table, batch) in decoded.batches {
                state.sink.write(&gateway, &table, batch).await.map_err(HttpError::not_written)?;
            }
            false
        }
    };
    // The lines are in memory until their batches are stored.
    drop(permit);
    match decoded.faulty {
        None => Ok(Stored { rejected, is_repeated }),
        Some(faulty) => Err(HttpError::faulty_lines(&faulty, rejected)),
    }
}
