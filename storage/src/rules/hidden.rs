//! Which rows of a table statements do not see, by file. The view has it, so that files and what is hidden in them are of one moment.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use zonelake_parquet::{DataFile, StatValue};

use crate::rules::file_times::times_us;
use crate::rules::ledger::Ledger;
use crate::rules::selection::Selection;

/// What is hidden in one table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hidden {
    floors: Floors,
    /// Rows that the floors do not concern.
    held: Vec<Selection>,
    deletions: Vec<PendingDeletion>,
    /// Files that were read and have no such row although their statistics do not say so, with what was looked for.
    clean: Arc<BTreeMap<String, HiddenRows>>,
}

/// A file that was read, and what it has no row of.
pub(crate) type CleanFile = (Arc<DataFile>, HiddenRows);

/// Times before which rows are due, microseconds since 1970, UTC.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Floors {
    /// Of rows whose zone has none of its own; absent where they are kept for ever.
    pub all_us: Option<i64>,
    /// Of zones.
    pub zones_us: BTreeMap<String, i64>,
}

/// A deletion whose files have not all been rewritten.
#[derive(Debug, Clone, PartialEq, Eq)]
struct PendingDeletion {
    selection: Selection,
    files: Arc<BTreeSet<String>>,
}

/// Rows that are hidden among some, as one condition.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HiddenRows {
    /// Rows before these times are hidden.
    pub floors: Floors,
    /// But not these.
    pub held: Vec<Selection>,
    /// And these are.
    pub deleted: Vec<Selection>,
}

impl Floors {
    /// That of a zone.
    pub fn of(&self, zone: Option<&str>) -> Option<i64> {
        zone.and_then(|zone| self.zones_us.get(zone).copied()).or(self.all_us)
    }

    fn all(&self) -> impl Iterator<Item = i64> + '_ {
        self.all_us.into_iter().chain(self.zones_us.values().copied())
    }

    /// Whether rows from this time on are before some floor.
    fn may_concern(&self, first_us: i64) -> bool {
        self.all().any(|floor| first_us < floor)
    }
}

impl Hidden {
    /// What a ledger hides of a table. `today_us` begins the day from which retention counts.
    pub fn of(ledger: &Ledger, table: &str, today_us: i64) -> Self {
        let mut floors = Floors::default();
        for term in ledger.retention.iter().filter(|term| term.table == table) {
            let floor = today_us.saturating_sub(i64::from(term.days) * DAY_US);
            match &term.zone {
                Some(zone) => drop(floors.zones_us.insert(zone.clone(), floor)),
                None => floors.all_us = Some(floor),
            }
        }
        let pending = ledger.deletions.iter().filter(|order| order.table == table && !order.pending.is_empty());
        Self {
            floors,
            held: ledger.holds.iter().map(|hold| hold.selection.clone()).collect(),
            deletions: pending
                .map(|order| PendingDeletion {
                    selection: order.selection.clone(),
                    files: Arc::new(order.pending.clone()),
                })
                .collect(),
            clean: Arc::default(),
        }
    }

    /// The same rules with what another value knows of files.
    pub(crate) fn knowing(self, other: &Self) -> Self {
        Self { clean: Arc::clone(&other.clean), ..self }
    }

    /// The same with files that were read and have no hidden row. Files that are not listed any more are forgotten.
    pub(crate) fn with_clean(&self, found: &[CleanFile], listed: &[Arc<DataFile>]) -> Self {
        let mut clean = BTreeMap::clone(&self.clean);
        if clean.len() > 2 * listed.len() {
            let listed: BTreeSet<&str> = listed.iter().map(|file| file.path.as_str()).collect();
            clean.retain(|path, _| listed.contains(path.as_str()));
        }
        clean.extend(found.iter().map(|(file, rows)| (file.path.clone(), rows.within(file))));
        Self { clean: Arc::new(clean), ..self.clone() }
    }

    /// The same that knows what an earlier run has found.
    pub(crate) fn recalling(self, clean: BTreeMap<String, HiddenRows>) -> Self {
        Self { clean: Arc::new(clean), ..self }
    }

    /// Files that were read and have none of those rows.
    pub(crate) fn clean(&self) -> &Arc<BTreeMap<String, HiddenRows>> {
        &self.clean
    }

    /// Whether the same rows are hidden, whatever is known of files.
    pub(crate) fn has_rules_of(&self, other: &Self) -> bool {
        (&self.floors, &self.held, &self.deletions) == (&other.floors, &other.held, &other.deletions)
    }

    /// False where no row of any file or chunk can be hidden.
    pub(crate) fn has_rules(&self) -> bool {
        self.floors != Floors::default() || !self.deletions.is_empty()
    }

    /// Floors of the table.
    pub fn floors(&self) -> &Floors {
        &self.floors
    }

