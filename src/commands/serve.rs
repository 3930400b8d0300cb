//! `zonelake serve`: the server.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::Command;

use clap::Args;
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::SettingsOptions;
use crate::failure::Failure;
use crate::server::{Server, Started};

/// Run the server until SIGTERM or SIGINT, which flush everything before the end
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  zonelake serve
  zonelake serve --config /etc/zonelake/zonelake.toml
  ZONELAKE_QUIC_LISTEN=0.0.0.0:7420 zonelake serve --data /var/lib/zonelake

The first start on an empty data folder prints the password of the user \"admin\" on standard output, once.")]
pub(crate) struct ServeOptions {
    #[command(flatten)]
    pub settings: SettingsOptions,
}

/// Runs the server until it is told to stop.
///
/// # Errors
/// Where the settings cannot be, the data folder is in use or damaged, or an address is taken.
pub(crate) fn run(options: &ServeOptions) -> Result<(), Failure> {
    let settings = options.settings.load()?;
    crate::logging::start(&settings.log.level)?;
    keep_memory();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Failure::failed)?;
    runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate()).map_err(Failure::failed)?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(Failure::failed)?;
        let server = Server::start(&settings).await?;
        announce(&server.started).map_err(Failure::failed)?;
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping: finishing what was begun, then flushing");
        server.stop().await?;
        tracing::info!("stopped");
        Ok(())
    })
}

/// Has the allocator keep what is free for a minute before it goes back to the system. Live rows take up and leave hundreds
/// of megabytes every few seconds; handing them to and fro costs page faults, and on a virtual machine whose host collects free
/// pages, stalls of the disk (ARCHITECTURE.md). The allocator reads its settings when the process starts, so it starts once
/// more, in place.
fn keep_memory() {
    if std::env::var_os(MEMORY_SETTING).is_some() {
        return;
    }
    let Ok(program) = std::env::current_exe() else { return };
    let mut arguments = std::env::args_os();
    let mut again = Command::new(program);
    again.arg0(arguments.next().unwrap_or_default()).args(arguments).env(MEMORY_SETTING, MEMORY_KEPT_MS);
    let error = again.exec();
    tracing::warn!(
        "memory goes back to the system at once, which costs speed: the program cannot be started again: {error}"
    );
}

const MEMORY_SETTING: &str = "MIMALLOC_PURGE_DELAY";
const MEMORY_KEPT_MS: &str = "60000";

/// Tells where the server listens; the first password goes to standard output alone, since it is shown only once.
fn announce(started: &Started) -> std::io::Result<()> {
    let recovered = &started.recovered;
    tracing::info!(records = recovered.records, rows = recovered.rows, torn_tails = recovered.torn_tails, took = ?started.took, "recovered");
    let mut out = std::io::stdout().lock();
    if let Some(password) = &started.first_password {
        writeln!(out, "password of the user admin, shown this once: {password}")?;
    }
    let scheme = if started.http_has_tls { "https" } else { "http" };
    writeln!(
        out,
        "listening: quic {} (trust {}), {scheme} {}, postgresql {}",
        started.quic,
        started.certificate.display(),
        started.http,
        started.postgres
    )?;
    out.flush()
}
