//! Cells of an Excel workbook (ECMA-376, part 1, chapter 18): the sheets by their names, and the rows of one of them as they stand in the
//! file. A number is a date where its style has a format of dates.

use std::io::Cursor;

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use crate::source::zip::Archive;

/// A workbook, of which the sheets can be read.
pub(crate) struct Workbook {
    archive: Archive,
    /// Names of the sheets, each with its file.
    sheets: Vec<(String, String)>,
    /// True where days are counted from 1904.
    pub(crate) is_1904: bool,
}

/// Value of a cell.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Cell {
    Empty,
    Text(String),
    Number(f64),
    /// A count of days.
    Date(f64),
}

/// Rows of a sheet, read one after the other.
pub(crate) struct Sheet {
    xml: Xml,
    texts: Vec<String>,
    /// Styles, by their number, that are of dates.
    dates: Vec<bool>,
    row: u64,
}

impl Workbook {
    /// Reads what a workbook has.
    pub(crate) fn open(bytes: Vec<u8>) -> Result<Self, String> {
        let archive = Archive::open(bytes)?;
        let (mut named, mut targets, mut is_1904) = (Vec::new(), Vec::new(), false);
        each_element(&archive, "xl/workbook.xml", |element| match element.local_name().as_ref() {
            b"workbookPr" => is_1904 = attribute(element, "date1904").is_some_and(|is| is == "1" || is == "true"),
            b"sheet" => named.extend(attribute(element, "name").zip(attribute(element, "r:id"))),
            _ => {}
        })?;
        each_element(&archive, "xl/_rels/workbook.xml.rels", |element| {
            targets.extend(attribute(element, "Id").zip(attribute(element, "Target")));
        })?;
        let file_of = |id: &str| {
            let target = targets.iter().find(|(own, _)| own == id).map(|(_, target)| target.as_str())?;
            Some(target.strip_prefix('/').map_or_else(|| format!("xl/{target}"), str::to_owned))
        };
        let sheets = named.into_iter().filter_map(|(name, id)| Some((name, file_of(&id)?))).collect();
        Ok(Self { archive, sheets, is_1904 })
    }

    /// Names of the sheets.
    pub(crate) fn names(&self) -> Vec<&str> {
        self.sheets.iter().map(|(name, _)| name.as_str()).collect()
    }

    /// Opens a sheet by its name.
    pub(crate) fn sheet(&self, name: &str) -> Result<Sheet, String> {
        let file = self.sheets.iter().find(|(own, _)| own == name).map(|(_, file)| file.as_str()).unwrap_or_default();
        let content = self.archive.file(file)?.ok_or_else(|| format!("sheet {name:?} is not in it"))?;
        Ok(Sheet { xml: Xml::new(content), texts: self.texts()?, dates: self.dates()?, row: 0 })
    }

    /// The texts that cells refer to.
    fn texts(&self) -> Result<Vec<String>, String> {
        let Some(content) = self.archive.file("xl/sharedStrings.xml")? else { return Ok(Vec::new()) };
        let mut xml = Xml::new(content);
        let mut texts = Vec::new();
        while let Some(node) = xml.next()? {
            match node {
                Node::Start(name, _) if name == "si" => texts.push(xml.text_until("si")?),
                Node::Empty(name, _) if name == "si" => texts.push(String::new()),
                _ => {}
            }
        }
        Ok(texts)
    }

    /// Which styles are of dates.
    fn dates(&self) -> Result<Vec<bool>, String> {
        let Some(content) = self.archive.file("xl/styles.xml")? else { return Ok(Vec::new()) };
        let mut xml = Xml::new(content);
        let (mut custom, mut dates, mut is_in_cells) = (Vec::new(), Vec::new(), false);
        while let Some(node) = xml.next()? {
            match node {
                Node::Start(name, _) if name == "cellXfs" => is_in_cells = true,
                Node::End(name) if name == "cellXfs" => is_in_cells = false,
                Node::Start(name, own) | Node::Empty(name, own) => {
                    let number = |key: &str| find(&own, key).and_then(|text| text.parse::<u32>().ok());
                    if name == "numFmt" {
                        let is_date = find(&own, "formatCode").is_some_and(is_date_format);
                        custom.extend(number("numFmtId").map(|id| (id, is_date)));
                    } else if name == "xf" && is_in_cells {
                        let id = number("numFmtId").unwrap_or(0);
                        let own = custom.iter().find(|(of, _)| *of == id);
                        dates.push(own.map_or_else(|| is_builtin_date(id), |(_, is_date)| *is_date));
                    }
                }
                _ => {}
            }
        }
        Ok(dates)
    }
}

