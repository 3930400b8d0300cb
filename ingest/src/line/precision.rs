//! The unit of the timestamps in lines.

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
