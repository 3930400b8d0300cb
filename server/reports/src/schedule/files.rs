//! The folder of files of scheduled reports.
//!
//! Paths are `[FOLDER/]SCHEDULE-yyyymmddThhmm.ENDING` by the local time at which the report was due, and `…Thhmm-2.ENDING` where the first one
//! was made while the clock was ahead; files of a station stand in a folder of that name. A file is durable under its name, or not there: it
//! is synced under another one before.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};
use zonelake_registry::{ReportFile, ReportSchedule};
use zonelake_schemas::error::ErrorKind;
use zonelake_wal::{Disk, RealDisk};

use super::definition::{ScheduleDef, local};
use crate::error::ReportError;
use crate::report::MadeContent;

/// The folder of files.
#[derive(Debug, Clone)]
pub struct ReportFolder {
    root: PathBuf,
}

/// What a file is, compared with the digest of what was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileState {
    /// Byte by byte what was made.
    Unchanged,
    /// Other bytes, with this digest.
    Changed(String),
    /// Not there.
    Missing,
    /// It is there and cannot be read.
    Unreadable(String),
}

impl ReportFolder {
    /// The folder at a path. It is made with the first file.
    pub fn new(root: PathBuf) -> Self {
        Self { root }
    }

    /// The path.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Checks that the disk has room for so many bytes beside those that must stay free.
    ///
    /// # Errors
    /// Where it has not.
    pub fn check_room(&self, bytes: u64, free_bytes_min: u64) -> Result<(), ReportError> {
        let there = self.root.ancestors().find(|folder| folder.is_dir()).unwrap_or(&self.root);
        let message = match RealDisk.free_bytes(there) {
            Ok(free) if free >= free_bytes_min.saturating_add(bytes) => return Ok(()),
            Ok(free) => format!(
                "the disk of {} is nearly full: {free} bytes are free, and {free_bytes_min} must stay so beside the {bytes} that are to be written; make room, remove old files (`zonelake report prune`), or set another folder (the setting `reports`)",
                self.root.display()
            ),
            Err(error) => format!("the free space of {} is unknown: {error}", self.root.display()),
        };
        Err(ReportError::new(ErrorKind::Retry, message))
    }

    /// Writes the files of a run, durably. Files of an attempt that was cut off are replaced.
    ///
    /// # Errors
    /// Where one cannot be written.
    pub fn write(
        &self,
        schedule: &ReportSchedule,
        number: u32,
        def: &ScheduleDef,
        content: &MadeContent,
    ) -> Result<Vec<ReportFile>, ReportError> {
        let due = local(schedule.due_us).ok_or_else(|| ReportError::failed("the report is due at no time"))?;
        let folder = def.folder.as_ref().map(|folder| format!("{folder}/")).unwrap_or_default();
        let again = if number > 0 { format!("-{}", number.saturating_add(1)) } else { String::new() };
        let base = format!("{folder}{}-{}{again}", schedule.name, due.format("%Y%m%dT%H%M"));
        match content {
            MadeContent::Whole(bytes) => Ok(vec![self.write_file(format!("{base}.{}", def.format.ending()), bytes)?]),
            MadeContent::StationFiles { files, .. } => {
                // An attempt that was cut off may have written files that this one does not.
                let of_run = self.root.join(&base);
                match fs::remove_dir_all(&of_run) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(cannot_write(&of_run, &error)),
                    _ => {}
                }
                let written =
                    files.iter().map(|(name, text)| self.write_file(format!("{base}/{name}"), text.as_bytes()));
                written.collect()
            }
        }
    }

    fn write_file(&self, path: String, bytes: &[u8]) -> Result<ReportFile, ReportError> {
        let target = self.root.join(&path);
        write_durably(&self.root, &target, bytes).map_err(|error| cannot_write(&target, &error))?;
        let sha256 = HEXLOWER.encode(&Sha256::digest(bytes));
        Ok(ReportFile { path, sha256, bytes: bytes.len() as u64, removed_us: None })
    }

    /// True where [`remove`](Self::remove) removes a file.
    pub fn may_remove(&self, file: &ReportFile) -> bool {
        matches!(self.compare(file), FileState::Unchanged | FileState::Missing)
    }

    /// Removes a file that is what was made; true where it is gone then. One that was changed stays: it shows that it was.
    ///
    /// # Errors
    /// Where it cannot be removed.
    pub fn remove(&self, file: &ReportFile) -> Result<bool, ReportError> {
        let path = self.root.join(&file.path);
        match self.compare(file) {
            FileState::Missing => return Ok(true),
            FileState::Unchanged => {}
            FileState::Changed(_) | FileState::Unreadable(_) => return Ok(false),
        }
        let removed = fs::remove_file(&path);
        removed.map_err(|error| {
            ReportError::new(ErrorKind::Retry, format!("cannot remove {}: {error}", path.display()))
        })?;
        // A folder of a run that is empty now. One that has more stays.
        if let Some(folder) = path.parent().filter(|folder| *folder != self.root) {
            fs::remove_dir(folder).ok();
        }
        Ok(true)
    }

    /// Compares a file with what was made.
    pub fn compare(&self, file: &ReportFile) -> FileState {
        match digest_of(&self.root.join(&file.path)) {
            Ok(digest) if digest == file.sha256 => FileState::Unchanged,
            Ok(digest) => FileState::Changed(digest),
            Err(error) if error.kind() == io::ErrorKind::NotFound => FileState::Missing,
            Err(error) => FileState::Unreadable(error.to_string()),
        }
    }
}

