//! Instants and intervals added, subtracted and compared as PostgreSQL does it: a day and a month are as long as they are in
//! the zone of the session.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, IntervalMonthDayNanoArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int64Type, IntervalMonthDayNano};
use datafusion::common::{Result, exec_err, plan_err};

use crate::functions::function::{Call, TimeFunction};
use crate::time::calendar::{DAY_US, Day, negated};
use crate::time::columns::{from_us, instant_type, interval_type, is_instant, local_type, to_intervals, to_us};
use crate::time::rounding::{round_i64, trunc_i64};
use crate::time::zone::Zone;

/// The functions of this module. `planning::operators` replaces operators by those that have a constant name.
pub(crate) fn functions() -> Vec<TimeFunction> {
    vec![
        TimeFunction::new(PLUS, add_interval_typing, plus).depending_on_session(),
        TimeFunction::new(MINUS, add_interval_typing, minus).depending_on_session(),
        TimeFunction::new(BETWEEN, between_typing, between).depending_on_session(),
        TimeFunction::new(LENGTH, length_typing, length),
        TimeFunction::new(MULTIPLY, multiply_typing, |call| scale_interval(call, |part, factor| part * factor)),
        TimeFunction::new(DIVIDE, multiply_typing, |call| scale_interval(call, |part, divisor| part / divisor)),
        TimeFunction::new("age", between_typing, age).depending_on_session(),
        TimeFunction::new("justify_days", justify_typing, |call| justify(call, justify_days)),
        TimeFunction::new("justify_hours", justify_typing, |call| justify(call, justify_hours)),
        TimeFunction::new("justify_interval", justify_typing, |call| justify(call, justify_interval)),
        TimeFunction::new("make_interval", make_typing, make),
    ]
}

/// Instant plus interval.
pub(crate) const PLUS: &str = "timestamptz_pl_interval";
/// Instant minus interval.
pub(crate) const MINUS: &str = "timestamptz_mi_interval";
/// Time minus time: days and a rest.
pub(crate) const BETWEEN: &str = "timestamp_mi";
/// The length by which intervals are compared, in µs.
pub(crate) const LENGTH: &str = "interval_length_us";

/// Interval times number.
pub(crate) const MULTIPLY: &str = "interval_mul";
/// Interval by number.
pub(crate) const DIVIDE: &str = "interval_div";

type Typed = Result<(Vec<DataType>, DataType)>;

fn add_interval_typing(given: &[DataType]) -> Typed {
    match given {
        [_, DataType::Interval(_) | DataType::Duration(_) | DataType::Null] => {
            Ok((vec![instant_type(), interval_type()], instant_type()))
        }
        _ => plan_err!("an interval is added to a time"),
    }
}

fn plus(call: &Call<'_>) -> Result<ArrayRef> {
    add_interval(call, |interval| interval)
}

fn minus(call: &Call<'_>) -> Result<ArrayRef> {
    add_interval(call, negated)
}

fn add_interval(call: &Call<'_>, sign: fn(IntervalMonthDayNano) -> IntervalMonthDayNano) -> Result<ArrayRef> {
    let (times, intervals, zone) = (to_us(&call.array(0)?)?, to_intervals(&call.array(1)?)?, call.zone()?);
    let added = times.iter().zip(&intervals).map(|(time, interval)| match time.zip(interval) {
        None => Ok(None),
        Some((time, interval)) => match instant_plus(time, sign(interval), zone) {
            Some(added) => Ok(Some(added)),
            None => exec_err!("timestamp out of range"),
        },
    });
    from_us(added.collect::<Result<Int64Array>>()?, call.result)
}

