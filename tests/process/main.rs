//! Tests of the whole program as its users start it: real processes, real files, real ports on the loopback address. A file for each
//! subject that a user meets, hence more than fifteen.
//!
//! - [`installation`]: a data folder with ports and settings of its own, and the server process on it
//! - [`settings`]: the settings file, and what is wrong with one
//! - [`gateways`]: credentials of gateways
//! - [`control`]: the control channel of the commands
//! - [`health`]: what a server says of its own state
//! - [`http`]: who is let in, and what a bad write is told
//! - [`limits`]: limits of the HTTP listener
//! - [`demo`]: the README's first command
//! - [`sql`]: where questions come from and answers go
//! - [`report`]: figures in a form that is handed in; [`report_schedules`]: the same when they are due, under kills
//! - [`push`]: files over QUIC, and what a bad push is told
//! - [`known_rows`]: what a push does with rows that are there
//! - [`watch`]: files of a folder, as they are completed
//! - [`forward`]: lines of any program, by way of a spool
//! - [`rejected`]: rows that were rejected, stored after all
//! - [`devices`]: devices that wait for approval, are retired and come back, and files of them
//! - [`repeats`]: tables in which rows of one device and time are one row
//! - [`corrections`]: values corrected, under kills
//! - [`rules`]: retention, legal holds and deletions, under kills
//! - [`alerts`]: alert rules, under kills; [`alert_hooks`]: what is sent to other systems
//! - [`windows`]: windows up to now, under kills
//! - [`fixtures`]: data folders of earlier formats
//! - [`durability`]: kill, restart, clean shutdown
//! - [`kills`]: kill after kill under load, with the account of every batch; [`writers`]: its clients over HTTP and Flight
//! - [`full_disk`]: no room left
//! - [`unflushable`]: one table that cannot be written to files
//! - [`audit`]: who has done what, under kills
//! - [`backup`]: back-ups under load and under kills, and data folders from them
//! - [`recovery_time`]: a start with a long log
//! - [`damage`]: what `zonelake check` finds
#![expect(
    clippy::cast_possible_truncation,
    reason = "a test stops at what it does not expect, and its numbers are small"
)]

mod alert_hooks;
mod alerts;
mod audit;
mod backup;
mod control;
mod corrections;
mod damage;
mod demo;
mod devices;
mod durability;
mod fixtures;
mod forward;
mod full_disk;
mod gateways;
mod health;
mod http;
mod installation;
mod kills;
mod known_rows;
mod limits;
mod push;
mod recovery_time;
mod reference;
mod rejected;
mod repeats;
mod report;
mod report_schedules;
mod roles;
mod rules;
mod settings;
mod sql;
mod statements;
mod unflushable;
mod watch;
mod windows;
mod writers;
