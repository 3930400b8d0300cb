//! A text of JSON and the places of its parts: json keeps what was written, jsonb orders keys and writes blanks of its own.

use datafusion::common::{DataFusionError, Result};

use crate::postgres::value_error::ValueError;

/// A value, and how it was written.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Json<'a> {
    /// The text of the value alone.
    pub(crate) written: &'a str,
    /// What it is.
    pub(crate) kind: Kind<'a>,
}

/// What a value is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Kind<'a> {
    /// `null`.
    Null,
    /// `true` or `false`.
    Truth(bool),
    /// A number, as it was written.
    Number,
    /// A text, without its quotes and escapes.
    Text(String),
    /// Items.
    Array(Vec<Json<'a>>),
    /// Members, in the order in which they were written.
    Object(Vec<(String, Json<'a>)>),
}

impl<'a> Json<'a> {
    /// Reads a text.
    ///
    /// # Errors
    /// A text that is no JSON.
    pub(crate) fn read(text: &'a str) -> Result<Self> {
        let mut reader = Reader { text, at: 0 };
        let value = reader.value(0)?;
        reader.blanks();
        if reader.at == text.len() { Ok(value) } else { Err(reader.wrong()) }
    }

    /// Item of an array, counted from 0, or from its end below 0.
    pub(crate) fn item(&self, place: i64) -> Option<&Self> {
        let Kind::Array(items) = &self.kind else { return None };
        let count = i64::try_from(items.len()).ok()?;
        items.get(usize::try_from(if place < 0 { place.checked_add(count)? } else { place }).ok()?)
    }

    /// Member of an object; of several with one name the last.
    pub(crate) fn member(&self, name: &str) -> Option<&Self> {
        let Kind::Object(members) = &self.kind else { return None };
        members.iter().rev().find(|(own, _)| own == name).map(|(_, value)| value)
    }

    /// What a step of a path leads to.
    pub(crate) fn step(&self, step: &str) -> Option<&Self> {
        match &self.kind {
            Kind::Array(_) => self.item(step.trim().parse().ok()?),
            _ => self.member(step),
        }
    }

    /// The value as a text: that of a text without its quotes, none of null.
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Null => None,
            Kind::Text(text) => Some(text),
            _ => Some(self.written),
        }
    }

    /// The name of its type.
    pub(crate) fn type_name(&self) -> &'static str {
        match self.kind {
            Kind::Null => "null",
            Kind::Truth(_) => "boolean",
            Kind::Number => "number",
            Kind::Text(_) => "string",
            Kind::Array(_) => "array",
            Kind::Object(_) => "object",
        }
    }

    /// Writes it as jsonb is written.
    pub(crate) fn push_binary(&self, out: &mut String) {
        match &self.kind {
            Kind::Text(text) => push_text(out, text),
            Kind::Array(items) => {
                out.push('[');
                for (at, item) in items.iter().enumerate() {
                    out.push_str(if at > 0 { ", " } else { "" });
                    item.push_binary(out);
                }
                out.push(']');
            }
            Kind::Object(members) => {
                let mut names: Vec<&str> = members.iter().map(|(name, _)| name.as_str()).collect();
                names.sort_by_key(|name| (name.len(), *name));
                names.dedup();
                out.push('{');
                for (at, name) in names.into_iter().enumerate() {
                    out.push_str(if at > 0 { ", " } else { "" });
                    push_text(out, name);
                    out.push_str(": ");
                    if let Some(value) = self.member(name) {
                        value.push_binary(out);
                    }
                }
                out.push('}');
            }
            Kind::Number => push_number(out, self.written),
            Kind::Null | Kind::Truth(_) => out.push_str(self.written),
        }
    }
}

/// Writes a number without an exponent, as a numeric is written.
fn push_number(out: &mut String, written: &str) {
    let Some((mantissa, exponent)) = written.split_once(['e', 'E']) else { return out.push_str(written) };
    let Some(exponent) = exponent.parse::<i32>().ok().filter(|exponent| exponent.abs() <= EXPONENT_MAX) else {
        return out.push_str(written);
    };
    let (sign, unsigned) = mantissa.strip_prefix('-').map_or(("", mantissa), |rest| ("-", rest));
    let (whole, behind) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let digits = format!("{whole}{behind}");
    let point = i32::try_from(whole.len()).unwrap_or(i32::MAX).saturating_add(exponent);
    out.push_str(sign);
    match usize::try_from(point) {
        Ok(point) if point >= digits.len() => {
            let plain = digits.trim_start_matches('0');
            out.push_str(if plain.is_empty() { "0" } else { plain });
            out.push_str(&"0".repeat(if plain.is_empty() { 0 } else { point - digits.len() }));
        }
        Ok(point) if point > 0 => {
            let whole = digits[..point].trim_start_matches('0');
            out.extend([if whole.is_empty() { "0" } else { whole }, ".", &digits[point..]]);
        }
        _ => out.extend(["0.", &"0".repeat(point.unsigned_abs() as usize), &digits]),
    }
}

