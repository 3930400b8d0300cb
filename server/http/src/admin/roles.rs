//! Roles: users of SQL and their limits.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Deserializer, Serialize};
use zonelake_registry::{Registry, RoleLimits};

use super::error::AdminError;
use super::json::{JsonBody, json};

/// Body of `POST /api/v1/roles`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AddRole {
    /// Name of the role.
    pub name: String,
    /// Limits of the role; those that are absent are the server's.
    #[serde(default)]
    pub limits: LimitChanges,
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
    /// Seconds from the arrival of a statement to its last row.
    pub statement_seconds_max: Option<u32>,
    /// Memory of one statement, bytes.
    pub memory_bytes_max: Option<u64>,
    /// Statements that run at the same time.
    pub running_max: Option<u32>,
}

pub(super) async fn list(State(registry): State<Arc<Registry>>) -> Response {
    let item = |role: &Arc<zonelake_registry::Role>| RoleItem {
        name: role.name.to_string(),
        statement_seconds_max: role.limits.statement_seconds_max,
        memory_bytes_max: role.limits.memory_bytes_max,
        running_max: role.limits.running_max,
    };
    json(StatusCode::OK, &RoleList { roles: registry.roles().iter().map(item).collect() })
}

pub(super) async fn add(
    State(registry): State<Arc<Registry>>,
    JsonBody(AddRole { name, limits }): JsonBody<AddRole>,
) -> Result<Response, AdminError> {
    let named = name.clone();
    let limits = limits.applied_to(RoleLimits::default());
    let password = tokio::task::spawn_blocking(move || registry.add_role(&named, limits)).await??;
    Ok(json(StatusCode::CREATED, &RolePassword { name, password }))
}

pub(super) async fn set_limits(
    State(registry): State<Arc<Registry>>,
    Path(name): Path<String>,
    JsonBody(changes): JsonBody<LimitChanges>,
) -> Result<StatusCode, AdminError> {
    let change = move || {
        let before = registry.role(&name).map(|role| role.limits).unwrap_or_default();
        registry.set_role_limits(&name, changes.applied_to(before))
    };
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
