//! Statements in the table of audit: those that read personal data are recorded before their first row is computed, and those that name
//! a table which does not exist for their role are noted as refused.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::logical_expr::{Expr, LogicalPlan};
use zonelake_schemas::TableDef;
use zonelake_schemas::audit::{AuditEntry, AuditOutcome, AuditTrail, cut_text};
use zonelake_schemas::reference::SYSTEM_TABLES;

use crate::engine::session::{Caller, Interface, SqlSession};
use crate::error::{QueryError, QueryErrorCode};

/// Audit of the statements of an engine. Without a trail nothing is recorded.
#[derive(Debug, Default)]
pub(crate) struct StatementsAudit(OnceLock<Arc<Recorded>>);

/// What is recorded, and where.
#[derive(Debug)]
struct Recorded {
    trail: Arc<dyn AuditTrail>,
    /// Columns of personal data, by table.
    personal: BTreeMap<String, BTreeSet<String>>,
    /// The same of all tables.
    all_personal: BTreeSet<String>,
    /// Tables that there are.
    tables: BTreeSet<String>,
}

impl StatementsAudit {
    /// Records from now on. Tables are what they are from the start to the stop.
    pub(crate) fn begin(&self, trail: Arc<dyn AuditTrail>, defs: &[Arc<TableDef>]) {
        let personal: BTreeMap<String, BTreeSet<String>> = defs
            .iter()
            .map(|def| {
                let fields = def.fields.iter().filter(|field| field.personal.is_some());
                (def.name.clone(), fields.map(|field| field.name.clone()).collect())
            })
            .collect();
        let all_personal = personal.values().flatten().cloned().collect();
        let tables = defs.iter().map(|def| def.name.clone()).collect();
        // A second trail would record everything twice.
        self.0.set(Arc::new(Recorded { trail, personal, all_personal, tables })).ok();
    }

    /// Audit of one statement; `None` where nothing is recorded.
    pub(crate) fn of(&self, sql: &str, session: &SqlSession) -> Option<StatementAudit> {
        let recorded = Arc::clone(self.0.get()?);
        let entry = AuditEntry::new(session.interface.name(), STATEMENT, AuditOutcome::Allowed)
            .of_role(&session.caller.name)
            .from_peer(session.peer);
        Some(StatementAudit { recorded, entry, sql: cut_text(sql).to_owned() })
    }

    /// Notes that a client looks at what is kept of a table in memory, where it sees personal data there.
    pub(crate) fn note_live(&self, table: &str, caller: &Caller, columns: impl Iterator<Item = String>) {
        let Some(recorded) = self.0.get() else { return };
        let Some(personal) = recorded.personal.get(table) else { return };
        if columns.into_iter().any(|column| personal.contains(&column)) {
            let entry = AuditEntry::new(Interface::Http.name(), "live", AuditOutcome::Allowed);
            recorded.trail.note(entry.of_role(&caller.name).about(table));
        }
    }
}

/// Audit of one statement.
#[derive(Debug)]
pub(crate) struct StatementAudit {
    recorded: Arc<Recorded>,
    entry: AuditEntry,
    sql: String,
}

impl StatementAudit {
    /// Columns of personal data that an optimized plan reads, as `table.column`.
    pub(crate) fn personal_columns(&self, plan: &LogicalPlan) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        // Nothing in it fails.
        plan.apply_with_subqueries(|plan| {
            if let LogicalPlan::TableScan(scan) = plan {
                let table = scan.table_name.table();
                let personal = match self.recorded.personal.get(table) {
                    Some(personal) => personal,
                    // Relations of another name over the tables, if there are any, have their columns.
                    None if !SYSTEM_TABLES.contains(&table) => &self.recorded.all_personal,
                    None => return Ok(TreeNodeRecursion::Continue),
                };
                let shown = scan.projected_schema.fields().iter().map(|field| field.name());
                // A column may be filtered by within the scan, and leave it not.
                let filtered = scan.filters.iter().flat_map(Expr::column_refs).map(|column| &column.name);
                let read = shown.chain(filtered).filter(|name| personal.contains(*name));
                found.extend(read.map(|name| format!("{table}.{name}")));
            }
            Ok(TreeNodeRecursion::Continue)
        })
        .ok();
        found
    }

    /// Records that the statement reads these columns: durable when this returns.
    ///
    /// # Errors
    /// [`QueryErrorCode::Busy`] where it cannot be recorded: nobody reads personal data unseen.
    pub(crate) async fn record(&self, columns: &BTreeSet<String>) -> Result<(), QueryError> {
        if columns.is_empty() {
            return Ok(());
        }
        let names: Vec<&str> = columns.iter().map(String::as_str).collect();
        let tables: BTreeSet<&str> = names.iter().filter_map(|name| name.split('.').next()).collect();
        let object = tables.into_iter().collect::<Vec<_>>().join(", ");
        let detail = json(&[("columns", &names.join(", ")), ("sql", &self.sql)]);
        let entry = AuditEntry { detail: Some(detail), ..self.entry.clone().about(object) };
        self.recorded.trail.record(entry).await.map_err(|error| {
            tracing::error!("a statement over personal data was refused: {error}");
            let message = "the statement reads personal data and cannot be recorded at the moment; try again later";
            QueryError::new(QueryErrorCode::Busy, message)
        })
    }

    /// Notes that the statement was refused, where it names a table that is there and does not exist for its role.
    pub(crate) fn note_refused(&self, error: &QueryError) {
        let words = error.message.strip_prefix("relation \"").and_then(|rest| rest.strip_suffix("\" does not exist"));
        let hidden = words.filter(|name| self.recorded.tables.contains(*name));
        let (Some(UNDEFINED_TABLE), Some(table)) = (error.narrow_sqlstate(), hidden) else { return };
        let entry = AuditEntry { outcome: AuditOutcome::Refused, ..self.entry.clone() };
        let detail = json(&[("sql", &self.sql)]);
        self.recorded.trail.note(AuditEntry { detail: Some(detail), ..entry.about(table).because("no_right") });
    }
}

/// An object of texts.
fn json(members: &[(&str, &str)]) -> String {
    let mut text = String::from("{");
    for (at, (name, value)) in members.iter().enumerate() {
        if at > 0 {
            text.push(',');
        }
        text.push_str(&quoted(name));
        text.push(':');
        text.push_str(&quoted(value));
    }
    text.push('}');
    text
}

/// A text as JSON has it (RFC 8259).
fn quoted(value: &str) -> String {
    let mut text = String::with_capacity(value.len() + 2);
    text.push('"');
    for letter in value.chars() {
        match letter {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            letter if (letter as u32) < 0x20 => text.push_str(&format!("\\u{:04x}", letter as u32)),
            letter => text.push(letter),
        }
    }
    text.push('"');
    text
}

/// Action of a statement.
const STATEMENT: &str = "statement";
/// SQLSTATE of a table that does not exist.
const UNDEFINED_TABLE: &str = "42P01";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_detail_is_json_whatever_the_text_is() {
        assert_eq!(json(&[("sql", "a\"b\\c\nd\u{1}é"), ("n", "")]), r#"{"sql":"a\"b\\c\nd\u0001é","n":""}"#);
    }
}
