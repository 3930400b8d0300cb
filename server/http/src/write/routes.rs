//! Line protocol over HTTP, for networks that block UDP and for clients of InfluxDB:
//!
//! | request | answer |
//! |---|---|
//! | `POST /api/v2/write?org=&bucket=&precision=ns\|us\|ms\|s` | 204; errors as `{"code", "message"}` |
//! | `POST /write?db=&precision=n\|ns\|u\|us\|ms\|s\|m\|h` | 204; errors as `{"error"}` |
//! | `GET` or `HEAD /ping`, `/api/v2/ping` | 204 |
//!
//! Organisation, bucket and database are accepted and ignored: the token decides the zone, the measurement the table. A
//! body may hold lines of many tables. Good lines are stored also where others are faulty; then the answer is 400 and
//! names the faulty lines. Rows and readings that are not acceptable are no faulty lines: they go to the table
//! `rejected`, and the header `x-zonelake-rejected` counts them.
//!
//! 204 means: durable and visible to queries. A request with the header `Idempotency-Key` is stored in one step and once,
//! however often it is repeated; see `idempotency`. One without is stored again when it is repeated after a lost answer, and
//! each table of its body for itself.
//!
//! | status | meaning | to do |
//! |---|---|---|
//! | 204 | stored | |
//! | 400 | faulty lines, or the whole body | mend; the good lines are stored |
//! | 401 | no token, or an unknown or revoked one | |
//! | 408 | the body took too long | repeat |
//! | 413 | over a limit of size | smaller requests |
//! | 415 | a `Content-Encoding` other than gzip | |
//! | 422 | a limit of the registry is reached, or the key was used for another content | an operator has to look |
//! | 500 | a fault of the server | |
//! | 503 | busy, full or stopping; `Retry-After` says when | repeat |

mod answer;
mod auth;
mod body;
mod idempotency;
mod lines;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Query, Request, State};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use tokio::sync::Semaphore;
use zonelake_registry::{Gateway, RegisteredTable, Registry};
use zonelake_schemas::ErrorKind;
use zonelake_schemas::clock::Clock;
use zonelake_storage::RequestKey;

use crate::write::error::{Dialect, Failure};
use zonelake_ingest::line::body::LinesArgs;
use zonelake_ingest::Decoded;
use zonelake_net::gateway_token::gateway_of;
use zonelake_ingest::limits::DecodeLimits;
use zonelake_ingest::line::Precision;
use zonelake_ingest::pipeline::gateway_quota::GatewayShares;

/// Where decoded rows become durable.
pub trait WriteSink: Send + Sync + 'static {
    /// Makes one batch of one table durable and visible to queries; both parts of it or none.
    fn write(
        &self,
        gateway: &Arc<Gateway>,
        table: &Arc<RegisteredTable>,
        decoded: Decoded,
    ) -> impl Future<Output = Result<(), WriteError>> + Send;

    /// Whether there is room for more; asked before a request is decoded, which may register devices.
    fn room(&self) -> Result<(), WriteError>;

    /// Makes the batches of a request durable and visible to queries, all or none, and once under its key.
    fn write_once(
        &self,
        request: RequestKey,
        lines: Vec<(Arc<RegisteredTable>, Decoded)>,
    ) -> impl Future<Output = Result<Written, WriteError>> + Send;
}

/// When a request with a key was stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// Now.
    Now,
    /// Before, under the same key; nothing was stored now.
    Before,
}

/// Why a batch could not be made durable. Nothing of it is stored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// There is no room for it at the moment: queues or the disk are full.
    #[error("cannot store at the moment: {message}")]
    Unavailable {
        /// What there is no room in.
        message: String,
        /// After what time to try again.
        retry_after: Duration,
    },
    /// The key of the request was used for another content.
    #[error("the idempotency key was used before for another content; another request needs another key")]
    OtherContent,
    /// It is larger than one batch, or with a key than one step, may be.
    #[error("{0}")]
    TooLarge(String),
    /// The server stops.
    #[error("the server is shutting down")]
    ShuttingDown,
    /// A fault of the server; its log says more.
    #[error("a fault of the server: {0}")]
    Internal(String),
}

impl WriteError {
    /// What the caller can do about it.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Unavailable { .. } | Self::ShuttingDown => ErrorKind::Retry,
            Self::OtherContent | Self::TooLarge(_) => ErrorKind::Input,
            Self::Internal(_) => ErrorKind::Bug,
        }
    }
}

/// What the write endpoints work with.
#[derive(Debug)]
pub struct WriteState<S> {
    /// Registry of gateways, devices and places.
    pub registry: Arc<Registry>,
    /// Tables by name. The table `rejected` may be among them; it cannot be written to.
    pub tables: Arc<BTreeMap<String, Arc<RegisteredTable>>>,
    /// The table `rejected`.
    pub rejected: Arc<RegisteredTable>,
    /// Where rows become durable.
    pub sink: S,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Limits of one request.
    pub limits: DecodeLimits,
    /// One permit for each KiB of bodies in flight, of all requests together. It must hold at least one body of
    /// `frame_bytes_max`. A request waits for it before its body is read.
    pub body_budget: Arc<Semaphore>,
    /// What each gateway may hold of it.
    pub shares: GatewayShares,
}

