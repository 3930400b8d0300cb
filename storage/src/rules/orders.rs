//! Rules changed and deletions ordered. Each is in force for every statement that begins after its call has returned, and after a crash.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::{Arc, PoisonError};

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::{TimestampMicrosecondType, UInt32Type};
use zonelake_parquet::{DataFile, RowTest, count_rows};
use zonelake_schemas::audit::{AUDIT, AUDIT_DAYS_MIN};
use zonelake_schemas::{DeviceKey, Lsn, ShardId};

use crate::rules::error::RuleError;
use crate::rules::hidden::{DAY_US, Hidden, HiddenRows};
use crate::rules::ledger::{Deletion, Ledger, LegalHold, Retention};
use crate::rules::selection::Selection;
use crate::store::Store;
use crate::table::table::Table;

/// Order to delete rows.
#[derive(Debug, Clone)]
pub struct DeletionOrder {
    /// Table.
    pub table: String,
    /// The rows.
    pub selection: Selection,
    /// Who orders it.
    pub who: String,
    /// Reason.
    pub why: String,
}

/// When the ledger is written because files have gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Settling {
    /// Where any has gone.
    All,
    /// Where all of an order have gone, or a part of them that is worth it.
    Due,
}

/// Rows and files that a rule or an order concerns.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Concerned {
    /// Rows that would go.
    pub rows: u64,
    /// Files that have nothing else.
    pub whole_files: u64,
    /// Files that have other rows, too, and would be rewritten.
    pub mixed_files: u64,
}

impl Store {
    /// Rules and orders as they are now.
    pub fn ledger(&self) -> Arc<Ledger> {
        self.rules.ledger()
    }

    /// Takes back what has failed of a change of rules and may be on disk all the same. A back-up does this before it copies them.
    ///
    /// # Errors
    /// `InDoubt`: it may still be there.
    pub fn settle_rules(&self) -> Result<(), RuleError> {
        self.rules.settle()
    }

    /// Sets how long rows are kept, in place of what was said of the same table and zone.
    ///
    /// # Errors
    /// `Input` for a table that there is not and for a term that is too short, `NotWritten`, `InDoubt`.
    pub fn set_retention(&self, term: Retention) -> Result<(), RuleError> {
        self.check_retention(&term)?;
        self.rules.change(|ledger| {
            set_term(ledger, term);
            Ok(())
        })?;
        self.refresh_rules();
        Ok(())
    }

    /// What would go at once if this were set. Nothing is changed.
    ///
    /// # Errors
    /// As [`Self::set_retention`], and `File`.
    pub async fn try_retention(&self, term: Retention) -> Result<Concerned, RuleError> {
        self.check_retention(&term)?;
        let table = Arc::clone(self.table(&term.table)?);
        let mut ledger = Ledger::clone(&self.ledger());
        let name = term.table.clone();
        set_term(&mut ledger, term);
        let hidden = Hidden::of(&ledger, &name, self.today_us());
        let hidden_in = |file: &DataFile| hidden.in_file(file);
        let hidden_live = |first_us| hidden.in_live_rows(first_us);
        self.count_concerned(&table, hidden_in, hidden_live).await
    }

    /// Keeps rows for ever again. False where nothing was said of the table and zone.
    ///
    /// # Errors
    /// `NotWritten`, `InDoubt`.
    pub fn remove_retention(&self, table: &str, zone: Option<&str>) -> Result<bool, RuleError> {
        let removed = self.rules.change(|ledger| {
            let before = ledger.retention.len();
            ledger.retention.retain(|term| !(term.table == table && term.zone.as_deref() == zone));
            Ok(ledger.retention.len() < before)
        })?;
        self.refresh_rules();
        Ok(removed)
    }

