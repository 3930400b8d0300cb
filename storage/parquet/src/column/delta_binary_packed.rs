//! Integers as the differences between neighbours, each in as many bits as the largest of its miniblock needs:
//! Parquet's `DELTA_BINARY_PACKED`, as <https://parquet.apache.org/docs/file-format/data-pages/encodings/> has it.
//!
//! | part | bytes |
//! |---|---|
//! | values of a block | varint: 128 (INT32), 256 (INT64) |
//! | miniblocks of a block | varint: 4 |
//! | values | varint |
//! | first value | zigzag varint |
//! | each block: minimum difference | zigzag varint |
//! | widths of its miniblocks in bits, 0 where one has no values | 4 bytes |
//! | its miniblocks: differences less the minimum one, zeros behind the last one | packed, the lowest bit first |
//!
//! Differences wrap around at the width of the type.

use crate::column::chunk::push_varint;

/// An integer as Parquet stores it.
pub(crate) trait Packed: Copy + Ord + Default + Into<i64> {
    const MIN: Self;
    const MAX: Self;
    /// Values of a miniblock; a block has [`MINIBLOCKS`] of them.
    const MINIBLOCK: usize;

    fn minus(self, other: Self) -> Self;

    /// Appends differences of one miniblock less the minimum of their block, and returns their width.
    fn push_miniblock(bytes: &mut Vec<u8>, deltas: &[Self], minimum: Self) -> u8;
}

/// Appends values in this encoding.
pub(crate) fn push_packed<T: Packed>(bytes: &mut Vec<u8>, values: &[T]) {
    let block = T::MINIBLOCK * MINIBLOCKS;
    push_varint(bytes, block as u64);
    push_varint(bytes, MINIBLOCKS as u64);
    push_varint(bytes, values.len() as u64);
    push_zigzag(bytes, values.first().copied().unwrap_or_default());
    let mut deltas = [T::default(); BLOCK_MAX];
    let followers = values.get(1..).unwrap_or_default();
    for (before, after) in values.chunks(block).zip(followers.chunks(block)) {
        let deltas = &mut deltas[..after.len()];
        for ((delta, &before), &after) in deltas.iter_mut().zip(before).zip(after) {
            *delta = after.minus(before);
        }
        let minimum = deltas.iter().fold(T::MAX, |minimum, delta| minimum.min(*delta));
        push_zigzag(bytes, minimum);
        let widths = bytes.len();
        bytes.extend_from_slice(&[0; MINIBLOCKS]);
        for (number, deltas) in deltas.chunks(T::MINIBLOCK).enumerate() {
            bytes[widths + number] = T::push_miniblock(bytes, deltas, minimum);
        }
    }
}

impl Packed for i32 {
    const MIN: Self = Self::MIN;
    const MAX: Self = Self::MAX;
    const MINIBLOCK: usize = LANES;

    fn minus(self, other: Self) -> Self {
        self.wrapping_sub(other)
    }

    fn push_miniblock(bytes: &mut Vec<u8>, deltas: &[Self], minimum: Self) -> u8 {
        let mut offsets = [0; LANES];
        for (offset, delta) in offsets.iter_mut().zip(deltas) {
            *offset = delta.wrapping_sub(minimum).cast_unsigned();
        }
        let width = u32::BITS - offsets.iter().fold(0, |bits, offset| bits | offset).leading_zeros();
        push_narrow(bytes, &offsets, width);
        width_byte(width)
    }
}

impl Packed for i64 {
    const MIN: Self = Self::MIN;
    const MAX: Self = Self::MAX;
    const MINIBLOCK: usize = 2 * LANES;

    fn minus(self, other: Self) -> Self {
        self.wrapping_sub(other)
    }

    fn push_miniblock(bytes: &mut Vec<u8>, deltas: &[Self], minimum: Self) -> u8 {
        let mut offsets = [0; 2 * LANES];
        for (offset, delta) in offsets.iter_mut().zip(deltas) {
            *offset = delta.wrapping_sub(minimum).cast_unsigned();
        }
        let width = u64::BITS - offsets.iter().fold(0, |bits, offset| bits | offset).leading_zeros();
        if width <= u32::BITS {
            for half in offsets.as_chunks().0 {
                // The width is of the largest value, so no value has bits above the lower half.
                push_narrow(bytes, &half.map(low_half), width);
            }
        } else {
            push_wide(bytes, &offsets, width);
        }
        width_byte(width)
    }
}

/// The width of at most 64 bits, as its byte.
fn width_byte(width: u32) -> u8 {
    u8::try_from(width).expect("an integer has at most 64 bits")
}

#[expect(clippy::cast_possible_truncation, reason = "the lower half is what is wanted")]
fn low_half(value: u64) -> u32 {
    value as u32
}

#[expect(clippy::cast_possible_truncation, reason = "the lowest byte is what is wanted")]
fn low_byte(bits: u128) -> u8 {
    bits as u8
}

/// Appends values of at most 32 bits.
fn push_narrow(bytes: &mut Vec<u8>, values: &[u32; LANES], width: u32) {
    // The loops of each width are unrolled, with constant shifts.
    macro_rules! by_width {
        ($($known:literal)*) => {
            match width {
                0 => {}
                $($known => pack::<$known>(bytes, values),)*
                _ => unreachable!("32 bits have no width of {width}"),
            }
        };
    }
    by_width!(1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32);
}

