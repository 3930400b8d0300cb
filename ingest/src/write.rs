//! Writes without sequence numbers, from whichever interface they come (HTTP, Flight SQL): batch by batch, or a whole
//! request once under its key. They take the same shards as sequenced batches.
//!
//! A write that has returned `Ok` is durable as an acknowledged batch is, and visible to queries.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::RecordBatch;
use async_trait::async_trait;
use tokio::sync::{Semaphore, oneshot};
use zonelake_registry::{Gateway, RegisteredTable, Registry};
use zonelake_schemas::clock::Clock;
use zonelake_schemas::wire::control::RefusedCode;
use zonelake_schemas::{BatchNumber, ErrorKind, GatewayId, Lane, Principal};
use zonelake_storage::{Entry, Outcome, RequestKey, Rows, Table};

use crate::batch::DecodedBatch;
use crate::decode_pool::pool::DecodePool;
use crate::limits::DecodeLimits;
use crate::pipeline::command::{PendingBatch, PendingRequest, Reply, split_decoded};
use crate::pipeline::gateway_quota::GatewayQuota;
use crate::pipeline::pipeline::Pipeline;
use crate::refusal::Refusal;

/// A sink of decoded rows, which makes them durable. Interfaces hold it behind dynamic dispatch: one call a batch costs
/// nothing, and no interface is compiled again where the sink is chosen.
#[async_trait]
pub trait WriteSink: std::fmt::Debug + Send + Sync + 'static {
    /// Makes one batch of one table durable and visible to queries; both parts of it or none.
    ///
    /// # Errors
    /// [`WriteError`]; nothing is stored then.
    async fn write(
        &self,
        gateway: &Arc<Gateway>,
        table: &Arc<RegisteredTable>,
        decoded: DecodedBatch,
    ) -> Result<(), WriteError>;

    /// Checks that the disk has space for more. The check comes before a request is decoded, which may register
    /// devices.
    ///
    /// # Errors
    /// `Unavailable` while the disk is nearly full.
    fn check_free_space(&self) -> Result<(), WriteError>;

    /// Makes the batches of a request durable and visible to queries, all or none, and once under its key.
    ///
    /// # Errors
    /// [`WriteError`]; nothing is stored then.
    async fn write_once(
        &self,
        request: RequestKey,
        lines: Vec<(Arc<RegisteredTable>, DecodedBatch)>,
    ) -> Result<Written, WriteError>;
}

/// Time at which a request with a key was stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// Now.
    Now,
    /// Before, under the same key; nothing was stored now.
    Before,
}

/// Reasons for which a batch could not be made durable. Nothing of it is stored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// Queues or the disk are full at the moment.
    #[error("cannot store at the moment: {message}")]
    Unavailable {
        /// The resource that is used up.
        message: String,
        /// Pause before the next attempt.
        retry_after: Duration,
    },
    /// The key of the request was used for another content.
    #[error("the idempotency key was used before for another content; another request needs another key")]
    OtherContent,
    /// A batch over the limit of a batch, or a request with a key over the limit of one step.
    #[error("{0}")]
    TooLarge(String),
    /// The server stops.
    #[error("the server is shutting down")]
    ShuttingDown,
    /// A fault of the server; the server log says more.
    #[error("a fault of the server: {0}")]
    Internal(String),
}

impl WriteError {
    /// Kind of the error: the remedy that the caller has.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Unavailable { .. } | Self::ShuttingDown => ErrorKind::Retry,
            Self::OtherContent | Self::TooLarge(_) => ErrorKind::Input,
            Self::Internal(_) => ErrorKind::Bug,
        }
    }
}

impl From<Refusal> for WriteError {
    fn from(refusal: Refusal) -> Self {
        match refusal.code {
            RefusedCode::ShuttingDown => Self::ShuttingDown,
            RefusedCode::Unavailable => Self::Unavailable { message: refusal.message, retry_after: RETRY_AFTER },
            RefusedCode::OtherContent => Self::OtherContent,
            RefusedCode::TooLarge => Self::TooLarge(refusal.message),
            _ => Self::Internal(refusal.message),
        }
    }
}

/// State of an interface that writes without sequence numbers.
#[derive(Debug)]
pub struct WriteState {
    /// Registry of gateways, devices and locations.
    pub registry: Arc<Registry>,
    /// Tables by name. The table `rejected` may be among them; it cannot be written to.
    pub tables: Arc<BTreeMap<String, Arc<RegisteredTable>>>,
    /// The table `rejected`.
    pub rejected: Arc<RegisteredTable>,
    /// Sink of the rows.
    pub sink: Arc<dyn WriteSink>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Limits of one request.
    pub limits: DecodeLimits,
    /// One permit for each KiB of bodies in flight, of all requests together. It must hold at least one body of
    /// `frame_bytes_max`. A request waits for it before its body is read.
    pub body_budget: Arc<Semaphore>,
    /// The part of it that each gateway may hold.
    pub gateway_quota: GatewayQuota,
    /// Threads that decode.
    pub decoders: Arc<DecodePool>,
}

