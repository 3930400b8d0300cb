//! The `zonelake` binary: command line and wiring only. In the order in which a start passes through it:
//!
//! - [`cli`]: what can be said on the command line
//! - [`settings`]: the settings file and environment
//! - [`logging`]: where the log goes
//! - [`commands`]: one file a command
//! - [`server`]: all parts of a server, made and connected
//! - [`failure`]: what a command's end means to a script

mod cli;
mod commands;
mod failure;
mod logging;
mod server;
mod settings;

use std::process::ExitCode;

use clap::Parser;

/// As fast as the C library's under a full load and faster with many connections, with half of the memory: docs/performance.md.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // The one place that chooses who does the cryptography; a second choice cannot happen.
    let chosen = rustls::crypto::aws_lc_rs::default_provider().install_default();
    assert!(chosen.is_ok(), "nothing has chosen a provider before main");
    match commands::run(cli::Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
