//! Options, start and end of `zonelake forward`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use zonelake_gateway::{StreamOptions, WhenFull};

use super::inputs::{Line, SocketFile, listen_tcp, listen_unix, read_stdin};
use super::spools::{Spools, SpoolsOptions};
use crate::commands::push::{Precision, ServerOptions, connection};
use crate::error::{CliError, long_help};

const EXAMPLES: &str = "Examples:
  export ZONELAKE_TOKEN=$(zonelake gateway add formosa-1 --zone vung-ang)
  zonelake forward --spool /var/lib/zonelake-gateway --listen 127.0.0.1:8094
  plc-reader | zonelake forward --spool ./spool

Any program that writes line protocol can so use store and forward: a line is safe once it is in the spool, some milliseconds after it \
came, and reaches the server exactly once, however long the link is down. The measurement is the table. A line without a time gets that \
of its arrival here. At the end of standard input the command waits until the server has everything; at SIGTERM what is not sent yet \
stays in the spool, and the same command sends it.";

/// Take line protocol from standard input or sockets into a spool on disk, and send it to a server, exactly once
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, after_long_help = long_help(EXAMPLES))]
pub(crate) struct ForwardOptions {
    #[command(flatten)]
    pub server: ServerOptions,

    /// Folder of the spools, on a local disk; one process at a time
    #[arg(long, value_name = "FOLDER")]
    pub spool: PathBuf,

    /// TCP address to listen on for lines, as Telegraf's socket_writer sends them; without any, standard input is read
    #[arg(long, value_name = "HOST:PORT")]
    pub listen: Vec<String>,

    /// Unix socket to listen on for lines
    #[arg(long, value_name = "PATH")]
    pub unix: Option<PathBuf>,

    /// Name of the producer, the same for the life of the spool
    #[arg(long, value_name = "NAME", default_value = "forward")]
    pub producer: String,

    /// Unit of the times of lines
    #[arg(long, value_enum, default_value_t = Precision::Ns)]
    pub precision: Precision,

    /// Longest time that a line waits for others of its batch, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 100)]
    pub batch_ms: u64,

    /// Most megabytes of the spool of one table
    #[arg(long, value_name = "MB", default_value_t = 8_192)]
    pub spool_mb_max: u64,

    /// Give up the oldest batches where a spool is full; without it, senders wait
    #[arg(long)]
    pub drop_oldest: bool,
}

/// Forwards until standard input ends and everything is sent, or until SIGTERM.
///
/// # Errors
/// Where the spool cannot be used, an address is taken, or not everything could be sent in time.
pub(crate) fn run(options: &ForwardOptions) -> Result<(), CliError> {
    crate::server_log::start("warn,zonelake=info,zonelake_gateway=info")?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(CliError::failed)?;
    let result = runtime.block_on(forward(options));
    // A read of standard input that waits cannot be ended.
    runtime.shutdown_background();
    result
}

async fn forward(options: &ForwardOptions) -> Result<(), CliError> {
    let mut terminate = signal(SignalKind::terminate()).map_err(CliError::failed)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(CliError::failed)?;
    let connection = connection(&options.server)?;
    let token = options.server.token.as_deref().ok_or_else(|| CliError::input("no token: set ZONELAKE_TOKEN"))?;
    let spools = SpoolsOptions {
        folder: options.spool.clone(),
        stream: StreamOptions::new(token, &options.producer, ""),
        bytes_max: options.spool_mb_max.saturating_mul(1 << 20),
        when_full: if options.drop_oldest { WhenFull::DropOldest } else { WhenFull::Refuse },
        precision: options.precision.unit(),
        batch_age: Duration::from_millis(options.batch_ms),
    };
    let mut spools = Spools::open(std::sync::Arc::clone(&connection), spools).await?;
    let (lines, mut received) = mpsc::channel(LINES_WAITING);
    let _socket = open_inputs(options, lines).await?;
    let ended = loop {
        let due = spools.due().unwrap_or(IDLE);
        tokio::select! {
            line = received.recv() => match line {
                Some(line) => spools.take(&line).await?,
                None => break true,
            },
            () = tokio::time::sleep(due) => spools.store(false).await?,
            _ = terminate.recv() => break false,
            _ = interrupt.recv() => break false,
        }
    };
    // What has come before the end is taken.
    received.close();
    while let Some(line) = received.recv().await {
        spools.take(&line).await?;
    }
    spools.store(true).await?;
    if ended {
        let patience = options.server.give_up;
        let patience = if patience == 0 { Duration::MAX } else { Duration::from_secs(patience) };
        tokio::select! {
            sent = tokio::time::timeout(patience, spools.drained()) => if let Ok(sent) = sent { sent? },
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    }
    let result = outcome(&spools);
    spools.close().await;
    connection.close().await;
    if ended { result } else { Ok(()) }
}

async fn open_inputs(options: &ForwardOptions, lines: mpsc::Sender<Line>) -> Result<Option<SocketFile>, CliError> {
    if options.listen.is_empty() && options.unix.is_none() {
        read_stdin(lines);
        return Ok(None);
    }
    for address in &options.listen {
        listen_tcp(address, lines.clone()).await?;
    }
    match &options.unix {
        Some(path) => listen_unix(path, lines).await.map(Some),
        None => Ok(None),
    }
}

fn outcome(spools: &Spools) -> Result<(), CliError> {
    let (batches, errors) = spools.waiting();
    if batches > 0 {
        let reasons = if errors.is_empty() { "no answer from the server".into() } else { errors.join("; ") };
        let message = format!("{batches} batches wait in the spool, and the same command sends them: {reasons}");
        return Err(CliError::new(zonelake_server::FailureKind::TryAgain, message));
    }
    if spools.refused() > 0 {
        let message = format!("the server refuses {} batches for what is in them: folder refused", spools.refused());
        return Err(CliError::input(message));
    }
    if spools.bad_lines() > 0 {
        return Err(CliError::input(format!("{} lines are left out; all others are stored", spools.bad_lines())));
    }
    Ok(())
}

/// Lines that may wait for the disk; beyond them senders wait.
const LINES_WAITING: usize = 4_096;
/// Interval at which a command without lines looks around.
const IDLE: Duration = Duration::from_secs(60);
