//! A regular expression of PostgreSQL as one of the engine. Its `.` matches the end of a line too, words are bounded by `\m`, `\M` and `\y`,
//! a `$` that replaces is no group, and `\&` is what was found. Groups that are named again, and what lies ahead or behind, are refused.

use datafusion::common::Result;

use crate::postgres::value_error::ValueError;

/// A pattern with the flags that PostgreSQL's functions take, as a pattern alone.
///
/// # Errors
/// A pattern that is none (2201B), or that the engine has no words for (0A000).
pub(crate) fn pattern(written: &str, flags: &str) -> Result<String> {
    let mut options = Options::default();
    for flag in flags.chars() {
        options.set(flag)?;
    }
    if options.is_quoted {
        let quoted: String = written.chars().flat_map(|letter| literal(letter).into_iter().flatten()).collect();
        return Ok(format!("{}{quoted}", options.prefix(false)));
    }
    let mut reader = Reader { rest: written.chars().collect(), at: 0, out: String::new(), has_any: false };
    reader.read()?;
    Ok(format!("{}{}", options.prefix(reader.has_any), reader.out))
}

/// What replaces a match.
pub(crate) fn replacement(written: &str) -> String {
    let mut out = String::with_capacity(written.len());
    let mut letters = written.chars().peekable();
    while let Some(letter) = letters.next() {
        match (letter, letters.peek().copied()) {
            ('$', _) => out.push_str("$$"),
            ('\\', Some('&')) => {
                letters.next();
                out.push_str("${0}");
            }
            ('\\', Some('\\')) => {
                letters.next();
                out.push('\\');
            }
            ('\\', Some(group)) if group.is_ascii_digit() => {
                letters.next();
                out.extend(["${", &group.to_string(), "}"]);
            }
            (other, _) => out.push(other),
        }
    }
    out
}

#[derive(Debug, Default)]
struct Options {
    ignores_case: bool,
    is_quoted: bool,
    is_expanded: bool,
    /// `.` does not match the end of a line.
    ends_at_lines: bool,
    /// `^` and `$` match at lines.
    anchors_at_lines: bool,
}

impl Options {
    fn set(&mut self, flag: char) -> Result<()> {
        match flag {
            'i' => self.ignores_case = true,
            'c' => self.ignores_case = false,
            'q' => self.is_quoted = true,
            'x' => self.is_expanded = true,
            't' => self.is_expanded = false,
            'n' | 'm' => (self.ends_at_lines, self.anchors_at_lines) = (true, true),
            'p' => (self.ends_at_lines, self.anchors_at_lines) = (true, false),
            'w' => (self.ends_at_lines, self.anchors_at_lines) = (false, true),
            's' => (self.ends_at_lines, self.anchors_at_lines) = (false, false),
            'g' => {}
            other => {
                let words = format!("invalid regular expression option: \"{other}\"");
                return Err(ValueError::error("22023", words));
            }
        }
        Ok(())
    }

    /// The flags as the engine has them. A pattern without a `.` needs none for it.
    fn prefix(&self, has_any: bool) -> String {
        let all = [
            (self.ignores_case, 'i'),
            (self.is_expanded, 'x'),
            (has_any && !self.ends_at_lines, 's'),
            (self.anchors_at_lines, 'm'),
        ];
        let set: String = all.into_iter().filter(|(is_set, _)| *is_set).map(|(_, flag)| flag).collect();
        if set.is_empty() { set } else { format!("(?{set})") }
    }
}

/// A letter that stands for itself.
fn literal(letter: char) -> [Option<char>; 2] {
    let is_special = letter.is_ascii_punctuation();
    [is_special.then_some('\\'), Some(letter)]
}

struct Reader {
    rest: Vec<char>,
    at: usize,
    out: String,
    has_any: bool,
}

impl Reader {
    fn next(&mut self) -> Option<char> {
        let letter = self.rest.get(self.at).copied();
        self.at += usize::from(letter.is_some());
        letter
    }

    fn follows(&self, text: &str) -> bool {
        text.chars().enumerate().all(|(at, letter)| self.rest.get(self.at + at) == Some(&letter))
    }

    fn read(&mut self) -> Result<()> {
        while let Some(letter) = self.next() {
            match letter {
                '\\' => self.escape()?,
                '[' => self.class()?,
                '.' => {
                    self.has_any = true;
                    self.out.push('.');
                }
                '(' if ["?=", "?!", "?<=", "?<!"].iter().any(|mark| self.follows(mark)) => {
                    return Err(ValueError::unsupported(
                        "not supported: what lies ahead or behind, as (?=…), in a regular expression; match it, and take a group of the match",
                    ));
                }
                // A brace that counts nothing stands for itself.
                '{' if !self.rest.get(self.at).is_some_and(char::is_ascii_digit) => self.out.push_str("\\{"),
                other => self.out.push(other),
            }
        }
        Ok(())
    }

