//! Columns of a batch brought to the types in which they are stored.
//!
//! A column that comes in its storage type with every value acceptable passes through without a copy: one loop finds
//! its minimum and maximum. Doubles for a decimal field are converted in one loop that checks itself; a run of values
//! where that check fails is converted value by value. Whatever is not a reading becomes null and is noted.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, BooleanArray, NullBufferBuilder, PrimitiveArray};
use arrow::array::{StringBuilder, downcast_integer_array};
use arrow::buffer::{NullBuffer, ScalarBuffer};
use arrow::datatypes::{
    ArrowNativeType, DataType, Decimal32Type, Decimal64Type, Decimal128Type, Decimal256Type, Float32Type, Float64Type,
    Int32Type, Int64Type, TimeUnit, TimestampMicrosecondType,
};
use zonelake_schemas::columns::{arrow_type, null_column};
use zonelake_schemas::wire::control::RefusedCode;
use zonelake_schemas::{FieldDef, INSTANTS_US, RejectReason, StorageType};

use super::numbers::{NumberRule, exact_decimals_32, exact_decimals_64, minimum_and_maximum};
use crate::limits::DecodeLimits;
use crate::refusal::Refusal;
use crate::rows::dictionary::TextColumn;
use crate::rows::faults::{ReadingFaults, RowFaults};
use crate::rows::instant::{to_stored_us, to_us};

/// A field of the table with what it accepts.
#[derive(Debug, Clone)]
pub(crate) struct FieldRule {
    pub(crate) index: u16,
    pub(crate) numbers: NumberRule,
    pub(crate) storage: StorageType,
    /// Arrow type of `storage`.
    pub(crate) data_type: DataType,
}

impl FieldRule {
    /// The rules of a table's fields, in their order.
    pub(crate) fn all(fields: &[FieldDef]) -> Vec<Self> {
        (0u16..)
            .zip(fields)
            .map(|(index, field)| Self {
                index,
                numbers: NumberRule::new(field),
                storage: field.storage_type(),
                data_type: arrow_type(field.storage_type()),
            })
            .collect()
    }
}

/// List of faults, for the values of one field.
pub(crate) struct FieldFaults<'a> {
    pub(crate) field: u16,
    pub(crate) rows: &'a RowFaults,
    pub(crate) readings: &'a mut ReadingFaults,
}

impl FieldFaults<'_> {
    fn note(&mut self, row: usize, reason: RejectReason) {
        if self.rows.get(row).is_none() {
            self.readings.push(row, self.field, reason);
        }
    }
}

/// Brings a number, boolean or timestamp column to the storage type of its field. `sent` is its type on the wire, which
/// the schema's check has found acceptable; `array` has it in its physical type.
pub(crate) fn convert(rule: &FieldRule, sent: &DataType, array: &ArrayRef, mut faults: FieldFaults<'_>) -> ArrayRef {
    if *sent == DataType::Null {
        return null_column(&rule.data_type, array.len());
    }
    let faults = &mut faults;
    match rule.storage {
        // Nothing to convert: the schema's check lets only the same type pass, and text goes another way.
        StorageType::Boolean | StorageType::Utf8 => Arc::clone(array),
        StorageType::Timestamp => timestamps(rule, sent, array, faults),
        StorageType::Int64 => integers(rule, array, faults),
        StorageType::Float64 => doubles(rule, sent, array, faults),
        StorageType::Decimal32 { .. } => decimals_32(rule, sent, array, faults),
        StorageType::Decimal64 { .. } => decimals_64(rule, sent, array, faults),
    }
}

fn decimals_32(rule: &FieldRule, sent: &DataType, array: &ArrayRef, faults: &mut FieldFaults<'_>) -> ArrayRef {
    let numbers = rule.numbers;
    let StorageType::Decimal32 { decimals } = rule.storage else { unreachable!("the caller has matched it") };
    match sent {
        DataType::Decimal32(_, scale) if *scale == decimals.cast_signed() => {
            let source = array.as_primitive::<Int32Type>();
            // Values of null rows count too. They only make the slow path likelier, and the loop has no branch for
            // them.
            let (minimum, maximum) = minimum_and_maximum(source.values());
            if i64::from(minimum) >= numbers.integer.0 && i64::from(maximum) <= numbers.integer.1 {
                let values = source.values().clone();
                let column = PrimitiveArray::<Decimal32Type>::new(values, source.nulls().cloned());
                return Arc::new(column.with_data_type(rule.data_type.clone()));
            }
        }
        DataType::Float64 => {
            let source = array.as_primitive::<Float64Type>();
            let mut out = Vec::with_capacity(source.len());
            // The exact conversion of one value, for runs in which the fast loop is not exact.
            let each = |row| numbers.decimal_of_f64(source.value(row)).map(narrow);
            let nulls = by_runs(
                source,
                &mut out,
                |values, out| {
                    exact_decimals_32(values, numbers.power(), out)
                        .is_some_and(|(minimum, maximum)| numbers.holds(i64::from(minimum), i64::from(maximum)))
                },
                each,
                faults,
            );
            return primitive::<Decimal32Type>(out, nulls, rule);
        }
        _ => {}
    }
    number_by_number::<Decimal32Type>(rule, sent, array, faults, |number| numbers.decimal_of(number).map(narrow))
}

