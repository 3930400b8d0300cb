//! Keys of the settings: their types, environment variables and defaults. The doc comment of each is what `zonelake config` prints.

#![expect(unused_qualifications, reason = "the derive of confique writes whole paths")]

use std::net::SocketAddr;
use std::path::PathBuf;

use confique::Config;

/// Settings of Zonelake. Every key is commented out at its default; remove the "#" in front of a key to set it.
/// An environment variable goes before this file. Sizes are bytes, times are seconds. A key that does not exist, or a value
/// out of its bounds, stops the start with a message that names it.
#[derive(Debug, Clone, Config)]
#[config(layer_attr(serde(deny_unknown_fields)))]
pub struct Settings {
    /// Folder of everything that is kept: registry, write-ahead log, tables, certificates. Made where it is missing.
    /// One server at a time may use it. A local file system only: durability rests on its fsync.
    #[config(env = "ZONELAKE_DATA", default = "./zonelake-data")]
    pub data: PathBuf,

    /// Name of this node, 1 to 63 characters of a-z, 0-9 and "-". It stands in every Delta commit, where it keeps a crash from
    /// repeating rows: a data folder keeps the name of its first start, and another one is refused.
    #[config(env = "ZONELAKE_NODE", default = "node-1")]
    pub node: String,

    /// Folder of the operator's own table declarations, one TOML file a table: new tables, and fields added to
    /// given ones. Not set: the six built-in tables only.
    #[config(env = "ZONELAKE_TABLES")]
    pub tables: Option<PathBuf>,

    /// Folder of the files of scheduled reports, made where it is missing. Not set: `reports` within the data folder.
    #[config(env = "ZONELAKE_REPORTS")]
    pub reports: Option<PathBuf>,

    /// What the server writes to standard error.
    #[config(nested)]
    pub log: LogSettings,
    /// The interface of the gateways: QUIC, UDP.
    #[config(nested)]
    pub quic: QuicSettings,
    /// The interface of SQL, line protocol, health and metrics: HTTP, TCP.
    #[config(nested)]
    pub http: HttpSettings,
    /// The interface of PostgreSQL's clients: TCP.
    #[config(nested)]
    pub postgres: PostgresSettings,
    /// What happens to a batch between its arrival and its acknowledgement.
    #[config(nested)]
    pub ingest: IngestSettings,
    /// The disk.
    #[config(nested)]
    pub storage: StorageSettings,
    /// The write-ahead log: what is durable and not yet in a Parquet file.
    #[config(nested)]
    pub wal: WalSettings,
    /// From memory to Parquet.
    #[config(nested)]
    pub flush: FlushSettings,
    /// Small files into large ones.
    #[config(nested)]
    pub compaction: CompactionSettings,

    /// SQL.
    #[config(nested)]
    pub query: QuerySettings,
}

/// Section `log`.
#[derive(Debug, Clone, Config)]
#[config(layer_attr(serde(deny_unknown_fields)))]
pub struct LogSettings {
    /// Least level: error, warn, info, debug or trace, for all parts or by module, as in "warn,zonelake=info,zonelake_ingest=debug".
    /// The default shows our own lines, and of libraries what they warn of. ERROR means lost data or an operator's action; debug
    /// costs throughput.
    #[config(env = "ZONELAKE_LOG_LEVEL", default = "warn,zonelake=info")]
    pub level: String,
}

/// Section `quic`.
#[derive(Debug, Clone, Config)]
#[config(layer_attr(serde(deny_unknown_fields)))]
pub struct QuicSettings {
    /// Address and UDP port. The default reaches this machine only; "0.0.0.0:7420" opens it to the network.
    /// Port 0 takes a free one.
    #[config(env = "ZONELAKE_QUIC_LISTEN", default = "127.0.0.1:7420")]
    pub listen: SocketAddr,

    /// Certificate chain, PEM. Set together with key. Not set: a certificate is made once, in tls/ of the data folder, and
    /// gateways are given tls/cert.pem to trust.
    #[config(env = "ZONELAKE_QUIC_CERTIFICATE")]
    pub certificate: Option<PathBuf>,

