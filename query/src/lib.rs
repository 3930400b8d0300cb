#![doc = include_str!("../README.md")]
//!
//! # Modules, in the order in which a statement meets them
//!
//! - [`engine`]: execution of statements within their limits
//! - [`dialect`]: text to a statement that may be planned
//! - [`catalog`]: the tables that a statement sees, pinned at one moment
//! - [`scan`]: reading of one table
//! - [`optimizer`]: rules over functions and plans
//! - [`aggregate`]: aggregation of neighboring rows
//! - [`error`]: what goes wrong, in words for the client

mod aggregate;
mod catalog;
pub mod dialect;
mod engine;
mod error;
mod optimizer;
mod scan;

pub use catalog::information_schema::sql_name;
pub use catalog::names::CATALOG;
pub use catalog::source::{ListedTable, Pinned, QuerySource};
pub use dialect::parameter_count;
pub use engine::options::QueryOptions;
pub use engine::prepared::Description;
pub use engine::query_engine::QueryEngine;
pub use engine::result::{QueryResult, RowStream};
pub use engine::session::{Caller, Interface, SessionExtension, SqlSession};
pub use error::{QueryError, QueryErrorCode};
pub use scan::telemetry_table::PinnedTable;
