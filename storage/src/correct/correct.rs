//! A correction carried out: looked up, noted in the table of audit, written beside everything else, and committed in a moment.
//!
//! The files that have the rows are written anew with the new values and exchanged by one commit for each table, as a merge does. So a
//! statement sees all new values of a table or none, a kill leaves all or none, and nothing has to be remembered until a rewrite.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::future::BoxFuture;
use serde_json::Value;
use zonelake_parquet::{DataFile, MergeInput, ParquetFileError, RowChange, RowTest, delete_files, merge_files};
use zonelake_schemas::OnRepeat;
use zonelake_schemas::audit::{AuditOutcome, AuditTrail};

use crate::compact::change::FileChange;
use crate::correct::found::FoundFile;
use crate::correct::noted::{Noted, entries};
use crate::correct::order::{CORRECTED_VALUES_MAX, Corrected, CorrectionOrder};
use crate::correct::wanted::Wanted;
use crate::rules::error::RuleError;
use crate::store::Store;
use crate::table::doubt::Exchange;
use crate::table::table::Table;
use crate::table::view::TableView;

impl Store {
    /// Gives rows other values: those that were acknowledged before this call. When it returns, every statement that begins later sees the
    /// new values, also after a crash, and files have no others. Of several tables each is one step, in the order of their names.
    ///
    /// What has the wanted value already stays as it is, so that an order may be given again after any failure.
    ///
    /// # Errors
    /// `Input` with the lines that are wrong; nothing is changed then. `Busy` where merges have changed the files again and again; `Audit`
    /// where the old values cannot be noted; and failures of files.
    pub fn correct<'a>(
        &'a self,
        order: &'a CorrectionOrder,
        trail: &'a dyn AuditTrail,
    ) -> BoxFuture<'a, Result<Corrected, RuleError>> {
        Box::pin(async move {
            let tables = self.read_correction(order)?;
            let mut would = Corrected { values: order.values.len() as u64, ..Corrected::default() };
            // All tables are looked at before anything is changed in one of them.
            for (name, wanted) in &tables {
                let (_, found) = self.look_up(order, &self.tables()[name], wanted).await?;
                entries(order, name, &changes(&found))?;
                would.add(&found);
            }
            if order.dry_run || would.changed == 0 {
                return Ok(would);
            }
            let mut done = Corrected { values: would.values, ..Corrected::default() };
            for (name, wanted) in tables {
                let table = Arc::clone(&self.tables()[&name]);
                self.correct_table(order, trail, &table, &Arc::new(wanted), &mut done).await?;
            }
            tracing::info!(values = done.changed, rows = done.rows, who = order.who, "values are corrected");
            Ok(done)
        })
    }

    /// The values of an order by table. All lines that are wrong are named.
    fn read_correction(&self, order: &CorrectionOrder) -> Result<BTreeMap<String, Wanted>, RuleError> {
        if order.values.is_empty() || order.values.len() > CORRECTED_VALUES_MAX {
            let message =
                format!("{} values are given; 1 to {CORRECTED_VALUES_MAX} are possible at a time", order.values.len());
            return Err(RuleError::Input(message));
        }
        let ledger = self.ledger();
        let mut tables: BTreeMap<String, Wanted> = BTreeMap::new();
        let mut wrong = Vec::new();
        for (number, value) in order.values.iter().enumerate() {
            let Some(table) = self.tables().get(&value.table) else {
                wrong.push((number, format!("there is no table {:?}", value.table)));
                continue;
            };
            let wanted = tables.entry(value.table.clone()).or_default();
            let time_us = match wanted.add(&table.registered.def, number, value) {
                Ok(time_us) => time_us,
                Err(why) => {
                    wrong.push((number, why));
                    continue;
                }
            };
            let (zone, device) = (value.zone.as_deref(), value.device.as_deref());
            if let Some(hold) = ledger.holds.iter().find(|hold| hold.selection.selects(zone, device, time_us)) {
                wrong.push((number, format!("the row is under the legal hold {}, which keeps it as it is", hold.name)));
            }
        }
        refuse(order, &wrong)?;
        for (name, wanted) in &mut tables {
            wanted.close().map_err(|error| RuleError::Input(format!("table {name}: {error}")))?;
        }
        Ok(tables)
    }

    /// The rows of an order in the files of a table, all of which are there, and once unless more are meant.
    async fn look_up(
        &self,
        order: &CorrectionOrder,
        table: &Table,
        wanted: &Wanted,
    ) -> Result<(Arc<TableView>, Vec<FoundFile>), RuleError> {
        self.flush_what_is_live(table).await?;
        self.settle_exchange_before(table).await?;
        let view = table.view();
        let found = self.find_corrected(table, &view, wanted).await?;
        let mut rows: BTreeMap<usize, u64> = wanted.values().map(|value| (value, 0)).collect();
        for cell in found.iter().flat_map(|file| &file.cells) {
            *rows.entry(cell.value).or_default() += 1;
        }
        // Where rows of a key are one row, all that are stored of it get the value, so that it counts whichever of them does.
        let may_be_several = order.all || !table.registered.def.on_repeat.keeps_all();
        let why = |rows: u64| match rows {
            0 => Some("there is no such row".to_owned()),
            1 => None,
            _ if may_be_several => None,
            _ => Some(format!(
                "{rows} rows are of this zone, device and time; all of them are corrected only where that is asked for"
            )),
        };
        let wrong = rows.iter().filter_map(|(value, rows)| Some((*value, why(*rows)?)));
        let line = |value: usize| order.values[value].line;
        let clashes = found
            .iter()
            .flat_map(|file| &file.clashes)
            .map(|(first, second)| (*second, format!("line {} is about the same field of the same row", line(*first))));
        refuse(order, &wrong.chain(clashes).collect::<Vec<_>>())?;
        Ok((view, found))
    }

    async fn correct_table(
        &self,
        order: &CorrectionOrder,
        trail: &dyn AuditTrail,
        table: &Table,
        wanted: &Arc<Wanted>,
        done: &mut Corrected,
    ) -> Result<(), RuleError> {
        let mut noted = Noted::default();
        for _ in 0..ATTEMPTS_MAX {
            let (view, mut found) = match self.look_up(order, table, wanted).await {
                Ok(looked_up) => looked_up,
                Err(error) => {
                    noted.end(trail, AuditOutcome::Refused).await?;
                    return Err(error);
                }
            };
            found.retain(|file| file.changed_rows > 0);
            noted.begin(trail, entries(order, table.name(), &changes(&found))?).await?;
            if found.is_empty() {
                return Ok(());
            }
            match self.exchange_corrected(table, &view, wanted, &found).await {
                Ok(true) => {
                    done.add(&found);
                    let recorded = noted.end(trail, AuditOutcome::Allowed).await;
                    return recorded.map_err(|error| {
                        RuleError::Busy(format!(
                            "it was done in table {}, and could not be recorded: {error}",
                            table.name()
                        ))
                    });
                }
                // A merge or another rule came first.
                Ok(false) => {}
                Err(error) => {
                    // A commit that is reported as failed may have landed.
                    let outcome = match error {
                        RuleError::Commit(_) => AuditOutcome::Unknown,
                        _ => AuditOutcome::Refused,
                    };
                    noted.end(trail, outcome).await?;
                    return Err(error);
                }
            }
        }
        noted.end(trail, AuditOutcome::Refused).await?;
        Err(RuleError::Busy(format!(
            "the files of table {} have changed again and again meanwhile; try again",
            table.name()
        )))
    }

    /// Writes files anew and exchanges them. False where they are not the table's any more.
    async fn exchange_corrected(
        &self,
        table: &Table,
        view: &TableView,
        wanted: &Arc<Wanted>,
        found: &[FoundFile],
    ) -> Result<bool, RuleError> {
        let mut outputs = Vec::with_capacity(found.len());
        for file in found {
            match self.write_corrected(table, wanted, file).await {
                Ok(output) => outputs.push(Arc::new(output)),
                Err(source) => {
                    let paths: Vec<&str> = outputs.iter().map(|output: &Arc<DataFile>| output.path.as_str()).collect();
                    delete_files(self.object_store().as_ref(), table.root(), &paths).await;
                    let (table, file) = (table.name().into(), file.file.path.clone());
                    return Err(RuleError::File { table, file, source });
                }
            }
        }
        let inputs: Vec<Arc<DataFile>> = found.iter().map(|file| Arc::clone(&file.file)).collect();
        let exchange = Exchange { inputs: inputs.clone(), outputs, changes_rows: true };
        let change = FileChange { exchange, hidden: Arc::clone(&view.hidden) };
        if !self.commit_change(table, change).await? {
            return Ok(false);
        }
        // Rows that were hidden in them are gone with their files.
        self.settle(table, &inputs, true)?;
        Ok(true)
    }

    async fn write_corrected(
        &self,
        table: &Table,
        wanted: &Arc<Wanted>,
        found: &FoundFile,
    ) -> Result<DataFile, ParquetFileError> {
        let hidden = found.hidden.clone();
        let wanted = Arc::clone(wanted);
        let input = MergeInput {
            schemas: Arc::new(table.registered.schemas.clone()),
            files: vec![Arc::clone(&found.file)],
            dropped: hidden.map(|hidden| RowTest::new(move |zone, device, time| hidden.hides(zone, device, time))),
            changed: Some(RowChange::new(move |rows| wanted.corrected(rows))),
            // Which rows of a key count is for merges.
            on_repeat: OnRepeat::KeepAll,
            group_bytes_max: GROUP_BYTES_MAX,
            is_stopping: Arc::default(),
        };
        let output = merge_files(input, Arc::clone(self.object_store()), table.root(), &self.options().parquet).await?;
        let expected = found.file.rows.saturating_sub(found.hidden_rows);
        if output.rows != expected {
            // Nothing lists it, and what nothing lists is deleted when it is old.
            return Err(ParquetFileError::OtherRows { path: output.path, expected, found: output.rows });
        }
        Ok(output)
    }
}

