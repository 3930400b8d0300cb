//! From a token to its gateway.

use std::sync::Arc;

use zonelake_registry::{Gateway, Registry};

/// The gateway of a token; none where the token is unknown or revoked, or the registry cannot be read.
///
/// A token that memory does not know may have been added a moment ago by another process, as `zonelake gateway add`
/// does. So the registry's file is read again before the token is refused.
pub async fn gateway_of(registry: &Arc<Registry>, token: &str) -> Option<Arc<Gateway>> {
    if let Some(gateway) = registry.authenticate_gateway(token) {
        return Some(gateway);
    }
    let refreshed = Arc::clone(registry);
    match tokio::task::spawn_blocking(move || refreshed.refresh()).await {
        Ok(Ok(())) => registry.authenticate_gateway(token),
        Ok(Err(error)) => {
            tracing::warn!("the registry could not be read again: {error}");
            None
        }
        Err(error) => {
            tracing::error!("the registry could not be read again: {error}");
            None
        }
    }
}
