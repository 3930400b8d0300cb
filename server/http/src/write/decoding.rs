//! From the body of a request to rows, for as long as its client waits and within its memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use zonelake_ingest::{
    DecodePlace, DecodedLines, LINE_GROWTH, LinesArgs, Precision, Refusal, TagRules, WriteState, decode_lines,
};
use zonelake_registry::Gateway;
use zonelake_schemas::wire::control::RefusedCode;
use zonelake_storage::RequestKey;

use super::body::{self, Body};
use super::error::HttpError;
use super::idempotency;
use super::memory::RequestMemory;

/// Client of a request, which is gone once this is dropped.
#[derive(Debug, Default)]
pub(super) struct WaitingClient {
    /// True once it has gone.
    pub(super) has_gone: Arc<AtomicBool>,
}

impl Drop for WaitingClient {
    fn drop(&mut self) {
        // Relaxed: the flag orders nothing else, and decoding may go on for a moment.
        self.has_gone.store(true, Ordering::Relaxed);
    }
}

/// Everything that one body is decoded with.
#[derive(Debug)]
pub(super) struct Decoding {
    pub(super) state: Arc<WriteState>,
    pub(super) gateway: Arc<Gateway>,
    pub(super) memory: RequestMemory,
    pub(super) has_gone: Arc<AtomicBool>,
    pub(super) precision: Precision,
    pub(super) tags: TagRules,
}

/// Rows of a request, with the memory that they take.
#[derive(Debug)]
pub(super) struct Decoded {
    pub(super) decoded: DecodedLines,
    pub(super) key: Option<RequestKey>,
    pub(super) memory: RequestMemory,
}

impl Decoding {
    /// Decompresses and decodes a body. Blocks: devices may be registered.
    pub(super) fn run(mut self, body: Body, header: Option<u128>, place: &DecodePlace) -> Result<Decoded, HttpError> {
        let limits = self.state.limits.clone();
        self.hold(body.len()).map_err(HttpError::refused)?;
        let lines = body::decompress(body, &limits, |bytes| self.hold(bytes).map_err(HttpError::refused))?;
        place.charge(LINE_GROWTH * lines.len() as u64);
        let (state, gateway, tags) = (Arc::clone(&self.state), Arc::clone(&self.gateway), self.tags.clone());
        let args = LinesArgs {
            registry: &state.registry,
            tables: &state.tables,
            rejected: &state.rejected,
            gateway: &gateway,
            limits: &limits,
            precision: self.precision,
            tags: &tags,
            now_us: state.clock.wall_us(),
        };
        let decoded = decode_lines(&lines, &args, &mut |bytes| self.hold(lines.len() + bytes));
        let decoded = decoded.map_err(HttpError::refused)?;
        let has_key = header.is_some() || decoded.is_timed;
        let key = has_key.then(|| idempotency::of_content(gateway.id, header, &lines, self.precision, &tags));
        // The lines go, the rows stay.
        let rows_bytes = decoded.batches.iter().map(|(_, batch)| batch.memory_bytes()).sum();
        drop(lines);
        self.hold(rows_bytes).map_err(HttpError::refused)?;
        Ok(Decoded { decoded, key, memory: self.memory })
    }

    fn hold(&mut self, bytes: usize) -> Result<(), Refusal> {
        if self.has_gone.load(Ordering::Relaxed) {
            return Err(Refusal::new(RefusedCode::Unavailable, "the client has gone"));
        }
        self.memory.hold(bytes)
    }
}