fn decimals_64(rule: &FieldRule, sent: &DataType, array: &ArrayRef, faults: &mut FieldFaults<'_>) -> ArrayRef {
    let numbers = rule.numbers;
    let StorageType::Decimal64 { decimals } = rule.storage else { unreachable!("the caller has matched it") };
    match sent {
        DataType::Decimal64(_, scale) if *scale == decimals.cast_signed() => {
            let source = array.as_primitive::<Int64Type>();
            let (minimum, maximum) = minimum_and_maximum(source.values());
            if numbers.holds(minimum, maximum) {
                let column = PrimitiveArray::<Decimal64Type>::new(source.values().clone(), source.nulls().cloned());
                return Arc::new(column.with_data_type(rule.data_type.clone()));
            }
        }
        DataType::Float64 => {
            let source = array.as_primitive::<Float64Type>();
            let mut out = Vec::with_capacity(source.len());
            let each = |row| numbers.decimal_of_f64(source.value(row));
            let nulls = by_runs(
                source,
                &mut out,
                |values, out| {
                    exact_decimals_64(values, numbers.power(), out)
                        .is_some_and(|(minimum, maximum)| numbers.holds(minimum, maximum))
                },
                each,
                faults,
            );
            return primitive::<Decimal64Type>(out, nulls, rule);
        }
        _ => {}
    }
    number_by_number::<Decimal64Type>(rule, sent, array, faults, |number| numbers.decimal_of(number))
}

fn doubles(rule: &FieldRule, sent: &DataType, array: &ArrayRef, faults: &mut FieldFaults<'_>) -> ArrayRef {
    let numbers = rule.numbers;
    if *sent == DataType::Float64 {
        let (minimum, maximum) = numbers.double;
        let values = array.as_primitive::<Float64Type>().values();
        // A comparison with NaN is false, and the bounds are finite.
        if values.iter().fold(true, |all, &value| all & (value >= minimum) & (value <= maximum)) {
            return Arc::clone(array);
        }
    }
    number_by_number::<Float64Type>(rule, sent, array, faults, |number| numbers.double_of(number))
}

fn integers(rule: &FieldRule, array: &ArrayRef, faults: &mut FieldFaults<'_>) -> ArrayRef {
    let numbers = rule.numbers;
    if let Some(source) = array.as_primitive_opt::<Int64Type>() {
        let (minimum, maximum) = minimum_and_maximum(source.values());
        if numbers.holds(minimum, maximum) {
            return Arc::clone(array);
        }
    }
    number_by_number::<Int64Type>(rule, array.data_type(), array, faults, |number| match number {
        Number::Integer(n) => numbers.integer_of(n),
        _ => unreachable!("the schema's check lets only integers pass"),
    })
}

fn timestamps(rule: &FieldRule, sent: &DataType, array: &ArrayRef, faults: &mut FieldFaults<'_>) -> ArrayRef {
    let DataType::Timestamp(unit, _) = sent else { unreachable!("the schema's check lets only timestamps pass") };
    let source = array.as_primitive::<Int64Type>();
    if *unit == TimeUnit::Microsecond {
        let (minimum, maximum) = minimum_and_maximum(source.values());
        if INSTANTS_US.contains(&minimum) && INSTANTS_US.contains(&maximum) {
            let (values, nulls) = (source.values().clone(), source.nulls().cloned());
            let column = PrimitiveArray::<TimestampMicrosecondType>::new(values, nulls);
            return Arc::new(column.with_data_type(rule.data_type.clone()));
        }
    }
    each_value::<TimestampMicrosecondType>(rule, source.len(), source.nulls(), faults, |row| {
        to_stored_us(to_us(source.value(row), *unit)).ok_or(RejectReason::OutOfRange)
    })
}

