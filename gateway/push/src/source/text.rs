//! Records of a text, one a line: CSV and its relatives. A quote that is not closed is a fault of its line, unless the mapping
//! says that cells go on over several lines; so a stray quote never swallows the rows behind it.

use std::io::{BufRead, BufReader, Error, ErrorKind, Read, Result};

use crate::error::PushError;
use crate::mapping::declaration::Mapping;
use crate::source::record::{Delimiter, Record, Records, SplitFault};

/// Reads the lines of a text as records.
pub(crate) struct TextRecords {
    file: String,
    lines: Lines,
    delimiter: Delimiter,
    comment: Option<Vec<u8>>,
    is_multi_line: bool,
    line: Vec<u8>,
}

impl TextRecords {
    /// Records of a content in UTF-8.
    pub(crate) fn new(
        file: &str,
        content: Box<dyn Read + Send>,
        mapping: &Mapping,
    ) -> std::result::Result<Self, PushError> {
        Ok(Self {
            file: file.to_owned(),
            lines: Lines::new(content),
            delimiter: mapping.delimiter().map_err(|error| PushError::from_mapping(file, error))?,
            comment: mapping.comment.clone().map(String::into_bytes),
            is_multi_line: mapping.multi_line_cells,
            line: Vec::new(),
        })
    }

    fn next_record(&mut self, record: &mut Record) -> Result<bool> {
        loop {
            if !self.lines.next(&mut self.line)? {
                return Ok(false);
            }
            let is_comment = self.comment.as_ref().is_some_and(|comment| self.line.starts_with(comment));
            if is_comment || self.line.trim_ascii().is_empty() {
                continue;
            }
            let first = self.lines.number;
            record.begin(first);
            let mut split = record.split(&self.line, self.delimiter);
            if self.is_multi_line {
                while split == Err(SplitFault::OpenQuote) && self.lines.number - first < CELL_LINES_MAX {
                    self.line.push(b'\n');
                    let more = self.lines.append(&mut self.line)?;
                    record.begin(first);
                    split = record.split(&self.line, self.delimiter);
                    if !more {
                        break;
                    }
                }
            }
            if self.line.contains(&0) {
                record.fault = Some(NUL_FAULT.into());
            } else if let Err(fault) = split {
                record.fault = Some(self.words(fault));
            }
            return Ok(true);
        }
    }

    fn words(&self, fault: SplitFault) -> String {
        match fault {
            SplitFault::OpenQuote if self.is_multi_line => {
                format!("a quote is not closed within {CELL_LINES_MAX} lines, or up to the end of the file")
            }
            SplitFault::OpenQuote => {
                "a quote is not closed in this line; multi_line_cells = true would let a cell go on in the next one"
                    .into()
            }
            SplitFault::BehindQuote => "text stands behind a closing quote; delimiter decides where a cell ends".into(),
        }
    }
}

impl Records for TextRecords {
    fn next(&mut self, record: &mut Record) -> std::result::Result<bool, PushError> {
        self.next_record(record).map_err(|error| PushError::from_source(&self.file, &error))
    }

    fn skip(&mut self) -> std::result::Result<bool, PushError> {
        self.lines.next(&mut self.line).map_err(|error| PushError::from_source(&self.file, &error))
    }

    fn note(&self) -> Option<String> {
        self.lines.is_open.then(|| {
            format!(
                "line {}, the last one, has no line end: if the file was still being written, its last cell may be cut",
                self.lines.number
            )
        })
    }
}

/// Lines that end with a line feed, a carriage return, or both.
struct Lines {
    content: BufReader<Box<dyn Read + Send>>,
    number: u64,
    /// True where the last line that was read has no end.
    is_open: bool,
    /// True where a carriage return ended the last line, which a line feed may follow.
    after_return: bool,
}

impl Lines {
    fn new(content: Box<dyn Read + Send>) -> Self {
        Self { content: BufReader::with_capacity(1 << 18, content), number: 0, is_open: false, after_return: false }
    }

