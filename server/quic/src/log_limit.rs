//! What strangers and gateways cause in the server log, within limits: lines of a second, and the length of a text.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Limits of the two kinds of lines. They are apart, so that strangers cannot push out what is said of gateways.
#[derive(Debug)]
pub(crate) struct LogLimits {
    /// Lines caused by connections without a valid token.
    pub(crate) strangers: LogLimit,
    /// Lines caused by gateways.
    pub(crate) gateways: LogLimit,
}

/// Limit of the lines of one kind within a second.
#[derive(Debug)]
pub(crate) struct LogLimit {
    lines_max: u32,
    second: Mutex<Second>,
}

#[derive(Debug, Default)]
struct Second {
    began: Duration,
    lines: u32,
    left_out: u64,
}

impl Default for LogLimits {
    fn default() -> Self {
        Self { strangers: LogLimit::new(STRANGERS_LINES_MAX), gateways: LogLimit::new(GATEWAYS_LINES_MAX) }
    }
}

impl LogLimit {
    fn new(lines_max: u32) -> Self {
        Self { lines_max, second: Mutex::default() }
    }

    /// Asks for a line at monotonic time `now`. Where it may be written, the value counts the lines that were left out
    /// before it.
    pub(crate) fn allow(&self, now: Duration) -> Option<u64> {
        let mut second = self.second.lock().unwrap_or_else(PoisonError::into_inner);
        if now.saturating_sub(second.began) >= Duration::from_secs(1) {
            second.began = now;
            second.lines = 0;
        }
        if second.lines >= self.lines_max {
            second.left_out += 1;
            return None;
        }
        second.lines += 1;
        Some(std::mem::take(&mut second.left_out))
    }
}

/// A text that was sent, as it may be shown: without control characters, and cut to so many bytes.
pub(crate) fn shown(text: &str, bytes_max: usize) -> String {
    let mut shown = String::new();
    for c in text.chars() {
        let before = shown.len();
        match c.is_control() {
            true => shown.extend(c.escape_default()),
            false => shown.push(c),
        }
        if shown.len() > bytes_max {
            shown.truncate(before);
            shown.push('…');
            break;
        }
    }
    shown
}

/// Lines that strangers cause in a second.
const STRANGERS_LINES_MAX: u32 = 10;
/// Lines that gateways cause in a second.
const GATEWAYS_LINES_MAX: u32 = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_beyond_those_of_a_second_are_left_out_and_counted_by_the_next_one() {
        let limit = LogLimit::new(3);
        let at = Duration::from_millis;
        let written = (0..10).filter(|n| limit.allow(at(5_000 + n)).is_some()).count();
        assert_eq!(written, 3);
        assert_eq!(limit.allow(at(5_999)), None);
        assert_eq!(limit.allow(at(6_000)), Some(8));
        assert_eq!(limit.allow(at(6_001)), Some(0));
    }

    #[test]
    fn a_text_is_cut_between_its_letters_and_shows_no_control_characters() {
        assert_eq!(shown("energy", 128), "energy");
        assert_eq!(shown("a\u{1b}[2J\rb", 128), "a\\u{1b}[2J\\rb");
        assert_eq!(shown(&"é".repeat(100), 5), "éé…");
        assert!(shown(&"\0".repeat(60_000), 128).len() <= 128 + "…".len());
    }
}
