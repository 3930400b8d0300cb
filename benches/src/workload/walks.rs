//! The values of devices, second by second.

use super::fields::{FIELDS, START_US};
use super::random::Random;

/// Walks of some devices. Rows come in the order of time: one a second of each device.
#[derive(Debug, Clone)]
pub struct Walks {
    devices: Vec<Walk>,
    step_us: i64,
    /// Seconds since the start.
    second: i64,
    /// The device whose row comes next.
    next: usize,
}

#[derive(Debug, Clone)]
struct Walk {
    device: u32,
    random: Random,
    /// Sums of the steps, not reflected yet.
    at: [f64; FIELDS.len()],
}

/// Rows in plain columns.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rows {
    /// Event times, µs since 1970.
    pub times_us: Vec<i64>,
    /// Each row's device, as its position among the devices of the walks.
    pub devices: Vec<i32>,
    /// Values in hundredths, by the order of [`FIELDS`].
    pub hundredths: [Vec<i32>; FIELDS.len()],
}

impl Rows {
    /// Rows.
    pub fn len(&self) -> usize {
        self.times_us.len()
    }

    /// True where there is none.
    pub fn is_empty(&self) -> bool {
        self.times_us.is_empty()
    }

    /// Readings: every row has every field.
    pub fn readings(&self) -> u64 {
        (self.len() * FIELDS.len()) as u64
    }
}

impl Walks {
    /// Walks of `devices`, which are some of `all_devices` in a run; all values follow from the seed.
    pub(super) fn new(seed: u64, all_devices: u32, devices: &[u32]) -> Self {
        let walk = |&device: &u32| {
            let mut random = Random::new(seed, u64::from(device));
            let at = FIELDS.map(|field| random.between(field.start));
            Walk { device, random, at }
        };
        // Devices measure evenly spread over each second.
        let step_us = 1_000_000 / i64::from(all_devices.max(1));
        Self { devices: devices.iter().map(walk).collect(), step_us, second: 0, next: 0 }
    }

    /// Devices.
    pub fn devices(&self) -> usize {
        self.devices.len()
    }

    /// The next rows. Devices report one after the other within a second, and go on in the next call where this one ends.
    pub fn rows(&mut self, rows: usize) -> Rows {
        let mut made = Rows::default();
        if self.devices.is_empty() {
            return made;
        }
        made.times_us.reserve_exact(rows);
        made.devices.reserve_exact(rows);
        made.hundredths.iter_mut().for_each(|values| values.reserve_exact(rows));
        for _ in 0..rows {
            let walk = &mut self.devices[self.next];
            made.times_us.push(START_US + self.second * 1_000_000 + i64::from(walk.device) * self.step_us);
            made.devices.push(i32::try_from(self.next).expect("fewer devices than 2^31"));
            for (values, value) in made.hundredths.iter_mut().zip(walk.hundredths(self.second > 0)) {
                values.push(value);
            }
            self.next += 1;
            if self.next == self.devices.len() {
                self.next = 0;
                self.second += 1;
            }
        }
        made
    }
}

impl Walk {
    /// The values at this second; `moves` by a step first, which the first second does not.
    #[expect(clippy::cast_possible_truncation, reason = "the workload is made of small numbers")]
    fn hundredths(&mut self, moves: bool) -> [i32; FIELDS.len()] {
        let mut values = [0; FIELDS.len()];
        for ((value, at), field) in values.iter_mut().zip(&mut self.at).zip(&FIELDS) {
            if moves {
                *at += field.step * self.random.normal();
            }
            let above_zero = at.abs();
            let shown = field.ceiling.map_or(above_zero, |ceiling| ceiling - (ceiling - above_zero).abs());
            *value = (shown * 100.0).round_ties_even() as i32;
        }
        values
    }
}

#[cfg(test)]
mod tests {
    use super::super::devices::Workload;
    use super::*;

    #[test]
    fn a_device_has_the_same_values_whoever_generates_it() {
        let workload = Workload { devices: 10, zones: 2, seed: 3 };
        let all = workload.walks(&(0..10).collect::<Vec<_>>()).rows(10 * 50);
        let some = workload.walks(&[4, 7]).rows(2 * 50);
        for field in 0..FIELDS.len() {
            let of = |rows: &Rows, position: i32| -> Vec<(i64, i32)> {
                (0..rows.len())
                    .filter(|&row| rows.devices[row] == position)
                    .map(|row| (rows.times_us[row], rows.hundredths[field][row]))
                    .collect()
            };
            assert_eq!(of(&all, 4), of(&some, 0));
            assert_eq!(of(&all, 7), of(&some, 1));
        }
    }

    #[test]
    fn rows_go_on_where_the_call_before_ended() {
        let workload = Workload::default();
        let whole = workload.walks(&[1, 2, 3]).rows(11);
        let mut walks = workload.walks(&[1, 2, 3]);
        let (first, second) = (walks.rows(4), walks.rows(7));
        assert_eq!([first.times_us, second.times_us].concat(), whole.times_us);
        assert_eq!([&first.hundredths[7][..], &second.hundredths[7]].concat(), whole.hundredths[7]);
    }

    #[test]
    #[expect(clippy::cast_possible_truncation, reason = "the workload is made of small numbers")]
    fn values_stay_within_their_reflections_and_move_by_their_steps() {
        let rows = Workload::default().walks(&[5]).rows(100_000);
        for (field, values) in FIELDS.iter().zip(&rows.hundredths) {
            let highest = field.ceiling.map_or(i32::MAX, |ceiling| ceiling as i32 * 100);
            assert!(values.iter().all(|&value| (0..=highest).contains(&value)), "{}", field.name);
            let squares = values.windows(2).map(|pair| f64::from(pair[1] - pair[0]).powi(2)).sum::<f64>();
            let deviation = (squares / 99_999.0).sqrt() / 100.0;
            // Both ends of a step are rounded to hundredths, each of which adds a twelfth to the variance.
            let expected = (field.step * field.step + 0.01 * 0.01 / 6.0).sqrt();
            assert!((deviation / expected - 1.0).abs() < 0.01, "{}: {deviation} and not {expected}", field.name);
        }
    }
}
