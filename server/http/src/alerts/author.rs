//! Who writes a rule or has a report made, and with whose rights: a role over the network, or whoever may use the data folder on the machine.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use zonelake_alerting::LOCAL_AUTHOR;
use zonelake_net::Authenticator;
use zonelake_registry::Registry;

use crate::admin::actor::Actor;
use crate::admin::error::AdminError;
use crate::peer::Peer;
use crate::sql::authentication::authenticate;
use crate::sql::error::HttpError;

/// Name of who sends a request.
#[derive(Debug, Clone)]
pub(crate) struct Sender(Arc<str>);

impl Sender {
    /// True where what others have written is theirs, too.
    pub(crate) fn administers(&self, registry: &Registry) -> bool {
        &*self.0 == LOCAL_AUTHOR || registry.role(&self.0).is_some_and(|role| role.is_admin())
    }

    /// True where what this author has written is theirs.
    pub(crate) fn owns(&self, registry: &Registry, author: &str) -> bool {
        *self.0 == *author || self.administers(registry)
    }

    /// The name.
    pub(crate) fn name(&self) -> &str {
        &self.0
    }

    /// The author of a rule or report that names one, or none.
    pub(crate) fn author(&self, registry: &Registry, named: Option<String>) -> Result<String, AdminError> {
        let Some(named) = named.filter(|named| **named != *self.0) else { return Ok(self.0.to_string()) };
        if !self.administers(registry) {
            return Err(AdminError::input(
                "what looks with the rights of another role is written by it, or by an administrator",
            ));
        }
        match registry.role(&named) {
            Some(_) => Ok(named),
            None => Err(AdminError::input(format!("there is no role {named:?}"))),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Sender {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        // Only requests over the network have one, by the check of their role.
        Ok(parts.extensions.get::<Self>().cloned().unwrap_or_else(|| Self(LOCAL_AUTHOR.into())))
    }
}

/// The same routes for roles, by name and password or by a token.
pub fn for_roles(routes: Router, authenticator: Arc<Authenticator>) -> Router {
    routes.route_layer(from_fn_with_state(authenticator, admit))
}

async fn admit(
    State(authenticator): State<Arc<Authenticator>>,
    peer: Peer,
    mut request: Request,
    next: Next,
) -> Response {
    match authenticate(&authenticator, request.headers(), peer).await {
        Ok(caller) => {
            request.extensions_mut().insert(Actor(Arc::clone(&caller.name)));
            request.extensions_mut().insert(Sender(caller.name));
            next.run(request).await
        }
        Err(error) => HttpError::into_response(error),
    }
}
