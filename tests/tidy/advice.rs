//! Advice for a person to judge: it is printed and fails nothing.

use std::collections::BTreeMap;

use crate::lexer::{Kind, tokens};
use crate::tree::Tree;

const FILE_LINES_MAX: usize = 600;

/// Words and the terms that stand for them; see the glossary in ARCHITECTURE.md.
const HOMELY: [(&str, &str); 40] = [
    ("door", "interface or listener"),
    ("inside", "shared state"),
    ("whoever", "the client"),
    ("stranger", "unauthenticated"),
    ("unproven", "unvalidated address"),
    ("shares", "per-gateway quota"),
    ("judge", "classify"),
    ("verdict", "decision or check"),
    ("unnumbered", "unsequenced"),
    ("numbered", "sequenced"),
    ("head", "header"),
    ("let go", "release"),
    ("lets go", "release"),
    ("set aside", "freeze"),
    ("settle", "resolve, adopt, choose"),
    ("adopted", "registered"),
    ("kept", "stored"),
    ("greatest", "maximum"),
    ("steps", "scaled integers"),
    ("shown", "visible or published"),
    ("file terms", "physical schema"),
    ("stand back", "run at lower priority"),
    ("stands back", "run at lower priority"),
    ("gives way", "yield"),
    ("on its way", "in flight"),
    ("said over", "rewritten"),
    ("in the words of", "as"),
    ("emptiness", "empty relations"),
    ("membership", "IN subquery"),
    ("carry out", "execute"),
    ("trouble", "degraded component or error"),
    ("troubles", "degraded components"),
    ("patience", "shutdown grace period"),
    ("mend", "fix"),
    ("anew", "again"),
    ("by itself", "automatically"),
    ("bed", "harness"),
    ("rung", "stage"),
    ("ladder", "pipeline stages"),
    ("the log", "the WAL, the Delta log or the server log"),
];

/// Lines to print.
pub(crate) fn lines(tree: &Tree) -> Vec<String> {
    let mut lines = long_files(tree);
    lines.extend(maps_with_code(tree));
    lines.extend(homely_words(tree));
    lines
}

fn long_files(tree: &Tree) -> Vec<String> {
    let sizes = tree.sources().map(|file| (file, tree.text(file).lines().count()));
    let long = sizes.filter(|(_, lines)| *lines > FILE_LINES_MAX);
    long.map(|(file, lines)| format!("{file} has {lines} lines (over {FILE_LINES_MAX})")).collect()
}

/// `mod.rs` files that define something, and modules in both forms.
fn maps_with_code(tree: &Tree) -> Vec<String> {
    const DEFINING: [&str; 7] = ["fn", "struct", "enum", "trait", "const", "static", "impl"];
    let maps = tree.sources().filter(|file| file.ends_with("/mod.rs") && file.contains("src/"));
    let with_code = maps.filter(|file| {
        let tokens = tokens(&tree.text(file));
        tokens.iter().any(|token| matches!(&token.kind, Kind::Ident(word) if DEFINING.contains(&word.as_str())))
    });
    let mut lines: Vec<String> = with_code.map(|file| format!("{file} is not a map only")).collect();
    for file in tree.sources().filter(|file| file.contains("src/")) {
        let folder = file.trim_end_matches(".rs");
        if tree.sources().any(|other| other.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))) {
            lines.push(format!("{file} stands beside a folder of its name; a folder has a mod.rs"));
        }
    }
    lines
}

fn homely_words(tree: &Tree) -> Vec<String> {
    let mut found: BTreeMap<usize, (usize, String)> = BTreeMap::new();
    let texts = tree
        .files()
        .filter(|file| (file.ends_with(".rs") || file.ends_with(".md")) && !file.starts_with("tests/tidy/"));
    for file in texts {
        for (line, number) in tree.text(file).to_lowercase().lines().zip(1..) {
            for (entry, _) in HOMELY.iter().enumerate().filter(|(_, (word, _))| has_word(line, word)) {
                let place = || (0, format!("{file}:{number}"));
                let count = found.entry(entry).or_insert_with(place);
                count.0 += 1;
            }
        }
    }
    let describe = |(entry, (count, first)): (usize, (usize, String))| {
        let (word, term) = HOMELY[entry];
        format!("`{word}` on {count} lines, first {first}: the term is {term}")
    };
    found.into_iter().map(describe).collect()
}

/// True where a word stands in a line, also as a part of a `snake_case` name.
fn has_word(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        let bare = word != "the log" || !after.is_some_and(|next| next.is_alphanumeric() || next == '_');
        bare && !before.is_some_and(char::is_alphabetic) && !after.is_some_and(char::is_alphabetic)
    })
}
