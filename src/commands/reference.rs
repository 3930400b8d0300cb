//! `zonelake reference`: limits, tariffs, criteria and what is known of stations and meters, as dated rows, in a running server or
//! in the folder of a stopped one.

use std::io::{Read, Write};
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Map, Value};
use zonelake_http::{ImportReference, ImportedReference, ReferenceItem, ReferenceList, ReferenceText};
use zonelake_schemas::reference_tables::{CellKind, ReferenceTable, reference_table};

use crate::error::{CliError, long_help};
use crate::registry_access::{Control, ControlOptions};

const EXAMPLES: &str =
    "An import replaces all rows of a table, or none. A row is valid from valid_from to valid_to, both inclusive.

Examples:
  zonelake reference list
  zonelake reference show stations
  zonelake reference export air_limits --format json > air_limits.json
  zonelake reference import stations stations.csv --dry-run
  zonelake reference import air_limits air_limits.json";

/// List, show, import and export reference data: limits, tariffs, criteria, stations, meters
#[derive(Debug, Subcommand)]
#[command(after_help = EXAMPLES, after_long_help = long_help(EXAMPLES))]
pub(crate) enum ReferenceCommand {
    #[command(after_long_help = long_help(EXAMPLES))]
    /// List the tables, with the number of their rows
    List(ControlOptions),
    #[command(after_long_help = long_help(EXAMPLES))]
    /// Show what a table says, its columns and its rows
    Show(ShowOptions),
    #[command(after_long_help = long_help(EXAMPLES))]
    /// Put the rows of a file in the place of those of a table, once all of them are found right
    Import(ImportOptions),
    #[command(after_long_help = long_help(EXAMPLES))]
    /// Write the rows of a table to standard output, as import takes them
    Export(ExportOptions),
}

/// Options of `reference show`.
#[derive(Debug, Args)]
pub(crate) struct ShowOptions {
    /// Name of the table, as reference list has it
    pub table: String,

    #[command(flatten)]
    pub control: ControlOptions,
}

/// Options of `reference import`.
#[derive(Debug, Args)]
pub(crate) struct ImportOptions {
    /// Name of the table, as reference list has it
    pub table: String,

    /// File with the rows, or - for standard input
    pub file: PathBuf,

    /// Format of the file; without it its name says so: .json, else CSV
    #[arg(long, value_enum)]
    pub format: Option<Format>,

    /// Check the rows and say what would change, and change nothing
    #[arg(long)]
    pub dry_run: bool,

    #[command(flatten)]
    pub control: ControlOptions,
}

/// Options of `reference export`.
#[derive(Debug, Args)]
pub(crate) struct ExportOptions {
    /// Name of the table, as reference list has it
    pub table: String,

    /// Format of the output
    #[arg(long, value_enum, default_value = "csv")]
    pub format: Format,

    #[command(flatten)]
    pub control: ControlOptions,
}

/// Format of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Comma-separated cells, with a header; an empty cell is unknown
    Csv,
    /// A list of objects, one a row; null is unknown
    Json,
}

/// Lists, shows, imports or exports reference data.
///
/// # Errors
/// Where there is no registry or no such table, a file cannot be read, or a row is wrong: with the file and the line.
pub(crate) fn run(command: &ReferenceCommand) -> Result<(), CliError> {
    match command {
        ReferenceCommand::List(control) => {
            let list: ReferenceList = Control::open(control)?.get(&[REFERENCE])?;
            print_list(&list.tables)
        }
        ReferenceCommand::Show(options) => {
            let table = declared(&options.table)?;
            let text: ReferenceText = Control::open(&options.control)?.get(&[REFERENCE, table.name])?;
            let key = table.key.join(", ");
            print(&format!("# {}\n# One row for each {key}, at any day.\n{}", table.description, text.csv))
        }
        ReferenceCommand::Export(options) => {
            let table = declared(&options.table)?;
            let text: ReferenceText = Control::open(&options.control)?.get(&[REFERENCE, table.name])?;
            match options.format {
                Format::Csv => print(&text.csv),
                Format::Json => print(&json_of(table, &text.csv)?),
            }
        }
        ReferenceCommand::Import(options) => import(options),
    }
}

fn import(options: &ImportOptions) -> Result<(), CliError> {
    let table = declared(&options.table)?;
    let shown = options.file.display();
    let content = read(options).map_err(|error| CliError::input(format!("cannot read {shown}: {error}")))?;
    let by_name = match options.file.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("json")) {
        true => Format::Json,
        false => Format::Csv,
    };
    let csv = match options.format.unwrap_or(by_name) {
        Format::Csv => content,
        Format::Json => csv_of(table, &content).map_err(|error| CliError::input(format!("{shown}: {error}")))?,
    };
    let body = ImportReference { csv, dry_run: options.dry_run };
    let imported: ImportedReference = Control::open(&options.control)?
        .post(&[REFERENCE, table.name], &body)
        .map_err(|error| error.prefixed(&format!("{shown}: ")))?;
    let ImportedReference { name, rows, added, removed, dry_run, .. } = imported;
    match dry_run {
        true => eprintln!("{name} would have {rows} rows: {added} new ones, {removed} no more. Nothing is changed."),
        false => eprintln!("{name} has {rows} rows: {added} new ones, {removed} no more."),
    }
    Ok(())
}

