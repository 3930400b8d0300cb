//! The structure of the tree, read from its sources and manifests.
//!
//! These fail, with file and line: files of a crate that import each other in a circle, a crate that imports one that does not stand below it,
//! a path of a machine, a public item without documentation, a lint that is turned off without a reason, a folder of more than fifteen files whose map gives none, a path in ARCHITECTURE.md that is not there, `#[path]` in product code, and files or
//! randomness that product code takes elsewhere than in the places named for it. Sizes, maps with code in them and homely words are printed (`--nocapture`) and fail nothing: they are for a person to judge.
//!
//! It needs no crate: `rustc --test --edition 2024 tests/tidy/main.rs` makes a program that checks the tree in `ZONELAKE_TIDY_ROOT`.
//!
//! - [`tree`]: files and crates
//! - [`lexer`], [`source`], [`modules`]: from text to tokens, to the declarations of a file, to the meaning of a path in a crate
//! - [`circles`], [`edges`], [`machine_paths`], [`attributes`], [`injected`], [`full_folders`], [`named_paths`]: the checks
//! - [`advice`]: lines that are printed
//! - [`finding`]: a fault with its place
//! - [`planted`]: each check finds what is planted for it, and leaves the good alone

mod advice;
mod attributes;
mod circles;
mod edges;
mod finding;
mod full_folders;
mod injected;
mod lexer;
mod machine_paths;
mod modules;
mod named_paths;
mod planted;
mod source;
mod tree;

use std::path::PathBuf;

use edges::ORDER;
use finding::Finding;
use modules::Modules;
use tree::Tree;

/// Endings of files that people write; recordings and corpora are none.
const WRITTEN: [&str; 10] = [".rs", ".toml", ".md", ".sh", ".py", ".proto", ".slt", ".sql", ".yml", ".yaml"];

#[test]
fn the_tree_is_tidy() {
    let root = std::env::var_os("ZONELAKE_TIDY_ROOT").or_else(|| std::env::var_os("CARGO_MANIFEST_DIR"));
    let tree = Tree::read(&PathBuf::from(root.expect("the root is in ZONELAKE_TIDY_ROOT")));
    for line in advice::lines(&tree) {
        println!("advice: {line}");
    }
    let findings = findings(&tree, &ORDER);
    let listed: Vec<String> = findings.iter().map(Finding::to_string).collect();
    assert!(findings.is_empty(), "{} findings:\n{}", findings.len(), listed.join("\n"));
}

/// All that fails, in the order of files.
fn findings(tree: &Tree, order: &[(&str, &[&str])]) -> Vec<Finding> {
    let crates = tree.crates();
    let mut findings = edges::find(&crates, order);
    for of in &crates {
        let modules = Modules::read(tree, of);
        findings.extend(circles::find(&modules));
        findings.extend(modules.undocumented);
    }
    for file in tree.files().filter(|file| WRITTEN.iter().any(|ending| file.ends_with(ending)) || !file.contains('.')) {
        let text = tree.text(file);
        findings.extend(machine_paths::find(file, &text));
        if file.ends_with(".rs") {
            findings.extend(attributes::find(file, &text, is_product(file)));
            if is_product(file) {
                findings.extend(injected::find(file, &text));
            }
        }
    }
    findings.extend(full_folders::find(tree));
    findings.extend(named_paths::find(tree));
    findings.sort();
    findings
}

/// True for sources that are compiled into something that is shipped.
fn is_product(file: &str) -> bool {
    let is_test = |folder: &str| matches!(folder, "tests" | "benches");
    (file.starts_with("src/") || file.contains("/src/")) && !file.split('/').any(is_test)
}
