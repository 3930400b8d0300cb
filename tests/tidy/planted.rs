//! Each check finds what is planted for it in a tree of its own, and leaves alone what only looks like it.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::finding::Finding;
use crate::findings;
use crate::tree::Tree;

/// Crates of a planted tree: the second stands on the first.
const ORDER: [(&str, &[&str]); 2] = [("low", &[]), ("high", &["low"])];

/// A folder with the crates `low` and `high`, removed in the end.
struct Planted {
    root: PathBuf,
}

impl Planted {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        // Only a number of its own is wanted, so no order among threads matters.
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let root = std::env::temp_dir().join(format!("zonelake-tidy-{}-{number}", std::process::id()));
        let planted = Self { root };
        let root = "[workspace]\nmembers = [\n    \"low\",\n    \"high\",\n]\n\n[workspace.dependencies]\nlow = { path = \"low\" }\n";
        planted
            .with("Cargo.toml", root)
            .with("low/Cargo.toml", "[package]\nname = \"low\"\n")
            .with("low/src/lib.rs", "//! Low.\n")
            .with("high/Cargo.toml", "[package]\nname = \"high\"\n\n[dependencies]\nlow.workspace = true\n")
            .with("high/src/lib.rs", "//! High.\n")
    }

    fn with(self, file: &str, text: &str) -> Self {
        let path = self.root.join(file);
        fs::create_dir_all(path.parent().expect("a file is in a folder")).expect("a folder can be made");
        fs::write(path, text).expect("a file can be written");
        self
    }

    fn findings(&self) -> Vec<Finding> {
        findings(&Tree::read(&self.root), &ORDER)
    }

    /// The only finding: its file, its line, and all of it.
    fn finding(&self) -> (String, usize, String) {
        let mut findings = self.findings();
        assert_eq!(findings.len(), 1, "{findings:#?}");
        let found = findings.remove(0);
        (found.file, found.line, found.text)
    }

    #[track_caller]
    fn is_tidy(&self) {
        assert_eq!(self.findings(), []);
    }
}

impl Drop for Planted {
    fn drop(&mut self) {
        // What is left in the folder for temporary files harms nobody.
        fs::remove_dir_all(&self.root).ok();
    }
}

#[test]
fn a_tree_without_faults_is_tidy() {
    Planted::new().is_tidy();
}

#[test]
fn two_files_that_import_each_other_are_a_circle() {
    let tree = Planted::new()
        .with("low/src/lib.rs", "mod a;\nmod b;\n")
        .with("low/src/a.rs", "use crate::b::B;\nstruct A(B);\n")
        .with("low/src/b.rs", "struct B;\n\nfn make() -> crate::a::A { todo() }\n");
    let (file, line, text) = tree.finding();
    assert_eq!((file.as_str(), line), ("low/src/a.rs", 1));
    assert!(text.contains("low/src/a.rs:1 imports low/src/b.rs (crate::b::B)"), "{text}");
    assert!(text.contains("low/src/b.rs:3 imports low/src/a.rs (crate::a::A)"), "{text}");
}

#[test]
fn a_circle_over_three_files_and_groups_of_names_is_found() {
    let tree = Planted::new()
        .with("low/src/lib.rs", "mod a;\nmod b;\nmod c;\nmod d;\n")
        .with("low/src/a.rs", "use crate::{b::{B, Other as Another}, d::D};\nstruct A;\n")
        .with("low/src/b.rs", "use super::c::{self, C};\nstruct B;\nstruct Other;\n")
        .with("low/src/c.rs", "use super::*;\nfn c(a: a::A) {}\nstruct C;\n")
        .with("low/src/d.rs", "struct D;\n");
    let (_, _, text) = tree.finding();
    assert!(text.starts_with("3 files"), "{text}");
    assert!(text.contains("low/src/c.rs:2 imports low/src/a.rs (a::A)"), "{text}");
}

