//! Options of the parts, from the settings.

use std::time::Duration;

use zonelake_http::ClientTimes;
use zonelake_ingest::DecodeLimits;
use zonelake_parquet::ParquetOptions;
use zonelake_query::QueryOptions;
use zonelake_quic::{AdmissionLimits, QuicOptions, SessionOptions};
use zonelake_settings::Settings;
use zonelake_storage::{CompactionOptions, StoreOptions};

pub(crate) fn store_options(settings: &Settings) -> StoreOptions {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let shards = match settings.ingest.shards {
        0 => u16::try_from((cores / 2).clamp(1, 8)).expect("at most 8"),
        shards => shards,
    };
    StoreOptions {
        folder: settings.data.clone(),
        node: settings.node.clone(),
        shards,
        segment_bytes: settings.wal.segment_bytes,
        flush_bytes_max: settings.flush.bytes_max,
        flush_age_max: Duration::from_secs(settings.flush.age_seconds),
        live_bytes_max: settings.flush.live_bytes_max,
        log_bytes_max: settings.wal.bytes_max,
        free_bytes_min: settings.storage.free_bytes_min,
        parquet: ParquetOptions {
            row_group_rows_max: settings.flush.row_group_rows_max,
            zstd_level: settings.flush.zstd_level,
            ..ParquetOptions::default()
        },
    }
}

pub(crate) fn compaction_options(settings: &Settings) -> CompactionOptions {
    let compaction = &settings.compaction;
    CompactionOptions {
        target_bytes: compaction.target_bytes,
        files_max: compaction.files_max,
        memory_bytes_max: compaction.memory_bytes_max,
        // A statement reads the files that were the table's when it began.
        repeats_every: Duration::from_secs(compaction.repeats_seconds),
        keep_removed: Duration::from_secs(compaction.keep_seconds.max(settings.query.time_seconds_max)),
    }
}

pub(crate) fn query_options(settings: &Settings) -> QueryOptions {
    let query = &settings.query;
    let mut options = QueryOptions::new(settings.data.join("spill"));
    if query.threads > 0 {
        options.threads = query.threads;
    }
    options.memory_bytes_max = query.memory_bytes_max;
    options.spill_bytes_max = query.spill_bytes_max;
    options.time_limit = Duration::from_secs(query.time_seconds_max);
    options.running_max = query.running_max;
    options.waiting_max = query.waiting_max;
    options
}

pub(crate) fn decode_limits(settings: &Settings) -> DecodeLimits {
    DecodeLimits {
        frame_bytes_max: settings.quic.frame_bytes_max,
        decompressed_bytes_max: settings.ingest.decompressed_bytes_max,
        batch_rows_max: settings.ingest.batch_rows_max,
        batch_devices_max: settings.ingest.batch_devices_max,
        new_devices_per_hour_max: settings.ingest.new_devices_per_hour_max,
        body_timeout: Duration::from_secs(settings.http.body_seconds_max),
        future_us_max: i64::try_from(settings.ingest.future_seconds_max * 1_000_000).unwrap_or(i64::MAX),
        // The settings have been checked.
        oldest_us: settings.ingest.oldest_us().unwrap_or_default(),
        ..DecodeLimits::default()
    }
}

pub(crate) fn client_times(settings: &Settings) -> ClientTimes {
    let http = &settings.http;
    let default = ClientTimes::default();
    ClientTimes {
        idle: Duration::from_secs(http.idle_seconds),
        // Writes have the limit of their own setting, and tell their client of it: so this one comes later.
        body: default.body.max(Duration::from_secs(2 * http.body_seconds_max)),
        ..default
    }
}

pub(crate) fn quic_options(settings: &Settings) -> QuicOptions {
    let quic = &settings.quic;
    QuicOptions {
        listen: quic.listen,
        admission: AdmissionLimits {
            connections_max: quic.connections_max,
            connections_per_address_max: quic.connections_per_address_max,
            handshakes_max: quic.handshakes_max,
            handshakes_per_second_max: quic.handshakes_per_second_max,
        },
        streams_per_connection_max: quic.streams_per_connection_max,
        receive_window_bytes: quic.receive_window_bytes,
        receive_windows_bytes_max: settings.ingest.buffered_bytes_max,
        idle_timeout: Duration::from_secs(quic.idle_seconds),
        session: SessionOptions {
            decode: decode_limits(settings),
            frame_bytes_max: quic.frame_bytes_max,
            unacked_bytes_max: quic.unacked_bytes_max,
            frame_timeout: Duration::from_secs(quic.frame_seconds_max),
        },
    }
}
