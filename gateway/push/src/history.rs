//! The latest pushes of a gateway, as the server's ledger has them.

use std::sync::Arc;

use zonelake_gateway::{BackoffPolicy, Connection, StreamError, ask_pushes};
use zonelake_schemas::Lane;
use zonelake_schemas::wire::MINOR_VERSION;
use zonelake_schemas::wire::control::Pushes;

/// A push that the ledger has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastPush {
    /// When it began, microseconds since 1970, UTC.
    pub begun_us: i64,
    /// Table that its rows went to.
    pub table: String,
    /// Name of the file.
    pub file: String,
    /// Rows of the file that could be read.
    pub rows: u64,
    /// Rows of these that it added.
    pub rows_added: u64,
    /// All of them are durable.
    pub is_done: bool,
}

/// The latest pushes of a gateway, the latest first; `None` from a server without a ledger. `table` is any table that the server has.
///
/// # Errors
/// [`StreamError`] where the server refuses, or cannot be reached for too long.
pub async fn history(
    connection: &Arc<Connection>,
    backoff: BackoffPolicy,
    token: &str,
    table: &str,
    count: u32,
) -> Result<Option<Vec<PastPush>>, StreamError> {
    let question = Pushes {
        minor_version: MINOR_VERSION,
        token: token.to_owned(),
        table: table.to_owned(),
        lane: Lane::Backfill as u32,
        latest: count,
        ..Pushes::default()
    };
    let pushed = ask_pushes(connection, backoff, &question).await?;
    Ok(pushed.map(|pushed| {
        let pushes = pushed.pushes.into_iter().map(|push| PastPush {
            begun_us: push.begun_us,
            table: push.table,
            file: push.file,
            rows: push.rows,
            rows_added: push.rows.saturating_sub(push.base_rows),
            is_done: push.is_done,
        });
        pushes.collect()
    }))
}
