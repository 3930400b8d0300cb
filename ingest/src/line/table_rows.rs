//! Lines of one table to columns. A line is bound to the table's columns as a whole before anything of it is stored, so
//! that a faulty line leaves nothing behind.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::NullBufferBuilder;
use zonelake_schemas::wire::control::RefusedCode;
use zonelake_schemas::{Quality, QualityScale, RejectReason, StorageType, TableDef};

use super::column::{Cell, Column};
use super::fault::LineFault;
use super::parse::{FieldValue, Line, Raw};
use super::precision::Precision;
use super::rejected_content::SentLines;
use super::tags::{NO_RULES, TagRules};
use crate::batch::{BatchContext, DecodedBatch};
use crate::decode::columns::{FieldRule, Number};
use crate::decode::numbers::NumberRule;
use crate::decode::wire_schema::wrong_type;
use crate::refusal::Refusal;
use crate::rows::checked_rows::CheckedRows;
use crate::rows::devices::DeviceNames;
use crate::rows::faults::{ReadingFaults, RowFaults};
use crate::rows::instant::to_stored_us;
use crate::rows::validate::{self, AcceptedTimes, check_sites};
use crate::rows::zones::RowZones;

/// State of a table from batch to batch.
#[derive(Debug)]
pub(crate) struct LineTable {
    def: Arc<TableDef>,
    rules: Vec<FieldRule>,
    by_name: HashMap<String, usize>,
    devices: DeviceNames,
    /// The column that the last lines had at each position: most lines of a sender look alike.
    order: Vec<usize>,
    /// Number of the line that last set each column.
    set_by: Vec<u64>,
    lines: u64,
}

