//! The statements over the table `rejected`, and their rows.

use std::collections::BTreeMap;

use arrow::array::{Array, AsArray, Int64Array, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};
use arrow::error::ArrowError;
use serde_json::Value;
use zonelake_ingest::RejectedRow;
use zonelake_schemas::reject::{DROPPED, REPLAYED};

use super::forms::{RejectedGroup, RejectedSelection};

/// Rows of a page, by gateway and table.
#[derive(Debug, Default)]
pub(crate) struct Page {
    pub(crate) groups: BTreeMap<(String, String), Vec<RejectedRow>>,
    /// Identity of the last row, where there may be more behind it.
    pub(crate) after: Option<String>,
}

/// Counts what was rejected whole and not stored or dropped since.
pub(crate) fn list_statement() -> String {
    format!(
        "SELECT r.reason, r.table_name, r.gateway, count(*), min(r.ingested_at), max(r.ingested_at), min(r.message) \
         FROM rejected AS r WHERE {} GROUP BY r.reason, r.table_name, r.gateway \
         ORDER BY r.reason, r.table_name, r.gateway LIMIT {GROUPS_MAX}",
        is_open()
    )
}

/// The next rows of a selection, by identity.
pub(crate) fn page_statement(selection: &RejectedSelection) -> String {
    let mut conditions = vec![is_open()];
    if !selection.reasons.is_empty() {
        let reasons: Vec<_> = selection.reasons.iter().map(|reason| quoted(reason)).collect();
        conditions.push(format!("r.reason IN ({})", reasons.join(", ")));
    }
    let named = [("table_name", &selection.table), ("gateway", &selection.gateway)];
    conditions
        .extend(named.iter().filter_map(|(column, name)| Some(format!("r.{column} = {}", quoted(name.as_ref()?)))));
    conditions.extend(selection.zone.as_ref().map(|zone| format!("r.zone = {}", quoted(zone))));
    // A device that nobody knows stands in what was sent, and nowhere else. Other rows that have the text are judged like all.
    let named = selection.device.as_ref().map(|device| format!("\"device\":{}", Value::from(device.as_str())));
    conditions.extend(named.map(|member| format!("strpos(r.content, {}) > 0", quoted(&member))));
    conditions.extend(selection.after.as_ref().map(|after| format!("r.identity > {}", quoted(after))));
    format!(
        "SELECT r.identity, r.table_name, r.gateway, r.producer, r.content, r.epoch, r.batch, r.\"row\" \
         FROM rejected AS r WHERE {} ORDER BY r.identity LIMIT {PAGE_ROWS}",
        conditions.join(" AND ")
    )
}

/// Condition of the rows that were rejected whole and not stored or dropped since.
fn is_open() -> String {
    let outcomes = format!("({}, {})", quoted(REPLAYED), quoted(DROPPED));
    format!(
        "r.identity IS NOT NULL AND r.reason NOT IN {outcomes} AND NOT EXISTS (SELECT 1 FROM rejected AS o \
         WHERE o.identity = r.identity AND o.reason IN {outcomes})"
    )
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// The rows of [`list_statement`].
pub(crate) fn read_groups(batches: &[RecordBatch]) -> Result<Vec<RejectedGroup>, ArrowError> {
    let mut groups = Vec::new();
    for batch in batches {
        let [reason, table, gateway, message] = [0, 1, 2, 6].map(|column| texts(batch, column));
        let [rows, first, last] = [3, 4, 5].map(|column| integers(batch, column));
        let (reason, table, gateway, message) = (reason?, table?, gateway?, message?);
        let (rows, first, last) = (rows?, first?, last?);
        groups.extend((0..batch.num_rows()).map(|row| RejectedGroup {
            reason: text_at(&reason, row),
            table: text_at(&table, row),
            gateway: text_at(&gateway, row),
            rows: rows.value(row).unsigned_abs(),
            first_us: first.value(row),
            last_us: last.value(row),
            message: text_at(&message, row),
        }));
    }
    Ok(groups)
}

/// The rows of [`page_statement`].
pub(crate) fn read_page(batches: &[RecordBatch]) -> Result<Page, ArrowError> {
    let mut page = Page::default();
    let mut last: Option<String> = None;
    for batch in batches {
        let [identity, table, gateway, producer, content] = [0, 1, 2, 3, 4].map(|column| texts(batch, column));
        let (identity, table, gateway, producer, content) = (identity?, table?, gateway?, producer?, content?);
        let [epoch, number, position] = [5, 6, 7].map(|column| integers(batch, column));
        let numbers = [epoch?, number?, position?];
        for row in 0..batch.num_rows() {
            let rejected = RejectedRow {
                identity: text_at(&identity, row),
                producer: text_at(&producer, row),
                sent_as: [0, 1, 2].map(|at: usize| numbers[at].is_valid(row).then(|| numbers[at].value(row))),
                content: text_at(&content, row),
            };
            // Rows that agree in everything are one row.
            if last.as_ref() == Some(&rejected.identity) {
                continue;
            }
            last = Some(rejected.identity.clone());
            page.groups.entry((text_at(&gateway, row), text_at(&table, row))).or_default().push(rejected);
        }
    }
    let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
    page.after = last.filter(|_| rows == PAGE_ROWS);
    Ok(page)
}

fn texts(batch: &RecordBatch, column: usize) -> Result<StringArray, ArrowError> {
    Ok(cast(batch.column(column), &DataType::Utf8)?.as_string::<i32>().clone())
}

fn integers(batch: &RecordBatch, column: usize) -> Result<Int64Array, ArrowError> {
    Ok(cast(batch.column(column), &DataType::Int64)?.as_primitive::<Int64Type>().clone())
}

fn text_at(texts: &StringArray, row: usize) -> String {
    if texts.is_valid(row) { texts.value(row).to_owned() } else { String::new() }
}

/// Rows that one request looks at.
const PAGE_ROWS: usize = 8_192;
/// Groups that a list has at most.
const GROUPS_MAX: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted_in_the_statement() {
        let selection = RejectedSelection {
            reasons: vec!["past_time".into()],
            gateway: Some("it's'; --".into()),
            zone: Some("vung-ang".into()),
            device: Some("a \"b\" it's".into()),
            after: Some("0f".into()),
            ..RejectedSelection::default()
        };
        let statement = page_statement(&selection);
        for part in [
            "r.reason IN ('past_time')",
            "r.gateway = 'it''s''; --'",
            "r.zone = 'vung-ang'",
            r#"strpos(r.content, '"device":"a \"b\" it''s"') > 0"#,
            "r.identity > '0f'",
        ] {
            assert!(statement.contains(part), "{part}: {statement}");
        }
    }
}
