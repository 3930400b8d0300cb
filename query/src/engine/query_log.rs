//! The query log: statements that are executing, and recent ones, as the table `system.queries`. Of each text only the
//! beginning is kept, and of those that have ended only the last thousand, so that the query log takes a few megabytes at
//! most.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arrow::array::{Float64Array, Int64Array};
use arrow::datatypes::Field;
use arrow::record_batch::RecordBatch;
use zonelake_schemas::clock::Clock;
use zonelake_schemas::columns::timestamp;

use crate::catalog::reference_tables::{ReferenceTable, bigint, double, instants, text, texts};
use crate::engine::session::SqlSession;
use crate::error::QueryError;

/// Statements that have ended and are still listed.
pub(crate) const RECENT_MAX: usize = 1_000;
/// Time that a description may take without being listed afterwards.
const FORGOTTEN_MAX: Duration = Duration::from_secs(1);
/// Characters of a text that are kept.
pub(crate) const TEXT_CHARS_MAX: usize = 4_096;

/// All statements in flight, and the last that have ended.
pub(crate) struct QueryLog {
    clock: Arc<dyn Clock>,
    entries: Mutex<Entries>,
}

#[derive(Default)]
struct Entries {
    last_id: u64,
    running: BTreeMap<u64, Arc<Entry>>,
    recent: VecDeque<Arc<Entry>>,
}

struct Entry {
    id: u64,
    user: Arc<str>,
    interface: &'static str,
    application_name: Arc<str>,
    text: String,
    started_us: i64,
    began: Duration,
    rows: AtomicU64,
    bytes: AtomicU64,
    progress: Mutex<Progress>,
}

#[derive(Clone)]
struct Progress {
    state: &'static str,
    took: Option<Duration>,
    error: Option<String>,
}

impl fmt::Debug for QueryLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueryLog").finish_non_exhaustive()
    }
}

