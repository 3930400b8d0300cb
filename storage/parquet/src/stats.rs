//! Bounds and null counts of a column, gathered as it is written.
//!
//! Bounds are rounded outwards immediately to what the table log can hold, so that a file's statistics are the same
//! before and after a restart: instants to whole milliseconds, text to [`TEXT_CHARS_MAX`] characters.

use std::ops::Range;

use arrow::array::{Array, ArrayRef, AsArray, PrimitiveArray};
use arrow::compute::{max, max_string, min, min_string};
use arrow::datatypes::{
    ArrowNumericType, DataType, Decimal32Type, Decimal64Type, Float64Type, Int64Type, TimestampMicrosecondType,
};

use crate::column::chunk::Bounds;
use crate::column::text::TextRuns;
use crate::data_file::{ColumnStats, StatValue};

/// Statistics of a column so far.
#[derive(Debug, Default)]
pub(crate) struct StatsBuilder {
    nulls: u64,
    bounds: Option<(StatValue, StatValue)>,
    /// A value came that has no place in an order (NaN, infinite).
    unbounded: bool,
    is_time: bool,
}

impl StatsBuilder {
    /// Takes in more of a column of text.
    pub(crate) fn add_text(&mut self, text: &TextRuns) {
        self.nulls += text.nulls() as u64;
        let (min, max) = text.bounds().unzip();
        self.add_texts(min, max);
    }

    /// Takes in what is known of rows that follow.
    pub(crate) fn merge(&mut self, other: Self) {
        self.nulls += other.nulls;
        self.unbounded |= other.unbounded;
        self.is_time |= other.is_time;
        let (min, max) = other.bounds.unzip();
        self.add_bounds(min, max);
    }

    /// Takes in rows without a value.
    pub(crate) fn add_nulls(&mut self, rows: usize) {
        self.nulls += rows as u64;
    }

    /// Takes in more of a column of integers by what is known of them.
    pub(crate) fn add_integer_bounds<T: Into<i64>>(&mut self, data_type: &DataType, bounds: Bounds<T>) {
        self.is_time |= matches!(data_type, DataType::Timestamp(..));
        let value = |value: T| StatValue::Integer(value.into());
        let (min, max) = bounds.unzip();
        self.add_bounds(min.map(value), max.map(value));
    }

    /// Takes in more of the column.
    pub(crate) fn add(&mut self, array: &ArrayRef) {
        self.nulls += array.null_count() as u64;
        match array.data_type() {
            DataType::Timestamp(..) => {
                self.is_time = true;
                self.add_integers::<TimestampMicrosecondType>(array.as_primitive());
            }
            DataType::Int64 => self.add_integers::<Int64Type>(array.as_primitive()),
            DataType::Decimal32(..) => self.add_integers::<Decimal32Type>(array.as_primitive()),
            DataType::Decimal64(..) => self.add_integers::<Decimal64Type>(array.as_primitive()),
            DataType::Float64 => self.add_doubles(array.as_primitive()),
            DataType::Utf8 => {
                let text = array.as_string::<i32>();
                self.add_texts(min_string(text), max_string(text));
            }
            // Booleans have no bounds in a Delta table.
            _ => {}
        }
    }

    /// The statistics of all that came.
    pub(crate) fn finish(self) -> ColumnStats {
        let nulls = self.nulls;
        match self.bounds {
            Some((min, max)) if !self.unbounded => {
                ColumnStats { min: bound_below(min, self.is_time), max: bound_above(max, self.is_time), nulls }
            }
            _ => ColumnStats { min: None, max: None, nulls },
        }
    }

    fn add_integers<T: ArrowNumericType>(&mut self, array: &PrimitiveArray<T>)
    where
        T::Native: Into<i64>,
    {
        let value = |value: T::Native| StatValue::Integer(value.into());
        self.add_bounds(min(array).map(value), max(array).map(value));
    }