#[test]
fn a_circle_through_the_re_export_of_a_map_is_found() {
    let tree = Planted::new()
        .with("low/src/lib.rs", "mod folder;\nmod outside;\npub use folder::Inner as Renamed;\n")
        .with("low/src/folder/mod.rs", "//! Map.\nmod inner;\npub(crate) use inner::{Inner, other};\n")
        .with("low/src/folder/inner.rs", "use crate::outside::Outside;\nstruct Inner;\nfn other() {}\n")
        .with("low/src/outside.rs", "struct Outside;\nfn f(inner: crate::Renamed) {}\n");
    let (file, line, text) = tree.finding();
    assert_eq!((file.as_str(), line), ("low/src/folder/inner.rs", 1));
    assert!(text.contains("low/src/outside.rs:2 imports low/src/folder/inner.rs (crate::Renamed)"), "{text}");
}

#[test]
fn a_circle_of_a_module_with_code_and_its_child_is_found() {
    let tree = Planted::new()
        .with("low/src/lib.rs", "mod parent;\n")
        .with("low/src/parent/mod.rs", "mod child;\npub(crate) use child::Child;\nstruct Parent(Child);\n")
        .with("low/src/parent/child.rs", "use super::Parent;\nstruct Child;\n");
    let (file, _, text) = tree.finding();
    assert_eq!(file, "low/src/parent/child.rs");
    assert!(text.starts_with("2 files"), "{text}");
}

#[test]
fn the_same_path_within_a_function_or_a_macro_counts() {
    let tree = Planted::new()
        .with("low/src/lib.rs", "mod a;\nmod b;\n")
        .with("low/src/a.rs", "fn a() {\n    use crate::b::make;\n    make!();\n}\n")
        .with("low/src/b.rs", "macro_rules! make { () => { $crate::a::a() } }\n");
    let (_, _, text) = tree.finding();
    assert!(text.contains("low/src/b.rs:1 imports low/src/a.rs"), "{text}");
}

#[test]
fn maps_and_test_code_make_no_circle() {
    let tree = Planted::new()
        .with("low/src/lib.rs", "//! Low.\nmod folder;\nmod ground;\npub use folder::A;\n")
        .with("low/src/folder/mod.rs", "//! Map.\nmod a;\nmod b;\npub use a::A;\npub(crate) use b::B;\n")
        .with(
            "low/src/folder/a.rs",
            "use super::B;\nuse crate::ground;\n/// A.\npub struct A;\nfn f() -> B { ground::g(\"crate::folder::A\") }\n",
        )
        .with(
            "low/src/folder/b.rs",
            "struct B;\n#[cfg(test)]\nuse crate::A;\n#[cfg(test)]\nfn helper(a: crate::A) -> A { a }\n#[cfg(test)]\nmod tests {\n    use super::*;\n    \
             use crate::folder::a::A;\n}\n",
        )
        .with("low/src/ground.rs", "// crate::folder::A is said here only\nfn g(text: &str) {}\n#[cfg(test)]\nmod tests;\n")
        .with("low/src/ground/tests.rs", "use crate::folder::A;\n");
    tree.is_tidy();
}

#[test]
fn names_of_other_crates_and_own_modules_of_the_same_name_are_kept_apart() {
    let tree = Planted::new()
        .with("low/src/lib.rs", "mod a;\nmod parquet;\n")
        .with("low/src/a.rs", "use parquet::file::Reader;\nuse ::parquet::Other;\nstruct A;\n")
        .with("low/src/parquet.rs", "use crate::a::A;\n");
    tree.is_tidy();
}

#[test]
fn a_crate_that_imports_one_above_it_is_found() {
    let tree = Planted::new()
        .with("low/Cargo.toml", "[package]\nname = \"low\"\n\n[dependencies]\nserde = \"1\"\nhigh.workspace = true\n");
    let (file, line, text) = tree.finding();
    assert_eq!((file.as_str(), line), ("low/Cargo.toml", 6));
    assert_eq!(text, "low imports high, which does not stand below it");
}

