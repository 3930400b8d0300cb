//! The part of a table that a client sees of what is kept in memory: the devices that pass the expression which a statement over the rows would have,
//! and the columns that its role sees, hashed where they are.

use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{Array, BooleanArray};
use arrow::datatypes::{FieldRef, Schema};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use datafusion::catalog::TableProvider;
use datafusion::common::{Result as PlanResult, internal_datafusion_err};
use datafusion::logical_expr::Expr;
use zonelake_registry::PersonalKey;
use zonelake_schemas::DeviceKey;
use zonelake_schemas::columns::SQL_FIXED;
use zonelake_storage::LastValue;

use crate::rights::granted_table::{GrantedColumn, granted};
use crate::rights::personal_hash::{hashed_field, hashes};
use crate::rights::row_filter::{over_columns, reads_only};
use crate::scan::location_columns::{LocationColumns, location_schema};

/// What a role that sees a part of a table sees of it.
pub struct LiveRights {
    rows: Option<Expr>,
    columns: Vec<GrantedColumn>,
    key: PersonalKey,
    /// Devices that pass, of the newest locations.
    passing: Mutex<Option<(Arc<LocationColumns>, BooleanArray)>>,
}

impl std::fmt::Debug for LiveRights {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LiveRights").finish_non_exhaustive()
    }
}

/// Why what is kept cannot be shown in part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NotByPlace;

impl LiveRights {
    /// Those of a part of a table; `None` where it is no part. A role whose rows are chosen by more than their place sees single rows of a
    /// device, and what its last row is only the rows tell.
    pub(crate) fn of(provider: &Arc<dyn TableProvider>) -> Result<Option<Arc<Self>>, NotByPlace> {
        let Some(part) = granted(provider) else { return Ok(None) };
        if !part.rows().is_none_or(|rows| reads_only(rows, &location_schema())) {
            return Err(NotByPlace);
        }
        Ok(Some(Arc::new(Self {
            rows: part.rows().cloned(),
            columns: part.columns().to_vec(),
            key: part.key().clone(),
            passing: Mutex::default(),
        })))
    }

    /// The devices that the role sees, as one bit a key; `None` for all.
    pub(crate) fn devices(&self, locations: &Arc<LocationColumns>) -> PlanResult<Option<BooleanArray>> {
        let Some(rows) = &self.rows else { return Ok(None) };
        let mut known = self.passing.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((of, passing)) = &*known
            && Arc::ptr_eq(of, locations)
        {
            return Ok(Some(passing.clone()));
        }
        let filter = over_columns(rows, &location_schema())?;
        let filter = filter.ok_or_else(|| internal_datafusion_err!("rights of a place read its columns"))?;
        let passing = locations.passing(&filter)?;
        *known = Some((Arc::clone(locations), passing.clone()));
        Ok(Some(passing))
    }

    /// True where the role sees a field, hashed or not.
    pub(crate) fn has_field(&self, field: usize) -> bool {
        self.columns.iter().any(|column| column.position == field + SQL_FIXED)
    }

    /// Keyed hash of a value of a field that the role sees hashed; `None` for any other field.
    pub(crate) fn hash(&self, field: usize, value: &LastValue) -> Option<String> {
        let column = self.columns.iter().find(|column| column.position == field + SQL_FIXED)?;
        let kind = column.hashed?;
        Some(match value {
            LastValue::Bits(bits) => self.key.hash(kind, &format!("{bits:016x}")),
            LastValue::Text(text) => self.key.hash(kind, text),
        })
    }

    /// Rows with the columns as the role sees them. `field_of` says which field the column at a position has the values of.
    pub(crate) fn shown(
        &self,
        rows: RecordBatch,
        field_of: impl Fn(usize) -> Option<usize>,
    ) -> PlanResult<RecordBatch> {
        let mut columns = rows.columns().to_vec();
        let mut fields: Vec<FieldRef> = rows.schema().fields().iter().cloned().collect();
        for at in 0..columns.len() {
            let granted =
                field_of(at).and_then(|field| self.columns.iter().find(|column| column.position == field + SQL_FIXED));
            if let Some(kind) = granted.and_then(|column| column.hashed) {
                columns[at] = hashes(&self.key, kind, &columns[at])?;
                fields[at] = hashed_field(&fields[at]);
            }
        }
        let options = RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
        Ok(RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options)?)
    }
}

/// True where a device is among those of [`LiveRights::devices`].
pub(crate) fn has_device(devices: Option<&BooleanArray>, key: DeviceKey) -> bool {
    let key = key.0 as usize;
    devices.is_none_or(|devices| key < devices.len() && devices.is_valid(key) && devices.value(key))
}
