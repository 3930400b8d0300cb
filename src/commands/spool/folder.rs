//! The spools of a folder.

use std::path::{Path, PathBuf};

use zonelake_gateway::SpoolSummary;

use crate::error::CliError;

/// The spools of a folder, which may be one itself, in the order of their names.
pub(super) fn spools(folder: &Path) -> Result<Vec<(PathBuf, SpoolSummary)>, CliError> {
    let is_spool = |path: &Path| path.join("spool.toml").exists();
    let mut paths = Vec::new();
    if is_spool(folder) {
        paths.push(folder.to_owned());
    } else {
        let entries = std::fs::read_dir(folder);
        let entries = entries.map_err(|error| CliError::input(format!("{}: {error}", folder.display())))?;
        paths.extend(entries.filter_map(|entry| entry.ok().map(|entry| entry.path())).filter(|path| is_spool(path)));
        paths.sort();
    }
    if paths.is_empty() {
        return Err(CliError::input(format!("there is no spool in {}", folder.display())));
    }
    let read = |path: PathBuf| {
        let summary = SpoolSummary::read(&path);
        summary.map(|summary| (path, summary)).map_err(|error| CliError::from_kind(error.kind(), error))
    };
    paths.into_iter().map(read).collect()
}
