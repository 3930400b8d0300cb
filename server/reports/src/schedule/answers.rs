//! The engine as whoever answers a report: under the rights and limits of a role, whose look at personal data is recorded as always.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow::array::{Array, RecordBatch};
use futures::StreamExt;
use tokio::runtime::Handle;
use zonelake_alerting::LOCAL_AUTHOR;
use zonelake_ingest::Stopped;
use zonelake_query::{Caller, QueryEngine, QueryError};
use zonelake_registry::{ADMIN_USER, Registry};
use zonelake_schemas::error::ErrorKind;

use crate::answers::Answers;
use crate::error::ReportError;

/// Statements of one author. Asked on a thread that may block.
pub(super) struct EngineAnswers {
    engine: Arc<QueryEngine>,
    caller: Caller,
    runtime: Handle,
    stopped: Stopped,
    /// Bytes of the answers so far: all of them are in memory until the report is written.
    bytes: AtomicUsize,
}

impl EngineAnswers {
    /// Those of an author.
    ///
    /// # Errors
    /// Where there is no such role any more.
    pub(super) fn new(
        engine: &Arc<QueryEngine>,
        registry: &Registry,
        author: &str,
        runtime: Handle,
        stopped: Stopped,
    ) -> Result<Self, ReportError> {
        let name = if author == LOCAL_AUTHOR { ADMIN_USER } else { author };
        let no_right = |what: String| Err(ReportError::new(ErrorKind::Permission, what));
        match registry.role(name) {
            None => {
                return no_right(format!(
                    "there is no role {name:?} any more, with whose rights the report is made: remove the schedule, and add it with another author"
                ));
            }
            // Not even zones are there for it.
            Some(role) if !role.is_admin() && role.grants.is_empty() => {
                return no_right(format!(
                    "the role {name:?}, with whose rights the report is made, may read nothing: grant it what the report is of (`zonelake role grant`)"
                ));
            }
            Some(_) => {}
        }
        Ok(Self {
            engine: Arc::clone(engine),
            caller: Caller { name: name.into() },
            runtime,
            stopped,
            bytes: AtomicUsize::new(0),
        })
    }
}

impl EngineAnswers {
    async fn ask(&self, sql: &str) -> Result<Vec<RecordBatch>, ReportError> {
        let failed = |error: QueryError| ReportError::new(error.code.kind(), error);
        let mut stream = self.engine.execute(sql, &self.caller).await.map_err(failed)?.stream;
        let mut batches = Vec::new();
        while let Some(batch) = stream.next().await {
            let batch = batch.map_err(failed)?;
            let bytes = bytes_of(&batch);
            if self.bytes.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes) > ANSWER_BYTES_MAX {
                return Err(ReportError::input(format!(
                    "its figures are more than {} MiB: have it made of a shorter period, or of one zone",
                    ANSWER_BYTES_MAX >> 20
                )));
            }
            batches.push(batch);
        }
        Ok(batches)
    }
}

impl Answers for EngineAnswers {
    fn rows(&self, sql: &str) -> Result<Vec<RecordBatch>, ReportError> {
        self.runtime.block_on(async {
            tokio::select! {
                () = self.stopped.wait() => Err(ReportError::new(ErrorKind::Retry, "the server is stopping")),
                rows = self.ask(sql) => rows,
            }
        })
    }
}

/// Bytes of the rows of a batch, without those of what it is a part of.
fn bytes_of(batch: &RecordBatch) -> usize {
    let of = |column: &Arc<dyn Array>| {
        column.to_data().get_slice_memory_size().unwrap_or_else(|_| column.get_array_memory_size())
    };
    batch.columns().iter().map(of).sum()
}

/// Bytes of the answers of a report. Its cells, and the bytes of its file, are a few times as many.
const ANSWER_BYTES_MAX: usize = 64 << 20;
