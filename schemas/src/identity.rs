//! The identity of a row, for ever and over all nodes: shard number, LSN, and its place in the record. Beside it stands the
//! sequence of the group, which orders all writes of a store.
//!
//! | column of files | type | what |
//! |---|---|---|
//! | `_shard` | bigint | number of the shard over all nodes |
//! | `_lsn` | bigint | record within the WAL of the shard |
//! | `_row` | integer | place among the rows of the record for the same table, from 0 |
//! | `_sequence` | bigint | sequence of the group; 0 where the record is older than sequences |
//!
//! Rows in memory have it record by record ([`RowOrigin`]). In files it stands behind the fields; all four are null in rows that
//! were written to a file before there were such columns. SQL does not show them.

use crate::ids::{GroupSequence, Lsn};

/// The rows of one record of the WAL, one behind the other in a chunk. A row's number is its place among them, from 0:
/// with shard number and LSN it is the row's identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowOrigin {
    /// Record that has the rows.
    pub lsn: Lsn,
    /// Sequence of the group that the record was written in; 0 where it was written before there were sequences.
    pub sequence: GroupSequence,
    /// Number of rows.
    pub rows: u32,
}

/// Column of the shard number.
pub const SHARD: &str = "_shard";
/// Column of the LSN.
pub const LSN: &str = "_lsn";
/// Column of the place in the record.
pub const ROW: &str = "_row";
/// Column of the group sequence.
pub const SEQUENCE: &str = "_sequence";

/// The columns in the order of files. No field may take their names.
pub const COLUMNS: [&str; 4] = [SHARD, LSN, ROW, SEQUENCE];
