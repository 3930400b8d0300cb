//! The format of a data folder: which releases can read it, and which node it is of.
//!
//! | path below the data folder | what |
//! |---|---|
//! | `wal/format` | JSON: `{"version": 5, "node_number": 81985529216486}` |
//!
//! A folder without the file is of version 1. The file is written before the first thing that an earlier release cannot
//! read, and each release refuses a folder of a later version before it touches anything in it. Version 1 did not know the
//! file: releases of that time refuse the segments of the WAL, of which each shard has one of a later version from the
//! first start of a later release on.
//!
//! | version | what changed |
//! |---|---|
//! | 1 | |
//! | 2 | segments of version 2, records of version 2, a checkpoint beside each WAL, a number for the node |
//! | 3 | files of tables have the identity of their rows, which an earlier release would lose when it merges them |
//! | 4 | records of the WAL may be set aside, which an earlier release would not read |
//! | 5 | there is the table `audit`, which an earlier release would show to every role with a grant of all tables, and take rows for |

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use zonelake_schemas::NodeNumber;
use zonelake_schemas::error::ErrorKind;
use zonelake_wal::{Disk, replaced_file};

/// Version of the data folder that this release writes, and the newest that it reads.
pub const FOLDER_VERSION: u32 = 5;
/// The first version that has the file.
const FIRST_WRITTEN: u32 = 2;

/// The format of a data folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FolderFormat {
    /// Version of the folder, at most [`FOLDER_VERSION`].
    pub version: u32,
    /// Number of the node.
    pub node_number: NodeNumber,
}

/// Reasons why the format of a folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FolderFormatError {
    /// The file cannot be read or written, or is not what [`FolderFormat`] writes.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// Cause.
        source: io::Error,
    },
    /// The folder was written by a later release.
    #[error(
        "{path}: the data folder has format version {found}, and this release reads versions up to {known}: start the newer release"
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Version of the folder.
        found: u32,
        /// Newest version that this release reads.
        known: u32,
    },
}

impl FolderFormatError {
    /// Kind of the error: what the caller can do about it.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::File { .. } => ErrorKind::Corrupt,
            Self::Newer { .. } => ErrorKind::Input,
        }
    }
}

/// The file as it stands on the disk.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    version: u32,
    node_number: u64,
}

/// The part of the file that every version has.
#[derive(Deserialize)]
struct Version {
    version: u32,
}

impl FolderFormat {
    /// Reads the format and makes its name durable; `None` in a folder of version 1, or one that is new.
    pub(super) fn adopt(disk: &dyn Disk, wal: &Path) -> Result<Option<Self>, FolderFormatError> {
        let path = wal.join(FILE);
        let bytes = replaced_file::adopt(disk, &path, FILE_BYTES_MAX);
        Self::from_file(path, bytes)
    }

    /// Reads the format without changing anything; `None` in a folder of version 1, or one that is new.
    ///
    /// # Errors
    /// [`FolderFormatError::Newer`], and [`FolderFormatError::File`] where the file is there and cannot be used.
    pub fn read(disk: &dyn Disk, wal: &Path) -> Result<Option<Self>, FolderFormatError> {
        let path = wal.join(FILE);
        let bytes = replaced_file::read(disk, &path, FILE_BYTES_MAX);
        Self::from_file(path, bytes)
    }

    fn from_file(path: PathBuf, read: io::Result<Option<Vec<u8>>>) -> Result<Option<Self>, FolderFormatError> {
        let failed = |source| FolderFormatError::File { path: path.clone(), source };
        let Some(bytes) = read.map_err(failed)? else { return Ok(None) };
        let Version { version } = serde_json::from_slice(&bytes).map_err(|error| failed(error.into()))?;
        if version > FOLDER_VERSION {
            return Err(FolderFormatError::Newer { path, found: version, known: FOLDER_VERSION });
        }
        let Written { node_number, .. } = serde_json::from_slice(&bytes).map_err(|error| failed(error.into()))?;
        let node_number = NodeNumber(node_number);
        match version >= FIRST_WRITTEN && node_number.is_valid() {
            true => Ok(Some(Self { version, node_number })),
            false => Err(failed(io::Error::new(io::ErrorKind::InvalidData, "no number of a node, or no version"))),
        }
    }

    /// The format of a folder that this release writes.
    pub(super) fn current(node_number: NodeNumber) -> Self {
        Self { version: FOLDER_VERSION, node_number }
    }

    /// Writes the file: durable when it returns.
    pub(super) fn write(&self, disk: &dyn Disk, wal: &Path) -> Result<(), FolderFormatError> {
        let (path, written) = (wal.join(FILE), Written { version: self.version, node_number: self.node_number.0 });
        let json = serde_json::to_string(&written).map_err(io::Error::from);
        let replaced =
            json.and_then(|json| replaced_file::replace(disk, &path, json.as_bytes()).map_err(io::Error::from));
        replaced.map_err(|source| FolderFormatError::File { path, source })
    }
}

/// Name of the file, below the folder of all WALs.
const FILE: &str = "format";
/// Most bytes read of it: some numbers in JSON are far shorter.
const FILE_BYTES_MAX: u64 = 4096;

#[cfg(test)]
mod tests {
    use std::fs;

    use zonelake_wal::RealDisk;

    use super::*;

    #[test]
    fn a_format_reads_back_and_a_folder_without_one_is_of_the_first_version() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(FolderFormat::read(&RealDisk, folder.path()).unwrap(), None);
        for version in [2, FOLDER_VERSION] {
            let format = FolderFormat { version, node_number: NodeNumber(77) };
            format.write(&RealDisk, folder.path()).unwrap();
            assert_eq!(FolderFormat::adopt(&RealDisk, folder.path()).unwrap(), Some(format));
        }
    }

    #[test]
    fn a_folder_of_a_later_version_is_refused_with_both_versions_whatever_else_the_file_says() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(FILE), r#"{"version": 6, "lease": "x"}"#).unwrap();
        let error = FolderFormat::read(&RealDisk, folder.path()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Input);
        let words = "format version 6, and this release reads versions up to 5: start the newer release";
        assert!(error.to_string().contains(words), "{error}");
    }

    #[test]
    fn a_damaged_format_is_named() {
        for content in ["{", r#"{"version": 2, "node_number": 0}"#, r#"{"version": 1, "node_number": 5}"#] {
            let folder = tempfile::tempdir().unwrap();
            fs::write(folder.path().join(FILE), content).unwrap();
            let error = FolderFormat::read(&RealDisk, folder.path()).unwrap_err();
            assert!(error.to_string().contains("format") && error.kind() == ErrorKind::Corrupt, "{error}");
        }
    }
}