impl LineTable {
    pub(crate) fn new(def: &Arc<TableDef>) -> Self {
        Self {
            rules: FieldRule::all(&def.fields),
            by_name: def.fields.iter().enumerate().map(|(index, field)| (field.name.clone(), index)).collect(),
            devices: DeviceNames::default(),
            order: Vec::new(),
            set_by: vec![0; def.fields.len()],
            lines: 0,
            def: Arc::clone(def),
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.def.name
    }

    /// The field of a name at a position of a line; `None` where the table has none.
    fn field(&mut self, position: usize, name: Raw<'_>) -> Result<Option<usize>, Refusal> {
        // A guess saves the look-up by name for nearly every field.
        if let Some(&field) = self.order.get(position)
            && self.def.fields[field].name.as_bytes() == name.bytes
        {
            return Ok(Some(field));
        }
        let found = self.by_name.get(&*text(name)?).copied();
        if let Some(field) = found {
            self.order.resize(self.order.len().max(position + 1), field);
            self.order[position] = field;
        }
        Ok(found)
    }
}

/// Rows of one table, gathered line by line.
#[derive(Debug)]
pub(crate) struct LineRows<'a> {
    precision: Precision,
    now_us: i64,
    accepted_times: AcceptedTimes,
    columns: Vec<Option<Column>>,
    times_us: Vec<i64>,
    devices: Vec<i32>,
    device_nulls: NullBufferBuilder,
    qualities: Vec<u8>,
    row_faults: RowFaults,
    reading_faults: ReadingFaults,
    sites: Vec<(usize, Cow<'a, str>)>,
    zones: RowZones,
    starts: Vec<usize>,
    cells: Vec<(usize, Cell<'a>)>,
    last_device: Option<(Raw<'a>, i32)>,
    /// Devices of the table that rows of this batch are of, by their index, and the count of them.
    is_met: Vec<bool>,
    devices_met: usize,
    /// Bytes of text in the columns.
    text_bytes: usize,
    /// Rules that the lines were brought through.
    tags: &'a TagRules,
}

/// Content of a line besides its fields.
#[derive(Default)]
struct RowHeader<'a> {
    device: Option<Raw<'a>>,
    site: Option<Cow<'a, str>>,
    province: Option<Cow<'a, str>>,
    zone: Option<Cow<'a, str>>,
    quality: Option<Quality>,
    fault: Option<RejectReason>,
    /// Names that the line has set, one bit each.
    set: u8,
}

impl<'a> LineRows<'a> {
    /// An empty batch. Rows of the table that are not [finished](Self::finish) yet are void from here on.
    pub(crate) fn new(table: &mut LineTable, precision: Precision, context: &BatchContext<'_>) -> Self {
        table.devices.trim(context.limits.dictionary_values_max);
        Self {
            precision,
            now_us: context.now_us,
            accepted_times: AcceptedTimes::new(context),
            columns: table.rules.iter().map(|_| None).collect(),
            times_us: Vec::new(),
            devices: Vec::new(),
            device_nulls: NullBufferBuilder::new(0),
            qualities: Vec::new(),
            row_faults: RowFaults::default(),
            reading_faults: ReadingFaults::new(context.limits.rejected_rows_max),
            sites: Vec::new(),
            zones: RowZones::new(context),
            starts: Vec::new(),
            cells: Vec::new(),
            last_device: None,
            is_met: Vec::new(),
            devices_met: 0,
            text_bytes: 0,
            tags: &NO_RULES,
        }
    }

    /// States the rules that the lines are brought through before they are added.
    pub(crate) fn with_tags(self, tags: &'a TagRules) -> Self {
        Self { tags, ..self }
    }

    pub(crate) fn len(&self) -> usize {
        self.times_us.len()
    }

    /// Devices that the rows are of.
    pub(crate) fn devices(&self) -> usize {
        self.devices_met
    }

    /// Bytes of memory that the finished batch takes, about. A column that one row sets has a value in each.
    pub(crate) fn memory_bytes(&self) -> usize {
        let columns: usize = self.columns.iter().flatten().map(|column| column.width_bytes()).sum();
        self.len() * (ROW_BYTES + columns) + self.text_bytes + self.is_met.len() * NAME_BYTES
    }

    /// Adds the row of a line. Refuses columns that the table does not have or cannot take; nothing of the line is
    /// stored then.
    pub(crate) fn push(
        &mut self,
        table: &mut LineTable,
        line: &Line<'a>,
        context: &BatchContext<'_>,
    ) -> Result<(), LineFault<'a>> {
        table.lines += 1;
        self.cells.clear();
        let mut header = RowHeader::default();
        for (position, &(name, value)) in line.tags.iter().enumerate() {
            self.bind(table, &mut header, position, name, FieldValue::String(value), context)?;
        }
        for (position, &(name, value)) in (line.tags.len()..).zip(&line.fields) {
            self.bind(table, &mut header, position, name, value, context)?;
        }
        // Everything of the line is bound from here on: nothing below fails but a device name that is not UTF-8, and
        // that comes before the first push.
        let row = self.len();
        let time_us = line.timestamp.map_or(Some(self.now_us), |timestamp| self.precision.to_us(timestamp));
        let device = header.device.map(|device| self.device(table, device)).transpose()?;
        self.times_us.push(time_us.unwrap_or(0));
        self.starts.push(line.start);
        self.qualities.push(header.quality.unwrap_or_default() as u8);
        self.devices.push(device.unwrap_or(0));
        self.device_nulls.append(device.is_some());
        let place_fault = self.zones.state_zone(row, header.zone.as_deref(), context);
        let place_fault = place_fault.or_else(|| self.zones.province_fault(row, header.province.as_deref()));
        if let Some(reason) = self.accepted_times.fault(time_us).or(header.fault).or(place_fault) {
            self.row_faults.set(row, row + 1, reason);
            return Ok(());
        }
        if let Some(site) = header.site {
            self.sites.push((row, site));
        }
        for (field, cell) in self.cells.drain(..) {
            let column = self.columns[field].get_or_insert_with(|| Column::new(table.rules[field].storage));
            // Rows that did not set the field since it was last set are null.
            column.pad_to(row);
            if let Cell::Text(text) = &cell {
                self.text_bytes += text.len();
            }
            if let Some(reason) = column.push(cell) {
                self.reading_faults.push(row, table.rules[field].index, reason);
            }
        }
        Ok(())
    }

    #[inline]
    fn bind(
        &mut self,
        table: &mut LineTable,
        header: &mut RowHeader<'a>,
        position: usize,
        name: Raw<'a>,
        value: FieldValue<'a>,
        context: &BatchContext<'_>,
    ) -> Result<(), LineFault<'a>> {
        if let Some(field) = table.field(position, name)? {
            return Ok(self.bind_field(table, field, value, context)?);
        }
        let name = text(name)?;
        match bind_header(header, table, &name, value)? {
            true => Ok(()),
            false => Err(LineFault::UnknownColumn(name)),
        }
    }

    #[inline]
    fn bind_field(
        &mut self,
        table: &mut LineTable,
        field: usize,
        value: FieldValue<'a>,
        context: &BatchContext<'_>,
    ) -> Result<(), Refusal> {
        let rule = &table.rules[field];
        let name = &table.def.fields[field].name;
        // A counter of lines instead of a set that is emptied for each line.
        if std::mem::replace(&mut table.set_by[field], table.lines) == table.lines {
            return Err(Refusal::new(RefusedCode::BadPayload, format!("{name} stands twice in the line")));
        }
        let cell = match bind_value(rule, value, self.precision, context.limits.text_bytes_max)? {
            Some(Ok(cell)) => cell,
            Some(Err(reason)) => Cell::Fault(reason),
            None => return Err(wrong_type(name, &table.def, kind_of(value), line_expected(rule.storage))),
        };
        self.cells.push((field, cell));
        Ok(())
    }

