//! Whom alerts are sent to, for administrators.
//!
//! | request | body | response |
//! |---|---|---|
//! | `GET /api/v1/alert-hooks` | | [`AlertHookList`]: hooks, and what could not be delivered |
//! | `POST /api/v1/alert-hooks` | [`AddAlertHook`] | 201, [`AddedAlertHook`] with the secret, which is shown once |
//! | `DELETE /api/v1/alert-hooks/{name}` | | 204 |

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use axum::routing::{delete, get};
use serde::{Deserialize, Serialize};
use zonelake_registry::Registry;

use crate::admin::error::AdminError;
use crate::admin::json::{JsonBody, json};

/// Body of `POST /api/v1/alert-hooks`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AddAlertHook {
    /// Name.
    pub name: String,
    /// Address, http or https.
    pub url: String,
}

/// Response to `POST /api/v1/alert-hooks`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AddedAlertHook {
    /// Key of the signatures, shown once.
    pub secret: String,
}

/// A hook.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AlertHookItem {
    /// Name.
    pub name: String,
    /// Address.
    pub url: String,
    /// When it was added, microseconds.
    pub created_us: i64,
    /// Receipt of the last alert that was delivered, microseconds.
    pub delivered_us: i64,
}

/// An alert that could not be delivered.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DeadLetterItem {
    /// Name of the hook.
    pub hook: String,
    /// Key of the alert.
    pub key: String,
    /// What was sent.
    pub body: String,
    /// Why it was given up.
    pub error: String,
    /// Attempts.
    pub attempts: u32,
    /// When it was given up, microseconds.
    pub at_us: i64,
}

/// Response to `GET /api/v1/alert-hooks`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AlertHookList {
    /// Hooks by name.
    pub hooks: Vec<AlertHookItem>,
    /// What could not be delivered, oldest first.
    pub dead_letters: Vec<DeadLetterItem>,
}

pub(crate) fn hook_routes() -> Router<Arc<Registry>> {
    Router::new().route("/api/v1/alert-hooks", get(list).post(add)).route("/api/v1/alert-hooks/{name}", delete(remove))
}

async fn list(State(registry): State<Arc<Registry>>) -> Result<Response, AdminError> {
    let read = move || Ok::<_, AdminError>((registry.alert_hooks()?, registry.dead_letters()?));
    let (hooks, dead) = tokio::task::spawn_blocking(read).await??;
    let hooks = hooks.into_iter().map(|hook| AlertHookItem {
        name: hook.name,
        url: hook.url,
        created_us: hook.created_us,
        delivered_us: hook.place.received_us,
    });
    let dead = dead.into_iter().map(|dead| DeadLetterItem {
        hook: dead.hook,
        key: dead.key,
        body: dead.body,
        error: dead.error,
        attempts: dead.attempts,
        at_us: dead.at_us,
    });
    Ok(json(StatusCode::OK, &AlertHookList { hooks: hooks.collect(), dead_letters: dead.collect() }))
}

async fn add(
    State(registry): State<Arc<Registry>>,
    JsonBody(AddAlertHook { name, url }): JsonBody<AddAlertHook>,
) -> Result<Response, AdminError> {
    let is_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_';
    if name.is_empty() || name.len() > NAME_BYTES_MAX || !name.bytes().all(is_name) {
        return Err(AdminError::input("the name of a hook has a to z, 0 to 9, - and _, and at most 63 of them"));
    }
    let is_address = url.parse::<Uri>().is_ok_and(|uri| {
        matches!(uri.scheme_str(), Some("http" | "https"))
            && uri.authority().is_some_and(|host| !host.as_str().contains('@'))
    });
    if !is_address {
        return Err(AdminError::input(format!("{url:?} is no address of http or https without a user in it")));
    }
    let added = tokio::task::spawn_blocking(move || registry.add_alert_hook(&name, &url)).await??;
    Ok(json(StatusCode::CREATED, &AddedAlertHook { secret: added.secret }))
}

async fn remove(State(registry): State<Arc<Registry>>, Path(name): Path<String>) -> Result<StatusCode, AdminError> {
    tokio::task::spawn_blocking(move || registry.remove_alert_hook(&name)).await??;
    Ok(StatusCode::NO_CONTENT)
}

const NAME_BYTES_MAX: usize = 63;
