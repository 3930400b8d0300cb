//! Transitions on their way into the table `alerts`.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray, UInt8Array, UInt32Array,
};
use arrow::error::ArrowError;
use zonelake_alerts::{Cause, RuleDef, Transition};
use zonelake_registry::RegisteredTable;
use zonelake_schemas::columns::{LOG_FIXED, constant_boolean, null_column, timestamp};
use zonelake_schemas::{DeviceKey, Quality};

/// A transition with its rule and device.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    pub(crate) rule: Arc<RuleWords>,
    pub(crate) device: DeviceKey,
    pub(crate) transition: Transition,
}

/// What the rows of a rule have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RuleWords {
    pub(crate) name: String,
    pub(crate) version: u32,
    pub(crate) author: String,
    pub(crate) severity: String,
    pub(crate) table: String,
    pub(crate) field: Option<String>,
    pub(crate) message: String,
    pub(crate) message_vi: String,
}

impl RuleWords {
    pub(crate) fn of(def: &RuleDef, version: u32, author: &str) -> Self {
        Self {
            name: def.name.clone(),
            version,
            author: author.to_owned(),
            severity: def.severity.name().to_owned(),
            table: def.table.clone(),
            field: def.conditions.first().map(|condition| condition.field.clone()),
            message: def.text.en.clone(),
            message_vi: def.text.vi.clone(),
        }
    }
}

/// Rows of the table `alerts`, in its log schema.
pub(crate) fn alert_rows(found: &[Found], table: &RegisteredTable) -> Result<RecordBatch, ArrowError> {
    let text = |of: &dyn Fn(&RuleWords) -> Option<&str>| -> ArrayRef {
        Arc::new(found.iter().map(|one| of(&one.rule)).collect::<StringArray>())
    };
    let name = |of: &dyn Fn(&Transition) -> &'static str| -> ArrayRef {
        Arc::new(found.iter().map(|one| Some(of(&one.transition))).collect::<StringArray>())
    };
    let instants = |of: &dyn Fn(&Transition) -> i64| -> ArrayRef {
        // A rule whose first value is still to come has looked at nothing.
        let all = found.iter().map(|one| Some(of(&one.transition)).filter(|us| *us > i64::MIN));
        Arc::new(all.collect::<TimestampMicrosecondArray>().with_data_type(timestamp()))
    };
    let number = |of: &dyn Fn(&Found) -> u64| -> ArrayRef {
        let all = found.iter().map(|one| Some(i64::try_from(of(one)).unwrap_or(i64::MAX)));
        Arc::new(all.collect::<Int64Array>())
    };
    let schema = &table.schemas.log;
    let mut columns: Vec<ArrayRef> = vec![
        instants(&|one| one.at_us),
        Arc::new(UInt32Array::from_iter_values(found.iter().map(|one| one.device.0))),
        Arc::new(UInt8Array::from_value(Quality::Good as u8, found.len())),
        Arc::new(constant_boolean(false, found.len())),
    ];
    for field in &schema.fields()[LOG_FIXED..] {
        columns.push(match field.name().as_str() {
            "rule" => text(&|rule| Some(&rule.name)),
            "rule_version" => number(&|one| one.rule.version.into()),
            "number" => number(&|one| one.transition.number),
            "state" => name(&|one| one.to.name()),
            "from_state" => name(&|one| one.from.name()),
            "cause" => name(&|one: &Transition| Cause::name(one.cause)),
            "since" => instants(&|one| one.since_us),
            "seen" => instants(&|one| one.seen_us),
            "value" => Arc::new(found.iter().map(|one| one.transition.value).collect::<Float64Array>()),
            "severity" => text(&|rule| Some(&rule.severity)),
            "table_name" => text(&|rule| Some(&rule.table)),
            "field" => text(&|rule| rule.field.as_deref()),
            "author" => text(&|rule| Some(&rule.author)),
            "message" => text(&|rule| Some(&rule.message)),
            "message_vi" => text(&|rule| Some(&rule.message_vi)),
            _ => null_column(field.data_type(), found.len()),
        });
    }
    RecordBatch::try_new(Arc::clone(schema), columns)
}

#[cfg(test)]
mod tests {
    use zonelake_alerts::State;
    use zonelake_schemas::alerts::alerts_table;
    use zonelake_schemas::{SchemaVersion, TableId, TableSchemas};

    use super::*;

    #[test]
    fn a_transition_fills_every_column_of_the_table() {
        let def = alerts_table();
        let table = RegisteredTable {
            id: TableId(1),
            version: SchemaVersion(1),
            schemas: TableSchemas::new(&def),
            field_counts: vec![def.fields.len()],
            def: Arc::new(def),
            earliest: Arc::default(),
        };
        let rule = RuleWords {
            name: "hot".into(),
            version: 2,
            author: "me".into(),
            severity: "warning".into(),
            table: "environment".into(),
            field: Some("temperature".into()),
            message: "It is hot".into(),
            message_vi: "Nóng".into(),
        };
        let transition = Transition {
            at_us: 7,
            from: State::Pending,
            to: State::Firing,
            since_us: 5,
            seen_us: 7,
            value: Some(41.5),
            number: 2,
            cause: Cause::Value,
        };
        let found = Found { rule: Arc::new(rule), device: DeviceKey(3), transition };
        let rows = alert_rows(&[found], &table).expect("they are in the log schema");
        assert!(rows.columns().iter().all(|column| column.null_count() == 0 && column.len() == 1), "{rows:?}");
    }
}
