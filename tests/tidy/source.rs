//! Declarations, names and undocumented items of a source file. Test code (`#[cfg(test)]`) is left out.

use std::collections::BTreeSet;

use crate::lexer::{Kind, Token, tokens};

/// A module as its file, or the braces behind `mod name`, have it.
#[derive(Debug, Default)]
pub(crate) struct ModuleSource {
    /// Names of the items that are defined here.
    pub(crate) items: BTreeSet<String>,
    /// Names that are brought in, wherever in the module.
    pub(crate) imports: Vec<Import>,
    /// Paths of two or more segments that stand in code.
    pub(crate) paths: Vec<CodePath>,
    /// All identifiers in code outside `use` and `mod`.
    pub(crate) words: BTreeSet<String>,
    /// Modules below.
    pub(crate) children: Vec<Child>,
}

/// One name of a `use`.
#[derive(Debug)]
pub(crate) struct Import {
    /// The whole path, from the left.
    pub(crate) segments: Vec<String>,
    /// The name in this module; `None` for `*`.
    pub(crate) name: Option<String>,
    /// True with any visibility, so that others can take the name from here.
    pub(crate) exported: bool,
    /// The line on which the path ends.
    pub(crate) line: usize,
}

/// A path in code.
#[derive(Debug)]
pub(crate) struct CodePath {
    /// The segments, from the left.
    pub(crate) segments: Vec<String>,
    /// The line on which it begins.
    pub(crate) line: usize,
}

/// A module below another one.
#[derive(Debug)]
pub(crate) enum Child {
    /// `mod name;` with the file of a `#[path]`.
    File { name: String, path: Option<String> },
    /// `mod name { … }`
    Inline { name: String, module: ModuleSource },
}

/// A file read.
#[derive(Debug, Default)]
pub(crate) struct SourceFile {
    /// The top level, with the modules below.
    pub(crate) module: ModuleSource,
    /// Public items without documentation: line and what it is.
    pub(crate) undocumented: Vec<(usize, String)>,
}

/// Reads a source file.
pub(crate) fn read(text: &str) -> SourceFile {
    let mut parser = Parser { tokens: tokens(text), at: 0, undocumented: Vec::new(), public_struct: false };
    let module = parser.module();
    SourceFile { module, undocumented: parser.undocumented }
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
    undocumented: Vec<(usize, String)>,
    /// True between a public struct's name and its fields.
    public_struct: bool,
}

/// A bracket that is open.
#[derive(Debug)]
struct Open {
    bracket: char,
    public_fields: bool,
}

/// Documentation and attributes before an item.
#[derive(Debug, Default, Clone)]
struct Before {
    documented: bool,
    path: Option<String>,
}

impl Parser {
    /// The module up to its closing brace, which is taken, or to the end.
    fn module(&mut self) -> ModuleSource {
        let mut module = ModuleSource::default();
        let mut open: Vec<Open> = Vec::new();
        let mut before = Before::default();
        while let Some(token) = self.tokens.get(self.at).cloned() {
            match &token.kind {
                Kind::OuterDoc => {
                    before.documented = true;
                    self.at += 1;
                    continue;
                }
                Kind::InnerDoc => {
                    self.at += 1;
                    continue;
                }
                Kind::Punct('#') if self.attribute_follows() => {
                    match self.attribute(&mut module, &mut before) {
                        Attribute::TestFile => return ModuleSource::default(),
                        Attribute::TestItem => {
                            self.skip_item();
                            before = Before::default();
                        }
                        Attribute::Other => {}
                    }
                    continue;
                }
                Kind::Punct(bracket @ ('{' | '(' | '[')) => {
                    // A function's body or a tuple's fields end the wait for the fields of a public struct.
                    let public_fields = std::mem::take(&mut self.public_struct) && *bracket == '{';
                    open.push(Open { bracket: *bracket, public_fields });
                    self.at += 1;
                }
                Kind::Punct('}') if open.is_empty() => {
                    self.at += 1;
                    return module;
                }
                Kind::Punct('}' | ')' | ']') => {
                    open.pop();
                    self.at += 1;
                }
                Kind::Ident(word) => self.word(word, &before, &open, &mut module),
                _ => self.at += 1,
            }
            before = Before::default();
        }
        module
    }

    fn token(&self, ahead: usize) -> Option<&Token> {
        self.tokens.get(self.at + ahead)
    }

    fn ident(&self, ahead: usize) -> Option<&str> {
        self.token(ahead)?.ident()
    }

    fn punct(&self, ahead: usize, punct: char) -> bool {
        self.token(ahead).is_some_and(|token| token.is(punct))
    }

    fn line(&self) -> usize {
        self.token(0).map_or(0, |token| token.line)
    }

    fn attribute_follows(&self) -> bool {
        self.punct(1, '[') || self.punct(1, '!') && self.punct(2, '[')
    }

