//! The data folder: made durably, and held by one process.

use std::fs::{File, TryLockError};
use std::io::ErrorKind;
use std::path::Path;

use crate::open::error::OpenError;

/// Makes a folder, and those above it, durably.
pub(super) fn create_folder(path: &Path) -> Result<(), OpenError> {
    let failed = |source| OpenError::Folder { path: path.into(), source };
    // The last one is looked at also where it is there: a process that was killed may have left its name in memory only.
    let is_there = path.exists();
    let mut made = if is_there { vec![path] } else { Vec::new() };
    let mut missing = path;
    while !missing.exists() {
        made.push(missing);
        let Some(parent) = missing.parent().filter(|parent| !parent.as_os_str().is_empty()) else { break };
        missing = parent;
    }
    std::fs::create_dir_all(path).map_err(failed)?;
    // A folder survives a power loss once the folder that holds its name is synced.
    for folder in made {
        let parent = folder.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        match File::open(parent).and_then(|parent| parent.sync_all()) {
            // What this user may not read, somebody else has made.
            Err(error) if is_there && error.kind() == ErrorKind::PermissionDenied => {}
            synced => synced.map_err(failed)?,
        }
    }
    Ok(())
}

/// Locks a data folder until the file that is returned is dropped, so that one process at a time has it.
///
/// # Errors
/// `InUse` where another process has it, `Folder` where the lock cannot be made.
pub fn lock_folder(folder: &Path) -> Result<File, OpenError> {
    let path = folder.join("lock");
    let failed = |source| OpenError::Folder { path: path.clone(), source };
    let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse(folder.into())),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}
