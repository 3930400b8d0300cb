//! Bounds of the settings. They are checked together at the start, before anything is opened.

use std::fmt::Display;
use std::ops::RangeInclusive;

use crate::error::SettingsError;
use crate::keys::Settings;

impl Settings {
    /// Checks every bound; the first that does not hold is the error.
    pub(crate) fn check(&self) -> Result<(), SettingsError> {
        self.check_names()?;
        self.check_quic()?;
        self.check_http()?;
        self.check_postgres()?;
        self.check_ingest()?;
        self.check_storage()?;
        self.check_query()
    }

    fn check_names(&self) -> Result<(), SettingsError> {
        let letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if !(1..=63).contains(&self.node.len()) || !self.node.chars().all(letter) {
            return refuse("node", format!("is {:?}; 1 to 63 characters of a-z, 0-9 and - are possible", self.node));
        }
        if self.data.as_os_str().is_empty() {
            return refuse("data", "is empty; it names a folder".into());
        }
        if let Err(error) = self.log.level.parse::<tracing_subscriber::EnvFilter>() {
            return refuse("log.level", format!("is {:?}: {error}", self.log.level));
        }
        Ok(())
    }

    fn check_quic(&self) -> Result<(), SettingsError> {
        let quic = &self.quic;
        if quic.certificate.is_some() != quic.key.is_some() {
            return refuse("quic.certificate", "and quic.key go together: set both or none".into());
        }
        if quic.names.len() > NAMES_MAX {
            return refuse("quic.names", format!("has {} names; at most {NAMES_MAX} are possible", quic.names.len()));
        }
        within("quic.connections_max", quic.connections_max, 1..=100_000)?;
        within("quic.connections_per_address_max", quic.connections_per_address_max, 1..=100_000)?;
        within("quic.streams_per_connection_max", quic.streams_per_connection_max, 1..=1_000)?;
        within("quic.handshakes_max", quic.handshakes_max, 4..=100_000)?;
        within("quic.handshakes_per_second_max", quic.handshakes_per_second_max, 1..=100_000)?;
        within("quic.receive_window_bytes", quic.receive_window_bytes, 65_536..=16 << 20)?;
        within("quic.idle_seconds", quic.idle_seconds, 1..=600)?;
        let frame = quic.frame_bytes_max;
        within("quic.frame_bytes_max", frame, 65_536..=64 << 20)?;
        within("quic.unacked_bytes_max", quic.unacked_bytes_max, frame..=32 * frame)?;
        within("quic.frame_seconds_max", quic.frame_seconds_max, 1..=600)
    }

    fn check_http(&self) -> Result<(), SettingsError> {
        let http = &self.http;
        if http.certificate.is_some() != http.key.is_some() {
            return refuse("http.certificate", "and http.key go together: set both or none".into());
        }
        if http.certificate.is_none() && !http.plain_beyond_loopback && !http.listen.ip().is_loopback() {
            let what = format!(
                "is {}, which other machines reach, and there is no http.certificate: passwords would cross the network \
                 readable. Set http.certificate and http.key, or http.plain_beyond_loopback where a proxy does the TLS",
                http.listen
            );
            return refuse("http.listen", what);
        }
        within("http.connections_max", http.connections_max, 1..=100_000)?;
        within("http.connections_per_address_max", http.connections_per_address_max, 1..=100_000)?;
        within("http.body_bytes_max", http.body_bytes_max, 1_024..=1 << 30)?;
        within("http.idle_seconds", http.idle_seconds, 1..=3_600)?;
        within("http.body_seconds_max", http.body_seconds_max, 1..=600)?;
        within("http.idempotency_keys_max", http.idempotency_keys_max, 1..=100_000)?;
        within("http.idempotency_seconds", http.idempotency_seconds, 60..=2_592_000)?;
        within("http.live_streams_max", http.live_streams_max, 1..=100_000)?;
        check_origins(&http.cors_origins)
    }

    fn check_postgres(&self) -> Result<(), SettingsError> {
        let postgres = &self.postgres;
        if postgres.certificate.is_some() != postgres.key.is_some() {
            return refuse("postgres.certificate", "and postgres.key go together: set both or none".into());
        }
        if postgres.certificate.is_none() && !postgres.plain_beyond_loopback && !postgres.listen.ip().is_loopback() {
            let what = format!(
                "is {}, which other machines reach, and there is no postgres.certificate: rows would cross the network \
                 readable. Set postgres.certificate and postgres.key, or postgres.plain_beyond_loopback",
                postgres.listen
            );
            return refuse("postgres.listen", what);
        }
        within("postgres.connections_max", postgres.connections_max, 1..=100_000)?;
        within("postgres.connections_per_address_max", postgres.connections_per_address_max, 1..=100_000)?;
        within("postgres.startup_seconds_max", postgres.startup_seconds_max, 1..=600)
    }

