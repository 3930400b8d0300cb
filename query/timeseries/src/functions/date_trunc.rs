//! `date_trunc` and `date_part` (`extract`) in the zone of the session or in a given one.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, Int64Array, IntervalMonthDayNanoArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, IntervalMonthDayNano, Time64NanosecondType, TimeUnit};
use datafusion::common::{Result, exec_datafusion_err, exec_err, plan_err};

use crate::functions::function::{Call, TimeFunction};
use crate::functions::ordering::any_time;
use crate::time::calendar::{DAY_US, Day, HOUR_US, MINUTE_US, SECOND_US};
use crate::time::columns::{
    constant_text, from_us, instant_type, interval_type, is_instant, is_text, local_type, to_intervals, to_us,
};
use crate::time::zone::Zone;

/// The functions of this module.
pub(crate) fn functions() -> Vec<TimeFunction> {
    vec![
        TimeFunction::new("date_trunc", trunc_typing, trunc)
            .depending_on_session()
            .with_aliases(&["datetrunc"])
            .ordered_by(1, any_time),
        TimeFunction::new("date_part", part_typing, part)
            .depending_on_session()
            .with_aliases(&["datepart"])
            .typed_by_constant(|unit| Ok(Unit::named(unit)?.part_type())),
    ]
}

/// A part of a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    Microsecond,
    Millisecond,
    Second,
    Minute,
    Hour,
    Day,
    Week,
    Month,
    Quarter,
    Year,
    Decade,
    Century,
    Millennium,
    Epoch,
    WeekdaySunday0,
    WeekdayMonday1,
    DayOfYear,
    IsoYear,
    Julian,
    Zone,
    ZoneHour,
    ZoneMinute,
}

impl Unit {
    fn named(name: &str) -> Result<Self> {
        let name = name.trim().trim_matches(['"', '\'']).to_ascii_lowercase();
        Ok(match name.as_str() {
            "microsecond" | "microseconds" | "us" | "usec" | "usecs" | "usecond" | "useconds" => Self::Microsecond,
            "millisecond" | "milliseconds" | "ms" | "msec" | "msecs" | "msecond" | "mseconds" => Self::Millisecond,
            "second" | "seconds" | "s" | "sec" | "secs" => Self::Second,
            "minute" | "minutes" | "m" | "min" | "mins" => Self::Minute,
            "hour" | "hours" | "h" | "hr" | "hrs" => Self::Hour,
            "day" | "days" | "d" => Self::Day,
            "week" | "weeks" | "w" => Self::Week,
            "month" | "months" | "mon" | "mons" => Self::Month,
            "quarter" | "qtr" => Self::Quarter,
            "year" | "years" | "y" | "yr" | "yrs" => Self::Year,
            "decade" | "decades" | "dec" | "decs" => Self::Decade,
            "century" | "centuries" | "c" | "cent" => Self::Century,
            "millennium" | "millennia" | "mil" | "mils" => Self::Millennium,
            "epoch" => Self::Epoch,
            "dow" => Self::WeekdaySunday0,
            "isodow" => Self::WeekdayMonday1,
            "doy" => Self::DayOfYear,
            "isoyear" => Self::IsoYear,
            "julian" | "jd" => Self::Julian,
            "timezone" => Self::Zone,
            "timezone_hour" => Self::ZoneHour,
            "timezone_minute" => Self::ZoneMinute,
            _ => return exec_err!("unit \"{name}\" not recognized"),
        })
    }

    /// Length of the unit, where it is the same at all times in all zones.
    fn fixed_us(self) -> Option<i64> {
        Some(match self {
            Self::Microsecond => 1,
            Self::Millisecond => 1_000,
            Self::Second => SECOND_US,
            Self::Minute => MINUTE_US,
            Self::Hour => HOUR_US,
            _ => return None,
        })
    }

    /// Parts that can have a fraction are doubles.
    fn part_type(self) -> DataType {
        match self {
            Self::Second | Self::Millisecond | Self::Epoch | Self::Julian => DataType::Float64,
            _ => DataType::Int32,
        }
    }

