//! An aggregate over one group, made of the one over many.

use std::fmt::Debug;

use arrow::array::ArrayRef;
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{Accumulator, EmitTo, GroupsAccumulator};

/// A [`GroupsAccumulator`] that can be asked without being emptied.
pub(crate) trait Groups: GroupsAccumulator + Debug + Sync {
    /// The result of the first group so far.
    fn peek(&self) -> Result<ScalarValue>;
}

/// The accumulator of one group: each row belongs to group 0.
#[derive(Debug)]
pub(crate) struct SingleGroup<G> {
    groups: G,
    zeros: Vec<usize>,
}

impl<G: Groups> SingleGroup<G> {
    /// An accumulator made of a [`GroupsAccumulator`] without rows.
    pub(crate) fn new(groups: G) -> Self {
        Self { groups, zeros: Vec::new() }
    }

    fn rows(&mut self, values: &[ArrayRef]) -> usize {
        let rows = values.first().map_or(0, |values| values.len());
        if self.zeros.len() < rows {
            self.zeros.resize(rows, 0);
        }
        rows
    }
}

impl<G: Groups> Accumulator for SingleGroup<G> {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let rows = self.rows(values);
        self.groups.update_batch(values, &self.zeros[..rows], None, 1)
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let rows = self.rows(states);
        self.groups.merge_batch(states, &self.zeros[..rows], 1)
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        self.groups.peek()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        // An empty merge makes the group exist even where no row came; its state would be missing otherwise.
        self.groups.merge_batch(&self.groups.convert_to_state(&[], None)?, &[], 1)?;
        let state = self.groups.state(EmitTo::All)?;
        state.iter().map(|column| ScalarValue::try_from_array(column, 0)).collect()
    }

    fn size(&self) -> usize {
        self.groups.size() + self.zeros.capacity() * size_of::<usize>()
    }
}
