//! Reasons why a row or a reading is not stored in its table, and the table that has it instead.

use crate::on_repeat::OnRepeat;
use crate::personal::Personal;
use crate::table::{FieldDef, FieldKind, TableDef};

/// Name of the table of rejected rows and readings.
pub const REJECTED: &str = "rejected";

/// Reason of a row of the table `rejected` that says of a rejected row that it was stored later.
pub const REPLAYED: &str = "replayed";
/// Reason of a row of the table `rejected` that says of a rejected row that an operator has dropped it.
pub const DROPPED: &str = "dropped";

/// Reason of a rejection; its name stands in `rejected.reason` and in acknowledgements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum RejectReason {
    /// Row: the device name is missing, empty, too long or has control characters.
    BadDevice = 1,
    /// Row: the device is not registered and the zone's policy does not allow that it registers itself.
    UnknownDevice = 2,
    /// Row: the stated location contradicts the registry.
    WrongPlace = 3,
    /// Row: the credentials do not allow writing for that zone.
    NoRight = 4,
    /// Row: no event time, or one before 1970.
    BadTime = 5,
    /// Row: an event time further in the future than clocks may differ.
    FutureTime = 6,
    /// Row: a quality that no scale knows.
    BadQuality = 7,
    /// Reading: NaN or infinite.
    NotFinite = 8,
    /// Reading: outside of the range that the field declares.
    OutOfRange = 9,
    /// Reading: more digits than the field stores.
    TooManyDigits = 10,
    /// Reading: text over the limit.
    TooLong = 11,
    /// Row: an event time before the earliest that the server takes.
    PastTime = 12,
    /// Reading: text that is no value of the field, from a source that sends what it cannot read as it stands.
    Unreadable = 13,
}

impl RejectReason {
    /// All reasons.
    pub const ALL: [Self; 13] = [
        Self::BadDevice,
        Self::UnknownDevice,
        Self::WrongPlace,
        Self::NoRight,
        Self::BadTime,
        Self::FutureTime,
        Self::PastTime,
        Self::BadQuality,
        Self::NotFinite,
        Self::OutOfRange,
        Self::TooManyDigits,
        Self::TooLong,
        Self::Unreadable,
    ];

    /// Name in SQL and on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::BadDevice => "bad_device",
            Self::UnknownDevice => "unknown_device",
            Self::WrongPlace => "wrong_place",
            Self::NoRight => "no_right",
            Self::BadTime => "bad_time",
            Self::FutureTime => "future_time",
            Self::PastTime => "past_time",
            Self::BadQuality => "bad_quality",
            Self::NotFinite => "not_finite",
            Self::OutOfRange => "out_of_range",
            Self::TooManyDigits => "too_many_digits",
            Self::TooLong => "too_long",
            Self::Unreadable => "unreadable",
        }
    }

    /// The reason of a number.
    pub fn from_number(number: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| *reason as u32 == number)
    }

    /// True where the whole row is rejected; else one reading is.
    pub fn takes_row(self) -> bool {
        !matches!(self, Self::NotFinite | Self::OutOfRange | Self::TooManyDigits | Self::TooLong | Self::Unreadable)
    }
}

/// The table of rejected rows and readings. `time` is the time of receipt; the device is the registered one, or null.
pub fn rejected_table() -> TableDef {
    let text = |name: &str, description: &str| FieldDef {
        name: name.into(),
        kind: FieldKind::Text,
        unit: String::new(),
        min: None,
        max: None,
        decimals: None,
        digits: None,
        personal: None,
        description: description.into(),
    };
    let number = |name: &str, description: &str| FieldDef { kind: FieldKind::Bigint, ..text(name, description) };
    // What was sent may have anything in it, and so may the words about it.
    let personal = |field| FieldDef { personal: Some(Personal::Person), ..field };
    TableDef {
        name: REJECTED.into(),
        rights_by: Vec::new(),
        on_repeat: OnRepeat::KeepAll,
        description:
            "Rows and readings that were not acceptable, with reason and content. time is the time of receipt.".into(),
        fields: vec![
            text("table_name", "Table that it was meant for."),
            text("field", "Field of a single rejected reading; null where the whole row was rejected."),
            text(
                "reason",
                "Why: bad_device, unknown_device, wrong_place, no_right, bad_time, future_time, past_time, bad_quality, not_finite, out_of_range, too_many_digits, too_long, unreadable; or what became of a rejected row: replayed, dropped.",
            ),
            personal(text("message", "Why, in words.")),
            personal(text("content", "What was sent, as a JSON object by column name.")),
            text("gateway", "Gateway that sent it."),
            text("producer", "Producer that sent it."),
            number("epoch", "Epoch of the producer."),
            number("batch", "Number of its batch; null where batches are not numbered (HTTP)."),
            number("row", "Position of its row in the batch, from 0."),
            text("identity", "Identity of a row that was rejected whole, and of the row that says what became of it."),
        ],
    }
}
