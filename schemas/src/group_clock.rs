//! The logical clock that gives each group its sequence: an order of all writes of a store, independent of the wall
//! clock. It also moves past whatever is read of other shards or other nodes, so that what was written after it was read
//! has a later sequence. Equal sequences of different nodes are ordered by shard number.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::ids::GroupSequence;

/// Source of group sequences, one for all shards of a store.
#[derive(Debug, Default)]
pub struct GroupClock {
    last: AtomicU64,
}

impl GroupClock {
    /// The sequence of a group that is to be written: beyond all that were given out or seen.
    ///
    /// # Panics
    /// After 2^63 groups, of which a store writes some thousand a second.
    pub fn next(&self) -> GroupSequence {
        let before = self.last.fetch_add(1, Ordering::AcqRel);
        assert!(before < GroupSequence::MAX.0, "a group sequence is below 2^63");
        GroupSequence(before + 1)
    }

    /// Moves past a sequence that was read: of the log after a restart, of another shard or of another node.
    pub fn at_least(&self, seen: GroupSequence) {
        self.last.fetch_max(seen.0, Ordering::AcqRel);
    }

    /// The maximum sequence that was given out or seen; 0 where there was none.
    pub fn last(&self) -> GroupSequence {
        GroupSequence(self.last.load(Ordering::Acquire))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sequence_is_beyond_all_that_were_given_out_or_seen() {
        let clock = GroupClock::default();
        assert_eq!(clock.last(), GroupSequence(0));
        assert_eq!((clock.next(), clock.next()), (GroupSequence(1), GroupSequence(2)));
        clock.at_least(GroupSequence(40));
        clock.at_least(GroupSequence(7));
        assert_eq!(clock.last(), GroupSequence(40));
        assert_eq!(clock.next(), GroupSequence(41));
    }
}
