//! The end of the chain that is stored, behind which a start goes on.

use std::sync::Arc;

use zonelake_parquet::{DataFile, FileRows, ParquetFileError, StatValue};

use crate::audit::chain::ChainEnd;
use crate::audit::row::AuditRow;
use crate::store::Store;

impl Store {
    /// The last entry of audit that is durable. To be asked once, before entries are written. Where it cannot be read the chain goes on with
    /// the next number and without a hash, which the check finds: a damaged file of audit stops nobody's readings.
    pub async fn audit_end(&self) -> ChainEnd {
        let view = self.audit().view();
        let mut end = ChainEnd::default();
        for chunk in view.chunks() {
            match AuditRow::from_batch(&chunk.rows) {
                Ok(rows) => take(&mut end, rows),
                Err(error) => tracing::error!("live rows of the table audit cannot be read: {error}"),
            }
        }
        let last = view.files.iter().filter_map(|file| Some((last_of(file)?, file))).max_by_key(|(last, _)| *last);
        let Some((last, file)) = last.filter(|(last, _)| *last > end.sequence) else { return end };
        match self.end_of_file(file, end).await {
            Ok(end) => end,
            Err(error) => {
                tracing::error!(
                    file = file.path,
                    "the last entry of the table audit cannot be read, and the next one does not follow it: {error}"
                );
                let sequence = if last == i64::MAX { end.sequence } else { last };
                ChainEnd { sequence, ..ChainEnd::default() }
            }
        }
    }

    async fn end_of_file(&self, file: &DataFile, mut end: ChainEnd) -> Result<ChainEnd, ParquetFileError> {
        let schema = Arc::clone(&self.audit().registered.schemas.file);
        let mut rows = FileRows::open(Arc::clone(self.object_store()), self.audit().root(), file, schema).await?;
        while let Some(batch) = rows.next().await? {
            take(&mut end, AuditRow::from_batch(&batch)?);
        }
        Ok(end)
    }
}

/// Number of the last entry of a file; that of a file without statistics may be any.
fn last_of(file: &DataFile) -> Option<i64> {
    match file.stats.get("sequence").map(|stats| &stats.max) {
        Some(Some(StatValue::Integer(last))) => Some(*last),
        Some(_) => None,
        None => Some(i64::MAX),
    }
}

fn take(end: &mut ChainEnd, rows: Vec<AuditRow>) {
    for row in rows {
        if row.sequence <= end.sequence {
            continue;
        }
        // A hash that is none is found by the check, and the chain goes on with zeros.
        *end = ChainEnd::behind(&row).unwrap_or(ChainEnd {
            sequence: row.sequence,
            time_us: row.time_us,
            ..ChainEnd::default()
        });
    }
}
