//! The rows of a push: those of its source that can be read, without those of its base.

use zonelake_schemas::wire::control::Push;

/// The first so many rows of a source that can be read, without the rows at some positions.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct RowCover {
    /// `None`: all rows.
    rows: Option<u64>,
    /// Positions among all rows of the source, sorted.
    left_out: Vec<u64>,
    taken: u64,
}

impl RowCover {
    /// All rows.
    pub(crate) fn all() -> Self {
        Self::default()
    }

    /// The rows of a push, those of its base among them.
    pub(crate) fn of(push: &Push) -> Self {
        Self { rows: Some(push.rows), left_out: push.left_out.clone(), taken: 0 }
    }

    /// The rows of its base.
    pub(crate) fn of_base(push: &Push) -> Self {
        Self { rows: Some(push.base_rows), left_out: push.base_left_out.clone(), taken: 0 }
    }

    /// Whether it has the next row that can be read, which stands at a position.
    pub(crate) fn takes(&mut self, position: u64) -> bool {
        let has = self.rows.is_none_or(|rows| self.taken < rows) && self.left_out.binary_search(&position).is_err();
        self.taken += u64::from(has);
        has
    }
}

/// The rows of one cover without those of another.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Selection {
    cover: RowCover,
    base: Option<RowCover>,
    position: u64,
}

impl Selection {
    pub(crate) fn new(cover: RowCover, base: Option<RowCover>) -> Self {
        Self { cover, base, position: 0 }
    }

    /// Whether it has the next row, which can be read.
    pub(crate) fn takes_next(&mut self) -> bool {
        let (is_in, is_before) =
            (self.cover.takes(self.position), self.base.as_mut().is_some_and(|base| base.takes(self.position)));
        self.position += 1;
        is_in && !is_before
    }

    /// Which of the rows of a chunk that can be read it has. `rows` are those of the chunk, of which those at `left_out` cannot be read.
    pub(crate) fn next(&mut self, rows: usize, left_out: &[usize]) -> Vec<bool> {
        let mut taken = Vec::with_capacity(rows);
        for row in 0..rows {
            match left_out.binary_search(&row) {
                Ok(_) => self.position += 1,
                Err(_) => taken.push(self.takes_next()),
            }
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_selection_has_the_rows_that_were_mended_and_those_that_came_behind() {
        let first = Push { rows: 3, left_out: vec![1], ..Push::default() };
        let mut mended = Selection::new(RowCover::all(), Some(RowCover::of(&first)));
        assert_eq!(mended.next(4, &[]), [false, true, false, false]);
        assert_eq!(mended.next(2, &[]), [true, true]);
        // What the first push sent, from the file as it is now.
        let mut again = Selection::new(RowCover::of(&first), Some(RowCover::of_base(&first)));
        assert_eq!(again.next(6, &[]), [true, false, true, true, false, false]);
        let mut unread = Selection::new(RowCover::all(), None);
        assert_eq!(unread.next(3, &[1]), [true, true], "a row that cannot be read is none");
    }
}
