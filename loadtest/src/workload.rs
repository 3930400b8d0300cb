//! Values of simulated sensors: walks of two decimals, as sensors report them.
//!
//! Each device has a walk for each field. A walk moves by a normally distributed step a tick and is reflected at zero and, where
//! it has one, at its ceiling. It is kept in sixteenths of a hundredth and rounded, as a sensor rounds what it measures.
//! Steps come from a table of random numbers that is entered at a random place every tick, so that a reading costs about a
//! nanosecond and yet no two devices walk alike.
//!
//! The benchmarks' generator (`zonelake_benches::workload`) takes the same fields another way: there, a device's values follow
//! from the seed and its number alone, and each value costs its own random number. Each figure in `docs/performance.md` was
//! measured with one of the two, and compression depends on the values. So both generators stay, and only the fields are shared.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use fastrand::Rng;
use zonelake_benches::workload::{FIELDS, FieldWalk};

/// Air stations: the eight fields of the figures, declared where the benchmarks have them too.
pub(crate) const AIR: [FieldWalk; 8] = FIELDS;

/// Machines on a production line.
pub(crate) const MACHINE: [FieldWalk; 12] = [
    walk("speed", (100.0, 900.0), 2.0, None),
    walk("temperature", (30.0, 80.0), 0.10, None),
    walk("motor_temperature", (40.0, 90.0), 0.10, None),
    walk("fluid_temperature", (20.0, 60.0), 0.05, None),
    walk("pressure", (1.0, 8.0), 0.02, None),
    walk("flow", (10.0, 120.0), 0.30, None),
    walk("level", (20.0, 90.0), 0.10, Some(100.0)),
    walk("current", (1.0, 80.0), 0.30, None),
    walk("voltage", (225.0, 235.0), 0.10, None),
    walk("power", (1.0, 60.0), 0.20, None),
    walk("vibration_rms_1", (0.05, 2.0), 0.02, None),
    walk("vibration_rms_2", (0.05, 2.0), 0.02, None),
];

/// Electricity meters.
pub(crate) const METER: [FieldWalk; 8] = [
    walk("active_power", (5.0, 400.0), 1.0, None),
    walk("voltage_l1", (225.0, 235.0), 0.10, None),
    walk("voltage_l2", (225.0, 235.0), 0.10, None),
    walk("voltage_l3", (225.0, 235.0), 0.10, None),
    walk("current_l1", (5.0, 600.0), 1.0, None),
    walk("current_l2", (5.0, 600.0), 1.0, None),
    walk("current_l3", (5.0, 600.0), 1.0, None),
    walk("frequency", (49.9, 50.1), 0.01, None),
];

/// Cells of a 5G network.
pub(crate) const CELL: [FieldWalk; 6] = [
    walk("ping_avg", (8.0, 40.0), 0.50, None),
    walk("jitter", (0.5, 8.0), 0.10, None),
    walk("availability", (99.0, 99.9), 0.01, Some(100.0)),
    walk("prb_usage_dl", (10.0, 80.0), 1.0, Some(100.0)),
    walk("prb_usage_ul", (5.0, 60.0), 1.0, Some(100.0)),
    walk("speed", (0.0, 60.0), 1.0, None),
];

const fn walk(name: &'static str, start: (f64, f64), step: f64, ceiling: Option<f64>) -> FieldWalk {
    FieldWalk { name, start, step, ceiling }
}

/// The walks of some devices.
#[derive(Debug)]
pub(crate) struct Walks {
    rng: Rng,
    fields: Vec<FieldWalks>,
}

#[derive(Debug)]
struct FieldWalks {
    steps: Arc<[i16]>,
    ceiling: i32,
    /// Position of each device's walk.
    at: Vec<i32>,
}

