//! Table declarations: the tables that are built in, and what the operator's settings folder adds to them.

use std::io;
use std::path::{Path, PathBuf};

use zonelake_schemas::reference::SYSTEM_TABLES;
use zonelake_schemas::tables::builtin_tables;
use zonelake_schemas::{ErrorKind, TableDef, TableError};

/// Bytes that one declaration may have.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Fault in the settings folder. Each message names the file.
#[derive(Debug, thiserror::Error)]
pub enum DeclaredError {
    /// The folder or a file in it cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The folder or file.
        path: PathBuf,
        /// Error of the system.
        source: io::Error,
    },
    /// A file is not a declaration, or cannot go with the others.
    #[error("{path}: {source}")]
    Declaration {
        /// The file.
        path: PathBuf,
        /// Fault of the declaration.
        source: TableError,
    },
    /// A file declares a table of a name that the system has for itself.
    #[error("{path}: the system has a table {name} of its own; declare one of another name")]
    SystemTable {
        /// The file.
        path: PathBuf,
        /// The name.
        name: String,
    },
    /// A file is too long to be a declaration.
    #[error("{path}: has {bytes} bytes; a declaration has at most {FILE_BYTES_MAX}")]
    TooLong {
        /// The file.
        path: PathBuf,
        /// Length of the file.
        bytes: u64,
    },
}

impl DeclaredError {
    /// Kind of the error: what the operator can do about it.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Read { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => ErrorKind::Permission,
            Self::Read { .. } | Self::Declaration { .. } | Self::SystemTable { .. } | Self::TooLong { .. } => {
                ErrorKind::Input
            }
        }
    }
}

/// The built-in tables, then what every `*.toml` of the folder adds, in the order of the files' names: a file that names
/// a table declared before adds its fields, another name adds a table. Where there is no such folder, the built-in ones.
///
/// # Errors
/// [`DeclaredError`], for the first file that is wrong.
pub fn declared_tables(folder: &Path) -> Result<Vec<TableDef>, DeclaredError> {
    let mut tables = builtin_tables();
    for path in declarations_in(folder)? {
        let invalid = |source| DeclaredError::Declaration { path: path.clone(), source };
        let more = TableDef::from_toml(&read(&path)?).map_err(invalid)?;
        // The system fills these tables itself, and would write into the operator's.
        if SYSTEM_TABLES.contains(&more.name.as_str()) {
            return Err(DeclaredError::SystemTable { path, name: more.name });
        }
        match tables.iter_mut().find(|table| table.name == more.name) {
            Some(table) => *table = table.extended_by(&more).map_err(invalid)?,
            None => tables.push(more),
        }
    }
    Ok(tables)
}

/// The `*.toml` files of a folder, by name; none where there is no such folder.
fn declarations_in(folder: &Path) -> Result<Vec<PathBuf>, DeclaredError> {
    let unreadable = |source| DeclaredError::Read { path: folder.into(), source };
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(unreadable(error)),
    };
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry.map_err(unreadable)?.path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            paths.push(path);
        }
    }
    // The order of a listing is that of the file system; the result must not depend on it.
    paths.sort_unstable();
    Ok(paths)
}

fn read(path: &Path) -> Result<String, DeclaredError> {
    let unreadable = |source| DeclaredError::Read { path: path.into(), source };
    let bytes = std::fs::metadata(path).map_err(unreadable)?.len();
    // Asked before it is read: someone may put anything into the folder.
    if bytes > FILE_BYTES_MAX {
        return Err(DeclaredError::TooLong { path: path.into(), bytes });
    }
    std::fs::read_to_string(path).map_err(unreadable)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn declared(files: &[(&str, &str)]) -> Result<Vec<TableDef>, DeclaredError> {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        declared_tables(folder.path())
    }

    const FIELD: &str = "\n[[field]]\nname = \"extra\"\ntype = \"double\"\n";

    #[test]
    fn without_a_folder_or_files_the_built_in_tables_are_declared() {
        assert_eq!(declared(&[]).unwrap(), builtin_tables());
        assert_eq!(declared_tables(Path::new("/no/such/folder")).unwrap(), builtin_tables());
        assert_eq!(declared(&[("notes.txt", "no declaration")]).unwrap(), builtin_tables());
    }

    #[test]
    fn a_file_adds_a_table_or_fields_to_one() {
        let energy = format!("name = \"energy\"{FIELD}");
        let water = format!("name = \"water\"{FIELD}");
        let more_water = "name = \"water\"\n[[field]]\nname = \"second\"\ntype = \"text\"";
        // The files' names decide: the table is there before the file that adds to it.
        let tables = declared(&[("c.toml", more_water), ("b.toml", &water), ("a.toml", &energy)]).unwrap();
        let named = |name: &str| tables.iter().find(|table| table.name == name).unwrap();
        let built_in = builtin_tables().into_iter().find(|table| table.name == "energy").unwrap();
        assert_eq!(named("energy").fields.len(), built_in.fields.len() + 1);
        assert_eq!(named("energy").fields.last().unwrap().name, "extra");
        assert_eq!(named("water").fields.iter().map(|field| &*field.name).collect::<Vec<_>>(), ["extra", "second"]);
        assert_eq!(tables.len(), builtin_tables().len() + 1);
    }

    #[test]
    fn a_wrong_file_is_refused_by_its_name() {
        let other_unit = "name = \"environment\"\n[[field]]\nname = \"pm10\"\ntype = \"text\"";
        for (text, words) in [("name = ", "expected"), ("name = \"Bad\"", "\"Bad\""), (other_unit, "field pm10")] {
            let error = declared(&[("bad.toml", text)]).unwrap_err();
            assert!(error.to_string().contains("bad.toml"), "{error}");
            assert!(error.to_string().contains(words), "{error}");
            assert_eq!(error.kind(), ErrorKind::Input);
        }
        let long = "#".repeat(usize::try_from(FILE_BYTES_MAX).unwrap() + 1);
        assert!(matches!(declared(&[("long.toml", &long)]), Err(DeclaredError::TooLong { .. })));
    }

    #[test]
    fn no_file_may_take_the_name_of_a_table_of_the_system() {
        for name in SYSTEM_TABLES {
            let error = declared(&[("mine.toml", &format!("name = \"{name}\"{FIELD}"))]).unwrap_err();
            assert!(matches!(error, DeclaredError::SystemTable { .. }), "{name}: {error}");
        }
    }
}
