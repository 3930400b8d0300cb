//! Lines to names and values, without their meaning. Nothing is copied: names and strings are slices of the payload,
//! and are unescaped only where they have a backslash.
//!
//! ```text
//! line        = measurement *("," key "=" value) 1*space field *("," field) [1*space timestamp] [CR] LF
//! field       = key "=" (number | integer ("i" | "u") | boolean | string)
//! string      = DQUOTE *(any | "\" DQUOTE | "\" "\") DQUOTE        ; may hold line breaks
//! escapes     = "\," "\=" "\ "                                      ; outside of strings; any other "\" is itself
//! ```

use std::borrow::Cow;

/// A name or value as it stands in the payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Raw<'a> {
    pub(crate) bytes: &'a [u8],
    /// True where the bytes have a backslash.
    escaped: bool,
    is_string: bool,
}

impl<'a> Raw<'a> {
    /// A name that stands in no payload.
    pub(crate) fn plain(text: &'a str) -> Self {
        Self { bytes: text.as_bytes(), escaped: false, is_string: false }
    }

    /// The text, unescaped; `None` where it is not UTF-8.
    pub(crate) fn text(self) -> Option<Cow<'a, str>> {
        let text = std::str::from_utf8(self.bytes).ok()?;
        if !self.escaped {
            return Some(Cow::Borrowed(text));
        }
        let special: &[char] = if self.is_string { &['"', '\\'] } else { &[',', '=', ' '] };
        let mut plain = String::with_capacity(text.len());
        let mut rest = text.chars().peekable();
        while let Some(char) = rest.next() {
            match rest.peek() {
                Some(next) if char == '\\' && special.contains(next) => plain.extend(rest.next()),
                _ => plain.push(char),
            }
        }
        Some(Cow::Owned(plain))
    }
}

/// A field's value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum FieldValue<'a> {
    /// A plain decimal of at most 18 digits: mantissa / 10^places.
    Decimal {
        mantissa: i64,
        places: u8,
        digits: u8,
        raw: &'a [u8],
    },
    /// Any other number, NaN and infinities included.
    Double(f64),
    /// An integer with its `i` or `u`.
    Integer(i64),
    /// The digits of an integer with its `i` or `u` that 64 bits with a sign do not hold.
    BigInteger(&'a str),
    Boolean(bool),
    String(Raw<'a>),
}

/// One line; the vectors are reused from line to line.
#[derive(Debug, Default)]
pub(crate) struct Line<'a> {
    pub(crate) measurement: Option<Raw<'a>>,
    pub(crate) tags: Vec<(Raw<'a>, Raw<'a>)>,
    pub(crate) fields: Vec<(Raw<'a>, FieldValue<'a>)>,
    pub(crate) timestamp: Option<i64>,
    /// Offset of the line in the payload.
    pub(crate) start: usize,
    /// Line number, from 1.
    pub(crate) number: usize,
}

/// Reads the lines of a payload one after the other.
#[derive(Debug)]
pub(crate) struct Lines<'a> {
    bytes: &'a [u8],
    at: usize,
    number: usize,
    /// True where a string of this line holds a line break.
    has_breaks: bool,
}

