//! Files that are replaced in one step: a reader meets the old one or the new one, never half of one.
//!
//! A new one is durable once [`replace`] has returned. A process may be killed just before that, when the file has its name and the folder
//! is not synced yet: the next process sees the new one, and a loss of power would bring the old one back. So whoever goes by what such a
//! file says takes it with [`adopt`], which makes durable what it reads, and the absence of a file as well. [`read`] is for those
//! who only look.

use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};

use crate::disk::{Disk, DiskFile};
use crate::folder::write_all_at;

/// A file could not be replaced.
#[derive(Debug)]
pub enum ReplaceError {
    /// The new one could not be written, under another name: the old one is in force.
    Written {
        /// The other name.
        path: PathBuf,
        /// Cause.
        source: io::Error,
    },
    /// It was written; whether it is in force is not known.
    Named(io::Error),
}

impl From<ReplaceError> for io::Error {
    fn from(error: ReplaceError) -> Self {
        match error {
            ReplaceError::Written { source, .. } | ReplaceError::Named(source) => source,
        }
    }
}

/// Replaces a file: durable when this returns. Until then the new one is beside it, with the ending `new`.
///
/// # Errors
/// Those of the file system, and whether the old file is in force.
pub fn replace(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> Result<(), ReplaceError> {
    let written = path.with_extension("new");
    write(disk, &written, bytes).map_err(|source| ReplaceError::Written { path: written.clone(), source })?;
    let named = disk.rename(&written, path).and_then(|()| disk.sync_dir(folder_of(path)));
    named.map_err(ReplaceError::Named)
}

/// Reads a file to go by what it says: what is read, also that there is no file, is what a loss of power leaves. Of a longer
/// file than `bytes_max` that many bytes are read.
///
/// # Errors
/// Those of the file system.
pub fn adopt(disk: &dyn Disk, path: &Path, bytes_max: u64) -> io::Result<Option<Vec<u8>>> {
    adopt_names(disk, folder_of(path))?;
    read(disk, path, bytes_max)
}

/// Makes durable which files a folder has, where there is one: those that are read from now on, and that others are gone.
///
/// # Errors
/// Those of the file system.
pub fn adopt_names(disk: &dyn Disk, folder: &Path) -> io::Result<()> {
    match disk.sync_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        synced => synced,
    }
}

/// Reads a file without changing anything: a loss of power may bring another one back. `None` where there is none.
///
/// # Errors
/// Those of the file system.
pub fn read(disk: &dyn Disk, path: &Path, bytes_max: u64) -> io::Result<Option<Vec<u8>>> {
    let file = match disk.open_read_only(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let length = file.len_bytes()?.min(bytes_max);
    let mut bytes = vec![0; usize::try_from(length).map_err(io::Error::other)?];
    let read = read_all_at(&*file, &mut bytes)?;
    bytes.truncate(read);
    Ok(Some(bytes))
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn write(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let file = disk.create(path)?;
    write_all_at(&*file, &mut [IoSlice::new(bytes)], 0).map_err(|(_, error)| error)?;
    file.sync_data()
}

fn read_all_at(file: &dyn DiskFile, bytes: &mut [u8]) -> io::Result<usize> {
    let mut done = 0;
    while done < bytes.len() {
        match file.read_at(&mut bytes[done..], done as u64)? {
            0 => break,
            read => done += read,
        }
    }
    Ok(done)
}
