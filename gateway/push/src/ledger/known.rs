//! The rows of a source beside those of pushes that begin with the same row.

use zonelake_schemas::wire::control::Push;

use super::digest::{RowTotals, row_digests, sent};
use super::selection::RowCover;
use super::times::RowTimes;
use crate::columns::rows::WireRows;

/// Rows of a source, and the pushes that they may be of.
#[derive(Debug, Default)]
pub(crate) struct Known {
    pub(crate) totals: RowTotals,
    /// Digest of the first row that can be read.
    pub(crate) head: Option<u128>,
    /// Positions of the rows that cannot be read.
    pub(crate) left_out: Vec<u64>,
    /// Device and time of its rows.
    pub(crate) times: RowTimes,
    candidates: Vec<Candidate>,
    position: u64,
}

#[derive(Debug)]
struct Candidate {
    push: Push,
    cover: RowCover,
    totals: RowTotals,
}

impl Known {
    /// Before the first row.
    pub(crate) fn beside(pushes: Vec<Push>) -> Self {
        let candidate = |push: Push| Candidate { cover: RowCover::of(&push), push, totals: RowTotals::default() };
        Self { candidates: pushes.into_iter().map(candidate).collect(), ..Self::default() }
    }

    /// Takes the rows of a chunk.
    pub(crate) fn add(&mut self, read: &WireRows, rows: usize) {
        let mut digests = row_digests(read).into_iter();
        self.times.add(read);
        for row in 0..rows {
            if read.left_out.binary_search(&row).is_ok() {
                self.left_out.push(self.position);
            } else if let Some(digest) = digests.next() {
                self.add_row(digest);
                continue;
            }
            self.position += 1;
        }
    }

    /// Takes the next row, which can be read, by its digest.
    pub(crate) fn add_row(&mut self, digest: u128) {
        self.head.get_or_insert(digest);
        self.totals.add(digest);
        for candidate in &mut self.candidates {
            if candidate.cover.takes(self.position) {
                candidate.totals.add(digest);
            }
        }
        self.position += 1;
    }

    /// Pushes whose rows are the first ones of the source, those that were mended since left out; the one with the most rows first.
    pub(crate) fn matched(&self) -> Vec<&Push> {
        let is_matched = |candidate: &&Candidate| {
            candidate.totals.rows == candidate.push.rows && sent(candidate.totals.chain) == candidate.push.chain
        };
        let mut matched: Vec<&Push> =
            self.candidates.iter().filter(is_matched).map(|candidate| &candidate.push).collect();
        matched.sort_by_key(|push| std::cmp::Reverse((push.rows, push.is_done)));
        matched
    }

    /// Pushes that begin with the same row.
    pub(crate) fn candidates(&self) -> impl Iterator<Item = &Push> {
        self.candidates.iter().map(|candidate| &candidate.push)
    }
}
