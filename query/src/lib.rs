#![doc = include_str!("../README.md")]
//!
//! # Modules, in the order in which a statement meets them
//!
//! - [`engine`]: execution of statements within their limits
//! - [`dialect`]: text to a statement that may be planned
//! - [`catalog`]: the tables that a statement sees, pinned at one moment
//! - [`rights`]: what the role of a statement may read of them
//! - [`scan`]: reading of one table
//! - [`last`]: the last rows of devices, from memory
//! - [`windows`]: what places have measured up to now, from memory
//! - [`live`]: what devices measure now, pulled and pushed
//! - [`optimizer`]: rules over functions and plans
//! - [`aggregate`]: aggregation of neighboring rows
//! - [`postgres`]: PostgreSQL's answers where DataFusion gives others
//! - [`error`]: what goes wrong, in words for the client

mod aggregate;
mod catalog;
pub mod dialect;
mod engine;
mod error;
mod last;
mod live;
mod optimizer;
mod postgres;
mod rights;
mod scan;
mod windows;

pub use catalog::information_schema::sql_name;
pub use catalog::names::CATALOG;
pub use catalog::source::{ListedTable, Pinned, QuerySource};
pub use dialect::ReadStatement;
pub use dialect::deep_stack::STACK_BYTES;
pub use engine::memory::prepared::{PreparedMemory, PreparedShare};
pub use engine::options::QueryOptions;
pub use engine::prepared::Description;
pub use engine::query_engine::QueryEngine;
pub use engine::result::{QueryResult, RowStream};
pub use engine::session::{Caller, Interface, SessionExtension, SqlSession};
pub use engine::session_settings::{SETTING_HEADERS, milliseconds};
pub use error::{QueryError, QueryErrorCode};
pub use live::error::LiveError;
pub use live::live_table::{LiveDevices, LiveTable};
pub use live::live_tables::LiveTables;
pub use live::live_window::LiveWindow;
pub use live::position::{LivePosition, NotAPosition};
pub use live::rights::LiveRights;
pub use live::selection::LiveSelection;
pub use live::shown_tag::ShownTag;
pub use postgres::functions::session_values::{POSTGRES_VERSION, constant_function};
pub use postgres::types::SqlTypes;
pub use rights::stamp::RightsStamp;
pub use scan::telemetry_table::PinnedTable;
pub use zonelake_timeseries::{WindowSpan, Zone};
