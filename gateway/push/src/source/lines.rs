//! Lines of line protocol, cut into blocks of one table each.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};

use crate::columns::position::{BadRow, Position};
use crate::error::PushError;
use crate::ledger::selection::Selection;
use crate::mapping::declaration::BATCH_ROWS;
use crate::mapping::time::Epoch;

/// A block of lines of one table.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct LineBlock {
    pub(crate) table: String,
    pub(crate) lines: Vec<u8>,
    pub(crate) rows: u64,
    /// Where each line stands in the source.
    pub(crate) positions: Vec<Position>,
}

/// Reads line protocol. Blank lines and comments are left out; times become nanoseconds, as the wire has them.
pub(crate) struct Lines {
    file: String,
    content: BufReader<Box<dyn Read + Send>>,
    only_table: Option<String>,
    zeros: &'static str,
    line_number: u64,
    open: BTreeMap<String, LineBlock>,
    wanted: Option<WantedLines>,
    ended: bool,
}

/// The only lines that blocks have.
#[derive(Debug)]
struct WantedLines {
    table: String,
    selection: Selection,
}

/// One line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) table: String,
    /// As it is sent: without blanks around it, its time in nanoseconds.
    pub(crate) text: Vec<u8>,
    /// Its first line in the source.
    number: u64,
}

impl Lines {
    /// Reads lines whose times count `precision`. Where `only_table` is given, lines of other tables are an error.
    pub(crate) fn new(file: &str, content: Box<dyn Read + Send>, precision: Epoch, only_table: Option<String>) -> Self {
        Self {
            file: file.to_owned(),
            content: BufReader::new(content),
            only_table,
            zeros: match precision {
                Epoch::S => "000000000",
                Epoch::Ms => "000000",
                Epoch::Us => "000",
                Epoch::Ns => "",
            },
            line_number: 0,
            open: BTreeMap::new(),
            wanted: None,
            ended: false,
        }
    }

    /// Blocks have the lines of a table that a selection has, and no others.
    pub(crate) fn wanting(self, table: &str, selection: Selection) -> Self {
        Self { wanted: Some(WantedLines { table: table.to_owned(), selection }), ..self }
    }

    /// The next line that is neither blank nor a comment.
    pub(crate) fn next_line(&mut self) -> Result<Option<Line>, PushError> {
        let mut line = Vec::new();
        loop {
            line.clear();
            let number = self.line_number + 1;
            if !self.read_whole_line(&mut line)? {
                return Ok(None);
            }
            let Some(parts) = LineParts::of(&line) else { continue };
            let table = parts.table().map_err(|reason| self.bad(number, &line, reason))?;
            if self.only_table.as_ref().is_some_and(|only| *only != table) {
                let reason = format!("it is of table {table:?}");
                return Err(self.bad(number, &line, reason));
            }
            let mut text = parts.text.to_vec();
            if parts.has_time {
                text.extend_from_slice(self.zeros.as_bytes());
            }
            return Ok(Some(Line { table, text, number }));
        }
    }

    /// The next full block; at the end of the content, what is left, by table.
    pub(crate) fn next_block(&mut self) -> Result<Option<LineBlock>, PushError> {
        while !self.ended {
            let Some(line) = self.next_line()? else {
                self.ended = true;
                break;
            };
            if self.wanted.as_mut().is_some_and(|wanted| !wanted.takes(&line)) {
                continue;
            }
            let block = self.open.entry(line.table.clone()).or_insert_with(|| LineBlock {
                table: line.table,
                lines: Vec::new(),
                rows: 0,
                positions: Vec::new(),
            });
            block.lines.extend_from_slice(&line.text);
            block.lines.push(b'\n');
            block.rows += 1;
            block.positions.push(Position::Line(line.number));
            if block.rows == BATCH_ROWS as u64 {
                let table = block.table.clone();
                return Ok(self.open.remove(&table));
            }
        }
        Ok(self.open.pop_first().map(|(_, block)| block))
    }

    /// Reads a line; one whose text value has a line feed in it goes on behind that.
    fn read_whole_line(&mut self, line: &mut Vec<u8>) -> Result<bool, PushError> {
        let mut scan = LineScan::default();
        loop {
            let before = line.len();
            let read = (&mut self.content)
                .take(LINE_BYTES_MAX)
                .read_until(b'\n', line)
                .map_err(|error| PushError::from_source(&self.file, &error))?;
            if read == 0 {
                return Ok(before > 0);
            }
            self.line_number += 1;
            if line.len() as u64 >= LINE_BYTES_MAX {
                return Err(self.bad(
                    self.line_number,
                    &line[..80],
                    format!("it is longer than {LINE_BYTES_MAX} bytes"),
                ));
            }
            scan.take(&line[before..]);
            if !scan.goes_on() {
                return Ok(true);
            }
        }
    }

    fn bad(&self, line: u64, text: &[u8], reason: String) -> PushError {
        let value = String::from_utf8_lossy(text).trim_end().chars().take(200).collect();
        let bad = BadRow::of_row(Position::Line(line), "", value, reason);
        PushError::BadRow { file: self.file.clone(), bad: Box::new(bad), others: 0 }
    }
}

impl WantedLines {
    fn takes(&mut self, line: &Line) -> bool {
        line.table == self.table && self.selection.takes_next()
    }
}

/// Longest line.
const LINE_BYTES_MAX: u64 = 1 << 20;

/// A line without its end, with what has to be known of it here; the server reads the rest.
#[derive(Debug)]
pub struct LineParts<'a> {
    /// The line without blanks around it.
    pub text: &'a [u8],
    name_end: usize,
    /// True where it ends with a time.
    pub has_time: bool,
}