#[test]
fn a_crate_under_another_name_or_in_a_section_of_its_own_is_found() {
    let renamed = "[package]\nname = \"low\"\n\n[target.'cfg(unix)'.dependencies]\nfine = { package = \"high\", path = \"../high\" }\n";
    assert_eq!(Planted::new().with("low/Cargo.toml", renamed).finding().1, 5);
    let section = "[package]\nname = \"low\"\n\n[dependencies.high]\nworkspace = true\n";
    assert_eq!(Planted::new().with("low/Cargo.toml", section).finding().1, 4);
}

#[test]
fn tests_of_a_crate_may_import_any_other() {
    Planted::new()
        .with("low/Cargo.toml", "[package]\nname = \"low\"\n\n[dev-dependencies]\nhigh.workspace = true\n")
        .is_tidy();
}

#[test]
fn a_crate_without_a_place_in_the_order_is_found() {
    let tree = Planted::new()
        .with("Cargo.toml", "[workspace]\nmembers = [\"low\", \"high\", \"new\"]\n")
        .with("new/Cargo.toml", "[package]\nname = \"new\"\n");
    assert!(tree.finding().2.starts_with("new has no place in the order of crates"));
}

#[test]
fn a_path_of_a_machine_is_found_in_sources_documents_and_scripts() {
    // Put together here, so that this file has none.
    let path = format!("/{}/someone/zonelake", "home");
    let tree = Planted::new()
        .with("low/src/lib.rs", &format!("//! Low.\n\n// see {path}/notes\n"))
        .with("docs/install.md", &format!("Run `{path}/run`.\n"))
        .with("low/run", &format!("#!/bin/sh\ncd {path}\n"));
    let places: Vec<_> = tree.findings().into_iter().map(|found| (found.file, found.line)).collect();
    assert_eq!(places, [("docs/install.md".into(), 1), ("low/run".into(), 2), ("low/src/lib.rs".into(), 3)]);
}

#[test]
fn paths_that_every_machine_has_and_paths_of_urls_are_none_of_a_machine() {
    let folder = "home";
    let text = format!(
        "/tmp/x /etc/zonelake /var/lib/zonelake /api/v1/sql /dev/null https://example.org/{folder}/page a/{folder}/b ./{folder}/b $x/{folder}/c \
         /{folder}stead /{folder}/"
    );
    Planted::new().with("docs/install.md", &text).is_tidy();
}

#[test]
fn public_items_without_documentation_are_found() {
    let tree = Planted::new().with(
        "low/src/lib.rs",
        "//! Low.\npub struct A {\n    pub field: u8,\n    own: u8,\n}\n\nimpl A {\n    pub const fn new() -> Self { A { field: 1, own: 2 } }\n}\n\n\
         pub mod inner {}\npub(crate) struct Own { pub field: u8 }\n",
    );
    let lines: Vec<_> = tree.findings().into_iter().map(|found| found.line).collect();
    assert_eq!(lines, [2, 3, 8, 11]);
}

#[test]
fn documented_restricted_and_test_items_are_no_fault() {
    let tree = Planted::new()
        .with(
            "low/src/lib.rs",
            "//! Low.\npub mod file;\npub use file::B;\n/// A.\n#[derive(Debug)]\n#[repr(transparent)]\npub struct A(pub u8);\n#[doc = \"C.\"]\npub struct C;\n\
             pub(crate) fn f() {}\npub(in crate::file) fn g() {}\n#[cfg(test)]\npub fn h() {}\n/** D. */\npub enum D { E }\n",
        )
        .with("low/src/file.rs", "//! File.\n\n/// B.\npub struct B;\n");
    tree.is_tidy();
}

#[test]
fn a_lint_that_is_turned_off_without_a_reason_is_found_everywhere() {
    let tree = Planted::new()
        .with("low/src/lib.rs", "//! Low.\n#![allow(dead_code)]\n\n#[cfg_attr(test, allow(unused))]\nfn a() {}\n")
        .with("low/tests/a.rs", "#[expect(clippy::x)]\nfn a() {}\n");
    let places: Vec<_> = tree.findings().into_iter().map(|found| (found.file, found.line)).collect();
    assert_eq!(places, [("low/src/lib.rs".into(), 2), ("low/src/lib.rs".into(), 4), ("low/tests/a.rs".into(), 1)]);
}

