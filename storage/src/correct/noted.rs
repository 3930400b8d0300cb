//! Old and new values in the table of audit. They are noted durably before the commit, and recorded with what has become of it: a
//! process that is killed in between leaves entries of an unknown outcome, and no change without an entry.

use serde_json::{Value, json};
use zonelake_schemas::audit::{AUDIT_TEXT_BYTES_MAX, AuditEntry, AuditError, AuditOutcome, AuditTrail, OrderId};

use crate::correct::order::CorrectionOrder;
use crate::rules::error::RuleError;

/// Entries that were begun, in their order.
#[derive(Debug, Default)]
pub(super) struct Noted(Vec<(OrderId, AuditEntry)>);

/// Entries about changes of a table, each with as many values as fit.
///
/// # Errors
/// `Input` where one value is too long for an entry.
pub(super) fn entries(order: &CorrectionOrder, table: &str, changes: &[&Value]) -> Result<Vec<AuditEntry>, RuleError> {
    let entry = |values: &[&Value]| AuditEntry {
        action: ACTION.into(),
        object: Some(table.to_owned()),
        outcome: AuditOutcome::Unknown,
        detail: Some(json!({"who": order.who, "values": values}).to_string()),
        ..order.entry.clone()
    };
    let is_too_long =
        |entry: &AuditEntry| entry.detail.as_ref().is_some_and(|detail| detail.len() > AUDIT_TEXT_BYTES_MAX);
    let mut all = Vec::new();
    let mut rest = changes;
    while !rest.is_empty() {
        // Halved until it fits: values are mostly short, and an entry has about fifty.
        let mut count = rest.len().min(VALUES_OF_ENTRY_MAX);
        let mut made = entry(&rest[..count]);
        while is_too_long(&made) && count > 1 {
            count = count.div_ceil(2);
            made = entry(&rest[..count]);
        }
        if is_too_long(&made) {
            let field = rest[0]["field"].as_str().unwrap_or_default();
            return Err(RuleError::Input(format!(
                "a value of field {field} of table {table} is too long: the old and the new one have to fit into {AUDIT_TEXT_BYTES_MAX} bytes of an entry of audit"
            )));
        }
        all.push(made);
        rest = &rest[count..];
    }
    Ok(all)
}

impl Noted {
    /// Notes entries, unless the same ones are noted already.
    pub(super) async fn begin(&mut self, trail: &dyn AuditTrail, entries: Vec<AuditEntry>) -> Result<(), RuleError> {
        if self.0.iter().map(|(_, entry)| entry).eq(&entries) {
            return Ok(());
        }
        self.end(trail, AuditOutcome::Refused).await?;
        for entry in entries {
            match trail.begin(entry.clone()).await {
                Ok(id) => self.0.push((id, entry)),
                Err(error) => {
                    // Nothing was done; what cannot be recorded as refused is recorded by the next start.
                    self.end(trail, AuditOutcome::Refused).await.ok();
                    return Err(error.into());
                }
            }
        }
        Ok(())
    }

    /// Records what has become of the changes.
    pub(super) async fn end(&mut self, trail: &dyn AuditTrail, outcome: AuditOutcome) -> Result<(), AuditError> {
        let mut failed = None;
        for (id, entry) in self.0.drain(..) {
            if let Err(error) = trail.end(id, AuditEntry { outcome, ..entry }).await {
                failed.get_or_insert(error);
            }
        }
        failed.map_or(Ok(()), Err)
    }
}

/// Name of the action.
const ACTION: &str = "correct_values";
/// Values of one entry.
const VALUES_OF_ENTRY_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn order() -> CorrectionOrder {
        let entry = AuditEntry::new("http", "", AuditOutcome::Unknown).of_role("admin").because("a wrong sensor");
        CorrectionOrder { values: Vec::new(), all: false, dry_run: false, who: "w".into(), entry }
    }

    #[test]
    fn all_values_are_in_entries_that_are_not_cut() {
        let changes: Vec<Value> = (0..200).map(|n| json!({"field": "f", "old": "x".repeat(n * 7), "new": n})).collect();
        let entries = entries(&order(), "air", &changes.iter().collect::<Vec<_>>()).unwrap();
        let mut told = Vec::new();
        for entry in &entries {
            let detail = entry.detail.as_ref().unwrap();
            assert!(detail.len() <= AUDIT_TEXT_BYTES_MAX, "{}", detail.len());
            assert_eq!((entry.action.as_str(), entry.object.as_deref()), ("correct_values", Some("air")));
            assert_eq!(entry.reason.as_deref(), Some("a wrong sensor"));
            let detail: Value = serde_json::from_str(detail).unwrap();
            told.extend(detail["values"].as_array().unwrap().clone());
        }
        assert_eq!(told, changes);
    }

    #[test]
    fn a_value_that_no_entry_can_keep_is_refused() {
        let long = json!({"field": "note", "old": "x".repeat(AUDIT_TEXT_BYTES_MAX), "new": null});
        let error = entries(&order(), "air", &[&long]).unwrap_err().to_string();
        assert!(error.contains("field note of table air is too long"), "{error}");
        assert!(entries(&order(), "air", &[]).unwrap().is_empty());
    }
}
