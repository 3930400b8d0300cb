//! The table logs, and every file that they list, read in full.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use object_store::ObjectStore;
use zonelake_registry::AdoptedTable;
use zonelake_schemas::clock::Clock;
use zonelake_tablelog::{LogSnapshot, SyncedStore, TableLog, delta_table, verify_file};

use super::report::{Report, TableCounts};

/// Checks every table of the registry, and that there is none beside them.
pub(super) async fn check(folder: &Path, declared: &[Arc<AdoptedTable>], clock: &Arc<dyn Clock>, report: &mut Report) {
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
    let tables = Tables { folder, clock, root: store.root().clone(), url: store.url().clone(), store: Arc::new(store) };
    for table in declared {
        let (counts, problems) = tables.check_one(table, &mut report.committed).await;
        let name = &table.def.name;
        report.problems.extend(problems.into_iter().map(|problem| format!("table {name}: {problem}")));
        report.tables.insert(name.clone(), counts);
    }
}

struct Tables<'a> {
    folder: &'a Path,
    clock: &'a Arc<dyn Clock>,
    root: object_store::path::Path,
    url: url::Url,
    store: Arc<dyn ObjectStore>,
}

impl Tables<'_> {
    async fn check_one(
        &self,
        table: &AdoptedTable,
        committed: &mut Vec<(String, String, u64)>,
    ) -> (TableCounts, Vec<String>) {
        let name = table.def.name.as_str();
        let mut counts = TableCounts::default();
        let snapshot = match self.read_log(name).await {
            Ok(snapshot) => snapshot,
            Err(problem) => return (counts, vec![problem]),
        };
        counts.version = snapshot.version;
        let transactions = snapshot.txns.iter().map(|(app, lsn)| (name.to_owned(), app.clone(), lsn.cast_unsigned()));
        committed.extend(transactions);
        committed.sort();
        let mut problems = Vec::new();
        let root = self.root.clone().join(name);
        for file in &snapshot.files {
            counts.files += 1;
            counts.bytes += file.bytes;
            match verify_file(&table.schemas, &self.store, &root, file).await {
                Ok(found) => {
                    counts.rows += found.rows;
                    counts.readings += found.readings;
                }
                Err(damage) => problems.push(format!("{} {damage}", self.folder.join(name).join(&file.path).display())),
            }
        }
        let listed: HashSet<PathBuf> =
            snapshot.files.iter().map(|file| self.folder.join(name).join(&file.path)).collect();
        counts.files_not_listed =
            parquet_files(&self.folder.join(name)).iter().filter(|path| !listed.contains(*path)).count() as u64;
        (counts, problems)
    }

    async fn read_log(&self, name: &str) -> Result<LogSnapshot, String> {
        let url = self.url.join(&format!("{name}/")).map_err(|error| error.to_string())?;
        let log =
            delta_table(Arc::clone(&self.store), &url, Arc::clone(self.clock)).map_err(|error| error.to_string())?;
        log.load().await.map_err(|error| error.to_string())
    }
}

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
