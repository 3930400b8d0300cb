//! Requests that only the administrator may make: name and password by Basic authentication.

use axum::http::{HeaderMap, header};
use zonelake_net::{Authenticator, Credentials};

use crate::peer::Peer;

/// True where the headers have the administrator's credentials.
pub(crate) async fn is_administrator(authenticator: &Authenticator, headers: &HeaderMap, peer: Peer) -> bool {
    let header = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    match header.and_then(Credentials::parse) {
        Some(credentials) => authenticator.authenticate_administrator(credentials, peer.0).await.is_ok(),
        None => false,
    }
}