    fn attribute(&mut self, module: &mut ModuleSource, before: &mut Before) -> Attribute {
        let inner = self.punct(1, '!');
        let begin = self.at + if inner { 3 } else { 2 };
        self.at = begin - 1;
        self.skip_brackets();
        let content = &self.tokens[begin..self.at.saturating_sub(1).max(begin)];
        let words: Vec<&str> = content.iter().filter_map(Token::ident).collect();
        if words.first() == Some(&"cfg")
            && words.contains(&"test")
            && !words.contains(&"any")
            && !words.contains(&"not")
        {
            return if inner { Attribute::TestFile } else { Attribute::TestItem };
        }
        if words.first() == Some(&"doc") && !inner {
            before.documented = true;
        }
        if words.first() == Some(&"path") {
            before.path = content.iter().find_map(|token| match &token.kind {
                Kind::Text(path) => Some(path.clone()),
                _ => None,
            });
        }
        module.words.extend(words.into_iter().map(str::to_owned));
        Attribute::Other
    }

    /// Skips from an opening bracket to behind the one that closes it.
    fn skip_brackets(&mut self) {
        let mut depth = 0_usize;
        while let Some(token) = self.tokens.get(self.at) {
            self.at += 1;
            match token.kind {
                Kind::Punct('{' | '(' | '[') => depth += 1,
                Kind::Punct('}' | ')' | ']') => depth = depth.saturating_sub(1),
                _ => {}
            }
            if depth == 0 {
                return;
            }
        }
    }

    /// Skips the item, statement, field or arm behind a `#[cfg(test)]`.
    fn skip_item(&mut self) {
        while self.token(0).is_some_and(|token| token.kind == Kind::OuterDoc) || self.punct(0, '#') {
            self.at += 1;
            if self.punct(0, '[') {
                self.skip_brackets();
            }
        }
        self.skip_visibility();
        let function = (0..4).any(|ahead| self.ident(ahead) == Some("fn"));
        let first = self.ident(0).unwrap_or_default();
        let is_item = function
            || ["mod", "struct", "enum", "union", "trait", "impl", "unsafe", "extern", "macro_rules"].contains(&first);
        let to_semicolon = !function && ["use", "const", "static", "type", "let"].contains(&first);
        while let Some(token) = self.token(0) {
            match token.kind {
                Kind::Punct('{') if !to_semicolon => {
                    self.skip_brackets();
                    if self.punct(0, ',') || self.punct(0, ';') {
                        self.at += 1;
                    }
                    return;
                }
                Kind::Punct('{' | '(' | '[') => self.skip_brackets(),
                Kind::Punct('}' | ')' | ']') => return,
                Kind::Punct(';') => {
                    self.at += 1;
                    return;
                }
                Kind::Punct(',') if !is_item && !to_semicolon => {
                    self.at += 1;
                    return;
                }
                _ => self.at += 1,
            }
        }
    }

    /// Skips `pub` or `pub(…)`; says which it is.
    fn skip_visibility(&mut self) -> Visibility {
        if self.ident(0) != Some("pub") {
            return Visibility::Private;
        }
        self.at += 1;
        if self.punct(0, '(') && matches!(self.ident(1), Some("crate" | "super" | "self" | "in")) {
            self.skip_brackets();
            return Visibility::Restricted;
        }
        Visibility::Public
    }

    /// Goes on behind an identifier, and behind all that belongs to it where it begins something.
    fn word(&mut self, word: &str, before: &Before, open: &[Open], module: &mut ModuleSource) {
        let line = self.line();
        let visibility = self.skip_visibility();
        if visibility != Visibility::Private {
            let item = self.ident(0).unwrap_or_default().to_owned();
            if visibility == Visibility::Public && !before.documented && self.is_public(open) {
                self.note_undocumented(&item, line);
            }
            self.public_struct = visibility == Visibility::Public && matches!(item.as_str(), "struct" | "union");
            if item != "use" && item != "mod" {
                return;
            }
        }
        let word = if visibility == Visibility::Private { word } else { self.ident(0).unwrap_or_default() };
        match word {
            "use" if !self.punct(1, '<') => {
                self.at += 1;
                let exported = visibility != Visibility::Private;
                // `::name` is another crate's: nothing of this one is called by an empty name.
                let foreign = self.token(0).is_some_and(|token| token.kind == Kind::PathSeparator);
                let prefix = if foreign { vec![String::new()] } else { Vec::new() };
                self.use_tree(prefix, exported, &mut module.imports);
            }
            "mod" if self.ident(1).is_some() && self.punct(2, ';') => {
                let name = self.ident(1).unwrap_or_default().to_owned();
                module.children.push(Child::File { name, path: before.path.clone() });
                self.at += 3;
            }
            "mod" if self.ident(1).is_some() && self.punct(2, '{') => {
                let name = self.ident(1).unwrap_or_default().to_owned();
                self.at += 3;
                let inner = self.module();
                module.children.push(Child::Inline { name, module: inner });
            }
            "macro_rules" if self.punct(1, '!') => {
                module.items.extend(self.ident(2).map(str::to_owned));
                self.at += 3;
                self.macro_body(module);
            }
            _ => {
                if open.is_empty() {
                    module.items.extend(self.defined());
                }
                self.path(module);
            }
        }
    }

