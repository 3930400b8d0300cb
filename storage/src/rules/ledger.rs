//! The rules and orders of a data folder: `rules/ledger`, JSON, replaced in one step with each change.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use zonelake_wal::{Disk, replaced_file};

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
    disk: Arc<dyn Disk>,
    folder: PathBuf,
    ledger: Mutex<Arc<Ledger>>,
}

impl Rules {
    pub(crate) fn open(disk: Arc<dyn Disk>, data: &Path) -> Result<Self, RuleError> {
        let folder = data.join(FOLDER);
        let path = folder.join(FILE);
        // Statements go by it from now on, so a loss of power must not bring back the one before.
        let bytes = replaced_file::adopt(disk.as_ref(), &path, u64::MAX);
        let ledger = Ledger::from_file(path, bytes)?;
        Ok(Self { disk, folder, ledger: Mutex::new(Arc::new(ledger)) })
    }

    /// The ledger as it is now.
    pub(crate) fn ledger(&self) -> Arc<Ledger> {
        Arc::clone(&self.lock())
    }

    /// Changes the ledger, durably; it stays as it was where that fails.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut Ledger) -> Result<T, RuleError>) -> Result<T, RuleError> {
        let mut ledger = self.lock();
        let mut next = Ledger::clone(&ledger);
        let changed = change(&mut next)?;
        let path = self.folder.join(FILE);
        let written = serde_json::to_vec(&next).map_err(io::Error::from).and_then(|text| {
            self.disk.create_dir_all(&self.folder)?;
            replaced_file::replace(self.disk.as_ref(), &path, &text).map_err(io::Error::from)
        });
        written.map_err(|source| RuleError::Ledger { path, source })?;
        *ledger = Arc::new(next);
        Ok(changed)
    }

    fn lock(&self) -> MutexGuard<'_, Arc<Ledger>> {
        // Replaced as a whole, whatever panics elsewhere.
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const FOLDER: &str = "rules";
const FILE: &str = "ledger";
const VERSION: u32 = 1;