    /// What is hidden in a file, or may be; `None` where every row of it is visible.
    pub fn in_file(&self, file: &DataFile) -> Option<HiddenRows> {
        let of_file = self.deletions.iter().filter(|order| order.files.contains(&file.path));
        let deleted: Vec<Selection> =
            of_file.map(|order| order.selection.clone()).filter(|selection| selection.may_select(file)).collect();
        let first_us = times_us(file).map_or(i64::from(file.date).saturating_mul(DAY_US), |(first, _)| first);
        let floors = self.floors_of(file, first_us);
        let rows = match floors {
            Some(floors) => HiddenRows { floors, held: self.held_in(|hold| hold.may_select(file)), deleted },
            None => HiddenRows { deleted, ..HiddenRows::default() },
        };
        let is_clean = self.clean.get(&file.path).is_some_and(|clean| *clean == rows.within(file));
        (rows != HiddenRows::default() && !is_clean).then_some(rows)
    }

    /// What is hidden among live rows with times from `first_us` on. What is deleted is in files.
    pub fn in_live_rows(&self, first_us: i64) -> Option<HiddenRows> {
        let is_concerned = self.floors.may_concern(first_us);
        is_concerned.then(|| HiddenRows { floors: self.floors.clone(), held: self.held.clone(), deleted: Vec::new() })
    }

    /// The floors that rows of a file may be before: that of its zone where it has one zone only.
    fn floors_of(&self, file: &DataFile, first_us: i64) -> Option<Floors> {
        let floors = match only_zone(file) {
            Some(zone) => Floors { all_us: self.floors.of(Some(zone)), zones_us: BTreeMap::new() },
            None => self.floors.clone(),
        };
        floors.may_concern(first_us).then_some(floors)
    }

    fn held_in(&self, may_hold: impl Fn(&Selection) -> bool) -> Vec<Selection> {
        self.held.iter().filter(|hold| may_hold(hold)).cloned().collect()
    }
}

impl HiddenRows {
    /// Whether a row is hidden.
    pub fn hides(&self, zone: Option<&str>, device: Option<&str>, time_us: i64) -> bool {
        let is_due = self.floors.of(zone).is_some_and(|floor| time_us < floor);
        let is_of = |selections: &[Selection]| selections.iter().any(|one| one.selects(zone, device, time_us));
        is_due && !is_of(&self.held) || is_of(&self.deleted)
    }

    /// The same for the rows of one file: floors behind all of them are alike. A day later the file is asked for the same.
    fn within(&self, file: &DataFile) -> Self {
        let end_us = (i64::from(file.date) + 1).saturating_mul(DAY_US);
        let mut rows = self.clone();
        rows.floors.all_us = rows.floors.all_us.map(|floor| floor.min(end_us));
        rows.floors.zones_us.values_mut().for_each(|floor| *floor = end_us.min(*floor));
        rows
    }

    /// Whether every row of a file is hidden.
    pub fn hides_all(&self, file: &DataFile) -> bool {
        let end_us = (i64::from(file.date) + 1).saturating_mul(DAY_US);
        let least = self.floors.all_us.and_then(|_| self.floors.all().min());
        self.held.is_empty() && least.is_some_and(|floor| end_us <= floor)
    }
}

/// The zone of all rows of a file, where its statistics tell. Cut texts do not.
fn only_zone(file: &DataFile) -> Option<&str> {
    let stats = file.stats.get("zone").filter(|stats| stats.nulls == 0)?;
    match (&stats.min, &stats.max) {
        (Some(StatValue::Text(min)), Some(StatValue::Text(max))) if min == max => Some(min),
        _ => None,
    }
}

/// Microseconds of a day.
pub(crate) const DAY_US: i64 = 86_400_000_000;

#[cfg(test)]
mod tests {
    use zonelake_parquet::ColumnStats;

    use super::*;
    use crate::rules::ledger::{Deletion, LegalHold, Retention};

    fn file(path: &str, date: i32, zones: (&str, &str)) -> DataFile {
        let text = |text: &str| Some(StatValue::Text(text.into()));
        let zone = ColumnStats { min: text(zones.0), max: text(zones.1), nulls: 0 };
        let day = i64::from(date) * DAY_US;
        let time = ColumnStats {
            min: Some(StatValue::Integer(day)),
            max: Some(StatValue::Integer(day + DAY_US - 1)),
            nulls: 0,
        };
        let stats = [("zone".to_owned(), zone), ("time".to_owned(), time)].into();
        DataFile { path: path.into(), bytes: 1, rows: 10, date, stats, checksum: None }
    }

    fn term(zone: Option<&str>, days: u32) -> Retention {
        Retention { table: "air".into(), zone: zone.map(Into::into), days }
    }

