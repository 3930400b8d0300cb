//! Roles: users of SQL, their kinds, limits and grants.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Deserializer, Serialize};
use zonelake_registry::{Registry, RegistryError, Role, RoleKind, RoleLimits};

use super::error::AdminError;
use super::grants_json::GrantItem;
use super::json::{JsonBody, json};

/// Body of `POST /api/v1/roles`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AddRole {
    /// Name of the role.
    pub name: String,
    /// Kind of the role: `administrator`, `province_analyst`, `zone_operator`, `network_operator`, `auditor` or `own`, which one
    /// without a kind is.
    #[serde(default)]
    pub kind: Option<String>,
    /// Limits of the role; those that are absent are the server's.
    #[serde(default)]
    pub limits: LimitChanges,
    /// What the role may read; without grants it reads nothing but public reference data.
    #[serde(default)]
    pub grants: Vec<GrantItem>,
}

/// Changes of limits, the body of `PATCH /api/v1/roles/{name}`: a limit that is absent stays, null takes it away.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitChanges {
    /// Seconds from the arrival of a statement to its last row.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "given")]
    pub statement_seconds_max: Option<Option<u32>>,
    /// Memory of one statement, bytes.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "given")]
    pub memory_bytes_max: Option<Option<u64>>,
    /// Statements that run at the same time.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "given")]
    pub running_max: Option<Option<u32>>,
}

/// A value that is there, null included. serde takes null for an absent value otherwise.
fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(from: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(from).map(Some)
}

impl LimitChanges {
    fn applied_to(self, before: RoleLimits) -> RoleLimits {
        RoleLimits {
            statement_seconds_max: self.statement_seconds_max.unwrap_or(before.statement_seconds_max),
            memory_bytes_max: self.memory_bytes_max.unwrap_or(before.memory_bytes_max),
            running_max: self.running_max.unwrap_or(before.running_max),
        }
    }
}

/// Response with a new password.
#[derive(Clone, Serialize, Deserialize)]
pub struct RolePassword {
    /// Name of the role.
    pub name: String,
    /// Password of the role, shown this once.
    pub password: String,
}

impl std::fmt::Debug for RolePassword {
    // The password stays out of logs.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RolePassword").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Response to `GET /api/v1/roles`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RoleList {
    /// Roles in the order of their names.
    pub roles: Vec<RoleItem>,
}

/// One role; a limit that is null is the server's.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RoleItem {
    /// Name of the role.
    pub name: String,
    /// Kind of the role.
    pub kind: String,
    /// Seconds from the arrival of a statement to its last row.
    pub statement_seconds_max: Option<u32>,
    /// Memory of one statement, bytes.
    pub memory_bytes_max: Option<u64>,
    /// Statements that run at the same time.
    pub running_max: Option<u32>,
    /// What the role may read.
    pub grants: Vec<GrantItem>,
}

impl From<&Role> for RoleItem {
    fn from(role: &Role) -> Self {
        Self {
            name: role.name.to_string(),
            kind: role.kind.name().to_owned(),
            statement_seconds_max: role.limits.statement_seconds_max,
            memory_bytes_max: role.limits.memory_bytes_max,
            running_max: role.limits.running_max,
            grants: role.grants.iter().map(GrantItem::from).collect(),
        }
    }
}

pub(super) async fn list(State(registry): State<Arc<Registry>>) -> Response {
    json(StatusCode::OK, &RoleList { roles: registry.roles().iter().map(|role| RoleItem::from(&**role)).collect() })
}

pub(super) async fn show(
    State(registry): State<Arc<Registry>>,
    Path(name): Path<String>,
) -> Result<Response, AdminError> {
    let unknown = RegistryError::Unknown { what: "role", name: name.clone() };
    let role = registry.role(&name).ok_or(unknown)?;
    Ok(json(StatusCode::OK, &RoleItem::from(&*role)))
}

pub(super) async fn add(
    State(registry): State<Arc<Registry>>,
    JsonBody(AddRole { name, kind, limits, grants }): JsonBody<AddRole>,
) -> Result<Response, AdminError> {
    let named = name.clone();
    let limits = limits.applied_to(RoleLimits::default());
    let kind: RoleKind = kind.map_or(Ok(RoleKind::default()), |kind| kind.parse()).map_err(AdminError::input)?;
    let grants = grants.iter().map(|grant| grant.read(kind)).collect::<Result<Vec<_>, _>>()?;
    let add = move || registry.add_role_with(&named, kind, limits, &grants);
    let password = tokio::task::spawn_blocking(add).await??;
    Ok(json(StatusCode::CREATED, &RolePassword { name, password }))
}

pub(super) async fn set_limits(
    State(registry): State<Arc<Registry>>,
    Path(name): Path<String>,
    JsonBody(changes): JsonBody<LimitChanges>,
) -> Result<StatusCode, AdminError> {
    let change = move || registry.change_role_limits(&name, |before| changes.applied_to(before));
    tokio::task::spawn_blocking(change).await??;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn reset_password(
    State(registry): State<Arc<Registry>>,
    Path(name): Path<String>,
) -> Result<Response, AdminError> {
    let of = name.clone();
    let password = tokio::task::spawn_blocking(move || registry.reset_password(&of)).await??;
    Ok(json(StatusCode::OK, &RolePassword { name, password }))
}

pub(super) async fn remove(
    State(registry): State<Arc<Registry>>,
    Path(name): Path<String>,
) -> Result<StatusCode, AdminError> {
    tokio::task::spawn_blocking(move || registry.remove_role(&name)).await??;
    Ok(StatusCode::NO_CONTENT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_that_is_absent_stays_and_null_takes_it_away() {
        let before = RoleLimits { statement_seconds_max: Some(5), memory_bytes_max: Some(7), running_max: None };
        let changes: LimitChanges = serde_json::from_str(r#"{"memory_bytes_max": null, "running_max": 2}"#).unwrap();
        let after = changes.applied_to(before);
        assert_eq!((after.statement_seconds_max, after.memory_bytes_max, after.running_max), (Some(5), None, Some(2)));
        let sent = serde_json::to_string(&changes).unwrap();
        assert_eq!(sent, r#"{"memory_bytes_max":null,"running_max":2}"#);
        serde_json::from_str::<LimitChanges>(r#"{"runing_max": 2}"#)
            .expect_err("a member that does not exist is named");
    }
}
