//! Connections beyond the limits. Whoever watches the server must see it at its worst: `/health`, `/ready` and `/metrics`
//! answer here too, and everything else is told to come again.

use std::collections::VecDeque;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::response::Response;
use tokio::task::AbortHandle;
use zonelake_net::{Cause, LimitReached};

use crate::operations::refused;

/// Connections of the reserve.
#[derive(Debug, Default)]
pub(crate) struct Reserve {
    open: VecDeque<AbortHandle>,
}

impl Reserve {
    /// Serves a connection for a short time. Where the reserve is full, the oldest connection of it is closed: one that
    /// asks is answered within milliseconds, so it is one that does not.
    pub(crate) fn spawn(&mut self, serving: impl Future<Output = ()> + Send + 'static) {
        self.open.retain(|task| !task.is_finished());
        if self.open.len() >= RESERVE_MAX
            && let Some(oldest) = self.open.pop_front()
        {
            oldest.abort();
        }
        let task = tokio::spawn(async move {
            if tokio::time::timeout(RESERVE_TIME, serving).await.is_err() {
                tracing::debug!("an HTTP connection beyond the limits was closed: it took too long");
            }
        });
        self.open.push_back(task.abort_handle());
    }
}

/// The routes of the reserve: those of operations, and the limit for all others.
pub(crate) fn reserve_routes(operations: Router, limit: LimitReached) -> Router {
    operations.fallback(move |_: Request| async move { too_many(limit) })
}

fn too_many(limit: LimitReached) -> Response {
    let message = match limit {
        LimitReached::Total => "too many connections are open (limit)",
        LimitReached::Address => "too many connections are open from this address (limit)",
    };
    refused(Cause::TooManyConnections, message)
}

/// Connections of the reserve at the same time.
const RESERVE_MAX: usize = 64;
/// Time of one of them in all.
const RESERVE_TIME: Duration = Duration::from_secs(5);
