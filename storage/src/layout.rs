//! Which set of shard logs is in force. A change of the shard count writes a new set in a folder of its own and then
//! points the file `layout` to it in one step, so that a crash in between leaves the old set in force.
//!
//! | path below the data folder | what |
//! |---|---|
//! | `wal/layout` | JSON: `{"generation": 1, "shards": 2}` |
//! | `wal/0001/shard-0000/` | segments of shard 0 of generation 1 |

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use zonelake_schemas::ShardId;

/// The set of shard logs in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Layout {
    /// Number of the set, growing with each change of the shard count.
    pub generation: u32,
    /// Shards in it.
    pub shards: u16,
}

/// The layout's file cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {source}")]
pub struct LayoutError {
    /// File or folder.
    path: PathBuf,
    /// Cause.
    source: io::Error,
}

impl Layout {
    /// Reads the layout in force; `None` in a folder that has none yet.
    pub fn read(wal: &Path) -> Result<Option<Self>, LayoutError> {
        let path = wal.join(FILE);
        let failed = |source| LayoutError { path: path.clone(), source };
        match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|error| failed(error.into())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed(error)),
        }
    }

    /// Puts this layout in force: durable when it returns.
    pub fn write(&self, wal: &Path) -> Result<(), LayoutError> {
        let written = wal.join("layout.new");
        let result = (|| {
            let mut file = File::create(&written)?;
            file.write_all(serde_json::to_string(self)?.as_bytes())?;
            file.sync_all()?;
            fs::rename(&written, wal.join(FILE))?;
            File::open(wal)?.sync_all()
        })();
        result.map_err(|source| LayoutError { path: written, source })
    }

    /// Folder of its logs.
    pub fn folder(&self, wal: &Path) -> PathBuf {
        wal.join(format!("{:04}", self.generation))
    }

    /// Folder of one shard's log.
    pub fn shard_folder(&self, wal: &Path, shard: ShardId) -> PathBuf {
        self.folder(wal).join(format!("shard-{:04}", shard.0))
    }

    /// Its shards.
    pub fn shard_ids(&self) -> impl Iterator<Item = ShardId> + use<> {
        (0..self.shards).map(ShardId)
    }

    /// Removes the folders of other generations: what a change of the shard count has left behind.
    pub fn remove_others(&self, wal: &Path) -> Result<(), LayoutError> {
        let own = self.folder(wal);
        let entries = fs::read_dir(wal).map_err(|source| LayoutError { path: wal.into(), source })?;
        for entry in entries {
            let path = entry.map_err(|source| LayoutError { path: wal.into(), source })?.path();
            if path.is_dir() && path != own {
                fs::remove_dir_all(&path).map_err(|source| LayoutError { path, source })?;
            }
        }
        Ok(())
    }
}

const FILE: &str = "layout";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layout_reads_back_and_others_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Layout::read(folder.path()).unwrap(), None);
        let layout = Layout { generation: 2, shards: 3 };
        layout.write(folder.path()).unwrap();
        assert_eq!(Layout::read(folder.path()).unwrap(), Some(layout));
        fs::create_dir(folder.path().join("0001")).unwrap();
        fs::create_dir(folder.path().join("0002")).unwrap();
        layout.remove_others(folder.path()).unwrap();
        assert!(!folder.path().join("0001").exists());
        assert!(folder.path().join("0002").exists());
    }

    #[test]
    fn a_damaged_layout_is_named() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(FILE), "{").unwrap();
        assert!(Layout::read(folder.path()).unwrap_err().to_string().contains("layout"));
    }
}