    fn add_doubles(&mut self, array: &PrimitiveArray<Float64Type>) {
        // NaN is the maximum in this order, or the minimum where its sign is set.
        let bounds = (min(array), max(array));
        self.unbounded |= [bounds.0, bounds.1].into_iter().flatten().any(|bound| !bound.is_finite());
        self.add_bounds(bounds.0.map(StatValue::Double), bounds.1.map(StatValue::Double));
    }

    fn add_texts(&mut self, min: Option<&str>, max: Option<&str>) {
        let value = |text: &str| StatValue::Text(text.to_owned());
        self.add_bounds(min.map(value), max.map(value));
    }

    fn add_bounds(&mut self, min: Option<StatValue>, max: Option<StatValue>) {
        let (Some(min), Some(max)) = (min, max) else { return };
        self.bounds = Some(match self.bounds.take() {
            None => (min, max),
            Some((low, high)) => (if min < low { min } else { low }, if max > high { max } else { high }),
        });
    }
}

/// The maximum bound that the table log can hold at or below a value.
fn bound_below(value: StatValue, is_time: bool) -> Option<StatValue> {
    match value {
        StatValue::Integer(us) if is_time => {
            Some(StatValue::Integer(us.div_euclid(US_PER_MS).saturating_mul(US_PER_MS)))
        }
        StatValue::Integer(_) => Some(value),
        StatValue::Double(double) => double_below(double).map(StatValue::Double),
        StatValue::Text(text) => Some(StatValue::Text(text.chars().take(TEXT_CHARS_MAX).collect())),
    }
}

/// The minimum bound that the table log can hold at or above a value.
fn bound_above(value: StatValue, is_time: bool) -> Option<StatValue> {
    match value {
        StatValue::Integer(us) if is_time => {
            let ms = us.div_euclid(US_PER_MS) + i64::from(us.rem_euclid(US_PER_MS) > 0);
            Some(StatValue::Integer(ms.saturating_mul(US_PER_MS)))
        }
        StatValue::Integer(_) => Some(value),
        StatValue::Double(double) => double_below(-double).map(|bound| StatValue::Double(0.0 - bound)),
        StatValue::Text(text) => text_above(text).map(StatValue::Text),
    }
}

/// A double at or below `value` that is written with so few digits, and lies within the powers of ten, that every JSON
/// reader takes it exactly: serde_json, among others, misses the nearest double of longer numbers by a last place. It
/// has 15 digits, or 13 in [`WRITTEN_OUT`].
fn double_below(value: f64) -> Option<f64> {
    if value.abs() < EXACT_MIN {
        return Some(if value < 0.0 { -EXACT_MIN } else { 0.0 });
    }
    if value.abs() > EXACT_MAX {
        return (value > 0.0).then_some(EXACT_MAX);
    }
    let decimals = if WRITTEN_OUT.contains(&value.abs()) { 12 } else { 14 };
    let text = format!("{value:.decimals$e}");
    let nearest: f64 = text.parse().ok()?;
    if nearest <= value {
        return Some(nearest);
    }
    let (digits, exponent) = text.split_once('e')?;
    let n: i64 = digits.replace('.', "").parse().ok()?;
    let exponent: i32 = exponent.parse().ok()?;
    format!("{}e{}", n - 1, exponent - i32::try_from(decimals).ok()?).parse().ok()
}

/// The text itself where it is short, else the smallest short text above all that begin as it does; absent where there
/// is none.
fn text_above(text: String) -> Option<String> {
    if text.chars().nth(TEXT_CHARS_MAX).is_none() {
        return Some(text);
    }
    let mut begin: Vec<char> = text.chars().take(TEXT_CHARS_MAX).collect();
    while let Some(last) = begin.pop() {
        if let Some(next) = char_above(last) {
            begin.push(next);
            return Some(begin.into_iter().collect());
        }
    }
    None
}

fn char_above(c: char) -> Option<char> {
    // The code points between are surrogates, which are no characters.
    if c == '\u{d7ff}' { Some('\u{e000}') } else { char::from_u32(u32::from(c) + 1) }
}

