//! A small log on the disk in memory.

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use zonelake_schemas::{Lsn, ShardId};
use zonelake_wal::{Disk, MemoryDisk, ReplaySummary, SegmentId, Wal, WalError, WalOptions};

pub(crate) const DIR: &str = "/log";

/// The shortest segments that there are, so that tests roll often.
pub(crate) fn options() -> WalOptions {
    WalOptions { segment_bytes: 8192, ..WalOptions::new(DIR, ShardId(3)) }
}

/// A log as it was opened, with what was replayed.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) wal: Wal,
    pub(crate) summary: ReplaySummary,
    pub(crate) records: Vec<(Lsn, Vec<u8>)>,
}

pub(crate) fn open_with(disk: Arc<dyn Disk>, options: WalOptions) -> Result<Opened, WalError> {
    let mut records = Vec::new();
    let (wal, summary) = Wal::open::<Box<dyn std::error::Error + Send + Sync>>(disk, options, &mut |record| {
        assert!(record.payload.as_ptr().addr().is_multiple_of(8), "payloads are aligned");
        records.push((record.lsn, record.payload.to_vec()));
        Ok(())
    })?;
    assert_eq!(summary.records, records.len() as u64);
    assert_eq!(summary.next_lsn, wal.next_lsn());
    Ok(Opened { wal, summary, records })
}

pub(crate) fn try_open(disk: &MemoryDisk) -> Result<Opened, WalError> {
    open_with(Arc::new(disk.clone()), options())
}

pub(crate) fn open(disk: &MemoryDisk) -> Opened {
    try_open(disk).expect("the log opens")
}

/// The error with which the log refuses to open.
pub(crate) fn refusal(disk: &MemoryDisk) -> WalError {
    try_open(disk).expect_err("the log must not open")
}

/// Where a group stands in its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Placed {
    pub(crate) path: PathBuf,
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) lsn: Lsn,
}

pub(crate) fn segment_path(id: SegmentId) -> PathBuf {
    Path::new(DIR).join(format!("segment-{:020}.wal", id.0))
}

pub(crate) fn try_append(wal: &mut Wal, payloads: &[&[u8]]) -> Result<Placed, WalError> {
    let records = payloads.iter().map(std::slice::from_ref).collect::<Vec<_>>();
    if wal.must_roll(Wal::group_bytes(&records)) {
        wal.roll()?;
    }
    let before = *wal.current_segment();
    let lsn = wal.append(&records)?;
    let after = wal.current_segment();
    let at = |bytes: u64| usize::try_from(bytes).expect("small");
    Ok(Placed { path: segment_path(before.id), start: at(before.bytes), end: at(after.bytes), lsn })
}

pub(crate) fn append(wal: &mut Wal, payloads: &[&[u8]]) -> Placed {
    try_append(wal, payloads).expect("the group is appended")
}

/// Appends `groups` groups, the n-th of which holds `group n` and `and more of n`, and returns where they stand.
pub(crate) fn append_groups(wal: &mut Wal, groups: usize) -> Vec<Placed> {
    let texts = (0..groups).map(|group| (format!("group {group}"), format!("and more of {group}")));
    texts.map(|(one, two)| append(wal, &[one.as_bytes(), two.as_bytes()])).collect()
}

/// Changes the content of a file, durably.
pub(crate) fn alter(disk: &MemoryDisk, path: &Path, alter: impl FnOnce(&mut Vec<u8>)) {
    let mut content = disk.read(path).expect("the file is there");
    alter(&mut content);
    disk.plant(path, content);
}

/// Makes the checksum of a segment's header right again after a change.
pub(crate) fn seal_header(content: &mut [u8]) {
    let checksum = crc32c::crc32c_append(crc32c::crc32c(&content[..12]), &content[16..4096]);
    content[12..16].copy_from_slice(&checksum.to_le_bytes());
}

/// Makes a segment one of the first version of the format: its blocks are the same, and its header says less.
pub(crate) fn make_first_version(disk: &MemoryDisk, path: &Path) {
    alter(disk, path, |content| {
        content[8] = 1;
        content[42..4096].fill(0);
        seal_header(content);
    });
}

/// Names and contents of all files of the log.
pub(crate) fn files(disk: &MemoryDisk) -> Vec<(String, Vec<u8>)> {
    let mut entries = disk.list(Path::new(DIR)).expect("the folder is there");
    entries.sort();
    let content = |name: &str| disk.read(&Path::new(DIR).join(name)).expect("the file is there");
    entries.into_iter().map(|entry| (entry.name.clone(), content(&entry.name))).collect()
}

/// For replays whose records do not matter.
pub(crate) fn nothing(_: zonelake_wal::ReplayedRecord<'_>) -> Result<(), Infallible> {
    Ok(())
}
