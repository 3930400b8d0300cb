//! Routes of administration.
//!
//! | request | body | response |
//! |---|---|---|
//! | `GET /api/v1/gateways` | | [`GatewayList`](super::GatewayList) |
//! | `POST /api/v1/gateways` | [`AddGateway`](super::AddGateway) | 201, [`AddedGateway`](super::AddedGateway) |
//! | `DELETE /api/v1/gateways/{name}` | | 204; the token is revoked |
//! | `GET /api/v1/roles` | | [`RoleList`](super::RoleList) |
//! | `POST /api/v1/roles` | [`AddRole`](super::AddRole) | 201, [`RolePassword`](super::RolePassword) |
//! | `PATCH /api/v1/roles/{name}` | [`LimitChanges`](super::LimitChanges) | 204 |
//! | `POST /api/v1/roles/{name}/password` | | [`RolePassword`](super::RolePassword) |
//! | `DELETE /api/v1/roles/{name}` | | 204 |
//!
//! An error is an object with `code` and `message`: 400 for input, 403, 500, 503.

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, patch, post};
use zonelake_net::Authenticator;
use zonelake_registry::Registry;

use super::error::AdminError;
use super::{gateways, roles};
use crate::administrator::is_administrator;
use crate::peer::Peer;

/// Bytes of a body. The largest is some names and numbers.
const BODY_BYTES_MAX: usize = 64 * 1024;

/// Routes for whoever can reach them: the control socket checks its client's user, and a command works on its own folder.
pub fn admin_routes(registry: Arc<Registry>) -> Router {
    Router::new()
        .route("/api/v1/gateways", get(gateways::list).post(gateways::add))
        .route("/api/v1/gateways/{name}", delete(gateways::revoke))
        .route("/api/v1/roles", get(roles::list).post(roles::add))
        .route("/api/v1/roles/{name}", patch(roles::set_limits).delete(roles::remove))
        .route("/api/v1/roles/{name}/password", post(roles::reset_password))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(registry)
}

/// The same routes for the administrator, by name and password.
pub fn admin_routes_for_administrator(authenticator: Arc<Authenticator>) -> Router {
    let registry = Arc::clone(authenticator.registry());
    // Of the routes alone: a layer would also answer for paths that do not exist.
    admin_routes(registry).route_layer(from_fn_with_state(authenticator, admit))
}

async fn admit(State(authenticator): State<Arc<Authenticator>>, peer: Peer, request: Request, next: Next) -> Response {
    match is_administrator(&authenticator, request.headers(), peer).await {
        true => next.run(request).await,
        false => AdminError::unauthorized().into_response(),
    }
}
