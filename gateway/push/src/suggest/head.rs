//! Which line has the names of the columns, which the units, and where the rows begin.

use super::sample::Sample;
use crate::columns::units::Unit;

/// The head of a source and the rows behind it.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) skip_lines: usize,
    /// Names of the columns; made up where the source has none.
    pub(super) names: Vec<String>,
    pub(super) has_names: bool,
    pub(super) units_row: bool,
    pub(super) skip_rows: usize,
    pub(super) rows: Vec<Vec<String>>,
}

impl Head {
    pub(super) fn of(sample: &Sample) -> Self {
        let counts: Vec<usize> = sample.lines.iter().map(|line| width(line)).collect();
        let common =
            counts.iter().copied().max_by_key(|count| counts.iter().filter(|own| *own == count).count()).unwrap_or(0);
        // Names are in the first line that is about as wide as the rows.
        let first = counts.iter().position(|count| *count >= common).unwrap_or(0);
        let line = sample.lines.get(first).cloned().unwrap_or_default();
        let has_names = !line.iter().any(|cell| is_value(cell));
        let mut at = first + usize::from(has_names);
        let is_head = |at: usize| sample.lines.get(at).is_some_and(|line| !line.iter().any(|cell| is_value(cell)));
        let units_row = has_names && is_head(at) && has_units(&sample.lines[at]);
        at += usize::from(units_row);
        let mut skip_rows = 0;
        while has_names && is_head(at) && skip_rows < 3 {
            (at, skip_rows) = (at + 1, skip_rows + 1);
        }
        let names = if has_names {
            line.into_iter().take(common.max(1)).collect()
        } else {
            (1..=common).map(|number| format!("column_{number}")).collect()
        };
        let rows = sample.lines.get(at..).unwrap_or_default().to_vec();
        Self { skip_lines: first, names, has_names, units_row, skip_rows, rows }
    }

    /// Cells of a column that are not empty.
    pub(super) fn cells(&self, column: usize) -> impl Iterator<Item = &str> {
        self.rows.iter().filter_map(move |row| row.get(column)).map(String::as_str).filter(|cell| !cell.is_empty())
    }
}

/// Cells without the empty ones at the end.
fn width(line: &[String]) -> usize {
    line.iter().rposition(|cell| !cell.is_empty()).map_or(0, |last| last + 1)
}

/// True for what stands in rows: it begins with a digit or a sign before one.
fn is_value(cell: &str) -> bool {
    cell.trim_start_matches(['-', '+', '<', '>']).starts_with(|sign: char| sign.is_ascii_digit())
}

fn has_units(line: &[String]) -> bool {
    let filled: Vec<&String> = line.iter().filter(|cell| !cell.is_empty()).collect();
    let known = filled.iter().filter(|cell| Unit::named(cell).is_some()).count();
    known > 0 && known * 3 >= filled.len()
}
