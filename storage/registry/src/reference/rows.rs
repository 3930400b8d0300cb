//! A CSV text to rows that are checked, and rows to a text.

use csv::{ReaderBuilder, WriterBuilder};
use zonelake_schemas::reference_tables::ReferenceTable;

use crate::reference::cells::check_cell;
use crate::reference::row::{ReferenceError, ReferenceRow};
use crate::reference::validity::check_validity;

/// Bytes of the text of a table; more is refused.
const BYTES_MAX: usize = 8 << 20;
/// Bytes of a cell.
const CELL_BYTES_MAX: usize = 4_096;

/// Reads and checks the rows of a table: its header, each cell, and that rows of one key do not overlap in time.
///
/// # Errors
/// The first thing that is wrong.
pub fn reference_rows(table: &'static ReferenceTable, text: &str) -> Result<Vec<ReferenceRow>, ReferenceError> {
    let wrong = |line: u64, what: String| ReferenceError { table: table.name, line, what };
    if text.len() > BYTES_MAX {
        return Err(wrong(1, format!("the text has {} bytes, and at most {BYTES_MAX} are possible", text.len())));
    }
    let text = text.trim_start_matches('\u{feff}');
    let mut reader = ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text.as_bytes());
    let mut rows = Vec::new();
    let mut header_seen = false;
    for record in reader.records() {
        let record = record.map_err(|error| {
            let line = error.position().map_or(0, csv::Position::line);
            wrong(line, format!("this is no CSV: {error}"))
        })?;
        let line = record.position().map_or(0, csv::Position::line);
        if !header_seen {
            header_seen = true;
            let names: Vec<&str> = table.columns.iter().map(|column| column.name).collect();
            if !record.iter().eq(names.iter().copied()) {
                return Err(wrong(line, format!("the header must be {}", names.join(","))));
            }
            continue;
        }
        if record.len() != table.columns.len() {
            let what = format!("there are {} cells, and the table has {} columns", record.len(), table.columns.len());
            return Err(wrong(line, what));
        }
        let mut cells = Vec::with_capacity(record.len());
        for (column, cell) in table.columns.iter().zip(record.iter()) {
            if cell.is_empty() {
                if column.required {
                    return Err(wrong(line, format!("{} must not be empty", column.name)));
                }
                cells.push(None);
                continue;
            }
            if cell.len() > CELL_BYTES_MAX {
                return Err(wrong(line, format!("{} has more than {CELL_BYTES_MAX} bytes", column.name)));
            }
            check_cell(column.kind, cell).map_err(|what| wrong(line, format!("{}: {what}", column.name)))?;
            cells.push(Some(cell.to_owned()));
        }
        rows.push(ReferenceRow { line, cells });
    }
    if !header_seen {
        return Err(wrong(1, "the text has no header".to_owned()));
    }
    check_validity(table, &rows)?;
    Ok(rows)
}

/// The text of rows, with a header; the same rows always give the same text.
pub(crate) fn reference_text(table: &ReferenceTable, rows: &[ReferenceRow]) -> String {
    let mut writer = WriterBuilder::new().from_writer(Vec::new());
    let header = table.columns.iter().map(|column| column.name);
    // A vector takes every write, and UTF-8 goes in.
    let written = writer.write_record(header).and_then(|()| {
        rows.iter().try_for_each(|row| writer.write_record(row.cells.iter().map(|cell| cell.as_deref().unwrap_or(""))))
    });
    debug_assert!(written.is_ok());
    String::from_utf8(writer.into_inner().unwrap_or_default()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use zonelake_schemas::reference_tables::{REFERENCE_TABLES, reference_table};

    use super::*;

    fn air(lines: &str) -> Result<Vec<ReferenceRow>, String> {
        let table = reference_table("air_limits").unwrap();
        let text = format!("regulation,parameter,unit,averaging,limit_value,valid_from,valid_to\n{lines}");
        reference_rows(table, &text).map_err(|error| error.to_string())
    }

    #[test]
    fn every_built_in_text_is_read_and_written_back_as_rows_that_are_the_same() {
        for table in REFERENCE_TABLES {
            let rows = reference_rows(table, table.csv).unwrap_or_else(|error| panic!("{error}"));
            let again = reference_rows(table, &reference_text(table, &rows)).unwrap();
            let cells = |rows: &[ReferenceRow]| rows.iter().map(|row| row.cells.clone()).collect::<Vec<_>>();
            assert_eq!(cells(&rows), cells(&again), "{}", table.name);
        }
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        for (lines, expected) in [
            ("R,SO2,µg,1h,,2023-01-01,\n", "air_limits, line 2: limit_value must not be empty"),
            ("R,SO2,µg,1h,1,2023-01-01,\nR,SO2,µg,8h,x,2023-01-01,\n", "air_limits, line 3: limit_value: \"x\" is not"),
            ("R,SO2,µg,1h,1,2023-01-01\n", "air_limits, line 2: there are 6 cells, and the table has 7 columns"),
            ("R,SO2,µg,1h,1,2023-02-01,2023-01-31\n", "air_limits, line 2: valid_to is before valid_from"),
        ] {
            let error = air(lines).unwrap_err();
            assert!(error.starts_with(expected), "{error}");
        }
        let header = reference_rows(reference_table("air_limits").unwrap(), "a,b\n").unwrap_err();
        assert_eq!((header.line, header.what.starts_with("the header must be regulation,")), (1, true));
    }

    #[test]
    fn rows_of_one_key_must_not_overlap_and_both_lines_are_named() {
        let adjoining = "R,PM2.5,µg,24h,50,2023-09-12,2025-12-31\nR,PM2.5,µg,24h,45,2026-01-01,\n";
        assert_eq!(air(adjoining).map(|rows| rows.len()), Ok(2));
        for second in ["2025-12-31,", "2020-01-01,", "2020-01-01,2023-09-12", "2024-01-01,2024-01-01"] {
            let overlapping = format!("R,PM2.5,µg,24h,50,2023-09-12,2025-12-31\nR,PM2.5,µg,24h,45,{second}\n");
            let error = air(&overlapping).unwrap_err();
            assert!(error.contains("line 3") && error.contains("line 2") && error.contains("valid"), "{error}");
        }
        let others = "R,PM2.5,µg,24h,50,2023-09-12,\nR,PM2.5,µg,1y,25,2023-09-12,\nQ,PM2.5,µg,24h,45,2023-09-12,\n";
        assert_eq!(air(others).map(|rows| rows.len()), Ok(3));
    }

    #[test]
    fn limits_for_existing_and_new_facilities_may_overlap_since_they_are_of_two_keys() {
        let table = reference_table("emission_limits").unwrap();
        let rows = reference_rows(table, table.csv).unwrap();
        let applies_to = table.position("applies_to").unwrap();
        let of = |name: &str| rows.iter().filter(|row| row.cells[applies_to].as_deref() == Some(name)).count();
        assert_eq!((of("existing"), of("new")), (4, 4));
    }
}