    /// Private key of the certificate, PEM.
    #[config(env = "ZONELAKE_QUIC_KEY")]
    pub key: Option<PathBuf>,

    /// Names and addresses that a certificate made here is for, next to localhost, 127.0.0.1 and ::1. At most 64. Without
    /// effect on a certificate that exists.
    #[config(env = "ZONELAKE_QUIC_NAMES", parse_env = names_from_env, default = [])]
    pub names: Vec<String>,

    /// Connections at once, 1 to 100,000. Each takes about 70 kB with its stream, and up to unacked_bytes_max of ingest.buffered_bytes_max.
    #[config(env = "ZONELAKE_QUIC_CONNECTIONS_MAX", default = 4_096)]
    pub connections_max: usize,

    /// Connections at once from one address, 1 to 100,000. Many gateways behind one address translation need more.
    #[config(env = "ZONELAKE_QUIC_CONNECTIONS_PER_ADDRESS_MAX", default = 256)]
    pub connections_per_address_max: usize,

    /// Streams at once on a connection, 1 to 1,000: tables times two lanes, as a rule.
    #[config(env = "ZONELAKE_QUIC_STREAMS_PER_CONNECTION_MAX", default = 32)]
    pub streams_per_connection_max: u32,

    /// Handshakes in flight, 4 to 100,000. A quarter of them may be with addresses that are not validated; beyond that a sender must
    /// first return a token that was sent to its address, so that forged addresses take no slots.
    #[config(env = "ZONELAKE_QUIC_HANDSHAKES_MAX", default = 256)]
    pub handshakes_max: usize,

    /// Handshakes that may begin within a second, 1 to 100,000: from one validated address, and from all others together. A
    /// handshake takes about half a millisecond of one core. Fewer leave more to others; after a restart all gateways come back at once.
    #[config(env = "ZONELAKE_QUIC_HANDSHAKES_PER_SECOND_MAX", default = 128)]
    pub handshakes_per_second_max: u32,

    /// Seconds without a sign of life before a connection is closed, 1 to 600; gateways may ask for less. Longer bridges outages of a
    /// network; shorter frees the slot of a gateway that is gone.
    #[config(env = "ZONELAKE_QUIC_IDLE_SECONDS", default = 10)]
    pub idle_seconds: u64,

    /// Bytes of a frame, hence of a batch as it crosses the network, 65,536 to 67,108,864. Larger frames compress better and
    /// wait longer.
    #[config(env = "ZONELAKE_QUIC_FRAME_BYTES_MAX", default = 16_777_216)]
    pub frame_bytes_max: usize,

    /// Bytes that one connection may have sent ahead of their acknowledgement, 1 to 32 times frame_bytes_max. More lets a distant
    /// gateway send faster; it is memory that each sender may take.
    #[config(env = "ZONELAKE_QUIC_UNACKED_BYTES_MAX", default = 33_554_432)]
    pub unacked_bytes_max: usize,

    /// Bytes that one connection may have in flight and unread, 65,536 to 16,777,216: enough for bandwidth times delay of a link; a stream
    /// of it may have a quarter. All connections together have ingest.buffered_bytes_max, of which those without a token reserve half at
    /// most; further ones, and unauthenticated ones, have 65,536 each.
    #[config(env = "ZONELAKE_QUIC_RECEIVE_WINDOW_BYTES", default = 2_097_152)]
    pub receive_window_bytes: u32,

    /// Seconds for 4 KiB of a frame, or what is left of it, to arrive once it has begun, and for 4 KiB of what the server writes to be read,
    /// 1 to 600. Who is slower is refused or closed: it would hold capacity among the bytes in flight. A connection that is not
    /// authenticated after twice this time is closed.
    #[config(env = "ZONELAKE_QUIC_FRAME_SECONDS_MAX", default = 30)]
    pub frame_seconds_max: u64,
}

