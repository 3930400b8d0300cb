//! The disk in memory, its open files, and the faults that it is told to have.

use std::io::{self, IoSlice};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::disk::{DirEntry, Disk, DiskFile};
use crate::memory_disk::inode::Inode;
use crate::memory_disk::state::State;

/// The disk in memory. Clones are the same disk.
#[derive(Debug, Clone)]
pub struct MemoryDisk {
    state: Arc<Mutex<State>>,
}

impl MemoryDisk {
    /// An empty disk without a limit; the seed decides what tears and what is lost.
    pub fn new(seed: u64) -> Self {
        Self { state: Arc::new(Mutex::new(State::new(seed))) }
    }

    /// Another disk with the same content, durable and not, and the same faults to come.
    pub fn copy(&self) -> Self {
        Self { state: Arc::new(Mutex::new(self.state().clone())) }
    }

    /// Sets the sum of the lengths of all files at which the disk is full.
    pub fn set_capacity_bytes(&self, bytes: u64) {
        self.state().capacity_bytes = bytes;
    }

    /// Sets whether writes may take fewer bytes than they are given.
    pub fn set_short_writes(&self, short: bool) {
        self.state().short_writes = short;
    }

    /// Lets one write fail with this error, after this many that succeed; it writes nothing.
    pub fn fail_write_after(&self, writes: u64, kind: io::ErrorKind) {
        self.state().write_failure = Some((writes, kind));
    }

    /// Lets one sync of a file or folder fail, after this many that succeed. Of what it should have made durable, some
    /// is and some is not; a later sync of the same file does not make up for it, although programs still see it.
    pub fn fail_sync_after(&self, syncs: u64) {
        self.state().sync_failure = Some(syncs);
    }

    /// Cuts the power in the middle of an operation that changes something, after this many such operations. From then on
    /// every operation fails, until [`Self::restore_power`].
    pub fn cut_power_after(&self, operations: u64) {
        self.state().power_cut = Some(operations);
    }

    /// Cuts the power now.
    pub fn cut_power(&self) {
        self.state().lose_power();
    }

    /// Turns the power on again. Files that were open before stay unusable, as their program is gone.
    pub fn restore_power(&self) {
        let mut state = self.state();
        state.powered = true;
        state.power_cut = None;
    }

    /// True while the power is on.
    pub fn is_powered(&self) -> bool {
        self.state().powered
    }

    /// Content of a file as programs see it; `None` where there is none.
    pub fn read(&self, path: &Path) -> Option<Vec<u8>> {
        let state = self.state();
        state.names.get(path).map(|inode| state.inodes[*inode].seen().to_vec())
    }

