//! Commits and reads of one Delta Lake table.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use deltalake_core::kernel::transaction::TransactionError;
use deltalake_core::kernel::{Action, Add, CommitInfo, Remove, Transaction};
use deltalake_core::logstore::{CommitOrBytes, LogStoreRef, StorageConfig, logstore_with};
use object_store::ObjectStore;
use serde_json::json;
use tokio::sync::Mutex;
use url::Url;
use uuid::Uuid;
use zonelake_objects::NotSynced;
use zonelake_parquet::{DataFile, date_text};
use zonelake_schemas::TableDef;
use zonelake_schemas::clock::Clock;

use crate::delta::checkpoint::Checkpoints;
use crate::delta::error::LogName;
use crate::delta::format::{CHECKSUM_TAG, version};
use crate::delta::replay::{Replay, schema_forms};
use crate::delta::schema::{changed_metadata, create_actions};
use crate::delta::stats_json::{BoundForms, stats_text};
use crate::error::TableLogError;
use crate::table_log::{LogCommit, LogSnapshot, TableLog};

/// The Delta log of one table.
pub struct DeltaLog {
    log_store: LogStoreRef,
    name: LogName,
    clock: Arc<dyn Clock>,
    pub(super) checkpoints: Checkpoints,
    /// The newest state that is known; absent before the first look, and where a commit's outcome is not known. It also
    /// keeps commits apart.
    known: Mutex<Option<Known>>,
}

/// State that a commit builds upon.
#[derive(Debug)]
struct Known {
    version: i64,
    forms: Arc<BoundForms>,
}

/// The Delta log of the table at a URL.
///
/// `store` is rooted where the URL's scheme is: at the root of the file system for `file:///data/tables/air/`. It has
/// to sync what it writes (`zonelake_objects::SyncedStore` does), or else the Delta log's promise of durability is
/// void.
///
/// # Errors
/// The URL's scheme is none that deltalake knows.
pub fn delta_table(store: Arc<dyn ObjectStore>, root: &Url, clock: Arc<dyn Clock>) -> Result<DeltaLog, TableLogError> {
    let name = LogName::new(root);
    let log_store = logstore_with(store, root, StorageConfig::default()).map_err(|error| name.store_error(error))?;
    let checkpoints = Checkpoints::new(Arc::clone(&log_store), name.clone(), Arc::clone(&clock));
    Ok(DeltaLog { log_store, name, clock, checkpoints, known: Mutex::new(None) })
}

impl std::fmt::Debug for DeltaLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DeltaLog").field("root", &self.name.as_str()).finish_non_exhaustive()
    }
}

#[async_trait]
impl TableLog for DeltaLog {
    async fn open(&self, table: &TableDef) -> Result<LogSnapshot, TableLogError> {
        let mut known = self.known.lock().await;
        let exists = self.log_store.is_delta_table_location().await.map_err(|error| self.name.store_error(error))?;
        if !exists {
            let actions = create_actions(table, self.now_ms()).map_err(|what| self.name.corrupt(what))?;
            self.append(-1, "CREATE TABLE", actions).await?;
        }
        let mut replay = Replay::read(&self.log_store, &self.name).await?;
        let changed = changed_metadata(&replay.metadata, table).map_err(|what| self.name.corrupt(what))?;
        if let Some(metadata) = changed {
            replay.forms = schema_forms(&metadata).map_err(|what| self.name.corrupt(what))?;
            let base = replay.snapshot.version;
            replay.snapshot.version = self.append(base, "CHANGE COLUMN", vec![Action::Metadata(metadata)]).await?;
        }
        self.checkpoints.load(replay.tail);
        *known = Some(Known { version: replay.snapshot.version, forms: Arc::new(replay.forms) });
        Ok(replay.snapshot)
    }

    async fn load(&self) -> Result<LogSnapshot, TableLogError> {
        let mut known = self.known.lock().await;
        let replay = Replay::read(&self.log_store, &self.name).await?;
        self.checkpoints.load(replay.tail);
        *known = Some(Known { version: replay.snapshot.version, forms: Arc::new(replay.forms) });
        Ok(replay.snapshot)
    }

    async fn commit(&self, commit: LogCommit) -> Result<i64, TableLogError> {
        let mut known = self.known.lock().await;
        // Taken out, and put back only once the outcome is known: after an error the next commit reads the Delta log.
        let before = match known.take().filter(|known| known.version >= commit.base_version) {
            Some(before) => before,
            None => {
                let replay = Replay::read(&self.log_store, &self.name).await?;
                Known { version: replay.snapshot.version, forms: Arc::new(replay.forms) }
            }
        };
        let (base, forms) = (commit.base_version, Arc::clone(&before.forms));
        if before.version != base {
            let newest = known.insert(before).version;
            return Err(self.wrong_base(base, newest));
        }
        let operation = operation(&commit);
        let version = self.append(base, operation, self.actions(commit, &forms)?).await?;
        *known = Some(Known { version, forms });
        Ok(version)
    }
}

impl DeltaLog {
    /// A commit that left a gap behind the newest version would make the table unreadable.
    fn wrong_base(&self, base: i64, newest: i64) -> TableLogError {
        if base < newest {
            return self.name.conflict(base + 1);
        }
        self.name.corrupt(format!("a change builds upon version {base}, but {newest} is the newest version"))
    }

