//! Instants and local times make_timestamps from each other and from text, in the zone of the session or in a given one.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, ListArray, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Float64Type, Int64Type};
use datafusion::common::{Result, exec_err, plan_err};
use datafusion::logical_expr::ColumnarValue;

use crate::functions::function::{Call, TimeFunction};
use crate::functions::ordering::instant_or_day;
use crate::time::calendar::{Day, HOUR_US, MINUTE_US};
use crate::time::columns::{
    constant_text, from_us, instant_type, interval_type, is_instant, is_local, is_text, local_type, map_us,
    to_intervals, to_us,
};
use crate::time::interval_text::interval_text;
use crate::time::rounding::round_i64;
use crate::time::text::{instant_text, local_text, parse_day, parse_instant, parse_local};
use crate::time::zone::Zone;

/// The functions of this module.
pub(crate) fn functions() -> Vec<TimeFunction> {
    vec![
        TimeFunction::new("timestamptz", to_instant_typing, to_instant)
            .depending_on_session()
            .ordered_by(0, instant_or_day),
        TimeFunction::new("timestamp", to_local_typing, to_local).depending_on_session(),
        TimeFunction::new("date", date_typing, date).depending_on_session(),
        TimeFunction::new("text", text_typing, text).depending_on_session(),
        TimeFunction::new("timezone", timezone_typing, timezone).depending_on_session(),
        TimeFunction::new("make_timestamptz", make_instant_typing, make_instant).depending_on_session(),
        TimeFunction::new("make_timestamp", make_local_typing, make_local),
    ]
}

fn one(given: &[DataType], wanted: impl Fn(&DataType) -> Option<DataType>, result: DataType) -> Typed {
    match given {
        [only] => match wanted(only) {
            Some(wanted) => Ok((vec![wanted], result)),
            None => plan_err!("cannot make {result} from {only}"),
        },
        _ => plan_err!("one argument is wanted, and not {}", given.len()),
    }
}

type Typed = Result<(Vec<DataType>, DataType)>;

/// Times as they are, text as text.
fn time_or_text(given: &DataType) -> Option<DataType> {
    match given {
        DataType::Timestamp(..) | DataType::Date32 => Some(given.clone()),
        DataType::Date64 => Some(DataType::Date32),
        DataType::Null => Some(instant_type()),
        text if is_text(text) => Some(DataType::Utf8),
        _ => None,
    }
}

fn to_instant_typing(given: &[DataType]) -> Typed {
    one(given, time_or_text, instant_type())
}

fn to_instant(call: &Call<'_>) -> Result<ArrayRef> {
    let (array, zone) = (call.array(0)?, call.zone()?);
    let times = match array.data_type() {
        DataType::Utf8 => parse_each(array.as_string(), |text| parse_instant(text, zone))?,
        given if is_instant(given) => to_us(&array)?,
        _ => to_us(&array)?.unary(|local| zone.to_instant(local)),
    };
    from_us(times, call.result)
}

fn parse_each(texts: &StringArray, parse: impl Fn(&str) -> Result<i64>) -> Result<Int64Array> {
    texts.iter().map(|text| text.map(&parse).transpose()).collect()
}

fn to_local_typing(given: &[DataType]) -> Typed {
    one(given, time_or_text, local_type())
}

fn to_local(call: &Call<'_>) -> Result<ArrayRef> {
    from_us(local_times(&call.array(0)?, call.zone()?)?, call.result)
}

/// Local times of instants, dates, local times and text.
fn local_times(array: &ArrayRef, zone: Zone) -> Result<Int64Array> {
    match array.data_type() {
        DataType::Utf8 => parse_each(array.as_string(), parse_local),
        given if is_instant(given) => {
            let mut cursor = zone.cursor();
            Ok(map_us(&to_us(array)?, |instant| instant.saturating_add(cursor.offset_us(instant))))
        }
        _ => to_us(array),
    }
}

fn date_typing(given: &[DataType]) -> Typed {
    one(given, time_or_text, DataType::Date32)
}

