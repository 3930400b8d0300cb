//! Reference data as dated rows: each table is one CSV text in the file, checked before it is stored.
//!
//! - [`cells`]: cells of each kind
//! - [`row`]: a row with the line that it stands in, and what is wrong in one
//! - [`rows`]: a text to rows, with the line of what is wrong, and rows to a text
//! - [`validity`]: rows of one key, which must not overlap in time
//! - [`stored`]: the tables in the file and in memory, and the list of their changes
//! - [`import`]: reading them, and putting other rows in their place

mod cells;
mod import;
pub(crate) mod row;
pub(crate) mod rows;
pub(crate) mod stored;
mod validity;

pub use row::{ReferenceError, ReferenceRow};
pub use rows::reference_rows;
pub use stored::{ReferenceChange, ReferenceContent, ReferenceSummary};