#[test]
fn a_reason_is_enough_and_methods_of_that_name_are_no_lint() {
    let text = "//! Low.\n#[allow(\n    clippy::a, // (as below)\n    reason = \"it is so\"\n)]\nfn a() { b().expect(\"fine\"); c.allow(1); f([expect(2)]) }\n";
    Planted::new().with("low/src/lib.rs", text).is_tidy();
}

#[test]
fn a_module_by_path_is_found_in_product_code_alone() {
    let text = "#[path = \"../other.rs\"]\nmod other;\n";
    let tree = Planted::new().with("low/src/lib.rs", text).with("low/tests/a.rs", text);
    let (file, line, _) = tree.finding();
    assert_eq!((file.as_str(), line), ("low/src/lib.rs", 1));
}

#[test]
fn a_file_that_product_code_opens_outside_the_named_places_is_found() {
    let tree = Planted::new()
        .with("low/src/lib.rs", "mod a;\nmod b;\n")
        .with("low/src/a.rs", "use std::fs;\nfn a() -> bool { fs::exists(\"a\").is_ok() }\n")
        // The tests of a file may, and so may what only has such a name.
        .with("low/src/b.rs", "use std::os::unix::fs::FileExt;\n#[cfg(test)]\nmod tests {\n    use std::fs;\n}\n");
    let (file, line, text) = tree.finding();
    assert_eq!((file.as_str(), line), ("low/src/a.rs", 1));
    assert!(text.contains("files are opened"), "{text}");
    for (group, is_found) in [
        ("fs::File, io", true),
        ("io, fs", true),
        ("io, os::{unix, fd}, fs as files", true),
        ("os::unix::fs::FileExt, io", false),
    ] {
        let tree = Planted::new().with("low/src/lib.rs", &format!("//! Low.\nuse std::{{{group}}};\n"));
        assert_eq!(tree.findings().len(), usize::from(is_found), "{group}");
    }
}

#[test]
fn randomness_that_product_code_takes_outside_the_named_places_is_found() {
    let tree = Planted::new()
        .with("high/src/lib.rs", "//! High.\nmod a;\n")
        .with("high/src/a.rs", "fn a() -> u64 {\n    fastrand::u64(..)\n}\n");
    let (file, line, text) = tree.finding();
    assert_eq!((file.as_str(), line), ("high/src/a.rs", 2));
    assert!(text.contains("randomness"), "{text}");
    let tree =
        Planted::new().with("high/src/lib.rs", "//! High.\nfn id() -> u128 {\n    Uuid::new_v4().as_u128()\n}\n");
    assert!(tree.finding().2.contains("randomness"));
}

#[test]
fn a_folder_of_more_than_fifteen_files_has_a_map_that_says_why() {
    let full = |map: &str| {
        (0..16).fold(Planted::new().with("low/src/lib.rs", map), |tree, number| {
            tree.with(&format!("low/src/part_{number}.rs"), "")
        })
    };
    let (file, line, text) = full("//! Parts.\n").finding();
    assert_eq!((file.as_str(), line), ("low/src/lib.rs", 1));
    assert!(text.contains("low/src has 16 source files"), "{text}");
    full("//! Parts, a file each, hence more\n//! than fifteen.\n").is_tidy();
}

#[test]
fn a_path_in_the_map_of_the_tree_is_there() {
    let tree = Planted::new()
        .with("ARCHITECTURE.md", "`low/src/lib.rs`, `low/src/`, `lib.rs`, `GET /low`\n`low/src/gone.rs`\n");
    let (file, line, text) = tree.finding();
    assert_eq!((file.as_str(), line), ("ARCHITECTURE.md", 2));
    assert!(text.contains("`low/src/gone.rs`"), "{text}");
}