fn date(call: &Call<'_>) -> Result<ArrayRef> {
    let array = call.array(0)?;
    let days = match array.data_type() {
        DataType::Utf8 => parse_each(array.as_string(), parse_day)?,
        _ => local_times(&array, call.zone()?)?,
    };
    from_us(days, &DataType::Date32)
}

fn text_typing(given: &[DataType]) -> Typed {
    let wanted = |given: &DataType| match given {
        DataType::Timestamp(..) => Some(given.clone()),
        DataType::Interval(_) | DataType::Duration(_) => Some(interval_type()),
        _ => None,
    };
    match given {
        [DataType::List(item)] if wanted(item.data_type()).is_some() => {
            Ok((given.to_vec(), DataType::List(Arc::new(Field::new_list_field(DataType::Utf8, true)))))
        }
        _ => one(given, wanted, DataType::Utf8),
    }
}

fn text(call: &Call<'_>) -> Result<ArrayRef> {
    let (array, zone) = (call.array(0)?, call.zone()?);
    let (Some(lists), DataType::List(item)) = (array.as_list_opt::<i32>(), call.result) else {
        return Ok(Arc::new(texts(&array, zone)?));
    };
    let (offsets, nulls) = (lists.offsets().clone(), lists.nulls().cloned());
    let items = Arc::new(texts(lists.values(), zone)?);
    Ok(Arc::new(ListArray::try_new(Arc::clone(item), offsets, items, nulls)?))
}

/// Times or intervals as texts.
fn texts(values: &ArrayRef, zone: Zone) -> Result<StringArray> {
    if matches!(values.data_type(), DataType::Interval(_) | DataType::Duration(_)) {
        return Ok(to_intervals(values)?.iter().map(|interval| interval.map(interval_text)).collect());
    }
    let aware = is_instant(values.data_type());
    let written = |time: i64| if aware { instant_text(time, zone) } else { local_text(time) };
    Ok(to_us(values)?.iter().map(|time| time.map(written)).collect())
}

fn timezone_typing(given: &[DataType]) -> Typed {
    let [zone, time] = given else { return plan_err!("timezone takes a zone and a time") };
    let zone = match zone {
        zone if is_text(zone) => DataType::Utf8,
        DataType::Null => DataType::Utf8,
        DataType::Interval(_) | DataType::Duration(_) => interval_type(),
        _ => return plan_err!("a time zone is text or an interval, and not {zone}"),
    };
    match time {
        time if is_local(time) => Ok((vec![zone, local_type()], instant_type())),
        time if is_instant(time) => Ok((vec![zone, instant_type()], local_type())),
        // PostgreSQL makes instants of dates and of constants without a type.
        DataType::Date32 | DataType::Null => Ok((vec![zone, time.clone()], local_type())),
        time if is_text(time) => Ok((vec![zone, DataType::Utf8], local_type())),
        _ => plan_err!("a time is brought to a time zone, and not {time}"),
    }
}

fn timezone(call: &Call<'_>) -> Result<ArrayRef> {
    let (array, session) = (call.array(1)?, call.zone()?);
    let to_instants = is_local(array.data_type());
    let times = match array.data_type() {
        DataType::Utf8 => parse_each(array.as_string(), |text| parse_instant(text, session))?,
        DataType::Date32 => to_us(&array)?.unary(|local| session.to_instant(local)),
        _ => to_us(&array)?,
    };
    // A zone is mostly a constant: then it is looked up once, and its offset once for a stretch of times.
    let constant = match &call.args[0] {
        ColumnarValue::Scalar(zone) => Some(zone_of(&zone.to_array()?, 0, &mut HashMap::new())?),
        ColumnarValue::Array(_) => None,
    };
    let shifted = match constant {
        Some(None) => Int64Array::new_null(call.rows),
        Some(Some(zone)) if to_instants => times.unary(|local| zone.to_instant(local)),
        Some(Some(zone)) => {
            let mut cursor = zone.cursor();
            map_us(&times, |instant| instant.saturating_add(cursor.offset_us(instant)))
        }
        None => {
            let zones = call.array(0)?;
            let mut known = HashMap::new();
            let shifted = times.iter().enumerate().map(|(row, time)| {
                let zone = zone_of(&zones, row, &mut known)?;
                Ok(zone
                    .zip(time)
                    .map(|(zone, time)| if to_instants { zone.to_instant(time) } else { zone.to_local(time) }))
            });
            shifted.collect::<Result<_>>()?
        }
    };
    from_us(shifted, call.result)
}