/// A text column as its field stores it. Text over the limit is no reading. `bytes_left` is the limit that
/// is left for the text columns of the batch together: rows may share one long text, and columns one buffer.
pub(crate) fn texts(
    column: &TextColumn<'_>,
    limits: &DecodeLimits,
    bytes_left: &mut usize,
    faults: &mut FieldFaults<'_>,
) -> Result<ArrayRef, Refusal> {
    // Counted as the text is taken, before memory for it is reserved.
    let mut take = |bytes: usize| {
        *bytes_left = bytes_left.checked_sub(bytes).ok_or_else(|| {
            let message = format!("text columns of more than {} bytes in all", limits.decompressed_bytes_max);
            Refusal::new(RefusedCode::TooLarge, message)
        })?;
        Ok(())
    };
    if let TextColumn::Small(array) = column
        // Text is stored as Utf8, so that an acceptable column needs no copy.
        && array.offsets().windows(2).all(|pair| (pair[1] - pair[0]).as_usize() <= limits.text_bytes_max)
    {
        take((array.offsets()[array.len()] - array.offsets()[0]).as_usize())?;
        return Ok(Arc::new((*array).clone()));
    }
    let mut texts_out = StringBuilder::new();
    for row in 0..column.len() {
        match column.get(row) {
            None => texts_out.append_null(),
            Some(text) if text.len() > limits.text_bytes_max => {
                faults.note(row, RejectReason::TooLong);
                texts_out.append_null();
            }
            Some(text) => {
                take(text.len())?;
                texts_out.append_value(text);
            }
        }
    }
    Ok(Arc::new(texts_out.finish()) as ArrayRef)
}

/// A column of numbers or booleans that was sent as texts, since its source could not read all of them. What is no value is no reading.
pub(crate) fn from_texts(rule: &FieldRule, column: &TextColumn<'_>, mut faults: FieldFaults<'_>) -> ArrayRef {
    let faults = &mut faults;
    let numbers = rule.numbers;
    match rule.storage {
        StorageType::Decimal32 { .. } => {
            numbers_of_texts::<Decimal32Type>(rule, column, faults, |number| numbers.decimal_of(number).map(narrow))
        }
        StorageType::Decimal64 { .. } => {
            numbers_of_texts::<Decimal64Type>(rule, column, faults, |number| numbers.decimal_of(number))
        }
        StorageType::Float64 => {
            numbers_of_texts::<Float64Type>(rule, column, faults, |number| numbers.double_of(number))
        }
        StorageType::Int64 => numbers_of_texts::<Int64Type>(rule, column, faults, |number| match number {
            Number::Integer(n) => numbers.integer_of(n),
            _ => Err(RejectReason::Unreadable),
        }),
        StorageType::Boolean => {
            let values = (0..column.len()).map(|row| {
                let value = column.get(row)?.parse();
                if value.is_err() {
                    faults.note(row, RejectReason::Unreadable);
                }
                value.ok()
            });
            Arc::new(values.collect::<BooleanArray>())
        }
        StorageType::Utf8 | StorageType::Timestamp => unreachable!("the schema's check lets no text pass for these"),
    }
}

fn numbers_of_texts<T: ArrowPrimitiveType>(
    rule: &FieldRule,
    column: &TextColumn<'_>,
    faults: &mut FieldFaults<'_>,
    keep: impl Fn(Number) -> Result<T::Native, RejectReason>,
) -> ArrayRef {
    let nulls: NullBuffer = (0..column.len()).map(|row| column.get(row).is_some()).collect();
    each_value::<T>(rule, column.len(), Some(&nulls), faults, |row| {
        let text = column.get(row).unwrap_or_default();
        let integer = text.parse().map(Number::Integer);
        let number = integer.or_else(|_no_integer| text.parse().map(Number::Double));
        number.map_or(Err(RejectReason::Unreadable), &keep)
    })
}

/// A number as it was sent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Number {
    Double(f64),
    Single(f32),
    Integer(i128),
    /// n / 10^places.
    Scaled(i128, i32),
    /// An integer of more than 128 bits.
    Huge {
        is_negative: bool,
    },
}

impl NumberRule {
    /// As the stored integer of a decimal field.
    pub(crate) fn decimal_of(&self, number: Number) -> Result<i64, RejectReason> {
        match number {
            Number::Double(value) => self.decimal_of_f64(value),
            Number::Single(value) => self.decimal_of_f32(value),
            Number::Integer(n) => self.decimal_of_scaled(n, 0),
            Number::Scaled(n, places) => self.decimal_of_scaled(n, places),
            Number::Huge { is_negative } => self.decimal_of_f64(if is_negative { f64::MIN } else { f64::MAX }),
        }
    }

    /// As the double of a Float64 field.
    pub(crate) fn double_of(&self, number: Number) -> Result<f64, RejectReason> {
        match number {
            Number::Double(value) => self.double_of_f64(value),
            Number::Single(value) => self.double_of_f64(f64::from(value)),
            Number::Integer(n) => self.double_of_integer(n),
            Number::Scaled(n, places) => self.double_of_scaled(n, places),
            Number::Huge { .. } => Err(RejectReason::TooManyDigits),
        }
    }

    fn holds(&self, minimum: i64, maximum: i64) -> bool {
        minimum >= self.integer.0 && maximum <= self.integer.1
    }
}

