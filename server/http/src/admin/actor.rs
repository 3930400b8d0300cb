//! Who makes a change: an administrator over the network, or whoever may use the data folder on the machine.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

/// Name of who makes a change.
#[derive(Debug, Clone)]
pub(crate) struct Actor(pub(crate) Arc<str>);

/// Name of whoever comes over the control socket or works on the folder; no role has it.
pub(super) const ON_THIS_MACHINE: &str = "@local";

impl<S: Send + Sync> FromRequestParts<S> for Actor {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        // Only requests over the network have one, by the check of their administrator.
        Ok(parts.extensions.get::<Self>().cloned().unwrap_or_else(|| Self(ON_THIS_MACHINE.into())))
    }
}
