//! `zonelake watch`: one file after another, in the order in which they were changed. Two files that begin alike, as a file and what it has grown
//! to, are so never pushed at once: the ledger of the server tells which rows the second one adds.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use chrono::DateTime;
use tokio::signal::unix::{SignalKind, signal};
use zonelake_gateway::Connection;
use zonelake_push::{Mapping, NoProgress, PushError, PushInput, PushReport, push};
use zonelake_schemas::error::ErrorKind;

use super::folder::{DONE, FAILED, WatchFolder, write_report};
use super::options::WatchOptions;
use super::report::{WatchReport, is_nothing_acceptable};
use super::rules::Rules;
use super::settling::{Found, Settling};
use crate::commands::push::{connection, patience};
use crate::error::CliError;

/// Watches until SIGTERM, or with `--once` until no file is left that can be taken.
///
/// # Errors
/// Where the folder or a mapping cannot be used, or the server refuses the gateway; with `--once` also where a file has failed.
pub(crate) fn run(options: &WatchOptions) -> Result<(), CliError> {
    crate::server_log::start("warn,zonelake=info")?;
    let watch = Watch {
        connection: connection(&options.server)?,
        folder: WatchFolder::open(&options.folder)?,
        rules: Rules::read(&options.mapping)?,
        options,
        told: BTreeSet::new(),
        failed: 0,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(CliError::failed)?;
    runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate()).map_err(CliError::failed)?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(CliError::failed)?;
        let connection = Arc::clone(&watch.connection);
        // A push that is broken off here goes on at the next start, as after a kill.
        let result = tokio::select! {
            result = watch.run() => result,
            _ = terminate.recv() => Ok(()),
            _ = interrupt.recv() => Ok(()),
        };
        connection.close().await;
        result
    })
}

/// One run of the command.
struct Watch<'a> {
    options: &'a WatchOptions,
    connection: Arc<Connection>,
    folder: WatchFolder,
    rules: Rules,
    /// Files that stay, since no mapping is for them, and were told.
    told: BTreeSet<PathBuf>,
    failed: u64,
}

/// What became of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    PutAway,
    /// It was changed or has gone, and is looked at again.
    Changed,
    /// The server cannot be reached.
    NoServer,
}

