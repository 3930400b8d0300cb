//! `zonelake serve`: the server.

use std::io::Write;

use clap::Args;
use tokio::signal::unix::{SignalKind, signal};

use crate::error::{CliError, long_help};
use crate::options::SettingsOptions;
use zonelake_server::{Server, Started};

const EXAMPLES: &str = "Examples:
  zonelake serve
  zonelake serve --config /etc/zonelake/zonelake.toml
  ZONELAKE_QUIC_LISTEN=0.0.0.0:7420 zonelake serve --data /var/lib/zonelake

The first start on an empty data folder prints the password of the user \"admin\" on standard output, once.";

/// Run the server until SIGTERM or SIGINT, which flush everything before the end
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, after_long_help = long_help(EXAMPLES))]
pub(crate) struct ServeOptions {
    #[command(flatten)]
    pub settings: SettingsOptions,
}

/// Runs the server until it is told to stop.
///
/// # Errors
/// Where a setting is out of its bounds, the data folder is in use or damaged, or an address is taken.
pub(crate) fn run(options: &ServeOptions) -> Result<(), CliError> {
    let settings = options.settings.load()?;
    crate::server_log::start(&settings.log.level)?;
    crate::allocator::keep_free_memory();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .thread_stack_size(zonelake_server::STACK_BYTES)
        .enable_all()
        .build()
        .map_err(CliError::failed)?;
    runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate()).map_err(CliError::failed)?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(CliError::failed)?;
        let server = Server::start(&settings).await?;
        announce(&server.started).map_err(CliError::failed)?;
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
