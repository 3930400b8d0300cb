//! Files of a crate that import each other in a circle.
//!
//! A file imports another one where a path in its product code, in a `use` or elsewhere, leads to something that the other one
//! defines; re-exports are followed to the definition. A re-export from below is no import as long as the code of its file does not use the name: so
//! `mod.rs` and `lib.rs` files that are maps import nothing.

use std::collections::{BTreeMap, BTreeSet};

use crate::finding::Finding;
use crate::modules::{Module, ModuleId, Modules, Target};

/// The files that a file imports, each with the first line that does so and the path that stands there.
type Imports<'a> = BTreeMap<&'a str, BTreeMap<&'a str, (usize, String)>>;

/// One finding for each circle of files, at an import that is part of the shortest way round.
pub(crate) fn find(modules: &Modules) -> Vec<Finding> {
    let imports = imports(modules);
    let mut findings = Vec::new();
    let mut done = BTreeSet::new();
    for &file in imports.keys() {
        if done.contains(file) {
            continue;
        }
        let reached = reachable(&imports, file);
        if !reached.contains(file) {
            continue;
        }
        let circle: BTreeSet<&str> =
            reached.into_iter().filter(|other| reachable(&imports, other).contains(file)).collect();
        findings.push(describe(&imports, file, &circle));
        done.extend(circle);
    }
    findings
}

fn imports(modules: &Modules) -> Imports<'_> {
    let mut imports = Imports::new();
    for (id, module) in modules.iter() {
        for (target, line, path) in targets(modules, id, module) {
            let (from, to) = (module.file.as_str(), modules.file(target));
            if from != to {
                let known = imports.entry(from).or_default().entry(to).or_insert_with(|| (line, path.clone()));
                if line < known.0 {
                    *known = (line, path);
                }
            }
        }
    }
    imports
}

/// The modules whose definitions a module uses, with line and path.
fn targets(modules: &Modules, id: ModuleId, module: &Module) -> Vec<(ModuleId, usize, String)> {
    let mut targets = Vec::new();
    for import in &module.source.imports {
        let path = import.segments.join("::");
        match (modules.resolve(id, &import.segments), &import.name) {
            // An enum's variants.
            (Some(Target::Item(target)), None) => targets.push((target, import.line, format!("{path}::*"))),
            (Some(Target::Item(target)), Some(name)) => {
                let from_below = import.exported && modules.is_within(target, id);
                if !from_below || module.source.words.contains(name) {
                    targets.push((target, import.line, path));
                }
            }
            // All names of a module: those that the code has.
            (Some(Target::Module(other)), None) => {
                for word in module.source.words.iter().filter(|word| !module.source.items.contains(*word)) {
                    if let Some(Target::Item(target)) = modules.lookup(other, word) {
                        targets.push((target, import.line, format!("{path}::{word}")));
                    }
                }
            }
            // A module as a name: paths that begin with it are resolved where they stand.
            (Some(Target::Module(_)), Some(_)) | (None, _) => {}
        }
    }
    for path in &module.source.paths {
        if let Some(Target::Item(target)) = modules.resolve(id, &path.segments) {
            targets.push((target, path.line, path.segments.join("::")));
        }
    }
    targets
}

/// All files that a file imports, directly or over others.
fn reachable<'a>(imports: &Imports<'a>, file: &str) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut next: Vec<&str> = imports.get(file).into_iter().flat_map(BTreeMap::keys).copied().collect();
    while let Some(file) = next.pop() {
        if reached.insert(file) {
            next.extend(imports.get(file).into_iter().flat_map(BTreeMap::keys).copied());
        }
    }
    reached
}

fn describe(imports: &Imports<'_>, file: &str, circle: &BTreeSet<&str>) -> Finding {
    let way = way_round(imports, file, circle);
    let mut text = format!("{} files import each other in a circle; the shortest way round from here:", circle.len());
    for pair in way.windows(2) {
        let (line, path) = &imports[pair[0]][pair[1]];
        text.push_str(&format!("\n    {}:{line} imports {} ({path})", pair[0], pair[1]));
    }
    let on_the_way: BTreeSet<(&str, &str)> = way.windows(2).map(|pair| (pair[0], pair[1])).collect();
    let mut others = String::new();
    for from in circle {
        for (to, (line, path)) in imports.get(from).into_iter().flatten() {
            if circle.contains(to) && !on_the_way.contains(&(*from, *to)) {
                others.push_str(&format!("\n    {from}:{line} imports {to} ({path})"));
            }
        }
    }
    if !others.is_empty() {
        text.push_str("\n  and within the same circle:");
        text.push_str(&others);
    }
    let line = way.windows(2).next().map_or(1, |pair| imports[pair[0]][pair[1]].0);
    Finding::new(file, line, text)
}

/// The shortest way from a file back to it, both ends included.
fn way_round<'a>(imports: &Imports<'a>, file: &str, circle: &BTreeSet<&'a str>) -> Vec<&'a str> {
    let Some(&file) = circle.get(file) else { return Vec::new() };
    let mut before: BTreeMap<&str, &str> = BTreeMap::new();
    let mut ring = vec![file];
    while !ring.is_empty() && !before.contains_key(file) {
        let mut next = Vec::new();
        for from in ring {
            for &to in imports.get(from).into_iter().flat_map(BTreeMap::keys).filter(|to| circle.contains(*to)) {
                if !before.contains_key(to) {
                    before.insert(to, from);
                    next.push(to);
                }
            }
        }
        ring = next;
    }
    let mut way = vec![file];
    let mut at = file;
    while let Some(&previous) = before.get(at) {
        way.push(previous);
        at = previous;
        if at == file {
            break;
        }
    }
    way.reverse();
    way
}
