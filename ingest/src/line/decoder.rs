//! The decoder of a stream of lines for one table. A batch is stored as a whole or refused as a whole: a faulty line
//! refuses it, by its number.

use twox_hash::XxHash3_64;
use zonelake_registry::RegisteredTable;
use zonelake_schemas::wire::control::RefusedCode;

use super::parse::{Line, Lines};
use super::precision::Precision;
use super::table_rows::{LineRows, LineTable};
use crate::batch::{BatchContext, DecodedBatch};
use crate::refusal::Refusal;

/// Decodes the batches of one stream of lines for one table.
#[derive(Debug)]
pub struct LineDecoder {
    table: LineTable,
    precision: Precision,
}

impl LineDecoder {
    /// A decoder for a stream into `table`, with timestamps of this precision.
    pub fn new(table: &RegisteredTable, precision: Precision) -> Self {
        Self { table: LineTable::new(&table.def), precision }
    }

    /// Digest of a batch's content.
    pub fn digest(&self, payload: &[u8]) -> u64 {
        XxHash3_64::oneshot_with_seed(self.precision as u64, payload)
    }

    /// Bytes that a batch decodes to, by the length of its lines: the shortest have a few bytes for a time, a device and
    /// a value.
    pub fn decoded_bytes(&self, payload: &[u8]) -> u64 {
        LINE_GROWTH * payload.len() as u64
    }

    /// Decodes one batch of lines. Devices may be registered, which blocks.
    ///
    /// # Errors
    /// Refuses the whole batch where a line cannot be read, is for another table, names a column that the table does
    /// not have or cannot take, or where there are too many rows. The message begins with the line's number.
    pub fn decode(&mut self, payload: &[u8], context: &BatchContext<'_>) -> Result<DecodedBatch, Refusal> {
        let rows_max = context.limits.rows_max(&context.table.def);
        let mut rows = LineRows::new(&mut self.table, self.precision, context);
        let mut lines = Lines::new(payload, 0);
        let mut line = Line::default();
        while let Some(read) = lines.next(&mut line) {
            let number = line.number;
            // The line number comes first: it is what a sender needs to find the fault.
            let at = |refusal: Refusal| Refusal::new(refusal.code, format!("line {number}: {refusal}"));
            read.map_err(|what| at(Refusal::new(RefusedCode::BadPayload, what)))?;
            let measurement = line.measurement.and_then(|measurement| measurement.text()).unwrap_or_default();
            if *measurement != *self.table.name() {
                let shown: String = measurement.chars().take(64).collect();
                let message = format!("measurement {shown:?} in a stream of table {}", self.table.name());
                return Err(at(Refusal::new(RefusedCode::UnknownTable, message)));
            }
            // Before the row is added, so that memory stays within the limit.
            if rows.len() == rows_max {
                let message = format!("the batch has more than {rows_max} rows");
                return Err(at(Refusal::new(RefusedCode::TooLarge, message)));
            }
            rows.push(&mut self.table, &line, context).map_err(|fault| at(fault.refusal(&context.table.def)))?;
        }
        rows.finish(&mut self.table, payload, context)
    }
}

/// Bytes that a byte of lines decodes to, at most, by a wide margin for lines as they are sent.
pub const LINE_GROWTH: u64 = 4;
