//! Grants of roles: what each may read.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use zonelake_registry::{Registry, RegistryError};

use super::error::AdminError;
use super::grants_json::{GrantItem, GrantKeyItem};
use super::json::{JsonBody, json};
use super::roles::RoleItem;

pub(super) async fn grant(
    State(registry): State<Arc<Registry>>,
    Path(name): Path<String>,
    JsonBody(body): JsonBody<GrantItem>,
) -> Result<Response, AdminError> {
    let grant = body.read(registry.role(&name).map(|role| role.kind).unwrap_or_default())?;
    changed(registry, name, move |registry, name| registry.grant(name, &grant)).await
}

pub(super) async fn revoke(
    State(registry): State<Arc<Registry>>,
    Path(name): Path<String>,
    JsonBody(body): JsonBody<GrantKeyItem>,
) -> Result<Response, AdminError> {
    let key = body.read()?;
    changed(registry, name, move |registry, name| registry.revoke(name, &key)).await
}

/// The role as it is after a change.
async fn changed(
    registry: Arc<Registry>,
    name: String,
    change: impl FnOnce(&Registry, &str) -> Result<(), RegistryError> + Send + 'static,
) -> Result<Response, AdminError> {
    let role = tokio::task::spawn_blocking(move || {
        change(&registry, &name)?;
        let gone = RegistryError::Unknown { what: "role", name: name.clone() };
        registry.role(&name).ok_or(gone)
    });
    Ok(json(StatusCode::OK, &RoleItem::from(&*role.await??)))
}