impl<'a> Lines<'a> {
    /// From an offset where a line begins.
    pub(crate) fn new(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at, number: 1, has_breaks: false }
    }

    /// Reads the next line that is neither blank nor a comment; `None` at the end. Behind an error it goes on with the
    /// next line; `line.number` and `line.start` tell where the error was.
    pub(crate) fn next(&mut self, line: &mut Line<'a>) -> Option<Result<(), &'static str>> {
        loop {
            self.skip_while(|byte| matches!(byte, b' ' | b'\t' | b'\r'));
            match self.peek()? {
                b'\n' => {
                    self.at += 1;
                    self.number += 1;
                }
                b'#' => self.skip_while(|byte| byte != b'\n'),
                _ => break,
            }
        }
        (line.start, line.number) = (self.at, self.number);
        let read = self.read(line);
        if read.is_err() {
            self.skip_while(|byte| byte != b'\n');
        }
        // Only these lines are counted byte by byte; all others have one line break, counted when it is skipped.
        if read.is_err() || self.has_breaks {
            // Strings may hold line breaks; the end of the line itself is counted when it is skipped.
            self.number += self.bytes[line.start..self.at].iter().filter(|byte| **byte == b'\n').count();
            self.has_breaks = false;
        }
        Some(read)
    }

    fn read(&mut self, line: &mut Line<'a>) -> Result<(), &'static str> {
        line.tags.clear();
        line.fields.clear();
        line.timestamp = None;
        let measurement = self.name(&ENDS_MEASUREMENT);
        if measurement.bytes.is_empty() {
            return Err("no measurement");
        }
        line.measurement = Some(measurement);
        while self.take(b',') {
            let key = self.name(&ENDS_NAME);
            if key.bytes.is_empty() || !self.take(b'=') {
                return Err("a tag without a key or without '='");
            }
            let value = self.name(&ENDS_NAME);
            if value.bytes.is_empty() {
                return Err("a tag without a value");
            }
            line.tags.push((key, value));
        }
        if !self.take(b' ') {
            return Err("no field");
        }
        self.skip_while(|byte| byte == b' ');
        loop {
            let key = self.name(&ENDS_NAME);
            if key.bytes.is_empty() || !self.take(b'=') {
                return Err("a field without a key or without '='");
            }
            let value = self.value()?;
            line.fields.push((key, value));
            if !self.take(b',') {
                break;
            }
        }
        self.end(line)
    }

    /// Reads the timestamp and the end of the line.
    fn end(&mut self, line: &mut Line<'a>) -> Result<(), &'static str> {
        self.skip_while(|byte| byte == b' ');
        let start = self.at;
        self.skip_while(|byte| !matches!(byte, b' ' | b'\r' | b'\n'));
        let token = &self.bytes[start..self.at];
        if !token.is_empty() {
            line.timestamp = Some(integer(token).ok_or("the timestamp is not an integer of 64 bits")?);
        }
        self.skip_while(|byte| matches!(byte, b' ' | b'\t' | b'\r'));
        match self.peek() {
            None | Some(b'\n') => Ok(()),
            Some(_) => Err("something stands behind the timestamp"),
        }
    }

    /// A name up to an unescaped byte that ends it, or the end of the payload.
    #[inline]
    fn name(&mut self, ends: &ByteSet) -> Raw<'a> {
        let rest = &self.bytes[self.at..];
        let length = rest.iter().position(|byte| ends.has(*byte)).unwrap_or(rest.len());
        // Names with escapes are rare, and their loop is kept out of this one.
        if rest.get(length) == Some(&b'\\') {
            return self.escaped_name(ends);
        }
        self.at += length;
        Raw { bytes: &rest[..length], escaped: false, is_string: false }
    }

    #[cold]
    fn escaped_name(&mut self, ends: &ByteSet) -> Raw<'a> {
        let start = self.at;
        while let Some(byte) = self.peek() {
            if byte != b'\\' && ends.has(byte) {
                break;
            }
            let is_escape =
                byte == b'\\' && self.bytes.get(self.at + 1).is_some_and(|next| matches!(next, b',' | b'=' | b' '));
            self.at += if is_escape { 2 } else { 1 };
        }
        Raw { bytes: &self.bytes[start..self.at], escaped: true, is_string: false }
    }

    fn value(&mut self) -> Result<FieldValue<'a>, &'static str> {
        if self.take(b'"') {
            return self.string();
        }
        if let Some(decimal) = self.decimal() {
            return Ok(decimal);
        }
        let start = self.at;
        self.skip_while(|byte| !ENDS_VALUE.has(byte));
        other_value(&self.bytes[start..self.at])
    }

    fn string(&mut self) -> Result<FieldValue<'a>, &'static str> {
        let start = self.at;
        let mut escaped = false;
        loop {
            match self.peek() {
                None => {
                    // The next line begins behind the one with the opening quote.
                    self.at = start;
                    return Err("a string without its closing quote");
                }
                Some(b'"') => break,
                Some(b'\\') => {
                    escaped = true;
                    self.has_breaks |= self.bytes.get(self.at + 1) == Some(&b'\n');
                    self.at = (self.at + 2).min(self.bytes.len());
                }
                Some(byte) => {
                    self.has_breaks |= byte == b'\n';
                    self.at += 1;
                }
            }
        }
        let raw = Raw { bytes: &self.bytes[start..self.at], escaped, is_string: true };
        self.at += 1;
        Ok(FieldValue::String(raw))
    }

    /// Reads the usual number, digits with at most one point, or an integer with its suffix; `None` and nothing read
    /// where it is something else.
    #[inline]
    fn decimal(&mut self) -> Option<FieldValue<'a>> {
        let rest = &self.bytes[self.at..];
        let is_negative = rest.first() == Some(&b'-');
        let start = usize::from(is_negative);
        let (whole, mut end) = digits(rest, start, 0);
        let (mut mantissa, mut count, mut places, mut has_point) = (whole, end - start, 0, false);
        if rest.get(end) == Some(&b'.') {
            let point = end;
            (mantissa, end) = digits(rest, point + 1, whole);
            (places, has_point) = (end - point - 1, true);
            count += places;
        }
        // More digits may overflow the mantissa; such a number goes the general way.
        if count == 0 || count > DIGITS_MAX {
            return None;
        }
        let mantissa = if is_negative { -mantissa } else { mantissa };
        let is_last = |at: usize| rest.get(at).is_none_or(|byte| ENDS_VALUE.has(*byte));
        if is_last(end) {
            self.at += end;
            let (places, digits) = (as_u8(places), as_u8(count));
            return Some(FieldValue::Decimal { mantissa, places, digits, raw: &rest[..end] });
        }
        let is_integer = match rest[end] {
            b'i' => !has_point,
            b'u' => !has_point && !is_negative,
            _ => false,
        };
        if !is_integer || !is_last(end + 1) {
            return None;
        }
        self.at += end + 1;
        Some(FieldValue::Integer(mantissa))
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == Some(byte);
        self.at += usize::from(is_next);
        is_next
    }

    fn skip_while(&mut self, skips: impl Fn(u8) -> bool) {
        while self.peek().is_some_and(&skips) {
            self.at += 1;
        }
    }
}

