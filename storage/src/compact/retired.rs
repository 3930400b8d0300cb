//! Files that a commit has removed. Statements that have begun before it, and other programs at an older version of the table, may still
//! read them, so they stay on disk for a while, and as long as a view has them.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use zonelake_parquet::DataFile;

/// Removed files of one table, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Retired(Mutex<Files>);

#[derive(Debug, Default)]
struct Files {
    waiting: Vec<RetiredFile>,
    /// Paths that the table log said were removed when it was opened, until somebody has looked which of them are still on disk.
    recalled: Option<Vec<String>>,
}

#[derive(Debug)]
struct RetiredFile {
    since: Duration,
    path: String,
    /// The file as views have it: while one of them is left, a statement may read it.
    in_views: Weak<DataFile>,
}

impl Retired {
    /// Takes files that were removed at a monotonic time.
    pub(crate) fn add(&self, now: Duration, files: &[Arc<DataFile>]) {
        let retired = files.iter().map(|file| RetiredFile {
            since: now,
            path: file.path.clone(),
            in_views: Arc::downgrade(file),
        });
        let own: HashSet<&str> = files.iter().map(|file| file.path.as_str()).collect();
        let mut known = self.lock();
        // What was taken for left over and has been in a view since is this one.
        known.waiting.retain(|waiting| !own.contains(waiting.path.as_str()));
        known.waiting.extend(retired);
    }

    /// Takes files that were removed before the table was opened.
    pub(crate) fn recall(&self, paths: Vec<String>) {
        self.lock().recalled = Some(paths);
    }

    /// The files that were recalled, once. Those that are still there come back by [`Self::add_found`].
    pub(crate) fn take_recalled(&self) -> Option<Vec<String>> {
        self.lock().recalled.take()
    }

    /// Takes a file that is on disk and that no view of this process has ever had.
    pub(crate) fn add_found(&self, now: Duration, path: String) {
        self.lock().waiting.push(RetiredFile { since: now, path, in_views: Weak::new() });
    }

    /// Takes a file that was removed before a restart, unless it is here.
    pub(crate) fn add_missing(&self, now: Duration, path: &str) {
        let mut known = self.lock();
        if !known.waiting.iter().any(|other| other.path == path) {
            known.waiting.push(RetiredFile { since: now, path: path.to_owned(), in_views: Weak::new() });
        }
    }

    /// The files that have been here for so long and that no view has; they are here no more.
    pub(crate) fn take_due(&self, now: Duration, keep: Duration) -> Vec<String> {
        let mut files = self.lock();
        let is_due =
            |file: &mut RetiredFile| now.saturating_sub(file.since) >= keep && file.in_views.strong_count() == 0;
        files.waiting.extract_if(.., is_due).map(|file| file.path).collect()
    }

    /// Paths of the files that wait for their deletion.
    pub(crate) fn paths(&self) -> HashSet<String> {
        self.lock().waiting.iter().map(|file| file.path.clone()).collect()
    }

    /// Files that wait for their deletion.
    pub(crate) fn len(&self) -> usize {
        self.lock().waiting.len()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Files> {
        // Each change is whole before the lock opens, whatever panics elsewhere.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
