//! Other values in the place of those that rows have. The old ones are entries of the table of audit.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::Mutex;
use zonelake_schemas::audit::{AuditEntry, AuditOutcome, AuditTrail, PrincipalKind, cut_text};
use zonelake_storage::{Corrected, CorrectedValue, CorrectionOrder, Store};

use super::actor::{Actor, ON_THIS_MACHINE};
use super::error::AdminError;
use super::json::{JsonBody, json};
use crate::peer::Peer;

/// Body of `POST /api/v1/corrections`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CorrectValues {
    /// The values.
    pub values: Vec<ValueItem>,
    /// Who orders it.
    pub who: String,
    /// Reason.
    pub why: String,
    /// True where all rows of a zone, device and time are meant, should there be several.
    #[serde(default)]
    pub all: bool,
    /// True where only what would change is to be told.
    #[serde(default)]
    pub dry_run: bool,
}

/// New value of one field.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ValueItem {
    /// Line in the file that it stands in; its place in the list, from 1, where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// Table.
    pub table: String,
    /// Code of the province; any where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub province: Option<String>,
    /// Code of the zone; rows without a zone where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// Name of the device; rows of the zone as a whole where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// Time of the row, with its offset.
    pub time: String,
    /// Field.
    pub field: String,
    /// The value: a number, a text, true, false or null.
    pub value: Value,
}

/// Response to `POST /api/v1/corrections`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CorrectedValues {
    /// Values that were sent.
    pub values: u64,
    /// Those of them that were not so already.
    pub changed: u64,
    /// Rows that have other values.
    pub rows: u64,
    /// Files that were written anew.
    pub files: u64,
    /// True where nothing was changed.
    pub dry_run: bool,
}

/// What the route needs.
#[derive(Debug)]
pub(super) struct CorrectionState {
    pub(super) store: Arc<Store>,
    pub(super) trail: Arc<dyn AuditTrail>,
    /// One order at a time: two would write the same files.
    pub(super) turn: Mutex<()>,
}

pub(super) async fn correct(
    State(state): State<Arc<CorrectionState>>,
    Actor(actor): Actor,
    Peer(peer): Peer,
    JsonBody(body): JsonBody<CorrectValues>,
) -> Result<Response, AdminError> {
    let CorrectValues { values, who, why, all, dry_run } = body;
    if why.trim().is_empty() {
        return Err(AdminError::input("why is empty; a correction has a reason"));
    }
    let is_local = *actor == *ON_THIS_MACHINE;
    let entry = AuditEntry {
        principal: Some(actor.to_string()),
        principal_kind: if is_local { PrincipalKind::Local } else { PrincipalKind::Role },
        reason: Some(cut_text(&why).to_owned()),
        ..AuditEntry::new(if is_local { "control" } else { "http" }, "", AuditOutcome::Unknown)
    };
    let values = (1..).zip(values).map(|(place, item)| value_of(place, item)).collect::<Result<_, _>>()?;
    let order = CorrectionOrder { values, all, dry_run, who, entry: entry.from_peer(peer) };
    // A client that goes away leaves nothing half-done.
    let work = tokio::spawn(async move {
        let _one_at_a_time = state.turn.lock().await;
        state.store.correct(&order, state.trail.as_ref()).await
    });
    let Corrected { values, changed, rows, files } = work.await??;
    Ok(json(StatusCode::OK, &CorrectedValues { values, changed, rows, files, dry_run }))
}

fn value_of(place: u64, item: ValueItem) -> Result<CorrectedValue, AdminError> {
    let ValueItem { line, table, province, zone, device, time, field, value } = item;
    let line = line.unwrap_or(place);
    let value = match value {
        Value::Null => None,
        Value::String(text) => Some(text),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        Value::Array(_) | Value::Object(_) => {
            let message = format!("line {line}: the value of {field} must be a number, a text, true, false or null");
            return Err(AdminError::input(message));
        }
    };
    Ok(CorrectedValue { line, table, province, zone, device, time, field, value })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_a_scalar_and_null_has_to_be_said() {
        let item = |value: &str| {
            let text = format!(r#"{{"table":"t","time":"2026-01-01T00:00:00Z","field":"f"{value}}}"#);
            serde_json::from_str::<ValueItem>(&text)
        };
        for (sent, wanted) in [
            (r#","value":12.50"#, Some("12.5")),
            (r#","value":9223372036854775807"#, Some("9223372036854775807")),
            (r#","value":"12.50""#, Some("12.50")),
            (r#","value":false"#, Some("false")),
            (r#","value":null"#, None),
        ] {
            let read = value_of(7, item(sent).unwrap()).unwrap();
            assert_eq!((read.value.as_deref(), read.line), (wanted, 7), "{sent}");
        }
        assert!(value_of(1, item(r#","value":[1]"#).unwrap()).is_err());
        assert!(item("").is_err(), "a value that is not there is no null");
        assert!(item(r#","value":1,"row":2"#).is_err());
    }
}
