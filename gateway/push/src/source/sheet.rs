//! Records of a sheet of an Excel workbook. Cells are brought to the texts that a CSV of the same sheet would have: numbers by
//! their shortest digits, dates in the form that the mapping names.

use chrono::DateTime;

use crate::columns::count::{EXCEL_DAYS_BEFORE_1970, serial_us};
use crate::error::PushError;
use crate::mapping::declaration::Mapping;
use crate::mapping::time::MappingError;
use crate::source::record::{Record, Records};
use crate::source::workbook::{Cell, Sheet, Workbook};

/// Reads the rows of a sheet as records.
pub(crate) struct SheetRecords {
    file: String,
    sheet: Sheet,
    /// The next row that the sheet has, with its number.
    cells: Vec<Cell>,
    next: Option<u64>,
    /// Rows that were passed by, those that the file leaves out with them.
    passed: u64,
    date_format: Option<String>,
    decimal_comma: bool,
    days_before_1970: f64,
}

impl SheetRecords {
    /// Rows of the sheet that the mapping names, or of the only one.
    pub(crate) fn open(file: &str, content: Vec<u8>, mapping: &Mapping) -> Result<Self, PushError> {
        let wrong = |reason| PushError::Source { file: file.to_owned(), reason };
        let workbook = Workbook::open(content).map_err(wrong)?;
        let names = workbook.names();
        let name = match (mapping.sheet.as_deref(), names.as_slice()) {
            (Some(name), _) if names.contains(&name) => name,
            (None, [only]) => only,
            (stated, _) => {
                let what = stated.map_or("sheet is missing".into(), |name| format!("there is no sheet {name:?}"));
                let error = MappingError::Invalid(format!("{what}; the workbook has {}", names.join(", ")));
                return Err(PushError::from_mapping(file, error));
            }
        };
        let mut records = Self {
            file: file.to_owned(),
            sheet: workbook.sheet(name).map_err(wrong)?,
            cells: Vec::new(),
            next: None,
            passed: 0,
            // Where times are counted, a date is its count.
            date_format: match (&mapping.time.format, mapping.time.is_count()) {
                (Some(format), _) => Some(format.clone()),
                (None, true) => None,
                (None, false) => Some(DATE_FORMAT.into()),
            },
            decimal_comma: mapping.decimal_comma,
            days_before_1970: EXCEL_DAYS_BEFORE_1970 - if workbook.is_1904 { DAYS_TO_1904 } else { 0.0 },
        };
        records.advance()?;
        Ok(records)
    }

    fn advance(&mut self) -> Result<(), PushError> {
        let read = self.sheet.next_row(&mut self.cells);
        self.next = read.map_err(|reason| PushError::Source { file: self.file.clone(), reason })?;
        Ok(())
    }

    fn text(&self, cell: &Cell) -> String {
        match cell {
            Cell::Empty => String::new(),
            Cell::Text(text) => text.clone(),
            Cell::Number(number) => self.number(*number),
            Cell::Date(serial) => {
                let local = serial_us(*serial, self.days_before_1970).and_then(DateTime::from_timestamp_micros);
                match (&self.date_format, local) {
                    (Some(format), Some(local)) => local.naive_utc().format(format).to_string(),
                    _ => self.number(*serial),
                }
            }
        }
    }

    fn number(&self, number: f64) -> String {
        let text = number.to_string();
        if self.decimal_comma { text.replace('.', ",") } else { text }
    }
}

impl Records for SheetRecords {
    fn next(&mut self, record: &mut Record) -> Result<bool, PushError> {
        while let Some(row) = self.next {
            record.begin(row);
            for cell in &self.cells {
                record.push(self.text(cell).as_bytes());
            }
            self.passed = row;
            self.advance()?;
            if !record.is_blank() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn skip(&mut self) -> Result<bool, PushError> {
        let Some(row) = self.next else { return Ok(false) };
        self.passed += 1;
        if row == self.passed {
            self.advance()?;
        }
        Ok(true)
    }

    fn note(&self) -> Option<String> {
        None
    }
}

/// Form of dates where the mapping names none.
const DATE_FORMAT: &str = "%Y-%m-%d %H:%M:%S";
/// Days from Excel's day 0 to that of old Macintoshes.
const DAYS_TO_1904: f64 = 1_462.0;
