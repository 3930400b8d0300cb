//! `/health` and `/metrics`.
//!
//! `/health` says whether the server does its work and which part does not, and nothing else, hence it needs no credential.
//! `/metrics` is for the administrator.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prometheus_client::registry::Registry as Metrics;
use zonelake_ingest::Health;
use zonelake_net::Authenticator;

use crate::administrator::is_administrator;
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

/// Routes `/health` and `/metrics`.
pub fn operations_routes(state: OperationsState) -> Router {
    Router::new().route("/health", get(health)).route("/metrics", get(metrics)).with_state(state)
}

async fn health(State(state): State<OperationsState>) -> Response {
    let degraded = state.health.degraded_components();
    let (status, word) =
        if degraded.is_empty() { (StatusCode::OK, "pass") } else { (StatusCode::SERVICE_UNAVAILABLE, "fail") };
    let mut body = serde_json::json!({"name": "zonelake", "status": word});
    if !degraded.is_empty() {
        body["message"] = format!("{}; the log says why", degraded.join("; ")).into();
    }
    (status, [(header::CONTENT_TYPE, "application/json")], format!("{body}\n")).into_response()
}

async fn metrics(State(state): State<OperationsState>, peer: Peer, headers: HeaderMap) -> Response {
    if !is_administrator(&state.authenticator, &headers, peer).await {
        let challenge = [(header::WWW_AUTHENTICATE, "Basic realm=\"zonelake\"")];
        return (StatusCode::UNAUTHORIZED, challenge, "the user admin and its password are needed\n").into_response();
    }
    let mut text = String::new();
    if let Err(error) = prometheus_client::encoding::text::encode(&mut text, &state.metrics) {
        tracing::error!("metrics cannot be written: {error}");
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    ([(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text).into_response()
}
