//! What a link does, and so how batches are cut and compressed for it. A batch is the unit that is sent again when a link breaks, and an acknowledgement is
//! what shows progress: on a slow link both have to be small.

use zonelake_gateway::Compression;

/// Compression for a link that takes so many bytes in a second.
pub(crate) fn compression(bytes_per_second: Option<u64>) -> Compression {
    match bytes_per_second {
        Some(rate) if rate < FAST => Compression::Zstd,
        _ => Compression::None,
    }
}

/// Rows of a batch for a link that takes so many bytes in a second, of a source with so many bytes and rows; at most `rows_max`.
pub(crate) fn batch_rows(bytes_per_second: Option<u64>, source_bytes: Option<u64>, rows: u64, rows_max: u64) -> u64 {
    let (Some(rate), Some(bytes), true) = (bytes_per_second, source_bytes, rows > 0) else { return rows_max };
    if rate >= FAST {
        return rows_max;
    }
    let row_bytes = bytes.div_ceil(rows).max(1);
    (rate.saturating_mul(BATCH_SECONDS * COMPRESSED) / row_bytes)
        .clamp(BATCH_ROWS_MIN, rows_max.max(BATCH_ROWS_MIN))
        .min(rows_max)
}

/// Bytes in a second of a link for which compression is more work than it saves.
const FAST: u64 = 4 << 20;
/// Seconds that a batch may take on the way.
const BATCH_SECONDS: u64 = 5;
/// How many bytes of a text become one of a compressed batch, about.
const COMPRESSED: u64 = 4;
/// Rows below which a batch has more head than rows.
const BATCH_ROWS_MIN: u64 = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_link_has_small_batches_that_are_compressed_and_a_fast_one_neither() {
        let at = |rate| (compression(rate), batch_rows(rate, Some(1_000_000), 10_000, 8_192));
        assert_eq!(at(None), (Compression::None, 8_192));
        assert_eq!(at(Some(100 << 20)), (Compression::None, 8_192));
        assert_eq!(at(Some(1 << 20)), (Compression::Zstd, 8_192));
        // 24 kbit/s: 3,000 bytes a second, 100 bytes a row.
        assert_eq!(at(Some(3_000)), (Compression::Zstd, 600));
        assert_eq!(at(Some(10)), (Compression::Zstd, 256));
        assert_eq!(batch_rows(Some(10), Some(1_000), 10, 100), 100, "never more than may be");
        assert_eq!(batch_rows(Some(3_000), None, 10_000, 8_192), 8_192, "a source of unknown length");
    }
}
