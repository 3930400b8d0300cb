//! Places as columns, one row a device key, so that live rows find theirs by one gather of views per column and no text
//! is copied.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{ArrayRef, BooleanArray, StringViewBuilder, UInt32Array};
use arrow::compute::{TakeOptions, take};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::record_batch::RecordBatch;
use datafusion::common::cast::as_boolean_array;
use datafusion::common::stats::Precision;
use datafusion::common::{Result, Statistics};
use datafusion::physical_plan::PhysicalExpr;
use zonelake_schemas::Location;
use zonelake_schemas::Locations;

/// Names of the columns, in their order.
pub const PLACE_COLUMNS: [&str; 4] = ["province", "zone", "site", "device"];

/// The places of all device keys. Row 0 is null: key 0 does not exist.
#[derive(Debug)]
pub struct PlaceColumns {
    rows: RecordBatch,
    /// How many different ones each column has.
    distinct: [usize; 4],
}

impl PlaceColumns {
    /// The columns of a snapshot.
    pub fn new(places: &Locations) -> Result<Self, ArrowError> {
        let parts: [fn(&Location) -> Option<&str>; 4] = [
            |place| place.province.as_deref(),
            |place| place.zone.as_deref(),
            |place| place.site.as_deref(),
            |place| place.device.as_deref(),
        ];
        let columns = parts.map(|part| {
            let mut column = StringViewBuilder::with_capacity(places.len() + 1).with_deduplicate_strings();
            column.append_null();
            for (_, place) in places.iter() {
                column.append_option(part(place));
            }
            Arc::new(column.finish()) as ArrayRef
        });
        let distinct =
            parts.map(|part| places.iter().filter_map(|(_, place)| part(place)).collect::<HashSet<_>>().len());
        Ok(Self { rows: RecordBatch::try_new(place_schema(), columns.into())?, distinct })
    }

    /// Sets how many different values each column of a place may have at most, for choosing among plans.
    pub fn estimate(&self, columns: &Schema, statistics: &mut Statistics) {
        for (name, &distinct) in PLACE_COLUMNS.iter().zip(&self.distinct) {
            if let Ok(position) = columns.index_of(name) {
                statistics.column_statistics[position].distinct_count = Precision::Inexact(distinct);
            }
        }
    }

    /// One of the [`PLACE_COLUMNS`] for each key. A key that the snapshot does not have is an error.
    pub fn gather(&self, column: usize, keys: &UInt32Array) -> Result<ArrayRef, ArrowError> {
        take(self.rows.column(column), keys, Some(TakeOptions { check_bounds: true }))
    }

    /// The keys whose place passes a filter over the [`place_schema`], as one bit a key.
    pub fn passing(&self, filter: &Arc<dyn PhysicalExpr>) -> Result<BooleanArray> {
        let passing = filter.evaluate(&self.rows)?.into_array(self.rows.num_rows())?;
        Ok(as_boolean_array(&passing)?.clone())
    }
}

/// The schema of the columns.
pub fn place_schema() -> SchemaRef {
    let field = |name| Field::new(name, DataType::Utf8View, true);
    Arc::new(Schema::new(PLACE_COLUMNS.map(field).to_vec()))
}

/// Keeps the columns of the newest snapshot, since places change rarely and every statement needs them.
#[derive(Debug, Default)]
pub struct PlaceCache {
    newest: Mutex<Option<(Arc<Locations>, Arc<PlaceColumns>)>>,
}

impl PlaceCache {
    /// The columns of that snapshot.
    pub fn columns(&self, places: &Arc<Locations>) -> Result<Arc<PlaceColumns>, ArrowError> {
        let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((of, columns)) = &*newest
            && Arc::ptr_eq(of, places)
        {
            return Ok(Arc::clone(columns));
        }
        let columns = Arc::new(PlaceColumns::new(places)?);
        *newest = Some((Arc::clone(places), Arc::clone(&columns)));
        Ok(columns)
    }
}