/// An instant plus months, then days, both by the local calendar, then time.
pub(crate) fn instant_plus(instant_us: i64, interval: IntervalMonthDayNano, zone: Zone) -> Option<i64> {
    // Months come first, as in PostgreSQL: 30 January plus a month and a day is 1 March.
    let mut at = instant_us;
    if interval.months != 0 {
        let local = zone.to_local(at);
        let day = Day::from_us(local).plus_months(i64::from(interval.months));
        at = zone.to_instant(day.days().checked_mul(DAY_US)?.checked_add(local.rem_euclid(DAY_US))?);
    }
    if interval.days != 0 {
        let days_us = i64::from(interval.days).checked_mul(DAY_US)?;
        at = zone.to_instant(zone.to_local(at).checked_add(days_us)?);
    }
    at.checked_add(interval.nanoseconds / 1_000)
}

fn between_typing(given: &[DataType]) -> Typed {
    let [a, b] = given else { return plan_err!("two times are wanted") };
    let wanted = match (a, b) {
        (DataType::Timestamp(_, Some(_)), _) | (_, DataType::Timestamp(_, Some(_))) => instant_type(),
        _ => local_type(),
    };
    Ok((vec![wanted.clone(), wanted], interval_type()))
}

fn between(call: &Call<'_>) -> Result<ArrayRef> {
    let (later, earlier) = (to_us(&call.array(0)?)?, to_us(&call.array(1)?)?);
    // Wraps only for times that are more than 290,000 years apart.
    let between: Int64Array = arrow::compute::binary(&later, &earlier, i64::wrapping_sub)?;
    let intervals: IntervalMonthDayNanoArray = between
        .unary_opt(|us| Some(IntervalMonthDayNano::new(0, i32::try_from(us / DAY_US).ok()?, us % DAY_US * 1_000)));
    Ok(Arc::new(intervals))
}

fn age(call: &Call<'_>) -> Result<ArrayRef> {
    let (later, earlier) = (call.array(0)?, call.array(1)?);
    let zone = if is_instant(later.data_type()) { call.zone()? } else { Zone::UTC };
    let (later, earlier) = (to_us(&later)?, to_us(&earlier)?);
    let local = |time: i64| zone.to_local(time);
    let ages = later.iter().zip(&earlier).map(|pair| pair.0.zip(pair.1).map(|(a, b)| age_of(local(a), local(b))));
    Ok(Arc::new(ages.collect::<IntervalMonthDayNanoArray>()))
}

/// Years, months, days and time between two local times, as a calendar counts them.
fn age_of(later_us: i64, earlier_us: i64) -> IntervalMonthDayNano {
    if later_us < earlier_us {
        return negated(age_of(earlier_us, later_us));
    }
    let (later, earlier) = (Day::from_us(later_us), Day::from_us(earlier_us));
    let mut time_us = later_us.rem_euclid(DAY_US) - earlier_us.rem_euclid(DAY_US);
    let mut days = later.day - earlier.day;
    let mut months = later.months() - earlier.months();
    if time_us < 0 {
        time_us += DAY_US;
        days -= 1;
    }
    if days < 0 {
        // Days are borrowed from the month in which the earlier time is.
        days += earlier.days_in_month();
        months -= 1;
    }
    #[expect(clippy::cast_possible_truncation, reason = "64 bits of microseconds span 7.1 million months")]
    let (months, days) = (months as i32, days as i32);
    IntervalMonthDayNano::new(months, days, time_us * 1_000)
}

fn length_typing(given: &[DataType]) -> Typed {
    match given {
        [DataType::Interval(_) | DataType::Duration(_) | DataType::Null] => {
            Ok((vec![interval_type()], DataType::Int64))
        }
        _ => plan_err!("one interval is wanted"),
    }
}

fn length(call: &Call<'_>) -> Result<ArrayRef> {
    let intervals = to_intervals(&call.array(0)?)?;
    let lengths: Int64Array = intervals.unary(|interval| {
        let days = i64::from(interval.months) * 30 + i64::from(interval.days);
        days.saturating_mul(DAY_US).saturating_add(interval.nanoseconds / 1_000)
    });
    Ok(Arc::new(lengths))
}

