//! Folders with more source files than a reader takes in at once, unless their map says why.

use std::collections::BTreeMap;

use crate::finding::Finding;
use crate::tree::Tree;

/// Files of a folder besides its map.
const FILES_MAX: usize = 15;
/// The map of a folder.
const MAPS: [&str; 3] = ["mod.rs", "lib.rs", "main.rs"];
/// What the map of a larger folder says, with its reason.
const REASON: &str = "more than fifteen";

/// Full folders without a reason. The place is the beginning of the map, or of the first file where there is none.
pub(crate) fn find(tree: &Tree) -> Vec<Finding> {
    let mut folders: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for file in tree.sources() {
        let (folder, name) = file.rsplit_once('/').unwrap_or(("", file));
        folders.entry(folder).or_default().push(name);
    }
    let findings = folders.into_iter().filter_map(|(folder, names)| {
        let (maps, files): (Vec<&str>, Vec<&str>) = names.into_iter().partition(|name| MAPS.contains(name));
        let says_why = maps.iter().any(|map| documentation(&tree.text(&format!("{folder}/{map}"))).contains(REASON));
        let place = format!("{folder}/{}", maps.first().or(files.first())?);
        let text = format!(
            "{folder} has {} source files; from {} on its map says why it has {REASON}",
            files.len(),
            FILES_MAX + 1
        );
        (files.len() > FILES_MAX && !says_why).then(|| Finding::new(&place, 1, text))
    });
    findings.collect()
}

/// The documentation of a file as one line.
fn documentation(text: &str) -> String {
    let lines = text.lines().filter_map(|line| line.strip_prefix("//!"));
    lines.flat_map(str::split_whitespace).collect::<Vec<_>>().join(" ")
}
