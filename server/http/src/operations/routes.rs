//! `/health`, `/ready` and `/metrics`.
//!
//! `/health` says whether the server does its work and which part does not, and nothing else, hence it needs no credential.
//! `/ready` says the same as InfluxDB says it. `/metrics` is for the administrator.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prometheus_client::registry::Registry as Metrics;
use zonelake_ingest::Health;
use zonelake_net::{Authenticator, Cause};

use super::exposition::Exposition;
use crate::administrator::{check_administrator, refusal};
use crate::peer::Peer;

/// State of the operations routes.
#[derive(Debug, Clone)]
pub struct OperationsState {
    /// Health of the pipeline.
    pub health: Arc<Health>,
    /// Metrics of all parts.
    pub metrics: Arc<Metrics>,
    /// Check of the administrator's password.
    pub authenticator: Arc<Authenticator>,
}

/// Routes `/health`, `/ready` and `/metrics`.
pub fn operations_routes(state: OperationsState) -> Router {
    Router::new()
        .route("/health", get(health))
        .route("/ready", get(ready))
        .route("/metrics", get(metrics))
        .with_state(state)
}

async fn health(State(state): State<OperationsState>) -> Response {
    let words = |is_well| if is_well { "pass" } else { "fail" };
    status(&state, words, |body| body["name"] = "zonelake".into())
}

async fn ready(State(state): State<OperationsState>) -> Response {
    let words = |is_well| if is_well { "ready" } else { "not ready" };
    status(&state, words, |_| {})
}

fn status(
    state: &OperationsState,
    words: impl FnOnce(bool) -> &'static str,
    add: impl FnOnce(&mut serde_json::Value),
) -> Response {
    let degraded = state.health.degraded_components();
    let status = if degraded.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let mut body = serde_json::json!({"status": words(degraded.is_empty())});
    add(&mut body);
    if !degraded.is_empty() {
        body["message"] = format!("{}; the log says why", degraded.join("; ")).into();
    }
    (status, [(header::CONTENT_TYPE, "application/json")], format!("{body}\n")).into_response()
}

async fn metrics(State(state): State<OperationsState>, peer: Peer, headers: HeaderMap) -> Response {
    if let Err(cause) = check_administrator(&state.authenticator, &headers, peer).await {
        return refused(cause, refusal(cause));
    }
    let exposition = Exposition::accepted(&headers);
    match exposition.encode(&state.metrics) {
        Ok(text) => {
            let headers = [(header::CONTENT_TYPE, exposition.media_type()), (header::VARY, "accept")];
            (headers, text).into_response()
        }
        Err(error) => {
            tracing::error!("metrics cannot be written: {error}");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// Response to a request that is not answered for this cause, as a line of text.
pub(crate) fn refused(cause: Cause, message: &str) -> Response {
    let codes = cause.codes();
    let status = StatusCode::from_u16(codes.http).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = (status, format!("{message}\n")).into_response();
    let headers = response.headers_mut();
    if let Some(seconds) = codes.retry_after_s {
        headers.insert(header::RETRY_AFTER, seconds.into());
    }
    if status == StatusCode::UNAUTHORIZED {
        let challenge = header::HeaderValue::from_static("Basic realm=\"zonelake\"");
        headers.insert(header::WWW_AUTHENTICATE, challenge);
    }
    response
}
