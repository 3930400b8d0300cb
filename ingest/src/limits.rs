//! Limits of one message, batch or response. Every limit refuses or cuts with a clear message; none is silent.

use std::time::Duration;

use zonelake_schemas::TableDef;

/// Limits of decoding. They bound the memory that an untrusted message can claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecodeLimits {
    /// Maximum frame of a QUIC stream and maximum body of an HTTP request, bytes as they cross the network.
    /// Default 16 MiB. More allows larger batches; each connection may hold one such frame in memory.
    pub frame_bytes_max: usize,
    /// Maximum sum of bytes after decompression: of all buffers of an Arrow message, or of an HTTP body.
    /// Default 64 MiB. All text columns of a batch together are bounded by it too, however their values are shared.
    pub decompressed_bytes_max: usize,
    /// Maximum number of rows of a batch. Default 131,072.
    pub batch_rows_max: usize,
    /// Maximum number of values of a batch: rows times fields of the table, whether they were sent or not. Default
    /// 8,388,608. Tables of more than 64 fields have fewer rows in a batch because of it.
    pub batch_cells_max: usize,
    /// Maximum number of devices that the rows of one batch are of. Default 65,536.
    pub batch_devices_max: usize,
    /// Maximum number of devices that one gateway may register within an hour. Default 100,000.
    pub new_devices_per_hour_max: usize,
    /// Maximum number of values in one dictionary of a stream, and of device names that a stream keeps resolved.
    /// Default 131,072.
    pub dictionary_values_max: usize,
    /// Maximum number of bytes of text in all dictionaries of a stream. Default 16 MiB.
    pub dictionary_bytes_max: usize,
    /// Maximum length of a text reading, bytes. Default 64 KiB.
    pub text_bytes_max: usize,
    /// Maximum lead of a row's time over the server's clock, microseconds. Default 5 minutes.
    pub future_us_max: i64,
    /// Earliest time of a row, microseconds since 1970, UTC. Default 0: 1970.
    pub oldest_us: i64,
    /// Maximum number of rejected rows and readings of one batch. Default 262,144, twice the rows of the largest batch. A
    /// batch with more is refused whole.
    pub rejected_rows_max: usize,
    /// Maximum number of bytes of messages and content that one batch adds to the table `rejected`. Default 64 MiB. A
    /// batch with more is refused whole.
    pub rejected_bytes_max: usize,
    /// Maximum number of faulty lines that a response over HTTP names; the others are counted. Default 16.
    pub line_errors_max: usize,
    /// Maximum time for the body of an HTTP request to arrive. Default 30 seconds.
    pub body_timeout: Duration,
}

impl Default for DecodeLimits {
    fn default() -> Self {
        Self {
            frame_bytes_max: 16 << 20,
            decompressed_bytes_max: 64 << 20,
            batch_rows_max: 131_072,
            batch_cells_max: 8_388_608,
            batch_devices_max: 65_536,
            new_devices_per_hour_max: 100_000,
            dictionary_values_max: 131_072,
            dictionary_bytes_max: 16 << 20,
            text_bytes_max: 64 << 10,
            future_us_max: 300_000_000,
            oldest_us: 0,
            rejected_rows_max: 262_144,
            rejected_bytes_max: 64 << 20,
            line_errors_max: 16,
            body_timeout: Duration::from_secs(30),
        }
    }
}

impl DecodeLimits {
    /// Maximum number of rows of a batch of this table, as `Opened` tells the gateway.
    pub fn rows_max(&self, table: &TableDef) -> usize {
        self.batch_rows_max.min(self.batch_cells_max / table.fields.len().max(1)).max(1)
    }
}
