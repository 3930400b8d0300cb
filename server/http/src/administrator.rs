//! Requests that only the administrator may make: name and password by Basic authentication.

use std::sync::Arc;

use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use zonelake_net::{Authenticator, Credentials};
use zonelake_registry::ADMIN_USER;

use crate::peer::Peer;

/// Name of the administrator whose credentials stand in the headers; `None` where they are of nobody else or wrong.
pub(crate) async fn administrator(authenticator: &Authenticator, headers: &HeaderMap, peer: Peer) -> Option<Arc<str>> {
    let header = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let Some(Credentials::Basic { user, password }) = header.and_then(Credentials::parse) else { return None };
    // Another name is refused without a check: checks take memory and time.
    if user != ADMIN_USER {
        return None;
    }
    authenticator.role(&user, &password, peer.0).await.ok()
}

/// Response to a request without the administrator's credentials.
pub(crate) fn unauthorized() -> Response {
    let challenge = [(header::WWW_AUTHENTICATE, "Basic realm=\"zonelake\"")];
    (StatusCode::UNAUTHORIZED, challenge, "the user admin and its password are needed\n").into_response()
}