impl Walks {
    /// Walks for so many devices. The same seed gives the same walks.
    #[expect(clippy::cast_possible_truncation, reason = "figures of a load are far from the bounds of these types")]
    pub(crate) fn new(walks: &[FieldWalk], devices: usize, seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let fields = walks
            .iter()
            .map(|walk| FieldWalks {
                steps: steps(walk),
                ceiling: walk.ceiling.map_or(i32::MAX, |ceiling| (ceiling * UNITS) as i32),
                at: (0..devices)
                    .map(|_| ((walk.start.0 + rng.f64() * (walk.start.1 - walk.start.0)) * UNITS) as i32)
                    .collect(),
            })
            .collect();
        Self { rng, fields }
    }

    /// Moves the devices of a range by one tick and hands out, for each field, where they are: hundredths.
    pub(crate) fn tick(&mut self, devices: std::ops::Range<usize>, mut take: impl FnMut(usize, &[i32])) {
        let mut hundredths = [0; TICK_DEVICES_MAX];
        for (index, field) in self.fields.iter_mut().enumerate() {
            let mut first = devices.start;
            while first < devices.end {
                let last = devices.end.min(first + TICK_DEVICES_MAX);
                let entry = self.rng.usize(..STEPS - TICK_DEVICES_MAX);
                let (at, steps) = (&mut field.at[first..last], &field.steps[entry..entry + last - first]);
                for ((at, &step), out) in at.iter_mut().zip(steps).zip(&mut hundredths) {
                    let moved = (*at + i32::from(step)).abs();
                    *at = if moved > field.ceiling { field.ceiling - (moved - field.ceiling) } else { moved };
                    *out = (*at + 8) >> 4;
                }
                take(index, &hundredths[..last - first]);
                first = last;
            }
        }
    }
}

/// The random steps of a field: one table for all connections, which would take longer to make than their rows.
#[expect(clippy::cast_possible_truncation, reason = "figures of a load are far from the bounds of these types")]
fn steps(walk: &FieldWalk) -> Arc<[i16]> {
    static TABLES: Mutex<BTreeMap<u64, Arc<[i16]>>> = Mutex::new(BTreeMap::new());
    let mut tables = TABLES.lock().unwrap_or_else(PoisonError::into_inner);
    let table = tables.entry(walk.step.to_bits()).or_insert_with(|| {
        let mut rng = Rng::with_seed(walk.step.to_bits());
        (0..STEPS).map(|_| (normal(&mut rng) * walk.step * UNITS).round() as i16).collect()
    });
    Arc::clone(table)
}

/// A normally distributed number (Box and Muller).
fn normal(rng: &mut Rng) -> f64 {
    let (u, v) = (1.0 - rng.f64(), rng.f64());
    (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()
}

/// Units of a walk in 1: sixteenths of a hundredth.
const UNITS: f64 = 1_600.0;
/// Steps in the table of one field.
const STEPS: usize = 1 << 16;
/// Devices that are moved at once.
const TICK_DEVICES_MAX: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn walks_stay_within_their_bounds_and_repeat_with_their_seed() {
        let run = |seed| {
            let mut walks = Walks::new(&AIR, 700, seed);
            let mut all = Vec::new();
            for _ in 0..200 {
                walks.tick(0..700, |field, values| {
                    assert!(values.iter().all(|&value| value >= 0));
                    if field == 7 {
                        assert!(values.iter().all(|&value| value <= 10_000));
                    }
                    all.extend_from_slice(values);
                });
            }
            all
        };
        assert_eq!(run(1), run(1));
        assert_ne!(run(1), run(2));
    }

    #[test]
    fn steps_have_the_spread_that_is_asked_for() {
        let mut walks = Walks::new(&AIR[..1], 500, 3);
        let (mut before, mut squares, mut count) = (vec![0; 500], 0.0_f64, 0.0);
        for tick in 0..400 {
            walks.tick(0..500, |_, values| {
                for (before, &value) in before.iter_mut().zip(values) {
                    // A walk that has been reflected near zero has made another step than it shows.
                    if tick > 0 && *before > 500 {
                        squares += f64::from(value - *before).powi(2);
                        count += 1.0;
                    }
                    *before = value;
                }
            });
        }
        let deviation = (squares / count).sqrt();
        assert!((29.0..31.5).contains(&deviation), "{deviation}");
    }
}
