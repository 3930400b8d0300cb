//! A file system in memory that behaves as badly as a real one may: it loses power, tears writes, fails and fills up when told
//! to, and always in the same way for the same seed.
//!
//! It keeps two states of everything: what programs see, and what is on the medium. A sync carries the one over to the other.
//! At a loss of power the medium is all that is left, and of what was not synced some is there and some is not: each 512-byte
//! sector of a write, each length, and each name of a folder for itself.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::disk::{DirEntry, Disk, DiskFile};

mod inode;

use inode::{Chance, Inode};

/// The disk in memory. Clones are the same disk.
#[derive(Debug, Clone)]
pub struct MemoryDisk {
    state: Arc<Mutex<State>>,
}

impl MemoryDisk {
    /// An empty disk without a limit; the seed decides what tears and what is lost.
    pub fn new(seed: u64) -> Self {
        let state = State { chance: Chance::new(seed), capacity_bytes: u64::MAX, ..State::default() };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    /// Another disk with the same content, durable and not, and the same faults to come.
    pub fn copy(&self) -> Self {
        Self { state: Arc::new(Mutex::new(self.state().clone())) }
    }

    /// Sets the sum of the lengths of all files at which the disk is full.
    pub fn set_capacity_bytes(&self, bytes: u64) {
        self.state().capacity_bytes = bytes;
    }

    /// Whether writes may take fewer bytes than they are given.
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

    /// Whether the power is on.
    pub fn is_powered(&self) -> bool {
        self.state().powered
    }

    /// What programs see of a file; `None` where there is none.
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
        Ok(state.chance.next())
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
    /// The time between two losses of power in which it was opened.
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
            let taken = 1 + state.chance.below(bytes.len());
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
            false => state.inodes[inode].tear(&mut state.chance),
        })
    }
}

/// One change of a folder's names, which happens as a whole or not at all.
#[derive(Debug, Clone)]
struct NameChange {
    removed: Option<PathBuf>,
    added: Option<(PathBuf, usize)>,
}

impl NameChange {
    fn is_in(&self, dir: &Path) -> bool {
        let paths = self.removed.iter().chain(self.added.iter().map(|(path, _)| path));
        paths.into_iter().any(|path| path.parent() == Some(dir))
    }

    fn apply(&self, names: &mut BTreeMap<PathBuf, usize>) {
        if let Some(path) = &self.removed {
            names.remove(path);
        }
        if let Some((path, inode)) = &self.added {
            names.insert(path.clone(), *inode);
        }
    }
}

#[derive(Debug, Clone)]
struct State {
    chance: Chance,
    dirs: BTreeSet<PathBuf>,
    inodes: Vec<Inode>,
    names: BTreeMap<PathBuf, usize>,
    durable_names: BTreeMap<PathBuf, usize>,
    name_changes: Vec<NameChange>,
    capacity_bytes: u64,
    short_writes: bool,
    write_failure: Option<(u64, io::ErrorKind)>,
    sync_failure: Option<u64>,
    power_cut: Option<u64>,
    powered: bool,
    life: u64,
}

impl Default for State {
    fn default() -> Self {
        Self {
            chance: Chance::new(0),
            dirs: BTreeSet::new(),
            inodes: Vec::new(),
            names: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            name_changes: Vec::new(),
            capacity_bytes: u64::MAX,
            short_writes: false,
            write_failure: None,
            sync_failure: None,
            power_cut: None,
            powered: true,
            life: 0,
        }
    }
}

impl State {
    /// Makes a change, in the midst of which the power may go.
    fn change(&mut self, change: impl FnOnce(&mut Self)) -> io::Result<()> {
        self.check_power()?;
        change(self);
        match self.power_cut {
            Some(0) => self.lose_power(),
            Some(left) => self.power_cut = Some(left - 1),
            None => {}
        }
        self.check_power()
    }

    /// Makes something durable: all of it, or where this sync is to fail, what chance decides.
    fn sync(&mut self, sync: impl FnOnce(&mut Self, bool)) -> io::Result<()> {
        let failure = self.sync_failure;
        self.sync_failure = failure.and_then(|left| left.checked_sub(1));
        if failure == Some(0) {
            self.change(|state| sync(state, false))?;
            return Err(io::Error::other("the medium failed"));
        }
        if self.power_cut == Some(0) && self.chance.coin() {
            return self.change(|_| ());
        }
        self.change(|state| sync(state, true))
    }

    fn lose_power(&mut self) {
        self.powered = false;
        self.power_cut = None;
        self.life += 1;
        let dirs = self.dirs.clone();
        for dir in &dirs {
            self.sync_names(dir, false);
        }
        self.names = self.durable_names.clone();
        self.name_changes.clear();
        let Self { inodes, chance, .. } = self;
        for inode in inodes {
            inode.tear(chance);
            inode.forget();
        }
    }

    fn rename_inode(&mut self, from: Option<&Path>, to: Option<(&Path, usize)>) {
        let added = to.map(|(path, inode)| (path.to_owned(), inode));
        let change = NameChange { removed: from.map(Path::to_owned), added };
        change.apply(&mut self.names);
        self.name_changes.push(change);
    }

    /// Carries the changes of a folder's names over to the medium: all of them, or each as chance decides. What did not
    /// get there may do so later, since file systems keep a journal of names or stop.
    fn sync_names(&mut self, dir: &Path, whole: bool) {
        for change in std::mem::take(&mut self.name_changes) {
            if change.is_in(dir) && (whole || self.chance.coin()) {
                change.apply(&mut self.durable_names);
            } else {
                self.name_changes.push(change);
            }
        }
    }

    fn check_power(&self) -> io::Result<()> {
        if self.powered { Ok(()) } else { Err(io::Error::other("the power is off")) }
    }

    fn check_dir(&self, dir: &Path) -> io::Result<()> {
        if self.dirs.contains(dir) { Ok(()) } else { Err(io::ErrorKind::NotFound.into()) }
    }

    fn check_space(&self, inode: usize, bytes: u64) -> io::Result<()> {
        let more = bytes.saturating_sub(self.inodes[inode].seen().len() as u64);
        if more > self.free_bytes() { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    fn free_bytes(&self) -> u64 {
        let used = self.names.values().map(|inode| self.inodes[*inode].seen().len() as u64).sum();
        self.capacity_bytes.saturating_sub(used)
    }

    fn inode_of(&self, path: &Path) -> io::Result<usize> {
        self.names.get(path).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

/// A position as an index into memory.
fn index(offset: u64) -> usize {
    usize::try_from(offset).expect("files in memory are smaller than memory")
}