impl Sheet {
    /// Reads the cells of the next row that the file has; `None` at the end. Gives the row's number, from 1.
    pub(crate) fn next_row(&mut self, cells: &mut Vec<Cell>) -> Result<Option<u64>, String> {
        cells.clear();
        while let Some(node) = self.xml.next()? {
            match node {
                Node::Empty(name, _) if name == "row" => self.row += 1,
                Node::Start(name, own) if name == "row" => {
                    let stated = find(&own, "r").and_then(|text| text.parse().ok());
                    self.row = stated.filter(|row| *row > self.row).unwrap_or(self.row + 1);
                    self.cells(cells)?;
                    return Ok(Some(self.row));
                }
                _ => {}
            }
        }
        Ok(None)
    }

    fn cells(&mut self, cells: &mut Vec<Cell>) -> Result<(), String> {
        while let Some(node) = self.xml.next()? {
            match node {
                Node::End(name) if name == "row" => break,
                Node::Start(name, own) | Node::Empty(name, own) if name == "c" => {
                    let column =
                        find(&own, "r").map_or(Some(cells.len()), column_of).ok_or("a cell without a place")?;
                    if column >= COLUMNS_MAX {
                        return Err(format!("row {} has more than {COLUMNS_MAX} columns", self.row));
                    }
                    cells.resize(cells.len().max(column + 1), Cell::Empty);
                    // An empty element has no end that could be waited for.
                    if self.xml.was_empty {
                        continue;
                    }
                    cells[column] = self.cell(&own)?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn cell(&mut self, own: &[(String, String)]) -> Result<Cell, String> {
        let kind = find(own, "t").unwrap_or("n").to_owned();
        let style = find(own, "s").and_then(|text| text.parse::<usize>().ok());
        let mut value = None;
        while let Some(node) = self.xml.next()? {
            match node {
                Node::End(name) if name == "c" => break,
                Node::Start(name, _) if name == "v" || name == "is" => value = Some(self.xml.text_until(&name)?),
                _ => {}
            }
        }
        let Some(value) = value else { return Ok(Cell::Empty) };
        let row = self.row;
        Ok(match kind.as_str() {
            "s" => {
                let text = value.trim().parse().ok().and_then(|index: usize| self.texts.get(index));
                Cell::Text(text.ok_or_else(|| format!("row {row} refers to a text that the workbook has not"))?.clone())
            }
            "n" => {
                let number = value.trim().parse().map_err(|_word| format!("row {row} has {value:?} as a number"))?;
                let is_date = style.and_then(|style| self.dates.get(style)).copied().unwrap_or(false);
                if is_date { Cell::Date(number) } else { Cell::Number(number) }
            }
            "b" => Cell::Text(if value.trim() == "1" { "true" } else { "false" }.into()),
            // Texts, results of formulas as texts, ISO dates and errors such as #N/A.
            _ => Cell::Text(value),
        })
    }
}

/// Elements of an XML file, with their attributes.
struct Xml {
    reader: Reader<Cursor<Vec<u8>>>,
    buffer: Vec<u8>,
    /// True where the last element had no content.
    was_empty: bool,
}

enum Node {
    Start(String, Vec<(String, String)>),
    Empty(String, Vec<(String, String)>),
    End(String),
    Text(String),
}

impl Xml {
    fn new(content: Vec<u8>) -> Self {
        Self { reader: Reader::from_reader(Cursor::new(content)), buffer: Vec::new(), was_empty: false }
    }

    fn next(&mut self) -> Result<Option<Node>, String> {
        let wrong = |error: &dyn std::fmt::Display| format!("its XML cannot be read: {error}");
        loop {
            self.buffer.clear();
            let event = self.reader.read_event_into(&mut self.buffer).map_err(|error| wrong(&error))?;
            self.was_empty = matches!(event, Event::Empty(_));
            return Ok(Some(match event {
                Event::Eof => return Ok(None),
                Event::Start(element) => Node::Start(name_of(element.local_name().as_ref()), attributes(&element)),
                Event::Empty(element) => Node::Empty(name_of(element.local_name().as_ref()), attributes(&element)),
                Event::End(element) => Node::End(name_of(element.local_name().as_ref())),
                Event::Text(text) => Node::Text(text.decode().map_err(|error| wrong(&error))?.into_owned()),
                Event::CData(text) => Node::Text(text.decode().map_err(|error| wrong(&error))?.into_owned()),
                Event::GeneralRef(entity) => {
                    let named = match &*entity {
                        b"amp" => Some('&'),
                        b"lt" => Some('<'),
                        b"gt" => Some('>'),
                        b"quot" => Some('"'),
                        b"apos" => Some('\''),
                        _ => entity.resolve_char_ref().map_err(|error| wrong(&error))?,
                    };
                    Node::Text(named.map(String::from).ok_or_else(|| wrong(&"an entity that is not known"))?)
                }
                _ => continue,
            }));
        }
    }

    /// All text up to the end of an element, without hints for reading aloud.
    fn text_until(&mut self, element: &str) -> Result<String, String> {
        let (mut text, mut is_hint, mut is_text) = (String::new(), false, element == "v");
        while let Some(node) = self.next()? {
            match node {
                Node::End(name) if name == element => break,
                Node::Start(name, _) if name == "rPh" => is_hint = true,
                Node::End(name) if name == "rPh" => is_hint = false,
                Node::Start(name, _) if name == "t" => is_text = true,
                Node::End(name) if name == "t" => is_text = false,
                Node::Text(more) if is_text && !is_hint => text.push_str(&more),
                _ => {}
            }
        }
        Ok(text)
    }
}

fn name_of(name: &[u8]) -> String {
    String::from_utf8_lossy(name).into_owned()
}

fn attributes(element: &BytesStart<'_>) -> Vec<(String, String)> {
    let decoder = element.decoder();
    let pairs = element.attributes().filter_map(Result::ok).filter_map(|pair| {
        Some((name_of(pair.key.as_ref()), pair.decode_and_unescape_value(decoder).ok()?.into_owned()))
    });
    pairs.collect()
}

fn attribute(element: &BytesStart<'_>, name: &str) -> Option<String> {
    attributes(element).into_iter().find(|(own, _)| own == name).map(|(_, value)| value)
}

fn find<'a>(attributes: &'a [(String, String)], name: &str) -> Option<&'a str> {
    attributes.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
}

fn each_element(archive: &Archive, file: &str, mut each: impl FnMut(&BytesStart<'_>)) -> Result<(), String> {
    let content = archive.file(file)?.ok_or_else(|| format!("it is no workbook: {file} is not in it"))?;
    let mut reader = Reader::from_reader(Cursor::new(content));
    let mut buffer = Vec::new();
    loop {
        buffer.clear();
        match reader.read_event_into(&mut buffer).map_err(|error| format!("{file} cannot be read: {error}"))? {
            Event::Eof => return Ok(()),
            Event::Start(element) | Event::Empty(element) => each(&element),
            _ => {}
        }
    }
}

/// Position of the column of a place such as `AB12`, from 0.
fn column_of(place: &str) -> Option<usize> {
    let letters = place.bytes().take_while(u8::is_ascii_alphabetic);
    let number = letters.fold(0usize, |sum, letter| {
        sum.saturating_mul(26).saturating_add(usize::from(letter.to_ascii_uppercase() - b'A') + 1)
    });
    number.checked_sub(1)
}

/// Formats of dates that have no code in the file (section 18.8.30).
fn is_builtin_date(id: u32) -> bool {
    matches!(id, 14..=22 | 27..=36 | 45..=47 | 50..=58)
}

/// True for a format with parts of a date or a time outside of quotes and brackets.
fn is_date_format(code: &str) -> bool {
    let (mut is_quoted, mut in_brackets, mut is_escaped) = (false, false, false);
    for sign in code.chars() {
        if std::mem::take(&mut is_escaped) {
            continue;
        }
        match sign {
            '\\' | '_' | '*' if !is_quoted => is_escaped = true,
            '"' => is_quoted = !is_quoted,
            '[' if !is_quoted => in_brackets = true,
            ']' if !is_quoted => in_brackets = false,
            'y' | 'Y' | 'm' | 'M' | 'd' | 'D' | 'h' | 'H' | 's' | 'S' if !is_quoted && !in_brackets => return true,
            ';' if !is_quoted => return false,
            _ => {}
        }
    }
    false
}

/// Columns that a sheet may have.
const COLUMNS_MAX: usize = 16_384;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_of_dates_are_told_from_those_of_numbers() {
        for date in ["yyyy-mm-dd hh:mm", "dd/mm/yyyy", "[$-42A]d mmmm yyyy", "h:mm AM/PM"] {
            assert!(is_date_format(date), "{date}");
        }
        for number in ["0.00", "#,##0", "0.0\" mg/h\"", "[Red]0.0", "\\d0", "General"] {
            assert!(!is_date_format(number), "{number}");
        }
        assert!(is_builtin_date(22) && !is_builtin_date(2));
    }

    #[test]
    fn places_name_their_column() {
        assert_eq!(["A1", "Z9", "AA1", "XFD1"].map(column_of), [Some(0), Some(25), Some(26), Some(16_383)]);
        assert_eq!(column_of("12"), None);
    }
}
