//! Tests of the whole program as its users start it: real processes, real files, real ports on the loopback address. A file for each
//! subject that a user meets, hence more than fifteen.
//!
//! - [`installation`]: a data folder with ports and settings of its own, and the server process on it
//! - [`settings`]: the settings file, and what is wrong with one
//! - [`gateways`]: credentials of gateways
//! - [`control`]: the control channel of the commands
//! - [`http`]: who is let in, and what a bad write is told
//! - [`limits`]: limits of the HTTP listener
//! - [`demo`]: the README's first command
//! - [`sql`]: where questions come from and answers go
//! - [`push`]: files over QUIC, and what a bad push is told
//! - [`fixtures`]: data folders of earlier formats
//! - [`durability`]: kill, restart, clean shutdown
//! - [`kills`]: kill after kill under load, with the account of every batch
//! - [`full_disk`]: no room left
//! - [`recovery_time`]: a start with a long log
//! - [`damage`]: what `zonelake check` finds
#![expect(
    clippy::cast_possible_truncation,
    reason = "a test stops at what it does not expect, and its numbers are small"
)]

mod control;
mod damage;
mod demo;
mod durability;
mod fixtures;
mod full_disk;
mod gateways;
mod http;
mod installation;
mod kills;
mod limits;
mod push;
mod recovery_time;
mod roles;
mod settings;
mod sql;
