//! Whose spool a folder is. `spool.toml` says which stream of batches it belongs to and its epoch; `lock` is held by the
//! process that forwards from it.

use std::fs::{self, File, TryLockError};
use std::io::{ErrorKind, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};
use zonelake_schemas::Epoch;

use super::error::{SpoolError, at};

/// Content of `spool.toml`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Identity {
    pub(crate) version: u32,
    pub(crate) producer: String,
    pub(crate) table: String,
    pub(crate) encoding: String,
    pub(crate) epoch: u64,
}

/// Takes a folder, which is made where it is missing. A new one gets `wanted.epoch`; one that is there keeps its own, since
/// the numbers in it belong to that.
pub(crate) fn take(folder: &Path, wanted: &Identity) -> Result<(File, Epoch), SpoolError> {
    make_folder(folder)?;
    let lock_path = folder.join("lock");
    let lock = File::options().create(true).truncate(false).write(true).open(&lock_path).map_err(at(&lock_path))?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(SpoolError::InUse(folder.into())),
        Err(TryLockError::Error(source)) => return Err(at(lock_path)(source)),
    }
    let path = folder.join("spool.toml");
    if !path.exists() {
        write_durably(&path, toml::to_string(wanted).expect("it is a table of plain values").as_bytes())?;
        return Ok((lock, Epoch(wanted.epoch)));
    }
    // A process that was killed between naming the file and syncing the folder has left a name in memory only. Batches are sent under
    // this epoch from now on, so it must be the one after a loss of power.
    sync_folder(folder)?;
    let other = |found: String| SpoolError::OtherIdentity { path: folder.into(), found, wanted: words(wanted) };
    let found = read(folder)?;
    if (Identity { epoch: wanted.epoch, ..found.clone() }) != *wanted {
        return Err(other(words(&found)));
    }
    Ok((lock, Epoch(found.epoch)))
}

/// Whose spool a folder is.
pub(crate) fn read(folder: &Path) -> Result<Identity, SpoolError> {
    let path = folder.join("spool.toml");
    let text = fs::read_to_string(&path).map_err(at(&path))?;
    toml::from_str(&text).map_err(|error| SpoolError::OtherIdentity {
        path: folder.into(),
        found: format!("an unknown form ({error})"),
        wanted: "that of a spool".into(),
    })
}

/// Writes a small file so that it is either there as a whole or as it was before.
pub(crate) fn write_durably(path: &Path, bytes: &[u8]) -> Result<(), SpoolError> {
    let new_path = path.with_extension("new");
    let mut file = File::create(&new_path).map_err(at(&new_path))?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(at(&new_path))?;
    fs::rename(&new_path, path).map_err(at(path))?;
    sync_folder(path.parent().unwrap_or(Path::new(".")))
}

/// Makes a folder, durably where this user may read the one that holds it; one that is there is fine.
pub(crate) fn make_folder(folder: &Path) -> Result<(), SpoolError> {
    let is_there = folder.is_dir();
    fs::create_dir_all(folder).map_err(at(folder))?;
    let parent = folder.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match sync_folder(parent) {
        // It was made by somebody else then.
        Err(SpoolError::Io { source, .. }) if is_there && source.kind() == ErrorKind::PermissionDenied => Ok(()),
        synced => synced,
    }
}

/// Makes the names in a folder durable.
pub(crate) fn sync_folder(folder: &Path) -> Result<(), SpoolError> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(at(folder))
}

fn words(identity: &Identity) -> String {
    format!("producer {:?}, table {:?}, encoding {}", identity.producer, identity.table, identity.encoding)
}