    #[test]
    fn a_zone_has_its_own_term_and_the_others_that_of_the_table() {
        let ledger = Ledger { retention: vec![term(None, 10), term(Some("long"), 20)], ..Ledger::default() };
        let hidden = Hidden::of(&ledger, "air", 100 * DAY_US);
        assert_eq!(Hidden::of(&ledger, "energy", 100 * DAY_US), Hidden::default());
        let rows = hidden.in_file(&file("mixed", 85, ("a", "z"))).unwrap();
        assert!(!rows.hides_all(&file("mixed", 85, ("a", "z"))));
        let time = 85 * DAY_US;
        assert!(rows.hides(Some("other"), None, time) && rows.hides(None, None, time));
        assert!(!rows.hides(Some("long"), Some("d"), time));
        assert!(rows.hides(Some("long"), Some("d"), 79 * DAY_US));
        let due = file("due", 79, ("a", "z"));
        assert!(hidden.in_file(&due).is_some_and(|rows| rows.hides_all(&due)));
        assert_eq!(hidden.in_file(&file("new", 90, ("a", "z"))), None);
        assert_eq!(hidden.in_file(&file("of one zone", 85, ("long", "long"))), None);
        let of_one = file("of another zone", 85, ("other", "other"));
        assert!(hidden.in_file(&of_one).is_some_and(|rows| rows.hides_all(&of_one)));
        assert!(hidden.in_live_rows(89 * DAY_US).is_some());
        assert_eq!(hidden.in_live_rows(90 * DAY_US), None);
    }

    #[test]
    fn a_table_of_which_only_one_zone_has_a_term_keeps_all_others_for_ever() {
        let ledger = Ledger { retention: vec![term(Some("short"), 1)], ..Ledger::default() };
        let hidden = Hidden::of(&ledger, "air", 100 * DAY_US);
        let old = file("old", 3, ("a", "z"));
        let rows = hidden.in_file(&old).unwrap();
        assert!(!rows.hides_all(&old) && rows.hides(Some("short"), None, 0) && !rows.hides(Some("a"), None, 0));
    }

    #[test]
    fn a_file_that_was_read_in_vain_is_not_read_again_until_something_else_is_looked_for() {
        let ledger = |days| Ledger { retention: vec![term(Some("short"), days)], ..Ledger::default() };
        let old = file("old", 3, ("a", "z"));
        let hidden = Hidden::of(&ledger(1), "air", 100 * DAY_US);
        let rows = hidden.in_file(&old).unwrap();
        let known = hidden.with_clean(&[(Arc::new(old.clone()), rows)], &[Arc::new(old.clone())]);
        assert!(known.in_file(&old).is_none() && known.has_rules_of(&hidden));
        let next_day = Hidden::of(&ledger(1), "air", 101 * DAY_US).knowing(&known);
        assert!(next_day.in_file(&old).is_none(), "the floor was behind all rows before, too");
        let recent = file("recent", 99, ("a", "z"));
        assert!(next_day.in_file(&recent).is_some());
        let other = Ledger { retention: vec![term(Some("b"), 1)], ..Ledger::default() };
        assert!(Hidden::of(&other, "air", 101 * DAY_US).knowing(&known).in_file(&old).is_some());
    }

    #[test]
    fn held_rows_outlast_their_term_and_keep_their_file() {
        let selection = Selection { device: Some("d".into()), ..Selection::default() };
        let hold = LegalHold { name: "case".into(), selection, who: "w".into(), why: "y".into(), at_us: 0 };
        let ledger = Ledger { retention: vec![term(None, 10)], holds: vec![hold], ..Ledger::default() };
        let hidden = Hidden::of(&ledger, "air", 100 * DAY_US);
        let due = file("due", 50, ("a", "a"));
        let rows = hidden.in_file(&due).unwrap();
        assert!(!rows.hides_all(&due));
        assert!(!rows.hides(Some("a"), Some("d"), 0) && rows.hides(Some("a"), Some("e"), 0));
    }

    #[test]
    fn a_deletion_hides_rows_of_the_files_that_it_was_ordered_for_and_of_no_later_one() {
        let order = Deletion {
            id: 1,
            table: "air".into(),
            selection: Selection { zone: Some("a".into()), ..Selection::default() },
            who: "w".into(),
            why: "y".into(),
            at_us: 0,
            rows: 1,
            files: ["old".to_owned()].into(),
            pending: ["old".to_owned()].into(),
            erased_us: None,
        };
        let ledger = Ledger { deletions: vec![order.clone()], ..Ledger::default() };
        let hidden = Hidden::of(&ledger, "air", 0);
        let rows = hidden.in_file(&file("old", 5, ("a", "b"))).unwrap();
        assert!(rows.hides(Some("a"), None, 7) && !rows.hides(Some("b"), None, 7));
        assert_eq!(hidden.in_file(&file("new", 5, ("a", "b"))), None, "what is sent again is there again");
        assert_eq!(hidden.in_live_rows(0), None);
        let done = Deletion { pending: BTreeSet::new(), ..order };
        assert_eq!(Hidden::of(&Ledger { deletions: vec![done], ..Ledger::default() }, "air", 0), Hidden::default());
    }
}
