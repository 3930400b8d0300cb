//! The client that sent a request, by the `Authorization` header.

use std::sync::Arc;

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use tokio::sync::Semaphore;
use zonelake_net::Credentials;
use zonelake_query::{Caller, QueryError};
use zonelake_registry::Registry;

use crate::sql::error::HttpError;

/// Role whose name and password a request has. `password_checks` bounds the checks at the same time.
pub(crate) async fn authenticate(
    registry: &Arc<Registry>,
    password_checks: &Semaphore,
    headers: &HeaderMap,
) -> Result<Caller, HttpError> {
    let header = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    match header.and_then(Credentials::parse) {
        Some(Credentials::Basic { user, password }) => {
            // Clients of InfluxDB send the token as a password. Its look-up is cheap, so it comes before the check.
            if registry.authenticate_gateway(&password).is_some() {
                return Err(HttpError::gateway());
            }
            // The semaphore is never closed; were it, the server would be stopping.
            let _permit = password_checks.acquire().await.map_err(|_closed| QueryError::stopping())?;
            let name: Arc<str> = user.as_str().into();
            let registry = Arc::clone(registry);
            let check = tokio::task::spawn_blocking(move || registry.authenticate(&user, &password));
            match check.await {
                Ok(true) => Ok(Caller { name }),
                Ok(false) => Err(HttpError::unauthorized("the user name or password is wrong")),
                Err(_) => Err(QueryError::internal().into()),
            }
        }
        Some(Credentials::Token(token)) if registry.authenticate_gateway(&token).is_some() => Err(HttpError::gateway()),
        Some(Credentials::Token(_)) => Err(HttpError::unauthorized("the token is not known, and tokens do not query")),
        None => Err(HttpError::unauthorized("send the name and password of a role by Basic authentication")),
    }
}
