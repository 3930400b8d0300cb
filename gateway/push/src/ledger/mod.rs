//! What the server has of a source already, by its ledger of pushes (decision 0051). A source is known by its rows as they are stored, and not by the bytes
//! of its file: other line ends, encodings, separators, names and forms change nothing.
//!
//! - [`digest`]: digests of rows
//! - [`known`]: the rows of a source beside those of pushes that the ledger has
//! - [`plan`]: what is to be sent
//! - [`selection`]: the rows of a push
//! - [`times`]: device and time of its rows, where the ledger does not know them

pub(crate) mod digest;
pub(crate) mod known;
pub(crate) mod plan;
pub(crate) mod selection;
pub(crate) mod times;
