//! The files of a WAL: their names, how a segment is made and how it is released.
//!
//! | name | what |
//! |---|---|
//! | `segment-<id>.wal` | a segment; its header is durable before it has this name |
//! | `segment-<id>.new` | a segment being made; worthless after a crash, and removed by the next open |
//! | `spare-<id>.new` | a spare being made ahead of its use; the same |
//! | `state.checkpoint` | the state that the caller keeps beside its records |
//! | `state.new` | a checkpoint being written; worthless after a crash, and removed by the next open |
//! | `spare-<id>.wal` | a released segment, kept with its space for later use; its content is worthless |
//! | `aside-<id>.wal` | records that are set aside of a segment, where the caller's checkpoint names it; else left over |
//! | `aside-<id>.new` | the same being written; worthless after a crash, and removed by the next open |
//!
//! Ids are written with 20 decimal digits. Files of other names are ignored.

use std::io::IoSlice;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError};

use zonelake_schemas::{Lsn, ShardId};

use crate::disk::{Disk, DiskFile, is_no_space};
use crate::error::WalError;
use crate::format::{BLOCK_HEADER_BYTES, SEGMENT_HEADER_BYTES, SegmentHeader, VERSION};
use crate::segment::{LogFile, OpenSegment};
use crate::segment_context::SegmentContext;
use crate::segment_id::SegmentId;

/// Role of a file in the folder, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FileRole {
    Segment(SegmentId),
    Unfinished,
    Spare(SegmentId),
    Aside(SegmentId),
    Checkpoint,
    Unknown,
}

impl FileRole {
    fn from_name(name: &str) -> Self {
        let id = |digits: &str| {
            // Only the form that this code writes: `parse` would take a sign and other lengths too.
            let plain = digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit());
            digits.parse().ok().filter(|_| plain).map(SegmentId)
        };
        if let Some(rest) = name.strip_prefix("segment-") {
            if let Some(found) = rest.strip_suffix(".wal").and_then(id) {
                return Self::Segment(found);
            }
            if rest.strip_suffix(".new").and_then(id).is_some() {
                return Self::Unfinished;
            }
        }
        if let Some(rest) = name.strip_prefix("spare-") {
            if let Some(found) = rest.strip_suffix(".wal").and_then(id) {
                return Self::Spare(found);
            }
            if rest.strip_suffix(".new").and_then(id).is_some() {
                return Self::Unfinished;
            }
        }
        if let Some(rest) = name.strip_prefix("aside-") {
            if let Some(found) = rest.strip_suffix(".wal").and_then(id) {
                return Self::Aside(found);
            }
            if rest.strip_suffix(".new").and_then(id).is_some() {
                return Self::Unfinished;
            }
        }
        match name {
            CHECKPOINT_FILE => Self::Checkpoint,
            CHECKPOINT_NEW_FILE => Self::Unfinished,
            _ => Self::Unknown,
        }
    }
}

/// Content of a folder.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    /// Segments by id.
    pub(crate) segments: Vec<LogFile>,
    /// Spares by id.
    pub(crate) spares: Vec<LogFile>,
    /// Files of records that are set aside, by id.
    pub(crate) asides: Vec<LogFile>,
    pub(crate) unfinished: Vec<PathBuf>,
    /// Names that are not the WAL's.
    pub(crate) unknown: Vec<String>,
}

impl Listing {
    pub(crate) fn read(disk: &dyn Disk, dir: &Path) -> Result<Self, WalError> {
        let mut entries = disk.list(dir).map_err(|error| WalError::io("list the folder", dir, error))?;
        // Ids have a fixed width in names, so the order of names is the order of ids.
        entries.sort_unstable();
        let mut listing = Self::default();
        for entry in entries {
            let path = dir.join(&entry.name);
            match FileRole::from_name(&entry.name) {
                FileRole::Segment(id) => listing.segments.push(LogFile { id, path, bytes: entry.bytes }),
                FileRole::Spare(id) => listing.spares.push(LogFile { id, path, bytes: entry.bytes }),
                FileRole::Aside(id) => listing.asides.push(LogFile { id, path, bytes: entry.bytes }),
                FileRole::Unfinished => listing.unfinished.push(path),
                FileRole::Checkpoint => {}
                FileRole::Unknown => listing.unknown.push(entry.name),
            }
        }
        Ok(listing)
    }
}

/// Name of the checkpoint, in the folder of its WAL.
pub const CHECKPOINT_FILE: &str = "state.checkpoint";

/// Name of the file of the records that are set aside of a segment, in the folder of its WAL.
pub fn aside_file(id: SegmentId) -> String {
    format!("aside-{:020}.wal", id.0)
}