    fn trunc_local(self, local_us: i64) -> Result<i64> {
        if let Some(width) = self.fixed_us() {
            return Ok(local_us - local_us.rem_euclid(width));
        }
        let day = Day::from_us(local_us);
        let of_year = |year: i64| Day { year, month: 1, day: 1 };
        let first = match self {
            Self::Day => day,
            Self::Week => Day::from_days(day.days() + 1 - day.iso_weekday()),
            Self::Month => Day { day: 1, ..day },
            Self::Quarter => Day { month: (day.month - 1) / 3 * 3 + 1, day: 1, ..day },
            Self::Year => of_year(day.year),
            Self::Decade => of_year(day.year.div_euclid(10) * 10),
            Self::Century => of_year((day.year - 1).div_euclid(100) * 100 + 1),
            Self::Millennium => of_year((day.year - 1).div_euclid(1_000) * 1_000 + 1),
            _ => return exec_err!("a time cannot be truncated to this unit"),
        };
        Ok(first.us())
    }
}

type Typed = Result<(Vec<DataType>, DataType)>;

fn trunc_typing(given: &[DataType]) -> Typed {
    let (unit, time, zone) = match given {
        [unit, time] => (unit, time, None),
        [unit, time, zone] => (unit, time, Some(zone)),
        _ => return plan_err!("date_trunc takes a unit, a time and a time zone if need be"),
    };
    if !is_text(unit) && !unit.is_null() {
        return plan_err!("the unit of date_trunc is text, and not {unit}");
    }
    let time = match time {
        DataType::Timestamp(_, zone) => DataType::Timestamp(TimeUnit::Microsecond, zone.clone()),
        // As PostgreSQL: a date is taken as an instant.
        DataType::Date32 => DataType::Date32,
        DataType::Interval(_) | DataType::Duration(_) => interval_type(),
        DataType::Time32(_) | DataType::Time64(_) => DataType::Time64(TimeUnit::Nanosecond),
        DataType::Null => instant_type(),
        time if is_text(time) => instant_type(),
        _ => return plan_err!("date_trunc takes a time, and not {time}"),
    };
    let result = if time == DataType::Date32 { instant_type() } else { time.clone() };
    let mut wanted = vec![DataType::Utf8, time];
    if let Some(zone) = zone {
        if !is_text(zone) || !is_instant(&result) {
            return plan_err!("date_trunc takes a time zone, which is text, for times with time zone");
        }
        wanted.push(DataType::Utf8);
    }
    Ok((wanted, result))
}

fn trunc(call: &Call<'_>) -> Result<ArrayRef> {
    let unit = constant_text(&call.args[0], "the unit of date_trunc")?.unwrap_or_default();
    let unit = Unit::named(unit)?;
    let array = call.array(1)?;
    match array.data_type() {
        DataType::Interval(_) => return trunc_intervals(&to_intervals(&array)?, unit),
        DataType::Time64(_) => {
            let Some(width) = unit.fixed_us() else { return exec_err!("a time of day has no such unit") };
            let width = width * 1_000;
            return Ok(Arc::new(
                array
                    .as_primitive::<Time64NanosecondType>()
                    .unary::<_, Time64NanosecondType>(|time| time - time.rem_euclid(width)),
            ));
        }
        _ => {}
    }
    let given = match call.args.get(2) {
        Some(zone) => constant_text(zone, "the zone of date_trunc")?.map(Zone::named).transpose()?,
        None => None,
    };
    let zone = match (given, is_instant(call.result)) {
        (Some(zone), _) => zone,
        (None, true) => call.zone()?,
        (None, false) => Zone::UTC,
    };
    let mut times = to_us(&array)?;
    if *array.data_type() == DataType::Date32 {
        times = times.unary(|local| zone.to_instant(local));
    }
    from_us(trunc_all(&times, unit, zone)?, call.result)
}