/// Section `http`.
#[derive(Debug, Clone, Config)]
#[config(layer_attr(serde(deny_unknown_fields)))]
pub struct HttpSettings {
    /// Address and TCP port. Port 0 takes a free one.
    #[config(env = "ZONELAKE_HTTP_LISTEN", default = "127.0.0.1:7421")]
    pub listen: SocketAddr,

    /// Certificate chain, PEM. Set together with key; then HTTPS is spoken, and nothing else.
    #[config(env = "ZONELAKE_HTTP_CERTIFICATE")]
    pub certificate: Option<PathBuf>,

    /// Private key of the certificate, PEM.
    #[config(env = "ZONELAKE_HTTP_KEY")]
    pub key: Option<PathBuf>,

    /// Whether to speak plain HTTP beyond this machine. Passwords and tokens then cross the network readable: only behind a
    /// proxy that does the TLS. Without it, an address beyond this machine needs a certificate.
    #[config(env = "ZONELAKE_HTTP_PLAIN_BEYOND_LOOPBACK", default = false)]
    pub plain_beyond_loopback: bool,

    /// Connections at once, 1 to 100,000; further ones are told to retry (503), except for /health, /ready and /metrics. A quarter of
    /// them is kept for addresses from which somebody has shown a valid password or token.
    #[config(env = "ZONELAKE_HTTP_CONNECTIONS_MAX", default = 256)]
    pub connections_max: usize,

    /// Connections at once from one address, or from one /64 of IPv6, 1 to 100,000; further ones are told to retry (503). Many clients
    /// behind a proxy or an address translation need more.
    #[config(env = "ZONELAKE_HTTP_CONNECTIONS_PER_ADDRESS_MAX", default = 128)]
    pub connections_per_address_max: usize,

    /// Bytes of a request's body as it crosses the network, 1,024 to 1,073,741,824. After decompression ingest.decompressed_bytes_max
    /// holds.
    #[config(env = "ZONELAKE_HTTP_BODY_BYTES_MAX", default = 33_554_432)]
    pub body_bytes_max: usize,

    /// Seconds that a connection may be without a request, 1 to 3,600, and that a client may take nothing of a response; then it is
    /// closed. A first byte must come within 10 seconds, and the first request within 30.
    #[config(env = "ZONELAKE_HTTP_IDLE_SECONDS", default = 60)]
    pub idle_seconds: u64,

    /// Seconds within which another 65,536 bytes of a write's body must arrive, or its end, 1 to 600; else it is refused (408).
    #[config(env = "ZONELAKE_HTTP_BODY_SECONDS_MAX", default = 30)]
    pub body_seconds_max: u64,

    /// Idempotency keys that are remembered for each gateway, 1 to 100,000. Beyond it the oldest are forgotten, and a request that is
    /// repeated under a forgotten key is stored again. Each takes about 50 bytes of memory and in the checkpoint of the WAL.
    #[config(env = "ZONELAKE_HTTP_IDEMPOTENCY_KEYS_MAX", default = 10_000)]
    pub idempotency_keys_max: usize,

    /// Seconds for which an idempotency key is remembered, 60 to 2,592,000.
    #[config(env = "ZONELAKE_HTTP_IDEMPOTENCY_SECONDS", default = 86_400)]
    pub idempotency_seconds: u64,

    /// Clients that follow changes of /api/v1/live at once, as streams or with "wait", 1 to 100,000; further ones are told to retry
    /// (503). A role may have three quarters of them. The connection of each counts among connections_max.
    #[config(env = "ZONELAKE_HTTP_LIVE_STREAMS_MAX", default = 2_048)]
    pub live_streams_max: usize,

    /// Origins whose pages may read answers of SQL and /api/v1/live in a browser (CORS): scheme, host, and port where it is not the usual. At most 64; there is
    /// no pattern. Not set: none but the server's own.
    #[config(env = "ZONELAKE_HTTP_CORS_ORIGINS", parse_env = names_from_env, default = [])]
    pub cors_origins: Vec<String>,
}

