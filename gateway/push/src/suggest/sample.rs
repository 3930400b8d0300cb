//! The first lines of a file: their encoding, what divides their cells, and the cells.

use std::io::Read;

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252, WINDOWS_1258};

use crate::error::PushError;
use crate::mapping::declaration::Mapping;
use crate::source::open::{OpenSource, PushFormat};
use crate::source::record::{Delimiter, Record, Records};
use crate::source::sheet::SheetRecords;

/// First lines of a source.
#[derive(Debug)]
pub(super) struct Sample {
    /// Encoding that the mapping must name.
    pub(super) encoding: Option<&'static Encoding>,
    /// Delimiter as the mapping names it; a comma where it is none.
    pub(super) delimiter: &'static str,
    /// Lines with their cells; no comments among them.
    pub(super) lines: Vec<Vec<String>>,
    pub(super) has_comments: bool,
    pub(super) is_sheet: bool,
}

impl Sample {
    pub(super) fn of(source: &OpenSource) -> Result<Self, PushError> {
        let mut content = Vec::new();
        let limit = if source.format == PushFormat::Excel { u64::MAX } else { SAMPLE_BYTES };
        source
            .reader()?
            .take(limit)
            .read_to_end(&mut content)
            .map_err(|error| PushError::from_source(&source.name, &error))?;
        if source.format == PushFormat::Excel {
            return Self::of_sheet(&source.name, content);
        }
        let (encoding, is_marked) = encoding_of(&content);
        let (text, ..) = encoding.decode(&content);
        let mut lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).take(LINES_MAX).collect();
        // The last one may be cut.
        if content.len() as u64 == SAMPLE_BYTES {
            lines.pop();
        }
        let all = lines.len();
        lines.retain(|line| !line.starts_with('#'));
        let (delimiter, name) = delimiter_of(&lines);
        Ok(Self {
            encoding: (encoding != UTF_8 && !is_marked).then_some(encoding),
            delimiter: name,
            has_comments: lines.len() < all,
            lines: lines.iter().map(|line| cells(line, delimiter)).collect(),
            is_sheet: false,
        })
    }

    fn of_sheet(file: &str, content: Vec<u8>) -> Result<Self, PushError> {
        let mut records = SheetRecords::open(file, content, &Mapping::default())?;
        let (mut record, mut lines) = (Record::default(), Vec::new());
        while lines.len() < LINES_MAX && records.next(&mut record)? {
            lines.push(record.texts().map(std::borrow::Cow::into_owned).collect());
        }
        Ok(Self { encoding: None, delimiter: ",", lines, has_comments: false, is_sheet: true })
    }
}

fn cells(line: &str, delimiter: Delimiter) -> Vec<String> {
    let mut record = Record::default();
    record.begin(1);
    // A line that cannot be split has the cells before its fault.
    record.split(line.as_bytes(), delimiter).ok();
    record.texts().map(std::borrow::Cow::into_owned).collect()
}

/// The encoding, and whether the file itself says so.
fn encoding_of(content: &[u8]) -> (&'static Encoding, bool) {
    if let Some((encoding, _)) = Encoding::for_bom(content) {
        return (encoding, true);
    }
    let zeros = |from: usize| content.iter().skip(from).step_by(2).take(1_000).filter(|byte| **byte == 0).count();
    let is_cut = |error: &std::str::Utf8Error| error.error_len().is_none();
    match std::str::from_utf8(content) {
        _ if zeros(1) > content.len().min(2_000) / 4 => (UTF_16LE, false),
        _ if zeros(0) > content.len().min(2_000) / 4 => (UTF_16BE, false),
        Ok(_) => (UTF_8, false),
        Err(error) if is_cut(&error) => (UTF_8, false),
        // Marks of tones behind a letter are Vietnamese; the same bytes are rare letters elsewhere.
        Err(_) if content.windows(2).any(|two| two[0].is_ascii_alphabetic() && TONES.contains(&two[1])) => {
            (WINDOWS_1258, false)
        }
        Err(_) => (WINDOWS_1252, false),
    }
}

/// What divides the most lines into the same number of cells, more than one.
fn delimiter_of(lines: &[&str]) -> (Delimiter, &'static str) {
    let score = |delimiter: Delimiter| {
        let counts: Vec<usize> = lines.iter().map(|line| cells(line, delimiter).len()).collect();
        let most = counts
            .iter()
            .copied()
            .filter(|count| *count > 1)
            .max_by_key(|count| counts.iter().filter(|own| *own == count).count());
        most.map_or(0, |most| counts.iter().filter(|count| **count == most).count() * 1_000 + most.min(999))
    };
    let mut best = (Delimiter::Byte(b','), ",");
    for candidate in DELIMITERS {
        if score(candidate.0) > score(best.0) {
            best = candidate;
        }
    }
    best
}

const DELIMITERS: [(Delimiter, &str); 5] = [
    (Delimiter::Byte(b';'), ";"),
    (Delimiter::Byte(b'\t'), "tab"),
    (Delimiter::Byte(b','), ","),
    (Delimiter::Byte(b'|'), "|"),
    (Delimiter::Blanks, "blanks"),
];
/// Marks of tones in Windows-1258.
const TONES: [u8; 5] = [0xCC, 0xD2, 0xDE, 0xEC, 0xF2];
const SAMPLE_BYTES: u64 = 256 << 10;
const LINES_MAX: usize = 200;
