//! SQL over real files and live rows. One program for all tests, since linking the query engine takes long; a file for each subject, hence
//! more than fifteen.
#![expect(
    clippy::disallowed_methods,
    dead_code,
    reason = "a test stops at what it does not expect, and its numbers are small"
)]
#![expect(clippy::unwrap_used, clippy::cast_possible_truncation, reason = "tests stop at what they do not expect")]

#[path = "../../timeseries/tests/timeseries/corpus.rs"]
mod corpus;
mod faults;
mod file_order;
mod harness;
mod hidden;
mod hostile;
mod limits;
mod pinned;
#[path = "../../timeseries/tests/timeseries/postgres.rs"]
mod postgres;
mod pruning;
mod refused;
mod repeats;
mod rights;
mod roles;
mod runs;
mod session;
mod slt;
mod statistics;
mod threads;
mod values;
mod view_documents;
mod view_rows;
mod views;
mod views_filtered;
mod views_of_lines;
mod views_of_meters;
mod views_of_places;
