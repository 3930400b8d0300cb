//! A disk whose syncs take their time and are counted.

use std::io::{self, IoSlice};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use zonelake_wal::{DirEntry, Disk, DiskFile, RealDisk};

/// The real disk, each sync of which takes `sync_time` more.
#[derive(Debug, Clone)]
pub(crate) struct SlowDisk {
    pub sync_time: Duration,
    pub syncs: Arc<AtomicU64>,
}

#[derive(Debug)]
struct SlowFile {
    file: Box<dyn DiskFile>,
    disk: SlowDisk,
}

impl SlowDisk {
    pub(crate) fn new(sync_time: Duration) -> Self {
        Self { sync_time, syncs: Arc::default() }
    }

    fn file(&self, file: io::Result<Box<dyn DiskFile>>) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(SlowFile { file: file?, disk: self.clone() }))
    }
}

impl Disk for SlowDisk {
    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        RealDisk.create_dir_all(dir)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<DirEntry>> {
        RealDisk.list(dir)
    }

    fn list_dirs(&self, dir: &Path) -> io::Result<Vec<String>> {
        RealDisk.list_dirs(dir)
    }

    fn remove_dir_all(&self, dir: &Path) -> io::Result<()> {
        RealDisk.remove_dir_all(dir)
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        self.file(RealDisk.create(path))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        self.file(RealDisk.open(path))
    }

    fn open_read_only(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        self.file(RealDisk.open_read_only(path))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        RealDisk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        RealDisk.remove(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        RealDisk.sync_dir(dir)
    }

    fn free_bytes(&self, dir: &Path) -> io::Result<u64> {
        RealDisk.free_bytes(dir)
    }

    fn random(&self) -> io::Result<u64> {
        RealDisk.random()
    }
}

impl DiskFile for SlowFile {
    fn len_bytes(&self) -> io::Result<u64> {
        self.file.len_bytes()
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file.read_at(buffer, offset)
    }

    fn write_at(&self, parts: &[IoSlice<'_>], offset: u64) -> io::Result<usize> {
        self.file.write_at(parts, offset)
    }

    fn preallocate(&self, bytes: u64) -> io::Result<()> {
        self.file.preallocate(bytes)
    }

    fn sync_data(&self) -> io::Result<()> {
        std::thread::sleep(self.disk.sync_time);
        self.disk.syncs.fetch_add(1, Ordering::Relaxed);
        self.file.sync_data()
    }
}