    /// Keeps rows whatever their term is, and from deletion.
    ///
    /// # Errors
    /// `Input` where the name is taken, `NotWritten`, `InDoubt`.
    pub fn add_legal_hold(&self, hold: LegalHold) -> Result<(), RuleError> {
        self.rules.change(|ledger| {
            if ledger.holds.iter().any(|other| other.name == hold.name) {
                return Err(RuleError::Input(format!("there is a legal hold {} already", hold.name)));
            }
            ledger.holds.push(hold);
            Ok(())
        })?;
        self.refresh_rules();
        Ok(())
    }

    /// Ends a legal hold. False where there is none of this name.
    ///
    /// # Errors
    /// `NotWritten`, `InDoubt`.
    pub fn remove_legal_hold(&self, name: &str) -> Result<bool, RuleError> {
        let removed = self.rules.change(|ledger| {
            let before = ledger.holds.len();
            ledger.holds.retain(|hold| hold.name != name);
            Ok(ledger.holds.len() < before)
        })?;
        self.refresh_rules();
        Ok(removed)
    }

    /// What a deletion would concern. Nothing is changed.
    ///
    /// # Errors
    /// As [`Self::delete_rows`].
    pub async fn try_deletion(&self, order: &DeletionOrder) -> Result<Concerned, RuleError> {
        let table = Arc::clone(self.check_deletion(order)?);
        let rows = HiddenRows { deleted: vec![order.selection.clone()], ..HiddenRows::default() };
        let hidden_in = |file: &DataFile| order.selection.may_select(file).then(|| rows.clone());
        self.count_concerned(&table, hidden_in, |_| Some(rows.clone())).await
    }

    /// Deletes rows: those that were acknowledged before this call. When it returns, no statement that begins later sees them,
    /// also after a crash. Their files are rewritten by [`Self::erase_hidden`].
    ///
    /// # Errors
    /// `Input` for a selection of nothing or of everything, `Held`, `Busy` while a back-up copies files; and failures of files. Nothing
    /// is deleted then; after `InDoubt` a restart may find the order and delete what it names.
    pub async fn delete_rows(&self, order: DeletionOrder) -> Result<Deletion, RuleError> {
        let table = Arc::clone(self.check_deletion(&order)?);
        self.flush_what_is_live(&table).await?;
        let rows = self.try_deletion(&order).await?.rows;
        // A back-up that begins now waits until the order is in the ledger.
        let _turn = self.ledger_turn.lock().await;
        // Nothing is flushed or merged while the files of the order are chosen.
        let mut in_doubt = table.flush.lock().await;
        // An order names the files that have its rows. One that has taken the place of others and is in no view yet must be among them, or
        // its rows would be back once it is.
        self.settle_exchange(&table, &mut in_doubt).await?;
        if in_doubt.is_some() {
            return Err(RuleError::Busy(
                "the outcome of the last flush is not known yet; try again in a moment".into(),
            ));
        }
        if self.backup_hold.lasts(self.clock().monotonic()) {
            return Err(RuleError::Busy("a back-up copies files just now; try again when it has ended".into()));
        }
        let view = table.view();
        let files = view.files.iter().filter(|file| order.selection.may_select(file));
        let files: BTreeSet<String> = files.map(|file| file.path.clone()).collect();
        let at_us = self.clock().wall_us();
        let deletion = self.rules.change(|ledger| {
            // What was put under a hold since the first look.
            check_held(ledger, &order.selection)?;
            let DeletionOrder { table, selection, who, why } = order;
            let id = ledger.deletions.last().map_or(1, |last| last.id + 1);
            let pending = files.clone();
            let deletion = Deletion { id, table, selection, who, why, at_us, rows, files, pending, erased_us: None };
            ledger.deletions.push(deletion.clone());
            Ok(deletion)
        })?;
        self.refresh_rules();
        tracing::info!(
            id = deletion.id,
            table = deletion.table,
            rows,
            who = deletion.who,
            "rows are deleted; their files are rewritten now"
        );
        Ok(deletion)
    }

