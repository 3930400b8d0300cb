//! What a condition remembers of the last minutes: sums of the values by parts of its window.
//!
//! A window is cut into [`PARTS`] parts at multiples of their length from 1970 on, so that it reaches back between 29 and 30 of
//! them, and the same values give the same windows whenever they are begun.

use std::collections::VecDeque;

/// Parts of a window.
const PARTS: i64 = 30;

/// The last values of one field of one device: at most 31 parts of 40 bytes, whatever the rate of the rows.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Window {
    parts: VecDeque<Part>,
    /// Time of the first value since none had come for the length of the window.
    begun_us: i64,
}

/// Values of one part.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Part {
    number: i64,
    count: u32,
    sum: f64,
    first_us: i64,
    first: f64,
}

impl Window {
    /// Takes a value in, and forgets what is older than the window. Values come in the order of their times.
    pub fn take(&mut self, length_us: i64, time_us: i64, value: f64) {
        let number = time_us.div_euclid(part_us(length_us));
        // Values of which each comes within a window of the one before go on, also where the window has one of them at a time.
        if self.parts.back().is_none_or(|last| last.number < number - PARTS) {
            self.begun_us = time_us;
        }
        while self.parts.front().is_some_and(|part| part.number <= number - PARTS) {
            self.parts.pop_front();
        }
        match self.parts.back_mut() {
            Some(part) if part.number == number => {
                part.count = part.count.saturating_add(1);
                part.sum += value;
            }
            _ => self.parts.push_back(Part { number, count: 1, sum: value, first_us: time_us, first: value }),
        }
    }

    /// The mean of its values; `None` until values have come for the length of the window.
    pub fn mean(&self, length_us: i64, time_us: i64) -> Option<f64> {
        if !self.is_full(length_us, time_us) {
            return None;
        }
        let (count, sum) =
            self.parts.iter().fold((0.0, 0.0), |(count, sum), part| (count + f64::from(part.count), sum + part.sum));
        (count > 0.0).then(|| sum / count)
    }

    /// The change from its first value to this one, for each `per_us`; `None` as for the mean.
    pub fn rate(&self, length_us: i64, per_us: i64, time_us: i64, value: f64) -> Option<f64> {
        let first = self.parts.front().filter(|_| self.is_full(length_us, time_us))?;
        let elapsed = microseconds(time_us.saturating_sub(first.first_us));
        (elapsed > 0.0).then(|| (value - first.first) / elapsed * microseconds(per_us))
    }

    fn is_full(&self, length_us: i64, time_us: i64) -> bool {
        time_us.saturating_sub(self.begun_us) >= length_us - part_us(length_us)
    }
}

fn part_us(length_us: i64) -> i64 {
    (length_us / PARTS).max(1)
}

#[expect(clippy::cast_precision_loss, reason = "times between values are below 2^53 microseconds, which are 285 years")]
fn microseconds(us: i64) -> f64 {
    us as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000_000;

    #[test]
    fn a_mean_is_told_once_values_have_come_for_the_length_of_its_window_and_again_after_a_gap() {
        let mut window = Window::default();
        let length = 5 * MINUTE;
        let told = |window: &mut Window, minute: i64, value: f64| {
            window.take(length, minute * MINUTE, value);
            window.mean(length, minute * MINUTE)
        };
        assert_eq!(told(&mut window, 0, 10.0), None);
        assert_eq!(told(&mut window, 4, 20.0), None);
        assert_eq!(told(&mut window, 5, 30.0), Some(25.0), "the value of minute 0 is as old as the window");
        assert_eq!(told(&mut window, 9, 60.0), Some(45.0));
        assert_eq!(told(&mut window, 60, 1.0), None, "one value is no mean of five minutes");
        assert_eq!(told(&mut window, 65, 3.0), Some(3.0));
    }

    #[test]
    fn a_rate_is_the_change_since_the_beginning_of_its_window() {
        let mut window = Window::default();
        let length = 10 * MINUTE;
        let mut told = None;
        for minute in 0..=10 {
            window.take(length, minute * MINUTE, f64::from(u32::try_from(minute).expect("small")) * 2.0);
            told = window.rate(
                length,
                60 * MINUTE,
                minute * MINUTE,
                2.0 * f64::from(u32::try_from(minute).expect("small")),
            );
        }
        let rate = told.expect("the window is full");
        assert!((rate - 120.0).abs() < 1e-9, "{rate}");
    }

    #[test]
    fn a_window_has_at_most_thirty_parts_at_any_rate_of_rows() {
        let mut window = Window::default();
        for second in 0..10_000 {
            window.take(5 * MINUTE, second * 1_000_000, 1.0);
        }
        assert!(window.parts.len() <= 30, "{}", window.parts.len());
    }
}