impl QueryLog {
    /// Empty query log.
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, entries: Mutex::default() }
    }

    /// Lists a statement for as long as the returned value lives, and then among the recent ones.
    pub(crate) fn begin(self: &Arc<Self>, sql: &str, session: &SqlSession) -> QueryLogEntry {
        let mut entries = self.entries();
        entries.last_id += 1;
        let entry = Arc::new(Entry {
            id: entries.last_id,
            user: Arc::clone(&session.caller.name),
            interface: session.interface.name(),
            application_name: Arc::clone(&session.application_name),
            text: sql.chars().take(TEXT_CHARS_MAX).collect(),
            started_us: self.clock.wall_us(),
            began: self.clock.monotonic(),
            rows: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            progress: Mutex::new(Progress { state: "waiting", took: None, error: None }),
        });
        entries.running.insert(entry.id, Arc::clone(&entry));
        QueryLogEntry { log: Arc::clone(self), entry, is_forgotten: false }
    }

    /// Table of all statements, or of those of one user alone.
    pub(crate) fn table(self: &Arc<Self>, only: Option<Arc<str>>) -> ReferenceTable {
        let log = Arc::clone(self);
        let columns = vec![
            bigint("id"),
            text("user"),
            text("interface"),
            text("application_name"),
            text("text"),
            text("state"),
            Field::new("started", timestamp(), true),
            double("duration_seconds"),
            bigint("rows"),
            bigint("bytes"),
            text("error"),
        ];
        ReferenceTable::new(columns, move |schema| {
            let now = log.clock.monotonic();
            let entries: Vec<Arc<Entry>> = {
                let entries = log.entries();
                let all = entries.recent.iter().chain(entries.running.values());
                all.filter(|entry| only.as_ref().is_none_or(|user| *user == entry.user)).cloned().collect()
            };
            let rows: Vec<(Arc<Entry>, Progress)> = entries
                .into_iter()
                .map(|entry| {
                    let progress = entry.progress().clone();
                    (entry, progress)
                })
                .collect();
            let count = |of: &dyn Fn(&Entry) -> u64| -> Int64Array {
                rows.iter().map(|(entry, _)| Some(i64::try_from(of(entry)).unwrap_or(i64::MAX))).collect()
            };
            let seconds: Float64Array = rows
                .iter()
                .map(|(entry, progress)| Some(progress.took.unwrap_or(now.saturating_sub(entry.began)).as_secs_f64()))
                .collect();
            RecordBatch::try_new(
                Arc::clone(schema),
                vec![
                    Arc::new(count(&|entry| entry.id)),
                    texts(&rows, |(entry, _)| Some(&*entry.user)),
                    texts(&rows, |(entry, _)| Some(entry.interface)),
                    texts(&rows, |(entry, _)| Some(&*entry.application_name)),
                    texts(&rows, |(entry, _)| Some(entry.text.as_str())),
                    texts(&rows, |(_, progress)| Some(progress.state)),
                    instants(&rows, |(entry, _)| Some(entry.started_us)),
                    Arc::new(seconds),
                    Arc::new(count(&|entry| entry.rows.load(Ordering::Relaxed))),
                    Arc::new(count(&|entry| entry.bytes.load(Ordering::Relaxed))),
                    texts(&rows, |(_, progress)| progress.error.as_deref()),
                ],
            )
        })
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Entry of one statement. An entry that is dropped before [`QueryLogEntry::end`], as by a client that has gone, was cancelled.
pub(crate) struct QueryLogEntry {
    log: Arc<QueryLog>,
    entry: Arc<Entry>,
    is_forgotten: bool,
}

impl QueryLogEntry {
    /// Marks the statement as executing: it has its permit.
    pub(crate) fn set_executing(&self) {
        self.entry.progress().state = "running";
    }

    /// Counts rows that were produced.
    pub(crate) fn count(&self, batch: &RecordBatch) {
        self.entry.rows.fetch_add(batch.num_rows() as u64, Ordering::Relaxed);
        self.entry.bytes.fetch_add(batch.get_array_memory_size() as u64, Ordering::Relaxed);
    }

    /// Takes out of the log what was no statement of its own: a description that soon was made. Else the descriptions of
    /// clients that ask for one before each statement would push half of the recent statements out.
    pub(crate) fn forget(mut self) {
        self.is_forgotten = self.log.clock.monotonic().saturating_sub(self.entry.began) < FORGOTTEN_MAX;
        self.end(Ok(()));
    }

    /// Marks the statement as ended.
    pub(crate) fn end(self, outcome: Result<(), &QueryError>) {
        let took = self.log.clock.monotonic().saturating_sub(self.entry.began);
        let mut progress = self.entry.progress();
        progress.took = Some(took);
        match outcome {
            Ok(()) => progress.state = "done",
            Err(error) => {
                progress.state = "failed";
                progress.error = Some(error.message.chars().take(TEXT_CHARS_MAX).collect());
            }
        }
    }
}

impl Drop for QueryLogEntry {
    fn drop(&mut self) {
        // The two locks are never held together, so their order cannot matter.
        {
            let mut progress = self.entry.progress();
            if progress.took.is_none() {
                progress.state = "cancelled";
                progress.took = Some(self.log.clock.monotonic().saturating_sub(self.entry.began));
            }
        }
        let mut entries = self.log.entries();
        if let Some(entry) = entries.running.remove(&self.entry.id).filter(|_| !self.is_forgotten) {
            if entries.recent.len() == RECENT_MAX {
                entries.recent.pop_front();
            }
            entries.recent.push_back(entry);
        }
    }
}

/// Description of `system.queries`, for catalogs.
pub(crate) const DESCRIPTION: &str =
    "Statements that run, and the last 1,000 that have ended; whoever is not the administrator sees their own";

#[cfg(test)]
mod tests {
    use zonelake_schemas::clock::SystemClock;

    use super::*;
    use crate::engine::session::{Caller, Interface};

    #[test]
    fn the_log_is_bounded_and_the_newest_stay() {
        let log = Arc::new(QueryLog::new(Arc::new(SystemClock::default())));
        let session = SqlSession::new(Caller { name: "admin".into() }, Interface::Http);
        let running = log.begin("select 'runs'", &session);
        for number in 0..RECENT_MAX + 10 {
            let entry = log.begin(&"x".repeat(TEXT_CHARS_MAX + number), &session);
            entry.set_executing();
            entry.end(Ok(()));
        }
        let entries = log.entries();
        assert_eq!((entries.running.len(), entries.recent.len()), (1, RECENT_MAX));
        assert_eq!(entries.recent.back().map(|entry| entry.text.len()), Some(TEXT_CHARS_MAX));
        assert_eq!(entries.recent.back().map(|entry| entry.id), Some(RECENT_MAX as u64 + 11));
        drop(entries);
        drop(running);
        let entries = log.entries();
        assert_eq!(entries.recent.back().map(|entry| entry.progress().state), Some("cancelled"));
    }
}
