//! Which files are complete: those that have not changed for long enough. There is no clock and no file in it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

/// State of a file, by which a change is noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) bytes: u64,
    pub(super) modified: Option<SystemTime>,
    /// A file that replaces another one by a rename may have its length and time.
    pub(super) inode: u64,
}

/// A file as it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    /// Path in the folder.
    pub(super) relative: PathBuf,
    pub(super) stamp: Stamp,
}

/// Files that are looked at until they have not changed for long enough.
#[derive(Debug)]
pub(super) struct Settling {
    settle: Duration,
    /// Each with its state, and since when it has had that.
    seen: BTreeMap<PathBuf, (Stamp, Duration)>,
}

impl Settling {
    /// Nothing seen; a file is complete when it has not changed for so long.
    pub(super) fn new(settle: Duration) -> Self {
        Self { settle, seen: BTreeMap::new() }
    }

    /// Takes all files that were found at a monotonic time: gives those that are complete, the one that was changed first in front.
    pub(super) fn handle_found(&mut self, found: Vec<Found>, now: Duration) -> Vec<Found> {
        let mut seen = BTreeMap::new();
        let mut complete = Vec::new();
        for file in found {
            let before = self.seen.get(&file.relative).filter(|(stamp, _)| *stamp == file.stamp);
            let since = before.map_or(now, |(_, since)| *since);
            seen.insert(file.relative.clone(), (file.stamp, since));
            if now.saturating_sub(since) >= self.settle {
                complete.push(file);
            }
        }
        self.seen = seen;
        complete.sort_by(|a, b| (a.stamp.modified, &a.relative).cmp(&(b.stamp.modified, &b.relative)));
        complete
    }

    /// True where a file may be complete later.
    pub(super) fn is_waiting(&self, now: Duration) -> bool {
        self.seen.values().any(|(_, since)| now.saturating_sub(*since) < self.settle)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(name: &str, bytes: u64, modified: u64, inode: u64) -> Found {
        let modified = Some(SystemTime::UNIX_EPOCH + Duration::from_secs(modified));
        Found { relative: name.into(), stamp: Stamp { bytes, modified, inode } }
    }

    fn names(found: &[Found]) -> Vec<&str> {
        found.iter().map(|file| file.relative.to_str().unwrap()).collect()
    }

    #[test]
    fn a_file_is_complete_when_it_has_not_changed_for_long_enough_however_old_it_is() {
        let mut settling = Settling::new(Duration::from_secs(5));
        let at = Duration::from_secs;
        assert!(settling.handle_found(vec![found("a", 1, 0, 1)], at(100)).is_empty());
        assert!(settling.is_waiting(at(100)));
        // It grows; another one is renamed into its place with the same length and time.
        assert!(settling.handle_found(vec![found("a", 2, 0, 1)], at(105)).is_empty());
        assert!(settling.handle_found(vec![found("a", 2, 0, 2)], at(109)).is_empty());
        assert!(settling.handle_found(vec![found("a", 2, 0, 2)], at(113)).is_empty());
        assert_eq!(names(&settling.handle_found(vec![found("a", 2, 0, 2)], at(114))), ["a"]);
        assert!(!settling.is_waiting(at(114)));
        // Gone and come again, it begins anew.
        assert!(settling.handle_found(Vec::new(), at(115)).is_empty());
        assert!(settling.handle_found(vec![found("a", 2, 0, 2)], at(116)).is_empty());
    }

    #[test]
    fn files_come_in_the_order_in_which_they_were_changed() {
        let mut settling = Settling::new(Duration::ZERO);
        let files = vec![found("a", 1, 30, 1), found("b", 1, 10, 2), found("c", 1, 20, 3), found("d", 1, 10, 4)];
        assert_eq!(names(&settling.handle_found(files, Duration::ZERO)), ["b", "d", "c", "a"]);
    }
}