/// Section `postgres`.
#[derive(Debug, Clone, Config)]
#[config(layer_attr(serde(deny_unknown_fields)))]
pub struct PostgresSettings {
    /// Address and TCP port. Port 0 takes a free one.
    #[config(env = "ZONELAKE_POSTGRES_LISTEN", default = "127.0.0.1:7422")]
    pub listen: SocketAddr,

    /// Certificate chain, PEM. Set together with key; then clients of other machines must use TLS, and those of this one may.
    #[config(env = "ZONELAKE_POSTGRES_CERTIFICATE")]
    pub certificate: Option<PathBuf>,

    /// Private key of the certificate, PEM.
    #[config(env = "ZONELAKE_POSTGRES_KEY")]
    pub key: Option<PathBuf>,

    /// Clients of other machines may do without TLS. Rows then cross the network readable; passwords do not, but an attacker who
    /// changes what crosses it can read and send what it likes. Without it, an address beyond this machine needs a certificate.
    #[config(env = "ZONELAKE_POSTGRES_PLAIN_BEYOND_LOOPBACK", default = false)]
    pub plain_beyond_loopback: bool,

    /// Connections at once, 1 to 100,000; further ones are refused ("too many clients"). Each takes about 100 kB, and more while
    /// rows are on their way.
    #[config(env = "ZONELAKE_POSTGRES_CONNECTIONS_MAX", default = 256)]
    pub connections_max: usize,

    /// Connections at once from one address, 1 to 100,000; further ones are refused.
    #[config(env = "ZONELAKE_POSTGRES_CONNECTIONS_PER_ADDRESS_MAX", default = 128)]
    pub connections_per_address_max: usize,

    /// Seconds in which a client must be authenticated, 1 to 600. Slower ones are closed.
    #[config(env = "ZONELAKE_POSTGRES_STARTUP_SECONDS_MAX", default = 30)]
    pub startup_seconds_max: u64,
}

/// Section `ingest`.
#[derive(Debug, Clone, Config)]
#[config(layer_attr(serde(deny_unknown_fields)))]
pub struct IngestSettings {
    /// Shards, 1 to 256: writer threads, each with its own log. 0 takes one for every two cores, 8 at most. More of them sync in
    /// parallel on fast disks and make smaller groups. May be changed between two starts.
    #[config(env = "ZONELAKE_INGEST_SHARDS", default = 0)]
    pub shards: u16,

    /// Bytes in flight over all connections and interfaces; at least 4 times quic.frame_bytes_max. One half is for frames as they cross the
    /// network, until they are decoded, the other half is for decoded batches, until they are acknowledged, and one gateway may have half of
    /// either. When a half is used up, the server stops reading and QUIC holds the senders.
    #[config(env = "ZONELAKE_INGEST_BUFFERED_BYTES_MAX", default = 268_435_456)]
    pub buffered_bytes_max: u64,

    /// Bytes that one group of batches, synced together, takes at most, 65,536 to 67,108,864. More of them make fewer syncs under
    /// load and a longer wait for each.
    #[config(env = "ZONELAKE_INGEST_GROUP_BYTES_MAX", default = 16_777_216)]
    pub group_bytes_max: u64,

    /// Rows of a batch, 1 to 1,000,000. Tables of more than 64 fields take fewer.
    #[config(env = "ZONELAKE_INGEST_BATCH_ROWS_MAX", default = 131_072)]
    pub batch_rows_max: usize,

    /// Devices of a batch, 1 to 1,000,000.
    #[config(env = "ZONELAKE_INGEST_BATCH_DEVICES_MAX", default = 65_536)]
    pub batch_devices_max: usize,

    /// Devices that one gateway may register within an hour, 1 to 1,000,000, counted since the start. Rows of further ones are
    /// rejected (unknown_device) until the hour has passed; what is known already goes on. It stops a gateway that makes up names.
    #[config(env = "ZONELAKE_INGEST_NEW_DEVICES_PER_HOUR_MAX", default = 100_000)]
    pub new_devices_per_hour_max: usize,

