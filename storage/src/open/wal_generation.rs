//! Generations of WALs: which set of shards' WALs is in force. A change of the shard count writes a new set in a folder
//! of its own. The file `layout` is pointed to it in one step, so that a crash in between leaves the old set in force.
//!
//! | path below the data folder | what |
//! |---|---|
//! | `wal/layout` | JSON: `{"generation": 1, "shards": 2}` |
//! | `wal/0001/shard-0000/` | segments of shard 0 of generation 1 |

use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use zonelake_schemas::ShardId;
use zonelake_wal::{Disk, DiskFile};

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
    /// Reads the generation in force and makes its name durable; `None` in a folder that has none yet. A process that
    /// was killed between naming the file and syncing the folder may have left a name that is only in memory.
    pub(super) fn adopt(disk: &dyn Disk, wal: &Path) -> Result<Option<Self>, WalGenerationError> {
        let generation = Self::read(disk, wal)?;
        if generation.is_some() {
            disk.sync_dir(wal).map_err(|source| WalGenerationError { path: wal.into(), source })?;
        }
        Ok(generation)
    }

    /// Reads the generation in force without changing anything; `None` in a folder that has none yet.
    ///
    /// # Errors
    /// The file is there and cannot be read, or is not what [`WalGeneration`] writes.
    pub fn read(disk: &dyn Disk, wal: &Path) -> Result<Option<Self>, WalGenerationError> {
        let path = wal.join(FILE);
        let failed = |source| WalGenerationError { path: path.clone(), source };
        match read_whole(disk, &path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|error| failed(error.into())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed(error)),
        }
    }

    /// Puts this generation in force: durable when it returns.
    pub(super) fn write(&self, disk: &dyn Disk, wal: &Path) -> Result<(), WalGenerationError> {
        // Written under another name and renamed once synced: a reader meets the old file or the new one, never half of
        // one.
        let written = wal.join("layout.new");
        let result = (|| {
            let file = disk.create(&written)?;
            write_whole(file.as_ref(), serde_json::to_string(self)?.as_bytes())?;
            file.sync_data()?;
            disk.rename(&written, &wal.join(FILE))?;
            disk.sync_dir(wal)
        })();
        result.map_err(|source| WalGenerationError { path: written, source })
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

fn read_whole(disk: &dyn Disk, path: &Path) -> io::Result<Vec<u8>> {
    let file = disk.open_read_only(path)?;
    let mut bytes = vec![0; FILE_BYTES_MAX];
    let read = file.read_at(&mut bytes, 0)?;
    bytes.truncate(read);
    Ok(bytes)
}

fn write_whole(file: &dyn DiskFile, mut bytes: &[u8]) -> io::Result<()> {
    let mut offset = 0;
    while !bytes.is_empty() {
        let written = file.write_at(&[IoSlice::new(bytes)], offset)?;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        bytes = &bytes[written..];
        offset += written as u64;
    }
    Ok(())
}

/// Most bytes read of the file: two numbers in JSON are far shorter.
const FILE_BYTES_MAX: usize = 4096;
/// Name of the file, below the folder of all WALs.
const FILE: &str = "layout";

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
