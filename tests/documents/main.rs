//! The documents hold what they promise: commands run as written, and paths, links and tests that they name exist.
//!
//! # Rules of a shell block
//!
//! Each fenced `sh` block of README.md and of `docs/*.md` has a comment directly before it, which Markdown does not show:
//!
//! | comment | meaning |
//! |---|---|
//! | `<!-- run: name -->` | the block runs to its end, and each command of it succeeds |
//! | `<!-- run: name, in the background -->` | the block starts a server; the next block runs once that is healthy. A server of an earlier block is stopped first, as a service manager does |
//! | `<!-- run: name, needs tool -->` | the block is left out, and printed, where the machine lacks this program |
//! | `<!-- not run: reason -->` | the block is left to the reader |
//!
//! Blocks of one document run in order in one shell (bash, ending at the first command that fails), with variables and servers of
//! the blocks before. The shell starts in a temporary folder that has the files of the clone, and `target/release/zonelake` as after
//! `cargo build --release`, which is first on the path. The ports 7420, 7421 and 7422, by default and as written, are replaced by free ones.
//!
//! - [`blocks`]: blocks and their comments
//! - [`session`]: the shell of one document
//! - [`references`]: paths, links and tests that documents name

mod blocks;
mod references;
mod session;

use std::path::{Path, PathBuf};

use blocks::{Block, Marker, blocks};
use session::run;

#[test]
fn every_shell_block_says_whether_it_runs() {
    let faults: Vec<String> = documents().iter().flat_map(|document| unmarked(document)).collect();
    assert!(faults.is_empty(), "the rules are in tests/documents/main.rs:\n{}", faults.join("\n"));
}

#[test]
fn commands_run_as_they_are_written() {
    let mut faults = Vec::new();
    for document in documents() {
        let blocks = read(&document);
        if blocks.iter().any(|block| matches!(block.marker, Marker::Run { .. })) {
            faults.extend(run(&root(), &name(&document), &blocks).err());
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n\n"));
}

#[test]
fn paths_and_links_of_the_documents_lead_somewhere() {
    let mut pages = documents();
    pages.extend([root().join("ARCHITECTURE.md")]);
    pages.extend(markdown_in(&root().join("docs/decisions")));
    let faults: Vec<String> = pages.iter().flat_map(|page| references::broken(&root(), page)).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn tests_that_prove_the_invariants_exist() {
    let missing = references::missing_tests(&root(), &root().join("ARCHITECTURE.md"));
    assert!(missing.is_empty(), "ARCHITECTURE.md names tests that do not exist:\n{}", missing.join("\n"));
}

/// With its default of 100 ms, systemd gives up after five ends within ten seconds, and a server stays away whose disk was late by a minute.
#[test]
fn services_that_are_started_again_leave_time_between() {
    let mut services = 0;
    for document in documents() {
        let text = std::fs::read_to_string(&document).expect("a document is text");
        for service in text.split("\n[Service]\n").skip(1) {
            let section = service.split("\n[").next().unwrap_or(service).split("\n```").next().unwrap_or(service);
            if section.contains("\nRestart=") {
                services += 1;
                let seconds = section.lines().find_map(|line| line.strip_prefix("RestartSec=")?.parse::<u32>().ok());
                assert!(seconds.is_some_and(|seconds| seconds >= 3), "{}: RestartSec\n{section}", name(&document));
            }
        }
    }
    assert!(services >= 2, "the server and the watched folder are services");
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Documents with commands, in order.
fn documents() -> Vec<PathBuf> {
    let mut documents = vec![root().join("README.md")];
    documents.extend(markdown_in(&root().join("docs")));
    documents.extend(markdown_in(&root().join("docs/vi")));
    documents
}

fn markdown_in(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("the folder of documents can be listed");
    let mut pages: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    pages.retain(|page| page.extension().is_some_and(|extension| extension == "md"));
    pages.sort();
    pages
}

fn name(document: &Path) -> String {
    document.strip_prefix(root()).unwrap_or(document).display().to_string()
}

fn read(document: &Path) -> Vec<Block> {
    blocks(&std::fs::read_to_string(document).expect("a document is text"))
}

/// Blocks without a marker, with one that cannot be read, or with the name of another block.
fn unmarked(document: &Path) -> Vec<String> {
    let mut names = std::collections::BTreeSet::new();
    let fault = |block: Block| {
        let what = match block.marker {
            Marker::None => {
                "the block has no `<!-- run: name -->` and no `<!-- not run: reason -->` before it".to_owned()
            }
            Marker::Bad(what) => what,
            Marker::Run { name, .. } if !names.insert(name.clone()) => format!("another block is called {name:?} too"),
            Marker::Run { .. } | Marker::NotRun => return None,
        };
        Some(format!("{}:{}: {what}", name(document), block.line))
    };
    read(document).into_iter().filter_map(fault).collect()
}