    /// Reads the next line, without its end; false at the end of the content.
    fn next(&mut self, line: &mut Vec<u8>) -> Result<bool> {
        line.clear();
        self.append(line)
    }

    /// Reads the next line behind what `line` has.
    fn append(&mut self, line: &mut Vec<u8>) -> Result<bool> {
        let before = line.len();
        loop {
            let held = self.content.fill_buf()?;
            if std::mem::take(&mut self.after_return) && held.first() == Some(&b'\n') {
                self.content.consume(1);
                continue;
            }
            if held.is_empty() {
                let is_line = line.len() > before;
                self.number += u64::from(is_line);
                self.is_open |= is_line;
                return Ok(is_line);
            }
            let end = held.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
            line.extend_from_slice(&held[..end.unwrap_or(held.len())]);
            if line.len() > LINE_BYTES_MAX {
                let reason = format!("line {} is longer than {LINE_BYTES_MAX} bytes", self.number + 1);
                return Err(Error::new(ErrorKind::InvalidData, reason));
            }
            let Some(end) = end else {
                let length = held.len();
                self.content.consume(length);
                continue;
            };
            self.after_return = held[end] == b'\r';
            self.content.consume(end + 1);
            self.number += 1;
            return Ok(true);
        }
    }
}

/// Fault of a line with bytes of zero.
const NUL_FAULT: &str = "it has bytes of zero, as a text in UTF-16 has; encoding = \"utf-16le\" would read it as one";
/// Longest line, and longest cell over several lines.
const LINE_BYTES_MAX: usize = 16 << 20;
/// Most lines of one cell.
const CELL_LINES_MAX: u64 = 1_000;

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn records(text: &str, mapping: &Mapping) -> (Vec<(u64, String, bool)>, Option<String>) {
        let content = Box::new(Cursor::new(text.to_owned()));
        let mut records = TextRecords::new("f.csv", content, mapping).unwrap();
        let (mut record, mut read) = (Record::default(), Vec::new());
        while records.next(&mut record).unwrap() {
            let cells: Vec<_> = record.texts().map(std::borrow::Cow::into_owned).collect();
            read.push((record.line, cells.join("|"), record.fault.is_some()));
        }
        (read, records.note())
    }

    #[test]
    fn lines_end_in_every_usual_way_and_blank_ones_and_comments_are_no_records() {
        let mapping = Mapping { comment: Some("#".into()), ..Mapping::default() };
        for end in ["\n", "\r\n", "\r"] {
            let (read, note) = records(&["# head", "a,b", "", "1,2", "3,4", ""].join(end), &mapping);
            let expected = [(2, "a|b".to_owned(), false), (4, "1|2".into(), false), (5, "3|4".into(), false)];
            assert_eq!(read, expected, "{end:?}");
            assert_eq!(note, None);
        }
    }

    #[test]
    fn a_last_line_without_its_end_is_said() {
        let (read, note) = records("a,b\n1,17", &Mapping::default());
        assert_eq!(read.len(), 2);
        assert!(note.is_some_and(|note| note.contains("line 2") && note.contains("cut")));
    }

    #[test]
    fn a_stray_quote_is_a_fault_of_its_line_alone() {
        let (read, _) = records("a,b\n1,\"2\n3,4\n5,\"6\n", &Mapping::default());
        assert_eq!(
            read.iter().map(|(line, _, bad)| (*line, *bad)).collect::<Vec<_>>(),
            [(1, false), (2, true), (3, false), (4, true)]
        );
    }

    #[test]
    fn cells_of_several_lines_are_read_where_the_mapping_says_so() {
        let mapping = Mapping { multi_line_cells: true, ..Mapping::default() };
        let (read, _) = records("a,\"b\nc\",d\n1,2,3\n4,\"5", &mapping);
        assert_eq!(read[0], (1, "a|b\nc|d".into(), false));
        assert_eq!(read[1], (3, "1|2|3".into(), false));
        assert!(read[2].2, "a quote that nothing closes");
    }
}