/// Exponents that are written out.
const EXPONENT_MAX: i32 = 1_000;

/// Writes a text as JSON.
pub(crate) fn push_text(out: &mut String, text: &str) {
    out.push('"');
    for letter in text.chars() {
        match letter {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            letter if letter < ' ' => out.push_str(&format!("\\u{:04x}", u32::from(letter))),
            letter => out.push(letter),
        }
    }
    out.push('"');
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn wrong(&self) -> DataFusionError {
        let rest: String = self.text.get(self.at..).unwrap_or_default().chars().take(SHOWN_MAX).collect();
        let words = if rest.is_empty() { "it ends too early".to_owned() } else { format!("at \"{rest}\"") };
        ValueError::error("22P02", format!("invalid input syntax for type json: {words}"))
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn take(&mut self, wanted: u8) -> bool {
        self.blanks();
        let found = self.peek() == Some(wanted);
        self.at += usize::from(found);
        found
    }

    fn value(&mut self, depth: usize) -> Result<Json<'a>> {
        if depth > DEPTH_MAX {
            return Err(ValueError::error("54000", format!("JSON is nested more than {DEPTH_MAX} levels deep")));
        }
        self.blanks();
        let start = self.at;
        let kind = match self.peek() {
            Some(b'{') => self.object(depth)?,
            Some(b'[') => self.array(depth)?,
            Some(b'"') => Kind::Text(self.string()?),
            Some(b'-' | b'0'..=b'9') => self.number()?,
            _ => self.word()?,
        };
        Ok(Json { written: &self.text[start..self.at], kind })
    }

    fn word(&mut self) -> Result<Kind<'a>> {
        let rest = &self.text[self.at..];
        for (word, kind) in [("null", Kind::Null), ("true", Kind::Truth(true)), ("false", Kind::Truth(false))] {
            let is_whole = |behind: &str| !behind.starts_with(|next: char| next.is_alphanumeric() || next == '_');
            if rest.strip_prefix(word).is_some_and(is_whole) {
                self.at += word.len();
                return Ok(kind);
            }
        }
        Err(self.wrong())
    }

    fn number(&mut self) -> Result<Kind<'a>> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E')) {
            self.at += 1;
        }
        let written = &self.text[start..self.at];
        if is_number(written) {
            return Ok(Kind::Number);
        }
        self.at = start;
        Err(self.wrong())
    }

    fn array(&mut self, depth: usize) -> Result<Kind<'a>> {
        self.at += 1;
        let mut items = Vec::new();
        if self.take(b']') {
            return Ok(Kind::Array(items));
        }
        loop {
            items.push(self.value(depth + 1)?);
            if self.take(b']') {
                return Ok(Kind::Array(items));
            }
            if !self.take(b',') {
                return Err(self.wrong());
            }
        }
    }

    fn object(&mut self, depth: usize) -> Result<Kind<'a>> {
        self.at += 1;
        let mut members = Vec::new();
        if self.take(b'}') {
            return Ok(Kind::Object(members));
        }
        loop {
            self.blanks();
            if self.peek() != Some(b'"') {
                return Err(self.wrong());
            }
            let name = self.string()?;
            if !self.take(b':') {
                return Err(self.wrong());
            }
            members.push((name, self.value(depth + 1)?));
            if self.take(b'}') {
                return Ok(Kind::Object(members));
            }
            if !self.take(b',') {
                return Err(self.wrong());
            }
        }
    }

    /// A text, at its opening quote.
    fn string(&mut self) -> Result<String> {
        self.at += 1;
        let mut text = String::new();
        loop {
            let Some(letter) = self.text[self.at..].chars().next() else { return Err(self.wrong()) };
            match letter {
                '"' => {
                    self.at += 1;
                    return Ok(text);
                }
                '\\' => text.push(self.escape()?),
                letter if letter < ' ' => return Err(self.wrong()),
                letter => {
                    self.at += letter.len_utf8();
                    text.push(letter);
                }
            }
        }
    }

    /// An escape, at its backslash.
    fn escape(&mut self) -> Result<char> {
        let Some(letter) = self.text.as_bytes().get(self.at + 1).copied() else { return Err(self.wrong()) };
        let plain = match letter {
            b'"' => '"',
            b'\\' => '\\',
            b'/' => '/',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => return self.unicode(),
            _ => return Err(self.wrong()),
        };
        self.at += 2;
        Ok(plain)
    }

    fn unicode(&mut self) -> Result<char> {
        let digits = |at: usize| {
            let four = self.text.get(at..at + 4).filter(|four| four.bytes().all(|digit| digit.is_ascii_hexdigit()));
            four.and_then(|four| u32::from_str_radix(four, 16).ok())
        };
        let Some(first) = digits(self.at + 2) else { return Err(self.wrong()) };
        let (code, length) = match first {
            0xD800..0xDC00 => {
                let has_second = self.text.get(self.at + 6..self.at + 8) == Some("\\u");
                match digits(self.at + 8).filter(|second| has_second && (0xDC00..0xE000).contains(second)) {
                    Some(second) => (0x1_0000 + ((first - 0xD800) << 10) + (second - 0xDC00), 12),
                    None => return Err(self.wrong()),
                }
            }
            first => (first, 6),
        };
        match char::from_u32(code).filter(|letter| *letter != '\0') {
            Some(letter) => {
                self.at += length;
                Ok(letter)
            }
            None => Err(self.wrong()),
        }
    }
}

