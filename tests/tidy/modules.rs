//! The modules of a crate, over all of its files, and the way from a path to the file that defines it.

use std::collections::{BTreeMap, BTreeSet};

use crate::finding::Finding;
use crate::source::{self, Child, ModuleSource};
use crate::tree::{Crate, Tree};

/// A module of a crate by its number in [`Modules`].
pub(crate) type ModuleId = usize;

/// All product modules of a crate.
#[derive(Debug, Default)]
pub(crate) struct Modules {
    modules: Vec<Module>,
    /// Public items without documentation.
    pub(crate) undocumented: Vec<Finding>,
}

/// A module, of a file or within one.
#[derive(Debug)]
pub(crate) struct Module {
    /// The file that it is in.
    pub(crate) file: String,
    /// The module above.
    pub(crate) parent: Option<ModuleId>,
    /// Its contents, without what is below.
    pub(crate) source: ModuleSource,
    children: BTreeMap<String, ModuleId>,
}

/// The meaning of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    /// A module.
    Module(ModuleId),
    /// Something that the module defines.
    Item(ModuleId),
}

impl Modules {
    /// Reads all modules that the crate's library and programs are made of.
    pub(crate) fn read(tree: &Tree, of: &Crate) -> Self {
        let src = if of.folder.is_empty() { "src/".to_owned() } else { format!("{}/src/", of.folder) };
        let bin = format!("{src}bin/");
        let mut modules = Self::default();
        let is_root = |file: &&str| {
            *file == format!("{src}lib.rs")
                || *file == format!("{src}main.rs")
                || file.rsplit_once('/').is_some_and(|(folder, _)| format!("{folder}/") == bin)
        };
        for root in tree.sources().filter(is_root) {
            modules.read_file(tree, root, None);
        }
        modules
    }

    /// All of them with their numbers.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (ModuleId, &Module)> {
        self.modules.iter().enumerate()
    }

    /// The file of a module.
    pub(crate) fn file(&self, id: ModuleId) -> &str {
        &self.modules[id].file
    }

    /// True where a module stands below another one, or is that one.
    pub(crate) fn is_within(&self, id: ModuleId, above: ModuleId) -> bool {
        let mut next = Some(id);
        while let Some(id) = next {
            if id == above {
                return true;
            }
            next = self.modules[id].parent;
        }
        false
    }

    fn read_file(&mut self, tree: &Tree, file: &str, parent: Option<ModuleId>) -> ModuleId {
        let read = source::read(&tree.text(file));
        let describe = |(line, item)| Finding::new(file, line, format!("`{item}` is public and has no documentation"));
        self.undocumented.extend(read.undocumented.into_iter().map(describe));
        let (folder, name) = file.rsplit_once('/').unwrap_or(("", file));
        let below = match name {
            "lib.rs" | "main.rs" | "mod.rs" => folder.to_owned(),
            _ if folder.ends_with("/bin") => folder.to_owned(),
            _ => file.trim_end_matches(".rs").to_owned(),
        };
        self.add(tree, file, &below, parent, read.module)
    }

    /// Adds a module and what is below; `below` is the folder of its children's files.
    fn add(
        &mut self,
        tree: &Tree,
        file: &str,
        below: &str,
        parent: Option<ModuleId>,
        mut source: ModuleSource,
    ) -> ModuleId {
        let id = self.modules.len();
        let children = std::mem::take(&mut source.children);
        self.modules.push(Module { file: file.to_owned(), parent, source, children: BTreeMap::new() });
        for child in children {
            let (name, child) = match child {
                Child::Inline { name, module } => {
                    let child = self.add(tree, file, &format!("{below}/{name}"), Some(id), module);
                    (name, Some(child))
                }
                Child::File { name, path } => {
                    let folder = file.rsplit_once('/').map_or("", |(folder, _)| folder);
                    let given = path.map(|path| format!("{folder}/{path}"));
                    let places =
                        [given.unwrap_or_default(), format!("{below}/{name}.rs"), format!("{below}/{name}/mod.rs")];
                    let found = places.into_iter().find(|place| tree.has(place));
                    (name, found.map(|found| self.read_file(tree, &found, Some(id))))
                }
            };
            if let Some(child) = child {
                self.modules[id].children.entry(name).or_insert(child);
            }
        }
        id
    }

    /// The meaning of a path in a module; `None` for names of other crates.
    pub(crate) fn resolve(&self, from: ModuleId, segments: &[String]) -> Option<Target> {
        self.resolve_path(from, segments, &mut BTreeSet::new())
    }

    /// The meaning of a single name in a module, seen from outside.
    pub(crate) fn lookup(&self, module: ModuleId, name: &str) -> Option<Target> {
        self.lookup_name(module, name, true, &mut BTreeSet::new())
    }

    fn root(&self, mut id: ModuleId) -> ModuleId {
        while let Some(parent) = self.modules[id].parent {
            id = parent;
        }
        id
    }

    fn resolve_path(
        &self,
        from: ModuleId,
        segments: &[String],
        seen: &mut BTreeSet<(ModuleId, String)>,
    ) -> Option<Target> {
        let mut at = from;
        let mut rest = segments;
        let mut rooted = false;
        while let [first, others @ ..] = rest {
            match first.as_str() {
                "crate" => at = self.root(from),
                "self" => {}
                "super" => at = self.modules[at].parent?,
                _ => break,
            }
            rooted = true;
            rest = others;
        }
        let mut target = Target::Module(at);
        for (position, name) in rest.iter().enumerate() {
            let Target::Module(module) = target else { break };
            let last = position + 1 == rest.len();
            let found = self.lookup_name(module, name, last, seen);
            target = match found {
                Some(found) => found,
                // Without a root, a first name that is unknown here is another crate's.
                None if position == 0 && !rooted => return None,
                // Made by a macro: it is the module's own.
                None if !self.modules[module].source.items.is_empty() => Target::Item(module),
                None => return None,
            };
        }
        Some(target)
    }

    /// A name in a module. A name that goes on is a module's rather than an item's.
    fn lookup_name(
        &self,
        module: ModuleId,
        name: &str,
        last: bool,
        seen: &mut BTreeSet<(ModuleId, String)>,
    ) -> Option<Target> {
        let child = self.modules[module].children.get(name).map(|&child| Target::Module(child));
        let source = &self.modules[module].source;
        if let Some(child) = child.filter(|_| !last) {
            return Some(child);
        }
        if source.items.contains(name) {
            return Some(Target::Item(module));
        }
        if !seen.insert((module, name.to_owned())) {
            return child;
        }
        let named = source.imports.iter().filter(|import| import.name.as_deref() == Some(name));
        let mut through = named.filter_map(|import| self.resolve_path(module, &import.segments, seen));
        if let Some(target) = through.next().or(child) {
            return Some(target);
        }
        let globs = source.imports.iter().filter(|import| import.name.is_none());
        let mut through = globs.filter_map(|import| match self.resolve_path(module, &import.segments, seen)? {
            Target::Module(other) if other != module => self.lookup_name(other, name, last, seen),
            _ => None,
        });
        through.next()
    }
}
