//! Floating-point numbers as whole ones. A cast saturates at the bounds of `i64` and makes 0 of NaN.

/// The nearest whole number, halves away from zero.
#[expect(clippy::cast_possible_truncation, reason = "saturation is meant: sums of what is out of range are checked")]
pub(crate) fn round_i64(value: f64) -> i64 {
    value.round() as i64
}

/// The whole part.
#[expect(clippy::cast_possible_truncation, reason = "saturation is meant: callers bound the value before")]
pub(crate) fn trunc_i64(value: f64) -> i64 {
    value as i64
}