    /// Replaces a file's content, durably, as a failing medium or a careless operator would.
    pub fn plant(&self, path: &Path, content: Vec<u8>) {
        let mut state = self.state();
        let inode = state.inodes.len();
        state.inodes.push(Inode::durable(content));
        state.names.insert(path.to_owned(), inode);
        state.durable_names.insert(path.to_owned(), inode);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Disk for MemoryDisk {
    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.check_power()?;
        state.dirs.extend(dir.ancestors().map(Path::to_owned));
        Ok(())
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<DirEntry>> {
        let state = self.state();
        state.check_power()?;
        state.check_dir(dir)?;
        let files = state.names.iter().filter(|(path, _)| path.parent() == Some(dir));
        Ok(files
            .filter_map(|(path, inode)| {
                let name = path.file_name()?.to_str()?.to_owned();
                Some(DirEntry { name, bytes: state.inodes[*inode].seen().len() as u64 })
            })
            .collect())
    }

    fn list_dirs(&self, dir: &Path) -> io::Result<Vec<String>> {
        let state = self.state();
        state.check_power()?;
        state.check_dir(dir)?;
        let dirs = state.dirs.iter().filter(|path| path.parent() == Some(dir));
        Ok(dirs.filter_map(|path| Some(path.file_name()?.to_str()?.to_owned())).collect())
    }

    fn remove_dir_all(&self, dir: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.check_dir(dir)?;
        let files: Vec<_> = state.names.keys().filter(|path| path.starts_with(dir)).cloned().collect();
        for path in files {
            state.change(|state| state.rename_inode(Some(&path), None))?;
        }
        state.change(|state| state.dirs.retain(|path| !path.starts_with(dir)))
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let mut state = self.state();
        state.check_dir(path.parent().unwrap_or(Path::new("")))?;
        let fresh = state.inodes.len();
        // An emptied file is a new one here: the medium may keep the old one under this name until the folder is synced.
        state.inodes.push(Inode::default());
        state.change(|state| state.rename_inode(None, Some((path, fresh))))?;
        Ok(self.handle(&state, fresh, true))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let state = self.state();
        state.check_power()?;
        Ok(self.handle(&state, state.inode_of(path)?, true))
    }

    fn open_read_only(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let state = self.state();
        state.check_power()?;
        Ok(self.handle(&state, state.inode_of(path)?, false))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state();
        let inode = state.inode_of(from)?;
        state.change(|state| state.rename_inode(Some(from), Some((to, inode))))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.inode_of(path)?;
        state.change(|state| state.rename_inode(Some(path), None))
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.check_dir(dir)?;
        state.sync(|state, whole| state.sync_names(dir, whole))
    }

    fn free_bytes(&self, _dir: &Path) -> io::Result<u64> {
        let state = self.state();
        state.check_power()?;
        Ok(state.free_bytes())
    }

    fn random(&self) -> io::Result<u64> {
        let mut state = self.state();
        state.check_power()?;
        Ok(state.rng.next())
    }
}

impl MemoryDisk {
    fn handle(&self, state: &State, inode: usize, writable: bool) -> Box<dyn DiskFile> {
        Box::new(MemoryFile { disk: self.clone(), inode, life: state.life, writable })
    }
}

/// An open file of the disk in memory.
#[derive(Debug)]
struct MemoryFile {
    disk: MemoryDisk,
    inode: usize,
    /// Number of the time between two losses of power in which the file was opened.
    life: u64,
    writable: bool,
}

impl MemoryFile {
    fn state(&self) -> io::Result<MutexGuard<'_, State>> {
        let state = self.disk.state();
        state.check_power()?;
        if state.life != self.life {
            return Err(io::Error::other("the file was opened before the power was lost"));
        }
        Ok(state)
    }

    fn state_for_writing(&self) -> io::Result<MutexGuard<'_, State>> {
        if !self.writable {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        self.state()
    }
}

impl DiskFile for MemoryFile {
    fn len_bytes(&self) -> io::Result<u64> {
        Ok(self.state()?.inodes[self.inode].seen().len() as u64)
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let state = self.state()?;
        let seen = state.inodes[self.inode].seen();
        let rest = seen.get(index(offset)..).unwrap_or_default();
        let bytes = rest.len().min(buffer.len());
        buffer[..bytes].copy_from_slice(&rest[..bytes]);
        Ok(bytes)
    }

    fn write_at(&self, parts: &[IoSlice<'_>], offset: u64) -> io::Result<usize> {
        let mut state = self.state_for_writing()?;
        let mut bytes = parts.iter().flat_map(|part| part.iter().copied()).collect::<Vec<_>>();
        if let Some((left, kind)) = state.write_failure {
            state.write_failure = left.checked_sub(1).map(|left| (left, kind));
            if left == 0 {
                return Err(kind.into());
            }
        }
        if state.short_writes && bytes.len() > 1 {
            let taken = 1 + state.rng.below(bytes.len());
            bytes.truncate(taken);
        }
        let end = offset + bytes.len() as u64;
        state.check_space(self.inode, end)?;
        let inode = self.inode;
        state.change(|state| state.inodes[inode].write(index(offset), &bytes))?;
        Ok(bytes.len())
    }

    fn preallocate(&self, bytes: u64) -> io::Result<()> {
        let mut state = self.state_for_writing()?;
        state.check_space(self.inode, bytes)?;
        let inode = self.inode;
        state.change(|state| state.inodes[inode].lengthen(index(bytes)))
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.state_for_writing()?;
        let inode = self.inode;
        state.sync(|state, whole| match whole {
            true => state.inodes[inode].sync(),
            false => state.inodes[inode].tear(&mut state.rng),
        })
    }
}

/// A position as an index into memory.
fn index(offset: u64) -> usize {
    usize::try_from(offset).expect("files in memory are smaller than memory")
}