/// Microseconds of a millisecond.
const US_PER_MS: i64 = 1_000;
/// Magnitudes between which a number of 15 digits is a whole number below 2^53 times or over a power of ten of at most
/// 10^22, which a double holds exactly.
const EXACT_MIN: f64 = 1e-7;
const EXACT_MAX: f64 = 1e22;
/// Magnitudes that are written as 16 digits with ".0" behind them: 17 digits, which fit 53 bits only where the last
/// ones are zeros. Beyond them an exponent takes the place of the zeros.
const WRITTEN_OUT: Range<f64> = 1e15..1e16;
/// Characters of a text that a bound keeps, as Delta Lake does.
const TEXT_CHARS_MAX: usize = 32;

#[cfg(test)]
#[expect(clippy::cast_possible_truncation, reason = "counts of a test are small")]
mod tests {
    use std::sync::Arc;

    use arrow::array::{
        BooleanArray, Decimal32Array, Float64Array, Int64Array, StringArray, TimestampMicrosecondArray,
    };
    use proptest::prelude::*;

    use super::*;
    use crate::column::text::NULL;

    fn stats(arrays: impl IntoIterator<Item = ArrayRef>) -> ColumnStats {
        let mut builder = StatsBuilder::default();
        arrays.into_iter().for_each(|array| builder.add(&array));
        builder.finish()
    }

    fn text(text: &str) -> Option<StatValue> {
        Some(StatValue::Text(text.into()))
    }

    #[test]
    fn instants_are_rounded_outwards_to_milliseconds() {
        let array: ArrayRef = Arc::new(TimestampMicrosecondArray::from(vec![Some(-1), None, Some(1_999_999)]));
        let stats = stats([array]);
        assert_eq!(stats.min, Some(StatValue::Integer(-1_000)));
        assert_eq!(stats.max, Some(StatValue::Integer(2_000_000)));
        assert_eq!(stats.nulls, 1);
        assert_eq!(bound_above(StatValue::Integer(5_000), true), Some(StatValue::Integer(5_000)));
    }

    #[test]
    fn a_column_of_nulls_and_a_column_of_booleans_have_no_bounds() {
        let nulls: ArrayRef = Arc::new(Int64Array::from(vec![None, None]));
        assert_eq!(stats([nulls]), ColumnStats { min: None, max: None, nulls: 2 });
        let booleans: ArrayRef = Arc::new(BooleanArray::from(vec![Some(true), None]));
        assert_eq!(stats([booleans]), ColumnStats { min: None, max: None, nulls: 1 });
    }

    #[test]
    fn a_double_without_order_takes_the_bounds_away_for_good() {
        for odd in [f64::NAN, -f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let parts = [vec![1.0, odd], vec![2.0]].map(|part| Arc::new(Float64Array::from(part)) as ArrayRef);
            assert_eq!(stats(parts), ColumnStats { min: None, max: None, nulls: 0 });
        }
    }

    #[test]
    fn runs_of_text_count_by_the_values_that_are_used() {
        let mut runs = TextRuns::new(Arc::new(StringArray::from(vec!["a", "b", "c", "d"])));
        for (code, rows) in [(2, 3), (NULL, 2), (1, 1)] {
            runs.push(code, rows);
        }
        let mut builder = StatsBuilder::default();
        builder.add_text(&runs);
        assert_eq!(builder.finish(), ColumnStats { min: text("b"), max: text("c"), nulls: 2 });
    }

    #[test]
    fn long_text_is_cut_and_its_maximum_rounded_up() {
        let long = "x".repeat(40);
        let array: ArrayRef = Arc::new(StringArray::from(vec![long.as_str()]));
        let stats = stats([array]);
        assert_eq!(stats.min, text(&"x".repeat(32)));
        assert_eq!(stats.max, text(&("x".repeat(31) + "y")));
        assert_eq!(text_above("\u{10ffff}".repeat(33)), None);
        let carried = format!("{}\u{d7ff}\u{10ffff}!", "x".repeat(30));
        assert_eq!(text_above(carried), Some("x".repeat(30) + "\u{e000}"));
    }

