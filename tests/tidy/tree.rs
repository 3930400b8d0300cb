//! The files of the tree and the crates in it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// A folder with a workspace.
#[derive(Debug)]
pub(crate) struct Tree {
    root: PathBuf,
    files: BTreeSet<String>,
}

/// A crate of the workspace.
#[derive(Debug)]
pub(crate) struct Crate {
    /// The package's name.
    pub(crate) name: String,
    /// The folder from the root; empty for the crate at the root.
    pub(crate) folder: String,
    /// The manifest from the root.
    pub(crate) manifest: String,
    /// Crates that it imports in its product code, with the line in its manifest.
    pub(crate) imports: Vec<(String, usize)>,
}

impl Tree {
    /// Reads the names of all files. Build results, hidden folders but `.ci`, and the corpora of fuzzing are left out.
    pub(crate) fn read(root: &Path) -> Self {
        let mut files = BTreeSet::new();
        list(root, "", &mut files);
        Self { root: root.to_owned(), files }
    }

    /// Names of all files from the root, in order.
    pub(crate) fn files(&self) -> impl Iterator<Item = &str> {
        self.files.iter().map(String::as_str)
    }

    /// Names of all Rust sources from the root, in order.
    pub(crate) fn sources(&self) -> impl Iterator<Item = &str> {
        self.files().filter(|file| file.ends_with(".rs"))
    }

    /// True where the tree has such a file.
    pub(crate) fn has(&self, file: &str) -> bool {
        self.files.contains(file)
    }

    /// The contents of a file; nothing if it is not text.
    pub(crate) fn text(&self, file: &str) -> String {
        fs::read_to_string(self.root.join(file)).unwrap_or_default()
    }

    /// All crates of the workspace, the one at the root first.
    pub(crate) fn crates(&self) -> Vec<Crate> {
        let manifest = self.text("Cargo.toml");
        let mut folders = members(&manifest);
        if manifest.lines().any(|line| line.trim() == "[package]") {
            folders.insert(0, String::new());
        }
        folders.into_iter().filter_map(|folder| self.read_crate(folder)).collect()
    }

    fn read_crate(&self, folder: String) -> Option<Crate> {
        let manifest = if folder.is_empty() { "Cargo.toml".to_owned() } else { format!("{folder}/Cargo.toml") };
        let text = self.text(&manifest);
        let mut name = None;
        let mut imports = Vec::new();
        let mut section = String::new();
        for (line, number) in text.lines().map(str::trim).zip(1..) {
            if let Some(header) = line.strip_prefix('[') {
                section = header.trim_end_matches(']').to_owned();
                imports.extend(section_dependency(&section).map(|import| (import, number)));
            } else if section == "package" && line.starts_with("name") {
                name = name.or_else(|| quoted(line).map(str::to_owned));
            } else if is_import_section(&section) {
                imports.extend(line_dependency(line).map(|import| (import, number)));
            }
        }
        Some(Crate { name: name?, folder, manifest, imports })
    }
}

fn list(root: &Path, folder: &str, files: &mut BTreeSet<String>) {
    const LEFT_OUT: [&str; 4] = ["target", "corpus", "__pycache__", "node_modules"];
    let entries = fs::read_dir(root.join(folder)).into_iter().flatten().flatten();
    for entry in entries {
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = if folder.is_empty() { name.clone() } else { format!("{folder}/{name}") };
        let Ok(kind) = entry.file_type() else { continue };
        if kind.is_dir() {
            if !(LEFT_OUT.contains(&name.as_str()) || name.starts_with('.') && name != ".ci") {
                list(root, &path, files);
            }
        } else if kind.is_file() {
            files.insert(path);
        }
    }
}

/// Members of a workspace by its manifest.
fn members(manifest: &str) -> Vec<String> {
    let Some((_, rest)) = manifest.split_once("members = [") else { return Vec::new() };
    let list = rest.split(']').next().unwrap_or_default();
    list.split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

/// True for sections of a manifest whose crates are compiled into the product. `[workspace.dependencies]` has versions alone.
fn is_import_section(section: &str) -> bool {
    let last = section.rsplit('.').next().unwrap_or_default();
    matches!(last, "dependencies" | "build-dependencies") && !section.starts_with("workspace.")
}

/// The dependency of `name.workspace = true`, `name = "1"` or `name = { package = "other" }`.
fn line_dependency(line: &str) -> Option<String> {
    let (key, value) = line.split_once('=').filter(|_| !line.starts_with('#'))?;
    if let Some((_, package)) = value.split_once("package") {
        return quoted(package).map(str::to_owned);
    }
    let name = key.trim().split('.').next()?.trim_matches('"');
    Some(name.to_owned())
}

/// The dependency of `[dependencies.name]`.
fn section_dependency(section: &str) -> Option<String> {
    let (before, name) = section.rsplit_once('.')?;
    is_import_section(before).then(|| name.to_owned())
}

/// The first text in quotes.
fn quoted(text: &str) -> Option<&str> {
    text.split('"').nth(1)
}