    fn device(&mut self, table: &mut LineTable, device: Raw<'a>) -> Result<i32, Refusal> {
        // Lines of one device often stand together.
        if let Some((last, index)) = self.last_device
            && last == device
        {
            return Ok(index);
        }
        let index = table.devices.index(&text(device)?);
        self.last_device = Some((device, index));
        let at = usize::try_from(index).expect("an index of a list is not negative");
        if at >= self.is_met.len() {
            self.is_met.resize(at + 1, false);
        }
        if !std::mem::replace(&mut self.is_met[at], true) {
            self.devices_met += 1;
        }
        Ok(index)
    }

    /// Ends the batch. `payload` is what the lines were read from.
    pub(crate) fn finish(
        mut self,
        table: &mut LineTable,
        payload: &[u8],
        context: &BatchContext<'_>,
    ) -> Result<DecodedBatch, Refusal> {
        let rows = self.len();
        let nulls = self.device_nulls.finish();
        let mut row_faults = self.row_faults;
        let zones = self.zones;
        zones.check_times(&self.times_us, context, &mut row_faults);
        let devices = table.devices.keys(&self.devices, nulls.as_ref(), &zones, context, &mut row_faults)?;
        check_sites(self.sites.iter().map(|(row, site)| (*row, &**site)), &devices, context, &mut row_faults);
        let fields = self.columns.into_iter().zip(&table.rules).map(|(column, rule)| {
            column.map(|mut column| {
                column.pad_to(rows);
                column.finish(rule)
            })
        });
        let batch = CheckedRows {
            times_us: self.times_us.into(),
            devices,
            zones,
            qualities: self.qualities,
            fields: fields.collect(),
            row_faults,
            reading_faults: self.reading_faults,
        };
        let sent = SentLines {
            payload,
            starts: &self.starts,
            precision: self.precision,
            now_us: self.now_us,
            def: &table.def,
            tags: self.tags,
        };
        validate::split(batch, context, &sent)
    }
}

/// Takes a name that is no field of the table: device, quality, a part of the location, or a fault of the line. False
/// where the table has no such column.
fn bind_header<'a>(
    header: &mut RowHeader<'a>,
    table: &LineTable,
    name: &str,
    value: FieldValue<'a>,
) -> Result<bool, Refusal> {
    if let Some(position) = HEADER_NAMES.iter().position(|known| *known == name) {
        let bit = 1 << position;
        // Of two values one would be lost without a word.
        if header.set & bit != 0 {
            return Err(Refusal::new(RefusedCode::BadPayload, format!("{name} stands twice in the line")));
        }
        header.set |= bit;
    }
    let string = |value: FieldValue<'a>| match value {
        FieldValue::String(raw) => Ok(raw),
        other => Err(wrong_type(name, &table.def, kind_of(other), "a tag or a quoted string")),
    };
    match (name, value) {
        ("device", value) => header.device = Some(string(value)?),
        ("site", value) => header.site = Some(text(string(value)?)?),
        ("province", value) => header.province = Some(text(string(value)?)?),
        ("zone", value) => header.zone = Some(text(string(value)?)?),
        ("time", _) => {
            let message = "time is not a field: the timestamp stands at the end of the line";
            return Err(Refusal::new(RefusedCode::UnknownColumn, message));
        }
        (name, value) => {
            let Some(scale) = QualityScale::of_column(name) else { return Ok(false) };
            if header.quality.is_some() {
                return Err(Refusal::new(RefusedCode::BadPayload, "the quality stands twice in the line"));
            }
            let quality = match value {
                FieldValue::Integer(code) => scale.quality_of_code(i128::from(code)),
                value => scale.quality_of_text(&text(string(value)?)?),
            };
            header.quality = Some(quality.unwrap_or_default());
            if quality.is_none() {
                header.fault = header.fault.or(Some(RejectReason::BadQuality));
            }
        }
    }
    Ok(true)
}