impl<'a> LineParts<'a> {
    /// `None` for blank lines and comments.
    pub fn of(line: &'a [u8]) -> Option<Self> {
        let text = line.trim_ascii();
        if text.is_empty() || text[0] == b'#' {
            return None;
        }
        let mut scan = LineScan::default();
        scan.take(text);
        Some(Self { text, name_end: scan.name_end.unwrap_or(text.len()), has_time: scan.sections == 3 })
    }

    /// The measurement, without its escapes: the name of the table.
    ///
    /// # Errors
    /// Where there is none, in words.
    pub fn table(&self) -> Result<String, String> {
        let mut name = Vec::new();
        let mut bytes = self.text[..self.name_end].iter();
        while let Some(byte) = bytes.next() {
            let escaped = (*byte == b'\\').then(|| bytes.as_slice().first()).flatten();
            match escaped {
                Some(next) if matches!(next, b',' | b' ') => {
                    name.push(*next);
                    bytes.next();
                }
                _ => name.push(*byte),
            }
        }
        match String::from_utf8(name) {
            Ok(name) if !name.is_empty() => Ok(name),
            Ok(_) => Err("it has no measurement, which names the table".into()),
            Err(_not_utf8) => Err("its measurement is not UTF-8".into()),
        }
    }
}

/// Scan of a line, which may come in pieces: `measurement,tags fields time`. Each byte is looked at once, however many pieces there are.
#[derive(Debug)]
pub struct LineScan {
    name_end: Option<usize>,
    /// Sections divided by blanks.
    sections: usize,
    /// The text ends within a quoted value.
    in_text: bool,
    is_escaped: bool,
    was_blank: bool,
    /// The first byte that is no blank.
    first: Option<u8>,
    scanned: usize,
}

impl Default for LineScan {
    fn default() -> Self {
        Self {
            name_end: None,
            sections: 0,
            in_text: false,
            is_escaped: false,
            was_blank: true,
            first: None,
            scanned: 0,
        }
    }
}

impl LineScan {
    /// Takes the next piece of the line.
    pub fn take(&mut self, piece: &[u8]) {
        for byte in piece {
            let plain = !std::mem::replace(&mut self.is_escaped, false);
            let is_blank = plain && !self.in_text && matches!(byte, b' ' | b'\n' | b'\r');
            if self.first.is_none() && !byte.is_ascii_whitespace() {
                self.first = Some(*byte);
            }
            if self.was_blank && !is_blank {
                self.sections += 1;
            }
            if plain && self.name_end.is_none() && (is_blank || *byte == b',') {
                self.name_end = Some(self.scanned);
            }
            match byte {
                b'\\' if plain => self.is_escaped = true,
                b'"' if plain && self.sections == 2 => self.in_text = !self.in_text,
                _ => {}
            }
            self.was_blank = is_blank;
            self.scanned += 1;
        }
    }

    /// True where a text value is open at the end of what was taken: the line goes on behind the line feed.
    pub fn goes_on(&self) -> bool {
        self.first != Some(b'#') && self.in_text
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn blocks(text: &str, precision: Epoch, only: Option<&str>) -> Result<Vec<(String, String)>, PushError> {
        let content = Box::new(Cursor::new(text.to_owned()));
        let mut lines = Lines::new("f.lp", content, precision, only.map(str::to_owned));
        let mut blocks = Vec::new();
        while let Some(block) = lines.next_block()? {
            assert_eq!(block.lines.iter().filter(|byte| **byte == b'\n').count() as u64, block.rows);
            blocks.push((block.table, String::from_utf8(block.lines).unwrap()));
        }
        Ok(blocks)
    }

    #[test]
    fn lines_go_to_blocks_of_their_table_with_times_in_nanoseconds() {
        let text = "# a \"comment\n\nenergy,device=m1 p=1 5\r\nwater,device=w q=2\nenergy,device=m2 p=3,s=\"a b\" 6";
        let expected = [
            ("energy".to_owned(), "energy,device=m1 p=1 5000\nenergy,device=m2 p=3,s=\"a b\" 6000\n".to_owned()),
            ("water".to_owned(), "water,device=w q=2\n".to_owned()),
        ];
        assert_eq!(blocks(text, Epoch::Us, None).unwrap(), expected);
    }

    #[test]
    fn blanks_and_commas_that_are_escaped_or_quoted_divide_nothing() {
        let text = "my\\ table\\,x,device=a\\ b v=\"x, \\\" y\" 7";
        assert_eq!(blocks(text, Epoch::S, None).unwrap(), [("my table,x".to_owned(), format!("{text}000000000\n"))]);
    }

    #[test]
    fn a_quoted_value_may_go_on_behind_a_line_feed() {
        let content = Box::new(Cursor::new("t,device=a v=\"one\ntwo\" 7\nt,device=a v=1 8\n".to_owned()));
        let block = Lines::new("f.lp", content, Epoch::Ns, None).next_block().unwrap().unwrap();
        assert_eq!(block.rows, 2);
        assert!(block.lines.starts_with(b"t,device=a v=\"one\ntwo\" 7\n"));
    }

    #[test]
    fn a_line_of_another_table_is_named_where_one_is_asked_for() {
        let error = blocks("a v=1\nb v=2\n", Epoch::Ns, Some("a")).unwrap_err().to_string();
        assert!(error.contains("f.lp") && error.contains("line 2") && error.contains("\"b\""), "{error}");
    }

    #[test]
    fn blocks_are_cut_by_count_alone() {
        let text: String = (0..BATCH_ROWS + 3).map(|n| format!("t,device=d v={n} {n}\n")).collect();
        let counts: Vec<usize> =
            blocks(&text, Epoch::Ns, None).unwrap().iter().map(|(_, lines)| lines.lines().count()).collect();
        assert_eq!(counts, [BATCH_ROWS, 3]);
    }
}