    /// Has all views hide what the rules say now. To be called now and then, since time passes.
    pub fn refresh_rules(&self) {
        // One after the other, each with the newest ledger: an earlier one is never put in the place of a later one.
        let _in_turn = self.refreshing.lock().unwrap_or_else(PoisonError::into_inner);
        let (ledger, today_us) = (self.ledger(), self.today_us());
        for (name, table) in self.tables() {
            let hidden = Hidden::of(&ledger, name, today_us);
            if !table.view().hidden.has_rules_of(&hidden) {
                let floors = hidden.floors();
                table.registered.earliest.set(floors.all_us, floors.zones_us.clone());
                table.change_hidden(|view| hidden.knowing(&view.hidden));
            }
        }
    }

    /// Takes files that are not listed any more off the orders: a crash or a full disk may have come between a commit and the ledger. The ledger
    /// is written as a whole and has every file of every order, so that it is not written for each file that goes.
    pub(crate) fn settle_orders(&self, settling: Settling) -> Result<(), RuleError> {
        let pending = |order: &&Deletion| !order.pending.is_empty();
        let ledger = self.ledger();
        let mut listed: BTreeMap<&str, HashSet<String>> = BTreeMap::new();
        for order in ledger.deletions.iter().filter(pending) {
            listed.entry(&order.table).or_insert_with(|| {
                let files = self.tables().get(&order.table).map(|table| Arc::clone(&table.view().files));
                files.iter().flat_map(|files| files.iter().map(|file| file.path.clone())).collect()
            });
        }
        let is_due = |order: &Deletion| {
            let gone = order.pending.iter().filter(|path| !listed[order.table.as_str()].contains(*path)).count();
            let least = match settling {
                Settling::All => 1,
                // All of them, or so many that all orders together are written few times.
                Settling::Due => order.pending.len().min(order.pending.len() / 8 + 16),
            };
            gone >= least
        };
        if !ledger.deletions.iter().filter(pending).any(is_due) {
            return Ok(());
        }
        self.rules.change(|ledger| {
            for order in &mut ledger.deletions {
                if let Some(listed) = listed.get(order.table.as_str()) {
                    order.pending.retain(|path| listed.contains(path));
                }
            }
            Ok(())
        })?;
        self.refresh_rules();
        Ok(())
    }

    /// Begin of the day from which retention counts: today, but no later than the day after the latest row. A clock that is years
    /// ahead hence removes nothing, and neither does a standstill of all gateways.
    pub(crate) fn today_us(&self) -> i64 {
        let latest = self.receipt_clock().latest_event_us().saturating_add(DAY_US);
        self.clock().wall_us().min(latest).div_euclid(DAY_US) * DAY_US
    }

    fn table(&self, name: &str) -> Result<&Arc<Table>, RuleError> {
        self.tables().get(name).ok_or_else(|| RuleError::Input(format!("there is no table {name}")))
    }

    fn check_retention(&self, term: &Retention) -> Result<(), RuleError> {
        self.table(&term.table)?;
        let least = match term.table.as_str() {
            SECURITY => SECURITY_DAYS_MIN,
            AUDIT => AUDIT_DAYS_MIN,
            _ => 1,
        };
        if term.table == AUDIT && term.zone.is_some() {
            return Err(RuleError::Input(format!("entries of table {AUDIT} are of no zone: set a term without one")));
        }
        if term.days < least || term.days > DAYS_MAX {
            return Err(RuleError::Input(format!(
                "{} days are asked for; {least} to {DAYS_MAX} are possible for table {}",
                term.days, term.table
            )));
        }
        Ok(())
    }

    fn check_deletion(&self, order: &DeletionOrder) -> Result<&Arc<Table>, RuleError> {
        if order.table == AUDIT {
            let message = format!(
                "rows of table {AUDIT} are not deleted: a retention of {AUDIT_DAYS_MIN} days or more removes old ones"
            );
            return Err(RuleError::Input(message));
        }
        let Selection { zone, device, from_us, until_us } = &order.selection;
        if zone.is_none() && device.is_none() && (from_us.is_none() || until_us.is_none()) {
            let message = "a deletion names a zone, a device, or both ends of a time range";
            return Err(RuleError::Input(message.into()));
        }
        if from_us.zip(*until_us).is_some_and(|(from, until)| from >= until) {
            return Err(RuleError::Input("the time range ends before it begins".into()));
        }
        check_held(&self.ledger(), &order.selection)?;
        self.table(&order.table)
    }