    fn check_ingest(&self) -> Result<(), SettingsError> {
        let ingest = &self.ingest;
        within("ingest.shards", ingest.shards, 0..=256)?;
        let frames = 4 * self.quic.frame_bytes_max as u64;
        at_least("ingest.buffered_bytes_max", ingest.buffered_bytes_max, frames, "4 times quic.frame_bytes_max")?;
        within("ingest.group_bytes_max", ingest.group_bytes_max, 65_536..=64 << 20)?;
        within("ingest.batch_rows_max", ingest.batch_rows_max, 1..=1_000_000)?;
        within("ingest.batch_devices_max", ingest.batch_devices_max, 1..=1_000_000)?;
        within("ingest.new_devices_per_hour_max", ingest.new_devices_per_hour_max, 1..=1_000_000)?;
        within("ingest.decompressed_bytes_max", ingest.decompressed_bytes_max, 65_536..=64 << 20)?;
        within("ingest.future_seconds_max", ingest.future_seconds_max, 0..=31_536_000)?;
        if ingest.oldest_us().is_none() {
            let what = format!("is {:?}; a date from 1970-01-01 to 9999-12-31 is possible", ingest.oldest_date);
            return refuse("ingest.oldest_date", what);
        }
        Ok(())
    }

    fn check_storage(&self) -> Result<(), SettingsError> {
        let (wal, flush) = (&self.wal, &self.flush);
        within("wal.segment_bytes", wal.segment_bytes, 1 << 20..=4 << 30)?;
        at_least("wal.bytes_max", wal.bytes_max, 2 * wal.segment_bytes, "twice wal.segment_bytes")?;
        within("flush.bytes_max", flush.bytes_max, 1 << 20..=16 << 30)?;
        at_least("flush.live_bytes_max", flush.live_bytes_max, 2 * flush.bytes_max, "twice flush.bytes_max")?;
        within("flush.age_seconds", flush.age_seconds, 1..=86_400)?;
        within("flush.row_group_rows_max", flush.row_group_rows_max, 8_192..=4_194_304)?;
        within("flush.zstd_level", flush.zstd_level, 1..=22)?;
        let compaction = &self.compaction;
        within("compaction.target_bytes", compaction.target_bytes, 1 << 20..=4 << 30)?;
        within("compaction.files_max", compaction.files_max, 2..=1_000)?;
        within("compaction.memory_bytes_max", compaction.memory_bytes_max, 32 << 20..=16 << 30)?;
        within("compaction.repeats_seconds", compaction.repeats_seconds, 1..=86_400)?;
        within("compaction.keep_seconds", compaction.keep_seconds, 0..=2_592_000)
    }

    fn check_query(&self) -> Result<(), SettingsError> {
        let query = &self.query;
        within("query.threads", query.threads, 0..=1_024)?;
        at_least("query.memory_bytes_max", query.memory_bytes_max, 16 << 20, "16 MiB")?;
        within("query.time_seconds_max", query.time_seconds_max, 1..=86_400)?;
        within("query.running_max", query.running_max, 1..=1_024)?;
        within("query.waiting_max", query.waiting_max, 0..=65_536)
    }
}

/// Names of a certificate that is made here.
const NAMES_MAX: usize = 64;

/// Refuses what no browser sends as an origin, and hence would allow nobody.
fn check_origins(origins: &[String]) -> Result<(), SettingsError> {
    if origins.len() > NAMES_MAX {
        return refuse("http.cors_origins", format!("has {} origins; at most {NAMES_MAX} are possible", origins.len()));
    }
    let is_origin = |origin: &str| {
        let host = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
        host.is_some_and(|host| {
            !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte))
        })
    };
    match origins.iter().find(|origin| !is_origin(origin)) {
        Some(origin) => refuse(
            "http.cors_origins",
            format!(
                "has {origin:?}; an origin is a scheme and a host, as https://hmi.example.vn or http://10.0.0.7:8080"
            ),
        ),
        None => Ok(()),
    }
}

fn within<T: PartialOrd + Display + Copy>(
    key: &'static str,
    value: T,
    bounds: RangeInclusive<T>,
) -> Result<(), SettingsError> {
    if bounds.contains(&value) {
        return Ok(());
    }
    refuse(key, format!("is {value}; {} to {} is possible", bounds.start(), bounds.end()))
}

fn at_least<T: PartialOrd + Display>(key: &'static str, value: T, least: T, words: &str) -> Result<(), SettingsError> {
    if value >= least {
        return Ok(());
    }
    refuse(key, format!("is {value}; at least {least} ({words}) is needed"))
}

fn refuse(key: &'static str, what: String) -> Result<(), SettingsError> {
    let variable = format!("ZONELAKE_{}", key.replace('.', "_").to_uppercase());
    Err(SettingsError::OutOfBounds { key, variable, what })
}
