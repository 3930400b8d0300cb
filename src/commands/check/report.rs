//! What a check has found, in words and as JSON.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde::Serialize;
use zonelake_registry::RegistryReport;
use zonelake_wal::WalReport;

/// Everything that was found. Its JSON form is for scripts: fields are added, and none is renamed.
#[derive(Debug, Default, Serialize)]
pub(super) struct Report {
    /// Whether there is no problem.
    pub(super) sound: bool,
    /// Whether a server had the folder open.
    pub(super) server_running: bool,
    /// What is not sound, each with file and place.
    pub(super) problems: Vec<String>,
    /// Files that were damaged and are no longer part of their tables, each with its damage and its rows.
    pub(super) set_apart: Vec<String>,
    pub(super) registry: RegistryCounts,
    pub(super) wal: LogCounts,
    pub(super) tables: BTreeMap<String, TableCounts>,
    pub(super) deletions: DeletionCounts,
    pub(super) audit: AuditChain,
    /// Table, application and LSN of each transaction in a table's log.
    #[serde(skip)]
    pub(super) committed: Vec<(String, String, u64)>,
}

#[derive(Debug, Default, Serialize)]
pub(super) struct RegistryCounts {
    provinces: u64,
    zones: u64,
    sites: u64,
    devices: u64,
    gateways: u64,
    producers: u64,
}

/// Counts of the write-ahead log, all shards together.
#[derive(Debug, Default, Serialize)]
pub(super) struct LogCounts {
    pub(super) shards: u64,
    pub(super) segments: u64,
    pub(super) records: u64,
    pub(super) payload_bytes: u64,
    /// Shards whose last block was being written at the end, and never acknowledged.
    pub(super) torn_tails: u64,
    pub(super) spare_bytes: u64,
    /// State of streams and of requests' keys.
    pub(super) checkpoint_bytes: u64,
}

/// Counts of the deletions.
#[derive(Debug, Default, Serialize)]
pub(super) struct DeletionCounts {
    pub(super) ordered: u64,
    /// Those whose rows are in no file on disk.
    pub(super) erased: u64,
    /// Files on disk that have, or had, rows of the others.
    pub(super) files_left: u64,
}

/// The chain of the table of audit.
#[derive(Debug, Default, Serialize)]
pub(super) struct AuditChain {
    /// Entries whose hashes are theirs.
    pub(super) entries: u64,
    /// Number of the last one, and its hash: who has noted them at another place finds out whether later ones were cut off.
    pub(super) last: i64,
    pub(super) hash: String,
}

/// Counts of one table.
#[derive(Debug, Default, Serialize)]
pub(super) struct TableCounts {
    /// Version of its log.
    pub(super) version: i64,
    pub(super) files: u64,
    pub(super) rows: u64,
    /// Values that are not null.
    pub(super) readings: u64,
    pub(super) bytes: u64,
    /// Parquet files that the log does not list: left behind by a crash before its commit, or not committed yet.
    pub(super) files_not_listed: u64,
}

impl Report {
    pub(super) fn add_registry(&mut self, found: &RegistryReport) {
        self.registry = RegistryCounts {
            provinces: found.provinces,
            zones: found.zones,
            sites: found.sites,
            devices: found.devices,
            gateways: found.gateways,
            producers: found.producers,
        };
        self.problems.extend(found.problems.iter().map(|problem| format!("registry: {problem}")));
    }

    /// Adds what was found of one shard's WAL, its damage included.
    pub(super) fn add_wal(&mut self, found: &WalReport) {
        self.wal.segments += found.segments.len() as u64;
        self.wal.records += found.records();
        self.wal.payload_bytes += found.segments.iter().map(|segment| segment.payload_bytes).sum::<u64>();
        self.wal.torn_tails += u64::from(found.torn_tail.is_some());
        self.wal.spare_bytes += found.spare_bytes;
        self.wal.checkpoint_bytes += found.checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.state.len() as u64);
        self.problems.extend(found.damages.iter().map(ToString::to_string));
    }

    /// Writes the report to standard output.
    pub(super) fn print(&mut self, json: bool) -> io::Result<()> {
        self.sound = self.problems.is_empty();
        let mut out = io::stdout().lock();
        if json {
            serde_json::to_writer_pretty(&mut out, self)?;
            return writeln!(out);
        }
        let RegistryCounts { zones, sites, devices, gateways, producers, .. } = self.registry;
        writeln!(
            out,
            "registry     {zones} zones, {sites} sites, {devices} devices, {gateways} gateways, {producers} producers"
        )?;
        let LogCounts { shards, segments, records, payload_bytes, torn_tails, .. } = self.wal;
        writeln!(
            out,
            "log          {records} records, {payload_bytes} bytes, in {segments} segments of {shards} shards; {torn_tails} torn tails"
        )?;
        for (name, table) in &self.tables {
            let TableCounts { version, files, rows, readings, bytes, files_not_listed } = table;
            writeln!(
                out,
                "{name:<12} {rows} rows, {readings} readings, {bytes} bytes, in {files} files; version {version}; {files_not_listed} files not listed"
            )?;
        }
        let DeletionCounts { ordered, erased, files_left } = self.deletions;
        if ordered > 0 {
            writeln!(
                out,
                "deletions    {ordered} ordered, {erased} gone from disk; {files_left} files of the others are left"
            )?;
        }
        let AuditChain { entries, last, hash } = &self.audit;
        if *entries > 0 {
            writeln!(out, "audit        {entries} entries, chained up to number {last}; its hash is {hash}")?;
        }
        for file in &self.set_apart {
            writeln!(out, "SET APART    {file}")?;
        }
        for problem in &self.problems {
            writeln!(out, "NOT SOUND    {problem}")?;
        }
        if self.sound {
            writeln!(out, "sound")?;
        }
        Ok(())
    }
}
