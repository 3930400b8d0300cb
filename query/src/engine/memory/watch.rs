//! The watch over the memory of the process: where it takes more than is safe, the largest statement is ended, before the
//! system ends the process and ingest with it. Statements reserve what they take as far as that can be known; the watch is
//! for the rest.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use datafusion::execution::memory_pool::MemoryPool;

use crate::engine::cancellation::Cancellation;
use crate::engine::memory::process::taken_bytes;
use crate::engine::watch_thread::watch;
use crate::error::{QueryError, QueryErrorCode};

/// Time between two looks. A core fills about 200 MB in it.
const PERIOD: Duration = Duration::from_millis(50);
/// Growth after which one more statement is ended. What an ended one has freed stays with the allocator for a minute.
const GROWTH_BYTES: usize = 64 << 20;
/// Looks for which an ended statement may take to free its memory.
const LOOKS_TO_END: u32 = 10;

/// Statements in flight, and the memory of the process that is safe.
#[derive(Debug)]
pub(crate) struct MemoryWatch {
    bytes_max: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    last: u64,
    statements: BTreeMap<u64, Watched>,
    /// Memory of the process when the last statement was ended, until it is safe again.
    ended_at: Option<usize>,
    looks_left: u32,
}

#[derive(Debug)]
struct Watched {
    memory: Arc<dyn MemoryPool>,
    cancellation: Arc<Cancellation>,
}

/// Place of a statement among those that are watched; dropping it leaves them.
#[derive(Debug)]
pub(crate) struct WatchedStatement {
    watch: Arc<MemoryWatch>,
    id: u64,
}

impl MemoryWatch {
    /// Watch on a thread of its own, which ends with the last reference.
    ///
    /// # Errors
    /// Where the thread cannot be made.
    pub(crate) fn start(bytes_max: usize) -> std::io::Result<Arc<Self>> {
        let watched = Arc::new(Self { bytes_max, state: Mutex::default() });
        watch("query-memory", PERIOD, &watched, |watched| {
            if let Some(bytes) = taken_bytes() {
                watched.handle_memory(bytes);
            }
        })?;
        Ok(watched)
    }

    /// Watches a statement.
    pub(crate) fn add(
        self: &Arc<Self>,
        memory: Arc<dyn MemoryPool>,
        cancellation: Arc<Cancellation>,
    ) -> WatchedStatement {
        let mut state = self.state();
        state.last += 1;
        let id = state.last;
        state.statements.insert(id, Watched { memory, cancellation });
        WatchedStatement { watch: Arc::clone(self), id }
    }

    /// Ends the largest statement, where the process has taken more than is safe.
    fn handle_memory(&self, bytes: usize) {
        let mut state = self.state();
        if bytes <= self.bytes_max {
            state.ended_at = None;
            return;
        }
        state.looks_left = state.looks_left.saturating_sub(1);
        let has_grown = state.ended_at.is_none_or(|before| bytes > before.saturating_add(GROWTH_BYTES));
        if !has_grown || state.looks_left > 0 {
            return;
        }
        // Among equals the newest: an old one has shown that it takes little.
        let not_ended = state.statements.iter().filter(|(_, statement)| statement.cancellation.reason().is_none());
        let Some((_, largest)) = not_ended.max_by_key(|(id, statement)| (statement.memory.reserved(), **id)) else {
            return;
        };
        tracing::warn!(
            taken_bytes = bytes,
            safe_bytes = self.bytes_max,
            reserved_bytes = largest.memory.reserved(),
            "the process takes more memory than is safe; its largest statement is ended"
        );
        largest.cancellation.end(QueryError::new(
            QueryErrorCode::TooLarge,
            "the statement was ended, since the server had no more memory; ask for less, or for fewer columns",
        ));
        state.ended_at = Some(bytes);
        state.looks_left = LOOKS_TO_END;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for WatchedStatement {
    fn drop(&mut self) {
        self.watch.state().statements.remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
    use tokio::time::Instant;

    use super::*;
    use crate::engine::memory::statement::StatementMemory;

    const MB: usize = 1 << 20;

    struct Statement {
        cancellation: Arc<Cancellation>,
        _reservation: MemoryReservation,
        _watched: WatchedStatement,
    }

    #[expect(clippy::disallowed_methods, reason = "deadlines are of the runtime's clock")]
    fn statement(watch: &Arc<MemoryWatch>, bytes: usize) -> Statement {
        let memory: Arc<dyn MemoryPool> = Arc::new(StatementMemory::new(1 << 30));
        let reservation = MemoryConsumer::new("test").register(&memory);
        reservation.try_grow(bytes).expect("there is room");
        let cancellation = Arc::new(Cancellation::new(Instant::now() + Duration::from_secs(60)));
        let watched = watch.add(memory, Arc::clone(&cancellation));
        Statement { cancellation, _reservation: reservation, _watched: watched }
    }

    #[test]
    fn the_largest_statement_is_ended_and_the_next_only_where_memory_grows_on() {
        let watch = Arc::new(MemoryWatch { bytes_max: 1_000 * MB, state: Mutex::default() });
        let all = [10, 300, 20].map(|size| statement(&watch, size * MB));
        let ended = |of: &[Statement; 3]| of.each_ref().map(|one| one.cancellation.reason().is_some());
        watch.handle_memory(1_000 * MB);
        assert_eq!(ended(&all), [false; 3], "this is safe");
        watch.handle_memory(1_001 * MB);
        assert_eq!(ended(&all), [false, true, false]);
        assert!(all[1].cancellation.is_over());
        for _ in 0..100 {
            watch.handle_memory(1_050 * MB);
        }
        assert_eq!(ended(&all), [false, true, false], "what was freed is still with the allocator");
        watch.handle_memory(1_100 * MB);
        assert_eq!(ended(&all), [false, true, true]);
        watch.handle_memory(1_300 * MB);
        assert_eq!(ended(&all), [false, true, true], "an ended statement has some time to free its memory");
        drop(all);
        assert!(watch.state().statements.is_empty());
    }
}