/// SHA-256 of a file, in hexadecimal.
///
/// # Errors
/// Where it cannot be read.
pub fn digest_of(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut hash = Sha256::new();
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        match file.read(&mut piece)? {
            0 => return Ok(HEXLOWER.encode(&hash.finalize())),
            bytes => hash.update(&piece[..bytes]),
        }
    }
}

fn cannot_write(path: &Path, error: &io::Error) -> ReportError {
    ReportError::new(ErrorKind::Retry, format!("cannot write {}: {error}", path.display()))
}

fn write_durably(root: &Path, target: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = target.parent().unwrap_or(root);
    fs::create_dir_all(folder)?;
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    let partial = folder.join(format!(".{name}.partial"));
    let written = File::create(&partial).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    if let Err(error) = written.and_then(|()| fs::rename(&partial, target)) {
        // On a full disk it would take room until the next attempt.
        fs::remove_file(&partial).ok();
        return Err(error);
    }
    // Folders that were made just now are in their parents, up to the one that was there.
    let made = folder.ancestors().take_while(|above| above.starts_with(root)).chain(root.parent());
    made.filter(|above| !above.as_os_str().is_empty()).try_for_each(|above| File::open(above)?.sync_all())
}

const PIECE_BYTES: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::report::{Format, Language};
    use crate::schedule::RelativePeriod;

    fn schedule() -> (ReportSchedule, ScheduleDef) {
        let schedule = ReportSchedule {
            name: "monthly".into(),
            author: "@local".into(),
            declaration: String::new(),
            created_us: 0,
            // 06:00 on 1 November 2026 in Viet Nam.
            due_us: 1_793_487_600_000_000,
            attempts: 0,
            failing_since_us: None,
            error: None,
        };
        let def = ScheduleDef {
            cron: "0 6 1 * *".into(),
            report: "energy".into(),
            zone: None,
            province: Some("ha-tinh".into()),
            device: None,
            period: RelativePeriod::LastMonth,
            format: Format::Csv,
            language: Language::En,
            folder: Some("to/agency".into()),
        };
        (schedule, def)
    }

    #[test]
    fn a_file_is_kept_with_its_digest_and_every_change_of_it_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let reports = ReportFolder::new(folder.path().join("reports"));
        let (schedule, def) = schedule();
        let written = reports.write(&schedule, 0, &def, &MadeContent::Whole(b"abc".to_vec())).unwrap();
        let file = &written[0];
        assert_eq!(file.path, "to/agency/monthly-20261101T0600.csv");
        // The example of FIPS 180-4.
        assert_eq!(file.sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!((file.bytes, reports.compare(file)), (3, FileState::Unchanged));
        let path = reports.root().join(&file.path);
        fs::write(&path, b"abd").unwrap();
        assert!(matches!(reports.compare(file), FileState::Changed(_)));
        fs::remove_file(&path).unwrap();
        assert_eq!(reports.compare(file), FileState::Missing);
        fs::create_dir(&path).unwrap();
        assert!(matches!(reports.compare(file), FileState::Unreadable(_)));
    }

    #[test]
    fn files_of_a_station_have_a_folder_of_their_run() {
        let folder = tempfile::tempdir().unwrap();
        let reports = ReportFolder::new(folder.path().to_path_buf());
        let (schedule, def) = schedule();
        let files = BTreeMap::from([("A_1.txt".to_owned(), "a".to_owned()), ("A_2.txt".to_owned(), "b".to_owned())]);
        let content = MadeContent::StationFiles { files, nothing: String::new() };
        let def = ScheduleDef { folder: None, ..def };
        // What an attempt that was cut off has left.
        let of_run = reports.root().join("monthly-20261101T0600");
        fs::create_dir(&of_run).unwrap();
        fs::write(of_run.join("A_0.txt"), "z").unwrap();
        let written = reports.write(&schedule, 0, &def, &content).unwrap();
        let paths: Vec<&str> = written.iter().map(|file| file.path.as_str()).collect();
        assert_eq!(paths, ["monthly-20261101T0600/A_1.txt", "monthly-20261101T0600/A_2.txt"]);
        assert!(written.iter().all(|file| reports.compare(file) == FileState::Unchanged));
    }

    #[test]
    fn what_is_removed_on_purpose_is_what_was_made() {
        let folder = tempfile::tempdir().unwrap();
        let reports = ReportFolder::new(folder.path().to_path_buf());
        let (schedule, def) = schedule();
        let text = |text: &str| MadeContent::Whole(text.as_bytes().to_vec());
        let kept = reports.write(&schedule, 0, &def, &text("abc")).unwrap().remove(0);
        let again = reports.write(&schedule, 1, &def, &text("abcd")).unwrap().remove(0);
        assert_eq!(again.path, "to/agency/monthly-20261101T0600-2.csv", "both of them stay");
        fs::write(reports.root().join(&again.path), "x").unwrap();
        assert!(reports.may_remove(&kept) && !reports.may_remove(&again));
        assert!(!reports.remove(&again).unwrap(), "it was changed");
        assert!(reports.remove(&kept).unwrap() && reports.remove(&kept).unwrap(), "it is gone already");
        assert_eq!(reports.compare(&kept), FileState::Missing);
        assert!(matches!(reports.compare(&again), FileState::Changed(_)));
    }

    #[test]
    fn a_disk_without_room_is_told_with_what_to_do_and_leaves_no_part_of_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let reports = ReportFolder::new(folder.path().join("is/made/later"));
        reports.check_room(0, 0).unwrap();
        let error = reports.check_room(7, u64::MAX / 2).unwrap_err();
        assert!(error.kind == ErrorKind::Retry && error.message.contains("report prune"), "{error}");
        let (schedule, def) = schedule();
        // A folder stands where the file would be.
        let path = reports.root().join("to/agency/monthly-20261101T0600.csv");
        fs::create_dir_all(&path).unwrap();
        let error = reports.write(&schedule, 0, &def, &MadeContent::Whole(b"abc".to_vec())).unwrap_err();
        assert!(error.message.starts_with("cannot write"), "{error}");
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "no part of it is left");
    }
}
