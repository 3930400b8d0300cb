//! The lines of one request, of many tables, to batches. A faulty line is left out and named; the others go on.

use std::collections::BTreeMap;
use std::sync::Arc;

use zonelake_registry::{Gateway, RegisteredTable, Registry};
use zonelake_schemas::reject::REJECTED;
use zonelake_schemas::{Epoch, Lane};

use zonelake_http::write::error::FaultyLines;
use crate::line::Precision;
use crate::line::parse::{Line, Lines};
use crate::line::table_rows::{LineRows, LineTable};
use crate::{DecodeLimits, Decoded, Refusal, Source};

/// What the lines are decoded with.
pub(super) struct LinesArgs<'a> {
    pub(super) registry: &'a Registry,
    pub(super) tables: &'a BTreeMap<String, Arc<RegisteredTable>>,
    pub(super) rejected: &'a RegisteredTable,
    pub(super) gateway: &'a Gateway,
    pub(super) limits: &'a DecodeLimits,
    pub(super) precision: Precision,
    pub(super) now_us: i64,
}

/// A decoded request.
#[derive(Debug)]
pub(super) struct DecodedLines {
    /// Batches to store, each within the limits of a batch.
    pub(super) batches: Vec<(Arc<RegisteredTable>, Decoded)>,
    /// Lines that could not be read.
    pub(super) faulty: Option<FaultyLines>,
}

/// A table that the request has lines of.
struct OpenTable<'a> {
    registered: &'a Arc<RegisteredTable>,
    table: LineTable,
    rows: LineRows<'a>,
    rows_max: usize,
}

/// Decodes the lines of a request. An error means that nothing of it can be stored now.
pub(super) fn decode(payload: &[u8], args: &LinesArgs<'_>) -> Result<DecodedLines, Refusal> {
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
                let full = open.get_mut(name).filter(|table| table.rows.len() == table.rows_max);
                if let Some(table) = full {
                    let source = args.source(table.registered);
                    let next = LineRows::new(&mut table.table, args.precision, &source);
                    let batch = std::mem::replace(&mut table.rows, next).finish(&mut table.table, payload, &source)?;
                    decoded.batches.push((Arc::clone(table.registered), batch));
                }
            }
        }
    }
    for mut table in open.into_values().filter(|table| table.rows.len() > 0) {
        let batch = table.rows.finish(&mut table.table, payload, &args.source(table.registered))?;
        decoded.batches.push((Arc::clone(table.registered), batch));
    }
    if let Some(faulty) = &mut decoded.faulty {
        faulty.is_partial = rows > 0;
    }
    Ok(decoded)
}

/// Adds a line to the rows of its table; gives back the table's name, or what is wrong.
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
    let source = args.source(registered);
    let table = open.entry(name.as_str()).or_insert_with(|| {
        let mut table = LineTable::new(&registered.def);
        let rows = LineRows::new(&mut table, args.precision, &source);
        OpenTable { registered, table, rows, rows_max: args.limits.rows_max(&registered.def) }
    });
    table.rows.push(&mut table.table, line, &source).map_err(|refusal| refusal.message)?;
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
    fn source<'s>(&'s self, table: &'s RegisteredTable) -> Source<'s> {
        Source {
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
