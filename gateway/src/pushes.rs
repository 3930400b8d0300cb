//! Questions to the server's ledger of what was pushed, and notes in it. Each is a stream of its own.

use crate::backoff::{Backoff, BackoffPolicy};
use crate::connection::Connection;
use crate::error::StreamError;
use crate::link;
use zonelake_schemas::wire::control::{Pushed, Pushes, RefusedCode};

/// Asks, and notes what is to be noted, as often as the link breaks. `None` from a server that has no ledger.
///
/// # Errors
/// [`StreamError`] where the server refuses, or cannot be reached for too long.
pub async fn ask_pushes(
    connection: &Connection,
    backoff: BackoffPolicy,
    pushes: &Pushes,
) -> Result<Option<Pushed>, StreamError> {
    // Without randomness from the system the pauses are still right; only the jitter is that of every other sender.
    let mut pauses = Backoff::new(backoff, getrandom::u64().unwrap_or(1));
    let now = || connection.clock().monotonic();
    loop {
        let error = match link::ask(connection, pushes).await {
            Ok(pushed) => return Ok(Some(pushed)),
            // Servers before the ledger do not know the frame.
            Err(StreamError::Refused { code: RefusedCode::Protocol, .. }) => return Ok(None),
            Err(error) => error,
        };
        if !error.is_retryable() {
            return Err(error);
        }
        let Some(pause) = pauses.handle_failure(now(), error.pause()) else {
            return Err(StreamError::GaveUp { after: pauses.closed_for(now()), last: error.to_string() });
        };
        tokio::time::sleep(pause).await;
    }
}