#[async_trait]
impl WriteSink for Pipeline {
    fn check_free_space(&self) -> Result<(), WriteError> {
        Ok(self.check_disk_space()?)
    }

    async fn write_once(
        &self,
        request: RequestKey,
        lines: Vec<(Arc<RegisteredTable>, DecodedBatch)>,
    ) -> Result<Written, WriteError> {
        let mut entries = Vec::with_capacity(lines.len());
        let mut summaries = Vec::with_capacity(lines.len());
        for (table, decoded) in lines {
            let table = stored_table(self, &table)?;
            let (summary, stored, rejected) = split_decoded(BatchNumber(0), decoded)?;
            summaries.push(summary);
            entries.push(unsequenced(request.principal, table, stored, rejected));
        }
        // All tables first, and the budget behind them: the same order as everywhere, with nothing in hand.
        for entry in &entries {
            wait_for_capacity(self, &entry.table).await?;
        }
        let permits = vec![self.reserve_request(&entries).await?];
        let (reply, outcome) = oneshot::channel();
        self.submit_request(PendingRequest { request, entries, permits, reply }).await?;
        // A repeated request is a success: its rows are durable since the first one.
        if outcome.await.map_err(|_closed| WriteError::ShuttingDown)?? == Outcome::Repeated {
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
        decoded: DecodedBatch,
    ) -> Result<(), WriteError> {
        let table = stored_table(self, table)?;
        let (summary, stored, rejected) = split_decoded(BatchNumber(0), decoded)?;
        // A request of faulty lines alone has nothing to store.
        if stored.is_none() && rejected.is_none() {
            return Ok(());
        }
        let entry = unsequenced(Principal::Gateway(gateway.id), table, stored, rejected);
        wait_for_capacity(self, table).await?;
        let (reply, outcome) = oneshot::channel();
        let memory = Some(self.reserve_batch(&entry).await?);
        let reply = Reply::Once(reply);
        self.submit(PendingBatch { entry, session: None, check_only: false, memory, reply }).await?;
        outcome.await.map_err(|_closed| WriteError::ShuttingDown)??;
        self.metrics().count_stored(&summary);
        Ok(())
    }
}

impl Pipeline {
    /// Makes rows of the server's own durable and visible to queries, in the log schema of their table, all or none. They are nobody's: the
    /// gateway 0, whom nobody can be.
    ///
    /// # Errors
    /// [`WriteError`]; nothing is stored then.
    pub async fn write_own(&self, table: &Arc<Table>, rows: RecordBatch) -> Result<(), WriteError> {
        let rows = Rows::new(rows).map_err(|error| WriteError::Internal(error.to_string()))?;
        let entry = unsequenced(Principal::Gateway(GatewayId(0)), table, Some(rows), None);
        wait_for_capacity(self, table).await?;
        let (reply, outcome) = oneshot::channel();
        let memory = Some(self.reserve_batch(&entry).await?);
        let reply = Reply::Once(reply);
        self.submit(PendingBatch { entry, session: None, check_only: false, memory, reply }).await?;
        outcome.await.map_err(|_closed| WriteError::ShuttingDown)??;
        Ok(())
    }
}

fn stored_table<'a>(pipeline: &'a Pipeline, table: &RegisteredTable) -> Result<&'a Arc<Table>, WriteError> {
    let name = &table.def.name;
    pipeline.store().tables().get(name).ok_or_else(|| WriteError::Internal(format!("there is no table {name}")))
}

/// Waits for capacity in a table, but not for ever.
async fn wait_for_capacity(pipeline: &Pipeline, table: &Table) -> Result<(), WriteError> {
    tokio::time::timeout(CAPACITY_WAIT, pipeline.wait_for_capacity(table)).await.map_err(|_elapsed| {
        WriteError::Unavailable {
            message: format!("rows of table {} come faster than they can be flushed to files", table.name()),
            retry_after: RETRY_AFTER,
        }
    })
}

/// An entry without a sequence number. It goes on the live lane and to the shard of its principal.
fn unsequenced(principal: Principal, table: &Arc<Table>, stored: Option<Rows>, rejected: Option<Rows>) -> Entry {
    Entry { sequenced: None, principal, lane: Lane::Live, table: Arc::clone(table), stored, rejected }
}

/// Pause that a sender is told to make while nothing can be stored.
const RETRY_AFTER: Duration = Duration::from_secs(5);
/// Longest wait for capacity in a table. A request holds its body in memory all the while, so the wait has an end.
const CAPACITY_WAIT: Duration = Duration::from_secs(5);
