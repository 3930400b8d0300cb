//! Requests that only an administrator may make: name and password by Basic authentication, or a token of an administrator.

use std::sync::Arc;

use axum::http::{HeaderMap, header};
use zonelake_net::{Authenticator, Cause, Credentials};

use crate::peer::Peer;

/// Checks that the headers have an administrator's credentials, and gives the administrator's name.
///
/// # Errors
/// The cause to answer with: none or others, or none that can be checked.
pub(crate) async fn check_administrator(
    authenticator: &Authenticator,
    headers: &HeaderMap,
    peer: Peer,
) -> Result<Arc<str>, Cause> {
    let header = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let credentials = header.and_then(Credentials::parse).ok_or(Cause::NoCredential)?;
    authenticator.authenticate_administrator(credentials, peer.0).await.map_err(Cause::from)
}

/// What a client is told whose password is not looked at.
pub(crate) const TOO_MANY_GUESSES: &str =
    "too many wrong passwords were tried for this name or from this address; try again in a minute";

/// What a client without them is told.
pub(crate) fn refusal(cause: Cause) -> &'static str {
    match cause {
        Cause::Limit => TOO_MANY_GUESSES,
        Cause::NotChecked => "the password cannot be checked at the moment; try again later",
        _ => "name and password of an administrator are needed, or a token of one",
    }
}
