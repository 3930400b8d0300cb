//! Order to put other values in the place of those that rows have.

use zonelake_schemas::audit::AuditEntry;

/// Values of an order.
pub const CORRECTED_VALUES_MAX: usize = 10_000;

/// Order to correct values.
#[derive(Debug, Clone)]
pub struct CorrectionOrder {
    /// The values, at most [`CORRECTED_VALUES_MAX`].
    pub values: Vec<CorrectedValue>,
    /// True where all rows of a key are meant, in a table that keeps several.
    pub all: bool,
    /// True where only what would change is to be told.
    pub dry_run: bool,
    /// Who gives the order, as its sender says.
    pub who: String,
    /// What entries in the table of audit have of it: principal, interface, address, reason.
    pub entry: AuditEntry,
}

/// New value of one field of the rows of one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CorrectedValue {
    /// Line in what was sent, for messages.
    pub line: u64,
    /// Table.
    pub table: String,
    /// Code of the province; any where it is absent.
    pub province: Option<String>,
    /// Code of the zone; rows without a zone where it is absent.
    pub zone: Option<String>,
    /// Name of the device; rows of the zone as a whole where it is absent.
    pub device: Option<String>,
    /// Time of the rows, with its offset.
    pub time: String,
    /// Field.
    pub field: String,
    /// The value as text; null where it is absent.
    pub value: Option<String>,
}

/// What has become of an order, or would become.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Corrected {
    /// Values that were asked for.
    pub values: u64,
    /// Those of them that were not so already in each of their rows.
    pub changed: u64,
    /// Rows that have got other values.
    pub rows: u64,
    /// Files that were written anew.
    pub files: u64,
}
