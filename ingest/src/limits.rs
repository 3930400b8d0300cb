//! How much one message, batch or answer may hold. Every limit refuses or cuts with a clear word; none is silent.

use std::time::Duration;

use zonelake_schemas::TableDef;

/// Limits of decoding. They bound the memory that an untrusted message can claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecodeLimits {
    /// Greatest frame of a QUIC stream and greatest body of an HTTP request, bytes as they cross the network.
    /// Default 16 MiB. More allows larger batches; each connection may hold one such frame in memory.
    pub frame_bytes_max: usize,
    /// Greatest sum of bytes after decompression: of all buffers of an Arrow message, or of an HTTP body.
    /// Default 64 MiB. All text columns of a batch together are bounded by it too, however their values are shared.
    pub decompressed_bytes_max: usize,
    /// Most rows of a batch. Default 131,072.
    pub batch_rows_max: usize,
    /// Most values of a batch: rows times fields of the table, whether they were sent or not. Default 8,388,608.
    /// It lowers the number of rows for tables of more than 64 fields.
    pub batch_cells_max: usize,
    /// Most devices that the rows of one batch are of. Default 65,536.
    pub batch_devices_max: usize,
    /// Most devices that one gateway may register within an hour. Default 100,000.
    pub new_devices_per_hour_max: usize,
    /// Most values in one dictionary of a stream, and most device names that a stream keeps resolved. Default 131,072.
    pub dictionary_values_max: usize,
    /// Most bytes of text in all dictionaries of a stream. Default 16 MiB.
    pub dictionary_bytes_max: usize,
    /// Longest text that can be a reading, bytes. Default 64 KiB.
    pub text_bytes_max: usize,
    /// How far a row's time may be ahead of the server's clock, microseconds. Default 5 minutes.
    pub future_us_max: i64,
    /// Most rows that one batch adds to the table `rejected` one by one. Default 65,536. What is beyond is counted, and
    /// stands there as one row for each field and reason.
    pub rejected_rows_max: usize,
    /// Most bytes of words and content that one batch adds to the table `rejected`. Default 16 MiB. Rows beyond it keep
    /// reason and position and lose words and content.
    pub rejected_bytes_max: usize,
    /// Most faulty lines that an answer over HTTP names; the others are counted. Default 16.
    pub line_errors_max: usize,
    /// Longest time that the body of an HTTP request may take to arrive. Default 30 seconds.
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
            rejected_rows_max: 65_536,
            rejected_bytes_max: 16 << 20,
            line_errors_max: 16,
            body_timeout: Duration::from_secs(30),
        }
    }
}

impl DecodeLimits {
    /// Most rows that a batch of this table may have: what `Opened` tells the gateway.
    pub fn rows_max(&self, table: &TableDef) -> usize {
        self.batch_rows_max.min(self.batch_cells_max / table.fields.len().max(1)).max(1)
    }
}
