//! The table of audit: each entry follows the one before it, over files and log.

use std::path::Path;
use std::sync::Arc;

use object_store::ObjectStore;
use zonelake_parquet::{DataFile, FileRows};
use zonelake_registry::RegisteredTable;
use zonelake_schemas::audit::AUDIT;
use zonelake_storage::record::{RecordError, rows_of_table};
use zonelake_storage::{AuditRow, ChainCheck, Ledger};
use zonelake_wal::RealDisk;

use super::report::{AuditChain, Report};

/// The chain of a folder, as far as it is read.
pub(super) struct AuditCheck {
    /// None in a folder of before there was one.
    table: Option<Arc<RegisteredTable>>,
    chain: ChainCheck,
    /// True where files of the table are not read.
    is_partial: bool,
}

impl AuditCheck {
    /// Without any entry yet.
    pub(super) fn of(declared: &[Arc<RegisteredTable>]) -> Self {
        let table = declared.iter().find(|table| table.def.name == AUDIT).cloned();
        Self { table, chain: ChainCheck::default(), is_partial: false }
    }

    /// Takes the entries of a record of the log.
    ///
    /// # Errors
    /// The record cannot be read.
    pub(super) fn take_record(&mut self, payload: &[u8]) -> Result<(), RecordError> {
        let Some(table) = &self.table else { return Ok(()) };
        let Some(batch) = rows_of_table(payload, table)? else { return Ok(()) };
        let rows = AuditRow::from_batch(&batch).map_err(|error| RecordError::Rows(error.to_string()))?;
        rows.iter().for_each(|row| self.chain.take(row));
        Ok(())
    }

    /// Takes the entries of a file, if it is of this table.
    ///
    /// # Errors
    /// What is wrong with the file, in words.
    pub(super) async fn take_file(
        &mut self,
        table: &RegisteredTable,
        store: &Arc<dyn ObjectStore>,
        root: &object_store::path::Path,
        file: &DataFile,
    ) -> Result<(), String> {
        if table.def.name != AUDIT {
            return Ok(());
        }
        let failed = |error: &dyn std::fmt::Display| format!("{}: {error}", file.path);
        let schema = Arc::clone(&table.schemas.file);
        let rows = FileRows::open(Arc::clone(store), root, file, schema).await;
        let mut rows = rows.map_err(|error| failed(&error))?;
        while let Some(batch) = rows.next().await.map_err(|error| failed(&error))? {
            let rows = AuditRow::from_batch(&batch).map_err(|error| failed(&error))?;
            rows.iter().for_each(|row| self.chain.take(row));
        }
        Ok(())
    }

    /// Notes that a file of a table is not read.
    pub(super) fn note_unread(&mut self, table: &str) {
        self.is_partial |= table == AUDIT;
    }

    /// Says whether the chain is whole.
    pub(super) fn finish(self, folder: &Path, report: &mut Report) {
        if self.is_partial {
            return;
        }
        // A ledger that cannot be read is a finding of its own.
        let terms = Ledger::read(&RealDisk, folder).map(|ledger| ledger.retention).unwrap_or_default();
        let may_begin_later = terms.iter().any(|term| term.table == AUDIT);
        match self.chain.finish(may_begin_later) {
            Ok(end) if end.sequence > 0 => {
                report.audit = AuditChain { entries: self.chain.len(), last: end.sequence, hash: end.hash.to_string() };
            }
            Ok(_) => {}
            Err(problem) => report.problems.push(format!("table {AUDIT}: {problem}")),
        }
    }
}