fn pack<const WIDTH: usize>(bytes: &mut Vec<u8>, values: &[u32; LANES]) {
    let mut words = [0u32; WIDTH];
    for (lane, &value) in values.iter().enumerate() {
        let (word, shift) = (lane * WIDTH / 32, lane * WIDTH % 32);
        words[word] |= value << shift;
        if shift + WIDTH > 32 {
            words[word + 1] = value >> (32 - shift);
        }
    }
    for word in words {
        bytes.extend_from_slice(&word.to_le_bytes());
    }
}

/// Appends values of any width.
fn push_wide(bytes: &mut Vec<u8>, values: &[u64], width: u32) {
    let (mut bits, mut pending) = (0u128, 0);
    for &value in values {
        bits |= u128::from(value) << pending;
        pending += width;
        while pending >= u8::BITS {
            bytes.push(low_byte(bits));
            bits >>= u8::BITS;
            pending -= u8::BITS;
        }
    }
    debug_assert_eq!(pending, 0, "64 values fill whole bytes");
}

/// Appends a number with its sign in the lowest bit.
fn push_zigzag(bytes: &mut Vec<u8>, number: impl Into<i64>) {
    let number = number.into();
    push_varint(bytes, ((number << 1) ^ (number >> 63)).cast_unsigned());
}

/// Values that are packed at a time.
const LANES: usize = 32;
/// Miniblocks of a block.
const MINIBLOCKS: usize = 4;
/// Values of the largest block.
const BLOCK_MAX: usize = 2 * LANES * MINIBLOCKS;

#[cfg(test)]
#[expect(clippy::cast_possible_truncation, reason = "narrow values are made of wide ones")]
mod tests {
    use parquet::basic::Type as PhysicalType;
    use proptest::prelude::*;

    use super::*;

    /// Reads the encoding as its specification has it, value by value and bit by bit.
    fn unpack(bytes: &[u8], physical: PhysicalType) -> Vec<i64> {
        let mut at = 0;
        let varint = |at: &mut usize| {
            let (mut number, mut shift) = (0u64, 0);
            loop {
                let byte = bytes[*at];
                *at += 1;
                number |= u64::from(byte & 0x7f) << shift;
                shift += 7;
                if byte < 0x80 {
                    return number;
                }
            }
        };
        let zigzag = |number: u64| (number >> 1).cast_signed() ^ -((number & 1).cast_signed());
        let block = usize::try_from(varint(&mut at)).unwrap();
        let miniblocks = usize::try_from(varint(&mut at)).unwrap();
        let count = usize::try_from(varint(&mut at)).unwrap();
        let mut value = zigzag(varint(&mut at));
        let mut values = vec![value];
        values.truncate(count);
        while values.len() < count {
            let minimum = zigzag(varint(&mut at));
            let widths = &bytes[at..at + miniblocks];
            at += miniblocks;
            for &width in widths {
                let width = usize::from(width);
                let of_miniblock = (count - values.len()).min(block / miniblocks);
                if of_miniblock == 0 {
                    assert_eq!(width, 0, "a miniblock without values");
                    continue;
                }
                for number in 0..of_miniblock {
                    let bit = |bit: usize| u64::from(bytes[at + bit / 8] >> (bit % 8) & 1);
                    let offset = (0..width).fold(0, |offset, b| offset | bit(number * width + b) << b);
                    value = value.wrapping_add(minimum).wrapping_add(offset.cast_signed());
                    if physical == PhysicalType::INT32 {
                        value = i64::from(value as i32);
                    }
                    values.push(value);
                }
                at += block / miniblocks * width / 8;
            }
        }
        assert_eq!(at, bytes.len(), "bytes are left over");
        values
    }

    fn packed<T: Packed>(values: &[T]) -> Vec<u8> {
        let mut bytes = Vec::new();
        push_packed(&mut bytes, values);
        bytes
    }

    #[test]
    fn equal_steps_take_no_bits() {
        let steps: Vec<i64> = (0..257).map(|step| 1_000_000 * step).collect();
        assert_eq!(packed(&steps), [0x80, 2, 4, 0x81, 2, 0, 0x80, 0x89, 0x7a, 0, 0, 0, 0]);
    }

    #[test]
    fn every_width_is_read_back() {
        for width in 0..=64 {
            let widest = u64::MAX.checked_shr(64 - width).unwrap_or(0);
            let mut steps: Vec<u64> =
                (0..300).map(|step: u64| step.wrapping_mul(0x9e37_79b9_7f4a_7c15) & widest).collect();
            steps[7] = widest;
            let mut value = 0i64;
            let wide: Vec<i64> = steps
                .iter()
                .map(|step| {
                    value = value.wrapping_add(step.cast_signed());
                    value
                })
                .collect();
            assert_eq!(unpack(&packed(&wide), PhysicalType::INT64), wide, "{width} bits");
            let narrow: Vec<i32> = wide.iter().map(|&value| value as i32).collect();
            let expected: Vec<i64> = narrow.iter().copied().map(i64::from).collect();
            assert_eq!(unpack(&packed(&narrow), PhysicalType::INT32), expected, "{width} bits");
        }
    }

    proptest! {
        #[test]
        fn what_is_packed_is_unpacked(
            wide in prop::collection::vec(prop_oneof![any::<i64>(), -9i64..9, Just(i64::MIN), Just(i64::MAX)], 0..600),
            bits in 0u32..64,
        ) {
            let wide: Vec<i64> = wide.into_iter().map(|value| value >> bits).collect();
            prop_assert_eq!(unpack(&packed(&wide), PhysicalType::INT64), &wide[..]);
            let narrow: Vec<i32> = wide.iter().map(|&value| value as i32).collect();
            let expected: Vec<i64> = narrow.iter().copied().map(i64::from).collect();
            prop_assert_eq!(unpack(&packed(&narrow), PhysicalType::INT32), expected);
        }
    }
}
