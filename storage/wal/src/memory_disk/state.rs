//! The whole disk in memory: its files and names, as programs see them and as the medium has them, and how they change.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use crate::memory_disk::inode::Inode;
use crate::memory_disk::rng::Rng;

/// The two states of a disk and the faults to come.
#[derive(Debug, Clone)]
pub(super) struct State {
    pub(super) rng: Rng,
    pub(super) dirs: BTreeSet<PathBuf>,
    pub(super) inodes: Vec<Inode>,
    pub(super) names: BTreeMap<PathBuf, usize>,
    pub(super) durable_names: BTreeMap<PathBuf, usize>,
    name_changes: Vec<NameChange>,
    pub(super) capacity_bytes: u64,
    pub(super) short_writes: bool,
    pub(super) write_failure: Option<(u64, io::ErrorKind)>,
    pub(super) sync_failure: Option<u64>,
    pub(super) power_cut: Option<u64>,
    pub(super) powered: bool,
    pub(super) life: u64,
}

impl State {
    /// An empty disk without a limit.
    pub(super) fn new(seed: u64) -> Self {
        Self {
            rng: Rng::new(seed),
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

    /// Makes a change, in the midst of which the power may go.
    pub(super) fn change(&mut self, change: impl FnOnce(&mut Self)) -> io::Result<()> {
        self.check_power()?;
        change(self);
        match self.power_cut {
            Some(0) => self.lose_power(),
            Some(left) => self.power_cut = Some(left - 1),
            None => {}
        }
        self.check_power()
    }

    /// Makes something durable: all of it, or where this sync is to fail, what the random numbers decide.
    pub(super) fn sync(&mut self, sync: impl FnOnce(&mut Self, bool)) -> io::Result<()> {
        let failure = self.sync_failure;
        self.sync_failure = failure.and_then(|left| left.checked_sub(1));
        if failure == Some(0) {
            self.change(|state| sync(state, false))?;
            return Err(io::Error::other("the medium failed"));
        }
        if self.power_cut == Some(0) && self.rng.coin() {
            return self.change(|_| ());
        }
        self.change(|state| sync(state, true))
    }

    pub(super) fn lose_power(&mut self) {
        self.powered = false;
        self.power_cut = None;
        self.life += 1;
        let dirs = self.dirs.clone();
        for dir in &dirs {
            self.sync_names(dir, false);
        }
        self.names = self.durable_names.clone();
        // A folder that was being removed is back with the files that are.
        self.dirs
            .extend(self.names.keys().filter_map(|path| path.parent()).flat_map(Path::ancestors).map(Path::to_owned));
        self.name_changes.clear();
        let Self { inodes, rng, .. } = self;
        for inode in inodes {
            inode.tear(rng);
            inode.forget();
        }
    }

    pub(super) fn rename_inode(&mut self, from: Option<&Path>, to: Option<(&Path, usize)>) {
        let added = to.map(|(path, inode)| (path.to_owned(), inode));
        let change = NameChange { removed: from.map(Path::to_owned), added };
        change.apply(&mut self.names);
        self.name_changes.push(change);
    }

    /// Carries the changes of a folder's names over to the medium: all of them, or each as the random numbers decide. What did not
    /// get there may do so later, since file systems keep a journal of names or stop.
    pub(super) fn sync_names(&mut self, dir: &Path, whole: bool) {
        for change in std::mem::take(&mut self.name_changes) {
            if change.is_in(dir) && (whole || self.rng.coin()) {
                change.apply(&mut self.durable_names);
            } else {
                self.name_changes.push(change);
            }
        }
    }

    pub(super) fn check_power(&self) -> io::Result<()> {
        if self.powered { Ok(()) } else { Err(io::Error::other("the power is off")) }
    }

    pub(super) fn check_dir(&self, dir: &Path) -> io::Result<()> {
        if self.dirs.contains(dir) { Ok(()) } else { Err(io::ErrorKind::NotFound.into()) }
    }

    pub(super) fn check_space(&self, inode: usize, bytes: u64) -> io::Result<()> {
        let more = bytes.saturating_sub(self.inodes[inode].seen().len() as u64);
        if more > self.free_bytes() { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    pub(super) fn free_bytes(&self) -> u64 {
        let used = self.names.values().map(|inode| self.inodes[*inode].seen().len() as u64).sum();
        self.capacity_bytes.saturating_sub(used)
    }

    pub(super) fn inode_of(&self, path: &Path) -> io::Result<usize> {
        self.names.get(path).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
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
