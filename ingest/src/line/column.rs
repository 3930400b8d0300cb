//! A column of lines under construction: its values grow row by row.

use std::borrow::Cow;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, ArrowPrimitiveType, BooleanArray, BooleanBufferBuilder, NullBufferBuilder, PrimitiveArray, StringBuilder,
};
use arrow::datatypes::{Decimal32Type, Decimal64Type, Float64Type, Int64Type, TimestampMicrosecondType};
use zonelake_schemas::{RejectReason, StorageType};

use crate::decode::columns::{FieldRule, narrow};

/// A value as its column stores it.
#[derive(Debug)]
pub(crate) enum Cell<'a> {
    Integer(i64),
    Double(f64),
    Boolean(bool),
    Text(Cow<'a, str>),
    Fault(RejectReason),
}

/// A column under construction; rows that did not set it become null when a later row does.
#[derive(Debug)]
pub(crate) struct Column {
    values: Values,
    nulls: NullBufferBuilder,
    len: usize,
}

#[derive(Debug)]
enum Values {
    Small(Vec<i32>),
    Large(Vec<i64>),
    Double(Vec<f64>),
    Boolean(BooleanBufferBuilder),
    Text(StringBuilder),
}

impl Column {
    pub(crate) fn new(storage: StorageType) -> Self {
        let values = match storage {
            StorageType::Decimal32 { .. } => Values::Small(Vec::new()),
            StorageType::Decimal64 { .. } | StorageType::Int64 | StorageType::Timestamp => Values::Large(Vec::new()),
            StorageType::Float64 => Values::Double(Vec::new()),
            StorageType::Boolean => Values::Boolean(BooleanBufferBuilder::new(0)),
            StorageType::Utf8 => Values::Text(StringBuilder::new()),
        };
        Self { values, nulls: NullBufferBuilder::new(0), len: 0 }
    }

    /// Bytes of a value; those of a text are counted where they come.
    pub(crate) fn width_bytes(&self) -> usize {
        match &self.values {
            Values::Small(_) | Values::Text(_) => 4,
            Values::Large(_) | Values::Double(_) => 8,
            Values::Boolean(_) => 1,
        }
    }

    pub(crate) fn pad_to(&mut self, rows: usize) {
        let missing = rows.saturating_sub(self.len);
        if missing == 0 {
            return;
        }
        match &mut self.values {
            Values::Small(values) => values.resize(rows, 0),
            Values::Large(values) => values.resize(rows, 0),
            Values::Double(values) => values.resize(rows, 0.0),
            Values::Boolean(values) => values.append_n(missing, false),
            Values::Text(values) => values.append_nulls(missing),
        }
        self.nulls.append_n_nulls(missing);
        self.len = rows;
    }

    /// Adds a value; gives back the reason where it is none, and null stands for it.
    pub(crate) fn push(&mut self, cell: Cell<'_>) -> Option<RejectReason> {
        match (&mut self.values, cell) {
            (_, Cell::Fault(reason)) => {
                self.pad_to(self.len + 1);
                return Some(reason);
            }
            (Values::Small(values), Cell::Integer(n)) => values.push(narrow(n)),
            (Values::Large(values), Cell::Integer(n)) => values.push(n),
            (Values::Double(values), Cell::Double(value)) => values.push(value),
            (Values::Boolean(values), Cell::Boolean(value)) => values.append(value),
            (Values::Text(values), Cell::Text(text)) => values.append_value(text),
            (values, cell) => unreachable!("{cell:?} was bound by the kind of its column {values:?}"),
        }
        self.nulls.append_non_null();
        self.len += 1;
        None
    }

    pub(crate) fn finish(mut self, rule: &FieldRule) -> ArrayRef {
        let nulls = self.nulls.finish();
        fn array<T: ArrowPrimitiveType>(
            values: Vec<T::Native>,
            nulls: Option<arrow::buffer::NullBuffer>,
            rule: &FieldRule,
        ) -> ArrayRef {
            Arc::new(PrimitiveArray::<T>::new(values.into(), nulls).with_data_type(rule.data_type.clone()))
        }
        match self.values {
            Values::Small(values) => array::<Decimal32Type>(values, nulls, rule),
            Values::Large(values) => match rule.storage {
                StorageType::Int64 => array::<Int64Type>(values, nulls, rule),
                StorageType::Timestamp => array::<TimestampMicrosecondType>(values, nulls, rule),
                _ => array::<Decimal64Type>(values, nulls, rule),
            },
            Values::Double(values) => array::<Float64Type>(values, nulls, rule),
            Values::Boolean(mut values) => Arc::new(BooleanArray::new(values.finish(), nulls)),
            Values::Text(mut values) => Arc::new(values.finish()),
        }
    }
}
