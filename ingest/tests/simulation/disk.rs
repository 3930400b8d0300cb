//! The disk below the logs: the disk in memory of `zonelake-wal`, which loses power, tears writes, fails and fills up,
//! and over it what that one does not do: the death of the process in the midst of something, and planted bugs.

use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use zonelake_wal::{DirEntry, Disk, DiskFile, MemoryDisk};

use crate::bug::Bug;

#[derive(Debug, Clone)]
pub(crate) struct SimDisk {
    pub memory: MemoryDisk,
    bug: Option<Bug>,
    process: Arc<Mutex<Process>>,
}

#[derive(Debug, Default)]
struct Process {
    /// Operations that change something before the process is killed in the midst of one.
    killed_after: Option<u64>,
    dead: bool,
}

impl SimDisk {
    pub(crate) fn new(seed: u64, bug: Option<Bug>) -> Self {
        Self { memory: MemoryDisk::new(seed), bug, process: Arc::default() }
    }

    /// Kills the process after so many operations that change something.
    pub(crate) fn kill_after(&self, operations: u64) {
        self.process().killed_after = Some(operations);
    }

    /// No fault is to come.
    pub(crate) fn calm(&self) {
        self.process().killed_after = None;
        self.memory.restore_power();
        self.memory.fail_sync_after(u64::MAX);
        self.memory.fail_write_after(u64::MAX, io::ErrorKind::Other);
        self.memory.set_capacity_bytes(u64::MAX);
    }

    /// True while process or power is gone.
    pub(crate) fn is_dead(&self) -> bool {
        self.process().dead || !self.memory.is_powered()
    }

    /// A new process begins, with the power on.
    pub(crate) fn begin_process(&self) {
        *self.process() = Process::default();
        if !self.memory.is_powered() {
            self.memory.restore_power();
        }
    }

    fn process(&self) -> MutexGuard<'_, Process> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn check(&self) -> io::Result<()> {
        if self.process().dead { Err(io::Error::other("the process is gone")) } else { Ok(()) }
    }

    fn change<T>(&self, change: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        self.check()?;
        let result = change();
        let mut process = self.process();
        match process.killed_after {
            Some(0) => process.dead = true,
            Some(left) => process.killed_after = Some(left - 1),
            None => {}
        }
        drop(process);
        self.check().and(result)
    }

    fn wrap(&self, file: Box<dyn DiskFile>) -> Box<dyn DiskFile> {
        Box::new(SimFile { file, disk: self.clone() })
    }

    /// Planted: another segment goes with this one.
    fn take_the_next_segment_too(&self, gone: &Path) -> io::Result<()> {
        if self.bug != Some(Bug::TruncatesTooEarly) || !is_segment(gone) {
            return Ok(());
        }
        let dir = gone.parent().expect("a segment is in a folder");
        let mut left: Vec<PathBuf> = self.memory.list(dir)?.into_iter().map(|entry| dir.join(entry.name)).collect();
        left.retain(|path| is_segment(path));
        left.sort();
        if let [next, _, ..] = left.as_slice() {
            self.memory.remove(next)?;
        }
        Ok(())
    }
}

fn is_segment(path: &Path) -> bool {
    path.file_name()
        .and_then(|name| name.to_str())
        .is_some_and(|name| name.starts_with("segment-") && name.ends_with(".wal"))
}

impl Disk for SimDisk {
    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        self.change(|| self.memory.create_dir_all(dir))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<DirEntry>> {
        self.check()?;
        self.memory.list(dir)
    }

    fn list_dirs(&self, dir: &Path) -> io::Result<Vec<String>> {
        self.check()?;
        self.memory.list_dirs(dir)
    }

    fn remove_dir_all(&self, dir: &Path) -> io::Result<()> {
        self.change(|| self.memory.remove_dir_all(dir))
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        self.change(|| self.memory.create(path)).map(|file| self.wrap(file))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        self.check()?;
        self.memory.open(path).map(|file| self.wrap(file))
    }

    fn open_read_only(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        self.check()?;
        self.memory.open_read_only(path).map(|file| self.wrap(file))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        if self.bug == Some(Bug::LaterCheckpointsDropped)
            && to.ends_with("state.checkpoint")
            && self.memory.read(to).is_some()
        {
            return self.change(|| self.memory.remove(from));
        }
        self.change(|| self.memory.rename(from, to))?;
        self.take_the_next_segment_too(from)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.change(|| self.memory.remove(path))?;
        self.take_the_next_segment_too(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        if self.bug == Some(Bug::FolderSyncDropped) {
            return self.check();
        }
        self.change(|| self.memory.sync_dir(dir))
    }

    fn free_bytes(&self, dir: &Path) -> io::Result<u64> {
        self.check()?;
        self.memory.free_bytes(dir)
    }

    fn random(&self) -> io::Result<u64> {
        self.check()?;
        self.memory.random()
    }
}

#[derive(Debug)]
struct SimFile {
    file: Box<dyn DiskFile>,
    disk: SimDisk,
}

impl DiskFile for SimFile {
    fn len_bytes(&self) -> io::Result<u64> {
        self.disk.check()?;
        self.file.len_bytes()
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.disk.check()?;
        self.file.read_at(buffer, offset)
    }

    fn write_at(&self, parts: &[IoSlice<'_>], offset: u64) -> io::Result<usize> {
        self.disk.change(|| self.file.write_at(parts, offset))
    }

    fn preallocate(&self, bytes: u64) -> io::Result<()> {
        self.disk.change(|| self.file.preallocate(bytes))
    }

    fn sync_data(&self) -> io::Result<()> {
        if self.disk.bug == Some(Bug::FileSyncDropped) {
            return self.disk.check();
        }
        self.disk.change(|| self.file.sync_data())
    }
}