fn trunc_all(times: &Int64Array, unit: Unit, zone: Zone) -> Result<Int64Array> {
    if let (Some(width), true) = (unit.fixed_us(), zone.is_utc()) {
        return Ok(times.unary(|time| time - time.rem_euclid(width)));
    }
    let mut cursor = zone.cursor();
    // The local day of the previous time: its beginning, its end, and the result for all times in it.
    let mut current = (i64::MAX, i64::MIN, 0);
    let mut trunc = |instant: i64| -> Result<i64> {
        let offset = cursor.offset_us(instant);
        // Hours and minutes are cut in local time too: Kathmandu is 5:45 hours ahead.
        if unit.fixed_us().is_some() {
            return Ok(unit.trunc_local(instant + offset)? - offset);
        }
        let local = instant + offset;
        // All times of one local day have one beginning.
        if local < current.0 || current.1 <= local {
            let day = local - local.rem_euclid(DAY_US);
            current = (day, day + DAY_US, zone.to_instant(unit.trunc_local(local)?));
        }
        Ok(current.2)
    };
    times.iter().map(|time| time.map(&mut trunc).transpose()).collect()
}

fn trunc_intervals(intervals: &IntervalMonthDayNanoArray, unit: Unit) -> Result<ArrayRef> {
    let months_of = |unit: Unit| match unit {
        Unit::Month => Some(1),
        Unit::Quarter => Some(3),
        Unit::Year => Some(12),
        Unit::Decade => Some(120),
        Unit::Century => Some(1_200),
        Unit::Millennium => Some(12_000),
        _ => None,
    };
    let trunc = |interval: IntervalMonthDayNano| -> Result<IntervalMonthDayNano> {
        let IntervalMonthDayNano { months, days, nanoseconds } = interval;
        if let Some(step) = months_of(unit) {
            return Ok(IntervalMonthDayNano::new(months / step * step, 0, 0));
        }
        match unit.fixed_us() {
            Some(width) => Ok(IntervalMonthDayNano::new(months, days, nanoseconds / (width * 1_000) * (width * 1_000))),
            None if unit == Unit::Day => Ok(IntervalMonthDayNano::new(months, days, 0)),
            None => exec_err!("an interval cannot be truncated to this unit"),
        }
    };
    let truncated: IntervalMonthDayNanoArray = intervals.try_unary(trunc)?;
    Ok(Arc::new(truncated))
}

fn part_types(given: &[DataType]) -> Result<Vec<DataType>> {
    let [unit, time] = given else { return plan_err!("a part is taken of one time") };
    if !is_text(unit) {
        return plan_err!("the name of a part is text, and not {unit}");
    }
    let time = match time {
        DataType::Timestamp(..) | DataType::Date32 => time.clone(),
        DataType::Date64 => DataType::Date32,
        DataType::Interval(_) | DataType::Duration(_) => interval_type(),
        DataType::Time32(_) | DataType::Time64(_) => DataType::Time64(TimeUnit::Nanosecond),
        DataType::Null => instant_type(),
        time if is_text(time) => local_type(),
        _ => return plan_err!("there are no parts of {time}"),
    };
    Ok(vec![DataType::Utf8, time])
}

fn part_typing(given: &[DataType]) -> Typed {
    Ok((part_types(given)?, DataType::Float64))
}

fn part(call: &Call<'_>) -> Result<ArrayRef> {
    let name = constant_text(&call.args[0], "the name of a part")?.unwrap_or_default();
    let unit = Unit::named(name)?;
    let array = call.array(1)?;
    let unknown = || exec_datafusion_err!("there is no part \"{name}\" of {}", array.data_type());
    let parts: Float64Array = match array.data_type() {
        DataType::Interval(_) => {
            let intervals = to_intervals(&array)?;
            intervals
                .iter()
                .map(|interval| interval.map(|value| part_of_interval(value, unit).ok_or_else(unknown)).transpose())
                .collect::<Result<_>>()?
        }
        DataType::Time64(_) => {
            let times = array.as_primitive::<Time64NanosecondType>();
            times
                .iter()
                .map(|time| time.map(|ns| part_of_time(ns / 1_000, unit).ok_or_else(unknown)).transpose())
                .collect::<Result<_>>()?
        }
        data_type => {
            let aware = is_instant(data_type);
            let zone = if aware { call.zone()? } else { Zone::UTC };
            let mut cursor = zone.cursor();
            let times = to_us(&array)?;
            let mut of = |time: i64| part_of(time, cursor.offset_us(time), aware, unit).ok_or_else(unknown);
            times.iter().map(|time| time.map(&mut of).transpose()).collect::<Result<_>>()?
        }
    };
    Ok(cast(&parts, call.result)?)
}

