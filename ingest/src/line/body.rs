//! The lines of one request, of many tables, to batches. A faulty line is left out and named; the others go on.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use zonelake_registry::{Gateway, RegisteredTable, Registry};
use zonelake_schemas::alerts::is_written_by_server;
use zonelake_schemas::{Epoch, Lane, TableDef};

use super::fault::LineFault;
use super::parse::{Line, Lines};
use super::precision::Precision;
use super::table_rows::{LineRows, LineTable};
use super::tags::TagRules;
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
    /// What becomes of tags by their names.
    pub tags: &'a TagRules,
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
    /// True where each row has a time of its own, so that the same lines again are the same rows.
    pub is_timed: bool,
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

/// Decodes the lines of a request. `watch` is told at each thousandth line how many bytes of memory the rows take so
/// far; its refusal ends the decoding.
///
/// # Errors
/// Refuses the whole request where its devices cannot be registered, or by `watch`; then nothing of it is stored.
pub fn decode_lines(
    payload: &[u8],
    args: &LinesArgs<'_>,
    watch: &mut dyn FnMut(usize) -> Result<(), Refusal>,
) -> Result<DecodedLines, Refusal> {
    let mut request = Request {
        payload,
        args,
        open: BTreeMap::new(),
        decoded: DecodedLines { batches: Vec::new(), faulty: None, is_timed: true },
        finished_bytes: 0,
    };
    let mut lines = Lines::new(payload, 0);
    let mut line = Line::default();
    let (mut rows, mut count) = (0u64, 0u64);
    while let Some(read) = lines.next(&mut line) {
        count += 1;
        if count.is_multiple_of(LINES_BETWEEN_CHECKS) {
            watch(request.memory_bytes())?;
        }
        let added = match read {
            Ok(()) => request.add(&mut line),
            Err(what) => Err(Fault::Unreadable(what)),
        };
        match added {
            Err(fault) => request.note(line.number, fault),
            Ok(name) => {
                rows += 1;
                // A body may hold more rows or devices of a table than a batch may have: the full batch is closed, and
                // the next line begins another.
                request.finish_full(name)?;
            }
        }
    }
    watch(request.memory_bytes())?;
    request.finish(rows)
}

/// A request whose lines are being read.
struct Request<'a> {
    payload: &'a [u8],
    args: &'a LinesArgs<'a>,
    open: BTreeMap<&'a str, OpenTable<'a>>,
    decoded: DecodedLines,
    /// Memory of the batches that are finished.
    finished_bytes: usize,
}

/// A table that the request has lines of.
struct OpenTable<'a> {
    registered: &'a Arc<RegisteredTable>,
    table: LineTable,
    /// The batch that lines are added to; none between a full one and the next line.
    rows: Option<LineRows<'a>>,
    rows_max: usize,
}

/// Fault of a line; see [`LineFault`].
enum Fault<'a> {
    Unreadable(&'static str),
    UnknownTable(Cow<'a, str>),
    Columns(LineFault<'a>, &'a TableDef),
}

impl<'a> Request<'a> {
    /// Adds a line to the rows of its table; gives back the table's name, or the fault of the line.
    fn add(&mut self, line: &mut Line<'a>) -> Result<&'a str, Fault<'a>> {
        let args = self.args;
        let measurement = line.measurement.and_then(|measurement| measurement.text()).unwrap_or_default();
        let found = args.tables.get_key_value(&*measurement).filter(|(_, table)| !is_written_by_server(&table.def));
        let Some((name, registered)) = found else { return Err(Fault::UnknownTable(measurement)) };
        args.tags.apply(line, &registered.def);
        let context = args.batch_context(registered);
        let open = self.open.entry(name.as_str()).or_insert_with(|| OpenTable {
            registered,
            table: LineTable::new(&registered.def),
            rows: None,
            rows_max: args.limits.rows_max(&registered.def),
        });
        let table = &mut open.table;
        let rows = open.rows.get_or_insert_with(|| LineRows::new(table, args.precision, &context).with_tags(args.tags));
        // Here a fault concerns one line: it is named, and the others go on.
        rows.push(table, line, &context).map_err(|fault| Fault::Columns(fault, &registered.def))?;
        self.decoded.is_timed &= line.timestamp.is_some();
        Ok(name)
    }

    /// Closes the batch of a table where it has as many rows or devices as a batch may have.
    fn finish_full(&mut self, name: &str) -> Result<(), Refusal> {
        let devices_max = self.args.limits.batch_devices_max;
        let Some(open) = self.open.get_mut(name) else { return Ok(()) };
        let is_full = |rows: &LineRows<'_>| rows.len() >= open.rows_max || rows.devices() >= devices_max;
        if open.rows.as_ref().is_some_and(is_full)
            && let Some(rows) = open.rows.take()
        {
            let batch = rows.finish(&mut open.table, self.payload, &self.args.batch_context(open.registered))?;
            self.finished_bytes += batch.memory_bytes();
            self.decoded.batches.push((Arc::clone(open.registered), batch));
        }
        Ok(())
    }

    /// Closes the batches of all tables, in the order of their names, so that the same body gives the same batches.
    fn finish(mut self, rows_read: u64) -> Result<DecodedLines, Refusal> {
        for mut open in self.open.into_values() {
            let Some(rows) = open.rows.take().filter(|rows| rows.len() > 0) else { continue };
            let batch = rows.finish(&mut open.table, self.payload, &self.args.batch_context(open.registered))?;
            self.decoded.batches.push((Arc::clone(open.registered), batch));
        }
        if let Some(faulty) = &mut self.decoded.faulty {
            faulty.is_partial = rows_read > 0;
        }
        Ok(self.decoded)
    }

    fn memory_bytes(&self) -> usize {
        let open = self.open.values().filter_map(|open| open.rows.as_ref());
        self.finished_bytes + open.map(LineRows::memory_bytes).sum::<usize>()
    }

    fn note(&mut self, line: usize, fault: Fault<'_>) {
        let faulty = self.decoded.faulty.get_or_insert(FaultyLines { named: Vec::new(), count: 0, is_partial: false });
        faulty.count += 1;
        // The others are counted only: a body of a million faulty lines costs no more than one of good ones.
        if faulty.named.len() < self.args.limits.line_errors_max {
            faulty.named.push((line, fault.words()));
        }
    }
}

impl Fault<'_> {
    fn words(self) -> String {
        match self {
            Self::Unreadable(what) => what.to_owned(),
            Self::UnknownTable(name) => format!("there is no table {:?}", name.chars().take(64).collect::<String>()),
            Self::Columns(fault, table) => fault.refusal(table).message,
        }
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

/// Lines between two calls of the watch.
const LINES_BETWEEN_CHECKS: u64 = 1_024;
