//! Ids of segments.

use std::fmt;

/// Id of a segment. Ids grow by one and are never used again, even when the file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SegmentId(pub u64);

impl fmt::Display for SegmentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl SegmentId {
    pub(crate) fn next(self) -> Self {
        Self(self.0 + 1)
    }
}
