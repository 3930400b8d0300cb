//! Floods: each kind of careless or hostile client, beside a good gateway, a good writer over HTTP and a dashboard, which must hardly
//! notice.
//!
//! `ZONELAKE_FLOOD_SECONDS` sets how long each kind lasts, 2 by default; a measurement takes 10. It is a program of its own, and its tests
//! wait for each other, so that nothing runs beside a flood but what belongs to it. Those whose result a busy machine would decide are ignored by default:
//! `ZONELAKE_FLOOD_SECONDS=10 cargo test --release --workspace --test flood -- --include-ignored --nocapture`.
//!
//! - [`installation`]: a data folder with ports and settings of its own, and the server process on it
//! - [`bystanders`]: the good clients, their latencies, and the bounds that they keep
//! - [`quic_offender`]: a raw client of the gateways' protocol, which keeps to it only as far as it likes
//! - [`handshakes`]: garbage, and handshakes that lead to nothing
//! - [`frames`]: valid frames that cost much, that come again and again, and whose acknowledgements nobody reads
//! - [`tokens`]: connections without a valid token
//! - [`tables`]: one table that has no room
//! - [`http`]: silent connections, bodies that grow, requests with keys
#![expect(
    clippy::let_underscore_must_use,
    reason = "a test stops at what it does not expect, and what becomes of an offender means nothing"
)]

mod bystanders;
mod frames;
mod handshakes;
mod http;
#[expect(dead_code, reason = "these tests use a part of it")]
#[path = "../process/installation.rs"]
mod installation;
mod quic_offender;
mod tables;
mod tokens;
