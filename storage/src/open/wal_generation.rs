//! Generations of WALs: which set of shards' WALs is in force. A change of the shard count writes a new set in a folder
//! of its own. The file `layout` is pointed to it in one step, so that a crash in between leaves the old set in force.
//!
//! | path below the data folder | what |
//! |---|---|
//! | `wal/layout` | JSON: `{"generation": 1, "shards": 2}` |
//! | `wal/0001/shard-0000/` | segments of shard 0 of generation 1 |

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use zonelake_schemas::ShardId;
use zonelake_wal::{Disk, replaced_file};

/// The set of WALs in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WalGeneration {
    /// Number of the set, growing with each change of the shard count.
    pub generation: u32,
    /// Shards in it.
    pub shards: u16,
}

/// The file of the generation in force cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {source}")]
pub struct WalGenerationError {
    /// File or folder.
    path: PathBuf,
    /// Cause.
    source: io::Error,
}

impl WalGeneration {
    /// Reads the generation in force and makes its name durable; `None` in a folder that has none yet.
    pub(super) fn adopt(disk: &dyn Disk, wal: &Path) -> Result<Option<Self>, WalGenerationError> {
        let path = wal.join(FILE);
        let bytes = replaced_file::adopt(disk, &path, FILE_BYTES_MAX);
        Self::from_file(path, bytes)
    }

    /// Reads the generation in force without changing anything; `None` in a folder that has none yet.
    ///
    /// # Errors
    /// The file is there and cannot be read, or is not what [`WalGeneration`] writes.
    pub fn read(disk: &dyn Disk, wal: &Path) -> Result<Option<Self>, WalGenerationError> {
        let path = wal.join(FILE);
        let bytes = replaced_file::read(disk, &path, FILE_BYTES_MAX);
        Self::from_file(path, bytes)
    }

    fn from_file(path: PathBuf, read: io::Result<Option<Vec<u8>>>) -> Result<Option<Self>, WalGenerationError> {
        let parsed = read.and_then(|bytes| Ok(bytes.map(|bytes| serde_json::from_slice(&bytes)).transpose()?));
        parsed.map_err(|source| WalGenerationError { path, source })
    }

    /// Puts this generation in force: durable when it returns.
    pub(super) fn write(&self, disk: &dyn Disk, wal: &Path) -> Result<(), WalGenerationError> {
        let path = wal.join(FILE);
        let written = serde_json::to_string(self).map_err(io::Error::from);
        let written =
            written.and_then(|json| replaced_file::replace(disk, &path, json.as_bytes()).map_err(io::Error::from));
        written.map_err(|source| WalGenerationError { path, source })
    }

    /// Folder of the WALs.
    pub fn folder(&self, wal: &Path) -> PathBuf {
        wal.join(format!("{:04}", self.generation))
    }

    /// Folder of one shard's WAL.
    pub fn shard_folder(&self, wal: &Path, shard: ShardId) -> PathBuf {
        self.folder(wal).join(format!("shard-{:04}", shard.0))
    }

    /// Shards of the set.
    pub fn shard_ids(&self) -> impl Iterator<Item = ShardId> + use<> {
        (0..self.shards).map(ShardId)
    }

    /// Removes the folders of other generations: what a change of the shard count has left behind.
    pub(super) fn remove_others(&self, disk: &dyn Disk, wal: &Path) -> Result<(), WalGenerationError> {
        let own = self.folder(wal);
        let names = disk.list_dirs(wal).map_err(|source| WalGenerationError { path: wal.into(), source })?;
        for path in names.into_iter().map(|name| wal.join(name)).filter(|path| *path != own) {
            disk.remove_dir_all(&path).map_err(|source| WalGenerationError { path, source })?;
        }
        Ok(())
    }
}

/// Name of the file, below the folder of all WALs.
const FILE: &str = "layout";
/// Most bytes read of it: some numbers in JSON are far shorter.
const FILE_BYTES_MAX: u64 = 4096;

#[cfg(test)]
mod tests {
    use std::fs;

    use zonelake_wal::RealDisk;

    use super::*;

    #[test]
    fn a_layout_reads_back_and_others_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(WalGeneration::read(&RealDisk, folder.path()).unwrap(), None);
        let generation = WalGeneration { generation: 2, shards: 3 };
        generation.write(&RealDisk, folder.path()).unwrap();
        assert_eq!(WalGeneration::read(&RealDisk, folder.path()).unwrap(), Some(generation));
        fs::create_dir(folder.path().join("0001")).unwrap();
        fs::create_dir(folder.path().join("0002")).unwrap();
        generation.remove_others(&RealDisk, folder.path()).unwrap();
        assert!(!folder.path().join("0001").exists());
        assert!(folder.path().join("0002").exists());
    }

    #[test]
    fn a_damaged_layout_is_named() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(FILE), "{").unwrap();
        assert!(WalGeneration::read(&RealDisk, folder.path()).unwrap_err().to_string().contains("layout"));
    }
}