/// Name of a checkpoint that is being written.
pub(crate) const CHECKPOINT_NEW_FILE: &str = "state.new";

/// Minimum length that is prepared ahead: a shorter file is made as fast as it is prepared.
const PREPARED_BYTES_MIN: u64 = 1 << 20;

/// A file for a segment that has no segment's name yet, and its present path.
type NamelessFile = (Box<dyn DiskFile>, PathBuf);

/// Makes and recycles the files of one WAL.
#[derive(Debug)]
pub(crate) struct Folder {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) dir: PathBuf,
    pub(crate) shard: ShardId,
    /// What the header of the next segment says of its records.
    pub(crate) context: SegmentContext,
    pub(crate) segment_bytes: u64,
    pub(crate) spare_segments_max: usize,
    /// Spares, oldest first.
    pub(crate) spares: Vec<LogFile>,
    /// File in the making where there is no spare.
    pub(crate) preparing: Option<Preparing>,
}

/// A file that is being made as a spare.
#[derive(Debug)]
pub(crate) struct Preparing {
    path: PathBuf,
    done: Receiver<std::io::Result<()>>,
}

impl Folder {
    pub(crate) fn segment_path(&self, id: SegmentId) -> PathBuf {
        self.dir.join(format!("segment-{:020}.wal", id.0))
    }

    /// Keeps the spares of a listing, removes surplus and unfinished files, and makes the names that are there durable.
    pub(crate) fn keep_spares(&mut self, listing: Listing) -> Result<(), WalError> {
        for path in &listing.unfinished {
            self.remove(path)?;
        }
        let mut spares = listing.spares;
        // The settings may allow fewer spares than before.
        for surplus in spares.drain(self.spare_segments_max.min(spares.len())..) {
            self.remove(&surplus.path)?;
        }
        // Synced also where nothing was removed: a process may have died between naming a segment and syncing the
        // folder, and the name would then be lost with the power.
        self.spares = spares;
        self.sync()
    }

    /// Starts a segment in a spare file or a new one. When this returns, segment and name are durable.
    ///
    /// After [`WalError::NoSpace`] nothing has changed; after another error it is unknown whether the segment exists.
    pub(crate) fn start_segment(&mut self, id: SegmentId, first_lsn: Lsn) -> Result<OpenSegment, WalError> {
        // A new salt for each life of a file: blocks of the earlier life are then not taken for blocks of this one.
        let salt = self.disk.random().map_err(|error| WalError::io("draw a salt for", &self.dir, error))?;
        let (shard, context) = (self.shard, self.context);
        let header = SegmentHeader { version: VERSION, id, first_lsn, salt, shard, context };
        let path = self.segment_path(id);
        let (file, present_path) = match self.take_spare()? {
            Some(spare) => spare,
            None => self.make_file(id)?,
        };
        // The header goes first and the name second, so that a file of a segment's name always has a segment's header.
        if let Err(error) = self.write_header(&*file, &present_path, &header) {
            // Best effort: the first error is the one to report, and the next open removes what is left.
            self.disk.remove(&present_path).ok();
            return Err(error);
        }
        let renamed = self.disk.rename(&present_path, &path);
        renamed.map_err(|error| WalError::io("rename to", &path, error))?;
        self.sync()?;
        Ok(OpenSegment { file, path, header, file_bytes: self.segment_bytes })
    }

    /// Begins to make a file for the segment after `id` whose space is written before its use. Where space is only
    /// reserved, each sync must also log in the file system's journal which part is in use, and sometimes waits long.
    pub(crate) fn prepare_for_next(&mut self, id: SegmentId) {
        // One file ahead is enough: the next one is begun when it is in use.
        if self.segment_bytes < PREPARED_BYTES_MIN || !self.spares.is_empty() || self.preparing.is_some() {
            return;
        }
        let path = self.dir.join(format!("spare-{:020}.new", id.next().0));
        self.preparing = self.disk.make_zeroed(path.clone(), self.segment_bytes).map(|done| Preparing { path, done });
    }

    /// Releases a segment's file: keeps it as a spare, or removes it. The folder is synced each time, so that after a power
    /// loss the oldest segments are the missing ones and never one between others.
    pub(crate) fn retire(&mut self, segment: &LogFile) -> Result<(), WalError> {
        // A segment that was lengthened for one large group has another size, and is removed.
        if self.spares.len() < self.spare_segments_max && segment.bytes == self.segment_bytes {
            let path = self.dir.join(format!("spare-{:020}.wal", segment.id.0));
            let renamed = self.disk.rename(&segment.path, &path);
            renamed.map_err(|error| WalError::io("rename to", &path, error))?;
            self.spares.push(LogFile { id: segment.id, path, bytes: segment.bytes });
        } else {
            self.remove(&segment.path)?;
        }
        self.sync()
    }

