//! Locations as columns, one row a device key, so that live rows find theirs by one gather of views per column and no text is
//! copied.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use arrow::array::{ArrayRef, BooleanArray, StringViewBuilder, UInt32Array};
use arrow::compute::{TakeOptions, take, take_record_batch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::record_batch::RecordBatch;
use datafusion::common::cast::as_boolean_array;
use datafusion::common::stats::Precision;
use datafusion::common::{Result, Statistics};
use datafusion::physical_plan::PhysicalExpr;
use zonelake_schemas::Location;
use zonelake_schemas::Locations;

/// Names of the columns, in order.
pub(crate) const LOCATION_COLUMNS: [&str; 4] = ["province", "zone", "site", "device"];

/// Locations of all device keys. Row 0 is null: key 0 does not exist.
#[derive(Debug)]
pub(crate) struct LocationColumns {
    rows: RecordBatch,
    /// Number of distinct values of each column.
    distinct: [usize; 4],
    locations: Locations,
    /// See [`LocationColumns::current_keys`].
    current: OnceLock<Vec<u32>>,
}

impl LocationColumns {
    /// Columns of a snapshot.
    ///
    /// # Errors
    /// Where Arrow refuses the columns.
    pub(crate) fn new(locations: &Locations) -> Result<Self, ArrowError> {
        let parts: [fn(&Location) -> Option<&str>; 4] = [
            |location| location.province.as_deref(),
            |location| location.zone.as_deref(),
            |location| location.site.as_deref(),
            |location| location.device.as_deref(),
        ];
        let columns = parts.map(|part| {
            let mut column = StringViewBuilder::with_capacity(locations.len() + 1).with_deduplicate_strings();
            column.append_null();
            for (_, location) in locations.iter() {
                column.append_option(part(location));
            }
            Arc::new(column.finish()) as ArrayRef
        });
        let distinct =
            parts.map(|part| locations.iter().filter_map(|(_, location)| part(location)).collect::<HashSet<_>>().len());
        let rows = RecordBatch::try_new(location_schema(), columns.into())?;
        Ok(Self { rows, distinct, locations: locations.clone(), current: OnceLock::new() })
    }

    /// Sets the maximum of distinct values of each column of a location, for choosing among plans.
    pub(crate) fn estimate(&self, columns: &Schema, statistics: &mut Statistics) {
        for (name, &distinct) in LOCATION_COLUMNS.iter().zip(&self.distinct) {
            if let Ok(position) = columns.index_of(name) {
                statistics.column_statistics[position].distinct_count = Precision::Inexact(distinct);
            }
        }
    }

    /// One of the [`LOCATION_COLUMNS`] for each key.
    ///
    /// # Errors
    /// For a key that the snapshot does not have.
    pub(crate) fn gather(&self, column: usize, keys: &UInt32Array) -> Result<ArrayRef, ArrowError> {
        take(self.rows.column(column), keys, Some(TakeOptions { check_bounds: true }))
    }

    /// For each key the current one of its device, by province, zone and name: a device that moves within its zone gets a greater
    /// key. The key 0 has itself.
    pub(crate) fn current_keys(&self) -> &[u32] {
        self.current.get_or_init(|| {
            let name =
                |location: &Location| (location.province.clone(), location.zone.clone(), location.device.clone());
            // In the order of the keys, so that the greatest of a device is inserted last.
            let newest: HashMap<_, u32> =
                self.locations.iter().map(|(key, location)| (name(location), key.0)).collect();
            let of_all =
                self.locations.iter().map(|(key, location)| newest.get(&name(location)).copied().unwrap_or(key.0));
            std::iter::once(0).chain(of_all).collect()
        })
    }

    /// The locations at which devices are now.
    ///
    /// # Errors
    /// Where Arrow refuses the columns.
    pub(crate) fn current_places(&self) -> Result<RecordBatch, ArrowError> {
        // The key 0 is of no device.
        let current = (0_u32..).zip(self.current_keys()).skip(1).filter(|(key, now)| key == *now);
        take_record_batch(&self.rows, &UInt32Array::from_iter_values(current.map(|(key, _)| key)))
    }

    /// Keys whose location passes a filter over the [`location_schema`], as one bit a key.
    ///
    /// # Errors
    /// Where the filter cannot be evaluated.
    pub(crate) fn passing(&self, filter: &Arc<dyn PhysicalExpr>) -> Result<BooleanArray> {
        let passing = filter.evaluate(&self.rows)?.into_array(self.rows.num_rows())?;
        Ok(as_boolean_array(&passing)?.clone())
    }
}

/// Schema of the columns.
pub(crate) fn location_schema() -> SchemaRef {
    let field = |name| Field::new(name, DataType::Utf8View, true);
    Arc::new(Schema::new(LOCATION_COLUMNS.map(field).to_vec()))
}

/// Columns of the newest snapshot, kept since locations change rarely and every statement needs them.
#[derive(Debug, Default)]
pub(crate) struct LocationCache {
    newest: Mutex<Option<(Arc<Locations>, Arc<LocationColumns>)>>,
}

impl LocationCache {
    /// Columns of that snapshot.
    ///
    /// # Errors
    /// As [`LocationColumns::new`].
    pub(crate) fn columns(&self, locations: &Arc<Locations>) -> Result<Arc<LocationColumns>, ArrowError> {
        // The lock is held while columns are made: the others that wait for it need the same ones.
        let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((of, columns)) = &*newest
            && Arc::ptr_eq(of, locations)
        {
            return Ok(Arc::clone(columns));
        }
        let columns = Arc::new(LocationColumns::new(locations)?);
        *newest = Some((Arc::clone(locations), Arc::clone(&columns)));
        Ok(columns)
    }
}