/// Reads a value that is no string and no usual number.
fn other_value(token: &[u8]) -> Result<FieldValue<'_>, &'static str> {
    match token {
        b"t" | b"T" | b"true" | b"True" | b"TRUE" => return Ok(FieldValue::Boolean(true)),
        b"f" | b"F" | b"false" | b"False" | b"FALSE" => return Ok(FieldValue::Boolean(false)),
        b"" => return Err("a field without a value"),
        _ => {}
    }
    let text = std::str::from_utf8(token).map_err(|_not_utf8| "a value that is not UTF-8")?;
    if let Some(integer) =
        text.strip_suffix('i').or_else(|| text.strip_suffix('u').filter(|text| !text.starts_with('-')))
    {
        let digits = integer.strip_prefix('-').unwrap_or(integer);
        if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Ok(integer.parse().map_or(FieldValue::BigInteger(integer), FieldValue::Integer));
        }
    }
    // Rust reads NaN, inf and infinity of any case, as printf writes them.
    text.parse().map(FieldValue::Double).map_err(|_not_a_number| "a value that is no number, boolean or quoted string")
}

/// Reads digits from `at` on behind the digits of `value`; gives back the value, which wraps beyond 18 digits in all,
/// and where the digits end.
#[inline]
fn digits(bytes: &[u8], mut at: usize, mut value: i64) -> (i64, usize) {
    while let Some(digit) = bytes.get(at).map(|byte| byte.wrapping_sub(b'0')).filter(|digit| *digit < 10) {
        value = value.wrapping_mul(10).wrapping_add(i64::from(digit));
        at += 1;
    }
    (value, at)
}