/// A value as its field stores it; `None` where the field takes no value of that kind.
#[inline]
fn bind_value<'a>(
    rule: &FieldRule,
    value: FieldValue<'a>,
    precision: Precision,
    text_bytes_max: usize,
) -> Result<Option<Result<Cell<'a>, RejectReason>>, Refusal> {
    let cell = match (rule.storage, value) {
        (StorageType::Decimal32 { .. } | StorageType::Decimal64 { .. }, value) => {
            decimal(&rule.numbers, value).map(|n| n.map(Cell::Integer))
        }
        (StorageType::Float64, value) => double(&rule.numbers, value).map(|value| value.map(Cell::Double)),
        (StorageType::Int64, FieldValue::Integer(n)) => Some(rule.numbers.integer_of(i128::from(n)).map(Cell::Integer)),
        (StorageType::Timestamp, FieldValue::Integer(n)) => {
            Some(to_stored_us(precision.to_us(n)).map(Cell::Integer).ok_or(RejectReason::OutOfRange))
        }
        (StorageType::Int64 | StorageType::Timestamp, FieldValue::BigInteger(_)) => Some(Err(RejectReason::OutOfRange)),
        (StorageType::Boolean, FieldValue::Boolean(value)) => Some(Ok(Cell::Boolean(value))),
        (StorageType::Utf8, FieldValue::String(raw)) => {
            let text = text(raw)?;
            Some(if text.len() > text_bytes_max { Err(RejectReason::TooLong) } else { Ok(Cell::Text(text)) })
        }
        _ => None,
    };
    Ok(cell)
}

#[inline]
fn decimal(rule: &NumberRule, value: FieldValue<'_>) -> Option<Result<i64, RejectReason>> {
    Some(match value {
        FieldValue::Decimal { mantissa, places, digits, .. } if digits <= DIGITS_EXACT => {
            rule.decimal_of_short(mantissa, places)
        }
        FieldValue::Decimal { raw, .. } => rule.decimal_of_f64(parsed(raw)),
        FieldValue::Double(value) => rule.decimal_of_f64(value),
        FieldValue::Integer(n) => rule.decimal_of_scaled(i128::from(n), 0),
        FieldValue::BigInteger(digits) => rule.decimal_of(big_integer(digits)),
        FieldValue::Boolean(_) | FieldValue::String(_) => return None,
    })
}

fn double(rule: &NumberRule, value: FieldValue<'_>) -> Option<Result<f64, RejectReason>> {
    Some(match value {
        // Both are exact as doubles, so their quotient is the nearest one. Zero may have a sign.
        FieldValue::Decimal { mantissa, places, digits, .. } if digits <= DIGITS_EXACT && mantissa != 0 => {
            rule.double_of_scaled(i128::from(mantissa), i32::from(places))
        }
        FieldValue::Decimal { raw, .. } => rule.double_of_f64(parsed(raw)),
        FieldValue::Double(value) => rule.double_of_f64(value),
        FieldValue::Integer(n) => rule.double_of_integer(i128::from(n)),
        FieldValue::BigInteger(digits) => rule.double_of(big_integer(digits)),
        FieldValue::Boolean(_) | FieldValue::String(_) => return None,
    })
}

fn big_integer(digits: &str) -> Number {
    digits.parse().map_or(Number::Huge { is_negative: digits.starts_with('-') }, Number::Integer)
}

fn parsed(raw: &[u8]) -> f64 {
    std::str::from_utf8(raw).ok().and_then(|text| text.parse().ok()).unwrap_or(f64::NAN)
}

fn text(raw: Raw<'_>) -> Result<Cow<'_, str>, Refusal> {
    raw.text().ok_or_else(|| Refusal::new(RefusedCode::BadPayload, "a name or text that is not UTF-8"))
}

fn kind_of(value: FieldValue<'_>) -> &'static str {
    match value {
        FieldValue::Decimal { .. } | FieldValue::Double(_) => "a float",
        FieldValue::Integer(_) | FieldValue::BigInteger(_) => "an integer",
        FieldValue::Boolean(_) => "a boolean",
        FieldValue::String(_) => "a string",
    }
}

fn line_expected(storage: StorageType) -> &'static str {
    match storage {
        StorageType::Float64 | StorageType::Decimal32 { .. } | StorageType::Decimal64 { .. } => "a number",
        StorageType::Int64 => "an integer, as 12i",
        StorageType::Boolean => "a boolean, as true",
        StorageType::Utf8 => "a quoted string or a tag",
        StorageType::Timestamp => "an integer in the precision of the timestamps, as 1735689600000000000i",
    }
}

/// Digits up to which a number and its double have the same shortest text.
const DIGITS_EXACT: u8 = 15;
/// Names of a line that are no fields.
const HEADER_NAMES: [&str; 5] = ["device", "site", "province", "zone", "quality"];
/// Bytes of a row besides its fields: time, device and its key, quality, offset of the line.
const ROW_BYTES: usize = 8 + 4 + 4 + 1 + 8;
/// Bytes of a device's name in the list of a table, about.
const NAME_BYTES: usize = 128;
