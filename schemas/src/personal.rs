//! Kinds of personal data that a field may have. Rights show, hash or hide each kind on its own.

use serde::{Deserialize, Serialize};

/// Kind of personal data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Personal {
    /// Number plates, and what stands for them.
    Plate,
    /// Persons, and texts that may name one.
    Person,
    /// Positions of what moves with a person.
    Position,
}

impl Personal {
    /// All kinds.
    pub const ALL: [Self; 3] = [Self::Plate, Self::Person, Self::Position];

    /// Name in declarations and commands.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plate => "plate",
            Self::Person => "person",
            Self::Position => "position",
        }
    }
}