    #[test]
    fn short_doubles_are_their_own_bounds() {
        for value in [0.0, 0.1, -12.5, 1e22, 1e-7, 99_999.999_999_999_9, f64::from(f32::MAX) / 1e17] {
            assert!(double_below(value).unwrap() <= value, "{value}");
        }
        assert_eq!(double_below(-12.34), Some(-12.34));
        assert_eq!(bound_above(StatValue::Double(0.3), false), Some(StatValue::Double(0.3)));
        assert_eq!(double_below(0.1 + 0.2), Some(0.3));
        assert_eq!(bound_above(StatValue::Double(0.1 + 0.2), false), Some(StatValue::Double(0.300_000_000_000_001)));
        assert_eq!(double_below(-1e300), None);
        assert_eq!(double_below(1e300), Some(1e22));
        assert_eq!(double_below(-1e-300), Some(-1e-7));
    }

    proptest! {
        #[test]
        fn the_bounds_of_a_double_survive_json(
            value in prop_oneof![prop::num::f64::NORMAL | prop::num::f64::ZERO, -1e9f64..1e9, -1f64..1.0, 1e14..1e17],
        ) {
            let close = value.abs() * if WRITTEN_OUT.contains(&value.abs()) { 1e-12 } else { 1e-13 } + 1e-7;
            for bound in [double_below(value), double_below(-value).map(|bound| -bound)].into_iter().flatten() {
                let text = serde_json::to_string(&bound).unwrap();
                prop_assert_eq!(serde_json::from_str::<f64>(&text).unwrap(), bound, "{}", text);
                prop_assert!((bound - value).abs() <= close || value.abs() > EXACT_MAX);
            }
            if value.abs() <= EXACT_MAX {
                prop_assert!(double_below(value).unwrap() <= value && -double_below(-value).unwrap() >= value);
            }
        }

        #[test]
        fn bounds_bound(
            numbers in prop::collection::vec(prop::option::of(-999_999_999i32..=999_999_999), 1..40),
            doubles in prop::collection::vec(prop::option::of(prop::num::f64::NORMAL | prop::num::f64::ZERO), 1..40),
            times in prop::collection::vec(any::<i32>(), 1..40),
            texts in prop::collection::vec(prop::option::of("[a\u{10ffff}\u{d7ff}é]{0,40}"), 1..40),
            cut in 0usize..40,
        ) {
            let decimals = Decimal32Array::from(numbers.clone()).with_precision_and_scale(9, 2).unwrap();
            let split = |array: ArrayRef| {
                let cut = cut.min(array.len());
                stats([array.slice(0, cut), array.slice(cut, array.len() - cut)])
            };
            let all = [
                (split(Arc::new(decimals)), numbers.iter().map(|n| n.map(|n| StatValue::Integer(n.into()))).collect()),
                (split(Arc::new(Float64Array::from(doubles.clone()))), doubles.iter().map(|d| d.map(StatValue::Double)).collect()),
                (
                    split(Arc::new(TimestampMicrosecondArray::from_iter_values(times.iter().map(|&t| i64::from(t))))),
                    times.iter().map(|&t| Some(StatValue::Integer(t.into()))).collect(),
                ),
                (split(Arc::new(StringArray::from(texts.clone()))), texts.iter().map(|t| t.clone().map(StatValue::Text)).collect::<Vec<_>>()),
            ];
            for (stats, values) in all {
                let present: Vec<_> = values.iter().flatten().collect();
                prop_assert_eq!(stats.nulls as usize, values.len() - present.len());
                for value in present {
                    prop_assert!(stats.min.as_ref().is_none_or(|min| min <= value));
                    prop_assert!(stats.max.as_ref().is_none_or(|max| max >= value));
                }
            }
        }
    }
}
