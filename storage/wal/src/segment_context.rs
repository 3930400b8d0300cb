//! Context of a segment: whose records it holds, in which version, and what the registry beside it has to know.

use zonelake_schemas::{RegistryMarks, ShardNumber};

/// What the header of a segment says of its records. The WAL does not look into records: this is for whoever does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentContext {
    /// Version of the records.
    pub record_version: u32,
    /// Shard that wrote it, by its number over all nodes; 0 in segments of a format that did not say.
    pub shard_number: ShardNumber,
    /// The maximum ids of the registry when the segment was made: its records, and those before it, refer to none beyond
    /// them, but for what its own records say.
    pub marks: RegistryMarks,
}

impl SegmentContext {
    /// Context of all segments of version 1, which say nothing.
    pub const FIRST_VERSION: Self =
        Self { record_version: 1, shard_number: ShardNumber(0), marks: RegistryMarks::NONE };
}
