//! Deletion of files that no version of a table lists: those that merges have removed, and those that an earlier process has left.

use std::collections::HashSet;

use futures::TryStreamExt;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};
use zonelake_parquet::{delete_files, path_in_store};

use crate::compact::options::CompactionOptions;
use crate::store::Store;
use crate::table::table::Table;

impl Store {
    /// Deletes files that were removed from the table long enough ago and that no statement reads, unless a back-up copies files
    /// just now. What an earlier process has left counts from the first call on. Returns how many.
    pub async fn delete_retired(&self, table: &Table, options: &CompactionOptions) -> usize {
        if self.backup_hold.lasts(self.clock().monotonic()) {
            return 0;
        }
        if let Some(recalled) = table.retired.take_recalled() {
            self.find_leftovers(table, recalled).await;
        }
        let mut due = table.retired.take_due(self.clock().monotonic(), options.keep_removed);
        // Another program may have put one back.
        let view = table.view();
        let listed: HashSet<&str> = view.files.iter().map(|file| file.path.as_str()).collect();
        due.retain(|path| !listed.contains(path.as_str()));
        let paths: Vec<&str> = due.iter().map(String::as_str).collect();
        delete_files(self.object_store().as_ref(), table.root(), &paths).await;
        due.len()
    }

    /// Retires what an earlier process has left: files that the log lists as removed, and files of ours that it does not know.
    async fn find_leftovers(&self, table: &Table, removed: Vec<String>) {
        // A commit whose outcome is not known may have files that no view has.
        if table.flush.lock().await.is_some() {
            table.retired.recall(removed);
            return;
        }
        let now = self.clock().monotonic();
        for path in &removed {
            // What cannot be looked at stays where it is: `zonelake check` counts it, and the next start recalls it.
            if self.object_store().head(&path_in_store(table.root(), path)).await.is_ok() {
                table.retired.add_found(now, path.clone());
            }
        }
        let listed: Result<Vec<ObjectMeta>, _> = self.object_store().list(Some(table.root())).try_collect().await;
        let on_disk = match listed {
            Ok(on_disk) => on_disk,
            Err(error) => {
                tracing::warn!(table = table.name(), %error, "cannot look for files that nothing lists; they harm nothing");
                return;
            }
        };
        // The view comes behind the list: a file that was committed meanwhile is in it.
        let view = table.view();
        let known: HashSet<&str> =
            view.files.iter().map(|file| file.path.as_str()).chain(removed.iter().map(String::as_str)).collect();
        let written_before_us = self.clock().wall_us().saturating_sub(UNLISTED_AGE_MIN_US);
        for file in on_disk {
            let Some(path) = file.location.as_ref().strip_prefix(table.root().as_ref()) else { continue };
            let path = path.trim_start_matches('/');
            if is_ours(path) && !known.contains(path) && file.last_modified.timestamp_micros() <= written_before_us {
                tracing::info!(table = table.name(), path, "a file that nothing lists is to be deleted");
                table.retired.add_found(now, path.to_owned());
            }
        }
    }
}

/// True for `date=…/part-….parquet`, as flushes and merges name their files.
fn is_ours(path: &str) -> bool {
    let Some((folder, name)) = path.split_once('/') else { return false };
    folder.starts_with("date=") && name.starts_with("part-") && name.ends_with(".parquet") && !name.contains('/')
}

/// Age from which a file that nothing lists was left by an earlier process: a flush or a merge of this one names its files within
/// minutes.
const UNLISTED_AGE_MIN_US: i64 = 3_600_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_with_names_of_ours_are_taken_for_ours() {
        assert!(is_ours("date=2026-01-01/part-5b1c.parquet"));
        for other in
            ["_delta_log/part-1.parquet", "date=2026-01-01/x.parquet", "part-1.parquet", "date=1/a/part-1.parquet"]
        {
            assert!(!is_ours(other), "{other}");
        }
    }
}
