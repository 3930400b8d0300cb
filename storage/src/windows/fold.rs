//! Live rows on their way into windows. It is done beside the path of an acknowledgement: on the thread `last-rows` every few milliseconds,
//! before a flush is committed, and by a statement for what is live beyond that.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch, StringArray};
use arrow::datatypes::{TimestampMicrosecondType, UInt8Type, UInt32Type};
use arrow::error::ArrowError;
use zonelake_schemas::columns::{LIVE_FIXED, live};
use zonelake_schemas::{DeviceKey, Location, Locations};

use crate::table::chunks::Chunk;
use crate::windows::groups::WindowKey;
use crate::windows::live_windows::{LiveWindows, WindowsState};
use crate::windows::take::{NumberColumn, WindowRows};

impl LiveWindows {
    /// These with the rows of live chunks that they do not have yet, at a time by the wall clock; chunks of a shard come oldest first, and
    /// `locations` have all their devices. `None` where they have all of them.
    ///
    /// # Errors
    /// For a device that there is not.
    pub(crate) fn folded<'a>(
        &self,
        chunks: impl Iterator<Item = &'a Arc<Chunk>>,
        locations: &Locations,
        now_us: i64,
    ) -> Result<Option<Self>, ArrowError> {
        let mut folded: Option<Self> = None;
        for chunk in chunks {
            let covered = folded.as_ref().unwrap_or(self).covered.get(&chunk.shard).copied().unwrap_or_default();
            if chunk.last_lsn <= covered {
                continue;
            }
            let folded = folded.get_or_insert_with(|| self.moved_to(now_us));
            // Records of a chunk are in order, so that those that are new are behind the others.
            let known: u64 = chunk.origins.iter().take_while(|of| of.lsn <= covered).map(|of| u64::from(of.rows)).sum();
            let known = usize::try_from(known).expect("a chunk is in memory");
            if folded.state != WindowsState::NotKept {
                folded.take_live(&chunk.rows.slice(known, chunk.rows.num_rows() - known), locations, now_us)?;
            }
            folded.covered.insert(chunk.shard, chunk.last_lsn);
        }
        Ok(folded.map(Self::bounded))
    }

    fn moved_to(&self, now_us: i64) -> Self {
        let mut moved = self.clone();
        moved.leave_before(now_us.saturating_sub(SPAN_US));
        moved
    }

    /// Takes rows in the live schema in.
    pub(super) fn take_live(
        &mut self,
        rows: &RecordBatch,
        locations: &Locations,
        now_us: i64,
    ) -> Result<(), ArrowError> {
        let groups = self.groups_of(rows, locations)?;
        let columns = rows.columns()[LIVE_FIXED..].iter().enumerate();
        let rows = WindowRows {
            times: rows.column(live::TIME).as_primitive::<TimestampMicrosecondType>().values(),
            groups: &groups,
            qualities: rows.column(live::QUALITY).as_primitive::<UInt8Type>().values(),
            columns: columns.filter_map(|(field, column)| NumberColumn::new(field, column)).collect(),
        };
        self.take(&rows, now_us.saturating_add(AHEAD_US));
        Ok(())
    }

    fn groups_of(&mut self, rows: &RecordBatch, locations: &Locations) -> Result<Vec<u32>, ArrowError> {
        let layout = Arc::clone(&self.layout);
        let keys = rows.column(live::DEVICE_KEY).as_primitive::<UInt32Type>().values();
        let by: Vec<&StringArray> =
            layout.by.iter().map(|field| rows.column(LIVE_FIXED + field).as_string::<i32>()).collect();
        let values = |row: usize| -> Vec<Option<&str>> {
            by.iter().map(|column| column.is_valid(row).then(|| column.value(row))).collect()
        };
        if by.is_empty() {
            return keys.iter().map(|key| self.group_of_device(DeviceKey(*key), locations)).collect();
        }
        // Batches repeat few values.
        let mut known: BTreeMap<(u32, Vec<Option<&str>>), u32> = BTreeMap::new();
        let group = |(row, key): (usize, &u32)| {
            let values = values(row);
            if let Some(group) = known.get(&(*key, values.clone())) {
                return Ok(*group);
            }
            let location = location_of(DeviceKey(*key), locations)?;
            let owned = values.iter().map(|value| value.map(Arc::from)).collect();
            let group = self.group(key_of(location, owned));
            known.insert((*key, values), group);
            Ok(group)
        };
        keys.iter().enumerate().map(group).collect()
    }

    fn group_of_device(&mut self, key: DeviceKey, locations: &Locations) -> Result<u32, ArrowError> {
        if let Some(group) = self.groups.of_device(key) {
            return Ok(group);
        }
        let group = self.group(key_of(location_of(key, locations)?, Vec::new()));
        Arc::make_mut(&mut self.groups).note_device(key, group);
        Ok(group)
    }
}

fn location_of(key: DeviceKey, locations: &Locations) -> Result<&Location, ArrowError> {
    let unknown = || ArrowError::InvalidArgumentError(format!("there is no device {}", key.0));
    locations.get(key).map(Arc::as_ref).ok_or_else(unknown)
}

fn key_of(location: &Location, by: Vec<Option<Arc<str>>>) -> WindowKey {
    WindowKey { province: location.province.clone(), zone: location.zone.clone(), by }
}

/// Time that is kept: the last hour, and as long as a statement may take between its moment and its rows.
pub(super) const SPAN_US: i64 = 3_660 * 1_000_000;
/// Time ahead of the wall clock that is kept, for devices whose clocks are ahead. Where a row is further ahead, windows are known up to it,
/// and are read from the rows of the table when that time comes near.
pub(super) const AHEAD_US: i64 = 3_600 * 1_000_000;
