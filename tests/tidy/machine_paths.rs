//! Paths of one machine, which mean nothing on another one.
//!
//! Such a path begins with a folder that belongs to one user or one machine. Folders that every system has (`/tmp`, `/etc`, `/usr`,
//! `/var`, `/opt`) are no fault, and neither is the path of a URL.

use crate::finding::Finding;

/// First folders of paths that belong to one machine.
const FOLDERS: [&str; 6] = ["home", "root", "Users", "work", "workspace", "mnt"];

/// Machine paths in a text, at most one a line.
pub(crate) fn find(file: &str, text: &str) -> Vec<Finding> {
    let lines = text.lines().zip(1..);
    lines
        .filter_map(|(line, number)| {
            first(line).map(|path| Finding::new(file, number, format!("`{path}` is a path of a machine")))
        })
        .collect()
}

fn first(line: &str) -> Option<String> {
    line.char_indices().filter(|&(_, letter)| letter == '/' || letter == '\\').find_map(|(at, slash)| {
        let (before, rest) = (&line[..at], &line[at + 1..]);
        let folder =
            FOLDERS.iter().find(|folder| rest.strip_prefix(**folder).is_some_and(|rest| rest.starts_with(slash)))?;
        let inside = &rest[folder.len() + 1..];
        let begins = if slash == '/' { begins_here(before) } else { before.ends_with(':') };
        let goes_on = inside.starts_with(|next: char| next == '.' || next == '_' || next.is_ascii_alphanumeric());
        let end =
            inside.find(|next: char| next.is_whitespace() || "\"'`,;:)]}>".contains(next)).unwrap_or(inside.len());
        (begins && goes_on).then(|| format!("{slash}{folder}{slash}{}", &inside[..end]))
    })
}

/// True where an absolute path may begin behind this text: not within a longer path or behind the host of a URL.
fn begins_here(before: &str) -> bool {
    !before.ends_with(|last: char| last.is_alphanumeric() || "./_-~*)]}>$".contains(last))
}