/// Reads any number column value by value.
fn number_by_number<T: ArrowPrimitiveType>(
    rule: &FieldRule,
    sent: &DataType,
    array: &ArrayRef,
    faults: &mut FieldFaults<'_>,
    keep: impl Fn(Number) -> Result<T::Native, RejectReason>,
) -> ArrayRef {
    let (len, nulls) = (array.len(), array.nulls());
    macro_rules! each {
        ($type:ty, $number:expr) => {{
            let source = array.as_primitive::<$type>();
            each_value::<T>(rule, len, nulls, faults, |row| keep($number(source.value(row))))
        }};
    }
    match sent {
        DataType::Float64 => each!(Float64Type, Number::Double),
        DataType::Float32 => each!(Float32Type, Number::Single),
        DataType::Decimal32(_, scale) => each!(Int32Type, |n| Number::Scaled(i128::from(n), i32::from(*scale))),
        DataType::Decimal64(_, scale) => each!(Int64Type, |n| Number::Scaled(i128::from(n), i32::from(*scale))),
        DataType::Decimal128(_, scale) => each!(Decimal128Type, |n| Number::Scaled(n, i32::from(*scale))),
        // A scaled integer of more than 128 bits is beyond every field; only its sign matters for the reason.
        DataType::Decimal256(_, scale) => each!(Decimal256Type, |n: arrow::datatypes::i256| {
            n.to_i128().map_or(Number::Huge { is_negative: n.is_negative() }, |n| Number::Scaled(n, i32::from(*scale)))
        }),
        _ => downcast_integer_array!(
            array => each_value::<T>(rule, len, nulls, faults, |row| keep(Number::Integer(i128::from(array.value(row))))),
            other => unreachable!("the schema's check lets no {other} pass as a number")
        ),
    }
}

fn each_value<T: ArrowPrimitiveType>(
    rule: &FieldRule,
    len: usize,
    nulls: Option<&NullBuffer>,
    faults: &mut FieldFaults<'_>,
    value: impl Fn(usize) -> Result<T::Native, RejectReason>,
) -> ArrayRef {
    let mut out = Vec::with_capacity(len);
    let mut out_nulls = NullBufferBuilder::new(len);
    for row in 0..len {
        push(&mut out, &mut out_nulls, row, nulls, faults, &value);
    }
    primitive::<T>(out, out_nulls.finish(), rule)
}

/// Converts in runs: `convert_run` appends a whole run where it finds every value acceptable, else `value` decides one
/// by one. Values of null rows count as 0 there.
fn by_runs<N: ArrowNativeType>(
    source: &PrimitiveArray<Float64Type>,
    out: &mut Vec<N>,
    convert_run: impl Fn(&[f64], &mut Vec<N>) -> bool,
    value: impl Fn(usize) -> Result<N, RejectReason>,
    faults: &mut FieldFaults<'_>,
) -> Option<NullBuffer> {
    let nulls = source.nulls();
    let mut out_nulls = NullBufferBuilder::new(source.len());
    let mut start = 0;
    for run in source.values().chunks(RUN) {
        if convert_run(run, out) {
            match nulls {
                None => out_nulls.append_n_non_nulls(run.len()),
                Some(nulls) => out_nulls.append_buffer(&nulls.slice(start, run.len())),
            }
        } else {
            // The fast loop has appended values before it met the one that is not exact.
            out.truncate(start);
            for row in start..start + run.len() {
                push(out, &mut out_nulls, row, nulls, faults, &value);
            }
        }
        start += run.len();
    }
    out_nulls.finish()
}

fn push<N: ArrowNativeType>(
    out: &mut Vec<N>,
    out_nulls: &mut NullBufferBuilder,
    row: usize,
    nulls: Option<&NullBuffer>,
    faults: &mut FieldFaults<'_>,
    value: &impl Fn(usize) -> Result<N, RejectReason>,
) {
    if nulls.is_some_and(|nulls| nulls.is_null(row)) {
        // A null row has a value too, which nobody reads.
        out.push(N::default());
        return out_nulls.append_null();
    }
    match value(row) {
        Ok(value) => {
            out.push(value);
            out_nulls.append_non_null();
        }
        Err(reason) => {
            faults.note(row, reason);
            out.push(N::default());
            out_nulls.append_null();
        }
    }
}

fn primitive<T: ArrowPrimitiveType>(values: Vec<T::Native>, nulls: Option<NullBuffer>, rule: &FieldRule) -> ArrayRef {
    let array = PrimitiveArray::<T>::new(ScalarBuffer::from(values), nulls);
    Arc::new(array.with_data_type(rule.data_type.clone()))
}

/// The stored integer of a decimal field of 9 digits.
pub(crate) fn narrow(n: i64) -> i32 {
    i32::try_from(n).expect("9 digits fit 32 bits")
}

/// Values that are converted together. One value that needs a look of its own costs that many single conversions.
const RUN: usize = 512;
