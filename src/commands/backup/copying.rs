//! A file copied durably, with its length and digest.

use std::fs::{self, File};
use std::hash::Hasher;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use twox_hash::XxHash3_64;

use super::manifest::FileEntry;

/// Copies a file with its rights, or its first bytes where `bytes` says how many. Its bytes are durable when this returns; its name is so once
/// [`sync_folders`] has run.
pub(super) fn copy_file(from: &Path, to: &Path, bytes: Option<u64>) -> io::Result<FileEntry> {
    let mut source = File::open(from)?;
    if let Some(parent) = to.parent() {
        fs::create_dir_all(parent)?;
    }
    // What is there may be a link to a file of another back-up, which must not be written through.
    match fs::remove_file(to) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut target = File::create_new(to)?;
    target.set_permissions(source.metadata()?.permissions())?;
    let mut limited = (&mut source).take(bytes.unwrap_or(u64::MAX));
    let entry = read_through(&mut limited, |piece| target.write_all(piece))?;
    if bytes.is_some_and(|bytes| bytes != entry.bytes) {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    target.sync_all()?;
    Ok(entry)
}

/// Length and digest of a file.
pub(super) fn digest_of(path: &Path) -> io::Result<FileEntry> {
    read_through(&mut File::open(path)?, |_| Ok(()))
}

/// Makes the names in a folder, and in all folders below it, durable.
pub(super) fn sync_folders(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            sync_folders(&path)?;
        }
    }
    File::open(folder)?.sync_all()
}

/// Files below a folder, by their paths in it.
pub(super) fn files_below(folder: &Path) -> io::Result<Vec<String>> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(below) = folders.pop() {
        for entry in fs::read_dir(folder.join(&below))? {
            let entry = entry?;
            let path = below.join(entry.file_name());
            if entry.file_type()?.is_dir() {
                folders.push(path);
            } else {
                found.push(path.to_string_lossy().into_owned());
            }
        }
    }
    Ok(found)
}

fn read_through(source: &mut impl Read, mut each: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<FileEntry> {
    let (mut bytes, mut hasher, mut piece) = (0, XxHash3_64::new(), vec![0; PIECE_BYTES]);
    loop {
        let read = match source.read(&mut piece) {
            Ok(0) => return Ok(FileEntry::new(bytes, hasher.finish())),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        hasher.write(&piece[..read]);
        each(&piece[..read])?;
        bytes += read as u64;
    }
}

const PIECE_BYTES: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_has_the_digest_of_its_source_and_a_prefix_that_of_the_prefix() {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let (from, to) = (folder.path().join("a"), folder.path().join("below/b"));
        let bytes: Vec<u8> = [3, 1, 4, 1, 5, 9].into_iter().cycle().take(3 * PIECE_BYTES / 2).collect();
        fs::write(&from, &bytes).expect("it can be written");
        assert_eq!(copy_file(&from, &to, None).expect("copied"), digest_of(&from).expect("read"));
        assert_eq!(fs::read(&to).expect("read"), bytes);
        let part = copy_file(&from, &to, Some(1_000)).expect("copied");
        assert_eq!((part.bytes, fs::read(&to).expect("read")), (1_000, bytes[..1_000].to_vec()));
        let linked = folder.path().join("linked");
        fs::hard_link(&from, &linked).expect("linked");
        copy_file(&to, &linked, None).expect("copied");
        assert_eq!(fs::read(&from).expect("read"), bytes, "a link is not written through");
        fs::remove_file(&linked).expect("removed");
        let error = copy_file(&to, &from, Some(1_001)).expect_err("it is shorter");
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        sync_folders(folder.path()).expect("synced");
        let mut files = files_below(folder.path()).expect("listed");
        files.sort();
        assert_eq!(files, ["a", "below/b"]);
    }
}
