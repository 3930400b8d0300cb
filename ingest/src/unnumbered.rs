//! Writes without numbers (HTTP) on the same shards.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use zonelake_registry::{AdoptedTable, Gateway};
use zonelake_schemas::wire::control::RefusedCode;
use zonelake_schemas::{BatchNumber, Lane};
use zonelake_storage::Entry;

use crate::Decoded;
use crate::http_write::{WriteError, WriteSink};
use crate::pipeline::{Pending, Pipeline, Reply};
use crate::refusal::Refusal;
use crate::session::split_decoded;

impl WriteSink for Arc<Pipeline> {
    async fn write(
        &self,
        gateway: &Arc<Gateway>,
        table: &Arc<AdoptedTable>,
        decoded: Decoded,
    ) -> Result<(), WriteError> {
        let name = &table.def.name;
        let table =
            self.store().tables().get(name).ok_or_else(|| WriteError::Internal(format!("there is no table {name}")))?;
        let (summary, stored, rejected) = split_decoded(BatchNumber(0), decoded).map_err(refused)?;
        if stored.is_none() && rejected.is_none() {
            return Ok(());
        }
        let entry =
            Entry { numbered: None, gateway: gateway.id, lane: Lane::Live, table: Arc::clone(table), stored, rejected };
        if tokio::time::timeout(ROOM_WAIT, self.table_has_room(table)).await.is_err() {
            let message = format!("rows of table {name} come faster than they can be flushed to files");
            return Err(WriteError::Unavailable { message, retry_after: RETRY_AFTER });
        }
        let (reply, answer) = oneshot::channel();
        let permits = Some(vec![self.reserve_batch(&entry).await.map_err(refused)?]);
        self.submit(Pending { entry, session: None, permits, reply: Reply::Once(reply) }).await.map_err(refused)?;
        answer.await.map_err(|_| WriteError::ShuttingDown)?.map_err(refused)?;
        self.metrics().count_stored(&summary);
        Ok(())
    }
}

fn refused(refusal: Refusal) -> WriteError {
    match refusal.code {
        RefusedCode::ShuttingDown => WriteError::ShuttingDown,
        RefusedCode::Unavailable => WriteError::Unavailable { message: refusal.message, retry_after: RETRY_AFTER },
        RefusedCode::TooLarge => WriteError::TooLarge(refusal.message),
        _ => WriteError::Internal(refusal.message),
    }
}

/// Pause that a sender is told to make while nothing can be stored.
const RETRY_AFTER: Duration = Duration::from_secs(5);
/// Longest wait for room in a table. A request holds its body meanwhile, so that it is not to wait for ever.
const ROOM_WAIT: Duration = Duration::from_secs(5);