fn multiply_typing(given: &[DataType]) -> Typed {
    match given {
        [_, _] => Ok((vec![interval_type(), DataType::Float64], interval_type())),
        _ => plan_err!("an interval and a number are wanted"),
    }
}

/// An interval by a factor or a divisor. Fractions of a month or a day become days and time, a month as 30 days. (PostgreSQL's
/// `interval_mul` and `interval_div`: each part is divided itself, since 49 by a 49th is not a whole number.)
/// An interval by a number, each part by itself, the rest of a month as days and that of a day as time; `None` beyond its range.
pub fn divide_interval(interval: IntervalMonthDayNano, divisor: f64) -> Option<IntervalMonthDayNano> {
    scale(interval, |part| part / divisor)
}

fn scale(interval: IntervalMonthDayNano, scaled: impl Fn(f64) -> f64) -> Option<IntervalMonthDayNano> {
    // To the nearest millionth, as PostgreSQL does, so that 0.1 of a day is no sum of rounding errors.
    let round = |value: f64| (value * 1e6).round() / 1e6;
    let (months, days) = (scaled(interval.months.into()), scaled(interval.days.into()));
    let us = scaled((interval.nanoseconds / 1_000) as f64);
    // Negated, so that NaN, which compares as false, is out of range too.
    if !(months.abs() < 2e9 && days.abs() < 2e9 && us.abs() < 9e15) {
        return None;
    }
    let days_of_month = round((months - months.trunc()) * 30.0);
    let mut seconds = round((days - days.trunc() + days_of_month - days_of_month.trunc()) * 86_400.0);
    let mut whole_days = days.trunc() + days_of_month.trunc();
    if seconds.abs() >= 86_400.0 {
        whole_days += (seconds / 86_400.0).trunc();
        seconds %= 86_400.0;
    }
    let us = round_i64(us + seconds * 1e6);
    let (months, days) = (i32::try_from(trunc_i64(months)).ok()?, i32::try_from(trunc_i64(whole_days)).ok()?);
    Some(IntervalMonthDayNano::new(months, days, us.checked_mul(1_000)?))
}

fn scale_interval(call: &Call<'_>, scaled: fn(f64, f64) -> f64) -> Result<ArrayRef> {
    let (intervals, factors) = (to_intervals(&call.array(0)?)?, call.array(1)?);
    let factors = factors.as_primitive::<Float64Type>();
    let products = intervals.iter().zip(factors).map(|(interval, factor)| match interval.zip(factor) {
        None => Ok(None),
        Some((_, factor)) if !scaled(1.0, factor).is_finite() => exec_err!("an interval is not divided by zero"),
        Some((interval, factor)) => match scale(interval, |part| scaled(part, factor)) {
            Some(product) => Ok(Some(product)),
            None => exec_err!("interval out of range"),
        },
    });
    Ok(Arc::new(products.collect::<Result<IntervalMonthDayNanoArray>>()?))
}

fn justify_typing(given: &[DataType]) -> Typed {
    match given {
        [_] => Ok((vec![interval_type()], interval_type())),
        _ => plan_err!("one interval is wanted"),
    }
}

fn justify(call: &Call<'_>, justified: fn(IntervalMonthDayNano) -> IntervalMonthDayNano) -> Result<ArrayRef> {
    let intervals: IntervalMonthDayNanoArray = to_intervals(&call.array(0)?)?.unary(justified);
    Ok(Arc::new(intervals))
}

const DAY_NS: i64 = DAY_US * 1_000;

fn justify_days(interval: IntervalMonthDayNano) -> IntervalMonthDayNano {
    let (mut months, mut days) = (interval.months.saturating_add(interval.days / 30), interval.days % 30);
    if months > 0 && days < 0 {
        (months, days) = (months - 1, days + 30);
    } else if months < 0 && days > 0 {
        (months, days) = (months + 1, days - 30);
    }
    IntervalMonthDayNano { months, days, ..interval }
}

