//! Tokens of gateways and of roles.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{delete, get};
use serde::{Deserialize, Serialize};
use zonelake_registry::{Registry, TokenInfo, TokenOwner, TokenRequest};

use super::actor::Actor;
use super::error::AdminError;
use super::json::{JsonBody, json};

/// Body of `POST /api/v1/gateways/{name}/tokens` and `POST /api/v1/roles/{name}/tokens`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AddToken {
    /// Name of the token; one that is absent is called after its number.
    #[serde(default)]
    pub name: Option<String>,
    /// Seconds for which it holds; without them it holds until it is revoked.
    #[serde(default)]
    pub expires_seconds: Option<u64>,
    /// Seconds after which the other tokens of the same owner end.
    #[serde(default)]
    pub others_end_seconds: Option<u64>,
}

/// Response with a new token.
#[derive(Clone, Serialize, Deserialize)]
pub struct AddedToken {
    /// The token as it is listed.
    #[serde(flatten)]
    pub item: TokenItem,
    /// The token, shown this once.
    pub token: String,
}

impl std::fmt::Debug for AddedToken {
    // The token stays out of logs.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AddedToken").field("item", &self.item).finish_non_exhaustive()
    }
}

/// List of tokens.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TokenList {
    /// Tokens of one gateway or role, the newest first.
    pub tokens: Vec<TokenItem>,
}

/// One token. Times are microseconds since 1970, UTC.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TokenItem {
    /// Name of the token.
    pub name: String,
    /// `valid`, `expired` or `revoked`.
    pub state: String,
    /// Time at which it was made.
    pub created_us: i64,
    /// Administrator who has made it; `@local` on the machine, and empty where nobody wrote it down.
    pub created_by: String,
    /// Time of its end, where it has one.
    pub expires_us: Option<i64>,
    /// Time of its last use.
    pub last_used_us: Option<i64>,
    /// Time of its revocation.
    pub revoked_us: Option<i64>,
}

impl TokenItem {
    fn at(info: TokenInfo, now_us: i64) -> Self {
        let state = match (info.revoked_us, info.expires_us) {
            (Some(_), _) => "revoked",
            (None, Some(expires_us)) if expires_us <= now_us => "expired",
            (None, _) => "valid",
        };
        Self {
            name: info.name,
            state: state.to_owned(),
            created_us: info.created_us,
            created_by: info.created_by,
            expires_us: info.expires_us,
            last_used_us: info.last_used_us,
            revoked_us: info.revoked_us,
        }
    }
}

/// Kind of an owner of tokens, by the path of the request.
type Owner = fn(String) -> TokenOwner;

/// Routes over the tokens of one kind of owner, below the path of the owner.
pub(super) fn routes(path: &str, owner: Owner) -> Router<Arc<Registry>> {
    let list_of = move |State(registry): State<Arc<Registry>>, Path(name): Path<String>| list(registry, owner(name));
    let add_to = move |State(registry): State<Arc<Registry>>,
                       Path(name): Path<String>,
                       actor: Actor,
                       JsonBody(body): JsonBody<AddToken>| add(registry, owner(name), actor, body);
    let revoke_of = move |State(registry): State<Arc<Registry>>, Path((name, token)): Path<(String, String)>| {
        revoke(registry, owner(name), token)
    };
    Router::new()
        .route(&format!("{path}/tokens"), get(list_of).post(add_to))
        .route(&format!("{path}/tokens/{{token}}"), delete(revoke_of))
}

async fn list(registry: Arc<Registry>, owner: TokenOwner) -> Result<Response, AdminError> {
    let now_us = registry.clock().wall_us();
    let tokens = tokio::task::spawn_blocking(move || registry.tokens(&owner)).await??;
    let tokens = tokens.into_iter().map(|info| TokenItem::at(info, now_us)).collect();
    Ok(json(StatusCode::OK, &TokenList { tokens }))
}

async fn add(registry: Arc<Registry>, owner: TokenOwner, actor: Actor, body: AddToken) -> Result<Response, AdminError> {
    let request = TokenRequest {
        name: body.name,
        lifetime: body.expires_seconds.map(Duration::from_secs),
        others_end: body.others_end_seconds.map(Duration::from_secs),
        created_by: actor.0.to_string(),
    };
    let now_us = registry.clock().wall_us();
    let new = tokio::task::spawn_blocking(move || registry.add_token(&owner, &request)).await??;
    Ok(json(StatusCode::CREATED, &AddedToken { item: TokenItem::at(new.info, now_us), token: new.token }))
}

async fn revoke(registry: Arc<Registry>, owner: TokenOwner, token: String) -> Result<StatusCode, AdminError> {
    tokio::task::spawn_blocking(move || registry.revoke_token(&owner, &token)).await??;
    Ok(StatusCode::NO_CONTENT)
}
