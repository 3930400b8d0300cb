//! Routes of administration.
//!
//! | request | body | response |
//! |---|---|---|
//! | `GET /api/v1/gateways` | | [`GatewayList`](super::GatewayList) |
//! | `POST /api/v1/gateways` | [`AddGateway`](super::AddGateway) | 201, [`AddedGateway`](super::AddedGateway) |
//! | `DELETE /api/v1/gateways/{name}` | | 204; the gateway and all its tokens are revoked |
//! | `GET /api/v1/gateways/{name}` | | [`GatewayItem`](super::GatewayItem) |
//! | `POST /api/v1/gateways/{name}/grants` | [`WriteGrantItem`](super::WriteGrantItem) | [`GatewayItem`](super::GatewayItem) |
//! | `POST /api/v1/gateways/{name}/revoke` | [`WriteGrantItem`](super::WriteGrantItem) | [`GatewayItem`](super::GatewayItem) |
//! | `GET /api/v1/gateways/{name}/tokens` | | [`TokenList`](super::TokenList) |
//! | `POST /api/v1/gateways/{name}/tokens` | [`AddToken`](super::AddToken) | 201, [`AddedToken`](super::AddedToken) |
//! | `DELETE /api/v1/gateways/{name}/tokens/{token}` | | 204; the token is revoked |
//! | `GET /api/v1/roles` | | [`RoleList`](super::RoleList) |
//! | `POST /api/v1/roles` | [`AddRole`](super::AddRole) | 201, [`RolePassword`](super::RolePassword) |
//! | `GET /api/v1/roles/{name}` | | [`RoleItem`](super::RoleItem) |
//! | `PATCH /api/v1/roles/{name}` | [`LimitChanges`](super::LimitChanges) | 204 |
//! | `POST /api/v1/roles/{name}/password` | | [`RolePassword`](super::RolePassword) |
//! | `POST /api/v1/roles/{name}/grants` | [`GrantItem`](super::GrantItem) | [`RoleItem`](super::RoleItem) |
//! | `POST /api/v1/roles/{name}/revoke` | [`GrantKeyItem`](super::GrantKeyItem) | [`RoleItem`](super::RoleItem) |
//! | `DELETE /api/v1/roles/{name}` | | 204 |
//! | `GET /api/v1/roles/{name}/tokens` | | [`TokenList`](super::TokenList) |
//! | `POST /api/v1/roles/{name}/tokens` | [`AddToken`](super::AddToken) | 201, [`AddedToken`](super::AddedToken) |
//! | `DELETE /api/v1/roles/{name}/tokens/{token}` | | 204; the token is revoked |
//! | `GET /api/v1/sites` | | [`SiteList`](super::SiteList) |
//! | `POST /api/v1/sites` | [`AddSite`](super::AddSite) | 201, [`AddSite`](super::AddSite) |
//! | `GET`, `POST /api/v1/devices`, `GET`, `PATCH …/{zone}/{name}` | | see [`super::devices`] |
//! | `POST /api/v1/zones/{zone}/device-policy` | [`DevicePolicy`](super::DevicePolicy) | [`DevicePolicy`](super::DevicePolicy) |
//! | `GET /api/v1/reference` | | [`ReferenceList`](super::ReferenceList) |
//! | `GET /api/v1/reference/{name}` | | [`ReferenceText`](super::ReferenceText) |
//! | `POST /api/v1/reference/{name}` | [`ImportReference`](super::ImportReference) | [`ImportedReference`](super::ImportedReference) |
//! | `GET`, `POST /api/v1/alert-hooks`, `DELETE …/{name}` | | see [`crate::alerts::hooks`] |
//! | `GET /api/v1/openapi.json` | | the API as an OpenAPI 3.1 document |
//! | `GET /api/v1/rejected` | | [`RejectedList`](super::RejectedList) |
//! | `POST /api/v1/rejected/replay` | [`RejectedSelection`](super::RejectedSelection) | [`RejectedPage`](super::RejectedPage) |
//! | `POST /api/v1/rejected/drop` | [`RejectedSelection`](super::RejectedSelection) | [`RejectedPage`](super::RejectedPage) |
//! | `GET /api/v1/rules` | | [`Ledger`](zonelake_storage::Ledger) |
//! | `POST /api/v1/retention` | [`SetRetention`](super::SetRetention) | [`ConcernedRows`](super::ConcernedRows) |
//! | `POST /api/v1/legal-holds` | [`AddLegalHold`](super::AddLegalHold) | 201 |
//! | `DELETE /api/v1/legal-holds/{name}` | | 204 |
//! | `POST /api/v1/deletions` | [`DeleteRows`](super::DeleteRows) | [`ConcernedRows`](super::ConcernedRows) |
//! | `POST /api/v1/corrections` | [`CorrectValues`](super::CorrectValues) | [`CorrectedValues`](super::CorrectedValues) |
//! | `POST /api/v1/backups` | | 201, [`BackupPoint`](zonelake_storage::BackupPoint); on the control socket only |
//! | `POST /api/v1/backups/{hold}/end` | | [`HeldUntilNow`](super::HeldUntilNow); on the control socket only |
//!
//! An error is an object with `code` and `message`: 400 for input, 401 for all but administrators, 403, 500, 503.

use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, patch, post};
use axum::{Extension, Router};
use tokio::sync::Mutex;
use zonelake_ingest::{Pipeline, WriteState};
use zonelake_net::Authenticator;
use zonelake_query::QueryEngine;
use zonelake_registry::{Registry, TokenOwner};
use zonelake_schemas::audit::AuditTrail;
use zonelake_storage::Store;