    /// Writes the rows to files that are live now; what comes meanwhile may stay live.
    pub(crate) async fn flush_what_is_live(&self, table: &Table) -> Result<(), RuleError> {
        let mut last: BTreeMap<ShardId, Lsn> = BTreeMap::new();
        for chunk in table.view().chunks() {
            let lsn = last.entry(chunk.shard).or_default();
            *lsn = chunk.last_lsn.max(*lsn);
        }
        while last.iter().any(|(&shard, &lsn)| table.committed(shard) < lsn) {
            self.flush(table).await?;
        }
        Ok(())
    }

    async fn count_concerned(
        &self,
        table: &Table,
        hidden_in: impl Fn(&DataFile) -> Option<HiddenRows>,
        hidden_live: impl Fn(i64) -> Option<HiddenRows>,
    ) -> Result<Concerned, RuleError> {
        let view = table.view();
        let mut concerned = Concerned::default();
        for file in view.files.iter() {
            let Some(hidden) = hidden_in(file) else { continue };
            // What is hidden already goes without this.
            let already = view.hidden.in_file(file).unwrap_or_default();
            let rows = self.count_hidden(table, file, hidden, already).await?;
            concerned.rows += rows;
            concerned.whole_files += u64::from(rows == file.rows);
            concerned.mixed_files += u64::from(rows > 0 && rows < file.rows);
        }
        for chunk in view.chunks() {
            let Some(hidden) = hidden_live(chunk.time_us.0) else { continue };
            concerned.rows += self.count_hidden_live(&chunk.rows, &hidden);
        }
        Ok(concerned)
    }

    /// Rows of a file that one condition hides and another does not.
    pub(crate) async fn count_hidden(
        &self,
        table: &Table,
        file: &DataFile,
        hidden: HiddenRows,
        but: HiddenRows,
    ) -> Result<u64, RuleError> {
        let test =
            RowTest::new(move |zone, device, time| hidden.hides(zone, device, time) && !but.hides(zone, device, time));
        count_rows(&test, self.object_store(), table.root(), file).await.map_err(|source| RuleError::File {
            table: table.name().into(),
            file: file.path.clone(),
            source,
        })
    }

    fn count_hidden_live(&self, rows: &RecordBatch, hidden: &HiddenRows) -> u64 {
        let locations = self.registry().locations();
        let column = |name: &str| rows.column_by_name(name).expect("live rows have the fixed columns");
        let times = column("time").as_primitive::<TimestampMicrosecondType>().values();
        let devices = column("device_key").as_primitive::<UInt32Type>().values();
        let is_hidden = |(&time, &key): (&i64, &u32)| {
            let location = locations.get(DeviceKey(key));
            let zone = location.and_then(|location| location.zone.as_deref());
            hidden.hides(zone, location.and_then(|location| location.device.as_deref()), time)
        };
        times.iter().zip(devices).filter(|row| is_hidden(*row)).count() as u64
    }
}

fn set_term(ledger: &mut Ledger, term: Retention) {
    ledger.retention.retain(|other| !(other.table == term.table && other.zone == term.zone));
    ledger.retention.push(term);
}

fn check_held(ledger: &Ledger, selection: &Selection) -> Result<(), RuleError> {
    match ledger.holds.iter().find(|hold| hold.selection.meets(selection)) {
        Some(hold) => Err(RuleError::Held { hold: hold.name.clone() }),
        None => Ok(()),
    }
}

/// Table of security events.
const SECURITY: &str = "security";
/// Security events are kept for a year at least.
const SECURITY_DAYS_MIN: u32 = 366;
/// A century.
const DAYS_MAX: u32 = 36_525;
