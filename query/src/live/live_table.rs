//! The last values of a table at one moment.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::BooleanArray;
use arrow::record_batch::RecordBatch;
use datafusion::catalog::TableProvider;
use zonelake_schemas::{DeviceKey, Locations};
use zonelake_storage::{DeviceLast, LastRows, LastValue};

use crate::error::{QueryError, QueryErrorCode};
use crate::last::columns::Known;
use crate::last::last_table::{LastTable, Shown};
use crate::live::error::LiveError;
use crate::live::position::LivePosition;
use crate::live::rights::{LiveRights, has_device};
use crate::live::selection::LiveSelection;
use crate::live::shown_tag::ShownTag;
use crate::scan::telemetry_table::TelemetryTable;

/// The last values of a table at one moment.
#[derive(Debug)]
pub struct LiveTable {
    pub(crate) table: Arc<LastTable>,
    pub(crate) locations: Arc<Locations>,
    /// Devices that are not as they were in the state before, where there was one.
    pub(crate) changed: Arc<Vec<Known>>,
    /// The part that the client sees; none where it sees all.
    rights: Option<Arc<LiveRights>>,
    /// Devices of that part, where it has not all.
    seen: Option<BooleanArray>,
}

/// Devices of a client's choice, as of one moment.
#[derive(Debug, Clone, Default)]
pub struct LiveDevices {
    devices: Vec<Known>,
}

impl LiveDevices {
    /// True where there is none.
    pub fn is_empty(&self) -> bool {
        self.devices.is_empty()
    }

    /// Number of devices.
    pub fn len(&self) -> usize {
        self.devices.len()
    }
}

impl LiveTable {
    /// The last values of a table of which nothing is hidden.
    pub(crate) fn new(table: &TelemetryTable) -> Result<Self, LiveError> {
        if !table.def().on_repeat.keeps_all() {
            return Err(LiveError::Repeats);
        }
        let last = table.last(Shown::Values).map_err(QueryError::from)?.ok_or(LiveError::NotKnown)?;
        let locations = Arc::clone(table.locations());
        Ok(Self { table: last, locations, changed: Arc::default(), rights: None, seen: None })
    }

    /// The part of it that a client sees.
    ///
    /// # Errors
    /// [`QueryErrorCode::Internal`] where rights cannot be judged.
    pub fn seen_with(&self, rights: Option<&Arc<LiveRights>>) -> Result<Self, QueryError> {
        let seen = rights.map(|rights| rights.devices(self.table.locations())).transpose()?.flatten();
        Ok(Self {
            table: Arc::clone(&self.table),
            locations: Arc::clone(&self.locations),
            changed: Arc::clone(&self.changed),
            rights: rights.cloned(),
            seen,
        })
    }

    /// The part of the table that the client sees; none where it sees all.
    pub fn rights(&self) -> Option<&Arc<LiveRights>> {
        self.rights.as_ref()
    }

    /// A number that differs where anything differs that the client would see of these devices and its fields, but their ages. What it does not see
    /// has no part in it.
    ///
    /// # Errors
    /// As [`LiveTable::check_fields`].
    pub fn tag(&self, devices: &LiveDevices, selection: &LiveSelection) -> Result<u64, QueryError> {
        let chosen: BTreeSet<usize> = self.check_fields(selection)?.into_iter().filter_map(field_at).collect();
        let is_shown = |field: u16| match selection.fields.is_empty() {
            true => self.has_field(field.into()),
            false => chosen.contains(&field.into()),
        };
        let mut tag = ShownTag::default();
        for (key, device) in &devices.devices {
            tag.add(key.0.into());
            tag.add(device.head.order.time_us.cast_unsigned());
            for field in device.fields.iter().filter(|field| is_shown(field.field)) {
                tag.add(field.field.into());
                tag.add(field.quality.into());
                tag.add(field.order.time_us.cast_unsigned());
                // The tag is no secret, and no keyed function either: whoever sees hashes could try values until it fits.
                let hash = self.rights.as_ref().and_then(|rights| rights.hash(field.field.into(), &field.value));
                match (&hash, &field.value) {
                    (Some(hash), _) => tag.add_bytes(hash.as_bytes()),
                    (None, LastValue::Bits(bits)) => tag.add(*bits),
                    (None, LastValue::Text(text)) => tag.add_bytes(text.as_bytes()),
                }
            }
        }
        Ok(tag.value())
    }

    fn has_field(&self, field: usize) -> bool {
        self.rights.as_ref().is_none_or(|rights| rights.has_field(field))
    }

    pub(crate) fn kept(&self) -> &Arc<LastRows> {
        self.table.kept()
    }

    /// How far the shards had come.
    pub fn position(&self) -> LivePosition {
        LivePosition(self.kept().covered().clone())
    }

