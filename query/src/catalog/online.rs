//! `system.devices`: devices with what is said of them, those that wait for approval among them, and when each was heard of.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Int64Array, StringViewArray};
use arrow::datatypes::{DataType, Field};
use arrow::error::ArrowError;
use arrow::record_batch::RecordBatch;
use zonelake_registry::{DeviceRecord, DeviceSelection, Position, Registry};
use zonelake_schemas::alerts::is_written_by_server;
use zonelake_schemas::columns::timestamp;
use zonelake_storage::{LastHead, LastRowsState, TableView};

use crate::catalog::reference_tables::{ReferenceTable, bigint, double, instants, text, texts};
use crate::catalog::source::Pinned;
use crate::scan::telemetry_table::PinnedTable;

pub(super) const DESCRIPTION: &str = "Devices where they are now, with what is said of them, when each was heard of, and whether it is silent beyond its interval";

/// A device, and when it was heard of.
struct Online {
    record: DeviceRecord,
    tags: String,
    /// Last receipt of a row of it, and the time of its last row, of all tables.
    received_us: Option<i64>,
    time_us: Option<i64>,
    is_silent: Option<bool>,
}

/// The table, as of the moment at which the statement's tables were pinned. Rows of tables that `is_heard` leaves out tell nothing of a device.
pub(super) fn devices(
    pinned: &Pinned,
    is_heard: impl Fn(&PinnedTable) -> bool,
    registry: Arc<Registry>,
) -> ReferenceTable {
    let instant = |name| Field::new(name, timestamp(), true);
    let columns = vec![
        text("province"),
        text("zone"),
        text("site"),
        text("device"),
        text("state"),
        text("kind"),
        text("model"),
        text("serial"),
        text("owner"),
        double("latitude"),
        double("longitude"),
        text("tags"),
        bigint("interval_seconds"),
        instant("first_seen"),
        instant("last_seen"),
        instant("last_time"),
        Field::new("silent", DataType::Boolean, true),
    ];
    let tables = pinned.tables.iter().filter(|table| !is_written_by_server(&table.def));
    // Of tables in which a row may take another one's place, last rows are not kept.
    let (kept, others): (Vec<_>, Vec<_>) = tables.partition(|table| table.def.on_repeat.keeps_all() && is_heard(table));
    let is_blind = !others.is_empty();
    let views: Vec<Arc<TableView>> = kept.into_iter().map(|table| Arc::clone(&table.view)).collect();
    ReferenceTable::new(columns, move |schema| {
        let rows = rows(&views, is_blind, &registry)?;
        let said = |of: fn(&DeviceRecord) -> Option<&str>| -> ArrayRef {
            Arc::new(rows.iter().map(|row| of(&row.record)).collect::<StringViewArray>())
        };
        let degrees = |of: fn(Position) -> f64| -> ArrayRef {
            let degrees = rows.iter().map(|row| row.record.details.position.map(of));
            Arc::new(degrees.collect::<arrow::array::Float64Array>())
        };
        let intervals = rows.iter().map(|row| row.record.details.interval_seconds.map(i64::from));
        RecordBatch::try_new(
            Arc::clone(schema),
            vec![
                said(|record| Some(&record.province)),
                said(|record| Some(&record.zone_code)),
                said(|record| record.site.as_deref()),
                said(|record| Some(&record.name)),
                said(|record| Some(record.details.state.name())),
                said(|record| record.details.kind.as_deref()),
                said(|record| record.details.model.as_deref()),
                said(|record| record.details.serial.as_deref()),
                said(|record| record.details.owner.as_deref()),
                degrees(|position| position.latitude),
                degrees(|position| position.longitude),
                texts(&rows, |row| Some(row.tags.as_str()).filter(|tags| !tags.is_empty())),
                Arc::new(intervals.collect::<Int64Array>()),
                // A batch is received before its devices are registered.
                instants(&rows, |row| {
                    row.record.registered_us.map(|since| row.received_us.map_or(since, |at| at.min(since)))
                }),
                instants(&rows, |row| row.received_us),
                instants(&rows, |row| row.time_us),
                Arc::new(rows.iter().map(|row| row.is_silent).collect::<BooleanArray>()),
            ],
        )
    })
}

fn rows(views: &[Arc<TableView>], is_blind: bool, registry: &Registry) -> Result<Vec<Online>, ArrowError> {
    let tables = views.iter().map(|view| view.heard()).collect::<Result<Vec<_>, _>>()?;
    // Where the last rows of a table are not known, a device may have been heard of there.
    let is_complete = tables.iter().all(|last| last.state() == LastRowsState::Complete);
    let now_us = registry.clock().wall_us();
    let selection = DeviceSelection { limit: usize::MAX, ..DeviceSelection::default() };
    let records = registry.device_records(&selection).map_err(|error| ArrowError::ExternalError(Box::new(error)))?;
    let online = |record: DeviceRecord| {
        let last = |of: fn(&LastHead) -> i64| {
            let key = record.key?;
            tables.iter().filter_map(|last| last.device(key)).map(|device| of(&device.head)).max()
        };
        let received_us = last(|head| head.ingested_at_us);
        let since = record.registered_us.filter(|_| is_complete && (received_us.is_some() || !is_blind));
        Online {
            tags: record.details.tags.join(";"),
            received_us,
            time_us: last(|head| head.order.time_us),
            is_silent: since.and_then(|since| record.details.is_silent(since, received_us, now_us)),
            record,
        }
    };
    Ok(records.into_iter().map(online).collect())
}
