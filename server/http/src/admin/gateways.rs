//! Gateways: who writes, and for which zone.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use zonelake_registry::{Devices, GatewayInfo, Registry, RegistryError, TokenRequest, WriteGrant};

use super::actor::Actor;
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
    /// First token of the gateway, shown this once.
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
    /// Time of revocation, microseconds since 1970, UTC; absent while the gateway may write.
    pub revoked_us: Option<i64>,
    /// What it may write.
    pub grants: Vec<WriteGrantItem>,
}

/// Grant of a gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WriteGrantItem {
    /// Table; null for all of them.
    #[serde(default)]
    pub table: Option<String>,
    /// Code of the zone.
    pub zone: String,
    /// Devices: a name, its beginning with `*` behind it, or `*` for all, which is so without it.
    #[serde(default)]
    pub devices: Option<String>,
}

impl WriteGrantItem {
    fn read(self) -> Result<WriteGrant, AdminError> {
        let devices = self.devices.map_or(Ok(Devices::All), |devices| devices.parse())?;
        Ok(WriteGrant { table: self.table.map(Into::into), zone: self.zone.into(), devices })
    }
}

impl From<&WriteGrant> for WriteGrantItem {
    fn from(grant: &WriteGrant) -> Self {
        let devices = Some(grant.devices.to_string());
        Self { table: grant.table.as_deref().map(str::to_owned), zone: grant.zone.to_string(), devices }
    }
}

impl From<GatewayInfo> for GatewayItem {
    fn from(gateway: GatewayInfo) -> Self {
        Self {
            grants: gateway.grants.iter().map(WriteGrantItem::from).collect(),
            name: gateway.name,
            province: gateway.province.to_string(),
            zone: gateway.zone_code.to_string(),
            created_us: gateway.created_us,
            revoked_us: gateway.revoked_us,
        }
    }
}

pub(super) async fn list(State(registry): State<Arc<Registry>>) -> Result<Response, AdminError> {
    let gateways = tokio::task::spawn_blocking(move || registry.gateways()).await??;
    let gateways = gateways.into_iter().map(GatewayItem::from).collect();
    Ok(json(StatusCode::OK, &GatewayList { gateways }))
}

pub(super) async fn show(
    State(registry): State<Arc<Registry>>,
    Path(name): Path<String>,
) -> Result<Response, AdminError> {
    changed(registry, name, |_, _| Ok(())).await
}

pub(super) async fn grant(
    State(registry): State<Arc<Registry>>,
    Path(name): Path<String>,
    JsonBody(body): JsonBody<WriteGrantItem>,
) -> Result<Response, AdminError> {
    let grant = body.read()?;
    changed(registry, name, move |registry, name| registry.grant_gateway(name, &grant)).await
}

pub(super) async fn revoke_grant(
    State(registry): State<Arc<Registry>>,
    Path(name): Path<String>,
    JsonBody(body): JsonBody<WriteGrantItem>,
) -> Result<Response, AdminError> {
    let grant = body.read()?;
    changed(registry, name, move |registry, name| registry.revoke_gateway_grant(name, &grant)).await
}

/// The gateway as it is after a change.
async fn changed(
    registry: Arc<Registry>,
    name: String,
    change: impl FnOnce(&Registry, &str) -> Result<(), RegistryError> + Send + 'static,
) -> Result<Response, AdminError> {
    let gateway = tokio::task::spawn_blocking(move || {
        change(&registry, &name)?;
        let found = registry.gateways()?.into_iter().find(|gateway| gateway.name == name);
        found.ok_or(RegistryError::Unknown { what: "gateway", name })
    });
    Ok(json(StatusCode::OK, &GatewayItem::from(gateway.await??)))
}

pub(super) async fn add(
    State(registry): State<Arc<Registry>>,
    actor: Actor,
    JsonBody(AddGateway { name, zone }): JsonBody<AddGateway>,
) -> Result<Response, AdminError> {
    let named = name.clone();
    let request = TokenRequest { created_by: actor.0.to_string(), ..TokenRequest::default() };
    let added = tokio::task::spawn_blocking(move || registry.add_gateway_with(&named, &zone, &request)).await??;
    Ok(json(StatusCode::CREATED, &AddedGateway { name, token: added.token }))
}

pub(super) async fn revoke(
    State(registry): State<Arc<Registry>>,
    Path(name): Path<String>,
) -> Result<StatusCode, AdminError> {
    tokio::task::spawn_blocking(move || registry.revoke_gateway(&name)).await??;
    Ok(StatusCode::NO_CONTENT)
}
