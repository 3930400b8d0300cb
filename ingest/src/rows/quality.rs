//! Qualities as senders write them.

use zonelake_schemas::Quality;

/// A quality by name, status of Circular 10/2021, or OPC code in decimal digits.
pub(crate) fn quality_of_text(text: &str) -> Option<Quality> {
    Quality::from_text(text).or_else(|| quality_of_code(text.parse().ok()?))
}

/// A quality by OPC code, as any integer type carries it.
pub(crate) fn quality_of_code(code: i128) -> Option<Quality> {
    // A signed 32-bit integer shows the codes of bad qualities as negative numbers.
    let code = if (i128::from(i32::MIN)..0).contains(&code) { code + (1 << 32) } else { code };
    Quality::from_code(u32::try_from(code).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quality_is_read_by_name_status_and_code_of_any_sign() {
        assert_eq!(quality_of_text("uncertain"), Some(Quality::Uncertain));
        assert_eq!(quality_of_text("02"), Some(Quality::BadSensorFailure));
        assert_eq!(quality_of_text("192"), Some(Quality::Good));
        assert_eq!(quality_of_text("2156593152"), Some(Quality::BadDeviceFailure));
        assert_eq!(quality_of_code(i128::from(0x808C_0000_u32.cast_signed())), Some(Quality::BadSensorFailure));
        for text in ["", "ok", "7", "-1", "99999999999999999999"] {
            assert_eq!(quality_of_text(text), None, "{text}");
        }
    }
}