    /// The same for a client that may know it: records of a shard are of all zones, so that their number tells how much others send.
    pub fn shown_position(&self) -> Option<LivePosition> {
        self.rights.is_none().then(|| self.position())
    }

    /// The chosen devices. `now_us` is what ages are counted to.
    pub fn chosen(&self, selection: &LiveSelection, now_us: i64) -> LiveDevices {
        let devices = self.table.devices(|key| self.is_chosen(selection, key));
        let devices = devices.into_iter().filter(|(_, device)| is_in_window(selection, device, now_us));
        LiveDevices { devices: devices.collect() }
    }

    /// The chosen devices that have changed since a position, or may have; all of them where the position is of another time line.
    /// True beside them where they are all.
    pub fn chosen_since(&self, selection: &LiveSelection, now_us: i64, since: &LivePosition) -> (LiveDevices, bool) {
        let mut chosen = self.chosen(selection, now_us);
        if !since.is_within(&self.position()) {
            return (chosen, true);
        }
        chosen.devices.retain(|(_, device)| device.may_have_changed_since(&since.0));
        (chosen, false)
    }

    /// The chosen devices among those that have changed since the state before this one.
    pub fn changed(&self, selection: &LiveSelection) -> LiveDevices {
        let current = self.table.current_keys();
        let is_shown = |key: DeviceKey| current.get(key.0 as usize) == Some(&key.0) && self.is_chosen(selection, key);
        LiveDevices { devices: self.changed.iter().filter(|(key, _)| is_shown(*key)).cloned().collect() }
    }

    /// Positions of the chosen fields in [`LastTable`]'s schema.
    ///
    /// # Errors
    /// [`QueryErrorCode::Sql`] for a field that the table does not have.
    pub fn check_fields(&self, selection: &LiveSelection) -> Result<Vec<usize>, QueryError> {
        let schema = self.table.schema();
        let position = |field: &String| {
            let found = schema.index_of(field).ok();
            let found = found.filter(|at| field_at(*at).is_some_and(|field| self.has_field(field)));
            found.ok_or_else(|| {
                let message = format!("the table has no field \"{field}\"; the table \"fields\" lists them");
                QueryError::new(QueryErrorCode::Sql, message)
            })
        };
        selection.fields.iter().map(position).collect()
    }

    /// Devices as rows: place, time of the last row, age in seconds, and for each field its last value with time and quality. Where no
    /// fields are chosen, those are shown that one of the devices ever had.
    ///
    /// # Errors
    /// As [`LiveTable::check_fields`]; [`QueryErrorCode::Internal`] where columns cannot be made.
    pub fn rows(
        &self,
        devices: &LiveDevices,
        selection: &LiveSelection,
        now_us: i64,
    ) -> Result<RecordBatch, QueryError> {
        let mut fields = self.check_fields(selection)?;
        if fields.is_empty() {
            let known = devices.devices.iter().flat_map(|(_, device)| device.fields.iter().map(|field| field.field));
            let known: BTreeSet<u16> = known.filter(|field| self.has_field((*field).into())).collect();
            fields = known.into_iter().map(|field| HEAD_COLUMNS + usize::from(field) * COLUMNS_OF_FIELD).collect();
        }
        let of_fields = fields.into_iter().flat_map(|at| at..at + COLUMNS_OF_FIELD);
        let positions: Vec<usize> = (0..HEAD_COLUMNS).chain(of_fields).collect();
        let rows = self.table.rows(&devices.devices, &positions, now_us)?;
        match &self.rights {
            None => Ok(rows),
            Some(rights) => Ok(rights.shown(rows, |column| field_at(positions[column]))?),
        }
    }

    fn is_chosen(&self, selection: &LiveSelection, key: DeviceKey) -> bool {
        has_device(self.seen.as_ref(), key) && self.locations.get(key).is_some_and(|location| selection.has(location))
    }
}

fn is_in_window(selection: &LiveSelection, device: &DeviceLast, now_us: i64) -> bool {
    selection.window.is_none_or(|window| {
        // A device whose clock is ahead has an age below zero.
        let age_us = i128::from(now_us) - i128::from(device.head.order.time_us);
        u128::try_from(age_us).map_or(true, |age_us| age_us <= window.as_micros())
    })
}

/// The field whose last value stands at a position.
fn field_at(position: usize) -> Option<usize> {
    let beyond = position.checked_sub(HEAD_COLUMNS)?;
    beyond.is_multiple_of(COLUMNS_OF_FIELD).then_some(beyond / COLUMNS_OF_FIELD)
}

/// Columns before the fields: province, zone, site, device, time, age.
const HEAD_COLUMNS: usize = 6;
/// Columns of a field: value, time, quality.
const COLUMNS_OF_FIELD: usize = 3;
