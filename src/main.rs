//! The `zonelake` binary: the command line only. In the order in which a start passes through it:
//!
//! - [`allocator`]: the allocator and its option
//! - [`cli`]: the command line as a whole
//! - [`options`]: options that commands share
//! - [`commands`]: one file or folder a command
//! - [`registry_access`]: the way of a command to the registry
//! - [`remote`]: a server over HTTP
//! - [`server_log`]: the server log
//! - [`error`]: the end of a command for a script

mod allocator;
mod cli;
mod commands;
mod error;
mod options;
mod registry_access;
mod remote;
mod server_log;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    // The one place that chooses who does the cryptography; a second choice cannot happen.
    let chosen = rustls::crypto::aws_lc_rs::default_provider().install_default();
    assert!(chosen.is_ok(), "nothing has chosen a provider before main");
    match cli::Cli::parse().run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => error.report(),
    }
}