fn integer(token: &[u8]) -> Option<i64> {
    let (value, end) = digits(token, 0, 0);
    if end == token.len() && end <= DIGITS_MAX {
        return Some(value);
    }
    std::str::from_utf8(token).ok()?.parse().ok()
}

fn as_u8(digits: usize) -> u8 {
    u8::try_from(digits).expect("there are at most 18 digits")
}

/// A set of bytes, looked up by one load.
struct ByteSet([bool; 256]);

impl ByteSet {
    const fn new(bytes: &[u8]) -> Self {
        let mut set = [false; 256];
        let mut i = 0;
        while i < bytes.len() {
            set[bytes[i] as usize] = true;
            i += 1;
        }
        Self(set)
    }

    #[inline]
    fn has(&self, byte: u8) -> bool {
        self.0[usize::from(byte)]
    }
}

/// Bytes that end a measurement, or may be an escape in it.
static ENDS_MEASUREMENT: ByteSet = ByteSet::new(b", \n\\");
/// Bytes that end another name, or may be an escape in it.
static ENDS_NAME: ByteSet = ByteSet::new(b",= \n\\");
/// Bytes that end a value that is no string.
static ENDS_VALUE: ByteSet = ByteSet::new(b", \r\n");
/// Digits that a 64-bit mantissa always holds.
const DIGITS_MAX: usize = 18;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn field(value: &str) -> Result<FieldValue<'static>, &'static str> {
        let text: &'static str = Box::leak(format!("m f={value} 1").into_boxed_str());
        let mut line = Line::default();
        Lines::new(text.as_bytes(), 0).next(&mut line).unwrap().map(|()| line.fields[0].1)
    }

    #[test]
    fn numbers_are_read_as_they_stand() {
        let decimal = |mantissa, places, digits, raw: &'static str| {
            Ok(FieldValue::Decimal { mantissa, places, digits, raw: raw.as_bytes() })
        };
        assert_eq!(field("21.53"), decimal(2153, 2, 4, "21.53"));
        assert_eq!(field("-0.5"), decimal(-5, 1, 2, "-0.5"));
        assert_eq!(field(".5"), decimal(5, 1, 1, ".5"));
        assert_eq!(field("5."), decimal(5, 0, 1, "5."));
        assert_eq!(field("1e3"), Ok(FieldValue::Double(1000.0)));
        assert_eq!(field("-1.5E-3"), Ok(FieldValue::Double(-0.0015)));
        assert_eq!(field("12i"), Ok(FieldValue::Integer(12)));
        assert_eq!(field("18446744073709551615u"), Ok(FieldValue::BigInteger("18446744073709551615")));
        assert_eq!(field("-9223372036854775809i"), Ok(FieldValue::BigInteger("-9223372036854775809")));
        assert!(matches!(field("NaN"), Ok(FieldValue::Double(value)) if value.is_nan()));
        for wrong in ["1.5i", "-1u", "i", "1_000", "0x10", "--1", "1.2.3", "yes"] {
            assert!(field(wrong).is_err(), "{wrong}: {:?}", field(wrong));
        }
    }

    #[test]
    fn escapes_quotes_comments_and_blank_lines_are_read() {
        let text = concat!(
            "# comment, with=signs\n\n  \r\n",
            "my\\ table,dev\\=ice=a\\,b\\ c,x=\\y s=\"say \\\"hi\\\", a\\\\b\nsecond line\",b=T,i=-3i\r\n",
            "  m f=1 -5  \n",
        );
        let mut lines = Lines::new(text.as_bytes(), 0);
        let mut line = Line::default();
        lines.next(&mut line).unwrap().unwrap();
        assert_eq!((line.number, line.timestamp), (4, None));
        let plain = |raw: Raw<'_>| raw.text().unwrap().into_owned();
        assert_eq!(plain(line.measurement.unwrap()), "my table");
        assert_eq!(plain(line.tags[0].0), "dev=ice");
        assert_eq!(plain(line.tags[0].1), "a,b c");
        assert_eq!(plain(line.tags[1].1), "\\y");
        let FieldValue::String(raw) = line.fields[0].1 else { panic!("a string") };
        assert_eq!(plain(raw), "say \"hi\", a\\b\nsecond line");
        assert_eq!(line.fields[1].1, FieldValue::Boolean(true));
        lines.next(&mut line).unwrap().unwrap();
        assert_eq!((line.number, line.timestamp), (6, Some(-5)));
        assert!(lines.next(&mut line).is_none());
    }

    #[test]
    fn behind_a_faulty_line_the_next_is_read() {
        let text = "m\nm f\nm f=\n,a=b f=1\nm,a f=1\nm f=1 x\nm f=1 1 1\nm f=\"open\nm f=2\n";
        let mut lines = Lines::new(text.as_bytes(), 0);
        let mut line = Line::default();
        let mut faulty = Vec::new();
        let mut good = Vec::new();
        while let Some(read) = lines.next(&mut line) {
            if read.is_err() { faulty.push(line.number) } else { good.push(line.number) }
        }
        assert_eq!((faulty, good), ((1..=8).collect(), vec![9]));
    }

    /// A name with the bytes that need escapes, and its escaped form.
    fn escaped(name: &str, special: &[char]) -> String {
        name.chars().flat_map(|c| special.contains(&c).then_some('\\').into_iter().chain([c])).collect()
    }

    proptest! {
        #[test]
        fn whatever_is_written_reads_back(
            table in "[a-z ,=]{1,10}", key in "[a-zà-ý ,=]{1,10}", value in "[a-zà-ý ,=.\"]{1,10}", text in "[ -~\n]{0,20}",
            number in any::<f64>(), integer in any::<i64>(), time in any::<i64>(),
        ) {
            let written = format!(
                "{},{}={} s=\"{}\",n={number},i={integer}i {time}\n",
                escaped(&table, &[' ', ',']), escaped(&key, &[' ', ',', '=']), escaped(&value, &[' ', ',', '=']),
                escaped(&text, &['"', '\\']),
            );
            // A measurement may hold '=' without a backslash, and a leading space or '#' would be none of it.
            prop_assume!(!table.starts_with(' '));
            let mut line = Line::default();
            let mut lines = Lines::new(written.as_bytes(), 0);
            prop_assert_eq!(lines.next(&mut line), Some(Ok(())), "{}", written);
            prop_assert_eq!(line.measurement.unwrap().text().unwrap(), table);
            prop_assert_eq!(line.tags[0].0.text().unwrap(), key);
            prop_assert_eq!(line.tags[0].1.text().unwrap(), value);
            let FieldValue::String(raw) = line.fields[0].1 else { panic!("a string") };
            prop_assert_eq!(raw.text().unwrap(), text);
            let read = match line.fields[1].1 {
                FieldValue::Decimal { raw, .. } => std::str::from_utf8(raw).unwrap().parse().unwrap(),
                FieldValue::Double(value) => value,
                other => panic!("{other:?}"),
            };
            prop_assert!(read == number || read.is_nan() && number.is_nan());
            prop_assert_eq!(line.fields[2].1, FieldValue::Integer(integer));
            prop_assert_eq!(line.timestamp, Some(time));
        }

        #[test]
        fn arbitrary_bytes_never_panic_and_always_end(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut lines = Lines::new(&bytes, 0);
            let mut line = Line::default();
            let mut count = 0;
            while lines.next(&mut line).is_some() {
                count += 1;
                prop_assert!(count <= bytes.len());
            }
        }

        #[test]
        fn bytes_of_the_grammar_never_panic(text in "[m,=f\" \\\\\n#0-9.eitu-]{0,80}") {
            let mut lines = Lines::new(text.as_bytes(), 0);
            let mut line = Line::default();
            while lines.next(&mut line).is_some() {}
        }
    }
}
