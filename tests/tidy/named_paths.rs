//! Paths that ARCHITECTURE.md names: each is there.

use crate::finding::Finding;
use crate::tree::Tree;

/// The map of the tree.
const MAP: &str = "ARCHITECTURE.md";

/// Paths between backticks that begin with a folder of the root and lead nowhere.
pub(crate) fn find(tree: &Tree) -> Vec<Finding> {
    let text = tree.text(MAP);
    let quoted = text
        .lines()
        .zip(1..)
        .flat_map(|(line, number)| line.split('`').skip(1).step_by(2).map(move |path| (path, number)));
    let missing = quoted.filter(|(path, _)| is_path_from_root(tree, path) && !exists(tree, path));
    missing.map(|(path, line)| Finding::new(MAP, line, format!("`{path}` is not there"))).collect()
}

fn is_path_from_root(tree: &Tree, path: &str) -> bool {
    let plain = path.chars().all(|letter| letter.is_ascii_alphanumeric() || "/._-".contains(letter));
    let in_root = path.split_once('/').is_some_and(|(folder, _)| exists(tree, &format!("{folder}/")));
    plain && in_root
}

/// True for a file, and for a folder with or without the slash at its end.
fn exists(tree: &Tree, path: &str) -> bool {
    let folder = format!("{}/", path.trim_end_matches('/'));
    tree.has(path) || tree.files().any(|file| file.starts_with(&folder))
}
