//! Rules for names and codes.

use crate::error::RegistryError;

/// Bytes of the name of a device, gateway or producer.
pub const NAME_BYTES_MAX: usize = 128;
/// Bytes of the code of a province, zone or site.
pub(crate) const CODE_BYTES_MAX: usize = 63;

/// True for a name that a device may have: 1 to 128 bytes of UTF-8 without control characters.
pub fn device_name_is_valid(name: &str) -> bool {
    (1..=NAME_BYTES_MAX).contains(&name.len()) && !name.chars().any(char::is_control)
}

/// Refuses a name that no device, gateway or producer may have.
pub(crate) fn check_name(what: &'static str, name: &str) -> Result<(), RegistryError> {
    if device_name_is_valid(name) {
        return Ok(());
    }
    Err(RegistryError::Invalid {
        what,
        // The message must not be as long as the name that someone has sent.
        name: name.chars().take(NAME_BYTES_MAX).collect(),
        why: "a name has 1 to 128 bytes and no control characters",
    })
}

/// Refuses a code that no province, zone or site may have.
pub(crate) fn check_code(what: &'static str, code: &str) -> Result<(), RegistryError> {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if (1..=CODE_BYTES_MAX).contains(&code.len()) && code.bytes().all(allowed) {
        return Ok(());
    }
    Err(RegistryError::Invalid {
        what,
        name: code.chars().take(NAME_BYTES_MAX).collect(),
        why: "a code has 1 to 63 characters of a to z, 0 to 9 and -",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_name_has_1_to_128_bytes_and_no_control_characters() {
        for good in ["a", "Trạm quan trắc 1", "PM2,5 \"x\" = /\\", &"x".repeat(128)] {
            assert!(device_name_is_valid(good), "{good:?}");
        }
        for bad in ["", "a\nb", "tab\t", "\u{7f}", "\u{85}", &"x".repeat(129), &"ạ".repeat(43)] {
            assert!(!device_name_is_valid(bad), "{bad:?}");
        }
    }

    #[test]
    fn a_code_is_of_lower_case_letters_digits_and_hyphens() {
        assert!(check_code("zone", "vung-ang-1").is_ok());
        for bad in ["", "Vung", "vũng", "a b", "a_b", &"x".repeat(64)] {
            assert!(check_code("zone", bad).is_err(), "{bad:?}");
        }
    }
}
