//! The table logs, and every file that they list, read in full.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use object_store::ObjectStore;
use zonelake_objects::SyncedStore;
use zonelake_parquet::{DataFile, verify_file};
use zonelake_registry::RegisteredTable;
use zonelake_schemas::clock::Clock;
use zonelake_tablelog::{DeltaLog, LogCommit, LogSnapshot, TableLog, delta_table};

use super::audit::AuditCheck;
use super::report::{Report, TableCounts};

/// What is done with the files of the tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Depth {
    /// They are there, with their lengths.
    Lengths,
    /// They are read.
    Read,
    /// They are read, and damaged ones leave their tables.
    SetApart,
}

/// Checks every table of the registry, and that there is none beside them.
pub(super) async fn check(
    data: &Path,
    depth: Depth,
    declared: &[Arc<RegisteredTable>],
    clock: &Arc<dyn Clock>,
    audit: &mut AuditCheck,
    report: &mut Report,
) {
    let folder = &data.join("tables");
    // Without a registry, of which the report speaks already, nothing says what a table's files must hold.
    if declared.is_empty() {
        return;
    }
    let known: HashSet<&str> = declared.iter().map(|table| table.def.name.as_str()).collect();
    for entry in folders(folder) {
        let name = entry.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if !known.contains(name.as_str()) {
            report
                .problems
                .push(format!("table {name}: {} is there, and the registry does not know it", entry.display()));
        }
    }
    let store = match folder.is_dir().then(|| SyncedStore::new(folder)) {
        Some(Ok(store)) => store,
        Some(Err(error)) => return report.problems.push(format!("tables: {}: {error}", folder.display())),
        None => return report.problems.push(format!("tables: {} is missing", folder.display())),
    };
    let (root, url) = (store.root().clone(), store.url().clone());
    let tables = Tables { data, folder, clock, root, url, store: Arc::new(store), depth };
    for table in declared {
        let name = &table.def.name;
        let found = tables.check_one(table, audit, &mut report.committed).await;
        report.problems.extend(found.problems.into_iter().map(|problem| format!("table {name}: {problem}")));
        report.set_apart.extend(found.set_apart.into_iter().map(|file| format!("table {name}: {file}")));
        report.tables.insert(name.clone(), found.counts);
    }
}

/// What was found of one table.
#[derive(Default)]
struct Found {
    counts: TableCounts,
    problems: Vec<String>,
    set_apart: Vec<String>,
}

struct Tables<'a> {
    data: &'a Path,
    folder: &'a Path,
    clock: &'a Arc<dyn Clock>,
    root: object_store::path::Path,
    url: url::Url,
    store: Arc<dyn ObjectStore>,
    depth: Depth,
}

