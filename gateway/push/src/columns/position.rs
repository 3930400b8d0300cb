//! Where a row stands in its source, and what is wrong with it.

/// Positions of the rows of a chunk in their source.
#[derive(Debug)]
pub(crate) enum Positions {
    /// Line of each row, from 1.
    Lines(Vec<u64>),
    /// Row of a sheet, from 1, of each row.
    Rows(Vec<u64>),
    /// Each for itself.
    Each(Vec<Position>),
    /// Number of the first row, from 1.
    RowsFrom(u64),
}

/// Position of a row in its source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Position {
    /// Line, from 1.
    Line(u64),
    /// Row, from 1.
    Row(u64),
}

/// A row that cannot be read, or one cell of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadRow {
    /// Position of the row.
    pub position: Position,
    /// Column in the source; empty where the row as a whole is broken.
    pub column: String,
    /// Field that the cell would have become, where the rest of its row is stored.
    pub field: Option<String>,
    /// Text of the cell, or of the whole row.
    pub value: String,
    /// Reason why it cannot be read.
    pub reason: String,
}

impl BadRow {
    /// A row that is left out as a whole.
    pub(crate) fn of_row(position: Position, column: &str, value: String, reason: String) -> Self {
        Self { position, column: column.to_owned(), field: None, value, reason }
    }
}

impl Positions {
    pub(crate) fn of(&self, row: usize) -> Position {
        match self {
            Self::Lines(lines) => Position::Line(lines.get(row).copied().unwrap_or(0)),
            Self::Rows(rows) => Position::Row(rows.get(row).copied().unwrap_or(0)),
            Self::Each(each) => each.get(row).copied().unwrap_or(Position::Row(0)),
            Self::RowsFrom(first) => Position::Row(first + row as u64),
        }
    }
}

impl Position {
    /// Position so many rows behind it.
    fn behind(self, rows: u64) -> Self {
        match self {
            Self::Line(line) => Self::Line(line + rows),
            Self::Row(row) => Self::Row(row + rows),
        }
    }
}

/// Positions of the rows of a batch in their source: where a run of rows begins that stand one behind the other.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct BatchPositions {
    runs: Vec<(u64, Position)>,
}

impl BatchPositions {
    /// The positions of rows, in their order.
    pub(crate) fn of(positions: impl IntoIterator<Item = Position>) -> Self {
        let mut runs: Vec<(u64, Position)> = Vec::new();
        for (row, position) in (0..).zip(positions) {
            let is_next = runs.last().is_some_and(|(first, start)| start.behind(row - first) == position);
            if !is_next {
                runs.push((row, position));
            }
        }
        Self { runs }
    }

    /// Position of a row of the batch.
    pub(crate) fn position(&self, row: u64) -> Option<Position> {
        let run = self.runs.partition_point(|(first, _)| *first <= row).checked_sub(1)?;
        let (first, start) = self.runs.get(run)?;
        Some(start.behind(row - first))
    }
}

impl std::fmt::Display for Position {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Line(line) => write!(f, "line {line}"),
            Self::Row(row) => write!(f, "row {row}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_of_a_batch_are_found_over_gaps_and_back_steps() {
        let lines = [2, 3, 4, 9, 10, 3, 20].map(Position::Line);
        let positions = BatchPositions::of(lines);
        assert_eq!(positions.runs.len(), 4);
        assert!((0..).zip(lines).all(|(row, line)| positions.position(row) == Some(line)));
        assert_eq!(BatchPositions::default().position(0), None);
    }
}
