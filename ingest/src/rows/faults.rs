//! Rejected rows and readings of a batch, by position.

use zonelake_schemas::RejectReason;

/// Rows that are rejected whole, each for the first reason that was found.
#[derive(Debug, Default)]
pub(crate) struct RowFaults {
    /// Empty as long as there is none.
    by_row: Vec<Option<RejectReason>>,
    count: usize,
}

impl RowFaults {
    /// Notes a fault of one of `rows` rows, unless it has one already.
    pub(crate) fn set(&mut self, row: usize, rows: usize, reason: RejectReason) {
        if self.by_row.len() < rows {
            self.by_row.resize(rows, None);
        }
        if self.by_row[row].is_none() {
            self.by_row[row] = Some(reason);
            self.count += 1;
        }
    }

    pub(crate) fn get(&self, row: usize) -> Option<RejectReason> {
        self.by_row.get(row).copied().flatten()
    }

    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// Rows and reasons, in the order of rows.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (usize, RejectReason)> {
        self.by_row.iter().enumerate().filter_map(|(row, reason)| reason.map(|reason| (row, reason)))
    }
}

/// A single value that is no reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ReadingFault {
    pub(crate) row: u32,
    pub(crate) field: u16,
    pub(crate) reason: RejectReason,
}

/// Values that are no readings. The batch is refused where there are more of them than may be listed, so that none is
/// acknowledged and not kept.
#[derive(Debug)]
pub(crate) struct ReadingFaults {
    listed: Vec<ReadingFault>,
    listed_max: usize,
    is_over: bool,
}

impl ReadingFaults {
    pub(crate) fn new(listed_max: usize) -> Self {
        Self { listed: Vec::new(), listed_max, is_over: false }
    }

    pub(crate) fn push(&mut self, row: usize, field: u16, reason: RejectReason) {
        if self.listed.len() < self.listed_max {
            let row = u32::try_from(row).expect("a batch has fewer rows than 2^32");
            self.listed.push(ReadingFault { row, field, reason });
        } else {
            self.is_over = true;
        }
    }

    /// The faults in the order in which they were found; `None` where there are more than may be listed.
    pub(crate) fn all(&self) -> Option<&[ReadingFault]> {
        (!self.is_over).then_some(&self.listed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_fault_of_a_row_stays() {
        let mut faults = RowFaults::default();
        faults.set(1, 3, RejectReason::BadTime);
        faults.set(1, 3, RejectReason::WrongPlace);
        assert_eq!((faults.get(0), faults.get(1), faults.count()), (None, Some(RejectReason::BadTime), 1));
    }
}