    pub(crate) fn remove(&self, path: &Path) -> Result<(), WalError> {
        self.disk.remove(path).map_err(|error| WalError::io("remove", path, error))
    }

    pub(crate) fn sync(&self) -> Result<(), WalError> {
        self.disk.sync_dir(&self.dir).map_err(|error| WalError::io("sync the folder", &self.dir, error))
    }

    /// The error for an attempt that left nothing behind: a full disk has a variant of its own.
    pub(crate) fn space_or_io(
        &self,
        action: &'static str,
        path: &Path,
        needed_bytes: u64,
        error: std::io::Error,
    ) -> WalError {
        if !is_no_space(&error) {
            return WalError::io(action, path, error);
        }
        // Only for the message; 0 says that the file system did not tell.
        let free_bytes = self.disk.free_bytes(&self.dir).unwrap_or(0);
        WalError::NoSpace { path: path.to_owned(), needed_bytes, free_bytes }
    }

    fn take_spare(&mut self) -> Result<Option<NamelessFile>, WalError> {
        if self.spares.is_empty()
            && let Some(path) = self.take_prepared()
        {
            // The thread that wrote the zeros had a handle of its own.
            let opened = self.disk.open(&path).map_err(|error| WalError::io("open", &path, error))?;
            return Ok(Some((opened, path)));
        }
        while let Some(spare) = self.spares.pop() {
            // After a change of the segment size in the settings, spares of the old size are useless.
            if spare.bytes == self.segment_bytes {
                let opened = self.disk.open(&spare.path);
                let file = opened.map_err(|error| WalError::io("open", &spare.path, error))?;
                return Ok(Some((file, spare.path)));
            }
            self.remove(&spare.path)?;
        }
        Ok(None)
    }

    /// The prepared file, if it is finished.
    fn take_prepared(&mut self) -> Option<PathBuf> {
        let done = match self.preparing.as_ref()?.done.try_recv() {
            Err(TryRecvError::Empty) => return None,
            Ok(result) => result.is_ok(),
            Err(TryRecvError::Disconnected) => false,
        };
        // A failure is not reported here: making the segment will then fail too, and give the reason.
        self.preparing.take().filter(|_| done).map(|prepared| prepared.path)
    }

    fn make_file(&self, id: SegmentId) -> Result<NamelessFile, WalError> {
        let path = self.dir.join(format!("segment-{:020}.new", id.0));
        let made = self.disk.create(&path);
        let made = made.and_then(|file| file.preallocate(self.segment_bytes).map(|()| file));
        match made {
            Ok(file) => Ok((file, path)),
            Err(error) => {
                // Best effort: what is left of the attempt would hold space that others need, and the next open removes it.
                self.disk.remove(&path).ok();
                Err(self.space_or_io("make", &path, self.segment_bytes, error))
            }
        }
    }

    fn write_header(&self, file: &dyn DiskFile, path: &Path, header: &SegmentHeader) -> Result<(), WalError> {
        let mut bytes = header.encode();
        // Zeros behind the header say that no block follows.
        bytes.resize(SEGMENT_HEADER_BYTES + BLOCK_HEADER_BYTES, 0);
        write_all_at(file, &mut [IoSlice::new(&bytes)], 0)
            .map_err(|(_, error)| self.space_or_io("write the header of", path, bytes.len() as u64, error))?;
        file.sync_data().map_err(|error| WalError::io("sync", path, error))
    }
}

/// Writes all parts from a position on, in as many calls as the file takes. An error comes with the number of bytes that
/// were written before it.
pub(crate) fn write_all_at(
    file: &dyn DiskFile,
    mut parts: &mut [IoSlice<'_>],
    offset: u64,
) -> Result<(), (u64, std::io::Error)> {
    let mut written = 0;
    // Drops empty parts at the front, which would make a write of nothing look like an error.
    IoSlice::advance_slices(&mut parts, 0);
    while !parts.is_empty() {
        match file.write_at(parts, offset + written) {
            Ok(0) => return Err((written, std::io::ErrorKind::WriteZero.into())),
            Ok(bytes) => {
                written += bytes as u64;
                IoSlice::advance_slices(&mut parts, bytes);
            }
            Err(error) => return Err((written, error)),
        }
    }
    Ok(())
}
