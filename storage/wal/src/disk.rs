//! The file system as the WAL uses it: few operations, each of which simulation can make fail.
//!
//! Nothing here is durable before it is synced: written bytes and a grown length by [`DiskFile::sync_data`], names by
//! [`Disk::sync_dir`].

use std::fmt::Debug;
use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::mpsc::Receiver;

/// A file of a folder, as [`Disk::list`] names it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct DirEntry {
    /// Name within the folder.
    pub name: String,
    /// Length in bytes.
    pub bytes: u64,
}

/// A file system. Every method may fail with the error of the operating system.
pub trait Disk: Debug + Send + Sync {
    /// Makes a folder and its parents, durably; a folder that exists is fine.
    ///
    /// # Errors
    /// Those of the file system.
    fn create_dir_all(&self, dir: &Path) -> io::Result<()>;

    /// The plain files of a folder, in no particular order; names that are not UTF-8 and folders are left out.
    ///
    /// # Errors
    /// Those of the file system; `NotFound` where there is no such folder.
    fn list(&self, dir: &Path) -> io::Result<Vec<DirEntry>>;

    /// The folders within a folder, in no particular order; names that are not UTF-8 are left out.
    ///
    /// # Errors
    /// Those of the file system; `NotFound` where there is no such folder.
    fn list_dirs(&self, dir: &Path) -> io::Result<Vec<String>>;

    /// Removes a folder with all that is in it; a power loss may leave any part of it.
    ///
    /// # Errors
    /// Those of the file system; `NotFound` where there is no such folder.
    fn remove_dir_all(&self, dir: &Path) -> io::Result<()>;

    /// Makes an empty file, or empties the one of that name, and opens it for reading and writing.
    ///
    /// # Errors
    /// Those of the file system.
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;

    /// Opens a file for reading and writing.
    ///
    /// # Errors
    /// Those of the file system; `NotFound` where there is no such file.
    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;

    /// Opens a file for reading only, so that nothing can change it.
    ///
    /// # Errors
    /// Those of the file system; `NotFound` where there is no such file.
    fn open_read_only(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;

    /// Gives a file another name in one step, replacing a file that has it.
    ///
    /// # Errors
    /// Those of the file system.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// Those of the file system; `NotFound` where there is no such file.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Makes the names in a folder durable: files made, renamed and removed so far.
    ///
    /// # Errors
    /// Those of the file system.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;

    /// Bytes that this process may still use on the file system of `dir`.
    ///
    /// # Errors
    /// Those of the file system.
    fn free_bytes(&self, dir: &Path) -> io::Result<u64>;

    /// Begins to make a file of so many zeros that are written and synced, on a thread of its own, and tells when it is
    /// there. A failure leaves nothing behind. `None` where this disk has no threads of its own.
    fn make_zeroed(&self, _path: PathBuf, _bytes: u64) -> Option<Receiver<io::Result<()>>> {
        None
    }

    /// A number that nobody can foresee: it marks the blocks of one life of a file, so that nothing that a sender
    /// puts into a payload can pass for a block.
    ///
    /// # Errors
    /// Those of the source of randomness.
    fn random(&self) -> io::Result<u64>;
}

/// An open file. Positions are given with each call; there is no cursor.
pub trait DiskFile: Debug + Send + Sync {
    /// Length in bytes.
    ///
    /// # Errors
    /// Those of the file system.
    fn len_bytes(&self) -> io::Result<u64>;

    /// Reads at a position; fewer bytes than asked for mean that the file ends there, and only that.
    ///
    /// # Errors
    /// Those of the file system.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Writes the parts one after the other from a position on, and returns how many bytes it took: perhaps fewer than
    /// given, and then the caller goes on from there. An error means that this call wrote nothing.
    ///
    /// # Errors
    /// Those of the file system.
    fn write_at(&self, parts: &[IoSlice<'_>], offset: u64) -> io::Result<usize>;

    /// Gives the file at least this length with its space reserved, so that writes within it need no more space. New
    /// bytes read as zero. A longer file stays as it is.
    ///
    /// # Errors
    /// Those of the file system; `StorageFull` where the space is not there.
    fn preallocate(&self, bytes: u64) -> io::Result<()>;

    /// Makes written bytes durable, and as much of the metadata as reading them needs (fdatasync).
    ///
    /// # Errors
    /// Those of the file system. After an error it is unknown what of the unsynced bytes has reached the disk, and a
    /// second call may report success without writing them.
    fn sync_data(&self) -> io::Result<()>;
}

/// True for an error that says that the disk, or this user's quota of it, is full.
pub(crate) fn is_no_space(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