    /// Bytes of a batch after decompression, 65,536 to 67,108,864. It bounds what a small, well compressed frame can claim.
    #[config(env = "ZONELAKE_INGEST_DECOMPRESSED_BYTES_MAX", default = 67_108_864)]
    pub decompressed_bytes_max: usize,

    /// Seconds by which the time of a row may lie ahead of the server's clock, 0 to 31,536,000. Rows further ahead go to
    /// the table "rejected".
    #[config(env = "ZONELAKE_INGEST_FUTURE_SECONDS_MAX", default = 300)]
    pub future_seconds_max: u64,

    /// Batches are taken although the clock is behind the rows that are stored. Not set, they are refused meanwhile, since rows from now
    /// would count as rows from the future. For a server whose clock is right, and was far ahead before: rows without a time of their own
    /// have got that time then.
    #[config(env = "ZONELAKE_INGEST_CLOCK_MAY_BE_BEHIND", default = false)]
    pub clock_may_be_behind: bool,

    /// Earliest date of a row, YYYY-MM-DD in UTC, 1970-01-01 to 9999-12-31. Rows before it go to the table "rejected". Clocks that have
    /// lost their battery begin at 1970, 1980 or 2000, and seconds that were sent as nanoseconds end in 1970; earlier archives need an
    /// earlier date here.
    #[config(env = "ZONELAKE_INGEST_OLDEST_DATE", default = "2001-01-01")]
    pub oldest_date: String,
}

/// Section `storage`.
#[derive(Debug, Clone, Config)]
#[config(layer_attr(serde(deny_unknown_fields)))]
pub struct StorageSettings {
    /// Bytes that stay free on the disk of the data folder. With less than that free, batches are refused (gateways keep them and
    /// try again) while queries and flushes go on.
    #[config(env = "ZONELAKE_STORAGE_FREE_BYTES_MIN", default = 268_435_456)]
    pub free_bytes_min: u64,
}

/// Section `wal`.
#[derive(Debug, Clone, Config)]
#[config(layer_attr(serde(deny_unknown_fields)))]
pub struct WalSettings {
    /// Bytes of a segment file, 1,048,576 to 4,294,967,296. Files are allocated whole, and each shard keeps a spare one.
    #[config(env = "ZONELAKE_WAL_SEGMENT_BYTES", default = 67_108_864)]
    pub segment_bytes: u64,

    /// Bytes of one shard's WAL, at least 2 times segment_bytes. Beyond it the tables that hold its oldest segment are flushed,
    /// however few their rows. Beyond twice of it, what a table that cannot be flushed holds is set aside, and from as much again on
    /// that table is refused. More of them make a restart longer, fewer make smaller Parquet files.
    #[config(env = "ZONELAKE_WAL_BYTES_MAX", default = 1_073_741_824)]
    pub bytes_max: u64,
}

/// Section `flush`.
#[derive(Debug, Clone, Config)]
#[config(layer_attr(serde(deny_unknown_fields)))]
pub struct FlushSettings {
    /// Bytes of a table's rows in memory that start its flush, and of which one flush takes about so many, 1,048,576 to
    /// 17,179,869,184. More of them make larger, better compressed files, and take memory.
    #[config(env = "ZONELAKE_FLUSH_BYTES_MAX", default = 134_217_728)]
    pub bytes_max: usize,

    /// Bytes of a table's rows in memory, those being flushed included, at which its senders wait; at least 2 times bytes_max.
    #[config(env = "ZONELAKE_FLUSH_LIVE_BYTES_MAX", default = 536_870_912)]
    pub live_bytes_max: usize,

    /// Seconds after which rows in memory are flushed, however few, 1 to 86,400. Queries see rows at once either way; other
    /// readers of the Delta tables see them after this time. Shorter makes more and smaller files.
    #[config(env = "ZONELAKE_FLUSH_AGE_SECONDS", default = 60)]
    pub age_seconds: u64,

    /// Rows of a Parquet row group, 8,192 to 4,194,304. Larger ones compress a little better; smaller ones are skipped more often.
    #[config(env = "ZONELAKE_FLUSH_ROW_GROUP_ROWS_MAX", default = 262_144)]
    pub row_group_rows_max: usize,

