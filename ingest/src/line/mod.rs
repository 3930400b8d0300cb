//! Line protocol, as InfluxDB and Telegraf write it, brought to the columns of a table:
//!
//! ```text
//! environment,device=kk-01,zone=vung-ang pm2_5=21.53,temperature=31.2 1735689600000000000
//! ```
//!
//! The measurement is the table. The tag `device` (or a string field of that name) is required; `quality`, `province`,
//! `zone` and `site` are the columns of these names; any other tag is a text field. The timestamp stands at the end, in
//! nanoseconds unless the precision says otherwise; without one, the time is the server's. Comments begin with `#`.
//!
//! - [`parse`]: lines to names and values, without meaning
//! - [`table_rows`]: lines of one table to columns
//! - [`decoder`]: the decoder of a stream of lines for one table
//! - [`sent_line`]: what was sent, for the table `rejected`

pub(crate) mod decoder;
pub(crate) mod parse;
pub(crate) mod sent_line;
pub(crate) mod table_rows;

pub use decoder::LineDecoder;

/// Unit of the timestamps in lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Precision {
    /// Nanoseconds; the default, and that of every line on QUIC.
    #[default]
    Nanoseconds,
    /// Microseconds.
    Microseconds,
    /// Milliseconds.
    Milliseconds,
    /// Seconds.
    Seconds,
    /// Minutes.
    Minutes,
    /// Hours.
    Hours,
}

impl Precision {
    /// An instant of this unit in microseconds since 1970; parts of one are cut off towards the past. `None` where 64
    /// bits do not hold it.
    pub fn to_us(self, value: i64) -> Option<i64> {
        match self {
            Self::Nanoseconds => Some(value.div_euclid(1_000)),
            Self::Microseconds => Some(value),
            Self::Milliseconds => value.checked_mul(1_000),
            Self::Seconds => value.checked_mul(1_000_000),
            Self::Minutes => value.checked_mul(60_000_000),
            Self::Hours => value.checked_mul(3_600_000_000),
        }
    }
}