impl Corrected {
    fn add(&mut self, found: &[FoundFile]) {
        let changed = found.iter().flat_map(|file| &file.cells).filter(|cell| cell.change.is_some());
        let values: BTreeSet<usize> = changed.map(|cell| cell.value).collect();
        self.changed += values.len() as u64;
        self.rows += found.iter().map(|file| file.changed_rows).sum::<u64>();
        self.files += found.iter().filter(|file| file.changed_rows > 0).count() as u64;
    }
}

fn changes(found: &[FoundFile]) -> Vec<&Value> {
    found.iter().flat_map(|file| &file.cells).filter_map(|cell| cell.change.as_ref()).collect()
}

/// Refuses an order of which some values are wrong, with their lines.
fn refuse(order: &CorrectionOrder, wrong: &[(usize, String)]) -> Result<(), RuleError> {
    if wrong.is_empty() {
        return Ok(());
    }
    let mut lines: Vec<(u64, &str)> =
        wrong.iter().map(|(value, why)| (order.values[*value].line, why.as_str())).collect();
    lines.sort_unstable();
    let told: Vec<String> = lines.iter().take(TOLD_MAX).map(|(line, why)| format!("line {line}: {why}")).collect();
    let mut message = told.join("; ");
    if lines.len() > TOLD_MAX {
        message += &format!("; and {} more", lines.len() - TOLD_MAX);
    }
    Err(RuleError::Input(message))
}

/// How often an order is begun anew because merges have exchanged its files.
const ATTEMPTS_MAX: usize = 16;
/// Lines that a message names.
const TOLD_MAX: usize = 20;
/// Memory that the rows of one row group may take while a file is written anew.
const GROUP_BYTES_MAX: usize = 64 << 20;
