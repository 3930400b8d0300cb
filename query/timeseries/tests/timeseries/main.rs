//! SQL over time, in sessions as the query engine makes them.
#![expect(clippy::unwrap_used, reason = "tests stop at what they do not expect")]

mod corpus;
mod harness;
mod plans;
mod postgres;
mod slt;

// The tests of the query engine run the same files in sessions of their own.
use harness as session;
