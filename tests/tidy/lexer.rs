//! Rust source as tokens with their lines: comments and the contents of literals are left out, doc comments are kept.

use std::iter::Peekable;
use std::str::Chars;

/// A token that the checks can use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    /// An identifier or a keyword, without `r#`.
    Ident(String),
    /// `::`
    PathSeparator,
    /// Any other punctuation, one character at a time.
    Punct(char),
    /// `///` or `/** */`
    OuterDoc,
    /// `//!` or `/*! */`
    InnerDoc,
    /// A string, with its contents.
    Text(String),
    /// A number, a character or a lifetime.
    Literal,
}

/// A token and the line on which it begins, counted from 1.
#[derive(Debug, Clone)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    pub(crate) line: usize,
}

impl Token {
    /// The identifier, if it is one.
    pub(crate) fn ident(&self) -> Option<&str> {
        match &self.kind {
            Kind::Ident(name) => Some(name),
            _ => None,
        }
    }

    /// True for this punctuation.
    pub(crate) fn is(&self, punct: char) -> bool {
        self.kind == Kind::Punct(punct)
    }
}

/// Tokens of a source file. Text that is not Rust gives tokens that make no sense, and no error.
pub(crate) fn tokens(source: &str) -> Vec<Token> {
    let mut lexer = Lexer { chars: source.chars().peekable(), line: 1, tokens: Vec::new() };
    lexer.run();
    lexer.tokens
}

struct Lexer<'a> {
    chars: Peekable<Chars<'a>>,
    line: usize,
    tokens: Vec<Token>,
}

impl Lexer<'_> {
    fn run(&mut self) {
        while let Some(&first) = self.chars.peek() {
            let line = self.line;
            let kind = match first {
                _ if first.is_whitespace() => {
                    self.next();
                    continue;
                }
                '/' => self.slash(),
                '"' => {
                    self.next();
                    Some(Kind::Text(self.string()))
                }
                '\'' => Some(self.quote()),
                '0'..='9' => Some(self.number()),
                _ if first == '_' || first.is_alphabetic() => Some(self.word()),
                ':' => {
                    self.next();
                    Some(if self.take(':') { Kind::PathSeparator } else { Kind::Punct(':') })
                }
                _ => {
                    self.next();
                    Some(Kind::Punct(first))
                }
            };
            self.tokens.extend(kind.map(|kind| Token { kind, line }));
        }
    }

    fn next(&mut self) -> Option<char> {
        let next = self.chars.next();
        self.line += usize::from(next == Some('\n'));
        next
    }

    fn take(&mut self, wanted: char) -> bool {
        let found = self.chars.peek() == Some(&wanted);
        if found {
            self.next();
        }
        found
    }

    /// The character after the next one.
    fn second(&self) -> Option<char> {
        self.chars.clone().nth(1)
    }

    fn slash(&mut self) -> Option<Kind> {
        self.next();
        if self.take('/') {
            let mut text = String::new();
            while self.chars.peek().is_some_and(|&next| next != '\n') {
                text.extend(self.next());
            }
            return doc_kind(&text, '/');
        }
        if !self.take('*') {
            return Some(Kind::Punct('/'));
        }
        let mut text = String::new();
        let mut depth = 1;
        while let Some(next) = self.next() {
            if next == '/' && self.take('*') {
                depth += 1;
            } else if next == '*' && self.take('/') {
                depth -= 1;
                if depth == 0 {
                    break;
                }
            }
            text.push(next);
        }
        doc_kind(&text, '*')
    }

    /// The rest of a string whose opening quote is taken.
    fn string(&mut self) -> String {
        let mut text = String::new();
        while let Some(next) = self.next() {
            match next {
                '"' => break,
                '\\' => {
                    text.push(next);
                    text.extend(self.next());
                }
                _ => text.push(next),
            }
        }
        text
    }

    /// The rest of a raw string behind its `r`.
    fn raw_string(&mut self) -> String {
        let mut hashes = 0;
        while self.take('#') {
            hashes += 1;
        }
        self.take('"');
        let mut text = String::new();
        while let Some(next) = self.next() {
            if next == '"' && self.chars.clone().take(hashes).filter(|&hash| hash == '#').count() == hashes {
                for _ in 0..hashes {
                    self.next();
                }
                break;
            }
            text.push(next);
        }
        text
    }

    /// A character or a lifetime.
    fn quote(&mut self) -> Kind {
        self.next();
        if self.take('\\') {
            self.next();
            while self.next().is_some_and(|next| next != '\'') {}
        } else if self.second() == Some('\'') {
            self.next();
            self.next();
        } else {
            while self.chars.peek().is_some_and(|&next| next == '_' || next.is_alphanumeric()) {
                self.next();
            }
        }
        Kind::Literal
    }

    fn number(&mut self) -> Kind {
        while let Some(&next) = self.chars.peek() {
            let fraction = next == '.' && self.second().is_some_and(|digit| digit.is_ascii_digit());
            if !(fraction || next == '_' || next.is_alphanumeric()) {
                break;
            }
            self.next();
        }
        Kind::Literal
    }

    /// An identifier, or a string or character with a prefix.
    fn word(&mut self) -> Kind {
        let mut word = String::new();
        while self.chars.peek().is_some_and(|&next| next == '_' || next.is_alphanumeric()) {
            word.extend(self.next());
        }
        match (word.as_str(), self.chars.peek().copied()) {
            ("b" | "c", Some('"')) => {
                self.next();
                Kind::Text(self.string())
            }
            ("b", Some('\'')) => self.quote(),
            ("r" | "br" | "cr", Some('"')) => Kind::Text(self.raw_string()),
            ("r" | "br" | "cr", Some('#')) if matches!(self.second(), Some('#' | '"')) => Kind::Text(self.raw_string()),
            ("r", Some('#')) => {
                self.next();
                self.word()
            }
            _ => Kind::Ident(word),
        }
    }
}

/// The kind of a comment, by what stands behind its first two characters.
fn doc_kind(text: &str, repeated: char) -> Option<Kind> {
    if text.starts_with('!') {
        return Some(Kind::InnerDoc);
    }
    let outer = text.strip_prefix(repeated)?;
    (!outer.starts_with(repeated)).then_some(Kind::OuterDoc)
}
