//! The lines of one request, of many tables, to batches. A faulty line is left out and named; the others go on.

use std::collections::BTreeMap;
use std::sync::Arc;

use zonelake_registry::{Gateway, RegisteredTable, Registry};
use zonelake_schemas::reject::REJECTED;
use zonelake_schemas::{Epoch, Lane};

use super::parse::{Line, Lines};
use super::precision::Precision;
use super::table_rows::{LineRows, LineTable};
use crate::batch::{BatchContext, DecodedBatch};
use crate::limits::DecodeLimits;
use crate::refusal::Refusal;

/// Everything that the lines of one request are decoded with.
#[derive(Debug)]
pub struct LinesArgs<'a> {
    /// Registry of devices and locations. Decoding may register devices there, which writes to disk and blocks.
    pub registry: &'a Registry,
    /// Tables by name. The table `rejected` may be among them; it cannot be written to.
    pub tables: &'a BTreeMap<String, Arc<RegisteredTable>>,
    /// The table `rejected`.
    pub rejected: &'a RegisteredTable,
    /// The gateway that sent the request.
    pub gateway: &'a Gateway,
    /// Limits of the request.
    pub limits: &'a DecodeLimits,
    /// Unit of the timestamps.
    pub precision: Precision,
    /// The server's clock, microseconds since 1970, UTC.
    pub now_us: i64,
}

/// A decoded request.
#[derive(Debug)]
pub struct DecodedLines {
    /// Batches to store, each within the limits of a batch.
    pub batches: Vec<(Arc<RegisteredTable>, DecodedBatch)>,
    /// Lines that could not be read; none where all could.
    pub faulty: Option<FaultyLines>,
}

/// Lines that could not be stored, of a request whose other lines are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FaultyLines {
    /// Line number, from 1, and fault of the first ones.
    pub named: Vec<(usize, String)>,
    /// Count of all of them.
    pub count: usize,
    /// True where other lines of the request were read.
    pub is_partial: bool,
}

/// A table that the request has lines of.
struct OpenTable<'a> {
    registered: &'a Arc<RegisteredTable>,
    table: LineTable,
    rows: LineRows<'a>,
    rows_max: usize,
}

/// Decodes the lines of a request.
///
/// # Errors
/// Refuses the whole request where its devices cannot be registered; then nothing of it is stored.
pub fn decode_lines(payload: &[u8], args: &LinesArgs<'_>) -> Result<DecodedLines, Refusal> {
    let mut open: BTreeMap<&str, OpenTable<'_>> = BTreeMap::new();
    let mut decoded = DecodedLines { batches: Vec::new(), faulty: None };
    let mut lines = Lines::new(payload, 0);
    let mut line = Line::default();
    let mut rows = 0u64;
    while let Some(read) = lines.next(&mut line) {
        let added = match read {
            Ok(()) => add(&line, &mut open, args),
            Err(what) => Err(what.to_owned()),
        };
        match added {
            Err(what) => note(&mut decoded.faulty, line.number, what, args.limits.line_errors_max),
            Ok(name) => {
                rows += 1;
                // A body may hold more lines of a table than a batch may have rows: the full batch is closed and the
                // next begun.
                let full = open.get_mut(name).filter(|table| table.rows.len() == table.rows_max);
                if let Some(table) = full {
                    let context = args.batch_context(table.registered);
                    let next = LineRows::new(&mut table.table, args.precision, &context);
                    let batch = std::mem::replace(&mut table.rows, next).finish(&mut table.table, payload, &context)?;
                    decoded.batches.push((Arc::clone(table.registered), batch));
                }
            }
        }
    }
    // In the order of table names, so that the same body gives the same batches.
    for mut table in open.into_values().filter(|table| table.rows.len() > 0) {
        let batch = table.rows.finish(&mut table.table, payload, &args.batch_context(table.registered))?;
        decoded.batches.push((Arc::clone(table.registered), batch));
    }
    if let Some(faulty) = &mut decoded.faulty {
        faulty.is_partial = rows > 0;
    }
    Ok(decoded)
}

/// Adds a line to the rows of its table; gives back the table's name, or the fault of the line.
fn add<'a>(
    line: &Line<'a>,
    open: &mut BTreeMap<&'a str, OpenTable<'a>>,
    args: &LinesArgs<'a>,
) -> Result<&'a str, String> {
    let measurement = line.measurement.and_then(|measurement| measurement.text()).unwrap_or_default();
    let (name, registered) = args
        .tables
        .get_key_value(&*measurement)
        .filter(|(name, _)| *name != REJECTED)
        .ok_or_else(|| format!("there is no table {:?}", measurement.chars().take(64).collect::<String>()))?;
    let context = args.batch_context(registered);
    let table = open.entry(name.as_str()).or_insert_with(|| {
        let mut table = LineTable::new(&registered.def);
        let rows = LineRows::new(&mut table, args.precision, &context);
        OpenTable { registered, table, rows, rows_max: args.limits.rows_max(&registered.def) }
    });
    // Here a refusal concerns one line: it is named, and the others go on.
    table.rows.push(&mut table.table, line, &context).map_err(|refusal| refusal.message)?;
    Ok(name)
}

fn note(faulty: &mut Option<FaultyLines>, line: usize, what: String, named_max: usize) {
    let faulty = faulty.get_or_insert(FaultyLines { named: Vec::new(), count: 0, is_partial: false });
    faulty.count += 1;
    if faulty.named.len() < named_max {
        faulty.named.push((line, what));
    }
}

impl LinesArgs<'_> {
    fn batch_context<'s>(&'s self, table: &'s RegisteredTable) -> BatchContext<'s> {
        BatchContext {
            registry: self.registry,
            gateway: self.gateway,
            producer: "http",
            epoch: Epoch(0),
            number: None,
            lane: Lane::Live,
            now_us: self.now_us,
            table,
            rejected: self.rejected,
            limits: self.limits,
        }
    }
}
