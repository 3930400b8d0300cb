//! Deletions: what was ordered is in no file any more, or the order says that it still is.

use std::path::Path;

use zonelake_storage::{Deletion, Ledger};
use zonelake_wal::RealDisk;

use super::report::Report;

/// Checks each order against the files on disk.
pub(super) fn check(data: &Path, report: &mut Report) {
    let ledger = match Ledger::read(&RealDisk, data) {
        Ok(ledger) => ledger,
        Err(error) => return report.problems.push(format!("rules: {error}")),
    };
    for order in &ledger.deletions {
        report.deletions.ordered += 1;
        report.deletions.files_left += files_on_disk(data, order).count() as u64;
        if order.erased_us.is_none() {
            continue;
        }
        report.deletions.erased += 1;
        for file in files_on_disk(data, order) {
            report.problems.push(format!(
                "deletion {}: its rows are said to be gone, and {} that had some of them is on disk",
                order.id,
                file.display()
            ));
        }
    }
}

/// Files that had rows of an order and are on disk, in a table or beside it.
fn files_on_disk(data: &Path, order: &Deletion) -> impl Iterator<Item = std::path::PathBuf> {
    let folder = data.join("tables").join(&order.table);
    order.files.iter().map(move |file| folder.join(file)).filter(|path| path.exists())
}
