//! Files of a back-up with their lengths and digests: `manifest.json` in its folder.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

/// What a back-up consists of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Manifest {
    /// Version of this format.
    pub(super) version: u32,
    /// Release that has made it.
    pub(super) release: String,
    /// Name of the node.
    pub(super) node: String,
    /// Time at which it was complete, microseconds since 1970, UTC.
    pub(super) taken_us: i64,
    /// Files by their paths in the back-up, which are those in the data folder.
    pub(super) files: BTreeMap<String, FileEntry>,
}

/// One file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct FileEntry {
    /// Length.
    pub(super) bytes: u64,
    /// XXH3-64 of all bytes, 16 hexadecimal digits.
    pub(super) xxh3_64: String,
}

impl FileEntry {
    /// A file of this length and digest.
    pub(super) fn new(bytes: u64, digest: u64) -> Self {
        Self { bytes, xxh3_64: format!("{digest:016x}") }
    }

    /// Whether this is the file that a table lists. One that another program has written has no checksum there.
    pub(super) fn is(&self, bytes: u64, checksum: Option<u64>) -> bool {
        self.bytes == bytes && checksum.is_none_or(|checksum| *self == Self::new(bytes, checksum))
    }
}

impl Manifest {
    /// Reads that of a back-up.
    pub(super) fn read(folder: &Path) -> io::Result<Self> {
        let manifest: Self = serde_json::from_slice(&fs::read(folder.join(MANIFEST_FILE))?)?;
        if manifest.version != MANIFEST_VERSION {
            let what =
                format!("it has version {}, and this release reads version {MANIFEST_VERSION}", manifest.version);
            return Err(io::Error::new(io::ErrorKind::InvalidData, what));
        }
        Ok(manifest)
    }

    /// Writes it; its bytes are durable then.
    pub(super) fn write(&self, folder: &Path) -> io::Result<()> {
        let mut file = File::create(folder.join(MANIFEST_FILE))?;
        file.write_all(serde_json::to_string_pretty(self)?.as_bytes())?;
        file.sync_all()
    }

    /// Bytes of all files.
    pub(super) fn bytes(&self) -> u64 {
        self.files.values().map(|file| file.bytes).sum()
    }
}

/// Name of the file in the folder of a back-up.
pub(super) const MANIFEST_FILE: &str = "manifest.json";
/// Version of the format.
pub(super) const MANIFEST_VERSION: u32 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_reads_back_and_one_of_a_later_format_is_refused() {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let files = [("wal/format".to_owned(), FileEntry::new(7, 0xab))].into();
        let mut manifest =
            Manifest { version: MANIFEST_VERSION, release: "0".into(), node: "n".into(), taken_us: 5, files };
        manifest.write(folder.path()).expect("written");
        assert_eq!(Manifest::read(folder.path()).expect("read"), manifest);
        assert_eq!(manifest.files["wal/format"].xxh3_64, "00000000000000ab");
        manifest.version += 1;
        manifest.write(folder.path()).expect("written");
        assert!(Manifest::read(folder.path()).expect_err("later").to_string().contains("version 2"));
    }

    #[test]
    fn a_file_is_the_listed_one_by_length_and_by_checksum_where_there_is_one() {
        let entry = FileEntry::new(7, 3);
        assert!(entry.is(7, Some(3)) && entry.is(7, None));
        assert!(!entry.is(8, Some(3)) && !entry.is(7, Some(4)));
    }
}
