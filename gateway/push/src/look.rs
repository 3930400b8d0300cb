//! The look at a whole source before anything of it is sent: how many rows it gives, and what cannot be read.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::datatypes::Schema;

use crate::columns::position::BadRow;
use crate::columns::rows::{RowReader, SourceHead, WireRows};
use crate::error::PushError;
use crate::ledger::digest::{line_digest, row_digests};
use crate::mapping::declaration::Mapping;
use crate::mapping::time::{Epoch, MappingError};
use crate::source::arrow::ArrowRows;
use crate::source::encoding::utf8;
use crate::source::lines::Lines;
use crate::source::long::LongRows;
use crate::source::open::{OpenSource, PushFormat};
use crate::source::rows::RowSource;
use crate::source::sheet::SheetRecords;
use crate::source::table::TableRows;
use crate::source::text::TextRecords;

/// What a source gives.
#[derive(Debug, Default)]
pub(crate) struct Look {
    /// Rows that can be read.
    pub(crate) rows: u64,
    /// Rows that cannot be read.
    pub(crate) bad_rows: u64,
    /// Cells of the other rows that cannot be read.
    pub(crate) bad_cells: u64,
    /// The first of both.
    pub(crate) first_bad: Vec<BadRow>,
    /// Fields with such cells, which are sent as texts so that the server keeps them with its reason.
    pub(crate) as_text: BTreeSet<String>,
    /// What is to be said about the source.
    pub(crate) notes: Vec<String>,
}

impl Look {
    /// Looks at rows; `each` is given those that can be read, chunk by chunk, with the number of all rows of the chunk.
    pub(crate) fn at_rows(
        source: &OpenSource,
        mapping: &Arc<Mapping>,
        wire: &Schema,
        mut each: impl FnMut(&WireRows, usize),
    ) -> Result<Self, PushError> {
        let wrong = |error: arrow::error::ArrowError| PushError::from_source(&source.name, &error);
        let (mut rows, mut reader) = open_rows(source, mapping, wire)?;
        let used = reader.used_columns();
        let mut look = Self::default();
        while let Some(raw) = rows.next_rows(&used, mapping.rows_per_batch())? {
            let read = reader.read(&raw).map_err(wrong)?;
            look.rows += read.batch.num_rows() as u64;
            look.bad_rows += read.bad.len() as u64;
            look.bad_cells += read.bad_cells.len() as u64;
            look.as_text.extend(read.bad_cells.iter().filter_map(|(_, cell)| cell.field.clone()));
            each(&read, raw.batch.num_rows());
            let mut bad: Vec<BadRow> =
                read.bad.into_iter().chain(read.bad_cells.into_iter().map(|(_, cell)| cell)).collect();
            bad.sort_by_key(|bad| bad.position);
            bad.truncate(FIRST_BAD_MAX.saturating_sub(look.first_bad.len()));
            look.first_bad.extend(bad);
        }
        look.notes = rows.notes();
        Ok(look)
    }

    /// Looks at lines of line protocol; gives the digest of the first one of each table besides. The server reads what is in them.
    pub(crate) fn at_lines(
        source: &OpenSource,
        precision: Epoch,
        only: Option<String>,
    ) -> Result<(Self, BTreeMap<String, u128>), PushError> {
        let mut lines = Lines::new(&source.name, source.reader()?, precision, only);
        let (mut look, mut heads) = (Self::default(), BTreeMap::new());
        while let Some(line) = lines.next_line()? {
            look.rows += 1;
            heads.entry(line.table).or_insert_with(|| line_digest(&line.text));
        }
        Ok((look, heads))
    }

    /// Refuses a source of which something cannot be read, unless that may be left out.
    pub(crate) fn check(&self, file: &str, skips_bad: bool) -> Result<(), PushError> {
        match self.first_bad.first() {
            Some(bad) if !skips_bad => Err(PushError::BadRow {
                file: file.to_owned(),
                bad: Box::new(bad.clone()),
                others: self.bad_rows + self.bad_cells - 1,
            }),
            _ => Ok(()),
        }
    }
}

/// The first row of a source that can be read, as the ledger knows it.
pub(crate) fn head_of(source: &OpenSource, mapping: &Arc<Mapping>, wire: &Schema) -> Result<Option<u128>, PushError> {
    let wrong = |error: arrow::error::ArrowError| PushError::from_source(&source.name, &error);
    let (mut rows, mut reader) = open_rows(source, mapping, wire)?;
    let used = reader.used_columns();
    while let Some(raw) = rows.next_rows(&used, HEAD_ROWS)? {
        let read = reader.read(&raw).map_err(wrong)?;
        if let Some(head) = row_digests(&read).first() {
            return Ok(Some(*head));
        }
    }
    Ok(None)
}

/// Opens the rows of a source and binds its columns to the table's wire schema.
pub(crate) fn open_rows(
    source: &OpenSource,
    mapping: &Arc<Mapping>,
    wire: &Schema,
) -> Result<(Box<dyn RowSource>, RowReader), PushError> {
    let from_mapping = |error: MappingError| PushError::from_mapping(&source.name, error);
    let from_io = |error: std::io::Error| PushError::from_source(&source.name, &error);
    let mut rows: Box<dyn RowSource> = match source.format {
        PushFormat::Csv => {
            let encoding = mapping.text_encoding().map_err(from_mapping)?;
            let text = utf8(source.reader()?, encoding).map_err(from_io)?;
            let records = TextRecords::new(&source.name, text, mapping)?;
            Box::new(TableRows::open(&source.name, records, false, mapping)?)
        }
        PushFormat::Excel => {
            let mut content = Vec::new();
            source.reader()?.read_to_end(&mut content).map_err(from_io)?;
            let records = SheetRecords::open(&source.name, content, mapping)?;
            Box::new(TableRows::open(&source.name, records, true, mapping)?)
        }
        _ => Box::new(ArrowRows::open(source)?),
    };
    if let Some(long) = &mapping.long {
        rows = Box::new(LongRows::read(&source.name, rows, mapping, long)?);
    }
    let head = SourceHead { names: rows.columns(), units: rows.units() };
    let reader = RowReader::new(mapping.clone(), head, wire, &source.stem).map_err(from_mapping)?;
    Ok((rows, reader))
}

/// Bad rows and cells that a report names.
const FIRST_BAD_MAX: usize = 8;
/// Rows that are read for the first one.
const HEAD_ROWS: usize = 64;
