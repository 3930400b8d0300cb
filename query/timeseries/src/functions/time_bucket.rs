//! `time_bucket(width, time [, zone] [, origin] [, offset])`.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result, ScalarValue, exec_err, plan_err};
use datafusion::logical_expr::interval_arithmetic::Interval;
use datafusion::logical_expr::preimage::PreimageResult;
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::sort_properties::{ExprProperties, SortProperties};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};

use crate::functions::ordering::{any_time, time_order};
use crate::time::bucket::Buckets;
use crate::time::columns::{
    all_constant, column_result, constant_interval, constant_us, from_us, instant_type, interval_type, is_instant,
    is_text, local_type, to_us,
};
use crate::time::zone::Zone;

/// The function.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct TimeBucket {
    signature: Signature,
}

impl Default for TimeBucket {
    fn default() -> Self {
        Self { signature: Signature::user_defined(Volatility::Immutable) }
    }
}

/// The types to which the arguments of a bucket are coerced.
pub(crate) fn bucket_types(name: &str, given: &[DataType]) -> Result<Vec<DataType>> {
    if !(2..=5).contains(&given.len()) {
        return plan_err!("{name} takes a width, a time and up to three of zone, origin and offset");
    }
    let typed = given.iter().enumerate().map(|(at, given)| match (at, given) {
        (0, DataType::Interval(_) | DataType::Duration(_) | DataType::Null) => Ok(interval_type()),
        (0, text) if is_text(text) => Ok(interval_type()),
        (1, DataType::Timestamp(..) | DataType::Date32) => Ok(given.clone()),
        (1, DataType::Null) => Ok(instant_type()),
        (1, text) if is_text(text) => Ok(instant_type()),
        (2.., DataType::Interval(_) | DataType::Duration(_)) => Ok(interval_type()),
        (2.., DataType::Timestamp(_, Some(_))) => Ok(instant_type()),
        (2.., DataType::Timestamp(_, None) | DataType::Date32) => Ok(local_type()),
        (2.., DataType::Null) => Ok(DataType::Null),
        (2.., text) if is_text(text) => Ok(DataType::Utf8),
        _ => plan_err!("argument {} of {name} cannot be {given}", at + 1),
    });
    typed.collect()
}

/// The division that constant arguments describe; `None` where the width is null. Local times have no zone.
pub(crate) fn buckets_of(width: &ScalarValue, options: &[ScalarValue], time: &DataType) -> Result<Option<Buckets>> {
    let Some(width) = constant_interval(width, "the width of a bucket")? else { return Ok(None) };
    let (mut zone, mut origin, mut offset) = (None, None, None);
    for option in options.iter().filter(|option| !option.is_null()) {
        match option {
            ScalarValue::IntervalMonthDayNano(interval) if offset.is_none() => offset = *interval,
            ScalarValue::TimestampMicrosecond(..) if origin.is_none() => origin = Some(option),
            _ if zone.is_none() && option.try_as_str().flatten().is_some() => {
                zone = option.try_as_str().flatten().map(Zone::named).transpose()?;
            }
            _ => return exec_err!("zone, origin and offset of a bucket are given once each"),
        }
    }
    if zone.is_some() && !is_instant(time) {
        return exec_err!("a time zone divides times with time zone, and not local times");
    }
    let zone = zone.unwrap_or(Zone::UTC);
    let origin = match origin {
        Some(origin) if is_instant(&origin.data_type()) => constant_us(origin)?.map(|us| zone.to_local(us)),
        Some(origin) => constant_us(origin)?,
        None => None,
    };
    Buckets::new(width, origin, offset, zone).map(Some)
}

/// Arguments that must be constants.
pub(crate) fn constants(name: &str, arguments: &[ColumnarValue]) -> Result<Vec<ScalarValue>> {
    let constants = arguments.iter().map(|argument| match argument {
        ColumnarValue::Scalar(value) => Ok(value.clone()),
        ColumnarValue::Array(_) => exec_err!("width, zone, origin and offset of {name} must be constants"),
    });
    constants.collect()
}

impl ScalarUDFImpl for TimeBucket {
    fn name(&self) -> &str {
        "time_bucket"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        bucket_types(self.name(), given)
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        match types.get(1) {
            Some(time) => Ok(time.clone()),
            None => plan_err!("time_bucket takes a width and a time"),
        }
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let types: Vec<DataType> = args.arg_fields.iter().map(|field| field.data_type().clone()).collect();
        Ok(Arc::new(Field::new(self.name(), self.return_type(&types)?, true)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [width, time, options @ ..] = args.args.as_slice() else {
            return exec_err!("time_bucket takes a width and a time");
        };
        let width = constants(self.name(), std::slice::from_ref(width))?.remove(0);
        let options = constants(self.name(), options)?;
        let time_type = args.return_field.data_type();
        let Some(buckets) = buckets_of(&width, &options, time_type)? else {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from(time_type)?));
        };
        let constant = all_constant(&args.args);
        let times = to_us(&time.to_array(if constant { 1 } else { args.number_rows })?)?;
        column_result(from_us(buckets.starts_of(&times), time_type)?, constant)
    }

    /// A comparison of a bucket with the beginning of one is a comparison of the time itself, which leaves out files.
    fn preimage(&self, args: &[Expr], literal: &Expr, info: &SimplifyContext) -> Result<PreimageResult> {
        let (Some(Expr::Literal(width, _)), Some(time)) = (args.first(), args.get(1)) else {
            return Ok(PreimageResult::None);
        };
        let options: Option<Vec<ScalarValue>> = args[2..].iter().map(|option| option.as_literal().cloned()).collect();
        let (Some(options), Some(start)) = (options, literal.as_literal()) else { return Ok(PreimageResult::None) };
        let time_type = info.get_data_type(time)?;
        if start.data_type() != time_type || !matches!(time_type, DataType::Timestamp(..)) {
            return Ok(PreimageResult::None);
        }
        let (Some(buckets), Some(start_us)) = (buckets_of(width, &options, &time_type)?, constant_us(start)?) else {
            return Ok(PreimageResult::None);
        };
        let end_us = buckets.next(start_us).filter(|_| buckets.start(start_us) == Some(start_us));
        let Some(end_us) = end_us else { return Ok(PreimageResult::None) };
        // The end must survive the type of the time: seconds cannot hold each end that microseconds can.
        let end = ScalarValue::try_from_array(&from_us(vec![end_us].into(), &time_type)?, 0)?;
        if end.is_null() || constant_us(&end)? != Some(end_us) {
            return Ok(PreimageResult::None);
        }
        let interval = Box::new(Interval::try_new(start.clone(), end)?);
        Ok(PreimageResult::Range { expr: time.clone(), interval })
    }

    fn output_ordering(&self, inputs: &[ExprProperties]) -> Result<SortProperties> {
        Ok(time_order(inputs, 1, any_time))
    }

    fn preserves_lex_ordering(&self, inputs: &[ExprProperties]) -> Result<bool> {
        Ok(time_order(inputs, 1, any_time) != SortProperties::Unordered)
    }
}
