//! Rows of one key, which must not overlap in time.

use std::collections::BTreeMap;

use zonelake_schemas::reference_tables::ReferenceTable;

use crate::reference::row::{ReferenceError, ReferenceRow};

/// Days as text compare as days; these stand for ends that are open.
const ALWAYS: &str = "0000-01-01";
const FOREVER: &str = "9999-12-31";

/// First and last day of a row.
type Validity<'a> = (String, String, &'a ReferenceRow);

/// Checks that at any day there is at most one row of each key.
///
/// # Errors
/// The later line of the first pair that overlaps, naming the other.
pub(crate) fn check_validity(table: &'static ReferenceTable, rows: &[ReferenceRow]) -> Result<(), ReferenceError> {
    let wrong = |row: &ReferenceRow, what: String| ReferenceError { table: table.name, line: row.line, what };
    let (from, to) = (table.position("valid_from"), table.position("valid_to"));
    let key: Vec<usize> = table.key.iter().filter_map(|name| table.position(name)).collect();
    let day = |row: &ReferenceRow, at: Option<usize>, open: &str| -> String {
        let cell = at.filter(|_| table.is_dated()).and_then(|at| row.cells[at].clone());
        cell.unwrap_or_else(|| open.to_owned())
    };
    let mut of_key: BTreeMap<Vec<Option<&str>>, Vec<Validity<'_>>> = BTreeMap::new();
    for row in rows {
        let (first, last) = (day(row, from, ALWAYS), day(row, to, FOREVER));
        if last < first {
            return Err(wrong(row, "valid_to is before valid_from".to_owned()));
        }
        let key = key.iter().map(|&at| row.cells[at].as_deref()).collect();
        of_key.entry(key).or_default().push((first, last, row));
    }
    for of_one in of_key.values_mut() {
        of_one.sort_by(|a, b| a.0.cmp(&b.0));
        for pair in of_one.windows(2) {
            let [(_, last, before), (first, _, row)] = pair else { continue };
            if first <= last {
                let (earlier, later) = if before.line < row.line { (before, row) } else { (row, before) };
                let what = match table.is_dated() {
                    true => format!(
                        "it is valid at the same time as line {}, which has the same {}",
                        earlier.line,
                        table.key.join(", ")
                    ),
                    false => format!("line {} has the same {} already", earlier.line, table.key.join(", ")),
                };
                return Err(wrong(later, what));
            }
        }
    }
    Ok(())
}