    /// Level of the ZSTD compression, 1 to 22. Above 3 the gain is small and the time is not.
    #[config(env = "ZONELAKE_FLUSH_ZSTD_LEVEL", default = 1)]
    pub zstd_level: i32,
}

/// Section `compaction`.
#[derive(Debug, Clone, Config)]
#[config(layer_attr(serde(deny_unknown_fields)))]
pub struct CompactionSettings {
    /// Bytes from which a file stays as it is, 1,048,576 to 4,294,967,296. Smaller ones of one UTC date are merged into one, so that
    /// statements open few files. Larger ones are rewritten once more on their way.
    #[config(env = "ZONELAKE_COMPACTION_TARGET_BYTES", default = 268_435_456)]
    pub target_bytes: u64,

    /// Files of about one size and of one date that may stand next to each other, 2 to 1,000; with one more they are merged. Fewer
    /// make statements faster and rewrite rows more often.
    #[config(env = "ZONELAKE_COMPACTION_FILES_MAX", default = 8)]
    pub files_max: usize,

    /// Bytes of memory that a merge may take, 33,554,432 to 17,179,869,184.
    #[config(env = "ZONELAKE_COMPACTION_MEMORY_BYTES_MAX", default = 268_435_456)]
    pub memory_bytes_max: usize,

    /// Seconds for which files stay on disk after they were merged, 0 to 2,592,000, and never less than query.time_seconds_max:
    /// statements and other readers of the Delta tables that have begun before may still read them.
    #[config(env = "ZONELAKE_COMPACTION_KEEP_SECONDS", default = 3_600)]
    pub keep_seconds: u64,

    /// Seconds between two merges of one date of a table that declares on_repeat, 1 to 86,400, where its files are few and may have rows
    /// of one device and time in common. Queries see one row at any time; other readers of the Delta tables may see several for so long.
    /// Less rewrites large files more often.
    #[config(env = "ZONELAKE_COMPACTION_REPEATS_SECONDS", default = 3_600)]
    pub repeats_seconds: u64,
}

/// Section `query`.
#[derive(Debug, Clone, Config)]
#[config(layer_attr(serde(deny_unknown_fields)))]
pub struct QuerySettings {
    /// Threads that compute answers, 1 to 1,024. 0 takes one for every core. Fewer leave more of the machine to ingest.
    #[config(env = "ZONELAKE_QUERY_THREADS", default = 0)]
    pub threads: usize,

    /// Bytes of memory for sorts, joins and aggregates of all queries at once, 16,777,216 or more. Each has an equal share by
    /// running_max; beyond it a query uses the disk, or fails with a message that says so. Ingest is never touched.
    #[config(env = "ZONELAKE_QUERY_MEMORY_BYTES_MAX", default = 1_073_741_824)]
    pub memory_bytes_max: usize,

    /// Bytes of disk for intermediate results that do not fit into memory.
    #[config(env = "ZONELAKE_QUERY_SPILL_BYTES_MAX", default = 10_737_418_240u64)]
    pub spill_bytes_max: u64,

    /// Seconds that a query may take, from its arrival to its last row, 1 to 86,400.
    #[config(env = "ZONELAKE_QUERY_TIME_SECONDS_MAX", default = 60)]
    pub time_seconds_max: u64,

    /// Queries that run at once, 1 to 1,024. More of them make each one's share of memory smaller.
    #[config(env = "ZONELAKE_QUERY_RUNNING_MAX", default = 8)]
    pub running_max: usize,

    /// Queries that wait for their turn, 0 to 65,536; further ones are told to come again (429).
    #[config(env = "ZONELAKE_QUERY_WAITING_MAX", default = 64)]
    pub waiting_max: usize,
}

/// Names in an environment variable stand between commas.
fn names_from_env(text: &str) -> Result<Vec<String>, std::convert::Infallible> {
    Ok(text.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect())
}