fn read(options: &ImportOptions) -> std::io::Result<String> {
    if options.file.as_os_str() == "-" {
        let mut content = String::new();
        std::io::stdin().read_to_string(&mut content)?;
        return Ok(content);
    }
    std::fs::read_to_string(&options.file)
}

fn declared(name: &str) -> Result<&'static ReferenceTable, CliError> {
    let unknown = || CliError::input(format!("there is no reference table {name:?}: see `zonelake reference list`"));
    reference_table(name).ok_or_else(unknown)
}

/// Rows of JSON as a CSV text whose first row is line 2.
fn csv_of(table: &ReferenceTable, json: &str) -> Result<String, CliError> {
    let rows: Vec<Map<String, Value>> = serde_json::from_str(json).map_err(CliError::input)?;
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(table.columns.iter().map(|column| column.name)).map_err(CliError::failed)?;
    for (number, row) in (1..).zip(&rows) {
        if let Some(unknown) = row.keys().find(|key| table.position(key).is_none()) {
            return Err(CliError::input(format!("row {number}: {} has no column {unknown:?}", table.name)));
        }
        let cell = |name: &str| match row.get(name) {
            None | Some(Value::Null) => Ok(String::new()),
            Some(Value::String(text)) => Ok(text.clone()),
            Some(Value::Number(number)) => Ok(number.to_string()),
            Some(Value::Bool(truth)) => Ok(truth.to_string()),
            Some(_) => Err(CliError::input(format!("row {number}: {name} must be a text, a number, true or false"))),
        };
        let cells = table.columns.iter().map(|column| cell(column.name)).collect::<Result<Vec<_>, _>>()?;
        writer.write_record(cells).map_err(CliError::failed)?;
    }
    let bytes = writer.into_inner().map_err(|error| CliError::failed(error.error()))?;
    String::from_utf8(bytes).map_err(CliError::failed)
}

fn json_of(table: &ReferenceTable, csv: &str) -> Result<String, CliError> {
    let mut rows = Vec::new();
    for record in csv::Reader::from_reader(csv.as_bytes()).records() {
        let record = record.map_err(CliError::failed)?;
        let value = |(kind, cell): (CellKind, &str)| match kind {
            _ if cell.is_empty() => Value::Null,
            // Numbers keep the digits that they are written with, where JSON can have them.
            CellKind::Number | CellKind::Integer | CellKind::Boolean => {
                serde_json::from_str(cell).unwrap_or_else(|_| Value::from(cell))
            }
            CellKind::Text | CellKind::Date | CellKind::TimeOfDay | CellKind::Polygon => Value::from(cell),
        };
        let cells = table.columns.iter().zip(record.iter());
        let row: Map<String, Value> =
            cells.map(|(column, cell)| (column.name.to_owned(), value((column.kind, cell)))).collect();
        rows.push(row);
    }
    let text = serde_json::to_string_pretty(&rows).map_err(CliError::failed)?;
    Ok(text + "\n")
}

fn print_list(tables: &[ReferenceItem]) -> Result<(), CliError> {
    let width = tables.iter().map(|table| table.name.len()).max().unwrap_or(0).max(NAME.len());
    let mut lines = format!("{NAME:width$}  {:>6}  description\n", "rows");
    for table in tables {
        lines += &format!("{:width$}  {:>6}  {}\n", table.name, table.rows, table.description);
    }
    print(&lines)
}

fn print(text: &str) -> Result<(), CliError> {
    std::io::stdout().lock().write_all(text.as_bytes()).map_err(CliError::failed)
}

/// Resource of reference data.
const REFERENCE: &str = "reference";
const NAME: &str = "table";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_go_through_json_and_come_back_as_they_were() {
        let table = declared("air_limits").unwrap();
        let json = json_of(table, table.csv).unwrap();
        let again = csv_of(table, &json).unwrap();
        assert_eq!(again, table.csv);
    }

    #[test]
    fn a_column_that_a_table_does_not_have_is_named() {
        let table = declared("air_limits").unwrap();
        let error = csv_of(table, r#"[{"parameter": "SO2"}, {"parametr": "CO"}]"#).unwrap_err().to_string();
        assert!(error.contains("row 2") && error.contains("parametr"), "{error}");
    }
}
