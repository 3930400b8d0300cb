//! Decoding of Arrow batches: every rule for rows, readings, devices and locations.

#![expect(clippy::unwrap_used, reason = "a helper that cannot do its part fails its test")]

#[path = "../fixture/mod.rs"]
mod fixture;
mod messages;
mod refusals;
mod rows;
mod sent;
mod values;