    fn actions(&self, commit: LogCommit, forms: &BoundForms) -> Result<Vec<Action>, TableLogError> {
        let now_ms = self.now_ms();
        let data_change = commit.adds.is_empty() || commit.removes.is_empty() || commit.drops_rows;
        let mut actions = Vec::with_capacity(commit.adds.len() + commit.removes.len() + commit.txns.len());
        for file in &commit.removes {
            actions.push(Action::Remove(Remove {
                path: file.path.clone(),
                data_change,
                deletion_timestamp: Some(now_ms),
                extended_file_metadata: Some(true),
                partition_values: Some(self.partition_values(file)?),
                size: Some(size(file)),
                ..Remove::default()
            }));
        }
        for file in &commit.adds {
            actions.push(Action::Add(Add {
                path: file.path.clone(),
                partition_values: self.partition_values(file)?,
                size: size(file),
                modification_time: now_ms,
                data_change,
                stats: Some(stats_text(file.rows, &file.stats, forms)),
                tags: file.checksum.map(|sum| [(CHECKSUM_TAG.to_owned(), Some(format!("{sum:016x}")))].into()),
                ..Add::default()
            }));
        }
        let txn = |(app, version): (String, i64)| Transaction::new_with_last_update(app, version, Some(now_ms));
        actions.extend(commit.txns.into_iter().map(txn).map(Action::Txn));
        Ok(actions)
    }

    fn partition_values(&self, file: &DataFile) -> Result<HashMap<String, Option<String>>, TableLogError> {
        let date = date_text(file.date).map_err(|error| self.name.corrupt(error.to_string()))?;
        Ok([("date".to_owned(), Some(date))].into())
    }

    /// Writes the entry behind `base`, which must be new, and returns its version.
    async fn append(&self, base: i64, operation: &str, mut actions: Vec<Action>) -> Result<i64, TableLogError> {
        actions.insert(0, Action::CommitInfo(self.commit_info(base, operation)));
        let entry = entry_text(&actions).map_err(|error| self.name.store_error(error))?;
        let next = u64::try_from(base + 1).map_err(|error| self.name.corrupt(format!("version {base}: {error}")))?;
        let bytes = CommitOrBytes::LogBytes(entry.clone());
        match self.log_store.write_commit_entry(next, bytes, Uuid::new_v4()).await {
            Ok(()) => {}
            Err(error) => _ = self.outcome(next, &entry, error).await?,
        }
        self.checkpoints.handle_commit(entry.len());
        Ok(version(next))
    }

    /// Finds out whether an entry has landed although its write has failed.
    async fn outcome(&self, next: u64, entry: &Bytes, error: TransactionError) -> Result<i64, TableLogError> {
        let is_taken = matches!(error, TransactionError::VersionAlreadyExists(_));
        // The entry is there but its name may go with the power: it must not be reported as committed.
        if is_not_synced(&error) {
            return Err(self.name.store_error(error));
        }
        let found = self.log_store.read_commit_entry(next).await.map_err(|error| self.name.store_error(error))?;
        match found {
            // The entry names its commit by a random id: it is this one.
            Some(found) if found == *entry => Ok(version(next)),
            Some(_) => Err(self.name.conflict(version(next))),
            None if is_taken => Err(self.name.corrupt(format!("version {next} is taken and cannot be read"))),
            None => Err(self.name.store_error(error)),
        }
    }

    fn commit_info(&self, base: i64, operation: &str) -> CommitInfo {
        CommitInfo {
            timestamp: Some(self.now_ms()),
            operation: Some(operation.to_owned()),
            operation_parameters: Some(HashMap::new()),
            read_version: u64::try_from(base).ok(),
            is_blind_append: Some(operation == "WRITE"),
            engine_info: Some(concat!("zonelake/", env!("CARGO_PKG_VERSION")).to_owned()),
            info: [("commitId".to_owned(), json!(Uuid::new_v4().to_string()))].into(),
            ..CommitInfo::default()
        }
    }

    fn now_ms(&self) -> i64 {
        self.clock.wall_us().div_euclid(1_000)
    }
}

fn operation(commit: &LogCommit) -> &'static str {
    match (commit.adds.is_empty(), commit.removes.is_empty()) {
        (_, true) => "WRITE",
        (true, false) => "DELETE",
        (false, false) if commit.drops_rows && rows(&commit.adds) == rows(&commit.removes) => "UPDATE",
        (false, false) if commit.drops_rows => "DELETE",
        (false, false) => "OPTIMIZE",
    }
}

fn rows(files: &[Arc<DataFile>]) -> u64 {
    files.iter().map(|file| file.rows).sum()
}

fn entry_text(actions: &[Action]) -> Result<Bytes, serde_json::Error> {
    let mut entry = Vec::new();
    for action in actions {
        serde_json::to_writer(&mut entry, action)?;
        entry.push(b'\n');
    }
    Ok(entry.into())
}

fn is_not_synced(error: &(dyn std::error::Error + 'static)) -> bool {
    std::iter::successors(Some(error), |error| error.source()).any(|error| error.is::<NotSynced>())
}

fn size(file: &DataFile) -> i64 {
    i64::try_from(file.bytes).expect("no file system holds files of 2^63 bytes")
}
