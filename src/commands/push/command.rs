//! The push of `zonelake push`.

use std::sync::Arc;
use std::time::Duration;

use zonelake_gateway::{BackoffPolicy, Compression, Connection, ConnectionOptions, Trust};
use zonelake_push::{PushError, history, push};

use super::look;
use super::options::{CompressionName, PushOptions, ServerOptions};
use super::report::{Bar, result, tell, tell_past};
use crate::error::CliError;

/// Pushes everything and reports each file.
///
/// # Errors
/// Where a file cannot be read, the server refuses, or cannot be reached for too long; then the other files are pushed all the same.
pub(crate) fn run(options: &PushOptions) -> Result<(), CliError> {
    if options.suggest {
        return look::suggest(options);
    }
    if options.dry_run {
        return look::dry_run(options);
    }
    if options.history {
        return print_history(options);
    }
    let token = options.server.token.as_deref().unwrap_or_default();
    let order = zonelake_push::PushOptions {
        lane: options.lane.lane(),
        line_precision: options.precision.unit(),
        line_table: options.table.clone(),
        skip_bad_rows: options.skip_bad_rows,
        again: options.again,
        compression: match options.compression {
            CompressionName::Auto => None,
            CompressionName::None => Some(Compression::None),
            CompressionName::Lz4 => Some(Compression::Lz4),
            CompressionName::Zstd => Some(Compression::Zstd),
        },
        ..zonelake_push::PushOptions::new(connection(&options.server)?, token, options.mapping()?, options.inputs()?)
    };
    let order = patience(order, options.server.give_up);
    let bar = Bar::new();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(CliError::failed)?;
    let report = runtime.block_on(async {
        let connection = Arc::clone(&order.connection);
        let report = push(order, &bar).await;
        connection.close().await;
        report
    });
    bar.finish();
    let report = report.map_err(|error: PushError| CliError::from_kind(error.kind(), error))?;
    report.files.iter().for_each(tell);
    result(&report)
}

/// Prints the latest pushes of the gateway.
fn print_history(options: &PushOptions) -> Result<(), CliError> {
    let connection = connection(&options.server)?;
    let token = options.server.token.as_deref().unwrap_or_default();
    // Any table will do: pushes into all of them are told.
    let table = options.table.as_deref().unwrap_or("environment");
    let give_up_after = (options.server.give_up > 0).then(|| Duration::from_secs(options.server.give_up));
    let backoff = BackoffPolicy { give_up_after, ..BackoffPolicy::default() };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(CliError::failed)?;
    let past = runtime.block_on(async {
        let past = history(&connection, backoff, token, table, HISTORY_MAX).await;
        connection.close().await;
        past
    });
    let past = past.map_err(|error| CliError::from_kind(error.kind(), error))?;
    let past = past.ok_or_else(|| CliError::failed("this server is older than its ledger of pushes"))?;
    past.iter().for_each(tell_past);
    Ok(())
}

/// Pushes that are printed.
const HISTORY_MAX: u32 = 100;

/// A push with the patience of a number of seconds; of 0 without end.
pub(crate) fn patience(mut order: zonelake_push::PushOptions, seconds: u64) -> zonelake_push::PushOptions {
    order.backoff.give_up_after = (seconds > 0).then(|| Duration::from_secs(seconds));
    order
}

/// The connection of a command to its server.
///
/// # Errors
/// Where what it is to trust cannot be read.
pub(crate) fn connection(options: &ServerOptions) -> Result<Arc<Connection>, CliError> {
    let trust = match (&options.fingerprint, &options.ca) {
        (Some(fingerprint), _) => Trust::from_fingerprint(fingerprint).map_err(CliError::input)?,
        (None, Some(file)) => Trust::CertificateFile(file.clone()),
        (None, None) => Trust::CertificateFile(options.data.join("tls").join("cert.pem")),
    };
    let mut connection = ConnectionOptions::new(&options.server, trust);
    connection.server_name.clone_from(&options.server_name);
    Connection::new(connection).map_err(|error| CliError::from_kind(error.kind(), error))
}
