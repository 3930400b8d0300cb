//! What a process that was killed has left: staged files, which nothing lists and nobody else removes.

use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// Removes staged files below a folder that have not been written to for so long. Nobody may write there meanwhile. Returns how many.
///
/// # Errors
/// A folder cannot be read, or a file cannot be removed.
pub fn remove_staged(folder: &Path, age_min: Duration, now: SystemTime) -> io::Result<usize> {
    let mut removed = 0;
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                folders.push(entry.path());
            } else if is_staged(&entry.file_name().to_string_lossy()) {
                // A file of the future is of a clock that was wrong, and stays until that time.
                let age = now.duration_since(entry.metadata()?.modified()?);
                if age.is_ok_and(|age| age >= age_min) {
                    std::fs::remove_file(entry.path())?;
                    removed += 1;
                }
            }
        }
    }
    Ok(removed)
}

/// True for `<name>#<number>`.
fn is_staged(name: &str) -> bool {
    name.rsplit_once('#').is_some_and(|(name, number)| {
        !name.is_empty() && !number.is_empty() && number.bytes().all(|digit| digit.is_ascii_digit())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_old_staged_files_go() {
        let folder = tempfile::tempdir().unwrap();
        let date = folder.path().join("air/date=2026-01-01");
        std::fs::create_dir_all(&date).unwrap();
        for name in ["part-1.parquet", "part-2.parquet#1", "part-3.parquet#", "#1", "part#x"] {
            std::fs::write(date.join(name), "x").unwrap();
        }
        let now = std::fs::metadata(date.join("part-2.parquet#1")).unwrap().modified().unwrap();
        let hour = Duration::from_secs(3_600);
        assert_eq!(remove_staged(folder.path(), hour, now).unwrap(), 0, "it may be written just now");
        assert_eq!(remove_staged(folder.path(), hour, now - hour).unwrap(), 0);
        assert_eq!(remove_staged(folder.path(), hour, now + hour + hour).unwrap(), 1);
        assert!(!date.join("part-2.parquet#1").exists());
        assert_eq!(std::fs::read_dir(&date).unwrap().count(), 4);
    }
}
