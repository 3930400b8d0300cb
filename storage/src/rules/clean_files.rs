//! Files of a table that were read for rows that are to go and have none, kept so that a start does not read them once more: `rules/TABLE.clean`
//! below the data folder, JSON, replaced in one step. A file is never changed under its name, so what was found of it stays so. Where there is
//! no such file, or it cannot be read, the table is read once more and nothing else is lost.

use std::collections::{BTreeMap, HashSet};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use zonelake_parquet::DataFile;
use zonelake_wal::{Disk, replaced_file};

use crate::rules::hidden::HiddenRows;
use crate::rules::ledger::Rules;

/// Folder of what is kept of the tables of a store.
#[derive(Debug)]
pub(crate) struct CleanFiles {
    disk: Arc<dyn Disk>,
    folder: PathBuf,
}

/// What is kept of a table.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    /// Version of this format.
    version: u32,
    /// Rows that were looked for, each of which many files have none of.
    looked_for: Vec<HiddenRows>,
    /// Files by path, each with the number of what it has no row of, from 0.
    files: BTreeMap<String, usize>,
}

impl CleanFiles {
    /// That beside the ledger.
    pub(crate) fn beside(rules: &Rules) -> Self {
        Self { disk: Arc::clone(&rules.disk), folder: rules.folder.clone() }
    }

    /// Replaces what is kept of a table.
    pub(crate) fn write(&self, table: &str, clean: &BTreeMap<String, HiddenRows>) -> io::Result<()> {
        let mut numbers: BTreeMap<&HiddenRows, usize> = BTreeMap::new();
        let mut stored = Stored { version: VERSION, looked_for: Vec::new(), files: BTreeMap::new() };
        for (path, rows) in clean {
            let next = numbers.len();
            let number = *numbers.entry(rows).or_insert_with(|| {
                stored.looked_for.push(rows.clone());
                next
            });
            stored.files.insert(path.clone(), number);
        }
        self.disk.create_dir_all(&self.folder)?;
        replaced_file::replace(self.disk.as_ref(), &self.path(table), &serde_json::to_vec(&stored)?)?;
        Ok(())
    }

    /// What is kept of the files that a table lists. Whether a loss of power leaves it or what was there before does not matter: both are true.
    pub(crate) fn read(&self, table: &str, listed: &[Arc<DataFile>]) -> BTreeMap<String, HiddenRows> {
        let path = self.path(table);
        let stored = match replaced_file::read(self.disk.as_ref(), &path, u64::MAX) {
            Ok(None) => return BTreeMap::new(),
            Ok(Some(bytes)) => serde_json::from_slice::<Stored>(&bytes).map_err(io::Error::from),
            Err(error) => Err(error),
        };
        let stored = match stored {
            Ok(stored) if stored.version == VERSION => stored,
            Ok(stored) => {
                tracing::warn!("{} has version {} and is not used", path.display(), stored.version);
                return BTreeMap::new();
            }
            Err(error) => {
                tracing::warn!("{} cannot be read, so that files are read instead: {error}", path.display());
                return BTreeMap::new();
            }
        };
        let listed: HashSet<&str> = listed.iter().map(|file| file.path.as_str()).collect();
        let Stored { looked_for, files, .. } = stored;
        let files = files.into_iter().filter(|(path, _)| listed.contains(path.as_str()));
        files.filter_map(|(path, number)| Some((path, looked_for.get(number)?.clone()))).collect()
    }

    fn path(&self, table: &str) -> PathBuf {
        self.folder.join(format!("{table}.clean"))
    }
}

const VERSION: u32 = 1;
