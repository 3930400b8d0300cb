//! The rules and orders of a data folder: `rules/ledger`, JSON, replaced in one step with each change.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use zonelake_wal::Disk;
use zonelake_wal::replaced_file::{self, ReplaceError};

use crate::backup::hold::BackupHold;
use crate::rules::error::RuleError;
use crate::rules::selection::Selection;

/// All rules and orders.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ledger {
    /// Version of this format.
    pub version: u32,
    /// How long rows are kept; for ever where nothing is said.
    pub retention: Vec<Retention>,
    /// Rows that retention does not touch.
    pub holds: Vec<LegalHold>,
    /// Deletions, oldest first; they stay as the record of what was done.
    pub deletions: Vec<Deletion>,
}

/// How long the rows of a table are kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retention {
    /// Table.
    pub table: String,
    /// Zone that this is for; without one, for all that have no term of their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// Whole UTC days before today that are kept.
    pub days: u32,
}

/// Rows of all tables that no retention removes and nobody deletes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LegalHold {
    /// Name.
    pub name: String,
    /// The rows.
    pub selection: Selection,
    /// Who has ordered it, and why.
    pub who: String,
    /// Reason.
    pub why: String,
    /// When, microseconds since 1970, UTC.
    pub at_us: i64,
}

/// Rows that were ordered to be deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deletion {
    /// Number, from 1.
    pub id: u64,
    /// Table.
    pub table: String,
    /// The rows: those that were acknowledged before the order.
    pub selection: Selection,
    /// Who has ordered it.
    pub who: String,
    /// Reason.
    pub why: String,
    /// When, microseconds since 1970, UTC.
    pub at_us: i64,
    /// Rows that were there.
    pub rows: u64,
    /// Files that had some of them, or may have had.
    pub files: BTreeSet<String>,
    /// Those of them that have not been rewritten yet.
    pub pending: BTreeSet<String>,
    /// When the last of the files was gone from disk, microseconds since 1970, UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub erased_us: Option<i64>,
}

impl Default for Ledger {
    fn default() -> Self {
        Self { version: VERSION, retention: Vec::new(), holds: Vec::new(), deletions: Vec::new() }
    }
}

impl Ledger {
    /// Reads the ledger of a data folder without changing anything; an empty one where there is none.
    ///
    /// # Errors
    /// Where it cannot be read, or is of a later format.
    pub fn read(disk: &dyn Disk, data: &Path) -> Result<Self, RuleError> {
        let path = data.join(FOLDER).join(FILE);
        let bytes = replaced_file::read(disk, &path, u64::MAX);
        Self::from_file(path, bytes)
    }

    fn from_file(path: PathBuf, read: io::Result<Option<Vec<u8>>>) -> Result<Self, RuleError> {
        let failed = |source| RuleError::Ledger { path: path.clone(), source };
        let Some(text) = read.map_err(failed)? else { return Ok(Self::default()) };
        let ledger: Self = serde_json::from_slice(&text).map_err(|error| failed(error.into()))?;
        if ledger.version != VERSION {
            let what = format!("it has version {}, and this release reads version {VERSION}", ledger.version);
            return Err(failed(io::Error::new(io::ErrorKind::InvalidData, what)));
        }
        Ok(ledger)
    }
}

/// The ledger of an open store.
#[derive(Debug)]
pub(crate) struct Rules {
    pub(crate) disk: Arc<dyn Disk>,
    /// Folder of the ledger, and of what is kept beside it.
    pub(crate) folder: PathBuf,
    backup_hold: Arc<BackupHold>,
    kept: Mutex<Kept>,
}

#[derive(Debug)]
struct Kept {
    /// What statements go by.
    ledger: Arc<Ledger>,
    /// True after a change that has failed and may be on disk: a start could find it there. No files are exchanged meanwhile, since the
    /// change may name them.
    is_in_doubt: bool,
}

impl Rules {
    pub(crate) fn open(disk: Arc<dyn Disk>, data: &Path, backup_hold: Arc<BackupHold>) -> Result<Self, RuleError> {
        let folder = data.join(FOLDER);
        let path = folder.join(FILE);
        // Statements go by it from now on, so a loss of power must not bring back the one before.
        let bytes = replaced_file::adopt(disk.as_ref(), &path, u64::MAX);
        let ledger = Arc::new(Ledger::from_file(path, bytes)?);
        Ok(Self { disk, folder, backup_hold, kept: Mutex::new(Kept { ledger, is_in_doubt: false }) })
    }

    /// The ledger as it is now.
    pub(crate) fn ledger(&self) -> Arc<Ledger> {
        Arc::clone(&self.lock().ledger)
    }

    /// Changes the ledger, durably; it stays as it was where that fails.
    ///
    /// # Errors
    /// That of the change itself; `NotWritten`, after which a start finds the ledger as it was, too; `InDoubt`, after which it may find the
    /// changed one until [`Self::settle`] succeeds.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut Ledger) -> Result<T, RuleError>) -> Result<T, RuleError> {
        let mut kept = self.lock();
        self.settle_kept(&mut kept)?;
        let mut next = Ledger::clone(&kept.ledger);
        let changed = change(&mut next)?;
        let source = match self.replace(&next) {
            Ok(()) => {
                kept.ledger = Arc::new(next);
                return Ok(changed);
            }
            Err(ReplaceError::Written { path, source }) => return Err(RuleError::NotWritten { path, source }),
            Err(ReplaceError::Named(source)) => source,
        };
        kept.is_in_doubt = true;
        // It may have copied what is taken back now.
        self.backup_hold.give_up();
        let path = self.path();
        tracing::warn!("{}: a change that failed may be on disk, and is taken back: {source}", path.display());
        match self.settle_kept(&mut kept) {
            Ok(()) => Err(RuleError::NotWritten { path, source }),
            Err(_still) => Err(RuleError::InDoubt { path, source }),
        }
    }

    /// Takes a change back that has failed and may be on disk, where there is one.
    ///
    /// # Errors
    /// `InDoubt`: it may still be there.
    pub(crate) fn settle(&self) -> Result<(), RuleError> {
        self.settle_kept(&mut self.lock())
    }

    fn settle_kept(&self, kept: &mut Kept) -> Result<(), RuleError> {
        if !kept.is_in_doubt {
            return Ok(());
        }
        // Written anew: a further sync of the folder alone would be one that has failed, tried again and believed.
        self.replace(&kept.ledger).map_err(|error| RuleError::InDoubt { path: self.path(), source: error.into() })?;
        kept.is_in_doubt = false;
        tracing::warn!("{}: the change that failed is taken back", self.path().display());
        Ok(())
    }

    fn replace(&self, ledger: &Ledger) -> Result<(), ReplaceError> {
        let path = self.path();
        let text = serde_json::to_vec(ledger).map_err(io::Error::from);
        let text = text.and_then(|text| self.disk.create_dir_all(&self.folder).map(|()| text));
        let text = text.map_err(|source| ReplaceError::Written { path: path.clone(), source })?;
        replaced_file::replace(self.disk.as_ref(), &path, &text)
    }

    fn path(&self) -> PathBuf {
        self.folder.join(FILE)
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        // Replaced as a whole, whatever panics elsewhere.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const FOLDER: &str = "rules";
const FILE: &str = "ledger";
const VERSION: u32 = 1;
