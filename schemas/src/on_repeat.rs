//! What becomes of rows that share province, zone, device and time: a logger that sends its file twice, a value that is corrected.
//!
//! Which of two rows is newer is decided by their identity (group sequence, then shard, LSN and place in the record; see
//! [`crate::identity`]) and by no clock. Two names that are null are the same name.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a table declares as `on_repeat`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnRepeat {
    /// All of them are rows.
    #[default]
    KeepAll,
    /// The newest is the row.
    LastWins,
    /// The oldest is the row.
    FirstWins,
    /// The newest is the row, and each of its fields has the newest value that is not null.
    Merge,
}

impl OnRepeat {
    /// True where all rows are kept.
    pub fn keeps_all(&self) -> bool {
        *self == Self::KeepAll
    }

    /// The word of declarations.
    pub fn word(self) -> &'static str {
        match self {
            Self::KeepAll => "keep_all",
            Self::LastWins => "last_wins",
            Self::FirstWins => "first_wins",
            Self::Merge => "merge",
        }
    }
}

impl fmt::Display for OnRepeat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}
