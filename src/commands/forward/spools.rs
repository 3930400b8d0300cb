//! Lines into batches, one spool a table.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use zonelake_gateway::{Connection, ForwardOptions, ForwardStatus, Forwarder, SpoolError, StreamOptions, line_block};
use zonelake_push::{LineParts, TimeUnit};
use zonelake_schemas::wire::control::Encoding;

use super::inputs::Line;
use crate::error::CliError;

/// What spools go by.
#[derive(Debug)]
pub(super) struct SpoolsOptions {
    /// Folder with a spool for each table.
    pub(super) folder: PathBuf,
    /// Token and producer of the streams.
    pub(super) stream: StreamOptions,
    /// Most bytes of one spool.
    pub(super) bytes_max: u64,
    /// Treatment of a batch when its spool is full.
    pub(super) when_full: zonelake_gateway::WhenFull,
    /// Unit of the times of lines.
    pub(super) precision: TimeUnit,
    /// Longest time that a line waits for others of its batch.
    pub(super) batch_age: Duration,
}

/// The spools of all tables, with the lines that are not in a batch yet.
pub(super) struct Spools {
    connection: Arc<Connection>,
    options: SpoolsOptions,
    tables: BTreeMap<String, Spool>,
    /// Lines that no spool can take, of which the first of each minute is told.
    bad_lines: u64,
    told: Option<Duration>,
}

struct Spool {
    forwarder: Forwarder,
    lines: Vec<u8>,
    rows: u64,
    since: Duration,
}

impl Spools {
    /// Opens the spools that are there, so that what is in them is sent.
    pub(super) async fn open(connection: Arc<Connection>, options: SpoolsOptions) -> Result<Self, CliError> {
        let mut spools = Self { connection, options, tables: BTreeMap::new(), bad_lines: 0, told: None };
        let folder = &spools.options.folder;
        std::fs::create_dir_all(folder).map_err(|error| CliError::failed(format!("{}: {error}", folder.display())))?;
        let entries = std::fs::read_dir(folder).map_err(CliError::failed)?;
        let tables: Vec<String> = entries
            .filter_map(|entry| entry.ok().filter(|entry| entry.path().join("spool.toml").exists()))
            .filter_map(|entry| entry.file_name().into_string().ok())
            .collect();
        for table in tables {
            spools.spool(&table).await?;
        }
        Ok(spools)
    }

    async fn spool(&mut self, table: &str) -> Result<&mut Spool, CliError> {
        if !self.tables.contains_key(table) {
            let mut stream = self.options.stream.clone();
            stream.table = table.into();
            stream.encoding = Encoding::Line;
            let options = ForwardOptions {
                bytes_max: self.options.bytes_max,
                when_full: self.options.when_full,
                ..ForwardOptions::new(stream, self.options.folder.join(table))
            };
            let opened = Forwarder::open(Arc::clone(&self.connection), options).await;
            let forwarder = opened.map_err(|error| CliError::from_kind(error.kind(), error))?;
            let spool = Spool { forwarder, lines: Vec::new(), rows: 0, since: Duration::ZERO };
            self.tables.insert(table.to_owned(), spool);
        }
        self.tables.get_mut(table).ok_or_else(|| CliError::failed("a spool that was opened is gone"))
    }

    /// Takes a line into the batch of its table.
    ///
    /// # Errors
    /// Where its spool cannot be opened or written.
    pub(super) async fn take(&mut self, line: &Line) -> Result<(), CliError> {
        let Some(parts) = LineParts::of(&line.text) else { return Ok(()) };
        let table = match parts.table().and_then(|table| self.checked(table)) {
            Ok(table) => table,
            Err(reason) => {
                self.count_bad(line, &reason);
                return Ok(());
            }
        };
        let zeros = zeros(self.options.precision);
        // The time of arrival here: the server would take that at which it gets the line, which may be days later.
        let now = self.connection.clock().wall_us();
        let (batch_age, since) = (self.options.batch_age, self.now());
        let spool = self.spool(&table).await?;
        if spool.rows == 0 {
            spool.since = since;
        }
        spool.lines.extend_from_slice(parts.text);
        match parts.has_time {
            true => spool.lines.extend_from_slice(zeros.as_bytes()),
            false => spool.lines.extend_from_slice(format!(" {now}000").as_bytes()),
        }
        spool.lines.push(b'\n');
        spool.rows += 1;
        if spool.rows >= BATCH_ROWS
            || spool.lines.len() >= BATCH_BYTES
            || since.saturating_sub(spool.since) >= batch_age
        {
            return store(&table, spool).await;
        }
        Ok(())
    }

    /// The name of a table, which becomes a folder.
    fn checked(&self, table: String) -> Result<String, String> {
        let is_name = table.len() <= 63 && table.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'));
        if !is_name {
            return Err(format!("{table:?} is not the name of a table: a to z, 0 to 9 and _"));
        }
        if !self.tables.contains_key(&table) && self.tables.len() >= TABLES_MAX {
            return Err(format!("there are spools of {TABLES_MAX} tables already"));
        }
        Ok(table)
    }

