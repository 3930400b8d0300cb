//! SQL over live rows and files as one table, in the order in which a statement meets it:
//!
//! - [`http_sql`], [`credentials`], `http_parameters`, [`formats`], `compression`: the HTTP interface, who may use it, values of
//!   parameters, and what it answers in
//! - [`session`], [`sql_session`], [`admission`], [`environment`], [`statement_memory`]: execution, what a caller has set,
//!   its place in the queue, its limits
//! - [`statement`], [`prepared`], [`running`], [`bounded_functions`], [`yielding`], [`stopping`]: which statements and
//!   functions may be run, their parameters, their rows, and that each can be stopped
//! - [`query_log`]: the statements that run and those that have run
//! - [`catalog`], [`reference_tables`], [`information_schema`]: what a statement sees, pinned once
//! - [`table`]: a table of telemetry
//! - [`late_materialisation`], [`runs`], [`run_aggregate`], [`file_order`], [`file_reader`]: what the order of files and their
//!   metadata save
//! - [`bounds`]: what leaves out whole files and live chunks
//! - [`file_terms`], [`steps`], [`shown`]: SQL's doubles in terms of the decimals of a file
//! - [`live_exec`], [`live_rows`], [`place_columns`]: live rows as SQL shows them
//! - [`error`]: what goes wrong, in words for whoever asked

pub mod admission;
pub mod bounded_functions;
pub mod bounds;
pub mod catalog;
mod compression;
pub mod credentials;
pub mod environment;
pub mod error;
pub mod file_order;
pub mod file_reader;
pub mod file_terms;
pub mod formats;
mod http_parameters;
pub mod http_sql;
pub mod information_schema;
pub mod late_materialisation;
pub mod live_exec;
pub mod live_rows;
pub mod place_columns;
pub mod prepared;
pub mod query_log;
pub mod reference_tables;
pub mod run_aggregate;
mod running;
pub mod runs;
pub mod session;
pub mod shown;
pub mod sql_session;
pub mod statement;
pub mod statement_memory;
pub mod steps;
pub mod stopping;
pub mod table;
pub mod yielding;

pub use error::{QueryError, QueryErrorCode};
pub use prepared::{Description, parameter_count};
pub use session::{Caller, QueryEngine, QueryOptions, QueryResult};
pub use sql_session::{Interface, SessionExtension, SqlSession};
