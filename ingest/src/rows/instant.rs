//! Instants of any unit in microseconds since 1970.

use arrow::datatypes::TimeUnit;
use zonelake_schemas::INSTANTS_US;

/// An instant in microseconds; parts of one are cut off towards the past. `None` where 64 bits do not hold it.
pub(crate) fn to_us(value: i64, unit: TimeUnit) -> Option<i64> {
    match unit {
        TimeUnit::Second => value.checked_mul(1_000_000),
        TimeUnit::Millisecond => value.checked_mul(1_000),
        TimeUnit::Microsecond => Some(value),
        TimeUnit::Nanosecond => Some(value.div_euclid(1_000)),
    }
}

/// An instant of a field, in microseconds. `None` where it is none that can be stored.
pub(crate) fn to_stored_us(us: Option<i64>) -> Option<i64> {
    us.filter(|us| INSTANTS_US.contains(us))
}
