//! The table log in memory, for simulation: no files, no clock, no randomness. It keeps the promises of
//! [`crate::TableLog`] and can be told to fail a commit, before or after the commit has landed, and to lose power. It
//! keeps two states, as a file system does: what is seen, and what is on the medium.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use zonelake_schemas::TableDef;

use crate::error::TableLogError;
use crate::table_log::{LogCommit, LogSnapshot, TableLog};

/// The table log of one table in memory. Clones are handles of the same table: to reopen it after a simulated crash,
/// drop one and use another.
#[derive(Debug, Clone)]
pub struct MemoryLog {
    name: Arc<str>,
    table: Arc<Mutex<MemoryTable>>,
}

/// Fault of the next commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommitFault {
    /// The change has not landed.
    Lost,
    /// The change has landed, and its writer is told that it has not.
    Landed,
    /// The change is visible and its writer is told that it is not; it is on the medium only once somebody has read it.
    NotSynced,
}

#[derive(Debug, Default)]
struct MemoryTable {
    /// State that readers see; absent before the table is created.
    stored: Option<(TableDef, LogSnapshot)>,
    /// State that a power loss leaves.
    durable: Option<(TableDef, LogSnapshot)>,
    fault: Option<CommitFault>,
}

impl MemoryTable {
    fn sync(&mut self) {
        self.durable.clone_from(&self.stored);
    }
}

impl MemoryLog {
    /// A table that does not exist yet.
    pub fn new(name: &str) -> Self {
        Self { name: name.into(), table: Arc::default() }
    }

    /// Makes the next commit fail with [`TableLogError::Store`].
    pub fn fail_next_commit(&self, fault: CommitFault) {
        self.lock().fault = Some(fault);
    }

    /// True where a power loss would take something back.
    pub fn has_unsynced(&self) -> bool {
        let table = self.lock();
        table.stored.as_ref().map(|stored| stored.1.version) != table.durable.as_ref().map(|durable| durable.1.version)
    }

    /// The power goes: only what is on the medium is left.
    pub fn lose_power(&self) {
        let mut table = self.lock();
        table.stored = table.durable.clone();
    }

    fn lock(&self) -> MutexGuard<'_, MemoryTable> {
        // Each change is whole before the lock opens, whatever panics elsewhere.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn corrupt(&self, what: String) -> TableLogError {
        TableLogError::Corrupt { table: self.name.to_string(), what }
    }
}

#[async_trait]
impl TableLog for MemoryLog {
    async fn open(&self, table: &TableDef) -> Result<LogSnapshot, TableLogError> {
        let mut guard = self.lock();
        let (stored, snapshot) = guard.stored.get_or_insert_with(|| (table.clone(), LogSnapshot::default()));
        let mut next = stored.clone();
        next.description.clone_from(&table.description);
        for field in &table.fields {
            match next.fields.iter_mut().find(|own| own.name == field.name) {
                Some(own) if own.storage_type() != field.storage_type() => {
                    let what = format!(
                        "column {} is stored as {:?} and declared as {:?}",
                        own.name,
                        own.storage_type(),
                        field.storage_type()
                    );
                    return Err(self.corrupt(what));
                }
                Some(own) => *own = field.clone(),
                None => next.fields.push(field.clone()),
            }
        }
        if next != *stored {
            *stored = next;
            snapshot.version += 1;
        }
        // What is read survives a power loss, as the interface promises.
        let found = snapshot.clone();
        guard.sync();
        Ok(found)
    }

    async fn load(&self) -> Result<LogSnapshot, TableLogError> {
        let mut guard = self.lock();
        guard.sync();
        let stored = guard.stored.as_ref().ok_or_else(|| self.corrupt("there is no table".into()))?;
        Ok(stored.1.clone())
    }

    async fn commit(&self, commit: LogCommit) -> Result<i64, TableLogError> {
        let mut guard = self.lock();
        let fault = guard.fault.take();
        let (_, snapshot) = guard.stored.as_mut().ok_or_else(|| self.corrupt("there is no table".into()))?;
        let newest = snapshot.version;
        if commit.base_version > newest {
            let base = commit.base_version;
            return Err(
                self.corrupt(format!("a change builds upon version {base}, but {newest} is the newest version"))
            );
        }
        if commit.base_version < newest {
            return Err(TableLogError::Conflict { table: self.name.to_string(), version: commit.base_version + 1 });
        }
        if fault != Some(CommitFault::Lost) {
            snapshot.version += 1;
            snapshot.removed.extend(commit.removes.iter().map(|removed| removed.path.clone()));
            snapshot.files.retain(|file| commit.removes.iter().all(|removed| removed.path != file.path));
            snapshot.files.extend(commit.adds);
            snapshot.txns.extend(commit.txns);
        }
        let version = snapshot.version;
        if fault != Some(CommitFault::NotSynced) {
            guard.sync();
        }
        match fault {
            None => Ok(version),
            Some(_) => {
                Err(TableLogError::Store { table: self.name.to_string(), source: "a fault was injected".into() })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use zonelake_schemas::OnRepeat;

    use super::*;

    #[tokio::test]
    async fn a_fault_strikes_once_and_leaves_what_it_says() {
        let log = MemoryLog::new("air");
        let table = TableDef {
            name: "air".into(),
            description: String::new(),
            rights_by: Vec::new(),
            on_repeat: OnRepeat::KeepAll,
            fields: Vec::new(),
        };
        log.open(&table).await.unwrap();
        let commit = || LogCommit { txns: vec![("shard".into(), 7)], ..LogCommit::default() };
        for (fault, landed) in [(CommitFault::Lost, false), (CommitFault::Landed, true)] {
            log.fail_next_commit(fault);
            assert!(matches!(log.commit(commit()).await, Err(TableLogError::Store { .. })));
            let found = log.load().await.unwrap();
            assert_eq!((found.version == 1, found.txns.contains_key("shard")), (landed, landed), "{fault:?}");
        }
        assert_eq!(log.commit(LogCommit { base_version: 1, ..commit() }).await.unwrap(), 2);
    }

    #[tokio::test]
    async fn an_unsynced_commit_goes_with_the_power_unless_somebody_has_read_it() {
        for is_read in [false, true] {
            let log = MemoryLog::new("air");
            let table = TableDef {
                name: "air".into(),
                description: String::new(),
                rights_by: Vec::new(),
                on_repeat: OnRepeat::KeepAll,
                fields: Vec::new(),
            };
            log.open(&table).await.unwrap();
            log.fail_next_commit(CommitFault::NotSynced);
            assert!(log.commit(LogCommit::default()).await.is_err());
            assert!(log.has_unsynced());
            if is_read {
                assert_eq!(log.load().await.unwrap().version, 1);
            }
            log.lose_power();
            assert_eq!(log.load().await.unwrap().version, i64::from(is_read));
        }
    }
}