    fn escape(&mut self) -> Result<()> {
        let Some(letter) = self.next() else {
            return Err(ValueError::error("2201B", "invalid regular expression: invalid escape \\ sequence"));
        };
        match letter {
            'y' => self.out.push_str("\\b"),
            'Y' => self.out.push_str("\\B"),
            'm' => self.out.push_str("\\b{start}"),
            'M' => self.out.push_str("\\b{end}"),
            'A' => self.out.push_str("\\A"),
            'Z' => self.out.push_str("\\z"),
            'b' => self.out.push_str("\\x08"),
            'B' => self.out.push_str("\\\\"),
            'e' => self.out.push_str("\\x1B"),
            '0' => self.out.push_str("\\x00"),
            'd' | 'D' | 'w' | 'W' | 's' | 'S' | 'a' | 'f' | 'n' | 'r' | 't' | 'v' | 'x' | 'u' | 'U' => {
                self.out.extend(['\\', letter]);
            }
            '1'..='9' => {
                return Err(ValueError::unsupported(
                    "not supported: a group that is named again, as \\1, in a regular expression",
                ));
            }
            other if other.is_ascii_alphanumeric() => {
                return Err(ValueError::error("2201B", "invalid regular expression: invalid escape \\ sequence"));
            }
            other => self.out.extend(literal(other).into_iter().flatten()),
        }
        Ok(())
    }

    /// A class in brackets, whose opening one has been read.
    fn class(&mut self) -> Result<()> {
        for (word, bound) in [("[:<:]]", "\\b{start}"), ("[:>:]]", "\\b{end}")] {
            if self.follows(word) {
                self.at += word.len();
                self.out.push_str(bound);
                return Ok(());
            }
        }
        self.out.push('[');
        if self.follows("^") {
            self.at += 1;
            self.out.push('^');
        }
        let mut is_first = true;
        while let Some(letter) = self.next() {
            match letter {
                ']' if !is_first => {
                    self.out.push(']');
                    return Ok(());
                }
                '[' if self.follows(":") => self.named_class(),
                '\\' => match self.next() {
                    Some(class @ ('d' | 'w' | 's' | 'n' | 'r' | 't' | 'f' | 'v' | 'a' | 'x' | 'u' | 'U')) => {
                        self.out.extend(['\\', class]);
                    }
                    Some(other) => self.out.extend(literal(other).into_iter().flatten()),
                    None => break,
                },
                '[' | ']' | '&' | '~' => self.out.extend(['\\', letter]),
                other => self.out.push(other),
            }
            is_first = false;
        }
        Err(ValueError::error("2201B", "invalid regular expression: brackets [] not balanced"))
    }

    /// `[:alpha:]` within brackets is written alike in both.
    fn named_class(&mut self) {
        self.out.push('[');
        while let Some(letter) = self.next() {
            self.out.push(letter);
            if letter == ']' {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_means_what_it_means_to_postgresql() {
        for (written, flags, wanted) in [
            ("^note", "", "^note"),
            ("a.b", "", "(?s)a.b"),
            ("a.b", "n", "(?m)a.b"),
            ("a.b", "gi", "(?is)a.b"),
            ("a.b", "q", "a\\.b"),
            ("\\yab\\y", "", "\\bab\\b"),
            ("\\mab\\M", "", "\\b{start}ab\\b{end}"),
            ("[[:<:]]a[[:>:]]", "", "\\b{start}a\\b{end}"),
            ("[^]a&&b~[]", "", "[^\\]a\\&\\&b\\~\\[]"),
            ("[[:digit:]_]", "", "[[:digit:]_]"),
            ("a{2}{b", "", "a{2}\\{b"),
            ("\\.\\é", "", "\\.é"),
        ] {
            assert_eq!(pattern(written, flags).expect(written), wanted, "{written}");
        }
        for (written, flags) in [("(.)\\1", ""), ("f(?=o)", ""), ("[a", ""), ("a\\", ""), ("\\q", ""), ("a", "z")] {
            assert!(pattern(written, flags).is_err(), "{written}");
        }
    }

    #[test]
    fn what_replaces_has_groups_by_backslash_alone() {
        for (written, wanted) in
            [("[\\&]", "[${0}]"), ("$1", "$$1"), ("\\1\\12", "${1}${1}2"), ("\\\\", "\\"), ("\\x", "\\x")]
        {
            assert_eq!(replacement(written), wanted, "{written}");
        }
    }
}