use super::actor::Actor;
use super::corrections::CorrectionState;
use super::devices::kept_rows::KeptRowsOf;
use super::error::AdminError;
use super::rejected::orders::{self, RejectedState};
use super::{backups, corrections, devices, gateways, grants, reference, roles, rules, sites, tokens};
use crate::administrator::check_administrator;
use crate::alerts::hooks::hook_routes;
use crate::openapi::openapi_routes;
use crate::peer::Peer;

/// Bytes of a body. The largest is some names and numbers, reference data apart.
const BODY_BYTES_MAX: usize = 64 * 1024;
/// Bytes of a body with values that are corrected: some hundred for each of them.
const CORRECTIONS_BYTES_MAX: usize = 8 << 20;
/// Bytes of a body with the rows of a reference table, which are 8 MiB at most before they are quoted.
const REFERENCE_BYTES_MAX: usize = 17 << 20;

/// Routes for whoever can reach them: the control socket checks its client's user, and a command works on its own folder.
pub fn admin_routes(registry: Arc<Registry>) -> Router {
    Router::new()
        .route("/api/v1/gateways", get(gateways::list).post(gateways::add))
        .route("/api/v1/gateways/{name}", delete(gateways::revoke).get(gateways::show))
        .route("/api/v1/gateways/{name}/grants", post(gateways::grant))
        .route("/api/v1/gateways/{name}/revoke", post(gateways::revoke_grant))
        .route("/api/v1/roles", get(roles::list).post(roles::add))
        .route("/api/v1/roles/{name}", patch(roles::set_limits).get(roles::show).delete(roles::remove))
        .route("/api/v1/roles/{name}/grants", post(grants::grant))
        .route("/api/v1/roles/{name}/revoke", post(grants::revoke))
        .route("/api/v1/roles/{name}/password", post(roles::reset_password))
        .route("/api/v1/sites", get(sites::list).post(sites::add))
        .merge(tokens::routes("/api/v1/gateways/{name}", TokenOwner::Gateway))
        .merge(tokens::routes("/api/v1/roles/{name}", TokenOwner::Role))
        .merge(hook_routes())
        .merge(devices::routes())
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .merge(reference_routes())
        .merge(devices::import_routes())
        .merge(openapi_routes())
        .with_state(registry)
}

/// Routes over reference data, whose texts are longer than other bodies.
fn reference_routes() -> Router<Arc<Registry>> {
    Router::new()
        .route("/api/v1/reference", get(reference::list))
        .route("/api/v1/reference/{name}", get(reference::show).post(reference::import))
        .layer(DefaultBodyLimit::max(REFERENCE_BYTES_MAX))
}

/// [`admin_routes`], and routes over rejected rows, which need a server that runs: a device that is approved gets the rows that were
/// kept of it.
pub fn admin_routes_with_rows(registry: Arc<Registry>, engine: Arc<QueryEngine>, write: Arc<WriteState>) -> Router {
    let state = Arc::new(RejectedState { engine, write, turn: Mutex::default() });
    let kept_rows = KeptRowsOf(Some(Arc::clone(&state)));
    admin_routes(registry).layer(Extension(kept_rows)).merge(rejected_routes(state))
}

fn rejected_routes(state: Arc<RejectedState>) -> Router {
    Router::new()
        .route("/api/v1/rejected", get(orders::list))
        .route("/api/v1/rejected/replay", post(orders::replay))
        .route("/api/v1/rejected/drop", post(orders::drop_selected))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(state)
}

/// Routes over rows that are to go or to be corrected, which need a server that runs; for whoever can reach them, as [`admin_routes`].
pub fn rules_routes(store: Arc<Store>, trail: Arc<dyn AuditTrail>) -> Router {
    let correcting = CorrectionState { store: Arc::clone(&store), trail, turn: Mutex::default() };
    let corrections = Router::new()
        .route("/api/v1/corrections", post(corrections::correct))
        .layer(DefaultBodyLimit::max(CORRECTIONS_BYTES_MAX))
        .with_state(Arc::new(correcting));
    Router::new()
        .route("/api/v1/rules", get(rules::list))
        .route("/api/v1/retention", post(rules::set_retention))
        .route("/api/v1/legal-holds", post(rules::add_hold))
        .route("/api/v1/legal-holds/{name}", delete(rules::remove_hold))
        .route("/api/v1/deletions", post(rules::delete_rows))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(store)
        .merge(corrections)
}

/// Routes of a back-up, which copies files beside a server that runs: for the control socket alone.
pub fn backup_routes(pipeline: Arc<Pipeline>) -> Router {
    Router::new()
        .route("/api/v1/backups", post(backups::begin))
        .route("/api/v1/backups/{hold}/end", post(backups::end))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(pipeline)
}

/// The same routes for administrators, by name and password or by a token.
pub fn for_administrator(routes: Router, authenticator: Arc<Authenticator>) -> Router {
    // Of the routes alone: a layer would also answer for paths that do not exist.
    routes.route_layer(from_fn_with_state(authenticator, admit))
}

async fn admit(
    State(authenticator): State<Arc<Authenticator>>,
    peer: Peer,
    mut request: Request,
    next: Next,
) -> Response {
    match check_administrator(&authenticator, request.headers(), peer).await {
        Ok(name) => {
            request.extensions_mut().insert(Actor(name));
            next.run(request).await
        }
        Err(cause) => AdminError::not_administrator(cause).into_response(),
    }
}
