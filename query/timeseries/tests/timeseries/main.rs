//! SQL over time, in sessions as the query engine makes them.
#![expect(clippy::unwrap_used, reason = "tests stop at what they do not expect")]

mod corpus;
mod harness;
mod plans;
mod postgres;
mod slt;
