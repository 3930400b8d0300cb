//! The client that sent a request, by the `Authorization` header.

use std::sync::Arc;

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use zonelake_net::{Authenticator, Credentials, Principal};
use zonelake_query::Caller;

use crate::peer::Peer;
use crate::sql::error::HttpError;

/// Role whose name and password a request has.
pub(crate) async fn authenticate(
    authenticator: &Arc<Authenticator>,
    headers: &HeaderMap,
    peer: Peer,
) -> Result<Caller, HttpError> {
    let header = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let Some(credentials) = header.and_then(Credentials::parse) else { return Err(HttpError::no_credential()) };
    match authenticator.authenticate_reader(credentials, peer.0).await {
        Ok(Principal::Role(name)) => Ok(Caller { name }),
        // Clients of InfluxDB send the token of a gateway, alone or as a password.
        Ok(Principal::Gateway(gateway)) => {
            authenticator.note_refused_gateway(&gateway.name, "statement", "sql", peer.0);
            Err(HttpError::gateway())
        }
        Err(error) => Err(HttpError::not_authenticated(error)),
    }
}
