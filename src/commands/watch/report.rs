//! What is written beside a file that was put away.

use serde::Serialize;
use zonelake_push::{FileReport, PushError};

/// Report of one file.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct WatchReport {
    outcome: &'static str,
    /// When it was put away, UTC.
    at: String,
    /// File of the mapping.
    #[serde(skip_serializing_if = "String::is_empty")]
    mapping: String,
    rows_stored: u64,
    readings_stored: u64,
    /// Rows that were stored by an earlier push.
    rows_before: u64,
    /// Rows and single readings that the server rejected: the table `rejected` has them.
    rows_rejected: u64,
    readings_rejected: u64,
    /// Rows that could not be read and were left out, and cells that went to the table `rejected` as they stand.
    rows_unreadable: u64,
    cells_unreadable: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    what_to_do: Option<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notes: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unreadable: Vec<Unreadable>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    rejected: Vec<Rejected>,
}

/// A row or cell that could not be read.
#[derive(Debug, PartialEq, Serialize)]
struct Unreadable {
    position: String,
    column: String,
    text: String,
    reason: String,
}

/// Rows or readings that the server rejected for one reason.
#[derive(Debug, PartialEq, Serialize)]
struct Rejected {
    reason: String,
    count: u64,
    first: String,
}

impl WatchReport {
    /// Report of a file that was pushed.
    pub(super) fn of_pushed(file: &FileReport, mapping: &str, at: String) -> Self {
        let totals = &file.totals;
        let is_rejected = totals.rejected_rows + totals.rejected_readings > 0;
        let unreadable = file.first_bad.iter().map(|bad| Unreadable {
            position: bad.position.to_string(),
            column: bad.column.clone(),
            text: bad.value.clone(),
            reason: bad.reason.clone(),
        });
        let rejected = totals.rejections.iter().map(|rejection| Rejected {
            reason: rejection.reason.clone(),
            count: rejection.count,
            first: rejection.first.clone(),
        });
        Self {
            outcome: if is_nothing_acceptable(file) { "rejected" } else { "stored" },
            at,
            mapping: mapping.to_owned(),
            rows_stored: totals.rows,
            readings_stored: totals.readings,
            rows_before: file.rows_before,
            rows_rejected: totals.rejected_rows,
            readings_rejected: totals.rejected_readings,
            rows_unreadable: file.bad_rows,
            cells_unreadable: file.bad_cells,
            error: None,
            what_to_do: is_rejected.then_some(
                "what was rejected is in the table rejected; where a declaration or a registration mends it, zonelake rejected replay stores it",
            ),
            notes: file.notes.clone(),
            unreadable: unreadable.collect(),
            rejected: rejected.collect(),
        }
    }

    /// Report of a file that could not be pushed.
    pub(super) fn of_failed(error: &PushError, mapping: &str, at: String) -> Self {
        Self {
            outcome: "failed",
            error: Some(error.to_string()),
            what_to_do: Some(error.advice()),
            ..Self::of_pushed(&FileReport::default(), mapping, at)
        }
    }

    /// What became of the file, in a line.
    pub(super) fn summary(&self) -> String {
        match &self.error {
            Some(error) => error.clone(),
            None => format!(
                "{}: {} rows, {} were there before; {} rows and {} readings rejected, {} rows unreadable",
                self.outcome,
                self.rows_stored,
                self.rows_before,
                self.rows_rejected,
                self.readings_rejected,
                self.rows_unreadable
            ),
        }
    }

    /// The text of the file.
    pub(super) fn text(&self) -> String {
        toml::to_string(self).expect("it is a table of plain values")
    }
}

/// True where the file had rows and the server has none of them.
pub(super) fn is_nothing_acceptable(file: &FileReport) -> bool {
    file.totals.rejected_rows + file.bad_rows > 0 && file.totals.rows + file.rows_before == 0
}