    fn count_bad(&mut self, line: &Line, reason: &str) {
        self.bad_lines += 1;
        let now = self.now();
        if self.told.is_none_or(|told| now.saturating_sub(told) >= TELL_EVERY) {
            self.told = Some(now);
            let shown: String = String::from_utf8_lossy(&line.text).trim_end().chars().take(200).collect();
            tracing::warn!(lines = self.bad_lines, "{}: a line is left out: {reason}: {shown}", line.from);
        }
    }

    fn now(&self) -> Duration {
        self.connection.clock().monotonic()
    }

    /// Time until the oldest waiting line must go to its spool.
    pub(super) fn due(&self) -> Option<Duration> {
        let now = self.now();
        let waiting = self.tables.values().filter(|spool| spool.rows > 0);
        waiting.map(|spool| (spool.since + self.options.batch_age).saturating_sub(now)).min()
    }

    /// Stores the batches that have waited long enough, or all.
    ///
    /// # Errors
    /// As [`Self::take`].
    pub(super) async fn store(&mut self, all: bool) -> Result<(), CliError> {
        let now = self.now();
        for (table, spool) in &mut self.tables {
            if spool.rows > 0 && (all || now.saturating_sub(spool.since) >= self.options.batch_age) {
                store(table, spool).await?;
            }
        }
        Ok(())
    }

    /// Waits until the server has everything.
    ///
    /// # Errors
    /// The error that has stopped a stream for good.
    pub(super) async fn drained(&self) -> Result<(), CliError> {
        for (table, spool) in &self.tables {
            let drained = spool.forwarder.drained().await;
            drained.map_err(|error| CliError::from_kind(error.kind(), format!("table {table}: {error}")))?;
        }
        Ok(())
    }

    /// Batches that wait on disk, with the last error of each table that has some.
    pub(super) fn waiting(&self) -> (u64, Vec<String>) {
        let (mut batches, mut errors) = (0, Vec::new());
        for (table, spool) in &self.tables {
            let status = spool.forwarder.status();
            let waiting = batches_waiting(&status);
            batches += waiting;
            let error = [&status.live, &status.backfill].into_iter().find_map(|lane| lane.last_error.clone());
            if let Some(error) = error.filter(|_| waiting > 0) {
                errors.push(format!("table {table}: {error}"));
            }
        }
        (batches, errors)
    }

    /// Batches that the server refuses for what is in them; they are in the folder `refused` of their spool.
    pub(super) fn refused(&self) -> u64 {
        self.tables.values().map(|spool| spool.forwarder.status().refused_batches).sum()
    }

    /// Lines that were left out.
    pub(super) fn bad_lines(&self) -> u64 {
        self.bad_lines
    }

    /// Ends the sending; what is not acknowledged stays on disk.
    pub(super) async fn close(self) {
        for spool in self.tables.into_values() {
            spool.forwarder.close().await;
        }
    }
}

fn batches_waiting(status: &ForwardStatus) -> u64 {
    [&status.live, &status.backfill].iter().map(|lane| lane.taken.0.saturating_sub(lane.acknowledged.0)).sum()
}

/// Puts the waiting lines of a table on disk. Where the spool or the disk is full, it waits: the senders wait with it.
async fn store(table: &str, spool: &mut Spool) -> Result<(), CliError> {
    let batch = line_block(std::mem::take(&mut spool.lines), std::mem::take(&mut spool.rows));
    let mut told = false;
    loop {
        match spool.forwarder.send(batch.clone()).await {
            Ok(_) => return Ok(()),
            Err(error @ (SpoolError::Full { .. } | SpoolError::NoSpace { .. })) => {
                if !std::mem::replace(&mut told, true) {
                    tracing::warn!("table {table}: {error}; lines wait until there is room");
                }
                tokio::time::sleep(RETRY_FULL).await;
            }
            Err(error) => {
                return Err(CliError::from_kind(error.kind(), format!("table {table}: {error}")));
            }
        }
    }
}

fn zeros(precision: TimeUnit) -> &'static str {
    match precision {
        TimeUnit::S => "000000000",
        TimeUnit::Ms => "000000",
        TimeUnit::Us => "000",
        TimeUnit::Ns => "",
    }
}

/// Rows of a batch.
const BATCH_ROWS: u64 = 8_192;
/// Bytes of a batch.
const BATCH_BYTES: usize = 1 << 20;
/// Most tables: a sender that makes up names would fill the disk with folders.
const TABLES_MAX: usize = 256;
/// Pause before another try where the spool is full.
const RETRY_FULL: Duration = Duration::from_millis(500);
/// Interval at which lines that are left out are told.
const TELL_EVERY: Duration = Duration::from_secs(60);
