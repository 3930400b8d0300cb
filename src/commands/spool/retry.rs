//! `zonelake spool retry`.

use std::sync::Arc;
use std::time::Duration;

use zonelake_gateway::{BackoffPolicy, RetryError, StreamOptions, retry_refused};

use super::folder::spools;
use super::options::RetryOptions;
use crate::commands::push::connection;
use crate::error::CliError;

/// Sends what was put aside, and tells what became of it.
///
/// # Errors
/// Where the server cannot be reached or refuses the gateway; and where it still refuses a batch.
pub(super) fn run(options: &RetryOptions) -> Result<(), CliError> {
    let spools = spools(&options.spools.folder)?;
    let connection = connection(&options.server)?;
    let token = options.server.token.as_deref().unwrap_or_default();
    let give_up_after = (options.server.give_up > 0).then(|| Duration::from_secs(options.server.give_up));
    let stream = StreamOptions {
        backoff: BackoffPolicy { give_up_after, ..BackoffPolicy::default() },
        ..StreamOptions::new(token, "", "")
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(CliError::failed)?;
    let refused = runtime.block_on(async {
        let mut refused = 0;
        for (path, _) in &spools {
            let report = retry_refused(&Arc::clone(&connection), &stream, path).await.map_err(failed)?;
            println!("{}: {} batches stored, {} rows", path.display(), report.stored, report.rows);
            for (name, reason) in &report.refused {
                eprintln!("  {name}: {reason}");
            }
            refused += report.refused.len();
        }
        connection.close().await;
        Ok::<_, CliError>(refused)
    })?;
    match refused {
        0 => Ok(()),
        refused => {
            Err(CliError::input(format!("the server still refuses {refused} batches; they stay where they are")))
        }
    }
}

fn failed(error: RetryError) -> CliError {
    match &error {
        RetryError::Spool(cause) => CliError::from_kind(cause.kind(), error),
        RetryError::Stream(cause) => CliError::from_kind(cause.kind(), error),
    }
}