fn part_of(time_us: i64, offset_us: i64, aware: bool, unit: Unit) -> Option<f64> {
    let local = time_us.checked_add(offset_us)?;
    let day = Day::from_us(local);
    let whole = match unit {
        Unit::Epoch => return Some(time_us as f64 / 1e6),
        Unit::Julian => return Some(day.days() as f64 + 2_440_588.0 + local.rem_euclid(DAY_US) as f64 / DAY_US as f64),
        Unit::Zone if aware => offset_us / SECOND_US,
        Unit::ZoneHour if aware => offset_us / HOUR_US,
        Unit::ZoneMinute if aware => offset_us / MINUTE_US % 60,
        Unit::Zone | Unit::ZoneHour | Unit::ZoneMinute => return None,
        Unit::Day => day.day,
        Unit::Week => day.iso_week().1,
        Unit::Month => day.month,
        Unit::Quarter => (day.month - 1) / 3 + 1,
        Unit::Year => displayed_year(day.year),
        Unit::IsoYear => displayed_year(day.iso_week().0),
        Unit::Decade => day.year.div_euclid(10),
        Unit::Century => period_number(day.year, 100),
        Unit::Millennium => period_number(day.year, 1_000),
        Unit::WeekdaySunday0 => day.iso_weekday() % 7,
        Unit::WeekdayMonday1 => day.iso_weekday(),
        Unit::DayOfYear => day.day_of_year(),
        Unit::Microsecond | Unit::Millisecond | Unit::Second | Unit::Minute | Unit::Hour => {
            return part_of_time(local.rem_euclid(DAY_US), unit);
        }
    };
    Some(whole as f64)
}

/// There is no year 0: before 1 is −1.
fn displayed_year(year: i64) -> i64 {
    if year > 0 { year } else { year - 1 }
}

/// The first century is that of the years 1 to 100, the one before it is −1.
fn period_number(year: i64, length: i64) -> i64 {
    if year > 0 { (year - 1) / length + 1 } else { -((length - 1 - (year - 1)) / length) }
}

fn part_of_time(time_us: i64, unit: Unit) -> Option<f64> {
    let of_minute = (time_us % MINUTE_US) as f64;
    Some(match unit {
        Unit::Microsecond => of_minute,
        Unit::Millisecond => of_minute / 1e3,
        Unit::Second => of_minute / 1e6,
        Unit::Minute => (time_us / MINUTE_US % 60) as f64,
        Unit::Hour => (time_us / HOUR_US) as f64,
        Unit::Epoch => time_us as f64 / 1e6,
        _ => return None,
    })
}

/// Seconds of a year of 365.25 days, as PostgreSQL counts them.
const YEAR_SECONDS: f64 = 31_557_600.0;

fn part_of_interval(interval: IntervalMonthDayNano, unit: Unit) -> Option<f64> {
    let IntervalMonthDayNano { months, days, nanoseconds } = interval;
    let time_us = nanoseconds / 1_000;
    let whole = match unit {
        Unit::Epoch => {
            let years = f64::from(months / 12) * YEAR_SECONDS;
            let months = f64::from(months % 12) * 30.0 * 86_400.0;
            return Some(years + months + f64::from(days) * 86_400.0 + time_us as f64 / 1e6);
        }
        Unit::Day => days,
        Unit::Month => months % 12,
        Unit::Quarter => months % 12 / 3 + 1,
        Unit::Year => months / 12,
        Unit::Decade => months / 120,
        Unit::Century => months / 1_200,
        Unit::Millennium => months / 12_000,
        _ => return part_of_time(time_us, unit),
    };
    Some(f64::from(whole))
}