/// Levels of a value.
const DEPTH_MAX: usize = 200;
/// Letters of a text that is no JSON which its error shows.
const SHOWN_MAX: usize = 20;

/// True for a number as JSON writes it.
fn is_number(written: &str) -> bool {
    let unsigned = written.strip_prefix('-').unwrap_or(written);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent.strip_prefix(['+', '-']).unwrap_or(exponent))),
        None => (unsigned, None),
    };
    let (whole, behind) = match mantissa.split_once('.') {
        Some((whole, behind)) => (whole, Some(behind)),
        None => (mantissa, None),
    };
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|digit| digit.is_ascii_digit());
    digits(whole)
        && (whole == "0" || !whole.starts_with('0'))
        && behind.is_none_or(digits)
        && exponent.is_none_or(digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jsonb_is_written_as_postgresql_writes_it() {
        for (text, wanted) in [
            (" [1,  2] ", "[1, 2]"),
            ("{\"b\":1,\"aa\":2,\"a\":3,\"a\":4}", "{\"a\": 4, \"b\": 1, \"aa\": 2}"),
            ("1.50", "1.50"),
            ("1e3", "1000"),
            ("-1.25E-2", "-0.0125"),
            ("\"\\u00e9\\n\\/\\ud83d\\ude00\"", "\"é\\n/😀\""),
            ("{}", "{}"),
            ("[null,true]", "[null, true]"),
        ] {
            let mut out = String::new();
            Json::read(text).expect(text).push_binary(&mut out);
            assert_eq!(out, wanted, "{text}");
        }
    }

    #[test]
    fn parts_are_found_as_they_were_written() {
        let text = "{\"a\": {\"b\": [1,  \"x\"]}, \"n\": null}";
        let json = Json::read(text).expect("JSON");
        let array = json.member("a").and_then(|a| a.member("b")).expect("a member");
        assert_eq!(array.written, "[1,  \"x\"]");
        assert_eq!(array.item(-1).and_then(Json::text), Some("x"));
        assert_eq!(json.member("n").map(|null| (null.written, null.text())), Some(("null", None)));
        assert_eq!((json.item(0), json.member("c")), (None, None));
    }

    #[test]
    fn what_is_no_json_is_refused() {
        for text in
            ["", "{bad}", "{\"a\": 01}", "[1,]", "\"a", "nul", "nulls", "1 2", "\"\\u0000\"", "\"\\ud800\"", "1.", "é"]
        {
            assert!(Json::read(text).is_err(), "{text}");
        }
        assert!(Json::read(&"[".repeat(100_000)).is_err());
    }
}