/// The routes. They answer every request themselves and need no other layer.
pub fn write_router<S: WriteSink>(state: Arc<WriteState<S>>) -> Router {
    Router::new()
        .route("/api/v2/write", post(write_v2::<S>))
        .route("/write", post(write_v1::<S>))
        .route("/ping", get(ping))
        .route("/api/v2/ping", get(ping))
        .with_state(state)
}

type Parameters = Query<HashMap<String, String>>;

async fn write_v2<S: WriteSink>(
    State(state): State<Arc<WriteState<S>>>,
    Query(parameters): Parameters,
    request: Request,
) -> Response {
    let precision = match parameters.get("precision").map_or("ns", String::as_str) {
        "ns" => Ok(Precision::Nanoseconds),
        "us" => Ok(Precision::Microseconds),
        "ms" => Ok(Precision::Milliseconds),
        "s" => Ok(Precision::Seconds),
        other => Err(Failure::invalid(format!("precision {other:?}: ns, us, ms or s are possible"))),
    };
    answer(Dialect::V2, write(&state, precision, &parameters, request).await)
}

async fn write_v1<S: WriteSink>(
    State(state): State<Arc<WriteState<S>>>,
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
        other => Err(Failure::invalid(format!("precision {other:?}: n, ns, u, us, ms, s, m or h are possible"))),
    };
    answer(Dialect::V1, write(&state, precision, &parameters, request).await)
}

async fn ping() -> Response {
    let version = concat!("zonelake-", env!("CARGO_PKG_VERSION"));
    (StatusCode::NO_CONTENT, [("x-influxdb-version", version), ("x-influxdb-build", "zonelake")]).into_response()
}

/// What a request came to whose lines are all stored.
#[derive(Debug, Clone, Copy)]
struct Done {
    /// Rows and readings that were rejected.
    rejected: u64,
    /// It had been stored before, under its key.
    is_repeated: bool,
}

fn answer(dialect: Dialect, result: Result<Done, Failure>) -> Response {
    let done = match result {
        Ok(done) => done,
        Err(failure) => return failure.response(dialect),
    };
    let mut response = StatusCode::NO_CONTENT.into_response();
    if done.rejected > 0 {
        response.headers_mut().insert(answer::REJECTED_HEADER, done.rejected.into());
    }
    if done.is_repeated {
        response.headers_mut().insert(answer::REPLAYED_HEADER, HeaderValue::from_static("true"));
    }
    response
}

/// Stores the lines of a request.
async fn write<S: WriteSink>(
    state: &Arc<WriteState<S>>,
    precision: Result<Precision, Failure>,
    parameters: &HashMap<String, String>,
    request: Request,
) -> Result<Done, Failure> {
    let token = auth::token(request.headers(), parameters).ok_or_else(Failure::no_token)?;
    let gateway = gateway_of(&state.registry, &token).await.ok_or_else(Failure::unknown_token)?;
    let precision = precision?;
    let key = idempotency::key(request.headers())?;
    state.sink.room().map_err(Failure::not_written)?;
    let stated = body::stated_bytes(&request, &state.limits)?;
    let share = tokio::time::timeout(state.limits.body_timeout, state.shares.reserve(gateway.id, stated)).await;
    let _share = share.map_err(|_elapsed| Failure::busy())?;
    let body = body::read(request, &state.limits, &state.body_budget).await?;
    // Registering devices and decompressing block; the runtime's own threads are for what does not.
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
        let decoded = lines::decode(&lines, &args).map_err(Failure::refused)?;
        let key = key.map(|key| RequestKey { gateway: writer.id, key, digest: idempotency::digest(&lines, precision) });
        Ok((decoded, key, permit))
    });
    let (decoded, key, permit) =
        decoded.await.map_err(|error| Failure::internal(format!("decoding failed: {error}")))??;
    let rejected = decoded.batches.iter().map(|(_, batch)| batch.rejected_rows + batch.rejected_readings).sum();
    let is_repeated = match key.filter(|_| !decoded.batches.is_empty()) {
        Some(key) => {
            let written = state.sink.write_once(key, decoded.batches).await.map_err(Failure::not_written)?;
            written == Written::Before
        }
        None => {
            for (table, batch) in decoded.batches {
                state.sink.write(&gateway, &table, batch).await.map_err(Failure::not_written)?;
            }
            false
        }
    };
    drop(permit);
    match decoded.faulty {
        None => Ok(Done { rejected, is_repeated }),
        Some(faulty) => Err(Failure::faulty_lines(&faulty, rejected)),
    }
}
