//! A real client against a real server, over real files and live rows. One binary for all tests: linking the query
//! engine takes long.
#![expect(clippy::unwrap_used, reason = "tests stop at what they do not expect")]

mod activity;
mod audit;
mod catalog;
#[expect(dead_code, reason = "the tests of SQL use more of it")]
#[expect(clippy::cast_possible_truncation, reason = "tests choose small numbers")]
#[path = "../../../../query/tests/sql/harness.rs"]
mod harness;
mod hostile;
mod language;
mod limits;
mod objects;
#[path = "../../../../query/tests/sql/rights/shared.rs"]
#[expect(dead_code, reason = "the tests of the engine need more of it")]
#[expect(clippy::cast_possible_truncation, reason = "tests choose small numbers")]
mod rights;
mod rights_cells;
mod server;
mod sessions;
mod startup;
mod tokens;
mod values;
