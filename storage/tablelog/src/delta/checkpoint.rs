//! Checkpoints of a Delta log: when one is due, its writing beside the commits, and what goes once it is there.
//!
//! A checkpoint has all files of a table, so its cost grows with the table, and one at every so many commits costs the square of
//! the table over the years. One is due when the entries behind the last one have as many bytes as that one has: what is written
//! in checkpoints then stays in proportion to what is written in entries. Who opens the table reads at most twice the
//! newest checkpoint, or [`TAIL_ENTRIES_MAX`] entries.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use deltalake_core::checkpoints::{cleanup_expired_logs_for, create_checkpoint};
use deltalake_core::logstore::LogStoreRef;
use deltalake_core::{DeltaTable, DeltaTableError};
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore};
use zonelake_schemas::clock::Clock;

use crate::delta::error::LogName;
use crate::delta::format::LOG_FOLDER;

/// Entries behind the newest checkpoint.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Tail {
    entries: u64,
    bytes: u64,
    /// Bytes of the checkpoint.
    checkpoint_bytes: u64,
}

impl Tail {
    /// The tail behind a checkpoint of these files, without any entry yet.
    pub(super) fn behind(checkpoint: &[ObjectMeta]) -> Self {
        Self { checkpoint_bytes: checkpoint.iter().map(|file| file.size).sum(), ..Self::default() }
    }

    /// Adds an entry of so many bytes.
    pub(super) fn add(&mut self, bytes: usize) {
        self.entries += 1;
        self.bytes += bytes as u64;
    }

    fn is_due(&self) -> bool {
        self.entries >= TAIL_ENTRIES_MAX || self.bytes >= self.checkpoint_bytes.max(TAIL_BYTES_MIN)
    }
}

/// The checkpoints of one table.
pub(super) struct Checkpoints {
    log_store: LogStoreRef,
    name: LogName,
    clock: Arc<dyn Clock>,
    tail: Arc<Mutex<Tail>>,
    /// Held while one is written.
    writing: Arc<tokio::sync::Mutex<()>>,
}

impl Checkpoints {
    pub(super) fn new(log_store: LogStoreRef, name: LogName, clock: Arc<dyn Clock>) -> Self {
        Self { log_store, name, clock, tail: Arc::default(), writing: Arc::default() }
    }

    /// Takes the tail that the log was found with.
    pub(super) fn load(&self, tail: Tail) {
        *lock(&self.tail) = tail;
    }

    /// Counts an entry that was committed, and starts a checkpoint where one is due and none is being written. Commits do not wait
    /// for it. Where it fails, the next commit tries again, and the log stays as good as it is.
    pub(super) fn handle_commit(&self, entry_bytes: usize) {
        let covered = {
            let mut tail = lock(&self.tail);
            tail.add(entry_bytes);
            *tail
        };
        if !covered.is_due() {
            return;
        }
        let Ok(writing) = Arc::clone(&self.writing).try_lock_owned() else { return };
        let (log_store, name, tail) = (Arc::clone(&self.log_store), self.name.clone(), Arc::clone(&self.tail));
        let expired_ms = self.clock.wall_us().div_euclid(1_000) - millis(ENTRY_RETENTION);
        let runtime = tokio::runtime::Handle::current();
        // The kernel encodes on the thread that calls it, for seconds on a large table.
        tokio::task::spawn_blocking(move || {
            match runtime.block_on(write(&log_store, expired_ms)) {
                Ok(bytes) => {
                    let mut tail = lock(&tail);
                    tail.entries = tail.entries.saturating_sub(covered.entries);
                    tail.bytes = tail.bytes.saturating_sub(covered.bytes);
                    tail.checkpoint_bytes = bytes;
                }
                Err(error) => {
                    tracing::warn!(table = name.as_str(), %error, "cannot write a checkpoint; the log goes on without it");
                }
            }
            drop(writing);
        });
    }

    /// Waits for the checkpoint that is being written, if one is.
    #[cfg(test)]
    pub(super) async fn written(&self) {
        drop(self.writing.lock().await);
    }
}

fn lock(tail: &Mutex<Tail>) -> MutexGuard<'_, Tail> {
    tail.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Writes a checkpoint of the newest version and removes what it makes needless. Returns its bytes.