fn justify_hours(interval: IntervalMonthDayNano) -> IntervalMonthDayNano {
    let mut nanoseconds = interval.nanoseconds % DAY_NS;
    #[expect(clippy::cast_possible_truncation, reason = "64 bits of nanoseconds are fewer than 106,752 days")]
    let whole_days = (interval.nanoseconds / DAY_NS) as i32;
    let mut days = interval.days.saturating_add(whole_days);
    if days > 0 && nanoseconds < 0 {
        (days, nanoseconds) = (days - 1, nanoseconds + DAY_NS);
    } else if days < 0 && nanoseconds > 0 {
        (days, nanoseconds) = (days + 1, nanoseconds - DAY_NS);
    }
    IntervalMonthDayNano { days, nanoseconds, ..interval }
}

fn justify_interval(interval: IntervalMonthDayNano) -> IntervalMonthDayNano {
    let mut all = justify_days(justify_hours(interval));
    if all.months > 0 && (all.days < 0 || (all.days == 0 && all.nanoseconds < 0)) {
        (all.months, all.days) = (all.months - 1, all.days + 30);
    } else if all.months < 0 && (all.days > 0 || (all.days == 0 && all.nanoseconds > 0)) {
        (all.months, all.days) = (all.months + 1, all.days - 30);
    }
    if all.days > 0 && all.nanoseconds < 0 {
        (all.days, all.nanoseconds) = (all.days - 1, all.nanoseconds + DAY_NS);
    } else if all.days < 0 && all.nanoseconds > 0 {
        (all.days, all.nanoseconds) = (all.days + 1, all.nanoseconds - DAY_NS);
    }
    all
}

fn make_typing(given: &[DataType]) -> Typed {
    if given.is_empty() || given.len() > 7 {
        return plan_err!("make_interval takes years, months, weeks, days, hours, minutes and seconds");
    }
    let typed = (0..given.len()).map(|at| if at == 6 { DataType::Float64 } else { DataType::Int64 });
    Ok((typed.collect(), interval_type()))
}

fn make(call: &Call<'_>) -> Result<ArrayRef> {
    let arrays = (0..call.args.len()).map(|at| call.array(at)).collect::<Result<Vec<_>>>()?;
    let whole = arrays.iter().take(6).map(|array| Ok(cast(array, &DataType::Int64)?)).collect::<Result<Vec<_>>>()?;
    let seconds = arrays.get(6).map(|array| cast(array, &DataType::Float64)).transpose()?;
    let row = |row: usize| {
        if arrays.iter().any(|array| array.is_null(row)) {
            return Ok(None);
        }
        let part = |at: usize| whole.get(at).map_or(0, |array| array.as_primitive::<Int64Type>().value(row));
        let second = seconds.as_ref().map_or(0.0, |array| array.as_primitive::<Float64Type>().value(row));
        let months = part(0).checked_mul(12).and_then(|months| months.checked_add(part(1)));
        let days = part(2).checked_mul(7).and_then(|days| days.checked_add(part(3)));
        let time_us = round_i64(second * 1e6);
        let time_us = part(4)
            .checked_mul(60)
            .and_then(|minutes| minutes.checked_add(part(5)))
            .and_then(|minutes| minutes.checked_mul(60_000_000)?.checked_add(time_us)?.checked_mul(1_000));
        let made = || {
            let (months, days) = (i32::try_from(months?).ok()?, i32::try_from(days?).ok()?);
            Some(IntervalMonthDayNano::new(months, days, time_us?))
        };
        match made() {
            Some(made) => Ok(Some(made)),
            None => exec_err!("interval out of range"),
        }
    };
    let made: IntervalMonthDayNanoArray = (0..call.rows).map(row).collect::<Result<_>>()?;
    Ok(Arc::new(made))
}
