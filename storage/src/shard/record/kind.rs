//! Kinds of records. A record of a kind that this release does not read is an error and never skipped: what it says, a
//! deletion perhaps, would be undone.

use std::fmt;

/// Version of the records that this release writes, and the newest that it reads. Each segment and each checkpoint says
/// the version of its own.
///
/// | version | what changed |
/// |---|---|
/// | 1 | |
/// | 2 | batches have the sequence of their group, the maximum device key of their rows, and a role may have sent them |
pub const RECORD_VERSION: u32 = 2;

/// Kind of a record: the number of the one part that its header has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RecordKind(pub u32);

impl RecordKind {
    /// A batch of rows.
    pub const BATCH: Self = Self(1);
    /// State of all streams, in version 1.
    pub const STREAMS: Self = Self(2);
    /// A later epoch of a producer.
    pub const FENCE: Self = Self(3);
    /// The batches before it in the same block are one request.
    pub const REQUEST: Self = Self(4);
    /// Reserved: rows that are deleted, by a predicate or by their identity, and up to which sequence.
    pub const TOMBSTONE: Self = Self(5);
    /// Reserved: rows that replace others, each with the identity of the one that it replaces.
    pub const CORRECTION: Self = Self(6);
    /// Reserved: a change of state that a rule has come to, of an alarm for example.
    pub const TRANSITION: Self = Self(7);
    /// Reserved: who has done what, as far as it must be known later.
    pub const AUDIT: Self = Self(8);

    fn name(self) -> Option<&'static str> {
        Some(match self {
            Self::BATCH => "batch",
            Self::STREAMS => "state of streams",
            Self::FENCE => "fence",
            Self::REQUEST => "request",
            Self::TOMBSTONE => "tombstone",
            Self::CORRECTION => "correction",
            Self::TRANSITION => "transition",
            Self::AUDIT => "audit",
            _ => return None,
        })
    }
}

impl fmt::Display for RecordKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(f, "{} ({name})", self.0),
            None => self.0.fmt(f),
        }
    }
}
