//! SQL over real files and live rows. One binary for all tests: linking the query engine takes long.
#![expect(
    clippy::disallowed_methods,
    dead_code,
    reason = "a test stops at what it does not expect, and its numbers are small"
)]
#![expect(clippy::unwrap_used, clippy::cast_possible_truncation, reason = "tests stop at what they do not expect")]

mod file_order;
mod harness;
mod limits;
mod pinned;
mod pruning;
mod refused;
mod roles;
mod runs;
mod slt;
mod statistics;
mod threads;
mod values;
