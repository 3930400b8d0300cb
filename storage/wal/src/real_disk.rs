//! The machine's file system.

use std::fs::{self, File, OpenOptions};
use std::io::{self, IoSlice, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

use rustix::fs::FallocateFlags;
use rustix::io::Errno;

use crate::disk::{DirEntry, Disk, DiskFile};

/// Maximum number of parts that one call of the system takes (`IOV_MAX` of Linux).
const PARTS_MAX: usize = 1024;

/// Zeros that are written at a time where a file system cannot reserve space.
const ZEROS_BYTES: usize = 1 << 20;

/// Pause after each of them where a file is made while others are synced: the disk is theirs first.
const ZEROS_PAUSE: Duration = Duration::from_millis(3);

/// The machine's file system.
#[derive(Debug, Clone, Copy, Default)]
pub struct RealDisk;

impl Disk for RealDisk {
    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        let parent = dir.parent().filter(|parent| !parent.as_os_str().is_empty());
        if dir.is_dir() {
            // A process that was killed between making it and syncing its parent has left its name in memory only.
            return match self.sync_dir(parent.unwrap_or(Path::new("."))) {
                // What this user may not read, somebody else has made.
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
                synced => synced,
            };
        }
        if let Some(parent) = parent {
            self.create_dir_all(parent)?;
        }
        // Another process may have made it in the meantime.
        match fs::create_dir(dir) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        // The name of a folder is durable once its parent is synced; the parents came first.
        self.sync_dir(parent.unwrap_or(Path::new(".")))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<DirEntry>> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            let metadata = entry.metadata()?;
            if let (true, Ok(name)) = (metadata.is_file(), entry.file_name().into_string()) {
                entries.push(DirEntry { name, bytes: metadata.len() });
            }
        }
        Ok(entries)
    }

    fn list_dirs(&self, dir: &Path) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            if let (true, Ok(name)) = (entry.file_type()?.is_dir(), entry.file_name().into_string()) {
                names.push(name);
            }
        }
        Ok(names)
    }

    fn remove_dir_all(&self, dir: &Path) -> io::Result<()> {
        fs::remove_dir_all(dir)
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(path)?;
        Ok(Box::new(RealFile { file }))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        Ok(Box::new(RealFile { file }))
    }

    fn open_read_only(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(RealFile { file: File::open(path)? }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        File::open(dir)?.sync_all()
    }

    fn free_bytes(&self, dir: &Path) -> io::Result<u64> {
        let volume = rustix::fs::statvfs(dir)?;
        Ok(volume.f_bavail.saturating_mul(volume.f_frsize))
    }

    fn make_zeroed(&self, path: PathBuf, bytes: u64) -> Option<Receiver<io::Result<()>>> {
        let (done, made) = sync_channel(1);
        let make = move || {
            let result = make_zeroed(&path, bytes);
            if result.is_err() {
                // Best effort: the error of the write is the one to report, and the next open removes what is left.
                fs::remove_file(&path).ok();
            }
            // A WAL that was closed meanwhile removes the file when it is opened again.
            done.send(result).ok();
        };
        std::thread::Builder::new().name("log-spare".into()).spawn(make).ok().map(|_| made)
    }

    fn random(&self) -> io::Result<u64> {
        let mut bytes = [0; 8];
        // The salt must not be predictable, so a seeded generator will not do.
        File::open("/dev/urandom")?.read_exact(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }
}

/// An open file of the machine.
#[derive(Debug)]
struct RealFile {
    file: File,
}

impl DiskFile for RealFile {
    fn len_bytes(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.file.read_at(&mut buffer[filled..], offset + filled as u64) {
                // Only the end of the file may make a read short: callers take a short read for that.
                Ok(0) => break,
                Ok(bytes) => filled += bytes,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }

    fn write_at(&self, parts: &[IoSlice<'_>], offset: u64) -> io::Result<usize> {
        loop {
            match rustix::io::pwritev(&self.file, &parts[..parts.len().min(PARTS_MAX)], offset) {
                Err(Errno::INTR) => {}
                result => return Ok(result?),
            }
        }
    }

    fn preallocate(&self, bytes: u64) -> io::Result<()> {
        let present = self.len_bytes()?;
        // A file is never shortened: behind the wanted length may be blocks.
        if present >= bytes {
            return Ok(());
        }
        loop {
            match rustix::fs::fallocate(&self.file, FallocateFlags::empty(), 0, bytes) {
                Err(Errno::INTR) => {}
                // Not every file system can reserve space.
                Err(Errno::OPNOTSUPP | Errno::NOSYS) => return write_zeros(&self.file, present, bytes),
                result => return Ok(result?),
            }
        }
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }
}

/// Writes a file of zeros. Each part is synced before the next, so that no other sync has to wait for much of it.
fn make_zeroed(path: &Path, bytes: u64) -> io::Result<()> {
    let file = RealFile { file: File::options().write(true).create(true).truncate(true).open(path)? };
    // Reserved first, so that a full disk shows before a megabyte is written.
    file.preallocate(bytes)?;
    let zeros = vec![0; ZEROS_BYTES];
    let mut offset = 0;
    while offset < bytes {
        let part = usize::try_from(bytes - offset).map_or(ZEROS_BYTES, |rest| rest.min(ZEROS_BYTES));
        file.file.write_all_at(&zeros[..part], offset)?;
        file.sync_data()?;
        offset += part as u64;
        std::thread::sleep(ZEROS_PAUSE);
    }
    Ok(())
}

/// Reserves space where the file system has no call for it.
fn write_zeros(file: &File, from: u64, to: u64) -> io::Result<()> {
    let zeros = vec![0; ZEROS_BYTES];
    let mut offset = from;
    while offset < to {
        let bytes = usize::try_from(to - offset).map_or(ZEROS_BYTES, |rest| rest.min(ZEROS_BYTES));
        file.write_all_at(&zeros[..bytes], offset)?;
        offset += bytes as u64;
    }
    Ok(())
}
