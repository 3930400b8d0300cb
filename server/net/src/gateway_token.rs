//! From a token to its gateway.

use std::sync::Arc;

use zonelake_registry::{Gateway, Registry};

/// The gateway of a token. One that memory does not know may have been added just now by another process, as
/// `zonelake gateway add` does: the registry's file is looked at before it is refused.
pub async fn gateway_of(registry: &Arc<Registry>, token: &str) -> Option<Arc<Gateway>> {
    if let Some(gateway) = registry.authenticate_gateway(token) {
        return Some(gateway);
    }
    let looking = Arc::clone(registry);
    match tokio::task::spawn_blocking(move || looking.refresh()).await {
        Ok(Ok(())) => registry.authenticate_gateway(token),
        Ok(Err(error)) => {
            tracing::warn!("the registry could not be looked at: {error}");
            None
        }
        Err(error) => {
            tracing::error!("the registry could not be looked at: {error}");
            None
        }
    }
}
