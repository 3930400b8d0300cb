//! `timezone(zone, time)`, which PostgreSQL has behind `time AT TIME ZONE zone`: an instant becomes what the zone's clocks
//! show, and what they show becomes an instant.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringArray, TimestampMicrosecondArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, TimeUnit, TimestampMicrosecondType};
use datafusion::common::{Result, exec_err};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, TypeSignature, Volatility,
};

use crate::calendar::Zone;

/// The function for sessions of a zone.
pub(super) fn timezone(session_zone: &Arc<str>) -> ScalarUDF {
    ScalarUDF::new_from_impl(Timezone {
        session_zone: Arc::clone(session_zone),
        signature: Signature::one_of(vec![TypeSignature::Any(2)], Volatility::Immutable),
    })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Timezone {
    session_zone: Arc<str>,
    signature: Signature,
}

impl Timezone {
    fn instant(&self) -> DataType {
        DataType::Timestamp(TimeUnit::Microsecond, Some(Arc::clone(&self.session_zone)))
    }
}

const LOCAL: DataType = DataType::Timestamp(TimeUnit::Microsecond, None);

impl ScalarUDFImpl for Timezone {
    fn name(&self) -> &'static str {
        "timezone"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        // Text and days are instants of the session's zone, as in PostgreSQL.
        Ok(if matches!(types.get(1), Some(DataType::Timestamp(_, None))) { self.instant() } else { LOCAL })
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let [zones, times] = arrays.as_slice() else { return exec_err!("timezone takes a zone and a time") };
        let zones = cast(zones, &DataType::Utf8)?;
        let mut zones = ZonesOfRows { names: zones.as_string(), last: None };
        let is_local = matches!(times.data_type(), DataType::Timestamp(_, None));
        let times = cast(times, &if is_local { LOCAL } else { self.instant() })?;
        let times = times.as_primitive::<TimestampMicrosecondType>();
        let mut converted = Vec::with_capacity(times.len());
        for row in 0..times.len() {
            let zone = zones.of(row)?;
            converted.push(match zone {
                Some(zone) if times.is_valid(row) => match is_local {
                    true => zone.to_instant(times.value(row)),
                    false => zone.to_local(times.value(row)),
                },
                _ => None,
            });
        }
        let converted = TimestampMicrosecondArray::from(converted);
        let converted: ArrayRef = match is_local {
            true => Arc::new(converted.with_timezone(Arc::clone(&self.session_zone))),
            false => Arc::new(converted),
        };
        Ok(ColumnarValue::Array(converted))
    }
}

/// The zone of each row; the name of a row is mostly that of the one before.
struct ZonesOfRows<'a> {
    names: &'a StringArray,
    last: Option<(&'a str, Zone)>,
}

impl ZonesOfRows<'_> {
    fn of(&mut self, row: usize) -> Result<Option<Zone>> {
        if self.names.is_null(row) {
            return Ok(None);
        }
        let name = self.names.value(row);
        if let Some((last, zone)) = self.last
            && last == name
        {
            return Ok(Some(zone));
        }
        let Some(zone) = Zone::parse(name) else { return exec_err!("time zone \"{name}\" not recognized") };
        self.last = Some((name, zone));
        Ok(Some(zone))
    }
}