impl Watch<'_> {
    async fn run(mut self) -> Result<(), CliError> {
        let mut settling = Settling::new(Duration::from_secs(self.options.settle));
        loop {
            let now = self.connection.clock().monotonic();
            let found = self.found()?;
            let complete = settling.handle_found(found, now);
            let mut is_changed = false;
            for file in complete {
                match self.take(&file).await? {
                    Outcome::PutAway => {}
                    Outcome::Changed => is_changed = true,
                    Outcome::NoServer if self.options.once => {
                        let message = "no connection to the server: the files stay, and the same command takes them";
                        return Err(CliError::new(zonelake_server::FailureKind::TryAgain, message));
                    }
                    Outcome::NoServer => break,
                }
            }
            if self.options.once && !is_changed && !settling.is_waiting(now) {
                return self.end();
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    fn end(&self) -> Result<(), CliError> {
        match self.failed {
            0 => Ok(()),
            failed => {
                Err(CliError::input(format!("{failed} files failed; reports are beside them in the folder {FAILED}")))
            }
        }
    }

    /// Files that a mapping is for.
    fn found(&mut self) -> Result<Vec<Found>, CliError> {
        let mut found = self.folder.files()?;
        found.retain(|file| {
            let is_mapped = self.rules.mapping(&file.relative).is_some();
            if !is_mapped && self.told.len() < TOLD_MAX && self.told.insert(file.relative.clone()) {
                tracing::warn!("{}: no --mapping is for it, and it stays", file.relative.display());
            }
            is_mapped
        });
        Ok(found)
    }

    /// Pushes a file and puts it away.
    async fn take(&mut self, file: &Found) -> Result<Outcome, CliError> {
        let mut path = self.folder.path(&file.relative);
        // Long ago where many files stand in front of it.
        if self.folder.stamp(&path) != Some(file.stamp) {
            return Ok(Outcome::Changed);
        }
        let (mapping, mapping_file) = self.rules.mapping(&file.relative).expect("files without one were left out");
        let mapping_file = mapping_file.to_owned();
        let (mut stamp, mut is_put_away) = (file.stamp, false);
        loop {
            let pushed = match self.push(&path, mapping.clone()).await {
                Ok(report) => report,
                Err(error) if error.kind() == ErrorKind::Retry => {
                    tracing::warn!("{error}; the file stays and is tried again");
                    return Ok(Outcome::NoServer);
                }
                Err(error) if error.kind() == ErrorKind::Permission => {
                    return Err(CliError::from_kind(error.kind(), error));
                }
                Err(error) => PushReport { failed: vec![error], ..PushReport::default() },
            };
            let changed = matches!(pushed.failed.first(), Some(PushError::Changed { .. } | PushError::Source { .. }));
            if !is_put_away && changed && self.folder.stamp(&path) != Some(stamp) {
                return Ok(Outcome::Changed);
            }
            let (report, is_stored) = self.report(&pushed, &mapping_file);
            match is_put_away {
                true => write_report(&path, &report.text())?,
                false => path = self.put_away(file, &report, is_stored)?,
            }
            is_put_away = true;
            // Between the end of the push and the move a writer that still has it open may have written more; what was stored is known.
            match self.folder.stamp(&path) {
                Some(now) if now != stamp => stamp = now,
                _ => return Ok(Outcome::PutAway),
            }
        }
    }

    async fn push(&self, path: &Path, mapping: Mapping) -> Result<PushReport, PushError> {
        let input = PushInput::File { path: path.to_owned(), format: None };
        let token = self.options.server.token.as_deref().unwrap_or_default();
        let order = zonelake_push::PushOptions {
            lane: self.options.lane.lane(),
            line_precision: self.options.precision.unit(),
            skip_bad_rows: self.options.skip_bad_rows,
            compression: None,
            software: concat!("zonelake watch ", env!("CARGO_PKG_VERSION")).into(),
            ..zonelake_push::PushOptions::new(Arc::clone(&self.connection), token, mapping, vec![input])
        };
        push(patience(order, self.options.server.give_up), &NoProgress).await
    }

    /// The report of what became of a file, and whether it is stored.
    fn report(&self, pushed: &PushReport, mapping: &str) -> (WatchReport, bool) {
        let at = self.time("%Y-%m-%dT%H:%M:%SZ");
        match (pushed.files.first(), pushed.failed.first()) {
            (Some(file), _) => (WatchReport::of_pushed(file, mapping, at), !is_nothing_acceptable(file)),
            (None, Some(error)) => (WatchReport::of_failed(error, mapping, at), false),
            (None, None) => unreachable!("a push tells of each of its files"),
        }
    }

    fn put_away(&mut self, file: &Found, report: &WatchReport, is_stored: bool) -> Result<PathBuf, CliError> {
        let to = match is_stored {
            true => Path::new(DONE).join(self.time("%Y-%m-%d")),
            false => PathBuf::from(FAILED),
        };
        let path = self.folder.put_away(&file.relative, &to, &report.text())?;
        match is_stored {
            true => tracing::info!("{}: {}", file.relative.display(), report.summary()),
            false => tracing::error!("{}: {}", file.relative.display(), report.summary()),
        }
        self.failed += u64::from(!is_stored);
        Ok(path)
    }

    /// The time now, UTC, in a form.
    fn time(&self, form: &str) -> String {
        let now = DateTime::from_timestamp_micros(self.connection.clock().wall_us());
        now.map(|now| now.format(form).to_string()).unwrap_or_default()
    }
}

/// Pause between two looks at the folder.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Files without a mapping that are told and remembered.
const TOLD_MAX: usize = 10_000;
