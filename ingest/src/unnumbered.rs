//! Writes without numbers (HTTP) on the same shards: batch by batch, or a whole request once under its key.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use zonelake_registry::{Gateway, RegisteredTable};
use zonelake_schemas::wire::control::RefusedCode;
use zonelake_schemas::{BatchNumber, GatewayId, Lane};
use zonelake_storage::{Entry, Outcome, RequestKey, Rows, Table};

use crate::Decoded;
use crate::http_write::{WriteError, WriteSink, Written};
use crate::pipeline::{Pending, PendingRequest, Pipeline, Reply};
use crate::refusal::Refusal;
use crate::session::split_decoded;

impl WriteSink for Arc<Pipeline> {
    fn room(&self) -> Result<(), WriteError> {
        self.space().check().map_err(refused)
    }

    async fn write_once(
        &self,
        request: RequestKey,
        lines: Vec<(Arc<RegisteredTable>, Decoded)>,
    ) -> Result<Written, WriteError> {
        let mut entries = Vec::with_capacity(lines.len());
        let mut summaries = Vec::with_capacity(lines.len());
        for (table, decoded) in lines {
            let table = known_table(self, &table)?;
            let (summary, stored, rejected) = split_decoded(BatchNumber(0), decoded).map_err(refused)?;
            summaries.push(summary);
            entries.push(unnumbered(request.gateway, table, stored, rejected));
        }
        for entry in &entries {
            await_room(self, &entry.table).await?;
        }
        let permits = vec![self.reserve_request(&entries).await.map_err(refused)?];
        let (reply, answer) = oneshot::channel();
        self.submit_request(PendingRequest { request, entries, permits, reply }).await.map_err(refused)?;
        if answer.await.map_err(|_| WriteError::ShuttingDown)?.map_err(refused)? == Outcome::Repeated {
            self.metrics().repeated_batches.inc_by(summaries.len() as u64);
            return Ok(Written::Before);
        }
        summaries.iter().for_each(|summary| self.metrics().count_stored(summary));
        Ok(Written::Now)
    }

    async fn write(
        &self,
        gateway: &Arc<Gateway>,
        table: &Arc<RegisteredTable>,
        decoded: Decoded,
    ) -> Result<(), WriteError> {
        let table = known_table(self, table)?;
        let (summary, stored, rejected) = split_decoded(BatchNumber(0), decoded).map_err(refused)?;
        if stored.is_none() && rejected.is_none() {
            return Ok(());
        }
        let entry = unnumbered(gateway.id, table, stored, rejected);
        await_room(self, table).await?;
        let (reply, answer) = oneshot::channel();
        let permits = Some(vec![self.reserve_batch(&entry).await.map_err(refused)?]);
        self.submit(Pending { entry, session: None, permits, reply: Reply::Once(reply) }).await.map_err(refused)?;
        answer.await.map_err(|_| WriteError::ShuttingDown)?.map_err(refused)?;
        self.metrics().count_stored(&summary);
        Ok(())
    }
}

fn known_table<'a>(pipeline: &'a Arc<Pipeline>, table: &RegisteredTable) -> Result<&'a Arc<Table>, WriteError> {
    let name = &table.def.name;
    pipeline.store().tables().get(name).ok_or_else(|| WriteError::Internal(format!("there is no table {name}")))
}

/// Waits for room in a table, and not for ever.
async fn await_room(pipeline: &Pipeline, table: &Table) -> Result<(), WriteError> {
    tokio::time::timeout(ROOM_WAIT, pipeline.table_has_room(table)).await.map_err(|_| WriteError::Unavailable {
        message: format!("rows of table {} come faster than they can be flushed to files", table.name()),
        retry_after: RETRY_AFTER,
    })
}

fn unnumbered(gateway: GatewayId, table: &Arc<Table>, stored: Option<Rows>, rejected: Option<Rows>) -> Entry {
    Entry { sequenced: None, gateway, lane: Lane::Live, table: Arc::clone(table), stored, rejected }
}

fn refused(refusal: Refusal) -> WriteError {
    match refusal.code {
        RefusedCode::ShuttingDown => WriteError::ShuttingDown,
        RefusedCode::Unavailable => WriteError::Unavailable { message: refusal.message, retry_after: RETRY_AFTER },
        RefusedCode::OtherContent => WriteError::OtherContent,
        RefusedCode::TooLarge => WriteError::TooLarge(refusal.message),
        _ => WriteError::Internal(refusal.message),
    }
}

/// Pause that a sender is told to make while nothing can be stored.
const RETRY_AFTER: Duration = Duration::from_secs(5);
/// Longest wait for room in a table. A request holds its body meanwhile, so that it is not to wait for ever.
const ROOM_WAIT: Duration = Duration::from_secs(5);
