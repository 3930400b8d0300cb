//! A small seeded generator of random numbers: xoshiro256++ (Blackman and Vigna), seeded by SplitMix64. It is for
//! simulated values only, never for keys or tokens.

/// A stream of random numbers that follows from its seed.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Random {
    state: [u64; 4],
    /// Normal numbers come in pairs.
    spare: Option<f64>,
}

impl Random {
    /// The stream of a seed and of the number of a part, so that parts differ from each other.
    pub(super) fn new(seed: u64, part: u64) -> Self {
        let mut mixed = seed ^ split_mix(&mut part.wrapping_mul(GOLDEN));
        Self { state: std::array::from_fn(|_| split_mix(&mut mixed)), spare: None }
    }

    /// 64 random bits.
    #[inline]
    pub(super) fn bits(&mut self) -> u64 {
        let [a, b, c, d] = &mut self.state;
        let result = a.wrapping_add(*d).rotate_left(23).wrapping_add(*a);
        let shifted = *b << 17;
        *c ^= *a;
        *d ^= *b;
        *b ^= *c;
        *a ^= *d;
        *c ^= shifted;
        *d = d.rotate_left(45);
        result
    }

    /// A number from 0 up to but not 1.
    #[inline]
    pub(super) fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 * UNIT_STEP
    }

    /// A number between two bounds.
    #[inline]
    pub(super) fn between(&mut self, (low, high): (f64, f64)) -> f64 {
        low + (high - low) * self.unit()
    }

    /// A normally distributed number of mean 0 and standard deviation 1, by Marsaglia's polar method.
    #[inline]
    pub(super) fn normal(&mut self) -> f64 {
        if let Some(spare) = self.spare.take() {
            return spare;
        }
        loop {
            let (x, y) = (self.between((-1.0, 1.0)), self.between((-1.0, 1.0)));
            let square = x * x + y * y;
            if square > 0.0 && square < 1.0 {
                let factor = (-2.0 * square.ln() / square).sqrt();
                self.spare = Some(y * factor);
                return x * factor;
            }
        }
    }
}

fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(GOLDEN);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

/// 2^64 over the golden ratio, as SplitMix64 has it.
const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;
/// Distance of the numbers that [`Random::unit`] gives: 2^-53.
const UNIT_STEP: f64 = 1.0 / (1u64 << 53) as f64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_first_numbers_of_the_generator_come() {
        // From the state 1, 2, 3, 4, as the reference implementation gives them.
        let mut random = Random { state: [1, 2, 3, 4], spare: None };
        assert_eq!([random.bits(), random.bits(), random.bits()], [41_943_041, 58_720_359, 3_588_806_011_781_223]);
    }

    #[test]
    fn normal_numbers_have_mean_zero_and_deviation_one() {
        let mut random = Random::new(7, 0);
        let numbers: Vec<f64> = (0..200_000).map(|_| random.normal()).collect();
        let mean = numbers.iter().sum::<f64>() / 200_000.0;
        let variance = numbers.iter().map(|number| number * number).sum::<f64>() / 200_000.0;
        let beyond_two = numbers.iter().filter(|number| number.abs() > 2.0).count() as f64 / 200_000.0;
        assert!(mean.abs() < 0.01 && (variance - 1.0).abs() < 0.02, "mean {mean}, variance {variance}");
        assert!((beyond_two - 0.0455).abs() < 0.003, "{beyond_two}");
    }

    #[test]
    fn parts_of_one_seed_differ() {
        assert_ne!(Random::new(1, 0).bits(), Random::new(1, 1).bits());
        assert_ne!(Random::new(1, 1).bits(), Random::new(2, 1).bits());
        assert_eq!(Random::new(1, 1).bits(), Random::new(1, 1).bits());
    }
}
