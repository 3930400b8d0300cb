//! One record of a text or a sheet: its cells as bytes, and its place.

use std::borrow::Cow;

use crate::error::PushError;

/// A record; its memory is used again for the next one.
#[derive(Debug, Default)]
pub(crate) struct Record {
    /// Line or row of the source, from 1.
    pub(crate) line: u64,
    bytes: Vec<u8>,
    ends: Vec<usize>,
    /// What is wrong with the record as a whole.
    pub(crate) fault: Option<String>,
}

/// Gives the records of a source, blank ones and comments left out.
pub(crate) trait Records: Send {
    /// Reads the next record; false at the end.
    fn next(&mut self, record: &mut Record) -> Result<bool, PushError>;

    /// Passes by one line or row, whatever is in it.
    fn skip(&mut self) -> Result<bool, PushError>;

    /// What is to be said about the source once it has been read.
    fn note(&self) -> Option<String>;
}

/// What divides the cells of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Delimiter {
    /// One byte.
    Byte(u8),
    /// Any number of blanks and tabs.
    Blanks,
}

impl Record {
    /// An empty record at a place.
    pub(crate) fn begin(&mut self, line: u64) {
        self.line = line;
        self.bytes.clear();
        self.ends.clear();
        self.fault = None;
    }

    /// Adds a cell.
    pub(crate) fn push(&mut self, cell: &[u8]) {
        self.bytes.extend_from_slice(cell);
        self.ends.push(self.bytes.len());
    }

    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// A cell; empty where the record has fewer.
    pub(crate) fn get(&self, index: usize) -> &[u8] {
        let start = index.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        self.ends.get(index).map_or(&[], |end| &self.bytes[start..*end])
    }

    /// Cells as texts without the blanks around them.
    pub(crate) fn texts(&self) -> impl Iterator<Item = Cow<'_, str>> {
        (0..self.len()).map(|index| match String::from_utf8_lossy(self.get(index)) {
            Cow::Borrowed(text) => Cow::Borrowed(text.trim()),
            Cow::Owned(text) => Cow::Owned(text.trim().to_owned()),
        })
    }

    /// True where no cell has more than blanks.
    pub(crate) fn is_blank(&self) -> bool {
        self.bytes.iter().all(u8::is_ascii_whitespace)
    }

    /// Takes off empty cells behind `columns` of them: a separator at the end of a line is no cell.
    pub(crate) fn trim_to(&mut self, columns: usize) {
        while self.len() > columns && self.get(self.len() - 1).trim_ascii().is_empty() {
            self.ends.pop();
        }
    }

    /// Splits a line into cells. A cell may stand in double quotes, with a quote of its own written twice.
    ///
    /// # Errors
    /// [`SplitFault`]; the record has the cells before it then.
    pub(crate) fn split(&mut self, line: &[u8], delimiter: Delimiter) -> Result<(), SplitFault> {
        let mut rest = match delimiter {
            Delimiter::Blanks => line.trim_ascii(),
            Delimiter::Byte(_) => line,
        };
        loop {
            let quoted = rest.trim_ascii_start();
            rest = if quoted.first() == Some(&b'"') && delimiter.may_lead(rest, quoted) {
                self.quoted(&quoted[1..], delimiter)?
            } else {
                let end = rest.iter().position(|byte| delimiter.is(*byte)).unwrap_or(rest.len());
                self.bytes.extend_from_slice(&rest[..end]);
                &rest[end..]
            };
            self.ends.push(self.bytes.len());
            let Some((divider, behind)) = rest.split_first() else { return Ok(()) };
            if !delimiter.is(*divider) {
                return Err(SplitFault::BehindQuote);
            }
            rest = if delimiter == Delimiter::Blanks { behind.trim_ascii_start() } else { behind };
        }
    }

    /// Reads a cell up to its closing quote; gives back what stands behind it.
    fn quoted<'a>(&mut self, mut rest: &'a [u8], delimiter: Delimiter) -> Result<&'a [u8], SplitFault> {
        loop {
            let quote = rest.iter().position(|byte| *byte == b'"').ok_or(SplitFault::OpenQuote)?;
            self.bytes.extend_from_slice(&rest[..quote]);
            rest = &rest[quote + 1..];
            if rest.first() != Some(&b'"') {
                break;
            }
            self.bytes.push(b'"');
            rest = &rest[1..];
        }
        // Blanks behind a quote are no text.
        let blanks = rest.iter().take_while(|byte| **byte == b' ').count();
        let behind = &rest[blanks..];
        Ok(if behind.first().is_none_or(|byte| delimiter.is(*byte)) { behind } else { rest })
    }
}

/// Why a line cannot be split.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SplitFault {
    /// A quote is not closed in it.
    OpenQuote,
    /// Text stands behind a closing quote.
    BehindQuote,
}

impl Delimiter {
    fn is(self, byte: u8) -> bool {
        match self {
            Self::Byte(own) => byte == own,
            Self::Blanks => matches!(byte, b' ' | b'\t'),
        }
    }

    /// True where the blanks before a quote are no cell of their own.
    fn may_lead(self, rest: &[u8], quoted: &[u8]) -> bool {
        let blanks = &rest[..rest.len() - quoted.len()];
        !blanks.iter().any(|byte| self.is(*byte))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(line: &str, delimiter: Delimiter) -> Result<Vec<String>, SplitFault> {
        let mut record = Record::default();
        record.begin(1);
        record.split(line.as_bytes(), delimiter)?;
        Ok((0..record.len()).map(|index| String::from_utf8_lossy(record.get(index)).into_owned()).collect())
    }

    #[test]
    fn cells_are_divided_by_a_byte_or_by_blanks_and_may_be_quoted() {
        let comma = Delimiter::Byte(b',');
        assert_eq!(split("a,,c", comma).unwrap(), ["a", "", "c"]);
        assert_eq!(split("a,", comma).unwrap(), ["a", ""]);
        assert_eq!(split("\"a,b\" , \"x\"\"y\",5\" pipe", comma).unwrap(), ["a,b", "x\"y", "5\" pipe"]);
        assert_eq!(split("\"\",\"b\"", comma).unwrap(), ["", "b"]);
        assert_eq!(split("a\t\tc", Delimiter::Byte(b'\t')).unwrap(), ["a", "", "c"]);
        assert_eq!(split("  a   1.5\t2 ", Delimiter::Blanks).unwrap(), ["a", "1.5", "2"]);
    }

    #[test]
    fn a_quote_that_is_not_closed_and_text_behind_one_are_faults_and_swallow_nothing() {
        assert_eq!(split("a,\"b,c", Delimiter::Byte(b',')), Err(SplitFault::OpenQuote));
        assert_eq!(split("a,\"b\"c,d", Delimiter::Byte(b',')), Err(SplitFault::BehindQuote));
    }

    #[test]
    fn empty_cells_behind_the_last_column_are_taken_off() {
        let mut record = Record::default();
        record.begin(1);
        record.split(b"a;b;; ;", Delimiter::Byte(b';')).unwrap();
        record.trim_to(2);
        assert_eq!(record.len(), 2);
        record.trim_to(1);
        assert_eq!(record.len(), 2, "a cell that has something stays");
    }
}
