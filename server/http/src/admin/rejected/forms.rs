//! What a client sends and is told about rejected rows.

use serde::{Deserialize, Serialize};

/// Response to `GET /api/v1/rejected`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RejectedList {
    /// Rows by reason, table and gateway. Those that were stored after all or dropped are not counted.
    pub groups: Vec<RejectedGroup>,
}

/// Rejected rows of one reason, table and gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RejectedGroup {
    /// Reason of the rejection.
    pub reason: String,
    /// Table that the rows were meant for.
    pub table: String,
    /// Gateway that sent them.
    pub gateway: String,
    /// Number of rows.
    pub rows: u64,
    /// Time of the first receipt, microseconds since 1970, UTC.
    pub first_us: i64,
    /// Time of the last receipt, microseconds since 1970, UTC.
    pub last_us: i64,
    /// The reason in words, for one of them.
    pub message: String,
}

/// Body of `POST /api/v1/rejected/replay` and of `POST /api/v1/rejected/drop`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RejectedSelection {
    /// Reasons; all where none is named.
    #[serde(default)]
    pub reasons: Vec<String>,
    /// Table that the rows were meant for; all where it is absent.
    #[serde(default)]
    pub table: Option<String>,
    /// Gateway that sent them; all where it is absent.
    #[serde(default)]
    pub gateway: Option<String>,
    /// Zone of the rows; all where it is absent.
    #[serde(default)]
    pub zone: Option<String>,
    /// Device that the rows name; all where it is absent.
    #[serde(default)]
    pub device: Option<String>,
    /// Member `after` of the response before; absent in the first request.
    #[serde(default)]
    pub after: Option<String>,
}

/// Response to both: what became of one page of rows.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct RejectedPage {
    /// Rows that are stored or dropped now.
    pub done: u64,
    /// Rows that stay as they were.
    pub kept: Vec<KeptRows>,
    /// Where the next page begins; absent behind the last one.
    pub after: Option<String>,
}

/// Rows that stay rejected for one reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptRows {
    /// Reason, as of now.
    pub reason: String,
    /// Number of rows.
    pub rows: u64,
    /// The reason in words, for the first of them.
    pub message: String,
}