impl Tables<'_> {
    async fn check_one(
        &self,
        table: &RegisteredTable,
        audit: &mut AuditCheck,
        committed: &mut Vec<(String, String, u64)>,
    ) -> Found {
        let name = table.def.name.as_str();
        let mut found = Found::default();
        let (log, snapshot) = match self.read_log(name).await {
            Ok(read) => read,
            Err(problem) => return Found { problems: vec![problem], ..found },
        };
        let counts = &mut found.counts;
        counts.version = snapshot.version;
        let transactions = snapshot.txns.iter().map(|(app, lsn)| (name.to_owned(), app.clone(), lsn.cast_unsigned()));
        committed.extend(transactions);
        committed.sort();
        let root = self.root.clone().join(name);
        let mut damaged: Vec<(Arc<DataFile>, String)> = Vec::new();
        for file in &snapshot.files {
            counts.files += 1;
            counts.bytes += file.bytes;
            if self.depth == Depth::Lengths {
                counts.rows += file.rows;
                audit.note_unread(name);
                found.problems.extend(self.wrong_length(name, file));
                continue;
            }
            match verify_file(&table.schemas, &self.store, &root, file).await {
                Ok(verified) => {
                    found.problems.extend(audit.take_file(table, &self.store, &root, file).await.err());
                    counts.rows += verified.rows;
                    counts.readings += verified.readings;
                }
                Err(damage) => {
                    let path = self.folder.join(name).join(&file.path);
                    damaged.push((Arc::clone(file), format!("{} {damage}", path.display())));
                }
            }
        }
        let listed: HashSet<PathBuf> =
            snapshot.files.iter().map(|file| self.folder.join(name).join(&file.path)).collect();
        counts.files_not_listed =
            parquet_files(&self.folder.join(name)).iter().filter(|path| !listed.contains(*path)).count() as u64;
        if self.depth != Depth::SetApart || damaged.is_empty() {
            found.problems.extend(damaged.into_iter().map(|(_, damage)| damage));
            return found;
        }
        match self.take_out(name, &log, snapshot.version, &damaged).await {
            Ok(()) => {
                let words = |(file, damage): (Arc<DataFile>, String)| {
                    format!(
                        "{damage}; its {} rows are no longer in the table, and what is left of it is in {APART}/{name}/{}",
                        file.rows, file.path
                    )
                };
                found.set_apart = damaged.into_iter().map(words).collect();
            }
            Err(problem) => {
                found.problems = damaged.into_iter().map(|(_, damage)| damage).chain([problem]).collect();
            }
        }
        found
    }

    /// What is wrong with the length of a file.
    fn wrong_length(&self, name: &str, file: &DataFile) -> Option<String> {
        let path = self.folder.join(name).join(&file.path);
        match std::fs::metadata(&path) {
            Ok(found) if found.len() == file.bytes => None,
            Ok(found) => {
                Some(format!("{} has {} bytes, and its table lists {}", path.display(), found.len(), file.bytes))
            }
            Err(error) => Some(format!("{}: {error}", path.display())),
        }
    }

    /// Takes files out of a table with one commit, and moves what is left of them out of its folder.
    async fn take_out(
        &self,
        name: &str,
        log: &DeltaLog,
        base_version: i64,
        damaged: &[(Arc<DataFile>, String)],
    ) -> Result<(), String> {
        let removes = damaged.iter().map(|(file, _)| Arc::clone(file)).collect();
        let commit = LogCommit { base_version, removes, ..LogCommit::default() };
        if let Err(error) = log.commit(commit).await {
            confirm_removed(log, damaged).await.map_err(|why| format!("{why}: {error}"))?;
        }
        for (file, _) in damaged {
            let (from, to) =
                (self.folder.join(name).join(&file.path), self.data.join(APART).join(name).join(&file.path));
            let moved =
                std::fs::create_dir_all(to.parent().unwrap_or(self.data)).and_then(|()| std::fs::rename(&from, &to));
            match moved {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(format!("{} is no longer in the table, and cannot be moved: {error}", from.display()));
                }
                _ => {}
            }
        }
        Ok(())
    }

    async fn read_log(&self, name: &str) -> Result<(DeltaLog, LogSnapshot), String> {
        let url = self.url.join(&format!("{name}/")).map_err(|error| error.to_string())?;
        let log =
            delta_table(Arc::clone(&self.store), &url, Arc::clone(self.clock)).map_err(|error| error.to_string())?;
        let snapshot = log.load().await.map_err(|error| error.to_string())?;
        Ok((log, snapshot))
    }
}

/// Confirms a commit that was reported as failed and has landed all the same: it may not be synced, and a further entry behind it is.
async fn confirm_removed(log: &DeltaLog, removed: &[(Arc<DataFile>, String)]) -> Result<(), String> {
    let snapshot = log.load().await;
    let snapshot =
        snapshot.map_err(|error| format!("run the command again: what it has done is not known ({error})"))?;
    if removed.iter().any(|(file, _)| snapshot.files.iter().any(|listed| listed.path == file.path)) {
        return Err("nothing was set apart".into());
    }
    let confirmation = LogCommit { base_version: snapshot.version, ..LogCommit::default() };
    match log.commit(confirmation).await {
        Ok(_) => Ok(()),
        Err(error) => Err(format!("run the command again: a loss of power may undo what it has done ({error})")),
    }
}

/// Folder of the data folder for what is left of damaged files.
const APART: &str = "set-apart";

/// Folders right below a folder.
fn folders(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect()
}

/// Parquet files in the folders of the dates.
fn parquet_files(table: &Path) -> Vec<PathBuf> {
    let dates = folders(table).into_iter().filter(|path| !path.ends_with("_delta_log"));
    let files = dates.flat_map(|date| std::fs::read_dir(date).into_iter().flatten().flatten());
    files.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|end| end == "parquet")).collect()
}
