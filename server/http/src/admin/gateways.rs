//! Credentials of gateways.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use zonelake_registry::Registry;

use super::error::AdminError;
use super::json::{JsonBody, json};

/// Body of `POST /api/v1/gateways`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AddGateway {
    /// Name of the gateway, unique on the server.
    pub name: String,
    /// Code of the zone that it sends for.
    pub zone: String,
}

/// Response to `POST /api/v1/gateways`.
#[derive(Clone, Serialize, Deserialize)]
pub struct AddedGateway {
    /// Name of the gateway.
    pub name: String,
    /// Token of the gateway, shown this once.
    pub token: String,
}

impl std::fmt::Debug for AddedGateway {
    // The token stays out of logs.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AddedGateway").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Response to `GET /api/v1/gateways`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct GatewayList {
    /// Gateways in the order of their names.
    pub gateways: Vec<GatewayItem>,
}

/// One gateway.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct GatewayItem {
    /// Name of the gateway.
    pub name: String,
    /// Code of the province.
    pub province: String,
    /// Code of the zone.
    pub zone: String,
    /// Time of adding, microseconds since 1970, UTC.
    pub created_us: i64,
    /// Time of revocation, microseconds since 1970, UTC; absent while the token holds.
    pub revoked_us: Option<i64>,
}

pub(super) async fn list(State(registry): State<Arc<Registry>>) -> Result<Response, AdminError> {
    let gateways = tokio::task::spawn_blocking(move || registry.gateways()).await??;
    let item = |gateway: zonelake_registry::GatewayInfo| GatewayItem {
        name: gateway.name.to_string(),
        province: gateway.province.to_string(),
        zone: gateway.zone_code.to_string(),
        created_us: gateway.created_us,
        revoked_us: gateway.revoked_us,
    };
    Ok(json(StatusCode::OK, &GatewayList { gateways: gateways.into_iter().map(item).collect() }))
}

pub(super) async fn add(
    State(registry): State<Arc<Registry>>,
    JsonBody(AddGateway { name, zone }): JsonBody<AddGateway>,
) -> Result<Response, AdminError> {
    let named = name.clone();
    let added = tokio::task::spawn_blocking(move || registry.add_gateway(&named, &zone)).await??;
    Ok(json(StatusCode::CREATED, &AddedGateway { name, token: added.token }))
}

pub(super) async fn revoke(
    State(registry): State<Arc<Registry>>,
    Path(name): Path<String>,
) -> Result<StatusCode, AdminError> {
    tokio::task::spawn_blocking(move || registry.revoke_gateway(&name)).await??;
    Ok(StatusCode::NO_CONTENT)
}
