//! The statements over rows and over the table `alerts`.

use chrono::{DateTime, SecondsFormat};
use zonelake_schemas::alerts::ALERTS;
use zonelake_schemas::{FieldKind, TableDef};

/// The last transition of each rule of a table over each device.
pub(crate) fn states_statement(table: &str) -> String {
    format!(
        "SELECT {STATE_COLUMNS} FROM (SELECT {STATE_COLUMNS}, \
          row_number() OVER (PARTITION BY rule, zone, device ORDER BY number DESC, ingested_at DESC) AS place \
          FROM {ALERTS} WHERE table_name = {}) AS newest WHERE place = 1",
        quoted(table)
    )
}

/// When the last row of a table came.
pub(crate) fn last_receipt_statement(table: &str) -> String {
    format!("SELECT max(ingested_at) FROM {}", identifier(table))
}

/// Good rows of a table from an instant on, in the order in which they came, or by their times.
pub(crate) fn rows_statement(
    table: &TableDef,
    fields: &[usize],
    (from_us, until_us): (i64, Option<i64>),
    is_by_receipt: bool,
) -> String {
    let numbers = fields.iter().map(|field| {
        let field = &table.fields[*field];
        let name = identifier(&field.name);
        match field.kind {
            FieldKind::Boolean => {
                format!(", CAST(CASE WHEN {name} THEN 1 WHEN NOT {name} THEN 0 END AS double precision)")
            }
            _ => format!(", CAST({name} AS double precision)"),
        }
    });
    let until = until_us.map(|us| format!(" AND \"time\" < {}", instant(us))).unwrap_or_default();
    format!(
        "SELECT \"time\", ingested_at, zone, device, backfill{} FROM {} WHERE \"time\" >= {}{until} \
         AND quality = 'good' AND device IS NOT NULL ORDER BY {}\"time\"",
        numbers.collect::<String>(),
        identifier(&table.name),
        instant(from_us),
        if is_by_receipt { "ingested_at, " } else { "" },
    )
}

/// Columns of [`states_statement`].
const STATE_COLUMNS: &str = "rule, rule_version, number, state, from_state, since, seen, \"time\", zone, device, \
                             author, severity, field, message, message_vi";

fn instant(us: i64) -> String {
    // Rows have times from 1970 on, and none is beyond the year 9999.
    let at = DateTime::from_timestamp_micros(us.clamp(0, LATEST_US)).unwrap_or_default();
    format!("timestamptz '{}'", at.to_rfc3339_opts(SecondsFormat::Micros, true))
}

fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// The last microsecond of the year 9999.
const LATEST_US: i64 = 253_402_300_799_999_999;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_asked_by_name_and_time() {
        let table =
            "name = \"t\"\n[[field]]\nname = \"a\"\ntype = \"double\"\n[[field]]\nname = \"b\"\ntype = \"boolean\"";
        let table = TableDef::from_toml(table).expect("the declaration is good");
        let statement = rows_statement(&table, &[0, 1], (-5, Some(1_000_000)), true);
        for part in [
            "CAST(\"a\" AS double precision)",
            "WHEN NOT \"b\" THEN 0",
            ">= timestamptz '1970-01-01T00:00:00.000000Z'",
            "< timestamptz '1970-01-01T00:00:01.000000Z'",
            "ORDER BY ingested_at, \"time\"",
        ] {
            assert!(statement.contains(part), "{part}: {statement}");
        }
        assert!(states_statement("o'clock").contains("'o''clock'"));
    }
}