fn zone_of(zones: &ArrayRef, row: usize, known: &mut HashMap<String, Zone>) -> Result<Option<Zone>> {
    if zones.is_null(row) {
        return Ok(None);
    }
    if *zones.data_type() == interval_type() {
        let interval = to_intervals(zones)?.value(row);
        if interval.months != 0 || interval.days != 0 {
            return exec_err!("an interval that is a time zone must not have months or days");
        }
        return match i32::try_from(interval.nanoseconds / 1_000_000_000) {
            Ok(seconds) => Ok(Some(Zone::Fixed(seconds))),
            Err(_) => exec_err!("an interval of that length is no time zone"),
        };
    }
    let name = zones.as_string::<i32>().value(row);
    // A column has few zones, and looking one up costs a lower-case copy of the name.
    if let Some(zone) = known.get(name) {
        return Ok(Some(*zone));
    }
    let zone = Zone::named(name)?;
    known.insert(name.to_owned(), zone);
    Ok(Some(zone))
}

fn make_typing(given: &[DataType], zone_too: bool, result: DataType) -> Typed {
    let mut wanted = vec![DataType::Int64; 5];
    wanted.push(DataType::Float64);
    if given.len() == 7 && zone_too {
        wanted.push(DataType::Utf8);
    }
    if wanted.len() == given.len() {
        Ok((wanted, result))
    } else {
        plan_err!("year, month, day, hour, minute and second make a time")
    }
}

fn make_instant_typing(given: &[DataType]) -> Typed {
    make_typing(given, true, instant_type())
}

fn make_local_typing(given: &[DataType]) -> Typed {
    make_typing(given, false, local_type())
}

fn make_timestamps(call: &Call<'_>) -> Result<Int64Array> {
    let parts = (0..5).map(|at| Ok(cast(&call.array(at)?, &DataType::Int64)?)).collect::<Result<Vec<_>>>()?;
    let seconds = cast(&call.array(5)?, &DataType::Float64)?;
    let seconds = seconds.as_primitive::<Float64Type>();
    let row = |row: usize| {
        if seconds.is_null(row) || parts.iter().any(|part| part.is_null(row)) {
            return Ok(None);
        }
        let part = |at: usize| parts[at].as_primitive::<Int64Type>().value(row);
        timestamp_from_parts([part(0), part(1), part(2), part(3), part(4)], seconds.value(row)).map(Some)
    };
    (0..call.rows).map(row).collect()
}

fn timestamp_from_parts([year, month, day, hour, minute]: [i64; 5], second: f64) -> Result<i64> {
    // SQL has no year 0: its year -1 is 1 BC, the year 0 of the calendar.
    let date = Day { year: if year < 0 { year + 1 } else { year }, month, day };
    let valid = year != 0
        && (-4_713..=294_276).contains(&year)
        && (1..=12).contains(&month)
        && (1..=date.days_in_month()).contains(&day)
        && (0..=24).contains(&hour)
        && (0..60).contains(&minute)
        && (0.0..=60.0).contains(&second);
    if !valid {
        return exec_err!(
            "date/time field value out of range: {year}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}"
        );
    }
    let second_us = round_i64(second * 1e6);
    Ok(date.us() + hour * HOUR_US + minute * MINUTE_US + second_us)
}

fn make_local(call: &Call<'_>) -> Result<ArrayRef> {
    from_us(make_timestamps(call)?, call.result)
}

fn make_instant(call: &Call<'_>) -> Result<ArrayRef> {
    let zone = match call.args.get(6) {
        None => call.zone()?,
        Some(zone) => match constant_text(zone, "the zone of make_timestamptz")? {
            Some(zone) => Zone::in_text(zone)?,
            None => return from_us(Int64Array::new_null(call.rows), call.result),
        },
    };
    from_us(make_timestamps(call)?.unary(|local| zone.to_instant(local)), call.result)
}