async fn write(log_store: &LogStoreRef, expired_ms: i64) -> Result<u64, DeltaTableError> {
    let mut table = DeltaTable::new(Arc::clone(log_store));
    table.load().await?;
    create_checkpoint(&table, None).await?;
    let newest = table.snapshot()?.version();
    let store = log_store.object_store(None);
    let checkpoints = checkpoints(store.as_ref(), newest).await?;
    let bytes = checkpoints.last_key_value().map_or(0, |(_, files)| files.iter().map(|(_, file)| file.size).sum());
    // A reader that has begun with the one before the newest still finds it.
    let kept = checkpoints.keys().rev().nth(CHECKPOINTS_KEPT - 1).copied().unwrap_or(0);
    let older = checkpoints.into_iter().take_while(|(version, _)| *version < kept);
    let locations: Vec<_> = older.flat_map(|(_, files)| files).map(|(_, file)| Ok(file.location)).collect();
    store.delete_stream(futures::stream::iter(locations).boxed()).try_collect::<Vec<_>>().await?;
    cleanup_expired_logs_for(newest, log_store.as_ref(), expired_ms, None).await?;
    Ok(bytes)
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// All checkpoints at or before a version: their files, each with the number of parts that its name states.
async fn checkpoints(
    store: &dyn ObjectStore,
    newest: u64,
) -> Result<BTreeMap<u64, Vec<(u32, ObjectMeta)>>, object_store::Error> {
    let folder = Path::from(LOG_FOLDER);
    let mut found: BTreeMap<u64, Vec<(u32, ObjectMeta)>> = BTreeMap::new();
    let mut listed = store.list(Some(&folder));
    while let Some(meta) = listed.try_next().await? {
        if let Some((version, parts)) = meta.location.filename().and_then(checkpoint_name)
            && version <= newest
        {
            found.entry(version).or_default().push((parts, meta));
        }
    }
    Ok(found)
}

/// Version and files of the newest checkpoint at or before a version, where all its parts are there.
pub(super) async fn newest_checkpoint(
    store: &dyn ObjectStore,
    newest: u64,
) -> Result<Option<(u64, Vec<ObjectMeta>)>, object_store::Error> {
    let found = checkpoints(store, newest).await?;
    let whole = found.into_iter().rev().find_map(|(version, files)| {
        let parts = files.iter().map(|(parts, _)| *parts).max()?;
        let files: Vec<_> = files.into_iter().filter(|(of, _)| *of == parts).map(|(_, meta)| meta).collect();
        (files.len() == parts as usize).then_some((version, files))
    });
    Ok(whole)
}

/// Version and number of parts of `<version>.checkpoint.parquet` or `<version>.checkpoint.<part>.<parts>.parquet`.
fn checkpoint_name(name: &str) -> Option<(u64, u32)> {
    let mut words = name.split('.');
    let version = words.next()?.parse().ok()?;
    match (words.next()?, words.next()?, words.next(), words.next(), words.next()) {
        ("checkpoint", "parquet", None, None, None) => Some((version, 1)),
        ("checkpoint", part, Some(parts), Some("parquet"), None) => {
            let (_, parts): (u32, u32) = (part.parse().ok()?, parts.parse().ok()?);
            Some((version, parts))
        }
        _ => None,
    }
}

/// Fewest bytes of entries for which a checkpoint is worth its while: with a few files, reading the entries costs as little.
const TAIL_BYTES_MIN: u64 = 256 << 10;
/// Most entries behind a checkpoint, however small they are: who opens the table reads each of them.
const TAIL_ENTRIES_MAX: u64 = 1_000;
/// Checkpoints that stay.
const CHECKPOINTS_KEPT: usize = 2;
/// Age at which entries that a checkpoint covers go. It is Delta's own default, and stands in the table's properties.
pub(super) const ENTRY_RETENTION: Duration = Duration::from_secs(30 * 86_400);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checkpoints_are_known_by_their_names() {
        assert_eq!(checkpoint_name("00000000000000000100.checkpoint.parquet"), Some((100, 1)));
        assert_eq!(checkpoint_name("00000000000000000100.checkpoint.0000000002.0000000003.parquet"), Some((100, 3)));
        for other in ["00000000000000000100.json", "_last_checkpoint", "00000000000000000100.checkpoint.a-b.parquet"] {
            assert_eq!(checkpoint_name(other), None, "{other}");
        }
    }

    #[test]
    fn a_checkpoint_is_due_when_the_entries_behind_the_last_one_have_grown_to_its_size() {
        let mut tail = Tail { checkpoint_bytes: 1 << 20, ..Tail::default() };
        for _ in 0..1_023 / 2 {
            tail.add(2 << 10);
            assert!(!tail.is_due(), "{tail:?}");
        }
        tail.add(2 << 10);
        assert!(tail.is_due(), "{tail:?}");
        // A small table is not written over and over, and many small entries are not left to its readers.
        assert!(!Tail { entries: 100, bytes: TAIL_BYTES_MIN - 1, checkpoint_bytes: 10 }.is_due());
        assert!(Tail { entries: TAIL_ENTRIES_MAX, bytes: 1, checkpoint_bytes: 1 << 30 }.is_due());
    }
}