    /// True where an item follows the `pub`, or a named field of a struct that is public too.
    fn is_public(&self, open: &[Open]) -> bool {
        let is_field = self.punct(1, ':');
        let fields_count = open.last().is_some_and(|open| open.public_fields);
        open.last().is_none_or(|open| open.bracket != '(') && (!is_field || fields_count)
    }

    fn note_undocumented(&mut self, item: &str, line: usize) {
        let inline_module = item == "mod" && self.punct(2, '{');
        let documented_inside = self.token(3).is_some_and(|token| token.kind == Kind::InnerDoc);
        // A re-export shows the documentation of what it names, and a file has its own at its top.
        if matches!(item, "use" | "extern") || item == "mod" && (!inline_module || documented_inside) {
            return;
        }
        let name = (0..5).filter_map(|ahead| self.ident(ahead)).take(3).collect::<Vec<_>>().join(" ");
        self.undocumented.push((line, name));
    }

    /// The name that an item's keyword here defines.
    fn defined(&self) -> Option<String> {
        const KEYWORDS: [&str; 8] = ["fn", "struct", "enum", "union", "trait", "type", "const", "static"];
        let keyword = self.ident(0).filter(|word| KEYWORDS.contains(word))?;
        let name = match self.ident(1)? {
            "mut" if keyword == "static" => self.ident(2)?,
            name => name,
        };
        (!KEYWORDS.contains(&name)).then(|| name.to_owned())
    }

    /// Paths and words of a macro's body; what it defines is defined where it is used.
    fn macro_body(&mut self, module: &mut ModuleSource) {
        let begin = self.at;
        self.skip_brackets();
        let end = self.at;
        self.at = begin;
        while self.at < end {
            if self.ident(0).is_some() {
                self.path(module);
            } else {
                self.at += 1;
            }
        }
    }

    /// Takes an identifier, with the path that begins with it.
    fn path(&mut self, module: &mut ModuleSource) {
        let line = self.line();
        let after_separator = self.at > 0 && self.tokens[self.at - 1].kind == Kind::PathSeparator;
        let mut segments = Vec::new();
        while let Some(name) = self.ident(0).map(str::to_owned) {
            module.words.insert(name.clone());
            segments.push(name);
            self.at += 1;
            let more = self.token(0).is_some_and(|token| token.kind == Kind::PathSeparator);
            if !more || self.ident(1).is_none() {
                break;
            }
            self.at += 1;
        }
        if segments.len() > 1 && !after_separator {
            module.paths.push(CodePath { segments, line });
        }
    }

    /// Takes the rest of a `use` behind a prefix, up to `;`, or to `,` or `}` within braces.
    fn use_tree(&mut self, mut segments: Vec<String>, exported: bool, imports: &mut Vec<Import>) {
        if self.token(0).is_some_and(|token| token.kind == Kind::PathSeparator) {
            self.at += 1;
        }
        while let Some(token) = self.tokens.get(self.at).cloned() {
            let line = token.line;
            match &token.kind {
                Kind::Punct('{') => {
                    self.at += 1;
                    while self.at < self.tokens.len() && !self.punct(0, '}') {
                        self.use_tree(segments.clone(), exported, imports);
                        if self.punct(0, ',') {
                            self.at += 1;
                        } else if !self.punct(0, '}') {
                            break;
                        }
                    }
                    self.at += 1;
                    return;
                }
                Kind::Punct('*') => {
                    self.at += 1;
                    imports.push(Import { segments, name: None, exported, line });
                    return;
                }
                Kind::PathSeparator => self.at += 1,
                Kind::Ident(name) => {
                    self.at += 1;
                    if name != "self" || segments.is_empty() {
                        segments.push(name.clone());
                    }
                    if self.token(0).is_some_and(|token| token.kind == Kind::PathSeparator) {
                        continue;
                    }
                    let mut bound = segments.last().cloned();
                    if self.ident(0) == Some("as") {
                        bound = self.ident(1).map(str::to_owned);
                        self.at += 2;
                    }
                    imports.push(Import { segments, name: bound, exported, line });
                    return;
                }
                _ => return,
            }
        }
    }
}

#[derive(Debug, PartialEq, Eq, Clone, Copy)]
enum Visibility {
    Private,
    Restricted,
    Public,
}

enum Attribute {
    TestFile,
    TestItem,
    Other,
}
