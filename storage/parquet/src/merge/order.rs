//! The order of a merge: by zone, device and time, nulls first; equal rows in the order of the inputs.
//!
//! Files of one date mostly have the same devices at other times, so that rows come in runs: the row at the head of one input and
//! those behind it that are still before the heads of all others.

/// Where a row belongs.
pub(super) type Key<'a> = (Option<&'a str>, Option<&'a str>, i64);

/// Rows of an input that are in memory, with the first of them that is not merged yet.
pub(super) trait Head {
    /// Key of a row.
    fn key(&self, row: usize) -> Key<'_>;
    /// The first row that is not merged; equal to `rows` where none is left.
    fn at(&self) -> usize;
    /// Rows in memory.
    fn rows(&self) -> usize;
}

/// Position of the input whose rows come next, and how many of them do, before any row of another input. Every input has a row at its
/// head.
pub(super) fn next_run<H: Head>(heads: &[Option<H>], rows_max: usize) -> Option<(usize, usize)> {
    let mut keys = heads
        .iter()
        .enumerate()
        .filter_map(|(input, head)| head.as_ref().map(|head| (head.key(head.at()), input)))
        .collect::<Vec<_>>();
    // The position settles ties, so that no two are equal.
    keys.sort_unstable();
    let (_, first) = *keys.first()?;
    let head = heads[first].as_ref()?;
    let end = head.rows().min(head.at() + rows_max);
    let Some(&(next, other)) = keys.get(1) else { return Some((first, end - head.at())) };
    let is_before = |row: usize| (head.key(row), first) < (next, other);
    // The head itself is before the next; the rows of a device follow each other, so most runs are long or of one row.
    let mut row = head.at() + 1;
    while row < end && is_before(row) {
        row += 1;
    }
    Some((first, row - head.at()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Clone)]
    struct Rows {
        rows: Vec<(Option<String>, i64)>,
        at: usize,
    }

    impl Head for Rows {
        fn key(&self, row: usize) -> Key<'_> {
            (None, self.rows[row].0.as_deref(), self.rows[row].1)
        }

        fn at(&self) -> usize {
            self.at
        }

        fn rows(&self) -> usize {
            self.rows.len()
        }
    }

    proptest! {
        #[test]
        fn runs_put_together_are_a_stable_sort_of_all_inputs(
            inputs in prop::collection::vec(prop::collection::vec((prop::option::of("[abc]{0,2}"), 0i64..8), 0..30), 0..6),
            rows_max in 1usize..12,
        ) {
            let mut heads: Vec<Option<Rows>> = inputs
                .iter()
                .map(|rows| {
                    let mut rows = rows.clone();
                    rows.sort();
                    (!rows.is_empty()).then_some(Rows { rows, at: 0 })
                })
                .collect();
            let mut expected: Vec<_> = heads
                .iter()
                .enumerate()
                .flat_map(|(input, head)| head.iter().flat_map(move |head| head.rows.iter().map(move |row| (row.clone(), input))))
                .collect();
            expected.sort();
            let mut merged = Vec::new();
            while let Some((input, run)) = next_run(&heads, rows_max) {
                prop_assert!(run >= 1 && run <= rows_max);
                let head = heads[input].as_mut().unwrap();
                merged.extend(head.rows[head.at..head.at + run].iter().map(|row| (row.clone(), input)));
                head.at += run;
                if head.at == head.rows.len() {
                    heads[input] = None;
                }
            }
            prop_assert_eq!(merged, expected);
        }
    }
}
